//! Private keys as DER and as PEM: our own PKCS#8, and what other programs write.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quorate_pki::foreign_key;
use quorate_pki::key::{PrivateKey, PublicKey, encode_pem};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

// Throwaway keys, see fixture/README.md.
const KEYS: [&str; 4] = [
    include_str!("../fixture/keys/p256.pem"),
    include_str!("../fixture/keys/p384.pem"),
    include_str!("../fixture/keys/ed25519.pem"),
    include_str!("../fixture/keys/rsa.pem"),
];

static PUBLIC: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = |text: &&str| PrivateKey::from_pem(&SecretString::from(*text)).expect("a fixture key");
    KEYS.iter().map(|text| key(text).public().clone()).collect()
});

fuzz_target!(|input: &[u8]| {
    if let Ok(key) = PrivateKey::from_pkcs8(&Zeroizing::new(input.to_vec())) {
        assert_eq!(key.expose_pkcs8(), input, "the key is kept as it came");
        check(&key);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        if let Ok(key) = PrivateKey::from_pem(&SecretString::from(text)) {
            check(&key);
        }
        foreign(text);
    }
    // As DER a mutation reaches further than through base64.
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        foreign(&encode_pem(label, input));
    }
});

/// A key that was read is written and read again: the same bytes and the same public half.
fn check(key: &PrivateKey) {
    let pem = key.expose_pem();
    let again = PrivateKey::from_pem(&pem).expect("our own PEM is read");
    assert_eq!(again.public(), key.public());
    assert!(again.expose_pkcs8() == key.expose_pkcs8());
    assert!(key.public().pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(format!("{key:?}"), "PrivateKey([elided])");
    // Whatever form it had, it is one that adoption takes as well, and it stays the same key.
    let adopted = foreign_key::from_pem(&pem, key.public()).expect("our own PEM is adopted");
    assert_eq!(adopted.public(), key.public());
    assert!(pem.expose_secret().ends_with("-----END PRIVATE KEY-----\n"));
}

/// A key of another program is never taken for another half than its own.
fn foreign(text: &str) {
    let text = SecretString::from(text);
    for public in PUBLIC.iter() {
        match foreign_key::from_pem(&text, public) {
            Ok(key) => {
                assert_eq!(key.public(), public);
                check(&key);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

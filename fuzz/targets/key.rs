//! Private keys: PKCS#8 as DER, and as PEM where the input looks like text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_pki::key::PrivateKey;
use secrecy::SecretString;
use zeroize::Zeroizing;

fuzz_target!(|input: &[u8]| {
    if let Ok(key) = PrivateKey::from_pkcs8(&Zeroizing::new(input.to_vec())) {
        assert_eq!(key.expose_pkcs8(), input, "the key is kept as it came");
        check(&key);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(key) = PrivateKey::from_pem(&SecretString::from(text))
    {
        check(&key);
    }
});

/// A key that was read is written and read again: the same bytes, the same public half, the same kind.
fn check(key: &PrivateKey) {
    let again = PrivateKey::from_pem(&secrecy::SecretString::from(secrecy::ExposeSecret::expose_secret(
        &key.expose_pem(),
    )))
    .expect("our own PEM is read");
    assert_eq!(again.public(), key.public());
    assert_eq!(again.key_type(), key.key_type());
    assert!(again.expose_pkcs8() == key.expose_pkcs8());
    assert!(key.public().pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(format!("{key:?}"), format!("PrivateKey({}, [elided])", key.key_type()));
}

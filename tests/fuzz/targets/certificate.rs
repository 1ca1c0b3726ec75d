//! Certificates as they come from a disk, DER or PEM, and what becomes of those that are to be adopted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quorate_pki::adopt::{Adopted, check, left_out, read_certificate, strictures, try_out};
use quorate_pki::authority::Authority;
use quorate_pki::cluster::CaMode;
use quorate_pki::facts::CertFacts;
use quorate_pki::key::PrivateKey;
use secrecy::SecretString;
use time::OffsetDateTime;

// Throwaway keys, see fixture/README.md.
const KEYS: [&str; 4] = [
    include_str!("../fixture/keys/p256.pem"),
    include_str!("../fixture/keys/p384.pem"),
    include_str!("../fixture/keys/ed25519.pem"),
    include_str!("../fixture/keys/rsa.pem"),
];

fn key(text: &str) -> PrivateKey {
    PrivateKey::from_pem(&SecretString::from(text)).expect("a fixture key")
}

static PUBLIC: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| KEYS.iter().map(|text| key(text).public().spki().to_vec()).collect());

fuzz_target!(|input: &[u8]| {
    // DER begins with 0x30, the letter `0`: both readers get every input, and each grows a corpus of its own.
    match CertFacts::from_der(input) {
        Ok(facts) => read(std::slice::from_ref(&facts)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match CertFacts::chain_from_pem(input) {
        Ok(chain) => read(&chain),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// What was read is written as PEM and read again, to the byte; and every question about it has an answer.
fn read(chain: &[CertFacts]) {
    assert!(!chain.is_empty(), "a chain of nothing");
    let pem: String = chain.iter().map(CertFacts::pem).collect();
    let again = CertFacts::chain_from_pem(pem.as_bytes()).expect("our own PEM is read");
    assert_eq!(again, chain);
    assert_eq!(read_certificate(pem.as_bytes()).ok().as_ref(), chain.first().filter(|_| chain.len() == 1));
    for facts in chain {
        assert_eq!(facts.public_key.sha256().len(), 64);
        assert!(facts.sans.is_sorted());
        assert!(facts.is_ca || !facts.may_sign());
        if let Err(cause) = facts.subject_elements() {
            assert!(!cause.is_empty());
        }
        if let Some(at) = PUBLIC.iter().position(|public| public == facts.public_key.spki()) {
            adopt(facts, KEYS[at]);
        }
    }
    for (leaf, issuer) in chain.iter().zip(chain.iter().skip(1).chain(chain)) {
        // Only an exact name may be followed by a signature that holds.
        assert!(!leaf.is_signed_by(issuer) || leaf.raw_issuer == issuer.raw_subject);
    }
}

/// An authority that was made elsewhere, with its key: taken, or refused by an attribute.
fn adopt(facts: &CertFacts, text: &str) {
    let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_760);
    for (mode, authority) in [(CaMode::Shared, Authority::Root), (CaMode::Separate, Authority::Etcd)] {
        let adopted = [(authority, Adopted { facts: facts.clone(), key: key(text) })].into();
        let found = match check(mode, &[(authority, facts.clone())].into(), now) {
            Ok(()) => {
                assert!(facts.may_sign());
                // What webpki and rcgen make of it: an answer, whatever it is.
                try_out(mode, &adopted, now).err().unwrap_or_default()
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                faults
            }
        };
        assert!(found.iter().all(|fault| !fault.found.is_empty() && !fault.hint.is_empty()));
        assert!(strictures(facts).len() <= 4 && left_out(facts).len() < 1000);
    }
}

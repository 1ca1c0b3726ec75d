//! Certificates as they come from a disk: DER, or PEM where the input looks like text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_pki::facts::CertFacts;

fuzz_target!(|input: &[u8]| {
    // DER begins with 0x30, the letter `0`: both readers get every input, and each grows a corpus of its own.
    match CertFacts::from_der(input) {
        Ok(facts) => check(std::slice::from_ref(&facts)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match CertFacts::chain_from_pem(input) {
        Ok(chain) => check(&chain),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// What was read is written as PEM and read again, to the byte; and every question about it has an answer.
fn check(chain: &[CertFacts]) {
    assert!(!chain.is_empty(), "a chain of nothing");
    let pem: String = chain.iter().map(CertFacts::pem).collect();
    let again = CertFacts::chain_from_pem(pem.as_bytes()).expect("our own PEM is read");
    assert_eq!(again, chain);
    for facts in chain {
        assert_eq!(facts.public_key.sha256().len(), 64);
        assert!(facts.sans.is_sorted());
        for san in &facts.sans {
            assert!(!format!("{san:?}").is_empty());
        }
    }
    for (leaf, issuer) in chain.iter().zip(chain.iter().skip(1).chain(chain)) {
        // Only an exact name may be followed by a signature that holds.
        assert!(!leaf.is_signed_by(issuer) || leaf.raw_issuer == issuer.raw_subject);
    }
}

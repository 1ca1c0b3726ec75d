//! Signatures for webpki, each computed once however many anchors a chain is judged under.
//!
//! A leaf is judged under every authority and for every usage. Its signature is the same each time, and that of its
//! issuer the same for all its siblings; computing them again was two thirds of the judge's time. webpki still builds
//! each chain and looks at everything else in it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ring::digest::{Context, SHA256};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// All of webpki's algorithms, for one judgement.
#[derive(Debug)]
pub(crate) struct Signatures(Vec<Once>);

impl Signatures {
    pub(crate) fn new() -> Self {
        Self(webpki::ALL_VERIFICATION_ALGS.iter().map(|algorithm| Once::new(*algorithm)).collect())
    }

    pub(crate) fn algorithms(&self) -> Vec<&dyn SignatureVerificationAlgorithm> {
        self.0.iter().map(|once| -> &dyn SignatureVerificationAlgorithm { once }).collect()
    }
}

/// An algorithm, and what it has found good: SHA-256 over key, text and signature.
#[derive(Debug)]
struct Once {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    good: Mutex<HashSet<Vec<u8>>>,
}

impl Once {
    fn new(algorithm: &'static dyn SignatureVerificationAlgorithm) -> Self {
        Self { algorithm, good: Mutex::default() }
    }
}

impl SignatureVerificationAlgorithm for Once {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let name = digest([public_key, message, signature]);
        if self.good.lock().unwrap_or_else(PoisonError::into_inner).contains(&name) {
            return Ok(());
        }
        self.algorithm.verify_signature(public_key, message, signature)?;
        self.good.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Each part behind its length, so that no byte can pass from one to the next.
fn digest(parts: [&[u8]; 3]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_good_signature_stays_good_and_makes_no_other_one_so() {
        let random = SystemRandom::new();
        let pair = || {
            let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()
        };
        let (own, other) = (pair(), pair());
        let (text, signature) = (b"to be signed", own.sign(b"to be signed"));
        let once = Once::new(webpki::ring::ED25519);
        let judge = |key: &[u8], text: &[u8], signature: &[u8]| {
            let found = once.verify_signature(key, text, signature).is_ok();
            assert_eq!(found, UnparsedPublicKey::new(&ED25519, key).verify(text, signature).is_ok());
            found
        };
        let key = own.public_key().as_ref();
        for _ in 0..2 {
            assert!(judge(key, text, signature.as_ref()));
            assert!(!judge(key, b"to be signeD", signature.as_ref()));
            assert!(!judge(other.public_key().as_ref(), text, signature.as_ref()));
            assert!(!judge(key, text, other.sign(text).as_ref()));
            assert!(!judge(key, b"", b""));
        }
        assert_eq!(once.good.lock().unwrap().len(), 1, "what is refused is not remembered");
    }

    #[test]
    fn parts_of_another_length_have_another_name() {
        assert_ne!(digest([b"ab", b"c", b""]), digest([b"a", b"bc", b""]));
    }
}

//! Private keys: made, carried, never shown.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm,
};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::PrivatePkcs8KeyDer;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

use crate::cluster::KeyType;
use crate::error::KeyError;

/// A private key as PKCS#8 DER (RFC 5208), with its public half.
///
/// No `Clone`, no `Display`, no `Serialize`; `Debug` says that it is one and nothing more. Wiped when dropped; what
/// ring keeps inside while it signs is not (SECURITY.md says so).
pub struct PrivateKey {
    pkcs8: SecretSlice<u8>,
    algorithm: &'static SignatureAlgorithm,
    public: PublicKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([elided])")
    }
}

/// What a key may sign with. RSA only as the key of an authority that was made elsewhere: none is made here.
static ALGORITHMS: [&SignatureAlgorithm; 4] =
    [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256];

/// The DER of the PKCS#8 version 1 wrapping of an Ed25519 seed: RFC 8410 section 7. ring writes version 2, with
/// the public key behind it, which OpenSSL 3.0 does not read.
const ED25519_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// An Ed25519 seed, 32 bytes, as PKCS#8 in version 1.
pub(crate) fn ed25519_pkcs8(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&ED25519_PREFIX, seed].concat())
}

fn algorithm(key_type: KeyType) -> &'static SignatureAlgorithm {
    match key_type {
        KeyType::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::P384 => &PKCS_ECDSA_P384_SHA384,
        KeyType::Ed25519 => &PKCS_ED25519,
    }
}

impl PrivateKey {
    /// A new key from the operating system's random generator.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the generator fails.
    pub fn generate(key_type: KeyType) -> Result<Self, KeyError> {
        if key_type == KeyType::Ed25519 {
            let document =
                Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Generate)?;
            // Version 2 has the same layout up to the end of the seed: only length and version differ.
            let seed = document.as_ref().get(16..48).ok_or(KeyError::Generate)?;
            return Self::from_pkcs8(&ed25519_pkcs8(seed));
        }
        let pair = KeyPair::generate_for(algorithm(key_type)).map_err(|_| KeyError::Generate)?;
        let public = PublicKey::from_pair(&pair);
        Ok(Self { pkcs8: SecretSlice::from(pair.serialize_der()), algorithm: algorithm(key_type), public })
    }

    /// A key from the DER of PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::Parse`] when it is no key of a supported type, or its halves do not belong together.
    pub fn from_pkcs8(der: &Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        for algorithm in ALGORITHMS {
            let pkcs8 = PrivatePkcs8KeyDer::from(der.as_slice());
            if let Ok(pair) = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, algorithm) {
                let public = PublicKey::from_pair(&pair);
                return Ok(Self { pkcs8: SecretSlice::from(der.to_vec()), algorithm, public });
            }
        }
        Err(KeyError::Parse)
    }

    /// A key from PEM with the label `PRIVATE KEY`.
    ///
    /// # Errors
    /// [`KeyError::Pem`] when it is no PEM or bears another label, [`KeyError::Parse`] as [`Self::from_pkcs8`].
    pub fn from_pem(text: &SecretString) -> Result<Self, KeyError> {
        let parsed = pem::parse(text.expose_secret()).map_err(|_| KeyError::Pem)?;
        if parsed.tag() != "PRIVATE KEY" {
            return Err(KeyError::Pem);
        }
        Self::from_pkcs8(&Zeroizing::new(parsed.into_contents()))
    }

    /// The key as PEM, label `PRIVATE KEY`, for sealing: RFC 7468 section 10, written into one buffer that is wiped.
    pub fn expose_pem(&self) -> SecretString {
        let der = self.pkcs8.expose_secret();
        let mut body = Zeroizing::new(vec![0_u8; der.len().div_ceil(3) * 4]);
        // The buffer has the length of the result.
        let length = STANDARD.encode_slice(der, &mut body).unwrap_or(0);
        let mut text = String::with_capacity(body.len() + body.len() / 64 + 64);
        text.push_str("-----BEGIN PRIVATE KEY-----\n");
        for line in body.get(..length).unwrap_or_default().chunks(64) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("-----END PRIVATE KEY-----\n");
        SecretString::from(text)
    }

    /// The key as PKCS#8 DER, for a TLS stack in this process.
    pub fn expose_pkcs8(&self) -> &[u8] {
        self.pkcs8.expose_secret()
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key as rcgen signs with it.
    pub(crate) fn signing_pair(&self) -> Result<KeyPair, KeyError> {
        let pkcs8 = PrivatePkcs8KeyDer::from(self.pkcs8.expose_secret());
        KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, self.algorithm).map_err(|_| KeyError::Parse)
    }
}

/// A public key as the DER of its SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
}

impl PublicKey {
    fn from_pair(pair: &KeyPair) -> Self {
        Self { spki: pair.subject_public_key_info() }
    }

    /// A public key out of a certificate.
    pub fn from_spki(spki: Vec<u8>) -> Self {
        Self { spki }
    }

    /// The DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the DER, in lower-case hexadecimal: the name by which the manifest knows a key.
    pub fn sha256(&self) -> String {
        sha256(&self.spki)
    }

    /// Whether it is encoded as everybody encodes it: a point uncompressed (RFC 5480 section 2.2), RSA with NULL for
    /// parameters (RFC 3279 section 2.3.1). A private key's public half is, and is compared by its bytes.
    pub fn is_usual(&self) -> bool {
        const RSA_WITH_NULL: &[u8] =
            &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
        // Ed25519, P-256, P-384: each has one length.
        let rsa = self.spki.windows(RSA_WITH_NULL.len()).take(8).any(|window| window == RSA_WITH_NULL);
        rsa || matches!(self.spki.len(), 44 | 91 | 120)
    }

    /// The key as PEM, label `PUBLIC KEY`.
    pub fn pem(&self) -> String {
        encode_pem("PUBLIC KEY", &self.spki)
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// PEM with lines of 64 and one line feed at the end: RFC 7468 section 2.
pub fn encode_pem(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_own_pem_in_every_type() {
        for key_type in [KeyType::P256, KeyType::P384, KeyType::Ed25519] {
            let key = PrivateKey::generate(key_type).unwrap();
            let again = PrivateKey::from_pem(&key.expose_pem()).unwrap();
            assert_eq!(again.algorithm, algorithm(key_type));
            assert_eq!(again.public(), key.public());
            assert_eq!(again.expose_pkcs8(), key.expose_pkcs8());
        }
    }

    #[test]
    fn debug_shows_no_byte_of_the_key() {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey([elided])");
    }

    #[test]
    fn a_certificate_is_no_private_key() {
        let pem = encode_pem("CERTIFICATE", b"not a key");
        assert!(matches!(PrivateKey::from_pem(&pem.into()), Err(KeyError::Pem)));
    }
}

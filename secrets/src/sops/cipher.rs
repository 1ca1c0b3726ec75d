//! The encrypted value: AES-256-GCM with a 32-byte nonce, and the one line of text it is written as.
//!
//! A 32-byte nonce is unusual, GCM hashes it into the counter; ring and aws-lc take 12 bytes only.

use std::fmt;

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes256;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use super::value::{Kind, Plain};
use crate::secret::Secret;

/// Length of the data key. Source: sops.go, `GenerateDataKeyWithKeyServices`.
const KEY_LENGTH: usize = 32;
/// Length of the nonce we write. Source: sops, aes/cipher.go, `nonceSize`.
const NONCE_LENGTH: usize = 32;
/// What every ciphertext begins with.
const HEAD: &str = "ENC[AES256_GCM,data:";

/// The key that seals the values of one file; it is itself sealed to each recipient.
pub(crate) struct DataKey {
    bytes: SecretBox<[u8; KEY_LENGTH]>,
    /// The expanded key, made once a file; its drop wipes it.
    cipher: AesGcm<Aes256, U32>,
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRandom;

impl DataKey {
    pub(crate) fn generate() -> Result<Self, NoRandom> {
        let mut bytes = Box::new([0; KEY_LENGTH]);
        getrandom::getrandom(bytes.as_mut()).map_err(|_| NoRandom)?;
        Ok(Self::new(SecretBox::new(bytes)))
    }

    /// None where it is not 32 bytes long.
    pub(crate) fn from_bytes(key: &Secret) -> Option<Self> {
        let mut bytes = Box::new([0; KEY_LENGTH]);
        if key.expose_bytes().len() != KEY_LENGTH {
            return None;
        }
        bytes.copy_from_slice(key.expose_bytes());
        Some(Self::new(SecretBox::new(bytes)))
    }

    fn new(bytes: SecretBox<[u8; KEY_LENGTH]>) -> Self {
        let cipher = AesGcm::new(GenericArray::from_slice(bytes.expose_secret()));
        Self { bytes, cipher }
    }

    pub(crate) fn to_secret(&self) -> Secret {
        Secret::from_bytes(self.bytes.expose_secret().to_vec())
    }

    /// The line that stands for `plain` where `aad` is its place. An empty string stays empty, as in sops.
    pub(crate) fn encrypt(&self, plain: &Plain, aad: &[u8]) -> Result<String, NoRandom> {
        if plain.bytes.is_empty() && matches!(plain.kind, Kind::Str | Kind::Comment) {
            return Ok(String::new());
        }
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::getrandom(&mut nonce).map_err(|_| NoRandom)?;
        let mut data = Zeroizing::new(plain.bytes.expose_bytes().to_vec());
        // The only error is a plaintext or AAD of 64 GiB.
        let tag = self
            .cipher
            .encrypt_in_place_detached(GenericArray::from_slice(&nonce), aad, &mut data)
            .map_err(|_| NoRandom)?;
        let sealed = Sealed { data: std::mem::take(&mut data), nonce, tag: tag.into(), kind: plain.kind };
        Ok(sealed.to_string())
    }

    /// The value behind a parsed line; none where key, place or a bit of it is not what it was.
    pub(crate) fn decrypt(&self, sealed: &Sealed, aad: &[u8]) -> Option<Plain> {
        let mut data = Zeroizing::new(sealed.data.clone());
        let (nonce, tag) = (GenericArray::from_slice(&sealed.nonce), GenericArray::from_slice(&sealed.tag));
        self.cipher.decrypt_in_place_detached(nonce, aad, &mut data, tag).ok()?;
        Plain::from_decrypted(sealed.kind, Secret::from_bytes(std::mem::take(&mut data)))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// A ciphertext line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    data: Vec<u8>,
    nonce: [u8; NONCE_LENGTH],
    tag: [u8; 16],
    pub(super) kind: Kind,
}

/// Whether a text looks like a ciphertext, damaged or not.
pub(crate) fn looks_sealed(text: &str) -> bool {
    text.starts_with("ENC[")
}

impl Sealed {
    /// Reads `ENC[AES256_GCM,data:..,iv:..,tag:..,type:..]`. sops ignores what stands behind the `]`; so do we.
    ///
    /// The error names the part that is wrong.
    pub(crate) fn parse(line: &str) -> Result<Self, &'static str> {
        let rest = line.strip_prefix(HEAD).ok_or("it does not begin with `ENC[AES256_GCM,data:`")?;
        let (body, _) = rest.rsplit_once(']').ok_or("its closing `]` is missing")?;
        let (body, kind) = last_field(body, "type:").ok_or("its `type:` is missing")?;
        let (body, tag) = last_field(body, "tag:").ok_or("its `tag:` is missing")?;
        let (data, nonce) = last_field(body, "iv:").ok_or("its `iv:` is missing")?;
        Ok(Self {
            data: BASE64_STANDARD.decode(data).map_err(|_| "its `data:` is not base64")?,
            nonce: exactly(nonce, "its `iv:` is not base64", "its `iv:` is not 32 bytes long")?,
            tag: exactly(tag, "its `tag:` is not base64", "its `tag:` is not 16 bytes long")?,
            kind: Kind::from_name(kind).ok_or("its `type:` is unknown")?,
        })
    }
}

/// What stands before the last `,name`, and what behind it.
fn last_field<'l>(text: &'l str, name: &str) -> Option<(&'l str, &'l str)> {
    // Few commas stand in a line: looking for one letter costs a fraction of looking for the name.
    let mut commas = text.rmatch_indices(',');
    commas.find_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?.strip_prefix(name)?)))
}

/// So many bytes out of base64; which of the two is wrong otherwise.
fn exactly<const N: usize>(
    text: &str,
    not_base64: &'static str,
    not_so_long: &'static str,
) -> Result<[u8; N], &'static str> {
    BASE64_STANDARD.decode(text).map_err(|_| not_base64)?.try_into().map_err(|_| not_so_long)
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        write!(
            f,
            "{HEAD}{},iv:{},tag:{},type:{}]",
            encode(&self.data),
            encode(&self.nonce),
            encode(&self.tag),
            self.kind.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_in_its_place_and_nowhere_else() {
        let key = DataKey::generate().unwrap();
        let line = key.encrypt(&Plain::text("hunter2".into()), b"a:").unwrap();
        let sealed = Sealed::parse(&line).unwrap();
        assert_eq!(sealed.to_string(), line);
        assert_eq!(key.decrypt(&sealed, b"a:").unwrap().bytes.expose_bytes(), b"hunter2");
        assert!(key.decrypt(&sealed, b"b:").is_none());
        assert!(DataKey::generate().unwrap().decrypt(&sealed, b"a:").is_none());
    }

    #[test]
    fn an_empty_string_stays_empty() {
        let key = DataKey::generate().unwrap();
        assert_eq!(key.encrypt(&Plain::text("".into()), b"a:").unwrap(), "");
    }

    #[test]
    fn two_encryptions_share_no_nonce() {
        let key = DataKey::generate().unwrap();
        let lines: Vec<_> = (0..2).map(|_| key.encrypt(&Plain::text("x".into()), b"a:").unwrap()).collect();
        assert_ne!(Sealed::parse(&lines[0]).unwrap().nonce, Sealed::parse(&lines[1]).unwrap().nonce);
    }

    #[test]
    fn debug_of_a_data_key_shows_nothing() {
        let key = DataKey::from_bytes(&Secret::from_bytes(vec![0xab; 32])).unwrap();
        assert_eq!(format!("{key:?}"), "DataKey(..)");
    }

    #[test]
    fn a_data_key_of_another_length_is_none() {
        for length in [0, 16, 31, 33] {
            assert!(DataKey::from_bytes(&Secret::from_bytes(vec![0; length])).is_none());
        }
    }
}

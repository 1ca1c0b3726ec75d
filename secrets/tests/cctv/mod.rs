//! The age test vectors of C2SP, see vectors/cctv-age/PROVENANCE.md: read, and held against what came out.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the vectors are files, for tests alone"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use quorate_secrets::age_file::AgeError;
use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use sha2::{Digest, Sha256};

pub struct Vector {
    pub name: String,
    pub expected: String,
    /// SHA-256 of all that may be given out, in hexadecimal.
    payload: Option<String>,
    identities: Vec<String>,
    pub passphrases: Vec<String>,
    pub file: Vec<u8>,
}

/// All vectors in a folder.
pub fn vectors(folder: &Path) -> Vec<Vector> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|ending| ending != "md"));
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vector {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(path).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in head.lines() {
        let (key, value) = line.split_once(": ").unwrap();
        fields.entry(key).or_default().push(value.to_owned());
    }
    let mut take = |key: &str| fields.remove(key).unwrap_or_default();
    let mut file = bytes[end + 2..].to_vec();
    if take("compressed") == ["zlib"] {
        file = miniz_oxide::inflate::decompress_to_vec_zlib(&file).unwrap();
    }
    for known in ["comment", "file key", "armored"] {
        take(known);
    }
    let vector = Vector {
        expected: take("expect").remove(0),
        payload: take("payload").pop(),
        identities: take("identity"),
        passphrases: take("passphrase"),
        name,
        file,
    };
    assert!(fields.is_empty(), "{}: {fields:?}", vector.name);
    vector
}

impl Vector {
    pub fn identities(&self) -> Vec<Identity> {
        if self.identities.is_empty() {
            return Vec::new();
        }
        Identity::parse_all(&Secret::from(self.identities.join("\n"))).unwrap()
    }

    pub fn is_post_quantum(&self) -> bool {
        self.identities.iter().any(|identity| identity.starts_with("AGE-SECRET-KEY-PQ-1"))
    }

    /// Whether what came out is what is expected to; why not, otherwise.
    pub fn judge(&self, opened: &Result<Secret, AgeError>) -> Result<(), String> {
        let as_expected = match (opened, self.expected.as_str()) {
            (Ok(secret), "success") => {
                Some(format!("{:x}", Sha256::digest(secret.expose_bytes()))) == self.payload
            }
            (Err(AgeError::NoIdentity | AgeError::WrongPassphrase), "no match") => true,
            (Err(AgeError::Work), "header failure") => self.name == "scrypt_work_factor_23",
            (Err(AgeError::Damaged), failure) => failure.ends_with(" failure"),
            _ => false,
        };
        let found = opened.as_ref().map(|secret| secret.expose_bytes().len());
        as_expected
            .then_some(())
            .ok_or(format!("{}: {} was expected, found {found:?}", self.name, self.expected))
    }
}

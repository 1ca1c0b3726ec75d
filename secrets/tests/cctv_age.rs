//! What every implementation of age must open, and what none may: the test vectors of C2SP, see their PROVENANCE.md.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::disallowed_methods, reason = "the vectors are files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use quorate_secrets::age_file::{AgeError, decrypt, decrypt_with_passphrase};
use quorate_secrets::identity::{Identity, UseError};
use quorate_secrets::secret::Secret;
use sha2::{Digest, Sha256};

struct Vector {
    name: String,
    expected: String,
    /// SHA-256 of all that may be given out, in hexadecimal.
    payload: Option<String>,
    identities: Vec<String>,
    passphrases: Vec<String>,
    file: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cctv-age");
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
    fn identities(&self) -> Vec<Identity> {
        if self.identities.is_empty() {
            return Vec::new();
        }
        Identity::parse_all(&Secret::from(self.identities.join("\n"))).unwrap()
    }

    fn is_post_quantum(&self) -> bool {
        self.identities.iter().any(|identity| identity.starts_with("AGE-SECRET-KEY-PQ-1"))
    }

    /// Whether what came out is what is expected to; why not, otherwise.
    fn judge(&self, opened: &Result<Secret, AgeError>) -> Result<(), String> {
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

#[test]
fn every_vector_opens_or_fails_as_all_of_age_agree() {
    let all = vectors();
    assert_eq!(all.len(), 143);
    let mut judged = BTreeMap::new();
    let mut wrong = Vec::new();
    for vector in all.iter().filter(|vector| !vector.is_post_quantum()) {
        let identities = vector.identities();
        if !identities.is_empty() || vector.passphrases.is_empty() {
            wrong.extend(vector.judge(&decrypt(&vector.file, &identities)).err());
        }
        for passphrase in &vector.passphrases {
            let opened = decrypt_with_passphrase(&vector.file, &Secret::from(passphrase.as_str()));
            wrong.extend(vector.judge(&opened).err());
        }
        *judged.entry(vector.expected.as_str()).or_insert(0) += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let counts: Vec<_> = judged.into_iter().collect();
    let expected = [
        ("HMAC failure", 1),
        ("armor failure", 22),
        ("header failure", 53),
        ("no match", 8),
        ("payload failure", 19),
        ("success", 21),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn post_quantum_vectors_open_through_their_plugin_or_name_it() {
    let all = vectors();
    let names: Vec<_> = all.iter().filter(|vector| vector.is_post_quantum()).collect();
    assert!(names.iter().all(|vector| vector.name.starts_with("hybrid") || vector.name == "armor_hybrid"));
    assert_eq!(names.len(), 19);
    for vector in names {
        let identities = vector.identities();
        let opened = decrypt(&vector.file, &identities);
        let failures: Vec<_> = identities.iter().filter_map(Identity::failure).collect();
        let no_plugin =
            |failure: &UseError| matches!(failure, UseError::NoPlugin { name, .. } if name == "pq");
        if vector.judge(&opened).is_err() {
            // Without the plugin nothing opens, and it is said what is missing.
            assert_eq!(opened.as_ref().err(), Some(&AgeError::NoIdentity), "{}", vector.name);
            assert!(failures.iter().any(no_plugin), "{}: {failures:?}", vector.name);
        }
    }
}

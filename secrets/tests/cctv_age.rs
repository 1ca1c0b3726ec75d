//! What every implementation of age must open, and what none may: the test vectors of C2SP.

mod cctv;

use std::collections::BTreeMap;
use std::path::Path;

use cctv::Vector;
use quorate_secrets::age_file::{AgeError, decrypt, decrypt_with_passphrase};
use quorate_secrets::identity::{Identity, UseError};
use quorate_secrets::secret::Secret;

fn all() -> Vec<Vector> {
    cctv::vectors(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cctv-age"))
}

#[test]
fn every_vector_opens_or_fails_as_all_of_age_agree() {
    let all = all();
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
    let all = all();
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

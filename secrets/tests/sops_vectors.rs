//! Files that sops itself wrote: every value opens and every checksum fits. See vectors/sops/PROVENANCE.md.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests that read their vectors"
)]

use std::fs;
use std::path::{Path, PathBuf};

use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Opened, Plaintext, SealedFile, SopsError, Store};

/// What a file holds.
enum Holds {
    /// A flat map: keys with the text that is hashed for each value.
    Flat(&'static [(&'static str, &'static str)]),
    /// A map with something nested or null under this key. It opens; its checksum speaks for the values.
    Nested(&'static str),
}

use Holds::{Flat, Nested};

const YAML: &[(&str, Holds)] = &[
    ("bin", Flat(&[("d", "hello")])),
    ("bin2", Flat(&[("d", "\u{fffd}")])),
    ("binlit", Flat(&[("d", "3")])),
    ("commentempty", Flat(&[("a", "1")])),
    ("commentmulti", Flat(&[("a", "1")])),
    ("ctrl", Flat(&[("a", "x\0y")])),
    ("docstart", Flat(&[("a", "1")])),
    ("ed0", Nested("l")),
    ("ed1", Nested("l")),
    ("empty", Flat(&[("d", ""), ("e", "x")])),
    ("emptymap", Nested("a")),
    ("float", Flat(&[("d", "1.5")])),
    ("flow", Nested("b")),
    ("inf", Flat(&[("d", "-Inf")])),
    ("list_foot", Nested("list")),
    ("list_foot_blank", Nested("list")),
    ("list_head", Nested("list")),
    ("list_mid", Nested("list")),
    ("nan", Flat(&[("d", "NaN")])),
    ("null", Nested("d")),
    ("oct8", Flat(&[("d", "8")])),
    ("octnew", Flat(&[("d", "15")])),
    ("sfx", Nested("a_unencrypted")),
    ("smallf", Flat(&[("d", "0.0000001")])),
    ("tabs", Flat(&[("a", "x")])),
    ("time", Flat(&[("d", "2024-01-02T00:00:00Z")])),
    ("time2", Flat(&[("d", "2024-01-02T03:04:05.5Z")])),
    ("time4", Flat(&[("d", "2024-01-02T03:04:05Z")])),
    ("under", Flat(&[("d", "1000")])),
    ("uni", Flat(&[("d", "é\u{1}\t")])),
    ("yes", Flat(&[("d", "yes"), ("e", "Off"), ("f", "True"), ("g", "True"), ("h", "Y")])),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sops")
}

fn identities(name: &str) -> Vec<Identity> {
    Identity::parse_all(&Secret::from(fs::read_to_string(folder().join("keys").join(name)).unwrap())).unwrap()
}

fn open(name: &str) -> Result<Opened, SopsError> {
    let text = fs::read_to_string(folder().join("yaml").join(format!("{name}.enc.yaml"))).unwrap();
    SealedFile::parse(&text, Store::Yaml)?.open(&identities("k.txt"))
}

#[test]
fn every_yaml_vector_opens_to_its_values() {
    for (name, holds) in YAML {
        let opened = open(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        match holds {
            Flat(expected) => {
                let entries = opened.entries().unwrap();
                let found: Vec<(&str, String)> = entries
                    .iter()
                    .map(|(key, value)| (*key, String::from_utf8_lossy(value.expose_bytes()).into_owned()))
                    .collect();
                let expected: Vec<(&str, String)> =
                    expected.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
                assert_eq!(found, expected, "{name}");
            }
            Nested(expected) => match opened.entries() {
                Err(SopsError::NotFlat { key, .. }) => assert_eq!(key, *expected, "{name}"),
                other => panic!("{name}: {other:?}"),
            },
        }
    }
}

#[test]
fn every_yaml_vector_is_in_the_list() {
    let mut names: Vec<String> = fs::read_dir(folder().join("yaml"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".enc.yaml").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, YAML.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

/// What sops printed when it decrypted the vector; none of the two that are steps of one story.
fn decrypted(name: &str) -> Option<String> {
    fs::read_to_string(folder().join("yaml").join(format!("{name}.dec"))).ok()
}

#[test]
fn every_yaml_vector_decrypts_to_what_sops_printed_byte_for_byte() {
    let mut count = 0;
    for (name, expected) in YAML.iter().filter_map(|(name, _)| Some((name, decrypted(name)?))) {
        let opened = open(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = opened.plaintext().write(Store::Yaml, None).unwrap();
        assert_eq!(String::from_utf8_lossy(text.expose_bytes()), expected, "{name}");
        count += 1;
    }
    assert_eq!(count, YAML.len() - 2);
}

#[test]
fn every_yaml_plaintext_is_laid_out_as_sops_laid_it_out() {
    // sops keeps no place behind a value for an encrypted comment, and for a plain one it does.
    for (name, expected) in YAML.iter().filter_map(|(name, _)| Some((name, decrypted(name)?))) {
        let text = fs::read_to_string(folder().join("yaml").join(format!("{name}.yaml"))).unwrap();
        let plaintext = Plaintext::parse(&Secret::from(text), Store::Yaml).unwrap();
        let text = plaintext.write(Store::Yaml, None).unwrap();
        assert_eq!(String::from_utf8_lossy(text.expose_bytes()), expected, "{name}");
    }
}

#[test]
fn another_identity_opens_none_of_them() {
    let text = fs::read_to_string(folder().join("yaml/uni.enc.yaml")).unwrap();
    let error = SealedFile::parse(&text, Store::Yaml).unwrap().open(&identities("k2.txt")).unwrap_err();
    assert_eq!(
        error,
        SopsError::NoIdentity {
            recipients: vec!["age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg".to_owned()],
            tried: vec!["age1m943dqxe0x9semctmjzdrhanjyl876dt0nyxjlcwwemzzhu2f4wq3fep6p".to_owned()],
            groups: None,
        }
    );
}

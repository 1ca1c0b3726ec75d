//! Whatever the input, an answer and no panic: keys, rules and files that were changed anywhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use quorate_secrets::age_file;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::rules::{Rule, edit_rules, rule_for};
use quorate_secrets::scan::scan;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{SealedFile, Store};

// Throwaway keys, see vectors/*/PROVENANCE.md.
const PRIVATE: [&str; 6] = [
    include_str!("vectors/sops/keys/sshk"),
    include_str!("vectors/ssh/id_rsa"),
    include_str!("vectors/ssh/id_rsa.pem"),
    include_str!("vectors/ssh/id_rsa_pass.pem"),
    include_str!("vectors/ssh/id_ecdsa"),
    include_str!("vectors/ssh/id_ed25519_passphrase"),
];
const PUBLIC: [&str; 2] =
    [include_str!("vectors/sops/keys/sshk.pub"), include_str!("vectors/ssh/id_rsa.pub")];
const FILE: &str = include_str!("vectors/sops/features/layout.enc.yaml");
const RULES: &str = "# a\nkeys:\n  - &k age1x\ncreation_rules: # b\n  - path_regex: ^x\n    age: *k\n  -\n    key_groups:\n      - age: [a, b]\n";

/// What a byte of the input becomes: another, none, or several.
#[derive(Debug, Clone)]
enum Change {
    Set(u8),
    Remove(usize),
    Insert(Vec<u8>),
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    let change = prop_oneof![
        any::<u8>().prop_map(Change::Set),
        prop::sample::select(vec![0_u8, 1, 0x7f, 0x80, 0xff]).prop_map(Change::Set),
        (1_usize..40).prop_map(Change::Remove),
        prop::collection::vec(any::<u8>(), 1..8).prop_map(Change::Insert),
        prop::sample::select(vec![
            "\n", "- ", ": ", "#", "\"", "'", "{", "[", "|", "\t", "&a ", "*k", "---\n", "ENC[", "\r\n"
        ])
        .prop_map(|text| Change::Insert(text.as_bytes().to_vec())),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), change), 1..6)
}

fn apply(bytes: &[u8], changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, change) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match change {
            Change::Set(byte) => bytes[at] = *byte,
            Change::Remove(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
            Change::Insert(inserted) => drop(bytes.splice(at..at, inserted.iter().copied())),
        }
    }
    bytes
}

/// A PEM file whose decoded body was changed: deeper than a changed letter would get.
fn change_body(pem: &str, changes: &[(prop::sample::Index, Change)]) -> String {
    let is_body = |line: &&str| !line.starts_with("-----") && !line.contains(": ");
    let body: String = pem.lines().filter(is_body).collect();
    let encoded = BASE64_STANDARD.encode(apply(&BASE64_STANDARD.decode(body).unwrap(), changes));
    let lines: Vec<&str> = pem.lines().collect();
    let mut text = format!("{}\n", lines[0]);
    for chunk in encoded.as_bytes().chunks(70) {
        text.push_str(std::str::from_utf8(chunk).unwrap());
        text.push('\n');
    }
    text + lines[lines.len() - 1] + "\n"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_private_keys(which in 0..PRIVATE.len(), changes in changes(), deep in any::<bool>()) {
        let text = if deep { change_body(PRIVATE[which], &changes).into_bytes() } else { apply(PRIVATE[which].as_bytes(), &changes) };
        let text = Secret::from_bytes(text);
        if let Ok(identities) = Identity::parse_all(&text) {
            let recipients: Vec<Recipient> = identities.iter().filter_map(Identity::recipient).cloned().collect();
            if let Ok(file) = age_file::encrypt(&Secret::from("x"), &recipients, age_file::Encoding::Binary) {
                let _ = age_file::decrypt(&file, &identities);
            }
        }
        let _ = Identity::from_ssh_host_key(&text);
    }

    #[test]
    fn changed_public_keys(which in 0..PUBLIC.len(), changes in changes(), deep in any::<bool>()) {
        let line = PUBLIC[which].trim();
        let text = if deep {
            let (kind, blob) = line.split_once(' ').unwrap();
            let blob = blob.split_once(' ').unwrap().0;
            format!("{kind} {}", BASE64_STANDARD.encode(apply(&BASE64_STANDARD.decode(blob).unwrap(), &changes)))
        } else {
            String::from_utf8_lossy(&apply(line.as_bytes(), &changes)).into_owned()
        };
        if let Ok(recipient) = text.parse::<Recipient>() {
            let _ = age_file::encrypt(&Secret::from("x"), &[recipient], age_file::Encoding::Armored);
        }
        let _ = Recipient::from_ssh_host_key(&text);
    }

    #[test]
    fn changed_sealed_files(changes in changes()) {
        let text = String::from_utf8_lossy(&apply(FILE.as_bytes(), &changes)).into_owned();
        let identities = Identity::parse_all(&Secret::from(include_str!("vectors/sops/keys/k.txt"))).unwrap();
        if let Ok(opened) = SealedFile::parse(&text, Store::Yaml).and_then(|file| file.open(&identities)) {
            let _ = opened.entries();
        }
    }

    #[test]
    fn changed_rules_are_refused_or_keep_every_byte_of_the_user(changes in changes()) {
        let rule = Rule {
            path_regex: "^certs/a$".to_owned(),
            recipients: vec!["age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg".parse().unwrap()],
            paths: vec!["certs/a".to_owned()],
        };
        let rest = Rule { path_regex: "^secrets/".to_owned(), paths: vec!["secrets/a".to_owned()], ..rule.clone() };
        let text = String::from_utf8_lossy(&apply(RULES.as_bytes(), &changes)).into_owned();
        let _ = rule_for(&text, "certs/a");
        if let Ok(new) = edit_rules(Some(&text), std::slice::from_ref(&rule), std::slice::from_ref(&rest)) {
            prop_assert_eq!(rule_for(&new, "certs/a").unwrap().unwrap().path_regex.unwrap(), "^certs/a$");
            let again = edit_rules(Some(&new), std::slice::from_ref(&rule), std::slice::from_ref(&rest));
            prop_assert_eq!(again.as_ref(), Ok(&new));
            // Without our rules what is left is the user's, but for a line feed at the end and the key we added.
            let without = edit_rules(Some(&new), &[], &[]).unwrap();
            let added = without.strip_prefix(text.as_str()).map(|added| added.replace("\r\n", "\n"));
            let expected = ["", "\n", "creation_rules:\n", "\ncreation_rules:\n"];
            prop_assert!(
                added.is_some_and(|added| expected.contains(&added.as_str())),
                "{:?} became {:?}", text, without
            );
        }
    }

    #[test]
    fn any_bytes_as_anything(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        scan(&bytes);
        let text = Secret::from_bytes(bytes.clone());
        let _ = Identity::parse_all(&text);
        let _ = age_file::decrypt(&bytes, &[]);
        let text = String::from_utf8_lossy(&bytes);
        let _ = text.parse::<Recipient>();
        let _ = SealedFile::parse(&text, Store::Yaml);
        let _ = edit_rules(Some(&text), &[], &[]);
    }
}

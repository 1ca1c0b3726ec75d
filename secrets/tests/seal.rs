//! The laws of sealed files.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::LazyLock;

use proptest::prelude::*;
use quorate_secrets::host_key::HostKey;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Opened, SealedFile, SopsError, Store, VERSION, seal};

const T0: &str = "2026-11-21T03:02:57Z";
const T1: &str = "2026-11-22T04:03:58Z";

/// A person or a machine: an identity and whom to seal to.
struct Party {
    identities: Vec<Identity>,
    recipient: Recipient,
}

fn x25519() -> Party {
    let (text, recipient) = Identity::generate();
    Party { identities: Identity::parse_all(&text).unwrap(), recipient }
}

/// Three parties of different kinds: age's own, an SSH key, a host key in its age form.
static PARTIES: LazyLock<[Party; 3]> = LazyLock::new(|| {
    let ssh = HostKey::generate("admin@laptop").unwrap();
    let host = HostKey::generate("root@cp1").unwrap();
    let ssh = Party {
        identities: Identity::parse_all(ssh.private_file()).unwrap(),
        recipient: ssh.public_line().parse().unwrap(),
    };
    let host = Party {
        identities: vec![Identity::from_ssh_host_key(host.private_file()).unwrap()],
        recipient: host.recipient().clone(),
    };
    [x25519(), ssh, host]
});

type Entries = Vec<(String, Vec<u8>)>;

fn with_secrets<T>(entries: &Entries, action: impl FnOnce(&[(&str, &Secret)]) -> T) -> T {
    let secrets: Vec<Secret> = entries.iter().map(|(_, bytes)| Secret::from_bytes(bytes.clone())).collect();
    let borrowed: Vec<(&str, &Secret)> = entries.iter().map(|(key, _)| key.as_str()).zip(&secrets).collect();
    action(&borrowed)
}

fn sealed(entries: &Entries, recipients: &[Recipient]) -> String {
    with_secrets(entries, |entries| seal(entries, recipients, T0)).unwrap()
}

fn open(text: &str, party: &Party) -> Result<Opened, SopsError> {
    SealedFile::parse(text, Store::Yaml)?.open(&party.identities)
}

fn content(opened: &Opened) -> Entries {
    let entries = opened.entries().unwrap();
    entries.into_iter().map(|(key, value)| (key.to_owned(), value.expose_bytes().to_vec())).collect()
}

/// The line of a key, without its end.
fn line<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(&format!("{key}: "))).unwrap()
}

/// Every nonce and tag of a file, and all data that is too long to be equal by chance.
fn ciphertexts(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains("ENC["));
    lines.flat_map(|line| line.split(',').filter(is_part).map(str::to_owned)).collect()
}

fn is_part(part: &&str) -> bool {
    part.starts_with("iv:")
        || part.starts_with("tag:")
        || part.split_once("data:").is_some_and(|(_, data)| data.len() > 15)
}

/// A key that needs no quotes, so that lines can be found by it.
fn key() -> impl Strategy<Value = String> {
    "[a-z]{1,3}-[a-z0-9-]{0,12}[a-z]".prop_filter("kept by the format", |key| key != "sops")
}

fn entries() -> impl Strategy<Value = Entries> {
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "\\PC{0,40}".prop_map(String::into_bytes),
        Just(b"-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----\n".to_vec()),
    ];
    prop::collection::btree_map(key(), value, 1..8).prop_map(|map| map.into_iter().collect())
}

fn pair() -> Entries {
    vec![("etcd-server".to_owned(), b"one".to_vec()), ("etcd-peer".to_owned(), b"two".to_vec())]
}

/// Some of the parties, at least one.
fn members() -> impl Strategy<Value = Vec<usize>> {
    prop::sample::subsequence(vec![0, 1, 2], 1..=3)
}

fn recipients(members: &[usize]) -> Vec<Recipient> {
    members.iter().map(|index| PARTIES[*index].recipient.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_a_recipient_opens_it_and_nobody_else(entries in entries(), members in members()) {
        let text = sealed(&entries, &recipients(&members));
        for (index, party) in PARTIES.iter().enumerate() {
            match open(&text, party) {
                Ok(opened) => {
                    prop_assert!(members.contains(&index));
                    prop_assert_eq!(content(&opened), entries.clone());
                }
                Err(error) => {
                    prop_assert!(!members.contains(&index), "{}", error);
                    prop_assert!(matches!(error, SopsError::NoIdentity { .. }), "{}", error);
                }
            }
        }
    }

    #[test]
    fn resealing_keeps_the_line_of_what_did_not_change(
        old in entries(), new in entries(), members in members(), extra in members(),
    ) {
        // Some keys are in both with the same value.
        let mut new = new;
        for entry in old.iter().step_by(2) {
            if !new.iter().any(|(key, _)| *key == entry.0) {
                new.push(entry.clone());
            }
        }
        let text = sealed(&old, &recipients(&members));
        let opened = open(&text, &PARTIES[members[0]]).unwrap();
        let mut wanted = recipients(&members);
        wanted.extend(recipients(&extra));
        let resealed = with_secrets(&new, |new| opened.reseal(new, &wanted, T1)).unwrap();
        for (key, value) in &new {
            match old.iter().find(|(known, _)| known == key) {
                Some((_, before)) if before == value => prop_assert_eq!(line(&resealed, key), line(&text, key)),
                Some(_) => prop_assert_ne!(line(&resealed, key), line(&text, key)),
                None => {}
            }
        }
        for index in members.iter().chain(&extra) {
            let mut found = content(&open(&resealed, &PARTIES[*index]).unwrap());
            found.sort();
            let mut new = new.clone();
            new.sort();
            prop_assert_eq!(found, new);
        }
        // Whoever stays keeps the stanza.
        let stanza = |text: &str| text.lines().skip_while(|line| !line.contains("BEGIN AGE")).take(8).collect::<String>();
        prop_assert_eq!(stanza(&resealed), stanza(&text));
    }

    #[test]
    fn resealing_the_same_is_the_same_text(entries in entries(), members in members()) {
        let text = sealed(&entries, &recipients(&members));
        let opened = open(&text, &PARTIES[members[0]]).unwrap();
        let mut turned = entries.clone();
        turned.reverse();
        let mut wanted = recipients(&members);
        wanted.reverse();
        for same in [&entries, &turned] {
            prop_assert_eq!(with_secrets(same, |same| opened.reseal(same, &wanted, T1)).unwrap(), text.clone());
        }
    }

    #[test]
    fn rekeying_shares_no_ciphertext_and_locks_out_who_left(entries in entries(), members in members(), stay in members()) {
        let text = sealed(&entries, &recipients(&members));
        let opened = open(&text, &PARTIES[members[0]]).unwrap();
        let rekeyed = with_secrets(&entries, |entries| opened.rekey(entries, &recipients(&stay), T1)).unwrap();
        let old = ciphertexts(&text);
        prop_assert!(ciphertexts(&rekeyed).iter().all(|part| !old.contains(part)));
        for (index, party) in PARTIES.iter().enumerate() {
            prop_assert_eq!(open(&rekeyed, party).is_ok(), stay.contains(&index));
        }
        prop_assert_eq!(content(&open(&rekeyed, &PARTIES[stay[0]]).unwrap()), entries.clone());
        // The old data key opens none of the new values: each new line among the old ones is damage.
        let (key, _) = entries.iter().find(|(_, value)| !value.is_empty()).unwrap_or(&entries[0]);
        let mixed = text.replace(line(&text, key), line(&rekeyed, key));
        if mixed != text {
            let damaged = matches!(open(&mixed, &PARTIES[members[0]]), Err(SopsError::Damaged { .. }));
            prop_assert!(damaged);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}") {
        let _ = SealedFile::parse(&text, Store::Yaml);
    }

    #[test]
    fn text_made_of_yaml_never_panics(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", ": ", "- ", "\n", "\n    ", "sops:", "age:", "mac: ", "ENC[AES256_GCM,data:", ",iv:", ",tag:", "]",
                ",type:str", "lastmodified: ", "2026-11-21T03:02:57Z", "\"", "'", "#", "&a ", "*a", "!!str ", "|", ">-",
                "{", "}", "[", ",", "? ", "---", "...", "%YAML 1.2", "\t", "\u{feff}", "version: 3", "<<: ", "~", "1e9",
            ]),
            0..40,
        )
    ) {
        let _ = SealedFile::parse(&words.concat(), Store::Yaml);
    }

    #[test]
    fn a_damaged_file_is_an_error_or_what_it_was(cut in 0.0..1.0_f64, byte in any::<u8>(), remove in any::<bool>()) {
        static TEXT: LazyLock<String> = LazyLock::new(|| sealed(&pair(), &recipients(&[0, 1])));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
        let at = (TEXT.len() as f64 * cut) as usize;
        let mut bytes = TEXT.clone().into_bytes();
        if remove { bytes.truncate(at) } else { bytes[at] = byte }
        // What is not covered by a checksum is metadata alone.
        if let Some(opened) = String::from_utf8(bytes).ok().and_then(|text| open(&text, &PARTIES[0]).ok()) {
            prop_assert_eq!(content(&opened), pair());
        }
    }
}

#[test]
fn any_other_character_in_any_ciphertext_is_an_error() {
    let entries = vec![("b".to_owned(), b"a secret".to_vec()), ("a".to_owned(), b"another one".to_vec())];
    let text = sealed(&entries, &recipients(&[0]));
    let mut tried = 0;
    for (at, letter) in text.char_indices() {
        let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[line_start..].lines().next().unwrap();
        let Some(begin) = line.find("ENC[") else { continue };
        if at < line_start + begin || line.trim_start().starts_with("- enc") {
            continue;
        }
        let other = if letter == 'A' { 'B' } else { 'A' };
        let mut changed = text.clone();
        changed.replace_range(at..=at, &other.to_string());
        // The padding of base64 has bits that nothing uses; a strict decoder refuses them, so even those count.
        let opened = open(&changed, &PARTIES[0]);
        assert!(opened.is_err(), "{at} of {line}");
        tried += 1;
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn values_that_are_swapped_renamed_removed_or_added_are_noticed() {
    let entries = vec![("a".to_owned(), b"one".to_vec()), ("b".to_owned(), b"two".to_vec())];
    let text = sealed(&entries, &recipients(&[0]));
    let (a, b) = (line(&text, "a"), line(&text, "b"));
    let swapped = text.replace(
        &format!("{a}\n{b}\n"),
        &format!("{}\n{}\n", b.replacen("b: ", "a: ", 1), a.replacen("a: ", "b: ", 1)),
    );
    assert_ne!(swapped, text);
    assert!(matches!(open(&swapped, &PARTIES[0]), Err(SopsError::Damaged { .. })));
    assert!(matches!(open(&text.replace("a: ENC", "c: ENC"), &PARTIES[0]), Err(SopsError::Damaged { .. })));
    for changed in [
        text.replace(&format!("{a}\n"), ""),
        text.replace(&format!("{a}\n{b}\n"), &format!("{b}\n{a}\n")),
        text.replace(a, "a: \"\""),
        text.replace(T0, T1),
        text.replace("    version", "    mac_only_encrypted: true\n    version"),
        text.replace(a, &a.replace("a: ENC", "a_unencrypted: ENC")),
    ] {
        assert_ne!(changed, text);
        assert_eq!(open(&changed, &PARTIES[0]).unwrap_err(), SopsError::MacMismatch, "{changed}");
    }
    let twice = text.replace(&format!("{a}\n"), &format!("{a}\n{a}\n"));
    assert_eq!(
        open(&twice, &PARTIES[0]).unwrap_err(),
        SopsError::DuplicateKey { key: "a".to_owned(), line: 2 }
    );
}

#[test]
fn a_new_file_says_what_it_is_without_any_key() {
    let entries = vec![("etcd-server".to_owned(), b"x".to_vec()), ("etcd-peer".to_owned(), b"y".to_vec())];
    let file = SealedFile::parse(&sealed(&entries, &recipients(&[0, 2, 0])), Store::Yaml).unwrap();
    assert_eq!(file.keys().collect::<Vec<_>>(), ["etcd-server", "etcd-peer"]);
    let (a, c) = (&PARTIES[0].recipient, &PARTIES[2].recipient);
    assert_eq!(file.recipients().collect::<Vec<_>>(), [a.to_string(), c.to_string()]);
    assert_eq!(file.lastmodified(), T0);
    assert!(
        file.text().ends_with(&format!("    unencrypted_suffix: _unencrypted\n    version: {VERSION}\n"))
    );
    assert!(file.drift(&recipients(&[2, 0])).is_none());
    let drift = file.drift(&recipients(&[1, 2]));
    assert_eq!((drift.missing, drift.extra), (vec![PARTIES[1].recipient.to_string()], vec![a.to_string()]));
}

#[test]
fn who_leaves_needs_a_new_data_key() {
    let entries = vec![("a".to_owned(), b"x".to_vec())];
    let opened = open(&sealed(&entries, &recipients(&[0, 1])), &PARTIES[0]).unwrap();
    let error = with_secrets(&entries, |entries| opened.reseal(entries, &recipients(&[1]), T1)).unwrap_err();
    assert_eq!(error, SopsError::RecipientLeft { recipient: PARTIES[0].recipient.to_string() });
}

#[test]
fn debug_of_an_opened_file_shows_no_value() {
    let entries = vec![("a".to_owned(), b"hunter2".to_vec())];
    let shown = format!("{:?}", open(&sealed(&entries, &recipients(&[0])), &PARTIES[0]).unwrap());
    assert!(
        shown.contains("Secret(..)") && shown.contains("DataKey(..)") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(!shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn a_name_like_the_mark_of_a_merge_opens() {
    let entries = vec![("<<<<<<< x".to_owned(), b"a".to_vec()), (">>>>>>> y".to_owned(), b"b".to_vec())];
    let party = &PARTIES[0];
    let text = sealed(&entries, std::slice::from_ref(&party.recipient));
    assert_eq!(content(&open(&text, party).unwrap()), entries);
}

#[test]
fn a_value_of_a_megabyte_is_one_line_and_opens() {
    let entries = vec![("big".to_owned(), vec![b'x'; 1 << 20])];
    let text = sealed(&entries, &recipients(&[0]));
    assert_eq!(content(&open(&text, &PARTIES[0]).unwrap()), entries);
}

//! What a reader of the code tried to break it with, and what a rewrite might lose: each is refused, or kept.

#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

use std::fmt::Write as _;

use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Opened, Path, Plaintext, Policy, SealedFile, SopsError, Store};

const NOW: &str = "2026-11-21T03:02:57Z";
const LATER: &str = "2026-11-22T03:02:57Z";

fn party() -> (Vec<Identity>, Recipient) {
    let (text, recipient) = Identity::generate();
    (Identity::parse_all(&text).unwrap(), recipient)
}

fn sealed(text: &str, store: Store, recipients: &[Recipient]) -> Result<String, SopsError> {
    let readers = KeyGroups::one(recipients);
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
    Plaintext::parse(&Secret::from(text), store)?.seal(&policy, NOW)
}

fn open(text: &str, store: Store, identities: &[Identity]) -> Opened {
    SealedFile::parse(text, store).unwrap().open(identities).unwrap()
}

fn printed(opened: &Opened, store: Store) -> String {
    opened.plaintext().write(store, None).unwrap().expose_text().unwrap().to_owned()
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

#[test]
fn names_that_would_make_work_with_their_square_are_refused() {
    let (_, recipient) = party();
    let own = sealed("a: 1\n", Store::Yaml, std::slice::from_ref(&recipient)).unwrap();
    let long = "k".repeat(100_000);
    let mut text = format!("? {long}\n:\n");
    (0..50_000).for_each(|_| text.push_str("  - \"\"\n"));
    text.push_str(&own);
    let error = SealedFile::parse(&text, Store::Yaml).unwrap_err();
    assert!(matches!(error, SopsError::LongPath { .. }) && error.to_string().len() < 200, "{error}");
    let plain = format!("? {long}\n: x\n");
    assert!(matches!(sealed(&plain, Store::Yaml, &[recipient]), Err(SopsError::LongPath { .. })));
}

#[test]
fn a_file_that_could_not_be_read_again_is_not_written() {
    let (identities, recipient) = party();
    let readers = KeyGroups::one(&[recipient]);
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
    let content = Secret::from_bytes(vec![7; 50 << 20]);
    let plaintext = Plaintext::parse(&content, Store::Binary).unwrap();
    assert_eq!(plaintext.seal(&policy, NOW), Err(SopsError::TooLarge));
    let small = Plaintext::parse(&Secret::from("x"), Store::Binary).unwrap().seal(&policy, NOW).unwrap();
    assert_eq!(open(&small, Store::Binary, &identities).edited(&plaintext, NOW), Err(SopsError::TooLarge));
}

#[test]
fn a_binary_file_stays_one_value() {
    let (identities, recipient) = party();
    let text = sealed("any bytes", Store::Binary, &[recipient]).unwrap();
    let mut plaintext = open(&text, Store::Binary, &identities).plaintext();
    assert_eq!(plaintext.unset(&path("data")), Err(SopsError::NotBinary));
    assert_eq!(plaintext.set_text(&path("more"), &Secret::from("x")), Err(SopsError::NotBinary));
    plaintext.set_text(&path("data"), &Secret::from("others")).unwrap();
    assert_eq!(plaintext.write(Store::Binary, None).unwrap().expose_bytes(), b"others");
}

#[test]
fn keys_of_services_stay_with_the_one_group_that_has_them() {
    let (identities, recipient) = party();
    let (_, new) = party();
    let text = sealed("a: 1\n", Store::Yaml, std::slice::from_ref(&recipient)).unwrap();
    // The same file as one group in a list, with a key of PGP in it.
    let (head, rest) = text.split_once("    age:\n").unwrap();
    let (stanzas, tail) = rest.split_once("    lastmodified").unwrap();
    let deeper = stanzas.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "        {line}");
        text
    });
    let pgp = "          pgp:\n            - created_at: \"2026-01-01T00:00:00Z\"\n              enc: x\n              fp: FBC7\n";
    let grouped = format!("{head}    key_groups:\n        - age:\n{deeper}{pgp}    lastmodified{tail}");
    let opened = open(&grouped, Store::Yaml, &identities);
    let both = KeyGroups::one(&[recipient, new]);
    let more = opened.for_readers(&both, LATER).unwrap().unwrap();
    let file = SealedFile::parse(&more, Store::Yaml).unwrap();
    assert_eq!(file.foreign().collect::<Vec<_>>(), ["pgp FBC7"]);
    assert_eq!(file.recipients().count(), 2);
    assert!(file.open(&identities).is_ok());
}

#[test]
fn a_service_that_nobody_knows_is_never_left_with_an_old_key() {
    let (identities, recipient) = party();
    let text = sealed("a: 1\n", Store::Yaml, std::slice::from_ref(&recipient)).unwrap();
    let text = text.replace("    lastmodified", "    barbican:\n        - enc: wrapped\n    lastmodified");
    let opened = open(&text, Store::Yaml, &identities);
    let rotated = opened.rotated(&KeyGroups::one(&[recipient]), LATER);
    assert_eq!(rotated, Err(SopsError::CannotKeep { what: "its key of `barbican`".to_owned() }));
}

#[test]
fn a_comment_goes_with_the_line_that_it_stands_in() {
    let (identities, recipient) = party();
    let text =
        sealed("a: 1\nb: 2 # about b\nc: 3\nl:\n    - x # about x\n    - y\n", Store::Yaml, &[recipient])
            .unwrap();
    let opened = open(&text, Store::Yaml, &identities);
    let mut plaintext = opened.plaintext();
    plaintext.unset(&path("b")).unwrap();
    let edited = opened.edited(&plaintext, LATER).unwrap().unwrap();
    assert!(!printed(&open(&edited, Store::Yaml, &identities), Store::Yaml).contains("about b"));
}

#[test]
fn a_comment_that_moves_from_behind_a_value_to_above_it_is_a_change() {
    let (identities, recipient) = party();
    let text = sealed("b: 2 # note\n", Store::Yaml, &[recipient]).unwrap();
    let opened = open(&text, Store::Yaml, &identities);
    let moved = Plaintext::parse(&Secret::from("# note\nb: 2\n"), Store::Yaml).unwrap();
    let edited = opened.edited(&moved, LATER).unwrap().unwrap();
    assert_eq!(printed(&open(&edited, Store::Yaml, &identities), Store::Yaml), "# note\nb: 2\n");
}

#[test]
fn a_merge_key_is_nobodys_to_set() {
    let mut plaintext = Plaintext::empty(Store::Yaml);
    assert!(matches!(
        plaintext.set_text(&path("<<"), &Secret::from("x")),
        Err(SopsError::ReservedKey { .. })
    ));
    assert_eq!(Plaintext::empty(Store::Json).set_text(&path("<<"), &Secret::from("x")), Ok(()));
}

#[test]
fn a_section_in_a_later_document_that_is_somebodys_own_is_not_dropped() {
    let (identities, recipient) = party();
    let text = sealed("a: 1\n---\nb: 2\n", Store::Yaml, &[recipient]).unwrap();
    assert!(SealedFile::parse(&text, Store::Yaml).unwrap().open(&identities).is_ok());
    let (first, second) = text.split_once("---\n").unwrap();
    let (own, _) = second.split_once("sops:\n").unwrap();
    for mine in ["sops:\n    mine: hello\n", "sops: hello\n"] {
        let error = SealedFile::parse(&format!("{first}---\n{own}{mine}"), Store::Yaml).unwrap_err();
        assert!(error.to_string().contains("another in a later document"), "{error}");
    }
}

#[test]
fn every_spelling_of_true_that_sops_reads_is_true() {
    let (identities, recipient) = party();
    let readers = KeyGroups::one(&[recipient]);
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: true, indent: None };
    let plaintext = Plaintext::parse(&Secret::from("a: 1\nb_unencrypted: 2\n"), Store::Yaml).unwrap();
    let text = plaintext.seal(&policy, NOW).unwrap();
    for spelled in ["true", "\"1\"", "\"t\"", "T", "\"true\""] {
        let text = text.replace("mac_only_encrypted: true", &format!("mac_only_encrypted: {spelled}"));
        assert!(SealedFile::parse(&text, Store::Yaml).unwrap().open(&identities).is_ok(), "{spelled}");
    }
    let wrong = text.replace("mac_only_encrypted: true", "mac_only_encrypted: perhaps");
    assert!(
        SealedFile::parse(&wrong, Store::Yaml).unwrap_err().to_string().contains("neither true nor false")
    );
}

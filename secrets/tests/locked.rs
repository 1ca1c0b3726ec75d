//! Identities that ask first: behind a passphrase, a command or a plugin. They ask when nothing else opens a file, and
//! once.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use quorate_secrets::age_file::{AgeError, Encoding, decrypt, decrypt_for, decrypt_ready, encrypt};
use quorate_secrets::identity::{Identity, Person, Question, UseError};
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{SealedFile, SopsError, Store, seal};

// A throwaway key, see vectors/ssh/PROVENANCE.md.
const SSH_LOCKED: &str = include_str!("vectors/ssh/id_ed25519_passphrase");
const SSH_PASSPHRASE: &str = "throwaway";
/// Throwaway, made with age-keygen 1.3.1.
const POST_QUANTUM: &str = "AGE-SECRET-KEY-PQ-1TGR5C80FQJADGNH922YR0ZSEUSKZYJ7F580C7VALQHM0D4SY8NKSWDV98H";

/// A person who types these answers, and what was asked.
#[derive(Clone, Default)]
struct Typist(Arc<Mutex<(Vec<String>, Vec<String>)>>);

impl Typist {
    fn new(answers: &[&str]) -> Self {
        let answers = answers.iter().rev().map(|answer| (*answer).to_owned()).collect();
        Self(Arc::new(Mutex::new((answers, Vec::new()))))
    }

    fn person(&self) -> Person {
        let typist = self.clone();
        Person::new(move |question| {
            let mut inner = typist.0.lock().unwrap();
            inner.1.push(match question {
                Question::Say(text) => format!("say {text}"),
                Question::Line(text) => format!("line {text}"),
                Question::Passphrase(text) => format!("passphrase {text}"),
            });
            inner.0.pop().map(Secret::from)
        })
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

/// Identities in an age file with the passphrase `open sesame`.
fn locked(text: &str) -> Secret {
    let mut recipient = age::scrypt::Recipient::new("open sesame".to_owned().into());
    recipient.set_work_factor(2);
    Secret::from_bytes(age::encrypt(&recipient, text.as_bytes()).unwrap())
}

fn at(text: &Secret, typist: &Typist) -> Vec<Identity> {
    Identity::parse_all_at(text, "keys.txt", &typist.person()).unwrap()
}

fn sealed_to(recipients: &[Recipient]) -> Vec<u8> {
    encrypt(&Secret::from("content"), recipients, Encoding::Binary).unwrap()
}

#[test]
fn a_file_of_identities_opens_with_its_passphrase_asked_once_by_however_many_threads() {
    let (first, ra) = Identity::generate();
    let (second, rb) = Identity::generate();
    let both = format!("# mine\n{}\n{}\n", first.expose_text().unwrap(), second.expose_text().unwrap());
    let typist = Typist::new(&["open sesame"]);
    let identities = at(&locked(&both), &typist);
    assert_eq!((identities.len(), identities[0].recipient()), (1, None));
    assert_eq!(identities[0].to_string(), "keys.txt");
    let files = [sealed_to(&[ra]), sealed_to(&[rb])];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (files, identities) = (&files, &identities);
            scope.spawn(move || {
                assert_eq!(decrypt(&files[thread % 2], identities).unwrap().expose_bytes(), b"content");
            });
        }
    });
    assert_eq!(typist.asked(), ["passphrase passphrase of keys.txt:"]);
}

#[test]
fn nobody_is_asked_while_a_ready_identity_opens_one_of_the_entries() {
    let (locked_key, locked_recipient) = Identity::generate();
    let (ready_key, ready_recipient) = Identity::generate();
    let typist = Typist::new(&[]);
    // Those that ask stand first, in the file as well as among the identities.
    let mut identities = at(&locked(locked_key.expose_text().unwrap()), &typist);
    identities.push(Identity::deferred("COMMAND", &typist.person(), |_| panic!("a command was run")));
    identities.extend(at(&Secret::from(POST_QUANTUM), &typist));
    identities.extend(Identity::parse_all(&ready_key).unwrap());
    let both = [locked_recipient, ready_recipient];
    assert!(decrypt(&sealed_to(&both), &identities).is_ok());
    let value = Secret::from("content");
    let text = seal(&[("k", &value)], &both, "2026-11-21T03:02:57Z").unwrap();
    assert!(SealedFile::parse(&text, Store::Yaml).unwrap().open(&identities).is_ok());
    assert_eq!(typist.asked(), Vec::<String>::new());
    assert!(identities.iter().all(|identity| identity.failure().is_none()));
}

#[test]
fn a_passphrase_is_tried_three_times_and_then_left_alone() {
    let (key, recipient) = Identity::generate();
    for (answers, opens, asked) in [
        (&["wrong", "open sesame"][..], true, 2),
        (&["wrong", "", "open sesame"], true, 3),
        (&["wrong", "wronger", "most wrong", "open sesame"], false, 3),
    ] {
        let typist = Typist::new(answers);
        let identities = at(&locked(key.expose_text().unwrap()), &typist);
        for _ in 0..2 {
            let opened = decrypt(&sealed_to(std::slice::from_ref(&recipient)), &identities);
            assert_eq!(opened.err(), (!opens).then_some(AgeError::NoIdentity), "{answers:?}");
        }
        assert_eq!(typist.asked().len(), asked, "{answers:?}");
        let refused = UseError::Passphrase { place: "keys.txt".to_owned() };
        assert_eq!(identities[0].failure(), (!opens).then_some(refused));
    }
}

#[test]
fn an_ssh_key_asks_for_the_files_that_name_it_and_for_no_other() {
    let typist = Typist::new(&[SSH_PASSPHRASE]);
    let identities = at(&Secret::from(SSH_LOCKED), &typist);
    let own = identities[0].recipient().unwrap().clone();
    assert!(own.is_ssh() && !identities[0].is_ready());
    let (_, other) = Identity::generate();
    let other_ssh: Recipient = include_str!("vectors/sops/keys/sshk.pub").parse().unwrap();
    for stranger in [other, other_ssh] {
        assert_eq!(decrypt(&sealed_to(&[stranger]), &identities).unwrap_err(), AgeError::NoIdentity);
    }
    assert_eq!(typist.asked(), Vec::<String>::new());
    for _ in 0..2 {
        assert!(decrypt(&sealed_to(std::slice::from_ref(&own)), &identities).is_ok());
    }
    assert_eq!(typist.asked(), ["passphrase passphrase of keys.txt:"]);
    assert_eq!(identities[0].find_recipients().unwrap(), [own]);
}

#[test]
fn a_wrong_passphrase_of_the_right_key_is_not_told_as_damage_of_the_file() {
    let identities = at(&Secret::from(SSH_LOCKED), &Typist::new(&[]));
    let own = identities[0].recipient().unwrap().clone();
    let text = seal(&[("k", &Secret::from("v"))], &[own], "2026-11-21T03:02:57Z").unwrap();
    let error = SealedFile::parse(&text, Store::Yaml).unwrap().open(&identities).unwrap_err();
    assert!(matches!(error, SopsError::NoIdentity { .. }), "{error}");
    assert_eq!(identities[0].failure(), Some(UseError::Nobody { place: "keys.txt".to_owned() }));
}

#[test]
fn a_command_is_told_the_recipient_and_run_once_for_each() {
    let keys: Vec<(Secret, Recipient)> = (0..3).map(|_| Identity::generate()).collect();
    let of = |index: usize| keys[index].1.to_string();
    let (known, printed) = (of(1), keys[1].0.duplicate());
    let runs = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&runs);
    let identities = [Identity::deferred("SOPS_AGE_KEY_CMD", &Person::nobody(), move |recipient| {
        log.lock().unwrap().push(recipient.map(str::to_owned));
        match recipient {
            Some(recipient) if recipient == known => Ok(printed.duplicate()),
            _ => Err("`pass` ended with exit code 1".to_owned()),
        }
    })];
    let recipients: Vec<Recipient> = keys.iter().map(|(_, recipient)| recipient.clone()).collect();
    let text = seal(&[("k", &Secret::from("v"))], &recipients, "2026-11-21T03:02:57Z").unwrap();
    for _ in 0..2 {
        assert!(SealedFile::parse(&text, Store::Yaml).unwrap().open(&identities).is_ok());
    }
    // The first entry in vain, the second opens, the third is never come to; then the identity is known.
    assert_eq!(*runs.lock().unwrap(), [Some(of(0)), Some(of(1))]);
    let unknown = sealed_to(&recipients[2..]);
    assert_eq!(decrypt_for(&unknown, &of(2), &identities).unwrap_err(), AgeError::NoIdentity);
    assert_eq!(decrypt_ready(&unknown, &identities).unwrap_err(), AgeError::NoIdentity);
    assert_eq!(runs.lock().unwrap().len(), 3);
}

#[test]
fn the_recipients_of_what_asks_are_found_by_asking() {
    let (key, recipient) = Identity::generate();
    let typist = Typist::new(&["open sesame"]);
    let identities = at(&locked(key.expose_text().unwrap()), &typist);
    for _ in 0..2 {
        assert_eq!(identities[0].find_recipients().unwrap(), std::slice::from_ref(&recipient));
    }
    assert_eq!(typist.asked().len(), 1);
    assert!(decrypt_ready(&sealed_to(&[recipient]), &identities).is_ok(), "it is known now");
}

#[test]
fn why_an_identity_could_not_be_used_is_told_with_a_remedy() {
    let (key, _) = Identity::generate();
    let (_, stranger) = Identity::generate();
    let key = key.expose_text().unwrap();
    let typed = |answers: &[&str]| Typist::new(answers);
    let nested = locked(key);
    let mut nested_bytes = age::scrypt::Recipient::new("open sesame".to_owned().into());
    nested_bytes.set_work_factor(2);
    let nested = Secret::from_bytes(age::encrypt(&nested_bytes, nested.expose_bytes()).unwrap());
    let mut cut = locked(key).expose_bytes().to_vec();
    cut.truncate(cut.len() - 3);
    let plugin = age::plugin::Identity::default_for_plugin("yubikey").unwrap().to_string();
    let mut said = String::new();
    let cases = [
        at(&locked(key), &typed(&[])),
        at(&locked(key), &typed(&["a", "b", "c"])),
        at(&locked("hunter2"), &typed(&["open sesame"])),
        at(&nested, &typed(&["open sesame"])),
        at(&Secret::from_bytes(cut), &typed(&["open sesame"])),
        at(&Secret::from(POST_QUANTUM), &typed(&[])),
        at(&Secret::from(plugin), &typed(&[])),
        vec![Identity::deferred("COMMAND", &Person::nobody(), |_| Err("`pass` did not start".to_owned()))],
        vec![Identity::deferred("COMMAND", &Person::nobody(), |_| Ok(Secret::from("")))],
    ];
    for identities in cases {
        assert_eq!(
            decrypt(&sealed_to(std::slice::from_ref(&stranger)), &identities).unwrap_err(),
            AgeError::NoIdentity
        );
        let why = identities[0].failure().unwrap();
        writeln!(said, "{}: {why}\n  {}\n", why.place(), why.hint()).unwrap();
    }
    assert!(!said.contains("hunter2"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_recipient_whose_plugin_is_missing_is_told_from_a_key_that_does_not_work() {
    let hrp = bech32::Hrp::parse("age1nowhere").unwrap();
    let text = bech32::encode::<bech32::Bech32>(hrp, &[2; 33]).unwrap();
    let recipient: Recipient = text.parse().unwrap();
    assert_eq!((recipient.plugin(), recipient.key()), (Some("nowhere"), text.as_str()));
    let missing = AgeError::NoPlugin { name: "nowhere".to_owned() };
    let file = encrypt(&Secret::from("x"), std::slice::from_ref(&recipient), Encoding::Binary);
    assert_eq!(file.unwrap_err(), missing);
    assert!(missing.to_string().contains("`age-plugin-nowhere`") && missing.hint().contains("PATH"));
    let error = seal(&[("k", &Secret::from("v"))], &[recipient], "2026-11-21T03:02:57Z").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot seal to `{text}`: `age-plugin-nowhere` is not on PATH"));
    assert_eq!(error.hint(), "install that plugin and put its folder on PATH");
}

#[test]
fn debug_of_what_asks_shows_its_place_alone() {
    let identities = at(&locked("AGE-SECRET-KEY-1"), &Typist::new(&[]));
    assert_eq!(format!("{identities:?}"), "[Identity(of keys.txt)]");
    let identities = at(&Secret::from(POST_QUANTUM), &Typist::new(&[]));
    assert_eq!(format!("{identities:?}"), "[Identity(of an identity of the age plugin `pq` in keys.txt)]");
}

//! Rules, comments and what cannot be rewritten yet: files that sops wrote with one feature each. See
//! vectors/sops/PROVENANCE.md.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Opened, SealedFile, SopsError, Store};

const NOW: &str = "2026-11-22T04:03:58Z";
const FIRST: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";
const SECOND: &str = "age1m943dqxe0x9semctmjzdrhanjyl876dt0nyxjlcwwemzzhu2f4wq3fep6p";

const COMMENTS: &str = include_str!("vectors/sops/features/comments.enc.yaml");
const MAC_ONLY: &str = include_str!("vectors/sops/features/mac_only_encrypted.enc.yaml");
const SUFFIX: &str = include_str!("vectors/sops/features/encrypted_suffix.enc.yaml");

fn identity(text: &str) -> Vec<Identity> {
    Identity::parse_all(&Secret::from(text)).unwrap()
}

fn open(text: &str) -> Result<Opened, SopsError> {
    SealedFile::parse(text, Store::Yaml)?.open(&identity(include_str!("vectors/sops/keys/k.txt")))
}

fn recipients(texts: &[&str]) -> Vec<Recipient> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The file with other values, for the recipients it has.
fn reseal(text: &str, entries: &[(&str, &str)], to: &[&str]) -> Result<String, SopsError> {
    let secrets: Vec<Secret> = entries.iter().map(|(_, value)| Secret::from(*value)).collect();
    let entries: Vec<(&str, &Secret)> = entries.iter().map(|(key, _)| *key).zip(&secrets).collect();
    open(text)?.reseal(&entries, &recipients(to), NOW)
}

/// Lines outside of the `sops` section.
fn body(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| *line != "sops:").collect()
}

#[test]
fn every_rule_of_what_is_encrypted_is_understood() {
    for text in [
        include_str!("vectors/sops/features/encrypted_regex.enc.yaml"),
        include_str!("vectors/sops/features/unencrypted_regex.enc.yaml"),
        include_str!("vectors/sops/features/documents.enc.yaml"),
        include_str!("vectors/sops/features/layout.enc.yaml"),
        include_str!("vectors/sops/features/comment_regex.enc.yaml"),
        SUFFIX,
        MAC_ONLY,
    ] {
        open(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn a_key_that_is_split_takes_one_identity_of_each_group() {
    let file =
        SealedFile::parse(include_str!("vectors/sops/features/key_groups.enc.yaml"), Store::Yaml).unwrap();
    let first = identity(include_str!("vectors/sops/keys/k.txt"));
    let error = file.open(&first).unwrap_err();
    assert!(matches!(error, SopsError::NoIdentity { groups: Some((1, 2)), .. }), "{error}");
    let both =
        first.into_iter().chain(identity(include_str!("vectors/sops/keys/k2.txt"))).collect::<Vec<_>>();
    file.open(&both).unwrap();
}

#[test]
fn a_value_in_clear_counts_in_the_checksum_unless_the_file_says_otherwise() {
    // `b` is written with quotes, as `y` was a boolean once.
    let changed = |text: &str| open(&text.replace("\nb: \"y\"", "\nb: z")).map(|_| ());
    assert_eq!(changed(SUFFIX).unwrap_err(), SopsError::MacMismatch);
    assert_eq!(changed(MAC_ONLY), Ok(()));
    let resealed = reseal(MAC_ONLY, &[("a_secret", "new"), ("b", "y"), ("c", "3")], &[FIRST]).unwrap();
    assert_eq!(open(&resealed).map(|_| ()), Ok(()));
    assert_eq!(changed(&resealed), Ok(()));
}

#[test]
fn values_in_clear_stay_and_no_secret_is_written_beside_them() {
    let kept = reseal(SUFFIX, &[("a_secret", "new"), ("b", "y"), ("c", "3")], &[FIRST]).unwrap();
    assert_eq!(body(&kept)[1..], ["b: \"y\"", "c: 3"]);
    assert_eq!(open(&kept).unwrap().get("a_secret").unwrap().expose_text(), Ok("new"));
    for entries in
        [[("a_secret", "x"), ("b", "other"), ("c", "3")], [("a_secret", "x"), ("b", "y"), ("d", "new")]]
    {
        let error = reseal(SUFFIX, &entries, &[FIRST]).unwrap_err();
        assert!(
            matches!(&error, SopsError::ClearKey { rule, .. } if rule == "encrypted_suffix: _secret"),
            "{error}"
        );
    }
}

#[test]
fn a_stanza_in_ones_own_name_that_does_not_open_is_damage() {
    let value = Secret::from("x");
    let other = quorate_secrets::sops::seal(&[("a", &value)], &recipients(&[SECOND]), NOW).unwrap();
    let error = open(&other.replace(SECOND, FIRST)).unwrap_err();
    assert_eq!(error, SopsError::StanzaDamaged { recipient: FIRST.to_owned() });
}

#[test]
fn a_stanza_without_its_end_is_noticed_without_any_key() {
    let end = "            -----END AGE ENCRYPTED FILE-----\n";
    let error = SealedFile::parse(&COMMENTS.replacen(end, "", 1), Store::Yaml).unwrap_err().to_string();
    assert!(error.starts_with("`age[0].enc`") && error.contains("cut off"), "{error}");
}

#[test]
fn comments_keep_their_place_and_ciphertext() {
    let old = body(COMMENTS);
    let changed = reseal(COMMENTS, &[("a", "x"), ("b", "other")], &[FIRST, SECOND]).unwrap();
    let new = body(&changed);
    assert_eq!(new.len(), old.len());
    for (line, (new, old)) in new.iter().zip(&old).enumerate() {
        assert_eq!(new == old, line != 3, "line {line}: {new}");
    }
    // A comment behind a value that went stands in a line of its own.
    let fewer = reseal(COMMENTS, &[("b", "y")], &[FIRST, SECOND]).unwrap();
    let inline = old[1].split_once(" #").unwrap().1;
    assert_eq!(body(&fewer), [old[0], &format!("#{inline}"), old[2], old[3], old[4]]);
    open(&fewer).unwrap();
}

#[test]
fn a_new_data_key_encrypts_comments_anew() {
    let values = [Secret::from("x"), Secret::from("y")];
    let entries = [("a", &values[0]), ("b", &values[1])];
    let rekeyed = open(COMMENTS).unwrap().rekey(&entries, &recipients(&[FIRST]), NOW).unwrap();
    let nonce = |line: &&str| line.split("iv:").skip(1).map(|rest| rest[..40].to_owned()).collect::<Vec<_>>();
    let (old, new) = (body(COMMENTS), body(&rekeyed));
    assert_eq!(new.len(), old.len());
    for (new, old) in new.iter().zip(&old) {
        assert_eq!(nonce(new).len(), nonce(old).len());
        assert!(nonce(new).iter().all(|part| !old.contains(part)));
    }
    let second = identity(include_str!("vectors/sops/keys/k2.txt"));
    let error = SealedFile::parse(&rekeyed, Store::Yaml).unwrap().open(&second).unwrap_err();
    assert!(matches!(error, SopsError::NoIdentity { .. }));
    // A comment of another file under this key cannot be carried over.
    let foreign = rekeyed.replace(new[0], old[0]);
    assert_eq!(
        open(&foreign).unwrap().rekey(&entries, &recipients(&[FIRST]), NOW),
        Err(SopsError::CannotKeep { what: "a comment that does not open".to_owned() })
    );
}

#[test]
fn what_a_rewrite_would_lose_is_refused_by_name() {
    let pgp = "    pgp:\n        - fp: ABCD\n          created_at: \"2020-01-01T00:00:00Z\"\n          enc: x\n    unencrypted";
    let plugin =
        COMMENTS.replace(SECOND, "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t");
    let mut said = Vec::new();
    for (text, entries) in [
        (COMMENTS.replace("    unencrypted", pgp), vec![("a", "x"), ("b", "y")]),
        (COMMENTS.replace("    version", "    zzz: 1\n    version"), vec![("a", "x"), ("b", "y")]),
        (plugin, vec![("a", "x"), ("b", "y")]),
        (include_str!("vectors/sops/features/documents.enc.yaml").to_owned(), vec![("a", "1"), ("b", "2")]),
        (include_str!("vectors/sops/yaml/null.enc.yaml").to_owned(), vec![("e", "x")]),
        (include_str!("vectors/sops/yaml/flow.enc.yaml").to_owned(), vec![("a", "1")]),
    ] {
        said.push(reseal(&text, &entries, &[FIRST, SECOND]).unwrap_err().to_string());
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_file_of_an_older_release_with_empty_lists_opens() {
    let old = COMMENTS.replace(
        "sops:\n",
        "sops:\n    kms: []\n    gcp_kms: []\n    azure_kv: []\n    hc_vault: []\n    pgp: []\n",
    );
    let resealed = reseal(&old, &[("a", "new"), ("b", "y")], &[FIRST, SECOND]).unwrap();
    assert!(resealed.contains("    kms: []\n    gcp_kms: []\n"), "{resealed}");
    open(&resealed).unwrap();
}

#[test]
fn line_ends_of_windows_change_nothing() {
    let opened = open(&COMMENTS.replace('\n', "\r\n")).unwrap();
    assert_eq!(opened.get("b").unwrap().expose_text(), Ok("y"));
}

#[test]
fn damage_is_named_and_comes_with_a_remedy() {
    let mut said = String::new();
    let line = |at: usize| COMMENTS.lines().nth(at).unwrap();
    let without = |part: &str| {
        let rest: String = COMMENTS.split_inclusive('\n').filter(|line| !line.contains(part)).collect();
        assert_ne!(rest, COMMENTS, "{part}");
        rest
    };
    // The lines of the first recipient's age file: 1 to 3 are its header, 5 is the data key.
    let begin = COMMENTS.lines().position(|line| line.contains("BEGIN AGE")).unwrap();
    let stanza = |at: usize| line(begin + at);
    let middle = COMMENTS.len() / 2;
    for (case, text) in [
        ("empty", String::new()),
        ("plaintext", "password: hunter2\n".to_owned()),
        ("a list", "- hunter2\n".to_owned()),
        ("not YAML", "a: [hunter2\nb".to_owned()),
        ("cut in a recipient", COMMENTS[..middle].to_owned()),
        ("cut behind the recipients", COMMENTS[..COMMENTS.find("    lastmodified").unwrap()].to_owned()),
        ("cut in the checksum", COMMENTS[..COMMENTS.find("    mac").unwrap() + 60].to_owned()),
        ("cut behind the checksum", COMMENTS[..COMMENTS.find("    unencrypted").unwrap()].to_owned()),
        ("no checksum", without("    mac: ")),
        ("no recipients", COMMENTS.replace(&COMMENTS[COMMENTS.find("    age:").unwrap()..COMMENTS.find("    lastmodified").unwrap()], "")),
        ("a time in other words", COMMENTS.replace("lastmodified: \"2026", "lastmodified: \"in 2026")),
        ("an unquoted time", COMMENTS.replace("lastmodified: \"2026-11-21T11:46:39Z\"", "lastmodified: 2026-11-21T11:46:39Z")),
        ("a changed time", COMMENTS.replace("lastmodified: \"2026", "lastmodified: \"2025")),
        ("a value in clear", COMMENTS.replace(line(3), "b: hunter2")),
        ("a number in clear", COMMENTS.replace(line(3), "b: 5")),
        ("a value cut", COMMENTS.replace(line(3), &line(3)[..60])),
        ("a value of another key", COMMENTS.replace(line(3), &line(1).replacen("a: ", "b: ", 1))),
        ("a value removed", COMMENTS.replace(&format!("{}\n", line(3)), "")),
        ("a key twice", COMMENTS.replace(line(3), &format!("{0}\n{0}", line(3)))),
        ("a number as key", COMMENTS.replacen("b: ENC", "1: ENC", 1)),
        ("a merge that is not finished", COMMENTS.replace(line(3), &format!("<<<<<<< HEAD\n{0}\n=======\n{0}\n>>>>>>> other", line(3)))),
        ("an alias in itself", COMMENTS.replace(line(3), "b: &x [*x]")),
        ("an integer beyond 64 bits", COMMENTS.replace(line(3), "b: 9223372036854775808")),
        ("a tag that lies", COMMENTS.replace(line(3), "b: !!int hunter2")),
        ("another version of YAML", format!("%YAML 1.2\n---\n{COMMENTS}")),
        ("a tag", COMMENTS.replace(line(3), "b: !!int \"5\"")),
        ("two rules", COMMENTS.replace("    version", "    encrypted_suffix: x\n    version")),
        ("a bad expression", COMMENTS.replace("unencrypted_suffix: _unencrypted", "encrypted_regex: (")),
        ("a changed stanza", COMMENTS.replacen(stanza(2), &stanza(2).to_lowercase(), 1)),
        ("a changed data key", COMMENTS.replacen(stanza(5), &stanza(5).to_lowercase(), 1)),
        ("pgp alone", "a: \"\"\nsops:\n    pgp:\n        - fp: A\n          enc: x\n    lastmodified: \"2026-11-21T11:46:39Z\"\n".to_owned() + COMMENTS.lines().find(|line| line.contains("mac:")).unwrap() + "\n    version: 3.7.0\n"),
    ] {
        let error = open(&text).map(|_| ()).expect_err(case);
        said.push_str(&[case, ": ", &error.to_string(), "\n  ", error.hint(), "\n"].concat());
    }
    assert!(!said.contains("hunter2"), "a value in a message");
    insta::assert_snapshot!(said);
}

#[test]
fn what_cannot_be_sealed_is_named_with_a_remedy() {
    let mut said = String::new();
    let value = Secret::from("hunter2");
    let one = recipients(&[FIRST]);
    let long = "k".repeat(129);
    for (keys, to, now) in [
        (vec!["a"], &[][..], NOW),
        (vec!["a", "a"], &one[..], NOW),
        (vec!["sops"], &one[..], NOW),
        (vec![""], &one[..], NOW),
        (vec!["a\nb"], &one[..], NOW),
        (vec!["<<"], &one[..], NOW),
        (vec![long.as_str()], &one[..], NOW),
        (vec!["a_unencrypted"], &one[..], NOW),
        (vec!["a"], &one[..], "2026-11-22"),
        (vec!["a"], &one[..], "2026-11-22T04:03:58+00:00"),
    ] {
        let entries: Vec<(&str, &Secret)> = keys.into_iter().map(|key| (key, &value)).collect();
        let error = quorate_secrets::sops::seal(&entries, to, now).unwrap_err();
        said.push_str(&[&error.to_string(), "\n  ", error.hint(), "\n"].concat());
    }
    insta::assert_snapshot!(said);
}

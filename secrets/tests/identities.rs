//! Who can read: recipients and identities of every kind, and what is said of those that cannot be used.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;

use quorate_secrets::age_file::{AgeError, Encoding, decrypt, encrypt};
use quorate_secrets::host_key::HostKey;
use quorate_secrets::identity::{Identity, IdentityError};
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{SealedFile, Store, seal};

// Throwaway keys, see vectors/*/PROVENANCE.md.
const AGE_KEY: &str = include_str!("vectors/sops/keys/k.txt");
const AGE_RECIPIENT: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";
const ED25519: &str = include_str!("vectors/sops/keys/sshk");
const ED25519_PUB: &str = include_str!("vectors/sops/keys/sshk.pub");
const RSA: &str = include_str!("vectors/ssh/id_rsa");
const RSA_PUB: &str = include_str!("vectors/ssh/id_rsa.pub");
const RSA_PEM: &str = include_str!("vectors/ssh/id_rsa.pem");

fn identities(text: &str) -> Result<Vec<Identity>, IdentityError> {
    Identity::parse_all(&Secret::from(text))
}

fn recipient(text: &str) -> Recipient {
    text.parse().unwrap()
}

#[test]
fn a_host_key_has_the_age_form_that_ssh_to_age_prints() {
    let recipient = Recipient::from_ssh_host_key(ED25519_PUB).unwrap();
    assert_eq!(recipient.to_string(), "age1hypftduuha6wx9t8dred8w5td5x38kjmqtluy0y8peqppx83ky0ssku502");
    let derived = Identity::from_ssh_host_key(&Secret::from(ED25519)).unwrap();
    let printed = "AGE-SECRET-KEY-1CZV9F9CP4AQN4S02YH2PF89RREGLDF3XDKPV7RMS6AJUE8H3UN7QDTH85E";
    let printed = identities(printed).unwrap();
    assert_eq!(derived.recipient(), Some(&recipient));
    assert_eq!(printed[0].recipient(), Some(&recipient));
    // The same scalar, not only the same point: it opens what is sealed to it.
    let file = encrypt(&Secret::from("x"), &[recipient], Encoding::Binary).unwrap();
    assert!(decrypt(&file, &[derived]).is_ok() && decrypt(&file, &printed).is_ok());
}

#[test]
fn a_host_key_that_shares_its_secret_with_everybody_is_refused() {
    // The neutral point: whatever it is multiplied with, it stays what it is.
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@x";
    let error = Recipient::from_ssh_host_key(line).unwrap_err();
    assert!(matches!(error, quorate_secrets::recipient::RecipientError::Ssh { .. }), "{error}");
}

#[test]
fn every_kind_of_identity_opens_what_its_recipient_seals_in_every_form() {
    let (x25519, _) = Identity::generate();
    let host = HostKey::generate("root@cp1").unwrap();
    let cases = [
        (x25519.expose_text().unwrap(), None),
        (AGE_KEY, Some(AGE_RECIPIENT)),
        (ED25519, Some(ED25519_PUB)),
        (RSA, Some(RSA_PUB)),
        (RSA_PEM, Some(RSA_PUB)),
        (host.private_file().expose_text().unwrap(), Some(host.public_line())),
    ];
    for (private, public) in cases {
        let windows = private.replace('\n', "\r\n");
        for text in [private, &windows] {
            let identity = identities(text).unwrap();
            let recipient = public.map_or_else(|| identity[0].recipient().unwrap().clone(), recipient);
            assert_eq!(identity[0].recipient(), Some(&recipient));
            for encoding in [Encoding::Binary, Encoding::Armored] {
                let file =
                    encrypt(&Secret::from("content"), std::slice::from_ref(&recipient), encoding).unwrap();
                assert_eq!(file.starts_with(b"-----BEGIN AGE"), encoding == Encoding::Armored);
                assert_eq!(decrypt(&file, &identity).unwrap().expose_bytes(), b"content");
            }
            let value = Secret::from("content");
            let text = seal(&[("k", &value)], &[recipient], "2026-11-21T03:02:57Z").unwrap();
            let opened = SealedFile::parse(&text, Store::Yaml).unwrap().open(&identity).unwrap();
            assert!(opened.get("k").unwrap().same_as(&value));
        }
    }
}

#[test]
fn an_age_file_opens_for_each_of_its_recipients_and_for_nobody_else() {
    let parties: Vec<_> = (0..3).map(|_| Identity::generate()).collect();
    let sealed_to: Vec<Recipient> = parties[..2].iter().map(|(_, recipient)| recipient.clone()).collect();
    let file = encrypt(&Secret::from_bytes(vec![0; 70_000]), &sealed_to, Encoding::Binary).unwrap();
    for (index, (text, _)) in parties.iter().enumerate() {
        let opened = decrypt(&file, &Identity::parse_all(text).unwrap());
        match index {
            0 | 1 => assert_eq!(opened.unwrap().expose_bytes().len(), 70_000),
            _ => assert_eq!(opened.unwrap_err(), AgeError::NoIdentity),
        }
    }
    let first = Identity::parse_all(&parties[0].0).unwrap();
    for at in (0..file.len()).step_by(997) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(decrypt(&changed, &first).is_err(), "byte {at}");
        assert!(decrypt(&file[..at], &first).is_err(), "cut at {at}");
    }
    assert_eq!(encrypt(&Secret::from("x"), &[], Encoding::Binary).unwrap_err(), AgeError::NoRecipients);
}

#[test]
fn a_key_file_holds_several_identities_in_lines_or_words() {
    let (a, ra) = Identity::generate();
    let (b, rb) = Identity::generate();
    let (a, b) = (a.expose_text().unwrap(), b.expose_text().unwrap());
    for text in [format!("# a\n{a}\n\n  # b\n{b}"), format!("{a} {b}"), format!("\r\n{a}\r\n{b}\r\n")] {
        let found = identities(&text).unwrap();
        assert_eq!(found.iter().map(Identity::recipient).collect::<Vec<_>>(), [Some(&ra), Some(&rb)]);
    }
}

#[test]
fn debug_of_an_identity_shows_its_recipient_alone() {
    for text in [AGE_KEY, ED25519, RSA] {
        let identity = &identities(text).unwrap()[0];
        assert_eq!(format!("{identity:?}"), format!("Identity(of {})", identity.recipient().unwrap()));
    }
}

#[test]
fn a_recipient_is_shown_as_given_and_compared_without_its_comment() {
    let given = ED25519_PUB.trim();
    let with = recipient(given);
    let without = recipient(given.strip_suffix(" root@vm").unwrap());
    assert_eq!(with.to_string(), given);
    assert_eq!(with, without);
    assert_eq!(with.key(), without.to_string());
    assert!(with.is_ssh() && !recipient(AGE_RECIPIENT).is_ssh());
    assert_ne!(recipient(AGE_RECIPIENT), Recipient::from_ssh_host_key(ED25519_PUB).unwrap());
}

#[test]
fn what_is_no_recipient_is_named_with_a_remedy() {
    let mut said = String::new();
    for text in [
        "",
        "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szh",
        "AGE1KHL8VCVPEWNWN9L8S3ZQHD7GE6R0JT7XLF4K3QH8QYAJ9QZRHC3SPZ9SZG",
        "age1",
        "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3u",
        "age1tag1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
        "age1pq1abc",
        "AGE-SECRET-KEY-1ZZDVESZS9FL087KCAK0THYRUCP4EKNJ9ZP9G9RNY3TZEH5PES4PQHVANR5",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKDhXZVvBswIiUlpxB2TajT8oHqIjG6lDgoJBXXKIk",
        "ssh-ed25519 AAAA",
        "ssh-ed25519",
        include_str!("vectors/ssh/id_rsa_1024.pub"),
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA==",
        "somebody@example.org",
    ] {
        let error = text.parse::<Recipient>().expect_err(text);
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    for line in [RSA_PUB, "ssh-ed25519 AAAA", AGE_RECIPIENT] {
        let error = Recipient::from_ssh_host_key(line).unwrap_err();
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    assert!(!said.contains("ZZDVESZS9FL087K"), "a private key in a message");
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_no_identity_is_named_with_a_remedy_and_never_quoted() {
    let key = AGE_KEY.lines().last().unwrap();
    let cut = &key[..key.len() - 1];
    let mut said = String::new();
    for text in [
        "",
        "# only a comment\n",
        "# a\nhunter2\n",
        cut,
        "AGE-PLUGIN-YUBIKEY-1GKZAXQZ0DHCRU2CM2HQPH",
        "AGE-PLUGIN-1",
        "AGE-SECRET-KEY-PQ-1ABC",
        AGE_RECIPIENT,
        "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n",
        "age-encryption.org/v1\n-> scrypt",
        include_str!("vectors/ssh/id_rsa_pass.pem"),
        include_str!("vectors/ssh/id_ecdsa"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n",
        &RSA[..RSA.len() / 2],
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ",
    ] {
        let error = identities(text).expect_err(text);
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    let sealed_to_a_recipient = encrypt(&Secret::from(key), &[recipient(AGE_RECIPIENT)], Encoding::Armored);
    let sealed_to_a_recipient = Secret::from_bytes(sealed_to_a_recipient.unwrap());
    let locked_host_key = Secret::from(include_str!("vectors/ssh/id_ed25519_passphrase"));
    for error in [
        Identity::parse_all(&sealed_to_a_recipient).unwrap_err(),
        Identity::from_ssh_host_key(&Secret::from(RSA)).unwrap_err(),
        Identity::from_ssh_host_key(&locked_host_key).unwrap_err(),
    ] {
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    assert!(!said.contains("hunter2") && !said.contains(&key[20..40]), "{said}");
    insta::assert_snapshot!(said);
}

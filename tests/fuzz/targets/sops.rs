//! SOPS files: parsed, opened, sealed again. Behind a `+` the input is what is to be sealed instead: names and values,
//! each ended by a NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Opened, SealedFile, Store, seal};

// Throwaway keys, see secrets/tests/vectors/sops/PROVENANCE.md.
const KEYS: [&str; 2] = [
    include_str!("../../../secrets/tests/vectors/sops/keys/k.txt"),
    include_str!("../../../secrets/tests/vectors/sops/keys/sshk"),
];
const NOW: &str = "2026-01-02T03:04:05Z";

thread_local! {
    static IDENTITIES: Vec<Identity> = KEYS
        .iter()
        .flat_map(|text| Identity::parse_all(&Secret::from(*text)).expect("a fixture key"))
        .collect();
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    IDENTITIES.with(|identities| match text.strip_prefix('+') {
        Some(entries) => seal_and_open(entries, identities),
        None => read(text, identities),
    });
});

fn read(text: &str, identities: &[Identity]) {
    let file = match SealedFile::parse(text, Store::Yaml) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty());
            return;
        }
    };
    assert_eq!(file.text(), text);
    assert!(!file.lastmodified().is_empty());
    let names: Vec<&str> = file.keys().collect();
    let recipients: Vec<Recipient> = file.recipients().filter_map(|text| text.parse().ok()).collect();
    assert!(file.drift(&recipients).missing.is_empty());
    match file.open(identities) {
        Ok(opened) => {
            if let Ok(entries) = opened.entries() {
                assert_eq!(entries.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
                rewrite(text, &opened, &entries, &recipients, identities);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

/// Unchanged, a file stays as it is to the byte; changed, it opens to what was asked for.
fn rewrite(
    text: &str,
    opened: &Opened,
    entries: &[(&str, &Secret)],
    recipients: &[Recipient],
    identities: &[Identity],
) {
    if let Ok(same) = opened.reseal(entries, recipients, NOW) {
        assert_eq!(same, text);
    }
    let secret = Secret::from("a new one");
    let with: Vec<(&str, &Secret)> = entries.iter().copied().chain([("fuzz-new", &secret)]).collect();
    if let Ok(more) = opened.reseal(&with, recipients, NOW) {
        let again = same_entries(&more, &with, identities);
        assert_eq!(again.reseal(&with, recipients, NOW).as_deref(), Ok(more.as_str()));
    }
    // Whom the file names need not be one of us.
    let ours = identities.iter().filter_map(|identity| identity.recipient().cloned());
    let readers: Vec<Recipient> = recipients.iter().cloned().chain(ours).collect();
    if let Ok(new) = opened.rekey(entries, &readers, NOW) {
        same_entries(&new, entries, identities);
    }
}

fn seal_and_open(input: &str, identities: &[Identity]) {
    let mut parts = input.split('\0');
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        pairs.push((name, Secret::from(value)));
    }
    let entries: Vec<(&str, &Secret)> = pairs.iter().map(|(name, secret)| (*name, secret)).collect();
    let recipients = [identities[0].recipient().expect("an age key").clone()];
    match seal(&entries, &recipients, NOW) {
        Ok(text) => {
            let opened = same_entries(&text, &entries, identities);
            rewrite(&text, &opened, &entries, &recipients, identities);
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

/// Opens a file of ours, which holds the entries wherever they stand.
fn same_entries(text: &str, entries: &[(&str, &Secret)], identities: &[Identity]) -> Opened {
    let file = SealedFile::parse(text, Store::Yaml).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let opened = file.open(identities).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let found = opened.entries().expect("flat").len();
    assert_eq!(found, entries.len(), "{text:?}");
    for (name, secret) in entries {
        assert!(opened.get(name).is_some_and(|found| found.same_as(secret)), "{name:?} of {text:?}");
    }
    opened
}

//! Files whose data key is split among groups of readers.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_secrets::identity::{Identity, Person};
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Plaintext, Policy, SealedFile, Store};

/// A file for groups, of which so many are needed.
fn sealed(groups: &[Vec<Recipient>], threshold: usize) -> SealedFile {
    let readers = KeyGroups::new(groups, Some(threshold)).unwrap();
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
    let plaintext = Plaintext::parse(&Secret::from("a: x\n"), Store::Yaml).unwrap();
    SealedFile::parse(&plaintext.seal(&policy, "2026-11-21T03:02:57Z").unwrap(), Store::Yaml).unwrap()
}

#[test]
fn nobody_is_asked_for_one_group_more_than_it_takes() {
    let keys: Vec<(Secret, Recipient)> = (0..4).map(|_| Identity::generate()).collect();
    let groups: Vec<_> = keys.iter().map(|(_, recipient)| vec![recipient.clone()]).collect();
    for (threshold, ready, expected) in [(2, 0, 2), (3, 0, 3), (3, 1, 2), (2, 2, 0)] {
        let file = sealed(&groups, threshold);
        let asked = Arc::new(AtomicUsize::new(0));
        let identities: Vec<Identity> = keys
            .iter()
            .enumerate()
            .flat_map(|(index, (key, recipient))| {
                if index < ready {
                    return Identity::parse_all(key).unwrap();
                }
                let (key, own, asked) = (key.duplicate(), recipient.to_string(), Arc::clone(&asked));
                let fetch = move |wanted: Option<&str>| {
                    if wanted != Some(&own) {
                        return Err("not this one".to_owned());
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                    Ok(key.duplicate())
                };
                vec![Identity::deferred("COMMAND", &Person::nobody(), fetch)]
            })
            .collect();
        let text = file.open(&identities).unwrap().plaintext().write(Store::Yaml, None).unwrap();
        assert_eq!(text.expose_bytes(), b"a: x\n");
        assert_eq!(asked.load(Ordering::Relaxed), expected, "{threshold} of 4, {ready} ready");
    }
}

#[test]
fn who_is_in_two_groups_gains_and_loses_access_once() {
    let [a, b, c] = [(); 3].map(|()| Identity::generate().1);
    let file = sealed(&[vec![a.clone(), c.clone()], vec![b.clone(), c.clone()]], 2);
    let drift = file.drift_from(&[vec![a.clone()], vec![b.clone()]], &[]);
    assert_eq!((drift.missing, drift.extra), (Vec::new(), vec![c.to_string()]));
    let file = sealed(&[vec![a.clone()], vec![b.clone()]], 2);
    let drift = file.drift_from(&[vec![a, c.clone()], vec![b, c.clone()]], &[]);
    assert_eq!((drift.missing, drift.extra), (vec![c.to_string()], Vec::new()));
}

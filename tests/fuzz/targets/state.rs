//! A folder `certs/` that is whole but for one file: what `pki gen` decides about it.
//!
//! The input is the file's path in the first line, and its bytes behind that; without bytes the file is gone. The rest
//! of the folder is fuzz/fixture, of which no private key is needed and none is there.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quorate::nix::{self, Evaluator};
use quorate_pki::adopt::recall;
use quorate_pki::apply::files_to_open;
use quorate_pki::cluster::Cluster;
use quorate_pki::decision::decide;
use quorate_pki::drift::days_left;
use quorate_pki::layout::MANIFEST;
use quorate_pki::manifest::Manifest;
use quorate_pki::plan::{CertId, Format, Plan};
use quorate_pki::readers::{Host, HostKey, Readers, host_keys};
use quorate_pki::state::{SealedFacts, State};
use quorate_secrets::recipient::Recipient;
use time::OffsetDateTime;

/// The fixture in the core's terms.
struct Fixture {
    cluster: Cluster,
    plan: Plan,
    files: BTreeMap<String, Vec<u8>>,
    /// Those files as they are read.
    whole: State,
    sealed: BTreeMap<String, SealedFacts>,
    admins: Vec<String>,
    /// A day on which all its certificates hold.
    now: OffsetDateTime,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture");
    let (node, _) = nix::evaluate(&root.join("machines.nix"), Evaluator::Builtin).expect("the fixture");
    let cluster = Cluster::parse(&node).0.expect("a cluster");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.join("certs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root.join("certs")).expect("below it").display().to_string();
                files.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    let manifest = Manifest::parse(&files["manifest.json"]).expect("the manifest");
    let sealed = manifest.sealed.iter().map(|record| {
        let facts = SealedFacts {
            format: Format::Sops,
            keys: record.keys.clone(),
            recipients: Some(record.recipients.clone()),
            sha256: record.sha256.clone(),
        };
        (record.file.clone(), facts)
    });
    let sealed = sealed.collect();
    let whole = State::read(files.clone(), BTreeMap::new()).expect("the fixture");
    let last = manifest.certificates.iter().map(|record| record.not_after).min().expect("certificates");
    let now = last - time::Duration::days(200);
    let plan = Plan::new(&cluster, Format::Sops);
    Fixture { cluster, plan, files, whole, sealed, admins: manifest.admins, now }
});

impl Fixture {
    /// The folder with one file changed, or gone where there are no bytes; `None` where that file cannot be read.
    fn with(&self, path: &str, bytes: &[u8]) -> Option<State> {
        let mut state = State { sealed: self.sealed.clone(), ..State::default() };
        state.manifest.clone_from(&self.whole.manifest);
        state.certs.clone_from(&self.whole.certs);
        state.files.clone_from(&self.whole.files);
        if bytes.is_empty() {
            state.files.remove(path);
            state.manifest = state.manifest.filter(|_| path != MANIFEST);
            CertId::of_file(path).and_then(|id| state.certs.remove(&id));
            return Some(state);
        }
        match State::read([(path.to_owned(), bytes.to_vec())].into(), BTreeMap::new()) {
            Ok(changed) => {
                state.manifest = changed.manifest.or(state.manifest);
                state.certs.extend(changed.certs);
                state.files.extend(changed.files);
                Some(state)
            }
            Err(faults) => {
                assert!(faults.iter().all(|fault| !fault.message.is_empty() && !fault.hint.is_empty()));
                None
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let fixture = &*FIXTURE;
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (path, bytes) = input.split_at(at);
    let Ok(path) = std::str::from_utf8(path) else { return };
    let bytes = bytes.get(1..).unwrap_or_default();
    let as_it_was = fixture.files.get(path).is_some_and(|file| file == bytes);
    let Some(state) = fixture.with(path, bytes) else { return };
    for facts in state.certs.values().flatten() {
        days_left(facts.not_after, fixture.now);
    }
    let Ok(keys) = host_keys(&fixture.cluster, &state) else { return };
    let mut hosts = BTreeMap::new();
    for (machine, key) in keys {
        if let HostKey::Known(ssh) = key
            && let Ok(recipient) = Recipient::from_ssh_host_key(&ssh)
        {
            hosts.insert(machine, Host { ssh, age: recipient.key().to_owned() });
        }
    }
    let readers = Readers { admins: fixture.admins.clone(), root_admins: Vec::new(), hosts };
    let mut plan = fixture.plan.clone();
    if let Err(faults) = recall(fixture.cluster.policy().ca, &mut plan, &state) {
        assert!(!as_it_was && !faults.is_empty());
        assert!(faults.iter().all(|fault| !fault.message.is_empty() && !fault.hint.is_empty()));
        return;
    }
    let prune = input.len().is_multiple_of(2);
    let decide = || decide(&fixture.cluster, &plan, &state, &readers, prune, fixture.now);
    match decide() {
        Ok(decision) => {
            assert!(!as_it_was || decision.is_nothing(), "{decision:?}");
            assert_eq!(decision.certs.len(), plan.certs.len());
            files_to_open(&plan, &state, &decision.certs, &decision.sealed);
            // Shown is applied: the same folder gives the same decision. Some inputs ask twice.
            if input.len() % 8 < 2 {
                assert_eq!(format!("{:?}", decide().ok()), format!("{:?}", Some(decision)));
            }
        }
        Err(faults) => {
            assert!(!as_it_was, "{faults:?}");
            assert!(faults.iter().all(|fault| !fault.message.is_empty() && !fault.hint.is_empty()));
        }
    }
});

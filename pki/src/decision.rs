//! Everything a run would do, as one value: shown by `--dry-run`, and applied as it is.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::cluster::Cluster;
use crate::converge::{CertAction, Change, certificates, foundations};
use crate::entries::{Entry, Orphan};
use crate::error::StateFault;
use crate::layout::{MANIFEST, SERVICE_ACCOUNT_PUBLIC, bundle_file, host_file, planned_files};
use crate::plan::{CertId, Holder, Plan};
use crate::readers::Readers;
use crate::records::{Sealed, manifest_of};
use crate::sealing::{SealAction, SealChange, sealed_files};
use crate::state::State;

/// What happens to a public file that no certificate's action explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAction {
    /// Its path below `certs/`.
    pub path: String,
    /// Written, or removed.
    pub removed: bool,
    /// Why.
    pub reason: String,
}

/// Everything a run would do.
#[derive(Debug, Clone)]
pub struct Decision {
    /// To certificates, in issuing order.
    pub certs: Vec<CertAction>,
    /// To sealed files.
    pub sealed: Vec<SealAction>,
    /// To other files.
    pub files: Vec<FileAction>,
    /// What we made once and nothing plans any more: left alone unless it is pruned.
    pub orphans: Vec<Orphan>,
    /// Whether the orphans go.
    pub prune: bool,
}

impl Decision {
    /// Whether there is nothing to do. Orphans that stay are nothing to do.
    pub fn is_nothing(&self) -> bool {
        self.certs.iter().all(|action| action.change == Change::Keep)
            && self.sealed.iter().all(|action| action.change == SealChange::Keep)
            && self.files.is_empty()
    }

    /// How many certificates undergo `change`.
    pub fn count(&self, change: Change) -> usize {
        self.certs.iter().filter(|action| action.change == change).count()
    }
}

/// Decides.
///
/// # Errors
/// Everything in `certs/` that cannot be believed, at once.
pub fn decide(
    cluster: &Cluster,
    plan: &Plan,
    state: &State,
    readers: &Readers,
    prune: bool,
    now: OffsetDateTime,
) -> Result<Decision, Vec<StateFault>> {
    let mut faults = foundations(cluster, state.manifest.as_ref());
    faults.extend(service_account(state));
    if !faults.is_empty() {
        return Err(faults);
    }
    let certs = certificates(cluster, plan, state, readers, now)?;
    let mut sealed = sealed_files(plan, state, readers, &certs)?;
    let files_left = orphan_files(plan, state, &sealed);
    if prune {
        sealed.iter_mut().for_each(prune_entries);
    }
    let mut files = public_files(plan, state, readers, &certs);
    let orphans = if prune {
        files.extend(files_left.into_iter().map(|path| FileAction {
            path,
            removed: true,
            reason: "nothing plans it any more".to_owned(),
        }));
        Vec::new()
    } else {
        let entries = sealed.iter().flat_map(|action| {
            let entry =
                |name: &String| Orphan::Entry(Entry { file: action.path.clone(), name: name.clone() });
            action.unplanned.iter().map(entry)
        });
        files_left.into_iter().map(Orphan::File).chain(entries).collect()
    };
    let mut decision = Decision { certs, sealed, files, orphans, prune };
    if decision.is_nothing() && stale_manifest(cluster, plan, state, readers, &decision) {
        decision.files.push(FileAction {
            path: MANIFEST.to_owned(),
            removed: false,
            reason: "it is out of date".to_owned(),
        });
    }
    Ok(decision)
}

/// A folder with files and no manifest is somebody else's: asked before anything else is made of it.
pub fn foreign(state: &State) -> Option<StateFault> {
    if state.manifest.is_some() {
        return None;
    }
    let certs = state.certs.keys().map(CertId::file);
    let names: BTreeSet<String> =
        certs.chain(state.sealed.keys().cloned()).chain(state.files.keys().cloned()).collect();
    let first = names.first()?.clone();
    let others = match names.len() {
        1 => String::new(),
        count => format!(", with {} more", count - 1),
    };
    Some(StateFault {
        file: first,
        message: format!(
            "it stands there{others}, and no manifest.json beside it: somebody else made this folder"
        ),
        hint: "name an empty folder, or bring manifest.json back from git if `pki gen` made these files"
            .to_owned(),
    })
}

/// The public service-account key is the one that the manifest records.
fn service_account(state: &State) -> Option<StateFault> {
    let recorded = state.manifest.as_ref()?.service_account.as_ref()?;
    let text = state.files.get(SERVICE_ACCOUNT_PUBLIC)?;
    let found = pem::parse(text).map(|block| crate::key::sha256(block.contents()));
    (found.as_ref().ok() != Some(recorded)).then(|| {
        StateFault::damaged(SERVICE_ACCOUNT_PUBLIC, "it is not the public key that manifest.json records")
    })
}

/// Public files that are missing or differ, although the certificate they follow from is kept.
fn public_files(plan: &Plan, state: &State, readers: &Readers, certs: &[CertAction]) -> Vec<FileAction> {
    let mut actions = Vec::new();
    let mut expect = |path: String, expected: &str| {
        let found = state.files.get(&path);
        if found.is_none_or(|found| found != expected.as_bytes()) {
            let reason = if found.is_some() { "it differs" } else { "it is missing" };
            actions.push(FileAction { path, removed: false, reason: reason.to_owned() });
        }
    };
    for (cert, action) in plan.certs.iter().zip(certs) {
        if let (Holder::Authority(authority), Change::Keep, Some(facts)) =
            (&cert.holder, action.change, state.cert(&cert.id))
        {
            expect(bundle_file(*authority), &facts.pem());
        }
    }
    for (machine, host) in &readers.hosts {
        expect(host_file(machine), &format!("{}\n", host.ssh));
    }
    if !state.files.contains_key(SERVICE_ACCOUNT_PUBLIC) {
        let reason = if state.manifest.is_some() { "it is missing" } else { "new" };
        actions.push(FileAction {
            path: SERVICE_ACCOUNT_PUBLIC.to_owned(),
            removed: false,
            reason: reason.to_owned(),
        });
    }
    if state.manifest.is_none() {
        for action in &mut actions {
            "new".clone_into(&mut action.reason);
        }
    }
    actions
}

/// Files that the manifest records, that exist, and that nothing plans.
fn orphan_files(plan: &Plan, state: &State, sealed: &[SealAction]) -> Vec<String> {
    let Some(manifest) = &state.manifest else { return Vec::new() };
    let planned: BTreeSet<String> = planned_files(plan);
    let going: BTreeSet<&str> = sealed
        .iter()
        .filter(|action| action.change == SealChange::Remove)
        .map(|action| action.path.as_str())
        .collect();
    let certs = manifest.certificates.iter().map(|record| record.file.clone());
    let secrets = manifest.sealed.iter().map(|record| record.file.clone());
    let hosts = manifest.machines.keys().map(|machine| host_file(machine));
    let recorded: BTreeSet<String> =
        certs.chain(secrets).chain(hosts).chain(manifest.orphans.iter().cloned()).collect();
    recorded
        .into_iter()
        .filter(|path| !planned.contains(path) && !going.contains(path.as_str()) && exists(state, path))
        .collect()
}

fn exists(state: &State, path: &str) -> bool {
    state.files.contains_key(path)
        || state.sealed.contains_key(path)
        || CertId::of_file(path).is_some_and(|id| state.certs.contains_key(&id))
}

fn prune_entries(action: &mut SealAction) {
    if action.unplanned.is_empty() {
        return;
    }
    let unplanned = std::mem::take(&mut action.unplanned);
    action.entries.retain(|(entry, _)| !unplanned.contains(&entry.name));
    action.reasons.extend(unplanned.iter().map(|name| format!("{name} is not needed any more")));
    if action.change == SealChange::Keep {
        action.change = SealChange::Update;
    }
}

fn stale_manifest(
    cluster: &Cluster,
    plan: &Plan,
    state: &State,
    readers: &Readers,
    decision: &Decision,
) -> bool {
    let certs =
        state.certs.iter().filter_map(|(id, chain)| Some((id.clone(), chain.first()?.clone()))).collect();
    let sealed = Sealed::after(&decision.sealed, state, &BTreeMap::new());
    let service_account = state.manifest.as_ref().and_then(|manifest| manifest.service_account.clone());
    let expected = manifest_of(cluster, plan, readers, &certs, sealed, service_account, &decision.orphans);
    state.manifest.as_ref() != Some(&expected)
}

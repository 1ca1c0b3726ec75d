//! The sealed files against what exists: which are sealed, extended, sealed anew for other readers, or give way.
//! Decided without opening any of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::converge::CertAction;
use crate::entries::{Entry, locate};
use crate::error::StateFault;
use crate::plan::{CertId, CertPlan, Content, EntryPlan, Format, Plan, SealedPlan};
use crate::readers::{Readers, called};
use crate::state::{SealedFacts, State};

/// What happens to a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealChange {
    /// Nothing.
    Keep,
    /// It is sealed for the first time.
    Seal,
    /// Entries or recipients are added; everything else keeps its ciphertext.
    Update,
    /// Somebody must no longer read it: a new data key, nothing of the old ciphertext.
    Rekey,
    /// It gives way to the other form.
    Remove,
}

impl SealChange {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Seal => "seal",
            Self::Update => "update",
            Self::Rekey => "reseal",
            Self::Remove => "remove",
        }
    }
}

/// Where the content of an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Made in this run.
    New,
    /// Sealed here already.
    Sealed(Entry),
}

/// What happens to one sealed file, and why.
#[derive(Debug, Clone)]
pub struct SealAction {
    /// Its path below `certs/`.
    pub path: String,
    /// Its form.
    pub format: Format,
    /// What.
    pub change: SealChange,
    /// Why, in words; empty for [`SealChange::Keep`].
    pub reasons: Vec<String>,
    /// What it will hold, planned entries first, then what is in it already and nobody plans.
    pub entries: Vec<(EntryPlan, Source)>,
    /// Names that it holds and nobody plans.
    pub unplanned: Vec<String>,
    /// Who may open it after.
    pub recipients: Vec<String>,
    /// Who could open it before and may not any more.
    pub left: Vec<String>,
}

/// Compares every planned sealed file with the one that exists.
///
/// # Errors
/// A shared secret that is lost, or a file that does not say who may open it.
pub fn sealed_files(
    plan: &Plan,
    state: &State,
    readers: &Readers,
    certs: &[CertAction],
) -> Result<Vec<SealAction>, Vec<StateFault>> {
    let new_keys: BTreeMap<&CertId, bool> =
        certs.iter().map(|action| (&action.id, action.key.is_new())).collect();
    let mut actions = Vec::with_capacity(plan.sealed.len());
    let mut faults = Vec::new();
    for sealed in &plan.sealed {
        let is_new = |content: &Content| match content {
            Content::Key(id) => new_keys.get(id).copied().unwrap_or(true),
            Content::Shared(_) | Content::HostKey(_) => false,
        };
        let mut entries = Vec::with_capacity(sealed.entries.len());
        for entry in &sealed.entries {
            let home = Entry { file: sealed.path.clone(), name: entry.name.clone() };
            let source = match locate(plan, state, &home) {
                Some(found) if !is_new(&entry.content) => Source::Sealed(found),
                None if is_lost(state, &entry.content) => {
                    faults.push(StateFault {
                        message: format!("it holds `{}` and is gone, and no copy is left", entry.name),
                        hint: format!("bring it back with `git checkout -- certs/{}`", sealed.path),
                        file: sealed.path.clone(),
                    });
                    continue;
                }
                _ => Source::New,
            };
            entries.push((entry.clone(), source));
        }
        match seal_action(sealed, state, readers, entries) {
            Ok(action) => actions.push(action),
            Err(fault) => faults.push(fault),
        }
    }
    actions.extend(other_form(plan, state));
    if faults.is_empty() { Ok(actions) } else { Err(faults) }
}

/// Whether a secret was made before, so that a new one would be another secret under the same name.
fn is_lost(state: &State, content: &Content) -> bool {
    matches!(content, Content::Shared(_)) && state.manifest.is_some()
}

fn seal_action(
    sealed: &SealedPlan,
    state: &State,
    readers: &Readers,
    mut entries: Vec<(EntryPlan, Source)>,
) -> Result<SealAction, StateFault> {
    let recipients = readers.of(&sealed.audience, sealed.format);
    let mut action = SealAction {
        path: sealed.path.clone(),
        format: sealed.format,
        change: SealChange::Seal,
        reasons: vec!["new".to_owned()],
        entries: Vec::new(),
        unplanned: Vec::new(),
        recipients,
        left: Vec::new(),
    };
    if let Some(facts) = state.sealed.get(&sealed.path) {
        let recorded = state.manifest.as_ref().and_then(|manifest| manifest.sealed(&sealed.path));
        let before = facts.recipients.clone().or_else(|| recorded.map(|record| record.recipients.clone()));
        let before = before.unwrap_or_default();
        let (left, joined) = (without(&before, &action.recipients), without(&action.recipients, &before));
        let unplanned =
            facts.keys.iter().filter(|key| !sealed.entries.iter().any(|entry| entry.name == **key));
        action.unplanned = unplanned.cloned().collect();
        refuse_strangers(&action, &joined)?;
        action.reasons = seal_reasons(state, readers, &entries, facts, &left, &joined);
        if recorded.is_some_and(|record| record.sha256 != facts.sha256) {
            action.reasons.push("it was changed since it was recorded".to_owned());
        }
        action.change = match (left.is_empty(), action.reasons.is_empty()) {
            (false, _) => SealChange::Rekey,
            (true, false) => SealChange::Update,
            (true, true) => SealChange::Keep,
        };
        action.left = left;
        entries.extend(action.unplanned.iter().map(|name| kept_entry(&sealed.path, name)));
    }
    action.entries = entries;
    Ok(action)
}

/// What nobody planned for a file may be anybody's, an authority's key even: it is never sealed to more readers than
/// it has.
fn refuse_strangers(action: &SealAction, joined: &[String]) -> Result<(), StateFault> {
    let Some(stranger) = action.unplanned.first().filter(|_| !joined.is_empty()) else { return Ok(()) };
    let message = format!("it holds `{stranger}`, which does not belong there, and others are to read it");
    Err(StateFault::damaged(&action.path, message))
}

/// An entry that nobody plans stays where it is until it is pruned.
fn kept_entry(path: &str, name: &str) -> (EntryPlan, Source) {
    let content = Content::Key(CertId::machine(path.split('/').next().unwrap_or_default(), name));
    let source = Source::Sealed(Entry { file: path.to_owned(), name: name.to_owned() });
    (EntryPlan { name: name.to_owned(), content }, source)
}

fn seal_reasons(
    state: &State,
    readers: &Readers,
    entries: &[(EntryPlan, Source)],
    facts: &SealedFacts,
    left: &[String],
    joined: &[String],
) -> Vec<String> {
    let mut reasons = Vec::new();
    for (entry, source) in entries {
        let there = facts.keys.contains(&entry.name);
        match source {
            Source::New if there => reasons.push(format!("new key for {}", entry.name)),
            Source::New => reasons.push(format!("{} added", entry.name)),
            Source::Sealed(_) if !there => reasons.push(format!("{} added", entry.name)),
            Source::Sealed(_) => {}
        }
    }
    let name = |recipient: &String| called(recipient, readers, state.manifest.as_ref());
    reasons.extend(left.iter().map(|recipient| format!("{} may no longer read it", name(recipient))));
    reasons.extend(joined.iter().map(|recipient| format!("{} may read it", name(recipient))));
    reasons
}

/// Those of `all` that are not among `known`.
fn without(all: &[String], known: &[String]) -> Vec<String> {
    all.iter().filter(|item| !known.contains(item)).cloned().collect()
}

/// The files of the form that is not used any more, for machines that are still planned.
fn other_form(plan: &Plan, state: &State) -> Vec<SealAction> {
    let Some(manifest) = &state.manifest else { return Vec::new() };
    if manifest.format == plan.format {
        return Vec::new();
    }
    let planned: BTreeSet<&str> = plan.sealed.iter().map(|sealed| sealed.path.as_str()).collect();
    let machines: BTreeSet<&str> = plan.certs.iter().filter_map(CertPlan::machine).collect();
    let replaced = manifest.sealed.iter().filter(|record| {
        let folder = record.file.split('/').next().unwrap_or_default();
        !planned.contains(record.file.as_str())
            && machines.contains(folder)
            && !record.file.ends_with("/host.yaml")
            && state.sealed.contains_key(&record.file)
    });
    replaced
        .map(|record| SealAction {
            path: record.file.clone(),
            format: manifest.format,
            change: SealChange::Remove,
            reasons: vec![format!("keys are sealed as {} now", plan.format)],
            entries: Vec::new(),
            unplanned: Vec::new(),
            recipients: Vec::new(),
            left: Vec::new(),
        })
        .collect()
}

//! Secrets by their place: which sealed file holds which one.

use std::fmt;

use crate::kinds::SHARED;
use crate::plan::{CertId, Plan};
use crate::state::State;

/// One secret in one sealed file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The sealed file.
    pub file: String,
    /// The name in it.
    pub name: String,
}

/// What we made once and nothing plans any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orphan {
    /// A whole file, by its path below `certs/`.
    File(String),
    /// One entry of a sealed file that is planned.
    Entry(Entry),
}

impl fmt::Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Entry(Entry { file, name }) => write!(f, "{file}: {name}"),
        }
    }
}

/// Where the key of a certificate is sealed today.
pub fn key_entry(plan: &Plan, state: &State, id: &CertId) -> Option<Entry> {
    locate(plan, state, plan.key_home(id)?)
}

/// Where the service-account key is sealed today: its own file, or a master's.
pub fn service_account_entry(plan: &Plan, state: &State) -> Option<Entry> {
    let name = "service-account".to_owned();
    locate(plan, state, &Entry { file: format!("{name}.yaml"), name })
}

/// Where a secret is sealed today: at its planned place, in the other form of the machine's keys, or for a shared
/// secret in any file that has a copy.
pub fn locate(plan: &Plan, state: &State, home: &Entry) -> Option<Entry> {
    let holds = |file: &str| state.sealed.get(file).is_some_and(|facts| facts.keys.contains(&home.name));
    if holds(&home.file) {
        return Some(home.clone());
    }
    let folder = home.file.split_once('/').map(|(folder, _)| folder);
    let other_forms =
        folder.map(|folder| [format!("{folder}/keys.yaml"), format!("{folder}/{}.age", home.name)]);
    let shared = SHARED.iter().any(|shared| shared.name == home.name);
    let canonical = shared.then(|| format!("{}.yaml", home.name));
    let copies = shared.then(|| plan.sealed.iter().map(|sealed| sealed.path.clone())).into_iter().flatten();
    let candidates = other_forms.into_iter().flatten().chain(canonical).chain(copies);
    let mut candidates = candidates.filter(|file| !is_other_purpose(home, file));
    candidates.find(|file| holds(file)).map(|file| Entry { file, name: home.name.clone() })
}

/// `ca/etcd.yaml` and `users/admin.yaml` have one place only.
fn is_other_purpose(home: &Entry, file: &str) -> bool {
    let folder = |path: &str| path.split_once('/').map(|(folder, _)| folder.to_owned());
    matches!(folder(&home.file).as_deref(), Some("ca" | "users")) && file != home.file
}

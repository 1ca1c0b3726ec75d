//! Who may open what: audiences turned into recipients, and the machines' host keys behind them.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::error::StateFault;
use crate::kinds::HOST;
use crate::layout::host_file;
use crate::manifest::Manifest;
use crate::plan::{Audience, Format};
use crate::state::State;

/// A machine's SSH host key, by which it opens what is sealed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The public line, `ssh-ed25519 AAAA...`; agenix seals to it as it is.
    pub ssh: String,
    /// The same key as an X25519 recipient, `age1...`; SOPS files name this one.
    pub age: String,
}

/// Everybody to whom something is sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readers {
    /// The admins.
    pub admins: Vec<String>,
    /// Those of the root key; empty: the admins.
    pub root_admins: Vec<String>,
    /// The machines that have a host key.
    pub hosts: BTreeMap<String, Host>,
}

impl Readers {
    /// The recipients of an audience, each once, the admins first.
    pub fn of(&self, audience: &Audience, format: Format) -> Vec<String> {
        let mut recipients = match audience {
            Audience::RootAdmins if !self.root_admins.is_empty() => self.root_admins.clone(),
            Audience::Admins | Audience::RootAdmins | Audience::Machine(_) => self.admins.clone(),
        };
        if let Audience::Machine(name) = audience
            && let Some(host) = self.hosts.get(name)
        {
            recipients.push(match format {
                Format::Sops => host.age.clone(),
                Format::Age => host.ssh.clone(),
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        recipients.retain(|recipient| seen.insert(recipient.clone()));
        recipients
    }
}

/// A recipient as messages call it: nobody knows a key by its letters. `w1 (age1...)`, `an admin (age1...)`.
pub fn called(recipient: &str, readers: &Readers, manifest: Option<&Manifest>) -> String {
    let is = |key: Option<&String>| key.is_some_and(|key| key == recipient);
    let now = readers.hosts.iter().find(|(_, host)| host.age == recipient || host.ssh == recipient);
    let then = || {
        let mut machines = manifest?.machines.iter();
        machines.find(|(_, record)| is(record.recipient.as_ref()) || is(record.host_key.as_ref()))
    };
    if let Some(machine) = now.map(|(name, _)| name).or_else(|| then().map(|(name, _)| name)) {
        return format!("{machine} ({recipient})");
    }
    let lists = [&readers.admins, &readers.root_admins].into_iter();
    let before = manifest.into_iter().flat_map(|manifest| [&manifest.admins, &manifest.root_admins]);
    if lists.chain(before).any(|list| list.iter().any(|admin| admin == recipient)) {
        return format!("an admin ({recipient})");
    }
    recipient.to_owned()
}

/// Where a machine's host key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKey {
    /// It is known: from machines.nix, or made before.
    Known(String),
    /// It is to be made.
    ToMake,
}

/// The host keys of all nodes: what machines.nix says, else what stands in `certs/`, else one to be made.
///
/// # Errors
/// A machine whose private host key is gone while its public one is used.
pub fn host_keys(cluster: &Cluster, state: &State) -> Result<BTreeMap<String, HostKey>, Vec<StateFault>> {
    let mut keys = BTreeMap::new();
    let mut faults = Vec::new();
    for machine in cluster.machines().iter().filter(|machine| machine.node()) {
        let name = machine.name();
        let sealed = format!("{name}/{HOST}.yaml");
        let public = host_file(name);
        let key = match (
            machine.host_key(),
            made_before(state, name, &public),
            state.sealed.contains_key(&sealed),
        ) {
            (Some(given), _, _) => HostKey::Known(key_only(given)),
            (None, Some(_), true) if !recorded(state, &sealed) => {
                let message =
                    format!("it holds a host key that `{name}` had before machines.nix named another");
                let hint = format!(
                    "put `{name}.hostKey` back, or remove certs/{sealed} and certs/{public} to have a key made"
                );
                faults.push(StateFault { file: sealed, message, hint });
                continue;
            }
            (None, Some(known), true) if !agrees(state, name, &known) => {
                let message = "it is not the host key that manifest.json records";
                faults.push(StateFault::damaged(&public, message));
                continue;
            }
            (None, Some(known), true) => HostKey::Known(known),
            (None, None, false) => HostKey::ToMake,
            (None, Some(_), false) => {
                let hint = format!(
                    "bring certs/{sealed} back from git, or name the machine's key in machines.nix: \
                     `{name}.hostKey = \"ssh-ed25519 ...\"`"
                );
                let message =
                    format!("the SSH host key of `{name}` is gone while certs/{public} still names it");
                faults.push(StateFault { file: sealed, message, hint });
                continue;
            }
            (None, None, true) => {
                let message =
                    format!("it stands beside certs/{sealed} and is gone, and the manifest does not know it");
                faults.push(StateFault::damaged(&public, message));
                continue;
            }
        };
        keys.insert(name.to_owned(), key);
    }
    if faults.is_empty() { Ok(keys) } else { Err(faults) }
}

/// Whether the manifest knows the file as one that is planned.
fn recorded(state: &State, sealed: &str) -> bool {
    state.manifest.as_ref().is_none_or(|manifest| manifest.sealed(sealed).is_some())
}

/// Whether a public host key is the one that keys were sealed to.
fn agrees(state: &State, machine: &str, public: &str) -> bool {
    let record = state.manifest.as_ref().and_then(|manifest| manifest.machines.get(machine));
    record.and_then(|record| record.host_key.as_deref()).is_none_or(|recorded| recorded == public)
}

/// The public host key as its file has it, or as the manifest remembers it when the file is gone and was ours.
fn made_before(state: &State, machine: &str, public: &str) -> Option<String> {
    let file = state.files.get(public).map(|text| key_only(&String::from_utf8_lossy(text)));
    file.or_else(|| {
        let record = state.manifest.as_ref()?.machines.get(machine)?;
        state
            .sealed
            .contains_key(&format!("{machine}/{HOST}.yaml"))
            .then(|| record.host_key.clone())
            .flatten()
    })
}

/// Type and key of an OpenSSH public key line: its comment is nobody's business.
pub fn key_only(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

//! What must hold in the repository before a machine is touched: everything that does not, at once.

use std::collections::BTreeSet;

use quorate_pki::cluster::{Cluster, Machine};
use time::Duration;

use super::Refusal;
use crate::words;

/// What ends sooner is not put on a machine: the day of a deploy is no day to run out.
const SOON: Duration = Duration::hours(24);

/// How many findings a refusal names.
const MOST_FINDINGS: usize = 3;

/// What stands in the repository, so far as a deploy depends on it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The folder of the certificates as it was named.
    pub(super) certs: String,
    /// What stands there.
    pub(super) state: Certificates,
    /// The emitted modules.
    pub(super) modules: Modules,
    /// The machines that have a file below `hosts/`.
    pub(super) hosts: BTreeSet<String>,
    /// Those of them whose file names who may log in.
    pub(super) with_keys: BTreeSet<String>,
    /// Files that git does not know, and so no build.
    pub(super) unseen: Vec<String>,
}

/// The emitted modules.
#[derive(Debug, Default)]
pub(super) enum Modules {
    /// There are none.
    #[default]
    Missing,
    /// These files are not what the inventory and certs/ ask for; may be nothing.
    OutOfDate(Vec<String>),
    /// `pki modules` would refuse to write them: somebody changed what it wrote.
    Refused(Refusal),
    /// They cannot be compared before certs/ is in order.
    NotCompared,
}

/// The certificates.
#[derive(Debug, Default)]
pub(super) enum Certificates {
    /// There are none.
    #[default]
    Missing,
    /// A run of `pki gen` was interrupted while it changed them.
    Interrupted,
    /// Files among them cannot be believed.
    Damaged(Vec<Refusal>),
    /// They were compared with the inventory.
    Compared {
        /// What differs, as `pki check` says it: the thing, and what is the matter.
        drift: Vec<(String, String)>,
        /// What each certificate has left.
        left: Vec<Left>,
    },
}

/// A certificate and its end.
#[derive(Debug)]
pub(super) struct Left {
    /// Its name: `cp1/apiserver`.
    pub(super) id: String,
    /// The machine that has it; authorities, which concern every machine, have none.
    pub(super) machine: Option<String>,
    /// How long it lasts; negative when it has ended.
    pub(super) time: Duration,
}

/// Everything that keeps the targets from being deployed.
pub(super) fn judge(targets: &[&Machine], facts: &Facts) -> Vec<Refusal> {
    let mut faults = certificates(targets, facts);
    faults.extend(modules(facts));
    faults.extend(unseen(facts));
    // What is no node has no file either, and is refused for what it is.
    let nodes = targets.iter().filter(|machine| machine.node());
    faults.extend(nodes.filter_map(|machine| host_file(machine.name(), facts)));
    faults
}

fn certificates(targets: &[&Machine], facts: &Facts) -> Vec<Refusal> {
    let certs = facts.certs.trim_end_matches('/');
    let make = format!("run `pki gen {certs}/`, and commit what it made");
    match &facts.state {
        Certificates::Missing => {
            vec![Refusal::new(certs, "there are no certificates yet", make)]
        }
        Certificates::Interrupted => {
            vec![Refusal::new(certs, "a run of `pki gen` was interrupted and is not finished", make)]
        }
        Certificates::Damaged(faults) => faults.clone(),
        Certificates::Compared { drift, left } => {
            let mut faults = Vec::new();
            if !drift.is_empty() {
                let some: Vec<String> =
                    drift.iter().map(|(what, text)| format!("`{what}`: {text}")).collect();
                let message = format!(
                    "it is not what the inventory asks for, in {count}: {some}",
                    count = words::count(drift.len(), "place"),
                    some = words::plain(&some, MOST_FINDINGS)
                );
                faults.push(Refusal::new(certs, message, make.clone()));
            }
            let concerns = |left: &&Left| {
                left.machine.as_ref().is_none_or(|name| targets.iter().any(|target| target.name() == name))
            };
            for left in left.iter().filter(concerns).filter(|left| left.time < SOON) {
                let message = if left.time.is_negative() {
                    "it has expired".to_owned()
                } else {
                    format!(
                        "it expires in {}",
                        words::count(usize::try_from(left.time.whole_hours()).unwrap_or(0), "hour")
                    )
                };
                faults.push(Refusal::new(&left.id, message, make.clone()));
            }
            faults
        }
    }
}

fn modules(facts: &Facts) -> Option<Refusal> {
    let emit = "run `pki modules modules/`, and commit what it wrote";
    match &facts.modules {
        Modules::Missing => Some(Refusal::new("modules/", "there are no modules yet", emit)),
        Modules::OutOfDate(files) if !files.is_empty() => {
            let files = words::list(files, MOST_FINDINGS);
            let message = format!("it is not what the inventory asks for: {files}");
            Some(Refusal::new("modules/", message, emit))
        }
        Modules::Refused(fault) => Some(fault.clone()),
        Modules::OutOfDate(_) | Modules::NotCompared => None,
    }
}

/// A flake in a work tree of git is what git knows of it.
fn unseen(facts: &Facts) -> Option<Refusal> {
    (!facts.unseen.is_empty()).then(|| {
        let files = words::list(&facts.unseen, MOST_FINDINGS);
        Refusal::new(
            "git",
            format!("it does not know {files}, and what it does not know is in no build"),
            "run `git add` on them, with `--force` for what .gitignore names; or take all files as they are with `--flake path:.`",
        )
    })
}

/// A machine that nobody could log in to once it is installed.
pub(super) fn locked_out(name: &str, cluster: &Cluster, facts: &Facts) -> Option<Refusal> {
    (cluster.ssh_keys().is_empty() && !facts.with_keys.contains(name)).then(|| {
        Refusal::new(
            name,
            format!("`cluster.sshKeys` is empty and hosts/{name}.nix names no `authorizedKeys`: nobody could log in once it is installed"),
            "name your public key in `cluster.sshKeys`, the line in ~/.ssh/id_ed25519.pub",
        )
    })
}

/// The file of one machine that is its user's.
fn host_file(name: &str, facts: &Facts) -> Option<Refusal> {
    (!facts.hosts.contains(name)).then(|| {
        Refusal::new(
            name,
            "it has no file below `hosts/`: without its disk, address and ssh keys nobody could log in after the first boot",
            "run `pki init`, which writes the missing ones, and look at what it wrote",
        )
    })
}

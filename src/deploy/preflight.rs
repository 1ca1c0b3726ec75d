//! What must hold in the repository before a machine is touched: everything that does not, at once.

use std::collections::BTreeSet;

use quorate_pki::cluster::Machine;
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
    /// The machines that `modules/default.nix` lists; `None` where there is no such file.
    pub(super) modules: Option<BTreeSet<String>>,
    /// The machines that have a file below `modules/`.
    pub(super) module_files: BTreeSet<String>,
    /// The machines that have a file below `hosts/`.
    pub(super) hosts: BTreeSet<String>,
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
    // What is no node has no files either, and is refused for what it is.
    for machine in targets.iter().filter(|machine| machine.node()) {
        faults.extend(files(machine.name(), facts));
    }
    // One missing folder is one fault, of however many machines.
    faults.dedup();
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

/// The files of one machine that its configuration is made of.
fn files(name: &str, facts: &Facts) -> Option<Refusal> {
    let emit = "run `pki modules modules/`, and commit what it wrote".to_owned();
    match &facts.modules {
        None => return Some(Refusal::new("modules/", "there are no modules yet", emit)),
        Some(listed) if !listed.contains(name) => {
            return Some(Refusal::new(name, "`modules/default.nix` does not list it", emit));
        }
        Some(_) if !facts.module_files.contains(name) => {
            return Some(Refusal::new(name, "its file below `modules/` is missing", emit));
        }
        Some(_) => {}
    }
    (!facts.hosts.contains(name)).then(|| {
        Refusal::new(
            name,
            "it has no file below `hosts/`: without its disk, address and ssh keys nobody could log in after the first boot",
            "run `pki init`, which writes the missing ones, and look at what it wrote",
        )
    })
}

/// The machines that the text of `modules/default.nix` lists: `cp1 = {`, a machine a line, as `pki modules` writes it.
pub(super) fn listed(default_nix: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let name = line.trim_start().split_once('=')?.0.trim();
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        let name = name.split('.').next().unwrap_or(name);
        (!name.is_empty()).then(|| name.to_owned())
    };
    default_nix.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_machines_are_read_in_each_form_of_a_name() {
        let text = "{\n  cp1 = {\n    system = \"x86_64-linux\";\n    module = ./cp1.nix;\n  };\n  \"1st\" = { };\n  w1.module = ./w1.nix;\n}\n";
        let found = listed(text);
        for name in ["cp1", "1st", "w1"] {
            assert!(found.contains(name), "{name}: {found:?}");
        }
        assert!(!found.contains("cp2"));
    }
}

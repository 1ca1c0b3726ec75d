//! Names of machines: what they may look like, and whom they would collide with.

use std::collections::BTreeMap;

use super::super::machine::MachineDraft;
use super::super::parse::Draft;
use super::super::read::quoted;
use super::super::rules::rule;
use crate::fault::Fault;
use crate::names::{MACHINE_NAME, is_label, to_label};

/// Names that mean something else to the commands, and what.
const RESERVED: &[(&str, &str)] = &[
    ("ca", "the folder of the authorities, `certs/ca/`"),
    ("users", "the folder of the users, `certs/users/`"),
    ("admins", "the folder `secrets/admins/`"),
    ("masters", "the folder `secrets/masters/`"),
    ("all", "the folder `secrets/all/` and the target `deploy all`"),
    ("add", "a verb of `deploy`"),
    ("remove", "a verb of `deploy`"),
    ("replace", "a verb of `deploy`"),
    ("restore", "a verb of `deploy`"),
    ("rollback", "a verb of `deploy`"),
    ("status", "a verb of `deploy`"),
    ("default", "the file that names all machines, `modules/default.nix`"),
    ("localhost", "every machine's name for itself"),
];

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<String, &MachineDraft> = BTreeMap::new();
    for machine in &draft.machines {
        shape(machine, faults);
        let lower = machine.name.to_ascii_lowercase();
        if let Some((_, meaning)) = RESERVED.iter().find(|(name, _)| *name == lower) {
            let message = format!("no machine can be named `{}`, it is {meaning}", machine.name);
            let fault = const { rule("reserved-name") }.fault(machine.at, message);
            faults.push(fault.hint(format!("rename it, to `{lower}1` for instance")));
        }
        if let Some(other) = seen.get(&lower) {
            let message =
                format!("`{}` and `{}` are one name to DNS, expected two", machine.name, other.name);
            let fault = const { rule("duplicate-name") }.fault(machine.at.max(other.at), message);
            let word = format!("`{}` and `{}` differ in case alone", other.name, machine.name);
            faults.push(fault.hint("rename one of them").related(machine.at.min(other.at), word));
        }
        seen.insert(lower, machine);
    }
    let endpoint = &draft.endpoint.name;
    if let Some(machine) = seen.get(&endpoint.value.to_ascii_lowercase()) {
        let message = format!(
            "the endpoint and a machine are both named `{}`, expected a name for the virtual IP alone",
            endpoint.value
        );
        let at = endpoint.at.or(machine.at);
        let fault = const { rule("duplicate-name") }.fault(at, message);
        let fault = fault.hint("set `kubeMaster.name = \"kubernetes\"`, or rename the machine");
        faults.push(fault.related(machine.at.filter(|place| Some(*place) != at), "the machine"));
    }
}

fn shape(machine: &MachineDraft, faults: &mut Vec<Fault>) {
    if !is_label(&machine.name) {
        let message = format!(
            "machine name {} is no DNS label, expected `a-z`, `0-9` and inner `-`",
            quoted(&machine.name)
        );
        let fault = const { rule("bad-name") }.fault(machine.at, message);
        faults.push(match to_label(&machine.name) {
            Some(label) => fault.hint(format!("rename it to `{label}`")),
            None => fault.hint("name it as its host is named, `cp1` for instance"),
        });
    } else if machine.name.len() > MACHINE_NAME {
        let (found, name) = (machine.name.len(), &machine.name);
        let message = format!("machine name `{name}` has {found} letters, expected at most {MACHINE_NAME}");
        let fault = const { rule("bad-name") }.fault(machine.at, message);
        faults.push(fault.hint("its kubelet's certificate is for `system:node:<name>`, in 64 letters"));
    }
}

//! What installing a machine needs: warnings here, since certificates do not.

use super::super::endpoint::Mode;
use super::super::machine::{MachineDraft, given};
use super::super::parse::Draft;
use super::super::rules::{Rule, rule};
use super::some;
use crate::fault::Fault;

/// Where the names of a disk's maker and serial number are.
const BY_ID: &str = "/dev/disk/by-id/";

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    for machine in draft.machines.iter().filter(|machine| machine.is_node()) {
        placeholders(machine, faults);
    }
    let nodes: Vec<_> = draft.machines.iter().filter(|machine| machine.is_node()).collect();
    let which = |lacks: &dyn Fn(&MachineDraft) -> bool| -> Vec<&MachineDraft> {
        nodes.iter().copied().filter(|machine| lacks(machine)).collect()
    };
    // Where the mode speaks on the masters' interfaces, theirs is an error of its own.
    let needed = matches!(draft.endpoint.mode.value, Mode::Arp)
        || (draft.endpoint.mode.value == Mode::Keepalived && draft.endpoint.interface.is_none());
    let no_interface =
        which(&|machine| matches!(machine.interface, Ok(None)) && !(needed && machine.is_master()));
    together(
        const { rule("no-interface") },
        &no_interface,
        "no `interface`, expected the one that carries the cluster address",
        "`ip -br link` on the machine lists them; `deploy` refuses a machine without",
        faults,
    );
    together(
        const { rule("no-disk") },
        &which(&|machine| matches!(machine.disk, Ok(None))),
        "no `disk`, expected the one to install on",
        "`ls -l /dev/disk/by-id` on the machine lists them; `deploy` refuses a machine without",
        faults,
    );
    let unstable = which(&|machine| given(&machine.disk).is_some_and(|disk| !disk.value.starts_with(BY_ID)));
    disks(&unstable, faults);
}

/// Disks named by the order in which the kernel found them.
fn disks(machines: &[&MachineDraft], faults: &mut Vec<Fault>) {
    let places: Vec<_> = machines.iter().filter_map(|machine| given(&machine.disk)).collect();
    let Some(first) = places.first() else { return };
    let names: Vec<_> = machines.iter().map(|machine| &machine.name).collect();
    let message = format!(
        "the `disk` of {} is named as the kernel found it, \"{}\": after a restart that may be another disk",
        some(&names),
        first.value
    );
    let fault = const { rule("disk-not-by-id") }.fault(first.at, message);
    faults.push(fault.hint(format!("`ls -l {BY_ID}` on the machine shows the name that stays")));
}

/// One fault for all machines that lack the same thing.
fn together(
    rule: &'static Rule,
    machines: &[&MachineDraft],
    what: &str,
    hint: &str,
    faults: &mut Vec<Fault>,
) {
    let Some(first) = machines.first() else { return };
    let names: Vec<_> = machines.iter().map(|machine| &machine.name).collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    faults.push(rule.fault(first.at, format!("{} {verb} {what}", some(&names))).hint(hint));
}

fn placeholders(machine: &MachineDraft, faults: &mut Vec<Fault>) {
    let name = &machine.name;
    let mut say = |at, message: String, hint: &str| {
        faults.push(const { rule("placeholder-address") }.fault(at, message).hint(hint));
    };
    if let Some(found) = machine.ip_placeholder {
        let message = if machine.ips.is_empty() {
            format!(
                "`{name}.ip` is a placeholder, so `{name}` gets no certificate and is no member of anything"
            )
        } else {
            format!("`{name}.ip` has a placeholder, which is left out")
        };
        say(found.at, message, "write the address once it is known, and run `pki gen` again");
    }
    if let Some(found) = machine.local_ip.filter(|local| local.value.is_none()) {
        let message = format!("`{name}.localIp` is a placeholder, so ssh cannot reach `{name}`");
        say(found.at, message, "write the address once it is known; `deploy` refuses the machine until then");
    }
}

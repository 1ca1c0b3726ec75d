//! Who runs what: masters, members of etcd, and machines that only look like them.

use super::super::machine::{MachineDraft, is_true};
use super::super::parse::Draft;
use super::super::read::listed;
use super::super::rules::rule;
use super::some;
use crate::fault::Fault;

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    for machine in &draft.machines {
        ghost(machine, faults);
        if is_true(machine.master) && !is_true(machine.kubernetes) {
            let name = &machine.name;
            let message =
                format!("`{name}.master` is true without `kubernetes.enable`, so `{name}` is no master");
            let at = machine.master.and_then(|master| master.at).or(machine.at);
            let fault = const { rule("master-without-kubernetes") }.fault(at, message);
            faults.push(fault.hint("set `kubernetes.enable = true`, or take `master` out"));
        }
    }
    masters(draft, faults);
    etcd(draft, faults);
}

/// A machine that enables a service and is not deployed: it counts as nothing.
fn ghost(machine: &MachineDraft, faults: &mut Vec<Fault>) {
    let services: Vec<_> = [("kubernetes", machine.kubernetes), ("etcd", machine.etcd)]
        .into_iter()
        .filter(|(_, flag)| is_true(*flag))
        .collect();
    let Some((_, flag)) = services.first() else { return };
    if machine.is_node() {
        return;
    }
    let names: Vec<_> = services.iter().map(|(name, _)| name).collect();
    let name = &machine.name;
    let message = format!(
        "`{name}` enables {} and has `node = false`, so it gets no certificate and is no member of anything",
        listed(&names)
    );
    let at = machine.node.and_then(|node| node.at).or(machine.at);
    let fault = const { rule("ghost-member") }.fault(at, message);
    let hint = "set `node = true` if it runs NixOS, else disable its services";
    faults.push(fault.hint(hint).related(flag.and_then(|flag| flag.at), "enabled here"));
}

fn masters(draft: &Draft, faults: &mut Vec<Fault>) {
    if draft.machines.iter().any(MachineDraft::is_master) {
        return;
    }
    let workers: Vec<_> = draft.machines.iter().filter(|machine| machine.is_kubernetes()).collect();
    let names: Vec<_> = workers.iter().map(|machine| &machine.name).collect();
    let waiting: Vec<_> = draft
        .machines
        .iter()
        .filter(|machine| is_true(machine.kubernetes) && machine.is_node() && machine.ips.is_empty())
        .map(|machine| &machine.name)
        .collect();
    let message = match (names.as_slice(), waiting.as_slice()) {
        ([], []) => "no machine runs Kubernetes, expected at least one master".to_owned(),
        ([], _) => format!("no master has an address yet: {} have placeholders", some(&waiting)),
        _ => format!("{} run Kubernetes as workers, expected at least one master", some(&names)),
    };
    let first = workers.first().copied().or(draft.machines.first());
    let at = first.and_then(|machine| machine.master.and_then(|master| master.at).or(machine.at));
    let hint = if names.is_empty() && !waiting.is_empty() {
        "write at least one address, and run `pki gen` again for each that follows"
    } else {
        "a master is a machine with `kubernetes.enable = true`, unless it has `master = false`"
    };
    faults.push(const { rule("no-masters") }.fault(at, message).hint(hint));
}

fn etcd(draft: &Draft, faults: &mut Vec<Fault>) {
    let mut members: Vec<_> = draft.machines.iter().filter(|machine| machine.is_etcd()).collect();
    // The last one written is the one that made the count what it is.
    members.sort_by_key(|machine| machine.at);
    let at = members.last().and_then(|machine| machine.etcd.and_then(|flag| flag.at).or(machine.at));
    let names: Vec<_> = members.iter().map(|machine| &machine.name).collect();
    let (count, who) = (members.len(), some(&names));
    let fault = match count {
        0 => return no_etcd(draft, faults),
        1 => const { rule("etcd-single") }
            .fault(at, format!("etcd has one member, {who}: when its disk dies, the cluster is gone"))
            .hint("enable etcd on three machines; until then keep a backup elsewhere with `cluster.backup`"),
        2 => const { rule("etcd-growing") }
            .fault(at, format!("etcd has 2 members, {who}: it stops when either does, worse than one alone"))
            .hint("enable etcd on a third machine; two are for the moment between one and three"),
        4 => const { rule("etcd-growing") }
            .fault(at, format!("etcd has 4 members, {who}: it tolerates one failure, as with 3"))
            .hint("enable etcd on a fifth machine, or on three alone"),
        _ if count.is_multiple_of(2) => const { rule("etcd-even") }
            .fault(at, format!("etcd has {count} members, {who}, expected an odd count"))
            .hint(format!("disable etcd on one: {} tolerate as many failures", count - 1)),
        _ => return,
    };
    faults.push(fault);
}

fn no_etcd(draft: &Draft, faults: &mut Vec<Fault>) {
    let masters: Vec<_> = draft.machines.iter().filter(|machine| machine.is_master()).collect();
    let Some(first) = masters.first() else { return };
    let names: Vec<_> = masters.iter().map(|machine| &machine.name).collect();
    let message = format!("no machine is a member of etcd, expected the masters {} or others", some(&names));
    let at = first.etcd.and_then(|flag| flag.at).or(first.at);
    faults.push(const { rule("no-etcd") }.fault(at, message).hint("set `etcd.enable = true` on the masters"));
}

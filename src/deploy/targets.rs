//! Which machines are meant: words of the command line, judged by the cluster alone.

use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::typo::nearest;

use super::Refusal;
use super::cli::Role;
use crate::init::{NO_DISK, NO_INTERFACE};
use crate::words;

/// How many names a hint lists.
const MOST_NAMES: usize = 12;

/// The word for every machine.
const ALL: &str = "all";

/// The machines in the order in which they are deployed, each once: masters and members of etcd, then workers, by name.
/// Beside them a [`Refusal`] for each word that names no machine, and for each thing that one of the machines lacks:
/// with any of these nothing is deployed.
pub(super) fn targets<'c>(
    cluster: &'c Cluster,
    names: &[String],
    role: Option<Role>,
) -> (Vec<&'c Machine>, Vec<Refusal>) {
    let mut faults = Vec::new();
    let mut chosen: Vec<&Machine> = Vec::new();
    for name in names.iter().filter(|name| *name != ALL) {
        match cluster.machine(name) {
            Some(machine) => chosen.push(machine),
            None => faults.push(unknown(cluster, name)),
        }
    }
    if role.is_some() || names.iter().any(|name| name == ALL) {
        let deployable =
            cluster.nodes().filter(|machine| runs_something(machine) || machine.ips().is_empty());
        chosen.extend(deployable.filter(|machine| role.is_none_or(|role| is(role, machine))));
    }
    chosen.sort_by_key(|machine| (!is_first(machine), machine.name()));
    chosen.dedup_by_key(|machine| machine.name());
    faults.extend(chosen.iter().flat_map(|machine| lacks(machine)));
    if chosen.is_empty() && faults.is_empty() {
        faults.push(Refusal::new(
            typed(role),
            "there is no such machine in the inventory",
            format!("there is {}", known(cluster)),
        ));
    }
    (chosen, faults)
}

/// A choice as it was typed.
fn typed(role: Option<Role>) -> String {
    match role {
        None => ALL.to_owned(),
        Some(role) => format!("--role {}", if role == Role::Master { "master" } else { "worker" }),
    }
}

/// Whether it goes before the workers: an API server, or a member of etcd.
fn is_first(machine: &Machine) -> bool {
    machine.master() || machine.etcd()
}

fn is(role: Role, machine: &Machine) -> bool {
    match role {
        Role::Master => is_first(machine),
        Role::Worker => machine.worker() && !machine.etcd(),
    }
}

fn runs_something(machine: &Machine) -> bool {
    machine.kubernetes() || machine.etcd()
}

fn known(cluster: &Cluster) -> String {
    let names: Vec<String> = cluster
        .nodes()
        .filter(|machine| runs_something(machine))
        .map(|machine| machine.name().to_owned())
        .collect();
    words::list(&names, MOST_NAMES)
}

fn unknown(cluster: &Cluster, name: &str) -> Refusal {
    if name == "kubeMaster" || name == "cluster" {
        let message = "it stands in the inventory and is no machine";
        return Refusal::new(name, message, format!("name one of the machines: there is {}", known(cluster)));
    }
    let meant = nearest(name, cluster.nodes().map(Machine::name));
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there is {}", known(cluster)),
    };
    Refusal::new(name, "there is no machine of that name in the inventory", hint)
}

/// What a machine of the inventory lacks to be deployed.
fn lacks(machine: &Machine) -> Vec<Refusal> {
    let name = machine.name();
    let mut faults = Vec::new();
    let mut say = |message: &str, hint: String| faults.push(Refusal::new(name, message, hint));
    if !machine.node() {
        say(
            "it is no NixOS machine of this cluster",
            format!(
                "`{name}.node` is false or nothing is enabled on it: enable a service, or leave it out here"
            ),
        );
        return faults;
    }
    if machine.ips().is_empty() {
        say(
            "its `ip` is a placeholder",
            format!("write the address of `{name}`, then run `pki gen` and `pki modules` again"),
        );
    } else if !runs_something(machine) {
        say(
            "it runs neither Kubernetes nor etcd, so there is nothing of ours for it",
            format!("set `{name}.kubernetes.enable` or `{name}.etcd.enable`, or deploy it in your own way"),
        );
    }
    if machine.local_ip().is_none() && !machine.ips().is_empty() {
        say(
            "its `localIp` is a placeholder, so ssh cannot reach it",
            format!("write where ssh reaches `{name}`"),
        );
    }
    // What `pki init` writes for one that nobody knows yet is none either.
    if machine.interface().is_none_or(|interface| interface == NO_INTERFACE) {
        say(
            "it has no `interface`, expected the one that carries its cluster address",
            "`ip -br link` on the machine lists them".to_owned(),
        );
    }
    if machine.disk().is_none_or(|disk| disk == NO_DISK) {
        say(
            "it has no `disk`, expected the one that NixOS is installed on",
            "`ls -l /dev/disk/by-id` on the machine lists them".to_owned(),
        );
    }
    faults
}

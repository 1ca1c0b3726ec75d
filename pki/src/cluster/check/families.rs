//! IPv4 and IPv6: what must agree between machines, services, pods and the virtual IP.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::endpoint::Mode;
use super::super::machine::MachineDraft;
use super::super::parse::Draft;
use super::super::read::Placed;
use super::super::rules::rule;
use super::some;
use crate::fault::Fault;
use crate::inventory::Origin;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

fn of_ip(ip: IpAddr) -> Family {
    if ip.is_ipv4() { Family::V4 } else { Family::V6 }
}

fn of_range(range: &Placed<IpNet>) -> Family {
    of_ip(range.value.addr())
}

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    let settings = &draft.settings;
    once_each(&settings.service, "cluster.serviceCidr", of_range, faults);
    once_each(&settings.pod, "cluster.podCidr", of_range, faults);
    if draft.endpoint.is_virtual() {
        once_each(&draft.endpoint.ips, "kubeMaster.ip", |ip| of_ip(ip.value), faults);
    }
    let services: Vec<_> = settings.service.iter().map(of_range).collect();
    let pods: Vec<_> = settings.pod.iter().map(of_range).collect();
    if services != pods && !has_twice(&services) && !has_twice(&pods) {
        services_and_pods(draft, &services, &pods, faults);
    }
    for family in &services {
        missing(draft, *family, faults);
    }
    if let Some(primary) = services.first() {
        order(draft, &services, *primary, faults);
    }
    endpoint(draft, &services, faults);
}

fn has_twice(families: &[Family]) -> bool {
    families.iter().enumerate().any(|(index, family)| families[..index].contains(family))
}

fn fault(at: Option<Origin>, message: String, hint: impl Into<String>) -> Fault {
    const { rule("mixed-families") }.fault(at, message).hint(hint)
}

fn once_each<T>(
    values: &[Placed<T>],
    name: &str,
    family: impl Fn(&Placed<T>) -> Family,
    faults: &mut Vec<Fault>,
) {
    for (index, value) in values.iter().enumerate() {
        let own = family(value);
        if let Some(first) = values[..index].iter().find(|other| family(other) == own) {
            let message = format!("`{name}` has two of {}, expected one of each family", own.name());
            faults.push(fault(value.at, message, "take one of them out").related(first.at, "the first"));
        }
    }
}

fn services_and_pods(draft: &Draft, services: &[Family], pods: &[Family], faults: &mut Vec<Fault>) {
    let joined = |families: &[Family]| families.iter().map(|f| f.name()).collect::<Vec<_>>().join(", ");
    let settings = &draft.settings;
    let service_at = settings.service.first().and_then(|range| range.at);
    let pod_at = settings.pod.first().and_then(|range| range.at);
    let message = format!(
        "`cluster.serviceCidr` is {} and `cluster.podCidr` is {}, expected the same families in the same order",
        joined(services),
        joined(pods)
    );
    let both = service_at.is_some() && pod_at.is_some();
    let missing = if pod_at.is_none() { "podCidr" } else { "serviceCidr" };
    let hint = if both {
        "give both a range of each family, the primary first".to_owned()
    } else {
        format!("set `cluster.{missing}` too, its default is IPv4 alone")
    };
    let related = service_at.min(pod_at).filter(|_| both);
    faults.push(fault(service_at.max(pod_at), message, hint).related(related, "the other"));
}

fn has(machine: &MachineDraft, family: Family) -> bool {
    machine.ips.iter().any(|ip| of_ip(ip.value) == family)
}

/// A node needs an address of every family that services have.
fn missing(draft: &Draft, family: Family, faults: &mut Vec<Fault>) {
    let without = draft.machines.iter().filter(|machine| machine.is_kubernetes() && !has(machine, family));
    let without: Vec<_> = without.collect();
    let Some(first) = without.first() else { return };
    let names: Vec<_> = without.iter().map(|machine| &machine.name).collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    let family = family.name();
    let message = format!(
        "{} {verb} no {family} address, expected one: services have {family} addresses",
        some(&names)
    );
    let hint = "add it to `ip`, or set `cluster.serviceCidr` and `podCidr` to the machines' family";
    faults.push(fault(first.ip().and_then(|ip| ip.at).or(first.at), message, hint));
}

/// The first address of a node must be of the family of the first service range: kube-apiserver refuses to start
/// otherwise ("service IP family must match public address family").
/// Source: kubernetes `cmd/kube-apiserver/app/options/validation.go`.
fn order(draft: &Draft, services: &[Family], primary: Family, faults: &mut Vec<Fault>) {
    let wrong: Vec<_> = draft
        .machines
        .iter()
        .filter(|machine| machine.is_kubernetes() && services.iter().all(|family| has(machine, *family)))
        .filter_map(|machine| machine.ip().map(|ip| (machine, ip)))
        .filter(|(_, ip)| of_ip(ip.value) != primary)
        .collect();
    let Some((_, first)) = wrong.first() else { return };
    let names: Vec<_> = wrong.iter().map(|(machine, _)| &machine.name).collect();
    let (found, wanted) = (of_ip(first.value).name(), primary.name());
    let message = format!(
        "the first address of {} is {found}, expected {wanted} as the first of `cluster.serviceCidr` is",
        some(&names)
    );
    faults.push(fault(first.at, message, "change the order in `ip`, or that in both ranges"));
}

/// The virtual IP, and the routers it is told to, must be reachable from every master.
fn endpoint(draft: &Draft, services: &[Family], faults: &mut Vec<Fault>) {
    let endpoint = &draft.endpoint;
    if !endpoint.is_virtual() {
        return;
    }
    let mut far: Vec<_> = endpoint.ips.iter().map(|ip| (*ip, "virtual IP `kubeMaster.ip`")).collect();
    if endpoint.mode.value == Mode::Bgp {
        far.extend(endpoint.bgp.peers.iter().map(|peer| (peer.with(peer.value.ip), "BGP peer")));
    }
    for (ip, what) in far {
        let family = of_ip(ip.value);
        // A master without an address of the services' families is a fault of its own.
        let lacks = |machine: &&MachineDraft| {
            machine.is_master() && !services.contains(&family) && !has(machine, family)
        };
        if let Some(master) = draft.machines.iter().find(lacks) {
            let (name, family) = (&master.name, family.name());
            let message = format!("the {what} is {}, and `{name}` has no {family} address", ip.value);
            let hint = format!("add one to `{name}.ip`, or use the masters' family");
            faults.push(fault(ip.at, message, hint).related(master.at, "this master"));
        }
    }
}

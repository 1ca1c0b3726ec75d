//! Addresses: each has one owner, and none lies where the cluster routes its own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::parse::Draft;
use super::super::read::Placed;
use super::super::rules::rule;
use super::{overlap, some};
use crate::fault::Fault;

/// An address and who says that it is theirs.
struct Claim {
    ip: Placed<IpAddr>,
    /// `cp1.localIp`
    attribute: String,
    /// The machine, or none for the endpoint's.
    machine: Option<usize>,
}

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    let claims = machine_claims(draft);
    duplicates(draft, &claims, faults);
    if draft.endpoint.is_virtual() {
        virtual_ip(draft, &claims, faults);
    }
    let mut all = claims;
    all.extend(endpoint_claims(draft));
    in_cluster_ranges(draft, &all, faults);
}

/// Every address of every machine, in file order.
fn machine_claims(draft: &Draft) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (index, machine) in draft.machines.iter().enumerate() {
        for ip in &machine.ips {
            claims.push(Claim { ip: *ip, attribute: format!("{}.ip", machine.name), machine: Some(index) });
        }
        let local = machine.local_ip.and_then(|local| local.value.map(|ip| local.with(ip)));
        // The cluster address may be written out as the local one too.
        if let Some(local) = local.filter(|local| machine.ips.iter().all(|ip| ip.value != local.value)) {
            let attribute = format!("{}.localIp", machine.name);
            claims.push(Claim { ip: local, attribute, machine: Some(index) });
        }
    }
    claims.sort_by_key(|claim| claim.ip.at);
    claims
}

fn endpoint_claims(draft: &Draft) -> Vec<Claim> {
    let endpoint = &draft.endpoint;
    let claim = |ip, attribute: &str| Claim { ip, attribute: attribute.into(), machine: None };
    let mut claims: Vec<_> = endpoint.ips.iter().map(|ip| claim(*ip, "kubeMaster.ip")).collect();
    claims.extend(endpoint.gateway.map(|gateway| claim(gateway, "kubeMaster.gateway")));
    for peer in &endpoint.bgp.peers {
        // The default peer is the gateway, which has its say already.
        if endpoint.gateway.is_none_or(|gateway| gateway.value != peer.value.ip) {
            claims.push(claim(peer.with(peer.value.ip), "kubeMaster.bgp.peers"));
        }
    }
    claims
}

fn duplicates(draft: &Draft, claims: &[Claim], faults: &mut Vec<Fault>) {
    let mut owners: BTreeMap<IpAddr, &Claim> = BTreeMap::new();
    for claim in claims {
        let Some(first) = owners.get(&claim.ip.value) else {
            owners.insert(claim.ip.value, claim);
            continue;
        };
        let (ip, attribute) = (claim.ip.value, &claim.attribute);
        let message = if claim.machine == first.machine {
            format!("`{attribute}` has {ip} twice, expected each address once")
        } else {
            let owner =
                first.machine.and_then(|index| draft.machines.get(index)).map(|machine| &machine.name);
            let owner = owner.map_or("another machine", String::as_str);
            format!("`{attribute}` is {ip}, the address of `{owner}`, expected one of its own")
        };
        let fault = const { rule("duplicate-address") }.fault(claim.ip.at, message);
        let word = format!("`{}` has it first", first.attribute);
        faults.push(fault.hint("change one of them").related(first.ip.at, word));
    }
}

/// The virtual IP against everyone who has an address already.
fn virtual_ip(draft: &Draft, claims: &[Claim], faults: &mut Vec<Fault>) {
    let endpoint = &draft.endpoint;
    let gateway = endpoint.gateway.map(|gateway| (gateway, "the gateway `kubeMaster.gateway`".to_owned()));
    let peers = endpoint.bgp.peers.iter().map(|peer| (peer.with(peer.value.ip), "a BGP peer".to_owned()));
    let machines = claims.iter().map(|claim| (claim.ip, format!("`{}`", claim.attribute)));
    let taken: Vec<_> = gateway.into_iter().chain(machines).chain(peers).collect();
    for ip in &endpoint.ips {
        let Some((owner, name)) = taken.iter().find(|(owner, _)| owner.value == ip.value) else { continue };
        let message = format!(
            "the virtual IP `kubeMaster.ip` is {}, which {name} has, expected an address that nobody has",
            ip.value
        );
        let fault = const { rule("virtual-ip-taken") }.fault(ip.at, message);
        let hint = "choose a free address; `mode = \"external\"` is for an endpoint that one machine serves";
        faults.push(fault.hint(hint).related(owner.at, "its owner"));
    }
}

/// One fault for each range, however many addresses lie in it.
fn in_cluster_ranges(draft: &Draft, claims: &[Claim], faults: &mut Vec<Fault>) {
    let settings = &draft.settings;
    let services = settings.service.iter().map(|range| (range, "serviceCidr"));
    for (range, name) in services.chain(settings.pod.iter().map(|range| (range, "podCidr"))) {
        // Where the machines' own network overlaps the range, that is the fault, and said.
        let known = |ip: IpAddr| {
            settings.node.iter().any(|node| node.value.contains(&ip) && overlap(node.value, range.value))
        };
        let inside: Vec<_> = claims
            .iter()
            .filter(|claim| range.value.contains(&claim.ip.value) && !known(claim.ip.value))
            .collect();
        let Some(first) = inside.first() else { continue };
        let owners: Vec<_> = inside.iter().map(|claim| &claim.attribute).collect();
        let what = match inside.as_slice() {
            [claim] => format!("`{}` is {},", claim.attribute, claim.ip.value),
            _ => format!("{} are", some(&owners)),
        };
        let message = format!("{what} inside `cluster.{name}` {}, expected outside", range.value);
        let fault = const { rule("address-in-cluster-range") }.fault(first.ip.at, message);
        let hint = format!("set `cluster.{name}` to a private range that nothing else uses");
        faults.push(fault.hint(hint).related(range.at, "the range"));
    }
}

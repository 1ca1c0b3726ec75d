//! The virtual IP: where it must lie, who must be near it, whom it is told to.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::APISERVER_PORT;
use super::super::endpoint::Mode;
use super::super::machine::MachineDraft;
use super::super::parse::Draft;
use super::super::read::Placed;
use super::super::rules::rule;
use super::some;
use crate::fault::Fault;

/// What listens on a master besides the API server. Source: kubernetes.io "Ports and Protocols"; the last two are
/// NixOS' own defaults for scheduler and controller-manager.
const PORTS: &[(u16, &str)] = &[
    (22, "sshd"),
    (179, "BGP"),
    (2379, "etcd"),
    (2380, "etcd"),
    (2381, "etcd"),
    (10248, "kubelet"),
    (10249, "kube-proxy"),
    (10250, "kubelet"),
    (10256, "kube-proxy"),
    (10257, "kube-controller-manager"),
    (10259, "kube-scheduler"),
    (10251, "kube-scheduler"),
    (10252, "kube-controller-manager"),
];

/// Seconds after which a dead master's share of the traffic is lost for longer than people wait. A router's usual
/// hold time is 180 (RFC 4271 suggests 90), kube-vip's own default is this.
const LONG_HOLD_TIME: u16 = 30;

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    if draft.endpoint.is_virtual() {
        place(draft, faults);
        port(draft, faults);
    }
    match draft.endpoint.mode.value {
        Mode::Bgp => bgp(draft, faults),
        Mode::Arp => interfaces(draft, "ARP", faults),
        Mode::Keepalived if draft.endpoint.interface.is_none() => interfaces(draft, "VRRP", faults),
        Mode::Keepalived | Mode::External => {}
    }
    outside(draft, faults);
}

/// Whether the mode works where the virtual IP lies.
fn place(draft: &Draft, faults: &mut Vec<Fault>) {
    let (endpoint, ranges) = (&draft.endpoint, &draft.settings.node);
    if ranges.is_empty() && !draft.settings.node_refused {
        let at = endpoint.ips.first().and_then(|ip| ip.at).or(endpoint.at);
        let message =
            "`cluster.nodeCidr` is not set, so nobody can judge whether the virtual IP works where it is";
        let side = if endpoint.mode.value == Mode::Bgp { "outside" } else { "inside" };
        let hint = match likely_range(draft) {
            Some(range) => format!("if it is \"{range}\", write that; the virtual IP must lie {side} of it"),
            None => format!("set it to the machines' network; the virtual IP must lie {side} of it"),
        };
        faults.push(const { rule("node-range-unknown") }.fault(at, message).hint(hint));
        return;
    }
    // One that a machine has is an error of its own.
    let free =
        |ip: &&Placed<IpAddr>| draft.machines.iter().all(|m| m.ips.iter().all(|own| own.value != ip.value));
    for ip in endpoint.ips.iter().filter(free) {
        let inside = ranges.iter().find(|range| range.value.contains(&ip.value));
        match (endpoint.mode.value, inside) {
            (Mode::Bgp, Some(range)) => faults.push(on_link(ip, range)),
            (Mode::Arp | Mode::Keepalived, Some(range)) => masters_near(draft, ip, range, faults),
            (Mode::Arp | Mode::Keepalived, None) if !ranges.is_empty() => {
                let known: Vec<_> = ranges.iter().map(|range| range.value.to_string()).collect();
                let message = format!(
                    "the virtual IP {} is outside of `cluster.nodeCidr` {}, expected one inside",
                    ip.value,
                    known.join(", ")
                );
                let fault = const { rule("virtual-ip-off-link") }.fault(ip.at, message);
                let hint = "choose a free address of that network, or `mode = \"bgp\"`";
                faults.push(fault.hint(hint).related(ranges[0].at, "the machines' network"));
            }
            _ => {}
        }
    }
}

/// The network that a master's address most often lies in: a /24, or for IPv6 a /64.
fn likely_range(draft: &Draft) -> Option<IpNet> {
    let ip = draft.machines.iter().find(|machine| machine.is_master())?.ip()?.value;
    IpNet::new(ip, if ip.is_ipv4() { 24 } else { 64 }).ok().map(|range| range.trunc())
}

fn on_link(ip: &Placed<IpAddr>, range: &Placed<IpNet>) -> Fault {
    let host = if ip.value.is_ipv4() { 32 } else { 128 };
    let message = format!(
        "the virtual IP {} is announced by BGP and lies inside `cluster.nodeCidr` {}: machines of that network ask \
         for it by ARP, and nobody answers",
        ip.value, range.value
    );
    let hint = format!(
        "choose an address outside of every network of yours; with this one each worker gets a route to {}/{host} by \
         the gateway, and other machines of that network, yours too, need the same by hand",
        ip.value
    );
    const { rule("bgp-virtual-ip-on-link") }
        .fault(ip.at, message)
        .hint(hint)
        .related(range.at, "the machines' network")
}

fn masters_near(draft: &Draft, ip: &Placed<IpAddr>, range: &Placed<IpNet>, faults: &mut Vec<Fault>) {
    for master in draft.machines.iter().filter(|machine| machine.is_master()) {
        let Some(own) = master.ip() else { continue };
        if master.ips.iter().any(|own| range.value.contains(&own.value)) {
            continue;
        }
        let message = format!(
            "master `{}` is at {}, outside of {} where the virtual IP {} lies",
            master.name, own.value, range.value, ip.value
        );
        let fault = const { rule("master-off-link") }.fault(own.at, message);
        let hint = "move it to that network, or use `mode = \"bgp\"`, which routes";
        faults.push(fault.hint(hint).related(ip.at, "the virtual IP"));
    }
}

/// Machines with a role and no address in any of the node ranges.
fn outside(draft: &Draft, faults: &mut Vec<Fault>) {
    let ranges = &draft.settings.node;
    let judged = matches!(draft.endpoint.mode.value, Mode::Arp | Mode::Keepalived);
    let lost: Vec<&MachineDraft> = draft
        .machines
        .iter()
        .filter(|machine| machine.is_kubernetes() || machine.is_etcd())
        // Said already, as an error.
        .filter(|machine| !(judged && machine.is_master()))
        .filter(|machine| {
            !machine.ips.iter().any(|ip| ranges.iter().any(|range| range.value.contains(&ip.value)))
        })
        .collect();
    let (false, Some(first)) = (ranges.is_empty(), lost.first().and_then(|machine| machine.ip())) else {
        return;
    };
    let names: Vec<_> = lost.iter().map(|machine| &machine.name).collect();
    let verb = if lost.len() == 1 { "has" } else { "have" };
    let message = format!(
        "{} {verb} no address in `cluster.nodeCidr`, expected every machine of the cluster there",
        some(&names)
    );
    let fault = const { rule("machine-outside-node-range") }.fault(first.at, message);
    let hint = "`nodeCidr` may be a list: name every network that machines live in";
    faults.push(fault.hint(hint).related(ranges[0].at, "the machines' network"));
}

fn port(draft: &Draft, faults: &mut Vec<Fault>) {
    let (endpoint, port) = (&draft.endpoint, draft.endpoint.port);
    let taken = match PORTS.iter().find(|(taken, _)| *taken == port.value) {
        Some((_, owner)) => Some(*owner),
        None if endpoint.mode.value == Mode::Keepalived && port.value == APISERVER_PORT => {
            Some("the API server behind HAProxy")
        }
        None => None,
    };
    if let Some(owner) = taken {
        let message = format!("`kubeMaster.port` is {}, taken on every master by {owner}", port.value);
        let usual = if endpoint.mode.value == Mode::Keepalived { 8443 } else { APISERVER_PORT };
        let fault = const { rule("port-taken") }.fault(port.at, message);
        faults.push(fault.hint(format!("leave it out: {usual} is the default")));
    }
}

fn bgp(draft: &Draft, faults: &mut Vec<Fault>) {
    let bgp = &draft.endpoint.bgp;
    if bgp.peers.is_empty() && !bgp.peer_refused {
        let message = "mode `bgp` has no router to speak to, expected `kubeMaster.gateway` or `bgp.peers`";
        let hint = "add `gateway = \"10.0.0.1\"`, or `bgp.peers = [ { ip = \"10.0.0.1\"; as = 64512; } ]`";
        faults.push(const { rule("bgp-no-peer") }.fault(draft.endpoint.at, message).hint(hint));
    }
    for (index, peer) in bgp.peers.iter().enumerate() {
        let ip = peer.value.ip;
        if let Some(first) = bgp.peers[..index].iter().find(|other| other.value.ip == ip) {
            let message = format!("BGP peer {ip} is named twice, expected each router once");
            let fault = const { rule("bgp-peer-twice") }.fault(peer.at, message);
            faults.push(fault.hint("take one of them out").related(first.at, "the first"));
        }
        let member = draft.machines.iter().find(|machine| {
            (machine.is_kubernetes() || machine.is_etcd()) && machine.ips.iter().any(|own| own.value == ip)
        });
        if let Some(member) = member {
            let message =
                format!("BGP peer {ip} is `{}`, a machine of the cluster, expected a router", member.name);
            let fault = const { rule("bgp-peer-is-member") }.fault(peer.at, message);
            let hint =
                "masters speak to routers only; to move the address without a router use `mode = \"arp\"`";
            faults.push(fault.hint(hint).related(member.at, "this machine"));
        }
        if peer.value.asn == bgp.settings.asn {
            let message =
                format!("BGP peer {ip} and the masters are both in AS {}, expected two", peer.value.asn);
            let fault = const { rule("bgp-internal") }.fault(bgp.asn_at.or(peer.at), message);
            let hint =
                "use two private ones, 64513 and 64512; within one AS a router needs `maximum-paths ibgp`";
            faults.push(fault.hint(hint));
        }
    }
    off_link(draft, faults);
    hold_time(draft, faults);
}

/// The routers that no session reaches, as far as the machines' network is known.
fn off_link(draft: &Draft, faults: &mut Vec<Fault>) {
    let ranges = &draft.settings.node;
    for peer in &draft.endpoint.bgp.peers {
        let ip = peer.value.ip;
        let mut of_family =
            ranges.iter().filter(|range| range.value.addr().is_ipv4() == ip.is_ipv4()).peekable();
        let Some(first) = of_family.peek().copied() else { continue };
        if of_family.any(|range| range.value.contains(&ip)) {
            continue;
        }
        let message = format!(
            "BGP peer {ip} is outside of `cluster.nodeCidr`, expected a router on the machines' network"
        );
        let fault = const { rule("bgp-peer-off-link") }.fault(peer.at, message);
        let hint = "name the router's address on that network, which is the machines' next hop";
        faults.push(fault.hint(hint).related(first.at, "that network"));
    }
}

fn hold_time(draft: &Draft, faults: &mut Vec<Fault>) {
    let bgp = &draft.endpoint.bgp;
    let message = match bgp.settings.hold_time {
        0 => "`kubeMaster.bgp.holdTime` is 0: routers keep the route to a dead master for ever".to_owned(),
        seconds if seconds > LONG_HOLD_TIME => {
            format!(
                "`kubeMaster.bgp.holdTime` is {seconds}: routers keep the route to a dead master that long"
            )
        }
        _ => return,
    };
    if bgp.settings.bfd {
        return;
    }
    let fault = const { rule("bgp-hold-time") }.fault(bgp.hold_time_at, message);
    faults.push(fault.hint("9 is the default; with `bfd = true` the hold time matters less"));
}

/// The masters whose interface nobody named, though the mode speaks on it.
fn interfaces(draft: &Draft, protocol: &str, faults: &mut Vec<Fault>) {
    for master in
        draft.machines.iter().filter(|machine| machine.is_master() && matches!(machine.interface, Ok(None)))
    {
        let name = &master.name;
        let message = format!("master `{name}` has no `interface`, expected the one {protocol} speaks on");
        let fault = const { rule("interface-needed") }.fault(master.at, message);
        let hint = "add `interface = \"ens18\"`; `ip -br link` on the machine lists them";
        faults.push(fault.hint(hint).related(draft.endpoint.mode.at, "this mode"));
    }
}

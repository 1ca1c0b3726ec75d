//! The side in the language of FRRouting. Source: docs.frrouting.org, "BGP", "Filtering", "Route Maps" and "BFD".

use super::{BFD_INTERVAL, BFD_MULTIPLIER, Family, Side};

pub(super) fn lines(side: &Side) -> Vec<String> {
    let mut lines = side.head("!", "FRR");
    let bfdd = if side.bfd { ", bfdd=yes" } else { "" };
    lines.push(format!("! In /etc/frr/daemons: bgpd=yes{bfdd}"));
    lines.extend(side.hashing("!"));
    lines.push("!".to_owned());
    side.families.iter().for_each(|family| lines.extend(accepted(family)));
    lines.extend(["route-map QUORATE-OUT deny 10", "exit", "!"].map(str::to_owned));
    if side.bfd {
        lines.extend(bfd());
    }
    lines.push(format!("router bgp {}", side.asn));
    lines.push(format!(" bgp router-id {}", side.router_id()));
    side.families.iter().for_each(|family| lines.extend(neighbours(side, family)));
    for is_v4 in [true, false] {
        lines.extend(address_family(side, is_v4));
    }
    lines.push("exit".to_owned());
    lines
}

/// The name that everything of one family has.
fn named(family: &Family) -> String {
    format!("QUORATE-V{}", family.digit())
}

fn accepted(family: &Family) -> Vec<String> {
    let name = named(family);
    let ip = if family.vip.is_ipv4() { "ip" } else { "ipv6" };
    vec![
        format!("{ip} prefix-list {name} seq 10 permit {}", family.prefix()),
        format!("route-map {name}-IN permit 10"),
        format!(" match {ip} address prefix-list {name}"),
        "exit".to_owned(),
        "!".to_owned(),
    ]
}

fn bfd() -> Vec<String> {
    vec![
        "bfd".to_owned(),
        " profile quorate".to_owned(),
        format!("  transmit-interval {BFD_INTERVAL}"),
        format!("  receive-interval {BFD_INTERVAL}"),
        format!("  detect-multiplier {BFD_MULTIPLIER}"),
        " exit".to_owned(),
        "exit".to_owned(),
        "!".to_owned(),
    ]
}

fn neighbours(side: &Side, family: &Family) -> Vec<String> {
    let group = named(family);
    let mut lines = vec![
        format!(" neighbor {group} peer-group"),
        format!(" neighbor {group} remote-as {}", side.masters_asn),
        format!(" neighbor {group} passive"),
        format!(" neighbor {group} timers {} {}", side.keepalive, side.hold_time),
    ];
    if side.password.is_some() {
        lines.push(format!(" ! neighbor {group} password ..."));
    }
    if side.bfd {
        lines.push(format!(" neighbor {group} bfd"));
        lines.push(format!(" neighbor {group} bfd profile quorate"));
    }
    for neighbour in &family.neighbours {
        lines.push(format!(" neighbor {} peer-group {group}", neighbour.ip));
        lines.push(format!(" neighbor {} description {}", neighbour.ip, neighbour.machine));
    }
    lines
}

/// What is exchanged in one family; nothing when the virtual IP has no address in it.
fn address_family(side: &Side, is_v4: bool) -> Vec<String> {
    let mut body = Vec::new();
    for family in &side.families {
        let group = named(family);
        if family.vip.is_ipv4() == is_v4 {
            let internal = if side.is_internal() { "ibgp " } else { "" };
            body.push(format!("  neighbor {group} activate"));
            body.push(format!("  neighbor {group} route-map {group}-IN in"));
            body.push(format!("  neighbor {group} route-map QUORATE-OUT out"));
            body.push(format!("  maximum-paths {internal}{}", side.paths()));
        } else if is_v4 {
            // Every neighbour exchanges IPv4 unless it is told not to.
            body.push(format!("  no neighbor {group} activate"));
        }
    }
    if body.is_empty() {
        return body;
    }
    let name = if is_v4 { "ipv4" } else { "ipv6" };
    let head = [" !".to_owned(), format!(" address-family {name} unicast")];
    head.into_iter().chain(body).chain([" exit-address-family".to_owned()]).collect()
}

//! The side as commands of VyOS' configuration mode, 1.4 or newer. Source: docs.vyos.io, "BGP", "Prefix List Policy",
//! "Route Map Policy", "BFD".

use super::{Family, Neighbour, Side};

pub(super) fn lines(side: &Side) -> Vec<String> {
    let mut lines = side.head("#", "VyOS 1.4 or newer");
    lines.push("# In configuration mode; `commit` and `save` follow.".to_owned());
    for family in &side.families {
        lines.extend(accepted(family));
    }
    lines.push("set policy route-map QUORATE-OUT rule 10 action deny".to_owned());
    lines.push(format!("set protocols bgp system-as {}", side.asn));
    lines.push(format!("set protocols bgp parameters router-id {}", side.router_id()));
    for family in &side.families {
        let kind = if side.is_internal() { "ibgp" } else { "ebgp" };
        lines.push(format!(
            "set protocols bgp address-family {} maximum-paths {kind} {}",
            unicast(family),
            side.paths()
        ));
        for neighbour in &family.neighbours {
            lines.extend(session(side, family, neighbour));
        }
    }
    lines.push("# Spread over the masters by connection:".to_owned());
    for family in &side.families {
        let ip = if family.vip.is_ipv4() { "ip" } else { "ipv6" };
        lines.push(format!("set system {ip} multipath layer4-hashing"));
    }
    lines
}

fn unicast(family: &Family) -> &'static str {
    if family.vip.is_ipv4() { "ipv4-unicast" } else { "ipv6-unicast" }
}

fn accepted(family: &Family) -> Vec<String> {
    let name = format!("QUORATE-V{}", family.digit());
    let (list, ip) = if family.vip.is_ipv4() { ("prefix-list", "ip") } else { ("prefix-list6", "ipv6") };
    vec![
        format!("set policy {list} {name} rule 10 action permit"),
        format!("set policy {list} {name} rule 10 prefix {}", family.prefix()),
        format!("set policy route-map {name}-IN rule 10 action permit"),
        format!("set policy route-map {name}-IN rule 10 match {ip} address prefix-list {name}"),
    ]
}

fn session(side: &Side, family: &Family, neighbour: &Neighbour) -> Vec<String> {
    let head = format!("set protocols bgp neighbor {}", neighbour.ip);
    let mut lines = vec![
        format!("{head} remote-as {}", side.masters_asn),
        format!("{head} description {}", neighbour.machine),
        format!("{head} passive"),
        format!("{head} timers holdtime {}", side.hold_time),
    ];
    if side.hold_time != 0 {
        lines.push(format!("{head} timers keepalive {}", side.keepalive));
    }
    if side.password.is_some() {
        lines.push(format!("# {head} password ..."));
    }
    if side.bfd {
        lines.push(format!("{head} bfd"));
    }
    let unicast = unicast(family);
    lines.push(format!("{head} address-family {unicast} route-map import QUORATE-V{}-IN", family.digit()));
    lines.push(format!("{head} address-family {unicast} route-map export QUORATE-OUT"));
    lines
}

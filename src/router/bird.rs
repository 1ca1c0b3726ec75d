//! The side in the language of BIRD 2. Source: bird.network.cz, the user's guide, chapters "Protocols" and "Filters".

use std::net::IpAddr;

use super::{BFD_INTERVAL, BFD_MULTIPLIER, Family, Side};

pub(super) fn lines(side: &Side) -> Vec<String> {
    let mut lines = side.head("#", "BIRD 2");
    lines.extend(side.hashing("#"));
    lines.push("# Where your file has `protocol device`, `kernel` or `bfd` already, keep yours and take over what differs.".to_owned());
    lines.push(format!("router id {};", side.router_id()));
    lines.push(String::new());
    lines.push("protocol device {".to_owned());
    lines.push("}".to_owned());
    if side.bfd {
        lines.extend(bfd());
    }
    for family in &side.families {
        lines.push(String::new());
        lines.extend(kernel(side, family));
        lines.push(String::new());
        lines.extend(filter(family));
        lines.push(String::new());
        lines.extend(template(side, family));
        for neighbour in &family.neighbours {
            lines.push(String::new());
            lines.push(format!("protocol bgp {} from quorate{} {{", symbol(neighbour.ip), family.digit()));
            lines.push(format!("  description \"{}\";", neighbour.machine));
            lines.push(format!("  neighbor {} as {};", neighbour.ip, side.masters_asn));
            lines.push("}".to_owned());
        }
    }
    lines
}

/// The name of a session: a symbol of BIRD has letters, digits and underscores, at most 64 of them.
fn symbol(ip: IpAddr) -> String {
    format!("quorate_{}", ip.to_string().replace(['.', ':'], "_"))
}

fn bfd() -> Vec<String> {
    vec![
        String::new(),
        "protocol bfd {".to_owned(),
        "  interface \"*\" {".to_owned(),
        format!("    min rx interval {BFD_INTERVAL} ms;"),
        format!("    min tx interval {BFD_INTERVAL} ms;"),
        format!("    multiplier {BFD_MULTIPLIER};"),
        "  };".to_owned(),
        "}".to_owned(),
    ]
}

/// Routes reach the kernel by this; without `merge paths` it gets one way only.
fn kernel(side: &Side, family: &Family) -> Vec<String> {
    vec![
        "protocol kernel {".to_owned(),
        format!("  merge paths on limit {};", side.paths()),
        format!("  ipv{} {{", family.digit()),
        "    import none;".to_owned(),
        "    export all;".to_owned(),
        "  };".to_owned(),
        "}".to_owned(),
    ]
}

fn filter(family: &Family) -> Vec<String> {
    vec![
        format!("filter quorate_vip{} {{", family.digit()),
        format!("  if net = {} then accept;", family.prefix()),
        "  reject;".to_owned(),
        "}".to_owned(),
    ]
}

fn template(side: &Side, family: &Family) -> Vec<String> {
    let digit = family.digit();
    let mut lines = vec![
        format!("template bgp quorate{digit} {{"),
        format!("  local as {};", side.asn),
        // Masters are neighbours in one network, within one AS as well.
        "  direct;".to_owned(),
        "  passive on;".to_owned(),
        format!("  hold time {};", side.hold_time),
    ];
    if side.hold_time != 0 {
        lines.push(format!("  keepalive time {};", side.keepalive));
    }
    if side.password.is_some() {
        lines.push("  # password \"...\";".to_owned());
    }
    if side.bfd {
        lines.push("  bfd on;".to_owned());
    }
    lines.extend([
        format!("  ipv{digit} {{"),
        format!("    import filter quorate_vip{digit};"),
        "    export none;".to_owned(),
        "  };".to_owned(),
        "}".to_owned(),
    ]);
    lines
}

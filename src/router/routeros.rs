//! The side as commands of RouterOS 7.20 or newer. Source: help.mikrotik.com, "BGP", "Route Selection and Filters", "BFD".

use super::{BFD_INTERVAL, BFD_MULTIPLIER, Family, Neighbour, Side};

/// What it takes, in seconds: `time[3s..1h]`, `time[1s..30m]`. The smaller hold time of both sides counts anyway.
const LONGEST_HOLD_TIME: u16 = 3600;
const LONGEST_KEEPALIVE: u16 = 1800;

pub(super) fn lines(side: &Side) -> Vec<String> {
    let mut lines = side.head("#", "RouterOS 7.20 or newer");
    lines.push("# Before 7.20 there is no instance: leave its line out, and write as= and router-id= in each connection.".to_owned());
    lines.push(format!(
        "/routing/bgp/instance add name=quorate as={} router-id={}",
        side.asn,
        side.router_id()
    ));
    for family in &side.families {
        let chain = format!("quorate-in{}", family.digit());
        lines.push(format!(
            "/routing/filter/rule add chain={chain} rule=\"if (dst in {}) {{ accept }}\"",
            family.prefix()
        ));
        lines.push(format!("/routing/filter/rule add chain={chain} rule=\"reject\""));
    }
    lines.push("/routing/filter/rule add chain=quorate-out rule=\"reject\"".to_owned());
    for family in &side.families {
        if side.bfd {
            lines.extend(family.neighbours.iter().map(bfd));
        }
        if side.password.is_some() {
            lines.push("# Add tcp-md5-key=... to each connection.".to_owned());
        }
        lines.extend(family.neighbours.iter().map(|neighbour| connection(side, family, neighbour)));
    }
    lines.push(
        "# A version that does not know this property sends all traffic to one master, and to another when that one is gone."
            .to_owned(),
    );
    lines.push(format!("/routing/bgp/instance set quorate multipath={}", side.paths()));
    lines
}

fn bfd(neighbour: &Neighbour) -> String {
    format!(
        "/routing/bfd/configuration add addresses={ip} min-rx={BFD_INTERVAL}ms min-tx={BFD_INTERVAL}ms \
         multiplier={BFD_MULTIPLIER}",
        ip = host(neighbour)
    )
}

/// An address as RouterOS has it where networks may stand.
fn host(neighbour: &Neighbour) -> String {
    format!("{}/{}", neighbour.ip, if neighbour.ip.is_ipv4() { 32 } else { 128 })
}

fn connection(side: &Side, family: &Family, neighbour: &Neighbour) -> String {
    let role = if side.is_internal() { "ibgp" } else { "ebgp" };
    let digit = family.digit();
    let mut words = vec![
        format!("/routing/bgp/connection add name=quorate-{}-v{digit}", neighbour.machine),
        "instance=quorate".to_owned(),
        format!("remote.address={}", host(neighbour)),
        format!("remote.as={}", side.masters_asn),
        format!("local.role={role}"),
        "connect=no".to_owned(),
        "listen=yes".to_owned(),
    ];
    if family.vip.is_ipv6() {
        words.push("afi=ipv6".to_owned());
    }
    if side.hold_time == 0 {
        words.push("hold-time=infinity".to_owned());
    } else {
        words.push(format!("hold-time={}s", side.hold_time.min(LONGEST_HOLD_TIME)));
        words.push(format!("keepalive-time={}s", side.keepalive.min(LONGEST_KEEPALIVE)));
    }
    if side.bfd {
        words.push("use-bfd=yes".to_owned());
    }
    words.push(format!("input.filter=quorate-in{digit}"));
    words.push("output.filter-chain=quorate-out".to_owned());
    words.join(" ")
}

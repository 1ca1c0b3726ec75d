//! Every rule that an inventory is judged by, in one table.
//!
//! A rule is named where it is judged by `const { rule("name") }`: a name that the table lacks does not compile.

use crate::fault::{Fault, Level};
use crate::inventory::Origin;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its stable name: what [`Fault::rule`] says.
    pub name: &'static str,
    /// Error: nothing is planned. Warning: said, and no more.
    pub level: Level,
    /// What happens to a cluster that breaks it.
    pub why: &'static str,
    /// Its numbers in the catalogue of failures that this table answers (`F4` is 4); empty for the rules that
    /// reading itself needs.
    pub catalogue: &'static [u8],
}

impl Rule {
    /// That this rule is broken, there.
    pub(super) fn fault(&self, at: Option<Origin>, message: impl Into<String>) -> Fault {
        Fault {
            level: self.level,
            rule: self.name,
            at,
            message: message.into(),
            hint: None,
            related: Vec::new(),
        }
    }
}

/// The row of that name. Only ever called at compile time.
pub(super) const fn rule(name: &str) -> &'static Rule {
    let mut row = 0;
    while !same(RULES[row].name.as_bytes(), name.as_bytes()) {
        row += 1;
    }
    &RULES[row]
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

const fn error(name: &'static str, catalogue: &'static [u8], why: &'static str) -> Rule {
    Rule { name, level: Level::Error, why, catalogue }
}

const fn warning(name: &'static str, catalogue: &'static [u8], why: &'static str) -> Rule {
    Rule { name, level: Level::Warning, why, catalogue }
}

/// The rules, in the order in which a reader meets their subjects.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // Shape.
    error("wrong-type", &[], "a string where a set is expected has no meaning"),
    error("bad-value", &[], "a text that its consumer would refuse, or take for something else"),
    error("not-one-of", &[], "a setting with a few known values has another one"),
    error("out-of-range", &[14, 24], "ports, AS numbers, router ids and days have bounds in their protocols"),
    error("bad-address", &[], "an address that cannot be dialled ends in every certificate and URL"),
    error("bad-range", &[9], "a range with host bits is read differently by every program"),
    error("missing-attribute", &[], "there is no default that could be right"),
    error("unknown-attribute", &[26], "a misspelt setting silently keeps its default"),
    warning("likely-typo", &[26], "`etcd.enabled = true` leaves a member out without a word"),
    error("secret-in-inventory", &[20], "whatever machines.nix says ends in the world-readable Nix store"),
    error("bad-recipient", &[], "what is sealed to a recipient that does not exist is lost"),

    // Names and machines.
    error("no-machines", &[], "an inventory without machines describes nothing"),
    error("bad-name", &[17], "a name that is no DNS label is refused by kubelet or turned into another one"),
    error("reserved-name", &[11], "the name is also a folder, a target or a verb of the commands"),
    error("settings-as-machine", &[11], "settings read as a machine get a configuration, certificates and a deploy"),
    error("duplicate-name", &[4], "two things of one name resolve to whichever answers first"),
    error("shared-host-key", &[20], "whoever has the other machine's key opens what is sealed to this one"),
    error("duplicate-address", &[4], "two machines of one address take each other's traffic"),
    warning("ghost-member", &[2], "a member that is never deployed counts against the quorum for ever"),
    warning("master-without-kubernetes", &[3], "an API server runs beside a kubelet or not at all"),
    error("no-masters", &[3], "without an API server there is no cluster"),
    error("no-etcd", &[3], "an API server without etcd never becomes ready"),
    warning("etcd-single", &[1], "one member: its disk is the cluster"),
    warning("etcd-growing", &[1, 2], "two members fail when either does, four tolerate no more than three do"),
    error("etcd-even", &[1], "an even count tolerates no more failures than one member less, and splits in halves"),
    warning("placeholder-address", &[12], "a machine without an address gets no certificate and no deploy"),
    warning("no-disk", &[12], "the installer has nothing to install on"),
    warning("disk-not-by-id", &[12], "`/dev/sda` may be another disk after the next boot, and the installer formats it"),
    warning("no-interface", &[13], "without it nothing says which network card carries the cluster address"),
    error("interface-needed", &[13], "ARP and VRRP speak on an interface that must be named"),

    // Ranges and families.
    error("ranges-overlap", &[7], "an address in two ranges is routed to one of them"),
    error("address-in-cluster-range", &[7], "kube-proxy or flannel swallow what is sent to that address"),
    error("service-range-size", &[8], "kube-apiserver refuses larger ones, CoreDNS' address does not fit smaller ones"),
    error("service-range-boundary", &[9], "NixOS derives addresses from the first three octets, outside of a range above /24"),
    error("pod-range-size", &[10], "each node takes a /24 (IPv6: /64); the node after the last one stays NotReady"),
    error("mixed-families", &[25], "IPv4 and IPv6 must agree between nodes, services and pods"),
    warning("node-range-unknown", &[5, 6, 7], "where the machines live decides whether the virtual IP works"),
    warning("machine-outside-node-range", &[6], "rules and routes made for the node range miss that machine"),

    // The virtual IP.
    error("endpoint-missing", &[], "several masters need one address that outlives each of them"),
    error("virtual-ip-taken", &[4, 14], "two owners of one address fight for it by ARP"),
    warning("bgp-virtual-ip-on-link", &[5], "neighbours ask for it by ARP instead of routing, and nobody answers"),
    error("virtual-ip-off-link", &[6], "ARP and VRRP only reach machines of the same network"),
    error("master-off-link", &[6], "a master elsewhere can never take the virtual IP over"),
    error("port-taken", &[16], "two servers on one port: the second one never starts"),
    warning("unused-setting", &[], "a setting of another mode has no effect"),
    error("bgp-no-peer", &[14], "a route that is told to nobody leads nowhere"),
    error("bgp-peer-is-member", &[14], "kube-vip never listens: two of them cannot be each other's peer"),
    error("bgp-peer-twice", &[14], "the second session to one router is refused"),
    warning("bgp-internal", &[14], "with one AS on both sides routers keep one path unless told otherwise"),
    warning(
        "bgp-peer-off-link",
        &[14],
        "sessions reach routers on the same network alone: no route, and a virtual IP that nobody can reach",
    ),
    warning("bgp-hold-time", &[14], "a dead master keeps its share of the traffic for as long"),

    // Certificates and the rest.
    error("lifetimes-nested", &[19], "a certificate that outlives its issuer stops being valid without notice"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_reason_is_one_line() {
        let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.name);
            assert!((20..110).contains(&rule.why.len()) && !rule.why.ends_with('.'), "{}", rule.name);
        }
    }

    #[test]
    fn the_table_answers_every_failure_of_the_catalogue_that_a_file_shows() {
        let answered: BTreeSet<u8> = RULES.iter().flat_map(|rule| rule.catalogue).copied().collect();
        for number in (1..=14).chain([16, 17]).chain(24..=26) {
            assert!(answered.contains(&number), "F{number}");
        }
    }
}

//! Who may reach which port of a role. Ports that everybody may reach are NixOS' own option; those of a few addresses
//! are rules, in the language of whichever firewall the machine has.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use quorate_pki::cluster::{Cluster, Cni, Machine, VipMode};

use super::etcd;
use super::nix::{Nix, Settings, lines};

/// Where kubelets answer. Source: kubernetes.io, "Ports and Protocols".
const KUBELET: u16 = 10250;
/// VXLAN as flannel speaks it: whoever reaches it is in the network of the pods. Source: flannel, "Backends".
const VXLAN: u16 = 8472;
/// BFD control packets. Source: RFC 5881 section 4.
const BFD: u16 = 3784;

/// A rule: a port, and who may reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    protocol: Protocol,
    /// The port; nothing where the protocol has none.
    port: Option<u16>,
    /// The addresses that may; `None` for everybody.
    from: Option<BTreeSet<IpAddr>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    /// VRRP, IP protocol 112. Source: RFC 9568 section 5.1.1.4.
    Vrrp,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Vrrp => "112",
        }
    }
}

impl Open {
    /// A port for everybody.
    fn all(protocol: Protocol, port: u16) -> Self {
        Self { protocol, port: Some(port), from: None }
    }

    /// A port for some.
    fn some(protocol: Protocol, port: u16, from: BTreeSet<IpAddr>) -> Self {
        Self { protocol, port: Some(port), from: Some(from) }
    }
}

fn addresses<'m>(machines: impl Iterator<Item = &'m Machine>) -> BTreeSet<IpAddr> {
    machines.flat_map(Machine::ips).copied().collect()
}

/// A member of etcd: clients are the API servers and the members themselves, peers the members alone.
pub(super) fn etcd(cluster: &Cluster) -> Vec<Open> {
    let members = addresses(cluster.etcd_members());
    let clients = addresses(cluster.etcd_members().chain(cluster.masters()));
    vec![
        Open::some(Protocol::Tcp, etcd::CLIENT_PORT, clients),
        Open::some(Protocol::Tcp, etcd::PEER_PORT, members),
    ]
}

/// A machine with a kubelet, which asks whoever comes for a certificate; flannel does not.
pub(super) fn kubernetes(cluster: &Cluster) -> Vec<Open> {
    let mut rules = vec![Open::all(Protocol::Tcp, KUBELET)];
    if cluster.cni() == Cni::Flannel {
        let nodes = addresses(cluster.kubernetes_nodes());
        rules.push(Open::some(Protocol::Udp, VXLAN, nodes));
    }
    rules
}

/// A master: the API, and what brings the virtual IP.
pub(super) fn master(cluster: &Cluster) -> Vec<Open> {
    let mut rules = vec![Open::all(Protocol::Tcp, cluster.apiserver_port())];
    match cluster.endpoint().mode() {
        VipMode::Bgp(bgp) if bgp.bfd => {
            let peers = bgp.peers.iter().map(|peer| peer.ip).collect();
            rules.push(Open::some(Protocol::Udp, BFD, peers));
        }
        VipMode::Keepalived { .. } => {
            rules.push(Open::all(Protocol::Tcp, cluster.endpoint().port()));
            let masters = addresses(cluster.masters());
            rules.push(Open { protocol: Protocol::Vrrp, port: None, from: Some(masters) });
        }
        VipMode::Bgp(_) | VipMode::Arp | VipMode::External => {}
    }
    rules
}

/// The rules as settings.
pub(super) fn settings(rules: &[Open]) -> Settings {
    let mut set = Settings::new();
    for (protocol, option) in [(Protocol::Tcp, "allowedTCPPorts"), (Protocol::Udp, "allowedUDPPorts")] {
        let ports: Vec<Nix> = rules
            .iter()
            .filter(|rule| rule.protocol == protocol && rule.from.is_none())
            .filter_map(|rule| rule.port.map(Nix::from))
            .collect();
        if !ports.is_empty() {
            set.set(&format!("networking.firewall.{option}"), Nix::List(ports));
        }
    }
    let narrow: Vec<&Open> = rules.iter().filter(|rule| rule.from.is_some()).collect();
    if narrow.is_empty() {
        return set;
    }
    let iptables: String = narrow.iter().map(|rule| iptables(rule)).collect();
    let nftables: String = narrow.iter().map(|rule| nftables(rule)).collect();
    set.set(
        "networking.firewall.extraCommands",
        Nix::If("!config.networking.nftables.enable", Box::new(lines(&iptables))),
    );
    set.set(
        "networking.firewall.extraInputRules",
        Nix::If("config.networking.nftables.enable", Box::new(lines(&nftables))),
    );
    set
}

/// A line for each address. NixOS makes the chain anew whenever it starts its firewall.
fn iptables(rule: &Open) -> String {
    let line = |ip: &IpAddr| {
        let program = if ip.is_ipv4() { "iptables" } else { "ip6tables" };
        let protocol = rule.protocol.name();
        let port = rule.port.map(|port| format!(" --dport {port}")).unwrap_or_default();
        // It waits while kube-proxy or flannel has the lock: a failure would end the whole firewall.
        format!("{program} -w -A nixos-fw -p {protocol} -s {ip}{port} -j nixos-fw-accept\n")
    };
    rule.from.iter().flatten().map(line).collect()
}

/// A line for each family.
fn nftables(rule: &Open) -> String {
    let mut text = String::new();
    for (family, is_of) in [("ip", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("ip6", IpAddr::is_ipv6)] {
        let from: Vec<String> =
            rule.from.iter().flatten().filter(|ip| is_of(ip)).map(ToString::to_string).collect();
        if !from.is_empty() {
            let protocol = rule.protocol.name();
            let what = match rule.port {
                Some(port) => format!("{protocol} dport {port}"),
                None => format!("meta l4proto {protocol}"),
            };
            let _ = writeln!(text, "{family} saddr {{ {} }} {what} accept", from.join(", "));
        }
    }
    text
}

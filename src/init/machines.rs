//! machines.nix of a new repository.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::settings::{Mode, Settings};
use super::template::{fill, quoted};

/// Ranges for services and for pods: the first that touches no address of the user's. The first of each are the
/// defaults of an inventory; the others are of 172.16.0.0/12, which homes seldom use.
const SERVICE_RANGES: [Ipv4Net; 2] = [range([10, 96, 0, 0]), range([172, 30, 0, 0])];
const POD_RANGES: [Ipv4Net; 2] = [range([10, 244, 0, 0]), range([172, 29, 0, 0])];

const fn range([a, b, c, d]: [u8; 4]) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), 16)
}

/// Comments of the file; empty for none.
type Lines = &'static str;

/// What machines.nix says of a mode.
struct OfMode {
    virtual_ip: Lines,
    port_comment: Lines,
    /// Of the API at the virtual IP. Source: kubernetes.io "Ports and Protocols"; with keepalived HAProxy's own.
    port: &'static str,
    gateway: Lines,
    router: Lines,
}

const BGP: OfMode = OfMode {
    virtual_ip: BGP_VIRTUAL_IP,
    port_comment: "",
    port: "6443",
    gateway: BGP_GATEWAY,
    router: BGP_ROUTER,
};

const ARP: OfMode = OfMode { virtual_ip: ARP_VIRTUAL_IP, gateway: GATEWAY, router: "", ..BGP };

const KEEPALIVED: OfMode = OfMode { port_comment: KEEPALIVED_PORT, port: "8443", ..ARP };

const EXTERNAL: OfMode = OfMode { virtual_ip: EXTERNAL_VIRTUAL_IP, ..ARP };

const fn of(mode: Mode) -> &'static OfMode {
    match mode {
        Mode::Bgp => &BGP,
        Mode::Arp => &ARP,
        Mode::Keepalived => &KEEPALIVED,
        Mode::External => &EXTERNAL,
    }
}

/// The text of machines.nix.
pub fn machines(settings: &Settings) -> String {
    let taken = |range: &Ipv4Net| {
        let node = settings.node_range;
        let overlaps = range.contains(&node.network()) || node.contains(&range.network());
        overlaps || [settings.virtual_ip, settings.router].iter().any(|ip| range.contains(ip))
    };
    let free = |ranges: [Ipv4Net; 2]| {
        let [usual, other] = ranges;
        (if taken(&usual) { other } else { usual }).to_string()
    };
    let mode = of(settings.mode);
    fill(
        include_str!("files/machines.nix"),
        &[
            ("machines", &blocks(settings)),
            ("router", &settings.router.to_string()),
            ("router_side", mode.router),
            ("virtual_ip_comment", mode.virtual_ip),
            ("virtual_ip", &settings.virtual_ip.to_string()),
            ("port_comment", mode.port_comment),
            ("port", mode.port),
            ("gateway_comment", mode.gateway),
            ("mode", &settings.mode.to_string()),
            ("name", &quoted(&settings.name)),
            ("node_range", &settings.node_range.to_string()),
            ("service_range", &free(SERVICE_RANGES)),
            ("pod_range", &free(POD_RANGES)),
            ("admins", &list("admins", &settings.admins, r#""age1..." "ssh-ed25519 AAAA...""#)),
            ("ssh_keys", &list("sshKeys", &settings.ssh_keys, r#""ssh-ed25519 AAAA... you@desk""#)),
        ],
    )
}

/// Every machine. What its attributes mean is said once, at the first.
fn blocks(settings: &Settings) -> String {
    let masters = settings.masters.len();
    let mut text = match masters {
        1 => ONE_MASTER.to_owned(),
        3 => THREE_MASTERS.to_owned(),
        _ => {
            let lost = masters.saturating_sub(1) / 2;
            fill(MASTERS, &[("count", &masters.to_string()), ("lost", &lost.to_string())])
        }
    };
    for (index, (name, ip)) in settings.masters.iter().enumerate() {
        text += &block(settings, name, *ip, "    etcd.enable = true;", index == 0);
    }
    if !settings.workers.is_empty() {
        text += WORKERS;
    }
    for (name, ip) in &settings.workers {
        text += &block(settings, name, *ip, "    master = false;", false);
    }
    text.trim_end().to_owned() + "\n\n"
}

fn block(settings: &Settings, name: &str, ip: Ipv4Addr, role: &str, explained: bool) -> String {
    let text = fill(
        include_str!("files/machine.nix"),
        &[
            ("machine", name),
            ("ip", &ip.to_string()),
            ("interface", &quoted(&settings.interface)),
            ("disk", &quoted(&settings.disk)),
            ("role", role),
        ],
    );
    let is_kept = |line: &&str| explained || !line.trim_start().starts_with('#');
    text.lines().filter(is_kept).fold(String::new(), |text, line| text + line + "\n")
}

/// A list in `cluster`; without anything in it, a comment that shows one.
fn list(name: &str, values: &[String], example: &str) -> String {
    if values.is_empty() {
        return format!("    #   {name} = [ {example} ];");
    }
    let values = values.iter().map(|value| format!("      \"{}\"\n", quoted(value)));
    format!("    {name} = [\n{}    ];", values.collect::<String>())
}

// Comments of the file, as they stand in it.

const BGP_VIRTUAL_IP: &str = r"    # The virtual IP. It lies outside of every network of yours: machines reach it by the router, which knows from each
    # living master that it may go there.
";

const BGP_GATEWAY: &str = r"    # The router, and unless `bgp.peers` says otherwise also whom the masters speak BGP with (AS 64512; theirs is 64513).
";

const BGP_ROUTER: &str = r"  # `pki router` prints the configuration that belongs on it.
";

const ARP_VIRTUAL_IP: &str = r"    # The virtual IP: an address of the machines' own network that nobody else has, the router's DHCP included. One
    # living master at a time answers for it.
";

const GATEWAY: &str = r"    # The router that the machines reach everything else by.
";

const KEEPALIVED_PORT: &str = r"    # HAProxy's, in front of the API servers and their 6443.
";

const EXTERNAL_VIRTUAL_IP: &str = r"    # Where your load balancer listens. It must hand TCP through to port 6443 of each living master.
";

const ONE_MASTER: &str = r"  # One master: it runs the API server and etcd, and its loss is the cluster's. Three outlive the loss of one.
";

const THREE_MASTERS: &str = r"  # Three masters: each runs the API server and is a member of etcd. Three are the fewest that outlive the loss of one.
";

const MASTERS: &str = r"  # @count@ masters: each runs the API server and is a member of etcd. The cluster outlives the loss of @lost@ of them.
";

const WORKERS: &str = r"  # Workers: Kubernetes without an API server. Without any the masters would take the pods.
";

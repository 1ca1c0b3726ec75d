//! Reading `kubeMaster`.

use std::net::IpAddr;

use super::machine::{INTERFACE, MachineDraft, is_interface, is_true};
use super::read::{Placed, Section, listed, name_place, quoted};
use super::rules::rule;
use super::{APISERVER_PORT, Bgp, BgpPeer, Endpoint, VipMode};
use crate::fault::Fault;
use crate::inventory::{Attr, Data, Origin};
use crate::names::is_domain;

/// The attributes of `kubeMaster`.
pub(super) const ATTRIBUTES: &[&str] =
    &["ip", "port", "name", "gateway", "mode", "bgp", "virtualRouterId", "interface"];

const BGP_ATTRIBUTES: &[&str] = &["as", "peers", "holdTime", "keepalive", "bfd", "password"];

/// HAProxy's port in front of the API servers, whose own it cannot take on the same machine.
const FRONT_PORT: u16 = 8443;

/// The masters' AS and the router's: two of the private ones (RFC 6996), so that sessions are external.
const MASTERS_AS: u32 = 64_513;
const ROUTER_AS: u32 = 64_512;

/// Seconds; nine is what kube-vip's own tests run with, a third of a router's usual thirty.
const HOLD_TIME: u16 = 9;

/// VRRP's usual router id, as keepalived's own examples have it.
const ROUTER_ID: u8 = 51;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Bgp,
    Arp,
    Keepalived,
    External,
}

/// `kubeMaster` as it was read, before it is compared with the machines.
pub(super) struct EndpointDraft {
    /// Where the set was written; `None` also when there is none.
    pub(super) at: Option<Origin>,
    /// Without placeholders.
    pub(super) ips: Vec<Placed<IpAddr>>,
    /// Whether an `ip` was written of which nothing could be used, which is said already.
    ip_refused: bool,
    /// Whether a `gateway` or a peer was written that could not be used, likewise.
    pub(super) peer_refused: bool,
    pub(super) port: Placed<u16>,
    pub(super) name: Placed<String>,
    pub(super) gateway: Option<Placed<IpAddr>>,
    pub(super) mode: Placed<Mode>,
    pub(super) peers: Vec<Placed<BgpPeer>>,
    pub(super) bgp: Bgp,
    /// Where the AS and the hold time were written.
    pub(super) asn_at: Option<Origin>,
    pub(super) hold_time_at: Option<Origin>,
    virtual_router_id: u8,
    pub(super) interface: Option<String>,
}

impl EndpointDraft {
    /// What an inventory without `kubeMaster` gets: a master alone is its own endpoint. Several need an address that
    /// outlives each of them, which nobody can guess: that is `endpoint-missing`, said by [`Self::finish`].
    pub(super) fn missing() -> Self {
        Self {
            at: None,
            ips: Vec::new(),
            ip_refused: false,
            peer_refused: false,
            port: Placed { value: APISERVER_PORT, at: None },
            name: Placed { value: "kubernetes".into(), at: None },
            gateway: None,
            mode: Placed { value: Mode::External, at: None },
            peers: Vec::new(),
            bgp: default_bgp(),
            asn_at: None,
            hold_time_at: None,
            virtual_router_id: ROUTER_ID,
            interface: None,
        }
    }

    /// The set, with the default for whatever is absent or unusable.
    pub(super) fn read(attr: &Attr, faults: &mut Vec<Fault>) -> Self {
        let Some(mut section) = Section::open(attr, faults) else {
            return Self { at: name_place(attr), ip_refused: true, peer_refused: true, ..Self::missing() };
        };
        section.refuse_unknown(ATTRIBUTES);
        let at = section.at;
        let mode = section.word("mode", MODES).unwrap_or(Placed { value: Mode::Bgp, at });
        let ips = addresses(&mut section);
        let ip_refused = ips.is_empty() && section.has("ip");
        let gateway = gateway(&mut section);
        let default_port = if mode.value == Mode::Keepalived { FRONT_PORT } else { APISERVER_PORT };
        let port = section.number("port", 1..=u16::MAX, "").unwrap_or(Placed { value: default_port, at });
        let name = name(&mut section, at);
        unused(&mut section, mode.value);
        let virtual_router_id =
            section.number("virtualRouterId", 1..=u8::MAX, "").map_or(ROUTER_ID, |found| found.value);
        let interface = section.text_where("interface", is_interface, INTERFACE);
        let (bgp, asn_at, hold_time_at, written) = match section.child("bgp") {
            Some(section) => read_bgp(section),
            None => (default_bgp(), None, None, None),
        };
        let peer_refused = match &written {
            Some((_, refused)) => *refused,
            None => gateway.is_none() && section.has("gateway"),
        };
        let peers = written.map_or_else(|| default_peers(gateway), |(peers, _)| peers);
        Self {
            at,
            ips,
            ip_refused,
            peer_refused,
            port,
            name,
            gateway,
            mode,
            peers,
            bgp,
            asn_at,
            hold_time_at,
            virtual_router_id,
            interface: interface.ok().flatten().map(|found| found.value.to_owned()),
        }
    }

    /// Whether one of our programs on the masters carries the virtual IP.
    pub(super) fn is_virtual(&self) -> bool {
        self.mode.value != Mode::External
    }

    /// What is left once everything is judged, or a fault when there is no address to give out.
    pub(super) fn finish(&self, machines: &[MachineDraft], faults: &mut Vec<Fault>) -> Option<Endpoint> {
        Some(Endpoint {
            ips: self.addresses(machines, faults)?,
            port: self.port.value,
            name: self.name.value.clone(),
            gateway: self.gateway.map(|gateway| gateway.value),
            mode: match self.mode.value {
                Mode::Bgp => VipMode::Bgp(Bgp {
                    peers: self.peers.iter().map(|peer| peer.value.clone()).collect(),
                    ..self.bgp.clone()
                }),
                Mode::Arp => VipMode::Arp,
                Mode::Keepalived => VipMode::Keepalived {
                    virtual_router_id: self.virtual_router_id,
                    interface: self.interface.clone(),
                },
                Mode::External => VipMode::External,
            },
        })
    }

    fn addresses(&self, machines: &[MachineDraft], faults: &mut Vec<Fault>) -> Option<Vec<IpAddr>> {
        let misnamed = faults.iter().any(|fault| fault.rule == const { rule("settings-as-machine") }.name);
        if !self.ips.is_empty() {
            return Some(self.ips.iter().map(|ip| ip.value).collect());
        }
        if self.ip_refused || misnamed {
            return None;
        }
        let masters: Vec<_> = machines.iter().filter(|machine| machine.is_master()).collect();
        match (self.mode.value, masters.as_slice()) {
            (Mode::External, [master]) => Some(master.ips.iter().map(|ip| ip.value).collect()),
            // No master at all has its own rule.
            (_, []) => None,
            (mode, masters) => {
                faults.push(endpoint_missing(self.at, mode, masters));
                None
            }
        }
    }
}

const MODES: &[(&str, Mode)] =
    &[("bgp", Mode::Bgp), ("arp", Mode::Arp), ("keepalived", Mode::Keepalived), ("external", Mode::External)];

fn endpoint_missing(at: Option<Origin>, mode: Mode, masters: &[&MachineDraft]) -> Fault {
    let names: Vec<_> = masters.iter().map(|master| master.name.as_str()).collect();
    let what = match at {
        Some(_) => "`kubeMaster` has no `ip`",
        None => "there is no `kubeMaster`",
    };
    let whose = match mode {
        Mode::External => "the address at which all of them answer",
        _ => "the virtual IP that moves between them",
    };
    let message = format!("{what}, and the masters are {}: expected {whose}", listed(&names));
    let place = at.or_else(|| masters.last().and_then(|master| master.at));
    const { rule("endpoint-missing") }
        .fault(place, message)
        .hint("add `kubeMaster = { ip = \"10.0.1.1\"; gateway = \"10.0.0.1\"; }` with an address that no machine has")
}

fn addresses(section: &mut Section<'_, '_>) -> Vec<Placed<IpAddr>> {
    let mut kept = Vec::new();
    for found in section.addresses("ip") {
        if let Some(ip) = found.value {
            kept.push(found.with(ip));
            continue;
        }
        let message = "`kubeMaster.ip` is a placeholder, expected an address".to_owned();
        let hint = "the virtual IP is in every API server's certificate: choose it before the first `gen`";
        section.refuse(const { rule("bad-address") }, found.at, message, hint);
    }
    kept
}

fn gateway(section: &mut Section<'_, '_>) -> Option<Placed<IpAddr>> {
    let found = section.one_address("gateway")?;
    if found.value.is_none() {
        let message = "`kubeMaster.gateway` is a placeholder, expected the router's address".to_owned();
        section.refuse(
            const { rule("bad-address") },
            found.at,
            message,
            "leave it out while it is not known",
        );
    }
    found.value.map(|ip| found.with(ip))
}

fn name(section: &mut Section<'_, '_>, at: Option<Origin>) -> Placed<String> {
    if let Some(found) = section.text("name") {
        if is_domain(found.value) {
            return found.with(found.value.to_owned());
        }
        let message =
            format!("`kubeMaster.name` is {}, expected a DNS name in lower case", quoted(found.value));
        let hint = "every machine resolves it to the virtual IP, and the API servers' certificates have it";
        section.refuse(const { rule("bad-name") }, found.at, message, hint);
    }
    Placed { value: "kubernetes".into(), at }
}

/// Settings of another mode than the one that is on: people switch, and leave them for the way back.
fn unused(section: &mut Section<'_, '_>, mode: Mode) {
    for (name, owner, word) in [
        ("bgp", Mode::Bgp, "bgp"),
        ("virtualRouterId", Mode::Keepalived, "keepalived"),
        ("interface", Mode::Keepalived, "keepalived"),
    ] {
        if owner == mode {
            continue;
        }
        let Some(found) = section.value(name) else { continue };
        let message = format!("`kubeMaster.{name}` has no effect, it belongs to mode `{word}`");
        let hint = match name {
            "interface" => "each machine has an `interface` of its own".to_owned(),
            _ => format!("set `mode = \"{word}\"` or take it out"),
        };
        section.faults.push(const { rule("unused-setting") }.fault(found.at, message).hint(hint));
    }
}

fn default_bgp() -> Bgp {
    Bgp {
        asn: MASTERS_AS,
        peers: Vec::new(),
        hold_time: HOLD_TIME,
        keepalive: HOLD_TIME / 3,
        bfd: false,
        password: false,
    }
}

/// The gateway, which is whom most people peer with.
fn default_peers(gateway: Option<Placed<IpAddr>>) -> Vec<Placed<BgpPeer>> {
    gateway.iter().map(|gateway| gateway.with(BgpPeer { ip: gateway.value, asn: ROUTER_AS })).collect()
}

/// The peers that a set names, and whether one of them could not be used.
type Peers = (Vec<Placed<BgpPeer>>, bool);

/// The set, where its AS and hold time were written, and its peers where it names any. Without `keepalive` it is a
/// third of the hold time, as RFC 4271 section 10 suggests.
fn read_bgp(mut section: Section<'_, '_>) -> (Bgp, Option<Origin>, Option<Origin>, Option<Peers>) {
    section.refuse_unknown(BGP_ATTRIBUTES);
    let asn = section.number("as", 1..=u32::MAX, "");
    let hold = section.number("holdTime", 0..=u16::MAX, " seconds");
    let mut hold_time = hold.map_or(HOLD_TIME, |found| found.value);
    // Source: RFC 4271 section 4.2: "either zero or at least three seconds".
    if let Some(found) = hold.filter(|found| matches!(found.value, 1 | 2)) {
        let path = section.path_to("holdTime");
        let message = format!("`{path}` is {}, expected 0 or at least 3 seconds", found.value);
        section.refuse(
            const { rule("out-of-range") },
            found.at,
            message,
            "routers refuse a session with less",
        );
        hold_time = HOLD_TIME;
    }
    let keepalive = section.number("keepalive", 1..=u16::MAX, " seconds");
    if let Some(found) = keepalive.filter(|found| hold_time != 0 && found.value >= hold_time) {
        let path = section.path_to("keepalive");
        let message = format!("`{path}` is {}, expected less than `holdTime`, {hold_time}", found.value);
        section.refuse(const { rule("out-of-range") }, found.at, message, "a third of `holdTime` is usual");
    }
    let bgp = Bgp {
        asn: asn.map_or(MASTERS_AS, |found| found.value),
        peers: Vec::new(),
        hold_time,
        keepalive: keepalive.map_or((hold_time / 3).max(1), |found| found.value),
        bfd: is_true(section.flag("bfd")),
        password: password(&mut section),
    };
    let peers = section.has("peers").then(|| {
        let items = section.items("peers");
        let known: Vec<_> = items.iter().flatten().enumerate().collect();
        let peers: Vec<_> =
            known.iter().filter_map(|(index, item)| peer(&mut section, *index, item)).collect();
        let refused = items.is_none() || peers.len() < known.len();
        (peers, refused)
    });
    (bgp, asn.and_then(|found| found.at), hold.and_then(|found| found.at), peers)
}

/// `password` says whether there is one. A text here is the password itself, in a world-readable file.
fn password(section: &mut Section<'_, '_>) -> bool {
    if let Some(found) = section.value("password")
        && matches!(found.value.data, Data::Str(_))
    {
        let message = format!("`{}` is a text, expected true or false", section.path_to("password"));
        let hint = "with `true` a password is made and sealed in secrets/masters/cluster.yaml";
        section.refuse(const { rule("secret-in-inventory") }, found.at, message, hint);
        return false;
    }
    is_true(section.flag("password"))
}

fn peer(
    section: &mut Section<'_, '_>,
    index: usize,
    item: &Placed<&crate::inventory::Node>,
) -> Option<Placed<BgpPeer>> {
    let path = format!("{}[{index}]", section.path_to("peers"));
    let mut peer = Section::over(path.clone(), item.value, item.at, section.faults)?;
    peer.refuse_unknown(&["ip", "as"]);
    let asn = peer.number("as", 1..=u32::MAX, "").map_or(ROUTER_AS, |found| found.value);
    let ip = peer.one_address("ip");
    if ip.is_none_or(|ip| ip.value.is_none()) && !peer.has("ip") {
        let message = format!("`{path}` has no `ip`, expected the router's address");
        peer.refuse(const { rule("missing-attribute") }, item.at, message, "add `ip = \"10.0.0.1\"`");
    }
    let ip = ip?;
    if ip.value.is_none() {
        let message = format!("`{path}.ip` is a placeholder, expected the router's address");
        peer.refuse(
            const { rule("bad-address") },
            ip.at,
            message,
            "leave `peers` out to speak to the gateway",
        );
    }
    Some(ip.with(BgpPeer { ip: ip.value?, asn }))
}

//! Reading `kubeMaster.bgp`.

use std::net::IpAddr;

use super::machine::is_true;
use super::read::{Placed, Section};
use super::rules::rule;
use super::{Bgp, BgpPeer};
use crate::inventory::{Data, Node, Origin};

const ATTRIBUTES: &[&str] = &["as", "peers", "holdTime", "keepalive", "bfd", "password"];

/// The masters' AS and the router's: two of the private ones (RFC 6996), so that sessions are external.
const MASTERS_AS: u32 = 64_513;
const ROUTER_AS: u32 = 64_512;

/// Seconds; nine is what kube-vip's own tests run with, a third of a router's usual thirty.
const HOLD_TIME: u16 = 9;

/// `kubeMaster.bgp` as it was read, before it is compared with the machines.
pub(super) struct BgpDraft {
    pub(super) peers: Vec<Placed<BgpPeer>>,
    /// Whether a peer, or the gateway that stands in for it, was written and could not be used, which is said already.
    pub(super) peer_refused: bool,
    /// Where the AS and the hold time were written.
    pub(super) asn_at: Option<Origin>,
    pub(super) hold_time_at: Option<Origin>,
    /// Everything but the peers.
    pub(super) settings: Bgp,
}

impl BgpDraft {
    /// What an endpoint without `bgp` gets: the gateway as the only peer.
    pub(super) fn missing(gateway: Option<Placed<IpAddr>>, gateway_refused: bool) -> Self {
        let peer = |gateway: &Placed<IpAddr>| gateway.with(BgpPeer { ip: gateway.value, asn: ROUTER_AS });
        Self {
            peers: gateway.iter().map(peer).collect(),
            peer_refused: gateway_refused,
            asn_at: None,
            hold_time_at: None,
            settings: Bgp {
                asn: MASTERS_AS,
                peers: Vec::new(),
                hold_time: HOLD_TIME,
                keepalive: HOLD_TIME / 3,
                bfd: false,
                password: false,
            },
        }
    }

    /// The set, with the default for whatever is absent or unusable.
    pub(super) fn read(
        mut section: Section<'_, '_>,
        gateway: Option<Placed<IpAddr>>,
        gateway_refused: bool,
    ) -> Self {
        section.refuse_unknown(ATTRIBUTES);
        let asn = section.number("as", 1..=u32::MAX, "");
        let (hold_time, hold_time_at) = hold_time(&mut section);
        let settings = Bgp {
            asn: asn.map_or(MASTERS_AS, |found| found.value),
            peers: Vec::new(),
            hold_time,
            keepalive: keepalive(&mut section, hold_time),
            bfd: is_true(section.flag("bfd")),
            password: password(&mut section),
        };
        let missing = Self::missing(gateway, gateway_refused);
        let (peers, peer_refused) =
            if section.has("peers") { peers(&mut section) } else { (missing.peers, missing.peer_refused) };
        Self { peers, peer_refused, asn_at: asn.and_then(|found| found.at), hold_time_at, settings }
    }

    /// What is left once everything is judged.
    pub(super) fn finish(&self) -> Bgp {
        let peers = self.peers.iter().map(|peer| peer.value.clone()).collect();
        Bgp { peers, ..self.settings.clone() }
    }
}

/// Source: RFC 4271 section 4.2: "either zero or at least three seconds".
fn hold_time(section: &mut Section<'_, '_>) -> (u16, Option<Origin>) {
    let Some(found) = section.number("holdTime", 0..=u16::MAX, " seconds") else { return (HOLD_TIME, None) };
    if !matches!(found.value, 1 | 2) {
        return (found.value, found.at);
    }
    let path = section.path_to("holdTime");
    let message = format!("`{path}` is {}, expected 0 or at least 3 seconds", found.value);
    let hint = "routers refuse a session with less";
    section.refuse(const { rule("out-of-range") }, found.at, message, hint);
    (HOLD_TIME, found.at)
}

/// Without one it is a third of the hold time, as RFC 4271 section 10 suggests.
fn keepalive(section: &mut Section<'_, '_>, hold_time: u16) -> u16 {
    let found = section.number("keepalive", 1..=u16::MAX, " seconds");
    if let Some(found) = found.filter(|found| hold_time != 0 && found.value >= hold_time) {
        let path = section.path_to("keepalive");
        let message = format!("`{path}` is {}, expected less than `holdTime`, {hold_time}", found.value);
        section.refuse(const { rule("out-of-range") }, found.at, message, "a third of `holdTime` is usual");
    }
    found.map_or((hold_time / 3).max(1), |found| found.value)
}

/// The peers that the set names, and whether one of them could not be used.
fn peers(section: &mut Section<'_, '_>) -> (Vec<Placed<BgpPeer>>, bool) {
    let Some(items) = section.items("peers") else { return (Vec::new(), true) };
    let read = items.iter().enumerate().filter_map(|(index, item)| peer(section, index, item));
    let peers: Vec<_> = read.collect();
    let refused = peers.len() < items.len();
    (peers, refused)
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

fn peer(section: &mut Section<'_, '_>, index: usize, item: &Placed<&Node>) -> Option<Placed<BgpPeer>> {
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

//! Reading `kubeMaster`.

use std::net::IpAddr;

use super::bgp::BgpDraft;
use super::machine::{INTERFACE, MachineDraft, is_interface};
use super::read::{Placed, Section, name_place, quoted, some};
use super::rules::rule;
use super::{APISERVER_PORT, Endpoint, VipMode};
use crate::fault::Fault;
use crate::inventory::{Attr, Origin};
use crate::names::is_domain;

/// The attributes of `kubeMaster`.
pub(super) const ATTRIBUTES: &[&str] =
    &["ip", "port", "name", "gateway", "mode", "bgp", "virtualRouterId", "interface"];

/// HAProxy's port in front of the API servers, whose own it cannot take on the same machine.
const FRONT_PORT: u16 = 8443;

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
    /// Where the set was written.
    pub(super) at: Option<Origin>,
    /// Whether there is a set at all.
    written: bool,
    /// Without placeholders.
    pub(super) ips: Vec<Placed<IpAddr>>,
    /// Whether an `ip` was written of which nothing could be used, which is said already.
    ip_refused: bool,
    pub(super) port: Placed<u16>,
    pub(super) name: Placed<String>,
    pub(super) gateway: Option<Placed<IpAddr>>,
    pub(super) mode: Placed<Mode>,
    pub(super) bgp: BgpDraft,
    virtual_router_id: u8,
    pub(super) interface: Option<String>,
}

impl EndpointDraft {
    /// What an inventory without `kubeMaster` gets: a master alone is its own endpoint. Several need an address that
    /// outlives each of them, which nobody can guess: that is `endpoint-missing`, said by [`Self::no_address`].
    pub(super) fn missing() -> Self {
        Self {
            at: None,
            written: false,
            ips: Vec::new(),
            ip_refused: false,
            port: Placed { value: APISERVER_PORT, at: None },
            name: Placed { value: "kubernetes".into(), at: None },
            gateway: None,
            mode: Placed { value: Mode::External, at: None },
            bgp: BgpDraft::missing(None, false),
            virtual_router_id: ROUTER_ID,
            interface: None,
        }
    }

    /// The set, with the default for whatever is absent or unusable.
    pub(super) fn read(attr: &Attr, faults: &mut Vec<Fault>) -> Self {
        let Some(mut section) = Section::open(attr, faults) else {
            return Self { at: name_place(attr), written: true, ip_refused: true, ..Self::missing() };
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
        let gateway_refused = gateway.is_none() && section.has("gateway");
        let bgp = match section.child("bgp") {
            Some(section) => BgpDraft::read(section, gateway, gateway_refused),
            None => BgpDraft::missing(gateway, gateway_refused),
        };
        Self {
            at,
            written: true,
            ips,
            ip_refused,
            port,
            name,
            gateway,
            mode,
            bgp,
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
                Mode::Bgp => VipMode::Bgp(self.bgp.finish()),
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
                faults.push(self.no_address(mode, masters));
                None
            }
        }
    }

    fn no_address(&self, mode: Mode, masters: &[&MachineDraft]) -> Fault {
        let names: Vec<_> = masters.iter().map(|master| master.name.as_str()).collect();
        let what = if self.written { "`kubeMaster` has no `ip`" } else { "there is no `kubeMaster`" };
        let whose = match mode {
            Mode::External => "the address at which they answer",
            _ => "the virtual IP that moves between them",
        };
        let message = format!("{what} for the masters {}, expected {whose}", some(&names));
        let hint = "add `kubeMaster = { ip = \"10.0.1.1\"; gateway = \"10.0.0.1\"; }` with an address that no machine has";
        let place = self.at.or_else(|| masters.last().and_then(|master| master.at));
        const { rule("endpoint-missing") }.fault(place, message).hint(hint)
    }
}

const MODES: &[(&str, Mode)] =
    &[("bgp", Mode::Bgp), ("arp", Mode::Arp), ("keepalived", Mode::Keepalived), ("external", Mode::External)];

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
        let hint = "\"kubernetes\" is the default: every machine resolves it to the virtual IP";
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

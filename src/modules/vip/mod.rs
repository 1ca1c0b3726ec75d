//! What brings the virtual IP to a living master: one file for each provider.

mod keepalived;
mod kube_vip;

use quorate_pki::cluster::{Machine, VipMode};

use super::Site;
use super::nix::Settings;

/// The API's own word on whether it is ready. It says no while it shuts down, which `/livez` does not.
const READY: &str = "/readyz";

/// What all masters have alike.
pub(super) fn shared(site: &Site<'_>) -> Settings {
    match site.cluster.endpoint().mode() {
        VipMode::Bgp(bgp) => kube_vip::shared(site, Some(bgp)),
        VipMode::Arp => kube_vip::shared(site, None),
        VipMode::Keepalived { .. } => keepalived::shared(site),
        VipMode::External => Settings::new(),
    }
}

/// What one master has of its own.
pub(super) fn own(site: &Site<'_>, machine: &Machine) -> Settings {
    match site.cluster.endpoint().mode() {
        VipMode::Bgp(bgp) => kube_vip::bgp(site, machine, bgp),
        VipMode::Arp => kube_vip::arp(site, machine),
        VipMode::Keepalived { virtual_router_id, interface } => {
            keepalived::own(site, machine, *virtual_router_id, interface.as_deref())
        }
        VipMode::External => Settings::new(),
    }
}

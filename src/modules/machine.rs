//! What is a machine's own, and what all machines have alike.

use quorate_pki::authority::{Authority, PURPOSES};
use quorate_pki::cluster::{Machine, VipMode};
use quorate_pki::kinds::KINDS;
use quorate_pki::layout::bundle_file;
use std::net::IpAddr;

use super::nix::{Nix, Settings, default, expr, strings};
use super::{Site, certificate_entry, etcd, keys, kubernetes, master, trust_entry, upkeep, vip};

/// What every machine has.
pub(super) fn common(site: &Site<'_>) -> Settings {
    let cluster = site.cluster;
    let endpoint = cluster.endpoint();
    let mut set = Settings::new();
    for ip in endpoint.ips() {
        set.set(&format!("networking.hosts.\"{ip}\""), strings([endpoint.name()]));
    }
    set.comment(
        "networking.firewall.checkReversePath",
        "What comes to the virtual IP, or by a second network, may go back another way.",
    );
    set.set("networking.firewall.checkReversePath", default("loose"));
    for purpose in [Authority::Root].into_iter().chain(PURPOSES) {
        let bundle = bundle_file(cluster.policy().ca.serving(purpose));
        let option = format!("environment.etc.\"{}\".source", trust_entry(purpose));
        set.set(&option, default(expr(format!("{}/{bundle}", site.certs))));
    }
    set.extend(keys::opening(site));
    set.extend(keys::wired(site, "all"));
    set.extend(upkeep::metrics());
    set
}

/// What is a machine's own.
pub(super) fn settings(site: &Site<'_>, machine: &Machine) -> Settings {
    let mut set = Settings::new();
    set.set("networking.hostName", default(machine.name()));
    set.set("nixpkgs.hostPlatform", default(machine.system()));
    if machine.etcd() {
        set.extend(etcd::member(machine));
    }
    if machine.master() {
        set.extend(master::own(machine));
    }
    if machine.kubernetes() {
        set.extend(kubernetes::node(site, machine));
    }
    if machine.master() {
        set.extend(vip::own(site, machine));
    }
    if machine.worker() {
        set.extend(route(site, machine));
    }
    let kinds = KINDS.iter().filter(|kind| kind.applies_to(machine) && (kind.needed)(site.cluster));
    for kind in kinds {
        let option = format!("environment.etc.\"{}\".source", certificate_entry(kind.name));
        let file = format!("{}/{}/{}.crt", site.certs, machine.name(), kind.name);
        set.set(&option, default(expr(file)));
    }
    set.extend(keys::of_machine(site, machine));
    set.extend(keys::wired(site, machine.name()));
    set
}

/// In BGP mode the virtual IP is behind the router, whatever the machine's default route is.
fn route(site: &Site<'_>, machine: &Machine) -> Settings {
    let mut set = Settings::new();
    let endpoint = site.cluster.endpoint();
    let (VipMode::Bgp(_), Some(gateway), Some(interface)) =
        (endpoint.mode(), endpoint.gateway(), machine.interface())
    else {
        return set;
    };
    for ip in endpoint.ips().iter().filter(|ip| ip.is_ipv4() == gateway.is_ipv4()) {
        let (family, length) = match ip {
            IpAddr::V4(_) => ("ipv4", 32_u16),
            IpAddr::V6(_) => ("ipv6", 128),
        };
        let mut route = Settings::new();
        route.set("address", ip.to_string());
        route.set("prefixLength", length);
        route.set("via", gateway.to_string());
        let option = format!("networking.interfaces.\"{interface}\".{family}.routes");
        set.comment(&option, "The virtual IP is behind the router.");
        set.set(&option, Nix::List(vec![Nix::Set(route)]));
    }
    set
}

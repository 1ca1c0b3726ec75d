//! The units of a machine, and the files that each of them reads. One table: who owns a key, which unit restarts when a
//! file changes, and which trust file a machine needs follow from it.

use quorate_pki::authority::Authority;
use quorate_pki::cluster::{Cluster, Cni, VipMode};
use quorate_pki::kinds::Kind;
use quorate_pki::layout::SERVICE_ACCOUNT_PUBLIC;
use quorate_pki::plan::Format;

use super::nix::{Nix, Settings, expr, strings};
use super::{Site, certificate_entry, keys, trust_entry};

/// A systemd unit that starts again when one of the files that it reads changes. etcd is none of them: it reads its
/// leaves at each handshake, and only a deploy knows when a member may be away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// Its name, without `.service`.
    pub(super) name: &'static str,
    /// Whether a cluster has it.
    pub(super) runs: fn(&Cluster) -> bool,
    /// The kinds of certificate whose file and key it reads.
    pub(super) kinds: &'static [&'static str],
    /// The other secrets that it reads.
    pub(super) secrets: &'static [&'static str],
    /// The trust files that it reads.
    pub(super) trust: &'static [Authority],
    /// Other public files that it reads.
    pub(super) public: &'static [&'static str],
}

const fn always(_: &Cluster) -> bool {
    true
}

/// Every unit, in the order in which a machine needs them.
pub(super) const UNITS: &[Unit] = &[
    Unit {
        name: "kube-apiserver",
        runs: always,
        kinds: &["apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client"],
        secrets: &["service-account", "encryption-config"],
        trust: &[Authority::Kubernetes, Authority::Etcd, Authority::FrontProxy],
        public: &[SERVICE_ACCOUNT_PUBLIC],
    },
    Unit {
        name: "kube-controller-manager",
        runs: always,
        kinds: &["controller-manager"],
        secrets: &["service-account"],
        trust: &[Authority::Root],
        public: &[],
    },
    Unit {
        name: "kube-scheduler",
        runs: always,
        kinds: &["scheduler"],
        secrets: &[],
        trust: &[Authority::Root],
        public: &[],
    },
    Unit {
        name: KUBE_VIP,
        runs: |cluster| matches!(cluster.endpoint().mode(), VipMode::Bgp(_) | VipMode::Arp),
        kinds: &["kube-vip"],
        secrets: &["bgp-password"],
        trust: &[Authority::Root],
        public: &[],
    },
    Unit {
        name: VRRP,
        runs: |cluster| matches!(cluster.endpoint().mode(), VipMode::Keepalived { .. }),
        kinds: &[],
        secrets: &["vrrp-password"],
        trust: &[],
        public: &[],
    },
    Unit {
        name: "haproxy",
        runs: |cluster| matches!(cluster.endpoint().mode(), VipMode::Keepalived { .. }),
        kinds: &[],
        secrets: &[],
        trust: &[Authority::Root],
        public: &[],
    },
    Unit {
        name: "kubelet",
        runs: always,
        kinds: &["kubelet-client", "kubelet-server"],
        secrets: &[],
        trust: &[Authority::Root, Authority::Kubernetes],
        public: &[],
    },
    Unit {
        name: "kube-proxy",
        runs: always,
        kinds: &["kube-proxy"],
        secrets: &[],
        trust: &[Authority::Root],
        public: &[],
    },
    Unit {
        name: "flannel",
        runs: |cluster| cluster.cni() == Cni::Flannel,
        kinds: &["flannel"],
        secrets: &[],
        trust: &[Authority::Root],
        public: &[],
    },
];

/// The unit that renders what kube-vip's pod reads.
pub(super) const KUBE_VIP: &str = "quorate-kube-vip";
/// The unit that renders keepalived's password.
pub(super) const VRRP: &str = "quorate-vrrp";

/// The unit in which secrets are opened where that is not done on activation: systems whose users systemd makes.
/// Nothing waits where it is not.
const fn opening(format: Format) -> &'static str {
    match format {
        Format::Sops => "sops-install-secrets.service",
        Format::Age => "agenix-install-secrets.service",
    }
}

/// The units, as systemd names them, that start again when a secret of that name changes.
pub(super) fn restarted_by(cluster: &Cluster, name: &str) -> Vec<String> {
    let reads =
        |unit: &&Unit| (unit.runs)(cluster) && (unit.kinds.contains(&name) || unit.secrets.contains(&name));
    UNITS.iter().filter(reads).map(|unit| format!("{}.service", unit.name)).collect()
}

/// The units wait for the secrets, and start again when a file that they read changes.
pub(super) fn settings(site: &Site<'_>, names: &[&str]) -> Settings {
    let mut set = waits(site, names);
    for unit in UNITS.iter().filter(|unit| names.contains(&unit.name)) {
        let triggers = triggers(site, unit);
        if !triggers.is_empty() {
            set.set(&format!("systemd.services.{}.restartTriggers", unit.name), Nix::List(triggers));
        }
    }
    set
}

/// The units start after the secrets are there.
pub(super) fn waits(site: &Site<'_>, names: &[&str]) -> Settings {
    let mut set = Settings::new();
    for name in names {
        set.set(&format!("systemd.services.{name}.after"), strings([opening(site.format)]));
        set.set(&format!("systemd.services.{name}.wants"), strings([opening(site.format)]));
    }
    set
}

/// The files of a unit, as the expressions that name them. sops-nix restarts units by itself when a secret changes;
/// agenix does not, so that its sealed files are named as well.
fn triggers(site: &Site<'_>, unit: &Unit) -> Vec<Nix> {
    let kinds = || unit.kinds.iter().filter(|name| needed(site.cluster, name));
    let entry = |entry: String| expr(format!("config.environment.etc.\"{entry}\".source"));
    let certificates = kinds().map(|kind| entry(certificate_entry(kind)));
    let trust = unit.trust.iter().map(|purpose| entry(trust_entry(*purpose)));
    let public = unit.public.iter().map(|name| entry(format!("quorate/pki/{name}")));
    let sealed = kinds().chain(unit.secrets).filter(|name| {
        site.format == Format::Age && (needed(site.cluster, name) || keys::is_wired(site.cluster, name))
    });
    let sealed = sealed.map(|name| expr(format!("config.age.secrets.\"quorate/{name}\".file")));
    certificates.chain(trust).chain(public).chain(sealed).collect()
}

/// Whether a kind of that name is one, and this cluster has it.
fn needed(cluster: &Cluster, name: &str) -> bool {
    Kind::named(name).is_some_and(|kind| (kind.needed)(cluster))
}

//! etcd: stacked on the masters, or on machines of its own.

use quorate_pki::authority::Authority;
use quorate_pki::cluster::{CaMode, Machine};
use quorate_pki::kinds::Scope;
use quorate_pki::san;

use super::nix::{Nix, Settings, default, lines, strings};
use super::{Site, certificate, firewall, host, keys, trust, units, upkeep};

/// Where etcd answers clients. Source: kubernetes.io, "Ports and Protocols".
pub(super) const CLIENT_PORT: u16 = 2379;
/// Where etcd answers its peers. Source: the same.
pub(super) const PEER_PORT: u16 = 2380;
/// Metrics and health without TLS, on loopback alone; the port that kubeadm gives them.
const METRICS: &str = "http://127.0.0.1:2381";

/// Settings that etcd has as environment and NixOS has no option for.
///
/// Sources: etcd, "Configuration options" and "Maintenance"; Talos sets the same features.
const CONF: &[(&str, &str)] = &[
    ("AUTO_COMPACTION_MODE", "periodic"),
    ("AUTO_COMPACTION_RETENTION", "8h"),
    // The feature gates of 3.6; an older etcd warns of a variable that it does not know, and goes on.
    ("FEATURE_GATES", "InitialCorruptCheck=true,CompactHashCheck=true"),
    ("LISTEN_METRICS_URLS", METRICS),
    // Eight gibibytes: the most that etcd's documentation suggests.
    ("QUOTA_BACKEND_BYTES", "8589934592"),
    ("TLS_MIN_VERSION", "TLS1.3"),
    ("WATCH_PROGRESS_NOTIFY_INTERVAL", "5s"),
];

/// What every member has.
pub(super) fn settings(site: &Site<'_>) -> Settings {
    let cluster = site.cluster;
    let mut set = Settings::new();
    set.set("services.etcd.enable", default(true));
    set.set("services.etcd.clientCertAuth", default(true));
    set.set("services.etcd.peerClientCertAuth", default(true));
    set.set("services.etcd.certFile", default(certificate("etcd-server")));
    set.set("services.etcd.keyFile", default(keys::path(site, "etcd-server")));
    set.set("services.etcd.trustedCaFile", default(trust(Authority::Etcd)));
    set.set("services.etcd.peerCertFile", default(certificate("etcd-peer")));
    set.set("services.etcd.peerKeyFile", default(keys::path(site, "etcd-peer")));
    set.set("services.etcd.peerTrustedCaFile", default(trust(Authority::Etcd)));
    set.comment(
        "services.etcd.initialCluster",
        "Who founds or joins is decided at the start of the unit, below: here it would change with machines.nix.",
    );
    set.set("services.etcd.initialCluster", default(Nix::List(Vec::new())));
    set.set("services.etcd.initialClusterState", default("existing"));
    for (name, value) in CONF {
        set.set(&format!("services.etcd.extraConf.{name}"), default(*value));
    }
    let conf = |name: &str| format!("services.etcd.extraConf.{name}");
    set.comment(
        &conf("PEER_CERT_ALLOWED_HOSTNAME"),
        "One name that every peer's certificate bears; never a list, which older releases take for one name.",
    );
    set.set(&conf("PEER_CERT_ALLOWED_HOSTNAME"), default(san::etcd_peer_name(cluster)));
    if cluster.policy().ca == CaMode::Single {
        set.comment(
            &conf("CLIENT_CERT_ALLOWED_HOSTNAME"),
            "One authority signs everything: only who bears this name is a client. The gateway would be none.",
        );
        set.set(&conf("CLIENT_CERT_ALLOWED_HOSTNAME"), default(san::etcd_client_name(cluster)));
        set.set(&conf("ENABLE_GRPC_GATEWAY"), default("false"));
    }
    unit(&mut set);
    set.extend(keys::of_scope(site, Scope::EtcdMember));
    set.extend(units::waits(site, &["etcd"]));
    set.extend(firewall::settings(&firewall::etcd(cluster)));
    set.extend(upkeep::backup(site));
    set
}

/// The unit: decides how it starts, and never starts anew on a switch.
fn unit(set: &mut Settings) {
    let unit = |option: &str| format!("systemd.services.etcd.{option}");
    set.comment(
        &unit("restartIfChanged"),
        "Only a deploy knows when a member may be away: no switch restarts etcd.",
    );
    set.set(&unit("restartIfChanged"), false);
    set.set(&unit("preStart"), lines(include_str!("scripts/etcd-before.sh")));
    set.set(&unit("postStart"), lines(include_str!("scripts/etcd-after.sh")));
    set.comment(&unit("serviceConfig.EnvironmentFile"), "Written by preStart; what it says wins.");
    set.set(&unit("serviceConfig.EnvironmentFile"), strings(["-/run/quorate-etcd/start.env"]));
    set.set(&unit("serviceConfig.RuntimeDirectory"), "quorate-etcd");
    set.set(&unit("serviceConfig.RuntimeDirectoryMode"), "0700");
    set.set(&unit("serviceConfig.StateDirectory"), "quorate-etcd");
    set.set(&unit("serviceConfig.StateDirectoryMode"), "0700");
    set.comment(
        &unit("serviceConfig.TimeoutStartSec"),
        "It is ready when there is a quorum: the first member waits for the second.",
    );
    set.set(&unit("serviceConfig.TimeoutStartSec"), default("15min"));
}

/// What one member has of its own.
pub(super) fn member(machine: &Machine) -> Settings {
    let mut set = Settings::new();
    let Some(ip) = machine.ip() else { return set };
    let url = |host: &str, port: u16| format!("https://{host}:{port}");
    let ip = host(ip);
    set.set("services.etcd.name", default(machine.name()));
    let clients = [url(&ip, CLIENT_PORT), url("127.0.0.1", CLIENT_PORT)];
    set.set("services.etcd.listenClientUrls", default(strings(clients)));
    set.set("services.etcd.listenPeerUrls", default(strings([url(&ip, PEER_PORT)])));
    set.set("services.etcd.advertiseClientUrls", default(strings([url(&ip, CLIENT_PORT)])));
    set.set("services.etcd.initialAdvertisePeerUrls", default(strings([url(&ip, PEER_PORT)])));
    set
}

/// Every member's client URL.
pub(super) fn client_urls(site: &Site<'_>) -> Vec<String> {
    let ips = site.cluster.etcd_members().filter_map(Machine::ip);
    ips.map(|ip| format!("https://{}:{CLIENT_PORT}", host(ip))).collect()
}

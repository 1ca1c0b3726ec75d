//! kube-vip as a static pod: it announces the virtual IP by BGP from every master whose API server is ready, or answers
//! ARP for it from an elected one.
//!
//! Sources: kube-vip v1.2.3, `pkg/kubevip/config_envvar.go` (the variables), `pkg/manager/manager.go` (which kubeconfig
//! it takes), `pkg/kubevip/config_bgp.go` (the form of a peer).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use quorate_pki::authority::Authority;
use quorate_pki::cluster::{Bgp, BgpPeer, Machine};

use super::super::nix::{Nix, Settings, default, expr, lines, strings};
use super::super::units::{self, KUBE_VIP};
use super::super::{Site, certificate, host, keys, trust};
use super::READY;
use crate::router::{BFD_INTERVAL, BFD_MULTIPLIER};

/// By tag: no digest of it is published where it could be cited. 1.2.0 has the health check, without which a dead API
/// server keeps its route; 1.2.2 takes an explicit kubeconfig, and knows BFD.
const IMAGE: &str = "ghcr.io/kube-vip/kube-vip:v1.2.3";

/// Where the pod sees the folder of its files.
const INSIDE: &str = "/etc/kube-vip";
/// The folder on the machine: in memory, since there may be a password in it.
const FOLDER: &str = "/run/quorate/kube-vip";

/// Seconds between two looks at the API server, seconds that one may take, and how many in a row decide.
const HEALTH: [(&str, &str); 3] =
    [("period_seconds", "2"), ("timeout_seconds", "2"), ("failure_threshold", "3")];

/// Seconds of the lease by which a master holds the address: kube-vip's generator has 15, 10 and 2, which is how long
/// the API would be away.
const LEASE: [(&str, &str); 3] =
    [("vip_leaseduration", "5"), ("vip_renewdeadline", "3"), ("vip_retryperiod", "1")];

/// What all masters have alike: the files that the pod reads, made at runtime.
pub(super) fn shared(site: &Site<'_>, bgp: Option<&Bgp>) -> Settings {
    let mut set = units::settings(site, &[KUBE_VIP]);
    let unit = |option: &str| format!("systemd.services.{KUBE_VIP}.{option}");
    set.set(&unit("description"), "What kube-vip reads");
    set.set(&unit("wantedBy"), strings(["kubelet.service"]));
    set.set(&unit("before"), strings(["kubelet.service"]));
    set.set(&unit("path"), Nix::List(vec![expr("pkgs.diffutils"), expr("pkgs.procps")]));
    set.set(&unit("script"), lines(&script(site, bgp)));
    for (name, value) in [
        ("Type", Nix::from("oneshot")),
        ("RemainAfterExit", Nix::from(true)),
        ("Restart", Nix::from("on-failure")),
        ("RestartSec", Nix::from("10s")),
        ("RuntimeDirectory", Nix::from("quorate/kube-vip")),
        ("RuntimeDirectoryMode", Nix::from("0700")),
        ("RuntimeDirectoryPreserve", Nix::from(true)),
    ] {
        set.set(&unit(&format!("serviceConfig.{name}")), value);
    }
    set
}

/// `render`, and what is done with what it made.
fn script(site: &Site<'_>, bgp: Option<&Bgp>) -> String {
    let mut text = format!("render() {{\n  cp {} \"$1/ca.crt\"\n", trust(Authority::Root));
    if bgp.is_none() {
        let _ = writeln!(text, "  cp {} \"$1/client.crt\"", certificate("kube-vip"));
        let _ = writeln!(text, "  cp {} \"$1/client.key\"", keys::path(site, "kube-vip"));
    }
    let _ = write!(text, "  cat >\"$1/kubeconfig\" <<'END'\n{}END\n", kubeconfig(site, bgp.is_none()));
    if let Some(bgp) = bgp.filter(|bgp| bgp.password) {
        let _ = write!(
            text,
            "  password=$(<{})\n  cat >\"$1/peers.json\" <<END\n{}END\n",
            keys::path(site, "bgp-password"),
            peers_file(bgp)
        );
    }
    text.push_str("}\n\n");
    text.push_str(include_str!("../scripts/kube-vip.sh"));
    text
}

/// The API server beside it. For BGP nobody logs in: kube-vip makes a client and asks it nothing.
fn kubeconfig(site: &Site<'_>, logs_in: bool) -> String {
    let server = local(site);
    let mut text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: local\n  cluster:\n    server: {server}\n    \
         certificate-authority: {INSIDE}/ca.crt\n"
    );
    if logs_in {
        let _ = write!(
            text,
            "users:\n- name: kube-vip\n  user:\n    client-certificate: {INSIDE}/client.crt\n    client-key: \
             {INSIDE}/client.key\n"
        );
    }
    let user = if logs_in { "\n    user: kube-vip" } else { "" };
    let _ = write!(
        text,
        "contexts:\n- name: local\n  context:\n    cluster: local{user}\ncurrent-context: local\n"
    );
    text
}

fn local(site: &Site<'_>) -> String {
    format!("https://127.0.0.1:{}", site.cluster.apiserver_port())
}

/// The peers with their password, which the shell puts in. The field names are those of kube-vip's `BGPPeer`.
fn peers_file(bgp: &Bgp) -> String {
    let peers: Vec<String> = bgp
        .peers
        .iter()
        .map(|peer| {
            let bfd = if bgp.bfd {
                format!(
                    ", \"BFDEnabled\": true, \"BFDReceiveInterval\": {BFD_INTERVAL}, \"BFDTransmitInterval\": \
                     {BFD_INTERVAL}, \"BFDDetectMultiplier\": {BFD_MULTIPLIER}"
                )
            } else {
                String::new()
            };
            let BgpPeer { ip, asn } = peer;
            format!("{{ \"Address\": \"{ip}\", \"AS\": {asn}, \"Password\": \"$password\"{bfd} }}")
        })
        .collect();
    format!("{{ \"BGPConfig\": {{ \"Peers\": [\n{}\n] }} }}\n", peers.join(",\n"))
}

/// `address:AS:password:multihop:port:mpbgp:bfd`, the last three only where the last is asked for.
fn peer(bgp: &Bgp, peer: &BgpPeer) -> String {
    let bfd = format!(":::true;{BFD_INTERVAL};{BFD_INTERVAL};{BFD_MULTIPLIER}");
    let bfd = if bgp.bfd { bfd } else { String::new() };
    format!("{}:{}::false{bfd}", host(peer.ip), peer.asn)
}

/// The pod of one master that announces by BGP.
pub(super) fn bgp(site: &Site<'_>, machine: &Machine, bgp: &Bgp) -> Settings {
    let mut env = common(site, machine);
    env.extend([
        ("vip_arp", "false".to_owned()),
        ("vip_leaderelection", "false".to_owned()),
        ("vip_interface", "lo".to_owned()),
        ("bgp_enable", "true".to_owned()),
        ("bgp_as", bgp.asn.to_string()),
        ("bgp_routerid", router_id(machine).to_string()),
    ]);
    if let Some(ip) = machine.ip().filter(|ip| bgp.peers.iter().all(|peer| peer.ip.is_ipv4() == ip.is_ipv4()))
    {
        env.push(("bgp_sourceip", ip.to_string()));
    }
    if !bgp.password {
        let peers: Vec<String> = bgp.peers.iter().map(|of| peer(bgp, of)).collect();
        env.push(("bgp_peers", peers.join(",")));
    }
    env.extend([
        ("bgp_hold_time", bgp.hold_time.to_string()),
        ("bgp_keepalive_interval", bgp.keepalive.to_string()),
    ]);
    let health = |what: &str| format!("control_plane_health_check_{what}");
    let mut env: Vec<(String, String)> =
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    env.push((health("address"), format!("{}{READY}", local(site))));
    env.extend(HEALTH.map(|(what, value)| (health(what), value.to_owned())));
    env.push((health("ca_path"), format!("{INSIDE}/ca.crt")));
    pod(&env, bgp.password)
}

/// The pod of one master that may be elected to answer ARP.
pub(super) fn arp(site: &Site<'_>, machine: &Machine) -> Settings {
    let mut env = common(site, machine);
    env.extend([
        ("vip_arp", "true".to_owned()),
        ("vip_interface", machine.interface().unwrap_or_default().to_owned()),
        ("vip_leaderelection", "true".to_owned()),
        ("vip_leasename", "plndr-cp-lock".to_owned()),
    ]);
    env.extend(LEASE.map(|(name, value)| (name, value.to_owned())));
    let env: Vec<(String, String)> = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    pod(&env, false)
}

/// What both ways have: the control plane's address and nothing of Services.
fn common(site: &Site<'_>, machine: &Machine) -> Vec<(&'static str, String)> {
    let endpoint = site.cluster.endpoint();
    let addresses: Vec<String> = endpoint.ips().iter().map(ToString::to_string).collect();
    let mut lengths: Vec<&str> =
        endpoint.ips().iter().map(|ip| if ip.is_ipv4() { "32" } else { "128" }).collect();
    lengths.dedup();
    vec![
        ("address", addresses.join(",")),
        ("port", endpoint.port().to_string()),
        ("vip_subnet", lengths.join(",")),
        ("vip_nodename", machine.name().to_owned()),
        ("cp_enable", "true".to_owned()),
        ("cp_namespace", "kube-system".to_owned()),
        ("svc_enable", "false".to_owned()),
        ("k8s_config_file", format!("{INSIDE}/kubeconfig")),
        ("kubernetes_addr", local(site)),
    ]
}

/// BGP's name of a speaker, an IPv4 address as a rule. A machine without one has a number that follows from its name
/// (RFC 6286 asks for no more than that it is unique within an AS, and not zero).
fn router_id(machine: &Machine) -> Ipv4Addr {
    let own = machine.ips().iter().find_map(|ip| match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    });
    own.unwrap_or_else(|| {
        // FNV-1a.
        let hash = machine
            .name()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Ipv4Addr::from(hash.max(1))
    })
}

/// The static pod. `manifests.<name>` is one value to NixOS, which merges nothing within it.
fn pod(env: &[(String, String)], peers_file: bool) -> Settings {
    let mut variables = Settings::new();
    for (name, value) in env {
        variables.set(name, value.as_str());
    }
    let mut args = vec!["manager", "--prometheusHTTPServer="];
    if peers_file {
        args.push("--config-file=/etc/kube-vip/peers.json");
    }
    let mut container = Settings::new();
    container.set("name", "kube-vip");
    container.set("image", IMAGE);
    container.set("imagePullPolicy", "IfNotPresent");
    container.set("args", strings(args));
    container.set("env", Nix::Apply("lib.mapAttrsToList lib.nameValuePair", Box::new(Nix::Set(variables))));
    container.set("securityContext.capabilities.add", strings(["NET_ADMIN", "NET_RAW"]));
    container.set("securityContext.capabilities.drop", strings(["ALL"]));
    let mut mount = Settings::new();
    mount.set("name", "files");
    mount.set("mountPath", INSIDE);
    mount.set("readOnly", true);
    container.set("volumeMounts", Nix::List(vec![Nix::Set(mount)]));
    let mut volume = Settings::new();
    volume.set("name", "files");
    volume.set("hostPath.path", FOLDER);
    volume.set("hostPath.type", "Directory");

    let mut pod = Settings::new();
    pod.set("apiVersion", "v1");
    pod.set("kind", "Pod");
    pod.set("metadata.name", "kube-vip");
    pod.set("metadata.namespace", "kube-system");
    pod.set("spec.hostNetwork", true);
    pod.set("spec.priorityClassName", "system-node-critical");
    pod.set("spec.containers", Nix::List(vec![Nix::Set(container)]));
    pod.set("spec.volumes", Nix::List(vec![Nix::Set(volume)]));
    let mut set = Settings::new();
    set.set("services.kubernetes.kubelet.manifests.kube-vip", default(pod));
    set
}

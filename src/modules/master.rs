//! What every master has: API server, controller manager and scheduler, each speaking to the API server beside it.

use ipnet::IpNet;
use quorate_pki::authority::Authority;
use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::kinds::Scope;
use quorate_pki::layout::SERVICE_ACCOUNT_PUBLIC;

use super::nix::{Nix, Settings, default, expr, strings};
use super::{Site, certificate, etcd, firewall, keys, kubernetes, trust, units, vip};

/// Where the components of a master reach the API: beside them, so that they live and die with it and with no other.
const LOCAL: &str = "127.0.0.1";

/// The ports that kubeadm gives to metrics and health, on loopback. Source: kubernetes.io, "Ports and Protocols".
const CONTROLLER_MANAGER_PORT: u16 = 10257;
const SCHEDULER_PORT: u16 = 10259;

/// How long an API server that is told to stop still answers, while `/readyz` already says that it will not: kube-vip
/// and HAProxy look every two seconds and believe the third answer.
const SHUTDOWN_DELAY: &str = "10s";

/// The taint of machines that are for the control plane. Source: kubernetes.io, "Well-Known Labels, Annotations and
/// Taints".
const TAINT: &str = "node-role.kubernetes.io/control-plane";

/// Settings of all of them.
pub(super) fn settings(site: &Site<'_>) -> Settings {
    let cluster = site.cluster;
    let mut set = Settings::new();
    let k8s = |option: &str| format!("services.kubernetes.{option}");
    set.comment(&k8s("apiserverAddress"), "A master's own components never depend on the virtual IP.");
    let local = format!("https://{LOCAL}:{}", cluster.apiserver_port());
    set.set(&k8s("apiserverAddress"), default(local));
    apiserver(site, &mut set);
    controller_manager(site, &mut set);
    set.set(&k8s("scheduler.enable"), default(true));
    set.set(&k8s("scheduler.port"), default(SCHEDULER_PORT));
    set.extend(kubernetes::kubeconfig(site, "scheduler", "scheduler"));
    if cluster.workers().next().is_some() {
        let taint = |option: &str| k8s(&format!("kubelet.taints.control-plane.{option}"));
        set.set(&taint("key"), default(TAINT));
        set.set(&taint("value"), default(""));
        set.set(&taint("effect"), default("NoSchedule"));
    }
    set.extend(keys::of_scope(site, Scope::Master));
    let public = format!("{}/{SERVICE_ACCOUNT_PUBLIC}", site.certs);
    set.set(
        &format!("environment.etc.\"quorate/pki/{SERVICE_ACCOUNT_PUBLIC}\".source"),
        default(expr(public)),
    );
    set.extend(units::settings(site, &["kube-apiserver", "kube-controller-manager", "kube-scheduler"]));
    set.extend(firewall::settings(&firewall::master(cluster)));
    set.extend(keys::wired(site, "masters"));
    set.extend(vip::shared(site));
    set
}

fn apiserver(site: &Site<'_>, set: &mut Settings) {
    let cluster = site.cluster;
    let api = |option: &str| format!("services.kubernetes.apiserver.{option}");
    let services: Vec<String> = cluster.networks().service.iter().map(ToString::to_string).collect();
    set.set(&api("enable"), default(true));
    set.set(&api("securePort"), default(cluster.apiserver_port()));
    if cluster.machines().iter().any(|machine| machine.ips().iter().any(std::net::IpAddr::is_ipv6)) {
        set.set(&api("bindAddress"), default("::"));
    }
    set.set(&api("allowPrivileged"), default(true));
    set.set(&api("authorizationMode"), default(strings(["Node", "RBAC"])));
    set.set(&api("serviceClusterIpRange"), default(services.join(",")));
    set.set(&api("preferredAddressTypes"), default("InternalIP,Hostname"));
    set.set(&api("tlsCertFile"), default(certificate("apiserver")));
    set.set(&api("tlsKeyFile"), default(keys::path(site, "apiserver")));
    set.set(&api("clientCaFile"), default(trust(Authority::Kubernetes)));
    set.set(&api("kubeletClientCaFile"), default(trust(Authority::Kubernetes)));
    set.set(&api("kubeletClientCertFile"), default(certificate("apiserver-kubelet-client")));
    set.set(&api("kubeletClientKeyFile"), default(keys::path(site, "apiserver-kubelet-client")));
    set.set(&api("proxyClientCertFile"), default(certificate("front-proxy-client")));
    set.set(&api("proxyClientKeyFile"), default(keys::path(site, "front-proxy-client")));
    set.set(&api("serviceAccountKeyFile"), default(format!("/etc/quorate/pki/{SERVICE_ACCOUNT_PUBLIC}")));
    set.set(&api("serviceAccountSigningKeyFile"), default(keys::path(site, "service-account")));
    set.comment(&api("etcd.servers"), "All of them: an API server outlives the member beside it.");
    set.set(&api("etcd.servers"), default(strings(etcd::client_urls(site))));
    set.set(&api("etcd.caFile"), default(trust(Authority::Etcd)));
    set.set(&api("etcd.certFile"), default(certificate("apiserver-etcd-client")));
    set.set(&api("etcd.keyFile"), default(keys::path(site, "apiserver-etcd-client")));
    set.comment(&api("extraOpts"), "What NixOS has no option for. A user's own are added to these.");
    let options = strings(extra(site));
    set.set(&api("extraOpts"), Nix::Apply("lib.concatStringsSep \" \"", Box::new(options)));
}

/// Source: kubernetes.io, "Configure the Aggregation Layer", "Encrypting Confidential Data at Rest", and
/// "kube-apiserver" for the delay.
fn extra(site: &Site<'_>) -> [String; 7] {
    [
        format!("--requestheader-client-ca-file={}", trust(Authority::FrontProxy)),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--encryption-provider-config={}", keys::path(site, "encryption-config")),
        format!("--shutdown-delay-duration={SHUTDOWN_DELAY}"),
    ]
}

fn controller_manager(site: &Site<'_>, set: &mut Settings) {
    let manager = |option: &str| format!("services.kubernetes.controllerManager.{option}");
    set.set(&manager("enable"), default(true));
    set.set(&manager("securePort"), default(CONTROLLER_MANAGER_PORT));
    set.set(&manager("rootCaFile"), default(trust(Authority::Root)));
    set.set(&manager("serviceAccountKeyFile"), default(keys::path(site, "service-account")));
    set.extend(kubernetes::kubeconfig(site, "controllerManager", "controller-manager"));
    if let Some(size) = ipv6_node_range(site.cluster) {
        set.set(&manager("extraOpts"), format!("--node-cidr-mask-size-ipv6={size}"));
    }
}

/// How long the prefix of one node's pods is in IPv6: /64 where the whole range allows that, and at most 16 bits longer
/// than it. Source: kubernetes `pkg/controller/nodeipam/ipam/cidrset`, `clusterSubnetMaxDiff`.
fn ipv6_node_range(cluster: &Cluster) -> Option<u8> {
    const LONGEST: u8 = 16;
    const USUAL: u8 = 64;
    let pods = cluster.networks().pod.iter().find(|range| matches!(range, IpNet::V6(_)))?;
    let whole = pods.prefix_len();
    let usual = (USUAL.saturating_sub(LONGEST)..USUAL).contains(&whole);
    Some(if usual { USUAL } else { whole.saturating_add(LONGEST).min(124) })
}

/// What one master has of its own.
pub(super) fn own(machine: &Machine) -> Settings {
    let mut set = Settings::new();
    if let Some(ip) = machine.ip() {
        let ip = ip.to_string();
        set.set("services.kubernetes.masterAddress", default(ip.as_str()));
        set.set("services.kubernetes.apiserver.advertiseAddress", default(ip.as_str()));
    }
    set
}

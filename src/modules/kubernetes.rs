//! What every machine with a kubelet has: kubelet, kube-proxy, the network between pods, containerd.

use std::net::IpAddr;

use ipnet::IpNet;
use quorate_pki::authority::Authority;
use quorate_pki::cluster::{Cni, Machine};
use quorate_pki::kinds::Scope;

use super::nix::{Nix, Settings, default, expr, lines, strings};
use super::{Site, certificate, firewall, keys, trust, units};

/// The image that holds a pod's namespaces, by the name under which containerd stores what NixOS imports. By its short
/// name it is not seen as in use, and goes with the garbage (nixpkgs#470971).
const PAUSE: &str = "docker.io/library/pause:latest";

/// Settings of all of them.
pub(super) fn settings(site: &Site<'_>) -> Settings {
    let cluster = site.cluster;
    let dns = cluster.networks().dns_service_ip().to_string();
    let mut set = Settings::new();
    let k8s = |option: &str| format!("services.kubernetes.{option}");
    set.comment(
        &k8s("easyCerts"),
        "Certificates come from certs/. What nixpkgs leaves out without its own is set here and in addons.yaml.",
    );
    set.set(&k8s("easyCerts"), default(false));
    set.set(&k8s("pki.enable"), default(false));
    set.set(&k8s("addonManager.enable"), default(false));
    set.set(&k8s("addons.dns.enable"), default(false));
    set.set(&k8s("addons.dns.clusterIp"), default(dns.as_str()));
    set.set(&k8s("addons.dns.clusterDomain"), default(cluster.domain()));
    let pods: Vec<String> = cluster.networks().pod.iter().map(ToString::to_string).collect();
    set.set(&k8s("clusterCidr"), default(pods.join(",")));
    set.set(&k8s("kubelet.enable"), default(true));
    set.set(&k8s("kubelet.clusterDns"), default(strings([dns.as_str()])));
    set.set(&k8s("kubelet.clusterDomain"), default(cluster.domain()));
    set.set(&k8s("kubelet.clientCaFile"), default(trust(Authority::Kubernetes)));
    set.set(&k8s("kubelet.tlsCertFile"), default(certificate("kubelet-server")));
    set.set(&k8s("kubelet.tlsKeyFile"), default(keys::path(site, "kubelet-server")));
    set.comment(&k8s("kubelet.unschedulable"), "Without roles nixpkgs would let no pod onto any machine.");
    set.set(&k8s("kubelet.unschedulable"), default(false));
    set.comment(
        &k8s("kubelet.extraConfig.resolvConf"),
        "Where systemd answers names, pods ask whom it asks: itself would be a loop.",
    );
    set.set(
        &k8s("kubelet.extraConfig.resolvConf"),
        Nix::If("config.services.resolved.enable", Box::new(default("/run/systemd/resolve/resolv.conf"))),
    );
    set.set(&k8s("proxy.enable"), default(true));
    if cluster.machines().iter().any(|machine| machine.ips().iter().any(IpAddr::is_ipv6)) {
        set.set(&k8s("kubelet.address"), default("::"));
        set.set(&k8s("proxy.bindAddress"), default("::"));
    }
    if cluster.networks().pod.iter().any(|range| matches!(range, IpNet::V6(_))) {
        let sysctl = |name: &str| format!("boot.kernel.sysctl.\"net.ipv6.conf.{name}\"");
        set.comment(&sysctl("all.forwarding"), "NixOS' kubelet lets IPv4 pass alone.");
        set.set(&sysctl("all.forwarding"), default(1_u16));
        set.comment(&sysctl("default.accept_ra"), "Who forwards would not hear of a router any more.");
        set.set(&sysctl("default.accept_ra"), default(2_u16));
    }
    for (component, kind) in [("kubelet", "kubelet-client"), ("proxy", "kube-proxy")] {
        set.extend(kubeconfig(site, component, kind));
    }
    network(site, &mut set);
    set.set(
        "virtualisation.containerd.settings.plugins.\"io.containerd.grpc.v1.cri\".sandbox_image",
        default(PAUSE),
    );
    set.extend(keys::of_scope(site, Scope::Kubernetes));
    set.extend(units::settings(site, &["kubelet", "kube-proxy"]));
    set.extend(firewall::settings(&firewall::kubernetes(cluster)));
    set
}

/// How a component logs in to the API: its certificate, and the root as the one it trusts.
pub(super) fn kubeconfig(site: &Site<'_>, component: &str, kind: &str) -> Settings {
    let mut set = Settings::new();
    let option = |option: &str| format!("services.kubernetes.{component}.kubeconfig.{option}");
    set.set(&option("caFile"), default(trust(Authority::Root)));
    set.set(&option("certFile"), default(certificate(kind)));
    set.set(&option("keyFile"), default(keys::path(site, kind)));
    set
}

/// The network between pods: flannel, or nothing where somebody brings another.
fn network(site: &Site<'_>, set: &mut Settings) {
    if site.cluster.cni() == Cni::None {
        set.set("services.kubernetes.flannel.enable", default(false));
        set.comment(
            "environment.etc.\"cni/net.d\".enable",
            "Whoever connects the pods writes here, and NixOS has nothing to say.",
        );
        set.set("environment.etc.\"cni/net.d\".enable", default(false));
        plugins_of_others(set);
        return;
    }
    set.set("services.kubernetes.flannel.enable", default(true));
    set.set("services.kubernetes.flannel.openFirewallPorts", default(false));
    let mut kubeconfig = Settings::new();
    kubeconfig.set("server", expr("config.services.kubernetes.apiserverAddress"));
    kubeconfig.set("caFile", trust(Authority::Root));
    kubeconfig.set("certFile", certificate("flannel"));
    kubeconfig.set("keyFile", keys::path(site, "flannel"));
    let made =
        Nix::Apply("config.services.kubernetes.lib.mkKubeConfig \"flannel\"", Box::new(Nix::Set(kubeconfig)));
    set.set("services.flannel.kubeconfig", default(made));
    set.extend(units::settings(site, &["flannel"]));
}

/// NixOS' own start of the kubelet empties the folder of plugins; who connects the pods put theirs there.
fn plugins_of_others(set: &mut Settings) {
    let kubelet = |option: &str| format!("systemd.services.kubelet.{option}");
    set.set(&kubelet("path"), Nix::List(vec![expr("pkgs.containerd"), expr("pkgs.gzip")]));
    for (variable, option) in [("IMAGES", "seedDockerImages"), ("PLUGINS", "cni.packages")] {
        let packages = expr(format!("toString config.services.kubernetes.kubelet.{option}"));
        set.set(&kubelet(&format!("environment.{variable}")), packages);
    }
    set.comment(
        &kubelet("preStart"),
        "NixOS' own empties /opt/cni/bin at each start, and with it what connects the pods.",
    );
    let script = lines(include_str!("scripts/kubelet-before.sh"));
    set.set(&kubelet("preStart"), Nix::Apply("lib.mkForce", Box::new(script)));
}

/// The first address of each family, in their order: a kubelet takes one, or a pair of both.
fn one_of_each_family(ips: &[IpAddr]) -> impl Iterator<Item = &IpAddr> {
    let first = |is_v4: bool| ips.iter().position(|ip| ip.is_ipv4() == is_v4);
    let places = [first(true), first(false)];
    ips.iter().enumerate().filter(move |(place, _)| places.contains(&Some(*place))).map(|(_, ip)| ip)
}

/// What one of them has of its own: one name everywhere, and one address.
pub(super) fn node(site: &Site<'_>, machine: &Machine) -> Settings {
    let mut set = Settings::new();
    let k8s = |option: &str| format!("services.kubernetes.{option}");
    let ips: Vec<String> = one_of_each_family(machine.ips()).map(ToString::to_string).collect();
    set.set(&k8s("kubelet.hostname"), default(machine.name()));
    set.set(&k8s("kubelet.nodeIp"), default(ips.join(",")));
    set.set(&k8s("proxy.hostname"), default(machine.name()));
    if site.cluster.cni() == Cni::Flannel
        && let Some(ip) = ips.first()
    {
        set.set("services.flannel.iface", default(ip.as_str()));
        set.set("services.flannel.publicIp", default(ip.as_str()));
    }
    set
}

//! What nobody but a person or a deploy applies: the rights that certificates name, and CoreDNS. Applied twice it
//! changes nothing: `kubectl apply --server-side -f modules/addons.yaml`.

use quorate_pki::cluster::{Cluster, Cni, VipMode};

/// One part, and which clusters have it.
struct Addon {
    text: &'static str,
    needed: fn(&Cluster) -> bool,
}

/// Sources: kubernetes.io, "Using RBAC Authorization"; flannel, `Documentation/kube-flannel.yml`; kube-vip,
/// `pkg/kubevip/config_generator.go`; kubeadm 1.34, `addons/dns/manifests.go` and `constants.go` for CoreDNS' release.
const ADDONS: &[Addon] = &[
    Addon { text: include_str!("addons/rbac.yaml"), needed: |_| true },
    Addon { text: include_str!("addons/flannel.yaml"), needed: |cluster| cluster.cni() == Cni::Flannel },
    Addon {
        text: include_str!("addons/kube-vip.yaml"),
        needed: |cluster| matches!(cluster.endpoint().mode(), VipMode::Arp),
    },
    Addon { text: include_str!("addons/coredns.yaml"), needed: |_| true },
];

const HEADER: &str = "\
# What a cluster needs inside of itself. Written by `pki modules` from machines.nix; whoever applies it twice changes
# nothing: kubectl apply --server-side -f addons.yaml
";

/// The whole file.
pub fn text(cluster: &Cluster) -> String {
    let needed = ADDONS.iter().filter(|addon| (addon.needed)(cluster)).map(|addon| addon.text);
    let texts: Vec<&str> = std::iter::once(HEADER).chain(needed).collect();
    let dns = cluster.networks().dns_service_ip().to_string();
    texts.join("---\n").replace("@DOMAIN@", cluster.domain()).replace("@CLUSTER_IP@", &dns)
}

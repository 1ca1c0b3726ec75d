//! Subject alternative names: what a server may be called.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::cluster::{CaMode, Cluster, Machine};

/// One subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum San {
    /// A DNS name.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

impl From<San> for String {
    fn from(san: San) -> Self {
        san.to_string()
    }
}

impl From<String> for San {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::Dns(text), Self::Ip)
    }
}

/// The name that every peer certificate bears and that etcd asks of a peer (`PEER_CERT_ALLOWED_HOSTNAME`).
pub fn etcd_peer_name(cluster: &Cluster) -> String {
    format!("etcd-peer.{}", cluster.name())
}

/// The name that etcd's own clients bear where one authority signs everything (`CLIENT_CERT_ALLOWED_HOSTNAME`).
pub fn etcd_client_name(cluster: &Cluster) -> String {
    format!("etcd-client.{}", cluster.name())
}

/// Sorted and unique, DNS names first: the order in which a certificate lists them.
fn sorted(names: impl IntoIterator<Item = San>) -> Vec<San> {
    let mut sans: Vec<San> = names.into_iter().collect();
    sans.sort();
    sans.dedup();
    sans
}

fn dns(name: impl Into<String>) -> San {
    San::Dns(name.into())
}

fn loopback() -> [San; 3] {
    [dns("localhost"), San::Ip(Ipv4Addr::LOCALHOST.into()), San::Ip(Ipv6Addr::LOCALHOST.into())]
}

fn own_addresses(machine: &Machine) -> impl Iterator<Item = San> + '_ {
    machine.ips().iter().copied().map(San::Ip)
}

/// An etcd member's serving certificate: its name, its addresses, loopback.
///
/// Source: kubeadm `GetEtcdAltNames`.
pub(crate) fn etcd_server(_: &Cluster, machine: &Machine) -> Vec<San> {
    sorted(loopback().into_iter().chain([dns(machine.name())]).chain(own_addresses(machine)))
}

/// An etcd member's peer certificate: as the serving one, and the one name that etcd asks of every peer. The
/// addresses must stay: etcd compares a peer's source address with them.
pub(crate) fn etcd_peer(cluster: &Cluster, machine: &Machine) -> Vec<San> {
    let mut sans = etcd_server(cluster, machine);
    sans.push(dns(etcd_peer_name(cluster)));
    sorted(sans)
}

/// A client of etcd: the common name by which etcd knows its own clients, needed only where any other
/// certificate of the cluster has the same issuer.
pub(crate) fn etcd_client(cluster: &Cluster, _: &Machine) -> Vec<San> {
    match cluster.policy().ca {
        CaMode::Single => vec![dns(etcd_client_name(cluster))],
        CaMode::Shared | CaMode::Separate => Vec::new(),
    }
}

/// An API server: its own addresses, the virtual IP, its names inside and outside the cluster, the first service
/// address, loopback. Not the other masters'.
///
/// Source: kubeadm `GetAPIServerAltNames`; loopback because every master's own components speak to it there.
pub(crate) fn apiserver(cluster: &Cluster, machine: &Machine) -> Vec<San> {
    let inside = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let endpoint = cluster.endpoint();
    sorted(
        loopback()
            .into_iter()
            .chain(inside.map(dns))
            .chain([dns(format!("kubernetes.default.svc.{}", cluster.domain()))])
            .chain([dns(endpoint.name()), dns(machine.name())])
            .chain(own_addresses(machine))
            .chain(machine.local_ip().map(San::Ip))
            .chain(endpoint.ips().iter().copied().map(San::Ip))
            .chain([San::Ip(cluster.networks().first_service_ip())]),
    )
}

/// A kubelet's serving certificate: the names by which the API server may call it.
///
/// Source: kubernetes.io, "PKI certificates and requirements"; signer kubernetes.io/kubelet-serving.
pub(crate) fn kubelet_server(_: &Cluster, machine: &Machine) -> Vec<San> {
    sorted([dns(machine.name())].into_iter().chain(own_addresses(machine)))
}

/// No names: a certificate that is only ever presented as a client.
pub(crate) fn none(_: &Cluster, _: &Machine) -> Vec<San> {
    Vec::new()
}

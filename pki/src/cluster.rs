//! The parsed cluster: every reference resolved, every value in range. No later function meets a bad one.

mod access;
mod bgp;
mod check;
mod endpoint;
mod machine;
mod parse;
mod read;
mod rules;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

pub use rules::{RULES, Rule};

/// Where the API servers listen, and what kube-vip's own probe dials.
/// Source: kubernetes.io "Ports and Protocols".
const APISERVER_PORT: u16 = 6443;

/// The default of `serviceCidr`. Source: kubeadm `DefaultServicesSubnet` has the same network at /12.
const DEFAULT_SERVICE_RANGE: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 16));

/// The default of `podCidr`. Source: flannel's own default, `Documentation/kube-flannel.yml`.
const DEFAULT_POD_RANGE: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16));

/// A whole cluster, as the inventory describes it. Made by [`Cluster::parse`] alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub(crate) name: String,
    pub(crate) domain: String,
    /// By name: what is made of a cluster must not depend on where in the file a machine stands.
    pub(crate) machines: Vec<Machine>,
    pub(crate) endpoint: Endpoint,
    pub(crate) networks: Networks,
    pub(crate) cni: Cni,
    pub(crate) admins: Vec<String>,
    pub(crate) root_admins: Vec<String>,
    pub(crate) ssh_keys: Vec<String>,
    pub(crate) backup: Option<Backup>,
    pub(crate) policy: Policy,
}

/// One entry of the inventory.
#[expect(clippy::struct_excessive_bools, reason = "four switches of the file, free of each other")]
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub(crate) name: String,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) ssh_user: String,
    pub(crate) interface: Option<String>,
    pub(crate) disk: Option<String>,
    pub(crate) system: String,
    pub(crate) kubernetes: bool,
    pub(crate) etcd: bool,
    pub(crate) master: bool,
    pub(crate) node: bool,
    pub(crate) host_key: Option<String>,
}

/// Where the API answers: `kubeMaster`.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) name: String,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) mode: VipMode,
}

/// Who brings the virtual IP to a living master.
#[derive(Debug, Clone, PartialEq)]
pub enum VipMode {
    /// kube-vip announces it by BGP from every master.
    Bgp(Bgp),
    /// kube-vip answers ARP for it from one elected master.
    Arp,
    /// keepalived moves it, HAProxy spreads.
    Keepalived {
        /// VRRP's virtual router id, 1 to 255.
        virtual_router_id: u8,
        /// The interface VRRP speaks on, where it is not each machine's own.
        interface: Option<String>,
    },
    /// Something outside: a name and addresses for the certificates, nothing else.
    External,
}

/// The BGP side of the masters.
#[derive(Debug, Clone, PartialEq)]
pub struct Bgp {
    /// The masters' autonomous system.
    pub asn: u32,
    /// The routers they speak to.
    pub peers: Vec<BgpPeer>,
    /// Seconds without a word before a router drops the route.
    pub hold_time: u16,
    /// Seconds between two words.
    pub keepalive: u16,
    /// Whether BFD watches the session.
    pub bfd: bool,
    /// Whether the sessions bear a TCP-MD5 password.
    pub password: bool,
}

/// A router that the masters announce the virtual IP to.
#[derive(Debug, Clone, PartialEq)]
pub struct BgpPeer {
    /// Its address.
    pub ip: IpAddr,
    /// Its autonomous system.
    pub asn: u32,
}

/// The address ranges, first of each = primary family.
#[derive(Debug, Clone, PartialEq)]
pub struct Networks {
    /// Where the machines live; empty when unknown.
    pub node: Vec<IpNet>,
    /// Service addresses.
    pub service: Vec<IpNet>,
    /// Pod addresses.
    pub pod: Vec<IpNet>,
}

/// Who connects the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cni {
    /// flannel, as NixOS runs it.
    Flannel,
    /// The user's own.
    None,
}

/// Where etcd snapshots go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// A mount the user provides.
    pub dir: String,
    /// A systemd calendar expression.
    pub at: String,
}

/// How certificates are made: authorities, keys and lifetimes.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Which authorities exist.
    pub ca: CaMode,
    /// The kind of key that new certificates get.
    pub key_type: KeyType,
    /// Life of the root, in days.
    pub root_days: u32,
    /// Life of an issuing authority, in days.
    pub ca_days: u32,
    /// Life of a leaf, in days.
    pub cert_days: u32,
    /// How many days before its end a certificate is renewed.
    pub renew_days: u32,
}

/// Which authorities a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaMode {
    /// One root above three issuing authorities.
    Shared,
    /// One authority signs everything.
    Single,
    /// Three self-signed authorities, as kubeadm has them.
    Separate,
}

/// The kind of a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for CaMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::Single => "single",
            Self::Separate => "separate",
        })
    }
}

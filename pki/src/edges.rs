//! Who may reach whom. One table: `gen` judges with it, `verify` prints it, the tests try it on real peers.
//!
//! *Refused* means that the server does not take the certificate for a login. etcd ends the connection; an API
//! server or a kubelet asks for a certificate without insisting on one, and a certificate it does not trust is
//! a login that did not happen: 401.

use crate::authority::Authority;
use crate::cluster::{CaMode, Cluster};
use crate::san;

/// What a server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presents {
    /// A leaf of this kind.
    Kind(&'static str),
    /// A certificate of its own making: an extension API server brings its own.
    Own,
}

/// What a server asks of a client's certificate beyond its issuer.
#[derive(Debug, Clone, Copy)]
pub enum Demands {
    /// Nothing.
    Nothing,
    /// This DNS name among its SANs: etcd's `*-CERT-ALLOWED-HOSTNAME`, one value and never a list.
    DnsName(fn(&Cluster) -> Option<String>),
    /// This common name: `--requestheader-allowed-names`.
    CommonName(&'static str),
}

/// One listening socket of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Its name in tables and messages.
    pub name: &'static str,
    /// What it answers with.
    pub presents: Presents,
    /// What its clients trust.
    pub trusted_through: Authority,
    /// Which authority's clients it takes.
    pub trusts: Authority,
    /// What more it asks.
    pub demands: Demands,
    /// The kinds it takes in `shared` and `separate`.
    accepts: &'static [&'static str],
    /// The kinds it takes in `single`, beside those: logins that no RBAC rule gives any right.
    accepts_in_single: Single,
}

#[derive(Debug, Clone, Copy)]
enum Single {
    Also(&'static [&'static str]),
    Only(&'static [&'static str]),
}

/// Whom Kubernetes knows as a user.
const KUBERNETES_USERS: &[&str] = &[
    "apiserver-kubelet-client",
    "controller-manager",
    "scheduler",
    "kube-vip",
    "kubelet-client",
    "kube-proxy",
    "flannel",
    "admin",
    "super-admin",
];

const OTHER_CLIENTS: &[&str] =
    &["etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client", "front-proxy-client"];

/// Every listening socket.
pub const SERVERS: &[Server] = &[
    Server {
        name: "etcd client port",
        presents: Presents::Kind("etcd-server"),
        trusted_through: Authority::Etcd,
        trusts: Authority::Etcd,
        demands: Demands::DnsName(|cluster| {
            (cluster.policy().ca == CaMode::Single).then(|| san::etcd_client_name(cluster))
        }),
        accepts: &["etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"],
        accepts_in_single: Single::Only(&["etcd-healthcheck-client", "apiserver-etcd-client"]),
    },
    Server {
        name: "etcd peer port",
        presents: Presents::Kind("etcd-peer"),
        trusted_through: Authority::Etcd,
        trusts: Authority::Etcd,
        demands: Demands::DnsName(|cluster| Some(san::etcd_peer_name(cluster))),
        accepts: &["etcd-peer"],
        accepts_in_single: Single::Also(&[]),
    },
    Server {
        name: "apiserver",
        presents: Presents::Kind("apiserver"),
        trusted_through: Authority::Root,
        trusts: Authority::Kubernetes,
        demands: Demands::Nothing,
        accepts: KUBERNETES_USERS,
        accepts_in_single: Single::Also(OTHER_CLIENTS),
    },
    Server {
        name: "aggregated apiserver",
        presents: Presents::Own,
        trusted_through: Authority::FrontProxy,
        trusts: Authority::FrontProxy,
        demands: Demands::CommonName("front-proxy-client"),
        accepts: &["front-proxy-client"],
        accepts_in_single: Single::Also(&[]),
    },
    Server {
        name: "kubelet",
        presents: Presents::Kind("kubelet-server"),
        trusted_through: Authority::Kubernetes,
        trusts: Authority::Kubernetes,
        demands: Demands::Nothing,
        accepts: KUBERNETES_USERS,
        accepts_in_single: Single::Also(OTHER_CLIENTS),
    },
];

impl Server {
    /// Whether it takes a client that shows a certificate of `kind`.
    pub fn accepts(&self, kind: &str, mode: CaMode) -> bool {
        match (mode, self.accepts_in_single) {
            (CaMode::Single, Single::Only(kinds)) => kinds.contains(&kind),
            (CaMode::Single, Single::Also(kinds)) => self.accepts.contains(&kind) || kinds.contains(&kind),
            (CaMode::Shared | CaMode::Separate, _) => self.accepts.contains(&kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{KINDS, Kind};

    #[test]
    fn every_kind_named_in_the_table_exists() {
        for server in SERVERS {
            let (Single::Also(single) | Single::Only(single)) = server.accepts_in_single;
            for kind in server.accepts.iter().chain(single) {
                assert!(Kind::named(kind).is_some(), "{kind} of {}", server.name);
            }
        }
    }

    #[test]
    fn no_server_takes_what_is_no_client() {
        for mode in [CaMode::Shared, CaMode::Single, CaMode::Separate] {
            for (server, kind) in SERVERS.iter().flat_map(|s| KINDS.iter().map(move |k| (s, k))) {
                assert!(
                    !server.accepts(kind.name, mode) || kind.usage.is_client(),
                    "{} {}",
                    server.name,
                    kind.name
                );
            }
        }
    }

    #[test]
    fn every_client_certificate_is_taken_by_some_server() {
        for kind in KINDS.iter().filter(|kind| kind.usage.is_client()) {
            assert!(SERVERS.iter().any(|server| server.accepts(kind.name, CaMode::Shared)), "{}", kind.name);
        }
    }
}

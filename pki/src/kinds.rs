//! The table of certificate kinds. One row is all there is to say about a kind; the plan, the drift, the edges,
//! the manifest and the documentation follow from it.

use std::fmt;

use crate::authority::Authority;
use crate::cluster::{Cluster, Cni, Machine, VipMode};
use crate::san::{self, San};

/// Which machines, or who, a kind of certificate is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each etcd member.
    EtcdMember,
    /// Each machine that runs an API server.
    Master,
    /// Each machine that runs a kubelet.
    Kubernetes,
    /// A person: one for the whole cluster, under `users/`.
    User,
}

/// What a certificate may be presented as: RFC 5280 section 4.2.1.12, extended key usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// A client only.
    Client,
    /// A server only.
    Server,
    /// Either: etcd's peers dial and answer with the same certificate, and its gateway dials itself with the
    /// serving one (etcd#9785).
    Both,
}

impl Usage {
    /// Whether a server may be met with it.
    pub const fn is_server(self) -> bool {
        matches!(self, Self::Server | Self::Both)
    }

    /// Whether a client may show it.
    pub const fn is_client(self) -> bool {
        matches!(self, Self::Client | Self::Both)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "server and client",
        })
    }
}

/// The common name of a certificate.
#[derive(Debug, Clone, Copy)]
pub enum CommonName {
    /// The same on every machine.
    Fixed(&'static str),
    /// This text and then the machine's name.
    Machine(&'static str),
}

/// One kind of leaf certificate.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The name of its files and of its key.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Who gets one.
    pub scope: Scope,
    /// Whether this cluster needs it at all.
    pub needed: fn(&Cluster) -> bool,
    /// The authority that signs it; where modes differ, [`crate::cluster::CaMode::serving`] says which that is.
    pub issuer: Authority,
    /// Subject: common name. Kubernetes reads it as the user.
    pub common_name: CommonName,
    /// Subject: organization. Kubernetes reads it as the group.
    pub organization: Option<&'static str>,
    /// Server, client or both.
    pub usage: Usage,
    /// Its subject alternative names.
    pub sans: fn(&Cluster, &Machine) -> Vec<San>,
    /// The Unix user that reads its key on a NixOS machine; empty for a person's.
    pub owner: &'static str,
    /// Where the row's facts come from.
    pub source: &'static str,
}

fn always(_: &Cluster) -> bool {
    true
}

const REQUIREMENTS: &str = "kubernetes.io/docs/setup/best-practices/certificates, \"All certificates\"";
const USER_ACCOUNTS: &str =
    "kubernetes.io/docs/setup/best-practices/certificates, \"Configure certificates for user accounts\"";

/// Every kind, in the order in which a machine's files list them.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "etcd-server",
        about: "etcd answers its clients with it",
        scope: Scope::EtcdMember,
        needed: always,
        issuer: Authority::Etcd,
        common_name: CommonName::Machine(""),
        organization: None,
        usage: Usage::Both,
        sans: san::etcd_server,
        owner: "etcd",
        source: "kubeadm certlist.go, KubeadmCertEtcdServer; etcd#9785 for the client usage",
    },
    Kind {
        name: "etcd-peer",
        about: "etcd members speak to each other with it",
        scope: Scope::EtcdMember,
        needed: always,
        issuer: Authority::Etcd,
        common_name: CommonName::Machine(""),
        organization: None,
        usage: Usage::Both,
        sans: san::etcd_peer,
        owner: "etcd",
        source: "kubeadm certlist.go, KubeadmCertEtcdPeer",
    },
    Kind {
        name: "etcd-healthcheck-client",
        about: "probes and etcdctl on the member itself",
        scope: Scope::EtcdMember,
        needed: always,
        issuer: Authority::Etcd,
        common_name: CommonName::Fixed("kube-etcd-healthcheck-client"),
        organization: None,
        usage: Usage::Client,
        sans: san::etcd_client,
        owner: "root",
        source: "kubeadm certlist.go, KubeadmCertEtcdHealthcheck",
    },
    Kind {
        name: "apiserver",
        about: "the API server answers with it",
        scope: Scope::Master,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("kube-apiserver"),
        organization: None,
        usage: Usage::Server,
        sans: san::apiserver,
        owner: "kubernetes",
        source: REQUIREMENTS,
    },
    Kind {
        name: "apiserver-kubelet-client",
        about: "the API server reaches kubelets with it",
        scope: Scope::Master,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("system:kube-apiserver"),
        organization: None,
        usage: Usage::Client,
        sans: san::none,
        owner: "kubernetes",
        source: "nixpkgs kubernetes/apiserver.nix; no group since kubernetes 1.36.1 (kubernetes#138957)",
    },
    Kind {
        name: "apiserver-etcd-client",
        about: "the API server reaches etcd with it",
        scope: Scope::Master,
        needed: always,
        issuer: Authority::Etcd,
        common_name: CommonName::Fixed("kube-apiserver-etcd-client"),
        organization: None,
        usage: Usage::Client,
        sans: san::etcd_client,
        owner: "kubernetes",
        source: REQUIREMENTS,
    },
    Kind {
        name: "front-proxy-client",
        about: "the API server reaches aggregated API servers with it",
        scope: Scope::Master,
        needed: always,
        issuer: Authority::FrontProxy,
        common_name: CommonName::Fixed("front-proxy-client"),
        organization: None,
        usage: Usage::Client,
        sans: san::none,
        owner: "kubernetes",
        source: REQUIREMENTS,
    },
    Kind {
        name: "controller-manager",
        about: "kube-controller-manager logs in with it",
        scope: Scope::Master,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("system:kube-controller-manager"),
        organization: None,
        usage: Usage::Client,
        sans: san::none,
        owner: "kubernetes",
        source: USER_ACCOUNTS,
    },
    Kind {
        name: "scheduler",
        about: "kube-scheduler logs in with it",
        scope: Scope::Master,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("system:kube-scheduler"),
        organization: None,
        usage: Usage::Client,
        sans: san::none,
        owner: "kubernetes",
        source: USER_ACCOUNTS,
    },
    Kind {
        name: "kube-vip",
        about: "kube-vip holds its lease with it",
        scope: Scope::Master,
        needed: |cluster| matches!(cluster.endpoint().mode(), VipMode::Arp),
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("kube-vip"),
        organization: None,
        usage: Usage::Client,
        sans: san::none,
        owner: "root",
        source: "kube-vip pkg/kubevip/config_generator.go, the ClusterRole it needs to elect",
    },
    Kind {
        name: "kubelet-client",
        about: "the kubelet logs in with it, as its own node and no other",
        scope: Scope::Kubernetes,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Machine("system:node:"),
        organization: Some("system:nodes"),
        usage: Usage::Client,
        sans: san::none,
        owner: "root",
        source: "kubernetes.io/docs/reference/access-authn-authz/node, \"Overview\"",
    },
    Kind {
        name: "kubelet-server",
        about: "the kubelet answers with it",
        scope: Scope::Kubernetes,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Machine("system:node:"),
        organization: Some("system:nodes"),
        usage: Usage::Server,
        sans: san::kubelet_server,
        owner: "root",
        source: "kubernetes.io, \"Certificate Signing Requests\", signer kubernetes.io/kubelet-serving",
    },
    Kind {
        name: "kube-proxy",
        about: "kube-proxy logs in with it",
        scope: Scope::Kubernetes,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("system:kube-proxy"),
        organization: Some("system:node-proxier"),
        usage: Usage::Client,
        sans: san::none,
        owner: "root",
        source: "kubernetes.io, \"Using RBAC Authorization\", core component roles",
    },
    Kind {
        name: "flannel",
        about: "flannel logs in with it",
        scope: Scope::Kubernetes,
        needed: |cluster| cluster.cni() == Cni::Flannel,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("flannel-client"),
        organization: None,
        usage: Usage::Client,
        sans: san::none,
        owner: "root",
        source: "nixpkgs kubernetes/flannel.nix, the user its ClusterRoleBinding names",
    },
    Kind {
        name: "admin",
        about: "a person who administers by RBAC",
        scope: Scope::User,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("kubernetes-admin"),
        organization: Some("kubeadm:cluster-admins"),
        usage: Usage::Client,
        sans: san::none,
        owner: "",
        source: USER_ACCOUNTS,
    },
    Kind {
        name: "super-admin",
        about: "the way in when RBAC is broken: no rule binds it, nothing revokes it",
        scope: Scope::User,
        needed: always,
        issuer: Authority::Kubernetes,
        common_name: CommonName::Fixed("kubernetes-super-admin"),
        organization: Some("system:masters"),
        usage: Usage::Client,
        sans: san::none,
        owner: "",
        source: USER_ACCOUNTS,
    },
];

impl Kind {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Whether `machine` gets one.
    pub fn applies_to(&self, machine: &Machine) -> bool {
        match self.scope {
            Scope::EtcdMember => machine.etcd(),
            Scope::Master => machine.master(),
            Scope::Kubernetes => machine.kubernetes(),
            Scope::User => false,
        }
    }
}

/// A secret that is no certificate's key: made once, canonical under its own name, copied to every master.
#[derive(Debug, Clone, Copy)]
pub struct SharedSecret {
    /// The name of its file and of its key.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The Unix user that reads it on a master.
    pub owner: &'static str,
    /// Whether a public half stands beside it, as `<name>.pub`.
    pub has_public: bool,
    /// Where the facts come from.
    pub source: &'static str,
}

/// The secrets that all masters share.
pub const SHARED: &[SharedSecret] = &[
    SharedSecret {
        name: "service-account",
        about: "signs the tokens of service accounts; every API server verifies what another signed",
        owner: "kubernetes",
        has_public: true,
        source: "kubernetes.io, \"PKI certificates and requirements\"; ES256: pkg/serviceaccount/jwt.go",
    },
    SharedSecret {
        name: "encryption-config",
        about: "encrypts Secrets in etcd",
        owner: "kubernetes",
        has_public: false,
        source: "kubernetes.io, \"Encrypting Confidential Data at Rest\", provider secretbox",
    },
];

/// The name of the SSH host key in files and sealed entries.
pub const HOST: &str = "host";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_name() {
        let mut names: Vec<_> =
            KINDS.iter().map(|kind| kind.name).chain(SHARED.iter().map(|s| s.name)).collect();
        names.push(HOST);
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_row_says_what_it_is_for_and_where_that_is_written() {
        for kind in KINDS {
            assert!(!kind.about.is_empty() && kind.source.len() > 10, "{}", kind.name);
            assert_eq!(kind.owner.is_empty(), kind.scope == Scope::User, "{}", kind.name);
        }
        assert!(SHARED.iter().all(|shared| !shared.about.is_empty() && shared.source.len() > 10));
    }

    #[test]
    fn only_super_admin_is_in_the_group_that_rbac_cannot_bind() {
        let masters: Vec<_> =
            KINDS.iter().filter(|k| k.organization == Some("system:masters")).map(|k| k.name).collect();
        assert_eq!(masters, ["super-admin"]);
    }

    #[test]
    fn no_kind_is_signed_by_the_root() {
        assert!(KINDS.iter().all(|kind| kind.issuer != Authority::Root));
    }
}

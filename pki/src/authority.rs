//! The authorities, who signs for whom, and who trusts whom.
//!
//! A trust file never holds more than its purpose needs: a kubelet's certificate is worth nothing to etcd
//! because etcd's trust file holds etcd's issuer alone, not the root above it.

use std::fmt;

use crate::cluster::CaMode;

/// A certificate authority, or the purpose it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// The single origin of the cluster.
    Root,
    /// Signs what the API server, its clients and the kubelets present.
    Kubernetes,
    /// Signs what etcd and its clients present.
    Etcd,
    /// Signs the one certificate by which an aggregated API server knows its front proxy.
    FrontProxy,
}

/// The three things that certificates are for; in `single` one authority serves them all.
pub const PURPOSES: [Authority; 3] = [Authority::Kubernetes, Authority::Etcd, Authority::FrontProxy];

impl Authority {
    /// The name it has in files, in the manifest and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Kubernetes => "kubernetes",
            Self::Etcd => "etcd",
            Self::FrontProxy => "front-proxy",
        }
    }

    /// The common name of its certificate.
    ///
    /// Source: kubernetes.io, "PKI certificates and requirements", table "Single root CA"; the root is ours.
    pub const fn common_name(self) -> &'static str {
        match self {
            Self::Root => "kubernetes-root-ca",
            Self::Kubernetes => "kubernetes-ca",
            Self::Etcd => "etcd-ca",
            Self::FrontProxy => "kubernetes-front-proxy-ca",
        }
    }

    /// The authority of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Root, Self::Kubernetes, Self::Etcd, Self::FrontProxy].into_iter().find(|a| a.name() == name)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl CaMode {
    /// The authorities that exist, each after the one that signs it.
    pub const fn authorities(self) -> &'static [Authority] {
        match self {
            Self::Shared => &[Authority::Root, Authority::Kubernetes, Authority::Etcd, Authority::FrontProxy],
            Self::Single => &[Authority::Root],
            Self::Separate => &PURPOSES,
        }
    }

    /// The authority that signs leaves of this purpose, and that the trust files of this purpose hold.
    ///
    /// `Root` as a purpose is what a kubeconfig trusts: an anchor that signs itself, because OpenSSL and Python
    /// want one.
    pub const fn serving(self, purpose: Authority) -> Authority {
        match (self, purpose) {
            (Self::Single, _) => Authority::Root,
            (Self::Separate, Authority::Root) => Authority::Kubernetes,
            (Self::Shared | Self::Separate, purpose) => purpose,
        }
    }

    /// Who signs the authority's own certificate: `None` when it signs itself.
    pub const fn parent(self, authority: Authority) -> Option<Authority> {
        match (self, authority) {
            (Self::Shared, Authority::Kubernetes | Authority::Etcd | Authority::FrontProxy) => {
                Some(Authority::Root)
            }
            _ => None,
        }
    }

    /// How many further authorities may stand below it: RFC 5280 section 4.2.1.9, pathLenConstraint.
    pub const fn path_length(self, authority: Authority) -> u8 {
        match (self, authority) {
            (Self::Shared, Authority::Root) => 1,
            _ => 0,
        }
    }
}

/// A setting of a daemon that names a trust file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustFile {
    /// The daemon's setting.
    pub setting: &'static str,
    /// What the file must hold.
    pub purpose: Authority,
}

/// Who trusts what. In every mode a row's file is `ca/<serving(purpose)>.bundle.crt`.
pub const TRUST: &[TrustFile] = &[
    TrustFile { setting: "etcd trusted-ca-file", purpose: Authority::Etcd },
    TrustFile { setting: "etcd peer-trusted-ca-file", purpose: Authority::Etcd },
    TrustFile { setting: "kube-apiserver etcd-cafile", purpose: Authority::Etcd },
    TrustFile { setting: "kube-apiserver client-ca-file", purpose: Authority::Kubernetes },
    TrustFile { setting: "kube-apiserver kubelet-certificate-authority", purpose: Authority::Kubernetes },
    TrustFile { setting: "kubelet clientCAFile", purpose: Authority::Kubernetes },
    TrustFile { setting: "kube-apiserver requestheader-client-ca-file", purpose: Authority::FrontProxy },
    TrustFile { setting: "kubeconfig certificate-authority", purpose: Authority::Root },
    TrustFile { setting: "kube-controller-manager root-ca-file", purpose: Authority::Root },
    TrustFile { setting: "kube-vip health check ca path", purpose: Authority::Root },
];

//! Everything that should exist for a cluster: every certificate in issuing order, every sealed file with its
//! readers, every public file. Derived from the cluster alone.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::cluster::{Cluster, Machine, Policy};
use crate::entries::Entry;
use crate::facts::CertFacts;
use crate::kinds::{CommonName, HOST, KINDS, Kind, SHARED, Scope, SharedSecret, Usage};
use crate::san::San;

/// The name of a certificate: its path below `certs/` without the ending, as `ca/etcd` or `cp1/etcd-peer`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CertId(String);

impl CertId {
    /// An authority's certificate.
    pub fn authority(authority: Authority) -> Self {
        Self(format!("ca/{authority}"))
    }

    /// A machine's certificate.
    pub fn machine(machine: &str, kind: &str) -> Self {
        Self(format!("{machine}/{kind}"))
    }

    /// A person's certificate.
    pub fn user(kind: &str) -> Self {
        Self(format!("users/{kind}"))
    }

    /// The certificate whose file is `path`, when that is where certificates stand: `<folder>/<name>.crt`.
    pub fn of_file(path: &str) -> Option<Self> {
        let stem = path.strip_suffix(".crt")?;
        (!stem.ends_with(".bundle") && stem.split('/').count() == 2).then(|| Self(stem.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its file, relative to `certs/`.
    pub fn file(&self) -> String {
        format!("{}.crt", self.0)
    }
}

impl fmt::Display for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// An authority.
    Authority(Authority),
    /// A machine, by name.
    Machine(String),
    /// A person.
    User,
}

/// One certificate that should exist.
#[derive(Debug, Clone)]
pub struct CertPlan {
    /// Its name.
    pub id: CertId,
    /// Whose it is.
    pub holder: Holder,
    /// Its row in the table; `None` for an authority.
    pub kind: Option<&'static Kind>,
    /// Who signs it; `None` when it signs itself.
    pub issuer: Option<Authority>,
    /// Subject: common name.
    pub common_name: String,
    /// Subject: organization.
    pub organization: Option<String>,
    /// Subject alternative names, sorted.
    pub sans: Vec<San>,
    /// Server, client or both; `None` for an authority.
    pub usage: Option<Usage>,
    /// How many authorities may stand below; `None` for a leaf.
    pub path_length: Option<u8>,
    /// How long it lives, in days, unless its issuer ends before.
    pub days: u32,
    /// The certificate of an authority that was made elsewhere: it is kept as it is, and renewed after its own likeness.
    pub adopted: Option<Box<CertFacts>>,
}

impl CertPlan {
    /// Whether it is an authority's.
    pub fn is_authority(&self) -> bool {
        matches!(self.holder, Holder::Authority(_))
    }

    /// The machine that it is made for; `None` for an authority and a person.
    pub fn machine(&self) -> Option<&str> {
        match &self.holder {
            Holder::Machine(name) => Some(name),
            Holder::Authority(_) | Holder::User => None,
        }
    }
}

/// In which form a machine's keys are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One SOPS file a machine, for sops-nix.
    Sops,
    /// One age file a key, for agenix.
    Age,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sops => "sops",
            Self::Age => "age",
        })
    }
}

/// Who may open a sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// The admins.
    Admins,
    /// The root's own admins, where there are any; else the admins.
    RootAdmins,
    /// The admins and this machine.
    Machine(String),
}

/// What stands under a name in a sealed file.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The private key of a certificate.
    Key(CertId),
    /// A secret that all masters share.
    Shared(&'static str),
    /// A machine's SSH host key.
    HostKey(String),
}

/// One entry of a sealed file.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryPlan {
    /// Its top-level key: the kind's name.
    pub name: String,
    /// What it is.
    pub content: Content,
}

/// One sealed file that should exist.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedPlan {
    /// Its path below `certs/`.
    pub path: String,
    /// Its form.
    pub format: Format,
    /// Who may open it.
    pub audience: Audience,
    /// What it holds.
    pub entries: Vec<EntryPlan>,
}

/// The whole plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every certificate, each after its issuer.
    pub certs: Vec<CertPlan>,
    /// Every sealed file.
    pub sealed: Vec<SealedPlan>,
    /// The form in which the machines' keys are sealed.
    pub format: Format,
    /// Which sealed file holds the key of which certificate.
    homes: BTreeMap<CertId, Entry>,
}

impl Plan {
    /// Plans a cluster.
    pub fn new(cluster: &Cluster, format: Format) -> Self {
        let mut certs: Vec<CertPlan> = cluster
            .policy()
            .ca
            .authorities()
            .iter()
            .map(|authority| plan_authority(cluster, *authority))
            .collect();
        for machine in cluster.machines() {
            let kinds = KINDS.iter().filter(|kind| kind.applies_to(machine) && (kind.needed)(cluster));
            certs.extend(kinds.map(|kind| plan_leaf(cluster, kind, Some(machine))));
        }
        let users = KINDS.iter().filter(|kind| kind.scope == Scope::User && (kind.needed)(cluster));
        certs.extend(users.map(|kind| plan_leaf(cluster, kind, None)));
        let sealed = plan_sealed(cluster, &certs, format);
        let homes = key_homes(&sealed);
        Self { certs, sealed, format, homes }
    }

    /// Where the key of a certificate belongs.
    pub fn key_home(&self, id: &CertId) -> Option<&Entry> {
        self.homes.get(id)
    }
}

fn key_homes(sealed: &[SealedPlan]) -> BTreeMap<CertId, Entry> {
    let entries = sealed.iter().flat_map(|sealed| sealed.entries.iter().map(move |entry| (sealed, entry)));
    entries
        .filter_map(|(sealed, entry)| match &entry.content {
            Content::Key(id) => {
                Some((id.clone(), Entry { file: sealed.path.clone(), name: entry.name.clone() }))
            }
            Content::Shared(_) | Content::HostKey(_) => None,
        })
        .collect()
}

fn plan_authority(cluster: &Cluster, authority: Authority) -> CertPlan {
    let Policy { ca, root_days, ca_days, .. } = *cluster.policy();
    let parent = ca.parent(authority);
    CertPlan {
        id: CertId::authority(authority),
        holder: Holder::Authority(authority),
        kind: None,
        issuer: parent,
        common_name: authority.common_name().to_owned(),
        organization: Some(cluster.name().to_owned()),
        sans: Vec::new(),
        usage: None,
        path_length: Some(ca.path_length(authority)),
        // The root outlives what it signs; an authority of `separate` has nothing above it and lives as the
        // issuing ones do.
        days: if authority == Authority::Root { root_days } else { ca_days },
        adopted: None,
    }
}

fn plan_leaf(cluster: &Cluster, kind: &'static Kind, machine: Option<&Machine>) -> CertPlan {
    let (id, holder) = match machine {
        Some(machine) => {
            (CertId::machine(machine.name(), kind.name), Holder::Machine(machine.name().to_owned()))
        }
        None => (CertId::user(kind.name), Holder::User),
    };
    let name = machine.map_or("", Machine::name);
    CertPlan {
        id,
        holder,
        kind: Some(kind),
        issuer: Some(cluster.policy().ca.serving(kind.issuer)),
        common_name: match kind.common_name {
            CommonName::Fixed(text) => text.to_owned(),
            CommonName::Machine(prefix) => format!("{prefix}{name}"),
        },
        organization: kind.organization.map(ToOwned::to_owned),
        sans: machine.map(|machine| (kind.sans)(cluster, machine)).unwrap_or_default(),
        usage: Some(kind.usage),
        path_length: None,
        days: cluster.policy().cert_days,
        adopted: None,
    }
}

fn plan_sealed(cluster: &Cluster, certs: &[CertPlan], format: Format) -> Vec<SealedPlan> {
    let mut sealed = Vec::new();
    let mut own: BTreeMap<&str, Vec<&CertPlan>> = BTreeMap::new();
    for cert in certs {
        match &cert.holder {
            Holder::Authority(authority) => {
                let audience =
                    if *authority == Authority::Root { Audience::RootAdmins } else { Audience::Admins };
                sealed.push(alone(
                    &format!("ca/{authority}.yaml"),
                    audience,
                    authority.name(),
                    Content::Key(cert.id.clone()),
                ));
            }
            Holder::User => {
                let name = cert.kind.map_or("", |kind| kind.name);
                sealed.push(alone(
                    &format!("users/{name}.yaml"),
                    Audience::Admins,
                    name,
                    Content::Key(cert.id.clone()),
                ));
            }
            Holder::Machine(name) => own.entry(name).or_default().push(cert),
        }
    }
    for machine in cluster.machines().iter().filter(|machine| machine.node()) {
        if machine.host_key().is_none() {
            let content = Content::HostKey(machine.name().to_owned());
            sealed.push(alone(&format!("{}/host.yaml", machine.name()), Audience::Admins, HOST, content));
        }
        sealed.extend(plan_keys(machine, own.get(machine.name()).into_iter().flatten(), format));
    }
    for SharedSecret { name, .. } in SHARED {
        sealed.push(alone(&format!("{name}.yaml"), Audience::Admins, name, Content::Shared(name)));
    }
    sealed
}

fn alone(path: &str, audience: Audience, name: &str, content: Content) -> SealedPlan {
    let entries = vec![EntryPlan { name: name.to_owned(), content }];
    SealedPlan { path: path.to_owned(), format: Format::Sops, audience, entries }
}

/// A machine's own keys: one SOPS file, or an age file each.
fn plan_keys<'a>(
    machine: &Machine,
    own: impl Iterator<Item = &'a &'a CertPlan>,
    format: Format,
) -> Vec<SealedPlan> {
    let mut entries: Vec<EntryPlan> = own
        .filter_map(|cert| {
            let kind = cert.kind?;
            Some(EntryPlan { name: kind.name.to_owned(), content: Content::Key(cert.id.clone()) })
        })
        .collect();
    if machine.master() {
        let shared = SHARED.iter().map(|shared| shared.name);
        entries
            .extend(shared.map(|name| EntryPlan { name: name.to_owned(), content: Content::Shared(name) }));
    }
    let audience = Audience::Machine(machine.name().to_owned());
    match format {
        _ if entries.is_empty() => Vec::new(),
        Format::Sops => {
            vec![SealedPlan { path: format!("{}/keys.yaml", machine.name()), format, audience, entries }]
        }
        Format::Age => entries
            .into_iter()
            .map(|entry| SealedPlan {
                path: format!("{}/{}.age", machine.name(), entry.name),
                format,
                audience: audience.clone(),
                entries: vec![entry],
            })
            .collect(),
    }
}

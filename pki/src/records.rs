//! The manifest for a set of certificates and sealed files.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::Authority;
use crate::cluster::Cluster;
use crate::drift::subject;
use crate::entries::Orphan;
use crate::facts::CertFacts;
use crate::key::sha256;
use crate::listed::Listed;
use crate::manifest::{CertRecord, MachineRecord, Manifest, SealedRecord, VERSION};
use crate::plan::{CertId, CertPlan, Holder, Plan};
use crate::readers::Readers;
use crate::sealing::{SealAction, SealChange};
use crate::state::State;

/// The records of the sealed files, as they will stand.
pub struct Sealed(Listed<SealedRecord>);

impl Sealed {
    /// As the actions leave them. `written` has the bytes of those that are sealed in this run.
    pub fn after(actions: &[SealAction], state: &State, written: &BTreeMap<String, Vec<u8>>) -> Self {
        let stay = actions.iter().filter(|action| action.change != SealChange::Remove);
        let hash = |path: &str| match written.get(path) {
            Some(bytes) => sha256(bytes),
            None => state.sealed.get(path).map(|facts| facts.sha256.clone()).unwrap_or_default(),
        };
        Self(
            stay.map(|action| SealedRecord {
                file: action.path.clone(),
                keys: planned_names(action),
                recipients: action.recipients.clone(),
                sha256: hash(&action.path),
            })
            .collect(),
        )
    }
}

/// The manifest for a set of certificates.
pub fn manifest_of(
    cluster: &Cluster,
    plan: &Plan,
    readers: &Readers,
    certs: &BTreeMap<CertId, CertFacts>,
    sealed: Sealed,
    service_account: Option<String>,
    orphans: &[Orphan],
) -> Manifest {
    let holders: BTreeSet<&str> = plan.certs.iter().filter_map(CertPlan::machine).collect();
    let machines =
        cluster.machines().iter().filter(|machine| machine.node() || holders.contains(machine.name()));
    Manifest {
        version: VERSION,
        cluster: cluster.name().to_owned(),
        ca: cluster.policy().ca.to_string(),
        format: plan.format,
        admins: readers.admins.clone(),
        root_admins: readers.root_admins.clone(),
        machines: machines
            .map(|machine| {
                let host = readers.hosts.get(machine.name());
                let record = MachineRecord {
                    ips: machine.ips().to_vec(),
                    host_key: host.map(|host| host.ssh.clone()),
                    recipient: host.map(|host| host.age.clone()),
                };
                (machine.name().to_owned(), record)
            })
            .collect(),
        certificates: plan
            .certs
            .iter()
            .filter_map(|cert| certs.get(&cert.id).map(|facts| cert_record(cert, facts)))
            .collect(),
        service_account,
        sealed: sealed.0,
        orphans: orphans
            .iter()
            .filter_map(|orphan| match orphan {
                Orphan::File(path) => Some(path.clone()),
                // It stands in a file that is recorded anyway.
                Orphan::Entry(_) => None,
            })
            .collect(),
    }
}

fn cert_record(cert: &CertPlan, facts: &CertFacts) -> CertRecord {
    let usages = match cert.usage {
        None => vec!["authority"],
        Some(usage) => [usage.is_server().then_some("server"), usage.is_client().then_some("client")]
            .into_iter()
            .flatten()
            .collect(),
    };
    let own_name = match &cert.holder {
        Holder::Authority(authority) => authority.name(),
        Holder::Machine(_) | Holder::User => "",
    };
    CertRecord {
        id: cert.id.clone(),
        kind: cert.kind.map_or("authority", |kind| kind.name).to_owned(),
        machine: cert.machine().map(ToOwned::to_owned),
        issuer: cert.issuer.map_or(own_name, Authority::name).to_owned(),
        subject: match cert.adopted {
            Some(_) => facts.subject.clone(),
            None => subject(&facts.common_name, &facts.organizations),
        },
        sans: facts.sans.clone(),
        usages: usages.into_iter().map(ToOwned::to_owned).collect(),
        not_after: facts.not_after,
        serial: facts.serial.clone(),
        file: cert.id.file(),
        owner: cert.kind.map(|kind| kind.owner.to_owned()).filter(|owner| !owner.is_empty()),
        public_key: facts.public_key.sha256(),
        adopted: cert.adopted.is_some(),
    }
}

/// What a file holds by plan. An entry that somebody added is theirs: it is an orphan, and no business of the record.
fn planned_names(action: &SealAction) -> Vec<String> {
    let names = action.entries.iter().map(|(entry, _)| entry.name.clone());
    names.filter(|name| !action.unplanned.contains(name)).collect()
}

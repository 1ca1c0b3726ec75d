//! What a run leaves in clear: certificates, trust bundles, public keys and the manifest.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::Authority;
use crate::cluster::Cluster;
use crate::decision::{Decision, SERVICE_ACCOUNT_PUBLIC};
use crate::drift::subject;
use crate::facts::CertFacts;
use crate::judge::Judged;
use crate::key::{PrivateKey, PublicKey};
use crate::manifest::{CertRecord, MachineRecord, Manifest, SealedRecord, VERSION};
use crate::plan::{CertId, CertPlan, HOST, Holder, Plan};
use crate::readers::Readers;
use crate::sealing::{SealAction, SealChange};
use crate::state::{MANIFEST, State};

/// The trust file of an authority: the only file of it that settings name, so that a rotation changes no setting.
pub fn bundle_file(authority: Authority) -> String {
    format!("ca/{authority}.bundle.crt")
}

/// Every path that a plan accounts for.
pub fn planned_files(plan: &Plan) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = plan.certs.iter().map(|cert| cert.id.file()).collect();
    files.extend(plan.sealed.iter().map(|sealed| sealed.path.clone()));
    for cert in &plan.certs {
        match &cert.holder {
            Holder::Authority(authority) => files.insert(bundle_file(*authority)),
            Holder::Machine(name) => files.insert(format!("{name}/{HOST}.pub")),
            Holder::User => false,
        };
    }
    let folders =
        plan.sealed.iter().filter_map(|sealed| sealed.path.strip_suffix("/host.yaml").map(ToOwned::to_owned));
    files.extend(folders.map(|machine| format!("{machine}/{HOST}.pub")));
    files.extend([MANIFEST.to_owned(), SERVICE_ACCOUNT_PUBLIC.to_owned()]);
    files
}

/// A certificate file: the certificate, and behind a leaf its issuer.
fn certificate_file(cert: &CertPlan, certs: &BTreeMap<CertId, CertFacts>) -> Option<String> {
    let own = certs.get(&cert.id)?.pem();
    let issuer =
        cert.issuer.filter(|_| !cert.is_authority()).and_then(|issuer| certs.get(&CertId::authority(issuer)));
    Some(issuer.map_or_else(|| own.clone(), |issuer| own.clone() + &issuer.pem()))
}

/// Every public file that the run changes, by path below `certs/`, the manifest among them.
///
/// `service_account` is the public key when it was made or opened in this run.
pub fn public_files(
    cluster: &Cluster,
    plan: &Plan,
    state: &State,
    readers: &Readers,
    decision: &Decision,
    judged: &Judged,
    service_account: Option<&PublicKey>,
) -> BTreeMap<String, Vec<u8>> {
    let certs = &judged.issued.certs;
    let mut files = BTreeMap::new();
    for cert in &plan.certs {
        if judged.issued.made.contains(&cert.id) {
            files.extend(certificate_file(cert, certs).map(|text| (cert.id.file(), text.into_bytes())));
        }
        if let (Holder::Authority(authority), Some(facts)) = (&cert.holder, certs.get(&cert.id)) {
            files.insert(bundle_file(*authority), facts.pem().into_bytes());
        }
    }
    for (machine, host) in &readers.hosts {
        files.insert(format!("{machine}/{HOST}.pub"), format!("{}\n", host.ssh).into_bytes());
    }
    files.extend(service_account.map(|key| (SERVICE_ACCOUNT_PUBLIC.to_owned(), key.pem().into_bytes())));
    let recorded = state.manifest.as_ref().and_then(|manifest| manifest.service_account.clone());
    let service_account = service_account.map(PublicKey::sha256).or(recorded);
    let sealed = Sealed::after(&decision.sealed);
    let manifest = manifest_of(cluster, plan, readers, certs, sealed, service_account, &decision.orphans);
    files.insert(MANIFEST.to_owned(), manifest.text().into_bytes());
    files.retain(|path, bytes| state.files.get(path) != Some(bytes));
    files
}

/// The public half of a service-account key that was made or opened.
pub fn service_account_public(secret: &secrecy::SecretString) -> Option<PublicKey> {
    PrivateKey::from_pem(secret).ok().map(|key| key.public().clone())
}

/// The records of the sealed files, as they will stand.
pub struct Sealed(Vec<SealedRecord>);

impl Sealed {
    /// As the actions leave them.
    pub fn after(actions: &[SealAction]) -> Self {
        let stay = actions.iter().filter(|action| action.change != SealChange::Remove);
        Self(
            stay.map(|action| SealedRecord {
                file: action.path.clone(),
                keys: action.entries.iter().map(|(entry, _)| entry.name.clone()).collect(),
                recipients: action.recipients.clone(),
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
    orphans: &[String],
) -> Manifest {
    let machines = cluster.machines().iter().filter(|machine| {
        machine.node()
            || plan
                .certs
                .iter()
                .any(|cert| matches!(&cert.holder, Holder::Machine(name) if name == machine.name()))
    });
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
        orphans: orphans.iter().filter(|orphan| !orphan.contains(": ")).cloned().collect(),
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
        machine: match &cert.holder {
            Holder::Machine(name) => Some(name.clone()),
            Holder::Authority(_) | Holder::User => None,
        },
        issuer: cert.issuer.map_or(own_name, Authority::name).to_owned(),
        subject: subject(&facts.common_name, &facts.organizations),
        sans: facts.sans.clone(),
        usages: usages.into_iter().map(ToOwned::to_owned).collect(),
        not_after: facts.not_after,
        serial: facts.serial.clone(),
        file: cert.id.file(),
        owner: cert.kind.map(|kind| kind.owner.to_owned()).filter(|owner| !owner.is_empty()),
        public_key: facts.public_key.sha256(),
    }
}

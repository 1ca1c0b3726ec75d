//! What a run leaves in clear: certificates, trust bundles, public keys and the manifest.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::decision::Decision;
use crate::facts::CertFacts;
use crate::judge::Judged;
use crate::key::{PrivateKey, PublicKey};
use crate::layout::{MANIFEST, SERVICE_ACCOUNT_PUBLIC, bundle_file, host_file};
use crate::plan::{CertId, CertPlan, Holder, Plan};
use crate::readers::Readers;
use crate::records::{Sealed, manifest_of};
use crate::state::State;

/// A certificate file: the certificate, and behind a leaf its issuer.
fn certificate_file(cert: &CertPlan, certs: &BTreeMap<CertId, CertFacts>) -> Option<String> {
    let own = certs.get(&cert.id)?.pem();
    let issuer =
        cert.issuer.filter(|_| !cert.is_authority()).and_then(|issuer| certs.get(&CertId::authority(issuer)));
    Some(issuer.map_or_else(|| own.clone(), |issuer| own.clone() + &issuer.pem()))
}

/// Every public file that the run changes, by path below `certs/`, the manifest among them.
///
/// `service_account` is the public key when it was made or opened in this run, `sealed` what this run seals.
#[expect(clippy::too_many_arguments, reason = "all that a run has, read once")]
pub fn public_files(
    cluster: &Cluster,
    plan: &Plan,
    state: &State,
    readers: &Readers,
    decision: &Decision,
    judged: &Judged,
    service_account: Option<&PublicKey>,
    sealed: &BTreeMap<String, Vec<u8>>,
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
        files.insert(host_file(machine), format!("{}\n", host.ssh).into_bytes());
    }
    files.extend(service_account.map(|key| (SERVICE_ACCOUNT_PUBLIC.to_owned(), key.pem().into_bytes())));
    let recorded = state.manifest.as_ref().and_then(|manifest| manifest.service_account.clone());
    let service_account = service_account.map(PublicKey::sha256).or(recorded);
    let records = Sealed::after(&decision.sealed, state, sealed);
    let manifest = manifest_of(cluster, plan, readers, certs, records, service_account, &decision.orphans);
    files.insert(MANIFEST.to_owned(), manifest.text().into_bytes());
    files.retain(|path, bytes| state.files.get(path) != Some(bytes));
    files
}

/// The public half of a service-account key that was made or opened.
pub fn service_account_public(secret: &secrecy::SecretString) -> Option<PublicKey> {
    PrivateKey::from_pem(secret).ok().map(|key| key.public().clone())
}

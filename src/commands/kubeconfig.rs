//! `pki kubeconfig`: what a person needs to reach the cluster, in one text.

use std::collections::BTreeSet;
use std::net::IpAddr;

use quorate_pki::authority::Authority;
use quorate_pki::cluster::Cluster;
use quorate_pki::entries::{Entry, key_entry};
use quorate_pki::error::StateFault;
use quorate_pki::kinds::{KINDS, Scope};
use quorate_pki::kubeconfig::Kubeconfig;
use quorate_pki::layout::bundle_file;
use quorate_pki::plan::CertId;

use super::read_store;
use crate::cli;
use crate::error::Error;
use crate::identities::Places;
use crate::inventory;
use crate::report::{self, Outcome};
use crate::vault::Vault;

/// Runs the verb.
///
/// # Errors
/// A user without a certificate, a key that nobody here can open.
pub fn run(args: &cli::Kubeconfig) -> Result<Outcome, Error> {
    let cluster = inventory::load(&args.inventory)?;
    super::warn_of_interruption(&args.certs);
    let (plan, store) = read_store(&args.certs, &cluster, None)?;
    let users = || KINDS.iter().filter(|kind| kind.scope == Scope::User).map(|kind| kind.name.to_owned());
    if !users().any(|user| user == args.user) {
        return Err(Error::NotFound { wanted: format!("user `{}`", args.user), known: users().collect() });
    }
    let id = CertId::user(&args.user);
    let missing = |file: String| Error::Request {
        message: format!("`{}` has no `{file}`", args.certs.display()),
        hint: format!("run `pki gen {}` first", args.certs.display()),
    };
    let chain = store.state.certs.get(&id).ok_or_else(|| missing(id.file()))?;
    let certificate: String = chain.iter().map(quorate_pki::facts::CertFacts::pem).collect();
    let bundle = bundle_file(cluster.policy().ca.serving(Authority::Root));
    let root = store.state.files.get(&bundle).ok_or_else(|| missing(bundle))?;
    let entry =
        key_entry(&plan, &store.state, &id).ok_or_else(|| missing(format!("users/{}.yaml", args.user)))?;
    let key = open(&store, &entry)?;
    let text = Kubeconfig {
        cluster: cluster.name(),
        server: &args.server.clone().unwrap_or_else(|| server(&cluster)),
        user: &args.user,
        root: &String::from_utf8_lossy(root),
        certificate: &certificate,
        key: &key,
    }
    .text();
    report::secret(&text);
    Ok(Outcome::Clean)
}

fn open(store: &crate::store::Store, entry: &Entry) -> Result<secrecy::SecretString, Error> {
    let mut identities = Places::from_env().load();
    let vault = Vault::open(store, &BTreeSet::from([entry.file.clone()]), &mut identities)?;
    vault.get(entry).ok_or_else(|| Error::Sealed {
        file: entry.file.clone(),
        cause: format!("it holds no text under `{}`", entry.name),
        hint: StateFault::damaged(&entry.file, "").hint,
    })
}

/// Where the API answers: the virtual IP, else the name.
fn server(cluster: &Cluster) -> String {
    let endpoint = cluster.endpoint();
    let host = match endpoint.ips().first() {
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(ip) => ip.to_string(),
        None => endpoint.name().to_owned(),
    };
    format!("https://{host}:{}", endpoint.port())
}

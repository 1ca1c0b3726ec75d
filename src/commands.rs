//! One verb a file: read, decide, show, act.

pub mod check;
pub mod generate;
pub mod init;
pub mod kubeconfig;
pub mod modules;
pub mod router;
pub mod show;

use quorate_pki::adopt::recall;
use quorate_pki::decision::foreign;
use quorate_pki::manifest::Manifest;
use quorate_pki::plan::{Format, Plan};
use quorate_pki::readers::{Host, HostKey, Readers, host_keys};
use quorate_secrets::recipient::Recipient;
use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;
use crate::report;
use crate::store::Store;
use crate::store::commit::{Interrupted, interrupted};
use quorate_pki::cluster::Cluster;

/// A public host key as both kinds of files name it.
fn host(machine: &str, public: &str) -> Result<Host, Error> {
    let recipient = Recipient::from_ssh_host_key(public).map_err(|error| Error::Recipient {
        place: format!("the host key of `{machine}`"),
        cause: error.to_string(),
        hint: error.hint().to_owned(),
    })?;
    Ok(Host { ssh: public.to_owned(), age: recipient.key().to_owned() })
}

/// The readers that are known without making anything, and the machines whose host key is still to be made.
fn known_readers(
    root: &Path,
    cluster: &Cluster,
    store: &Store,
    admins: Vec<String>,
    root_admins: Vec<String>,
) -> Result<(Readers, Vec<String>), Error> {
    let keys = host_keys(cluster, &store.state)
        .map_err(|faults| Error::State { folder: root.to_owned(), faults })?;
    let mut hosts = BTreeMap::new();
    let mut to_make = Vec::new();
    for (machine, key) in keys {
        match key {
            HostKey::Known(public) => {
                let host = host(&machine, &public)?;
                hosts.insert(machine, host);
            }
            HostKey::ToMake => to_make.push(machine),
        }
    }
    Ok((Readers { admins, root_admins, hosts }, to_make))
}

/// Recipients as we write and compare them: without a comment, each once.
pub(crate) fn normal(texts: &[String], place: &str) -> Result<Vec<String>, Error> {
    let recipients = crate::vault::recipients(texts, place)?;
    let mut seen = std::collections::BTreeSet::new();
    Ok(recipients
        .iter()
        .map(|recipient| recipient.key().to_owned())
        .filter(|key| seen.insert(key.clone()))
        .collect())
}

/// Reads the manifest, then everything that it or the plan accounts for.
fn read_store(root: &Path, cluster: &Cluster, format: Option<Format>) -> Result<(Plan, Store), Error> {
    let manifest = crate::store::read_manifest(root)?;
    let format = format.or(manifest.as_ref().map(|manifest| manifest.format)).unwrap_or(Format::Sops);
    let mut plan = Plan::new(cluster, format);
    let store = Store::read(root, &plan, manifest)?;
    if let Some(fault) = foreign(&store.state) {
        return Err(Error::State { folder: root.to_owned(), faults: vec![fault] });
    }
    recall(cluster.policy().ca, &mut plan, &store.state)
        .map_err(|faults| Error::State { folder: root.to_owned(), faults })?;
    Ok((plan, store))
}

/// Says that a run was interrupted here: all that a verb which only reads may do about it.
fn say_interrupted(folder: &Path, left: Interrupted) {
    let folder = folder.display();
    report::warning(&match left {
        Interrupted::Committed => {
            format!(
                "a run was interrupted in `{folder}` while it moved files into place: `pki gen {folder}` finishes it"
            )
        }
        Interrupted::Staged => {
            format!(
                "a run was interrupted in `{folder}` before it changed anything: `pki gen {folder}` drops what it left"
            )
        }
    });
}

/// [`say_interrupted`], where a run was.
fn warn_of_interruption(folder: &Path) {
    if let Some(left) = interrupted(folder) {
        say_interrupted(folder, left);
    }
}

/// The admins and the root's own: machines.nix says who, else the manifest, whatever identities lie around. The root's
/// own are named in machines.nix or not at all. The admins may be nobody yet.
fn named_admins(cluster: &Cluster, manifest: Option<&Manifest>) -> Result<(Vec<String>, Vec<String>), Error> {
    let named = normal(cluster.admins(), "cluster.admins")?;
    let of_root = normal(cluster.root_admins(), "cluster.rootAdmins")?;
    if !named.is_empty() {
        return Ok((named, of_root));
    }
    Ok((manifest.map(|manifest| manifest.admins.clone()).unwrap_or_default(), of_root))
}

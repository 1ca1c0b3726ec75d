//! What stands in the repository, read for `preflight`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use quorate_pki::cluster::Cluster;
use quorate_pki::readers::HostKey;
use quorate_pki::readers::host_keys;
use time::OffsetDateTime;

use super::Refusal;
use super::cli::Cli;
use super::preflight::{Certificates, Facts, Left, Modules};
use super::tree::{SECRETS, Tree};
use crate::commands::check::{Finding, compared};
use crate::commands::modules::out_of_date;
use crate::error::Error;
use crate::store::Store;
use crate::store::commit::{Interrupted, interrupted};

/// The folder of the emitted modules, beside the inventory.
const MODULES: &str = "modules";
/// The folder of the users' own files, beside the inventory.
const HOSTS: &str = "hosts";

/// What there is, and the certificates themselves where they could be read.
///
/// # Errors
/// What keeps them from being read, such as a file that nobody may open. What is wrong with them is none of that.
pub(super) fn read(
    args: &Cli,
    tree: &Tree,
    cluster: &Cluster,
    now: OffsetDateTime,
) -> Result<(Facts, Option<Store>), Error> {
    let (state, store) = certificates(args, tree, cluster, now)?;
    let modules = modules(tree, cluster, &state, store.as_ref())?;
    let hosts = tree.root.join(HOSTS);
    let names = nix_files(&hosts)?;
    let facts = Facts {
        certs: tree.certs.display().to_string(),
        state,
        modules,
        unseen: tree.unseen()?,
        with_keys: names.iter().filter(|name| names_a_key(&hosts, name)).cloned().collect(),
        hosts: names,
    };
    Ok((facts, store))
}

/// Whether a machine's file lets somebody in beside `cluster.sshKeys`, which is what `pki init` wrote into it.
fn names_a_key(hosts: &Path, machine: &str) -> bool {
    let files = [hosts.join(format!("{machine}.nix")), hosts.join(machine).join("default.nix")];
    let text = files.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let mut code = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    code.any(|line| line.contains("authorizedKeys") && !line.contains("sshKeys"))
}

fn modules(
    tree: &Tree,
    cluster: &Cluster,
    state: &Certificates,
    store: Option<&Store>,
) -> Result<Modules, Error> {
    let folder = tree.root.join(MODULES);
    if !folder.join("default.nix").is_file() {
        return Ok(Modules::Missing);
    }
    let manifest = store.and_then(|store| store.state.manifest.as_ref());
    match (state, manifest) {
        (Certificates::Compared { drift, .. }, Some(manifest)) if drift.is_empty() => {
            match out_of_date(&folder, &tree.certs, &tree.root.join(SECRETS), cluster, manifest) {
                // As what was changed by hand is one more thing in the way.
                Err(Error::Request { message, hint }) => {
                    Ok(Modules::Refused(Refusal::new("modules/", message, hint)))
                }
                files => files.map(Modules::OutOfDate),
            }
        }
        _ => Ok(Modules::NotCompared),
    }
}

fn certificates(
    args: &Cli,
    tree: &Tree,
    cluster: &Cluster,
    now: OffsetDateTime,
) -> Result<(Certificates, Option<Store>), Error> {
    if interrupted(&tree.certs) == Some(Interrupted::Committed) {
        return Ok((Certificates::Interrupted, None));
    }
    let (store, findings) = match compared(&tree.certs, &args.inventory.file, cluster, now) {
        Ok(found) => found,
        // What cannot be believed is one more thing in the way.
        Err(Error::State { faults, .. }) => {
            let faults = faults.into_iter().map(|fault| Refusal::new(fault.file, fault.message, fault.hint));
            return Ok((Certificates::Damaged(faults.collect()), None));
        }
        Err(error) => return Err(error),
    };
    let Some(manifest) = &store.state.manifest else { return Ok((Certificates::Missing, None)) };
    let left = manifest
        .certificates
        .iter()
        // What people have is on no machine.
        .filter(|record| record.machine.is_some() || record.id.as_str().starts_with("ca/"))
        .map(|record| Left {
            id: record.id.to_string(),
            machine: record.machine.clone(),
            time: record.not_after - now,
        })
        .collect();
    // What is left over harms nobody.
    let findings = findings.into_iter().filter(|finding| !finding.is_left_over);
    let drift = findings.map(|Finding { what, text, .. }| (what, text)).collect();
    Ok((Certificates::Compared { drift, left }, Some(store)))
}

/// The names of the files of Nix in a folder, without their ending; a folder with a default.nix counts as one.
fn nix_files(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(cause) => return Err(Error::io("read", folder)(cause)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let is_file = path.is_file() && path.extension() == Some(OsStr::new("nix"));
        let name = if is_file { path.file_stem() } else { path.file_name() };
        if is_file || path.join("default.nix").is_file() {
            names.extend(name.map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(names)
}

/// The public host key of a machine, as certs/ or the inventory has it.
pub(super) fn public_host_key(cluster: &Cluster, store: &Store, machine: &str) -> Option<String> {
    match host_keys(cluster, &store.state).ok()?.remove(machine)? {
        HostKey::Known(public) => Some(public),
        HostKey::ToMake => None,
    }
}

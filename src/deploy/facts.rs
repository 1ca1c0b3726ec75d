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
use crate::commands::check::{Finding, compared};
use crate::commands::modules::out_of_date;
use crate::error::Error;
use crate::store::Store;
use crate::store::commit::{Interrupted, interrupted};

/// The folder of the emitted modules, beside the inventory.
const MODULES: &str = "modules";
/// The folder of people's own secrets, beside the inventory.
const SECRETS: &str = "secrets";
/// The folder of the users' own files, beside the inventory.
const HOSTS: &str = "hosts";

/// What there is, and the certificates themselves where they could be read.
///
/// # Errors
/// What keeps them from being read, such as a file that nobody may open. What is wrong with them is none of that.
pub(super) fn read(
    args: &Cli,
    cluster: &Cluster,
    now: OffsetDateTime,
) -> Result<(Facts, Option<Store>), Error> {
    let root = args.inventory.file.parent().unwrap_or(Path::new("."));
    let (state, store) = certificates(args, cluster, now)?;
    let modules = modules(args, cluster, root, &state, store.as_ref())?;
    let facts = Facts {
        certs: args.certs.display().to_string(),
        state,
        modules,
        hosts: nix_files(&root.join(HOSTS))?,
    };
    Ok((facts, store))
}

fn modules(
    args: &Cli,
    cluster: &Cluster,
    root: &Path,
    state: &Certificates,
    store: Option<&Store>,
) -> Result<Modules, Error> {
    let folder = root.join(MODULES);
    if !folder.join("default.nix").is_file() {
        return Ok(Modules::Missing);
    }
    let manifest = store.and_then(|store| store.state.manifest.as_ref());
    match (state, manifest) {
        (Certificates::Compared { drift, .. }, Some(manifest)) if drift.is_empty() => {
            out_of_date(&folder, &args.certs, &root.join(SECRETS), cluster, manifest).map(Modules::OutOfDate)
        }
        _ => Ok(Modules::NotCompared),
    }
}

fn certificates(
    args: &Cli,
    cluster: &Cluster,
    now: OffsetDateTime,
) -> Result<(Certificates, Option<Store>), Error> {
    if interrupted(&args.certs) == Some(Interrupted::Committed) {
        return Ok((Certificates::Interrupted, None));
    }
    let (store, findings) = match compared(&args.certs, &args.inventory.file, cluster, now) {
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

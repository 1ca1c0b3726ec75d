//! `pki modules`: the NixOS modules of every machine, from machines.nix and what stands in certs/.

mod folder;
mod wired;

use std::path::{Component, Path, PathBuf};

use quorate_pki::cluster::Cluster;
use quorate_pki::manifest::Manifest;
use quorate_pki::plan::Format;
use serde_json::json;
use time::OffsetDateTime;

use super::{check, named_admins};
use crate::cli::Modules;
use crate::error::Error;
use crate::inventory;
use crate::modules::{Emitted, Flavour, Site, emit, targets, unusable_recipients};
use crate::report::{self, Outcome};
use crate::words;
use folder::{Change, Folder};

/// Machines named of which the same is to be said.
const MOST_NAMED: usize = 5;

/// Runs the verb.
///
/// # Errors
/// An inventory or certs/ that cannot be used, a certs/ that is not what machines.nix plans, files changed by hand.
pub fn run(args: &Modules, now: OffsetDateTime) -> Result<Outcome, Error> {
    let cluster = inventory::load(&args.inventory)?;
    if let Some(name) = &args.only {
        is_target(&cluster, name)?;
    }
    let (format, admins) = certificates(args, &cluster, now)?;
    backup_recipients(&cluster, &admins)?;
    let (wired, skipped) = wired::read(&args.secrets, &cluster, format)?;
    for text in &skipped {
        report::warning(text);
    }
    let certs = from(&args.folder, &args.certs)?;
    let secrets = from(&args.folder, &args.secrets)?;
    let site =
        Site { cluster: &cluster, format, admins: &admins, certs: &certs, secrets: &secrets, wired: &wired };
    let files = emit(&site, Flavour::Upstream);
    if let Some(name) = &args.only {
        let wanted = format!("{name}.nix");
        files.iter().filter(|file| file.name == wanted).for_each(|file| report::data(&file.text));
        return Ok(Outcome::Clean);
    }
    let folder = Folder::read(&args.folder)?;
    let changes = folder.compare(&files, args.force)?;
    show(args, &files, &changes);
    if !args.dry_run {
        folder.write(&files, &changes)?;
        return Ok(Outcome::Clean);
    }
    Ok(if changes.is_empty() { Outcome::Clean } else { Outcome::Findings })
}

/// The files below `folder` that are not what `pki modules` would write there now. `certs` must be what the inventory
/// plans.
///
/// # Errors
/// As [`run`], files that were changed by hand among them.
pub(crate) fn out_of_date(
    folder: &Path,
    certs: &Path,
    secrets: &Path,
    cluster: &Cluster,
    manifest: &Manifest,
) -> Result<Vec<String>, Error> {
    let (admins, _) = named_admins(cluster, Some(manifest))?;
    let format = manifest.format;
    let (wired, _) = wired::read(secrets, cluster, format)?;
    let (certs, secrets) = (from(folder, certs)?, from(folder, secrets)?);
    let site = Site { cluster, format, admins: &admins, certs: &certs, secrets: &secrets, wired: &wired };
    let changes = Folder::read(folder)?.compare(&emit(&site, Flavour::Upstream), false)?;
    Ok(changes.iter().map(|change| change.name().to_owned()).collect())
}

/// A machine that gets a module, or why it gets none.
fn is_target(cluster: &Cluster, name: &str) -> Result<(), Error> {
    if targets(cluster).any(|machine| machine.name() == name) {
        return Ok(());
    }
    let Some(machine) = cluster.machine(name) else {
        return Err(Error::NotFound {
            wanted: format!("machine `{name}`"),
            known: targets(cluster).map(|machine| machine.name().to_owned()).collect(),
        });
    };
    let (message, hint) = if machine.node() {
        (
            format!("`{name}` runs neither Kubernetes nor etcd, and gets no module"),
            "set `kubernetes.enable` or `etcd.enable` of it in machines.nix",
        )
    } else {
        (
            format!("`{name}` is no NixOS machine (`node = false`), and gets no module"),
            "`pki router` prints what belongs on a router",
        )
    };
    Err(Error::Request { message, hint: hint.to_owned() })
}

/// In which form keys are sealed, and who the admins are; everything in certs/ must be as machines.nix plans it, since
/// modules name files that a machine could not start without.
fn certificates(
    args: &Modules,
    cluster: &Cluster,
    now: OffsetDateTime,
) -> Result<(Format, Vec<String>), Error> {
    let certs = args.certs.display();
    let request = |message, hint| Err(Error::Request { message, hint });
    super::warn_of_interruption(&args.certs);
    let (store, found) = check::compared(&args.certs, &args.inventory.file, cluster, now)?;
    let Some(manifest) = store.state.manifest.as_ref() else {
        let message = format!("`{certs}` has no certificates yet, and modules name their files");
        return request(message, format!("run `pki gen {certs}` first"));
    };
    let found = found.iter().filter(|finding| !finding.is_left_over);
    let found: Vec<String> = found.map(|finding| format!("{}: {}", finding.what, finding.text)).collect();
    if !found.is_empty() {
        let found = words::plain(&found, MOST_NAMED);
        let message = format!("`{certs}` is not what machines.nix plans: {found}");
        return request(message, format!("run `pki gen {certs}` first"));
    }
    let (admins, _) = named_admins(cluster, Some(manifest))?;
    Ok((manifest.format, admins))
}

/// A backup is sealed on a machine, where no plugin is.
fn backup_recipients(cluster: &Cluster, admins: &[String]) -> Result<(), Error> {
    if cluster.backup().is_none() {
        return Ok(());
    }
    let unusable = unusable_recipients(admins);
    if unusable.len() == admins.len() {
        return Err(Error::Request {
            message: "`cluster.backup` asks for backups, and no admin has a recipient that a machine can seal to"
                .to_owned(),
            hint: "name one more admin, with an `age1...` recipient of no plugin or an SSH key: it can lie in a safe"
                .to_owned(),
        });
    }
    for recipient in unusable {
        report::warning(&format!(
            "backups are not sealed to `{recipient}`: its plugin is not on the machines that make them"
        ));
    }
    Ok(())
}

/// `to` as a Nix path seen from `folder`: both may not exist yet.
fn from(folder: &Path, to: &Path) -> Result<String, Error> {
    let (folder, to) = (whole(folder)?, whole(to)?);
    let common = folder.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| "..".to_owned());
    let down = to.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    let plain =
        |part: &String| part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'));
    if let Some(odd) = parts.iter().find(|part| !plain(part)) {
        return Err(Error::Request {
            message: format!("`{odd}` in the path of `{}` cannot be written as a path in Nix", to.display()),
            hint: "use folders whose names have letters, digits, `.`, `_`, `-` and `+` alone".to_owned(),
        });
    }
    let text = parts.join("/");
    Ok(if text.starts_with("..") { text } else { format!("./{text}") })
}

/// The path without links, as far as it exists.
fn whole(path: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    let mut missing = Vec::new();
    let mut at = absolute.as_path();
    loop {
        if let Ok(known) = std::fs::canonicalize(at) {
            return Ok(missing.into_iter().rev().fold(known, |path: PathBuf, part| path.join(part)));
        }
        match (at.parent(), at.components().next_back()) {
            (Some(parent), Some(Component::Normal(name))) => {
                missing.push(name.to_owned());
                at = parent;
            }
            _ => return Ok(absolute.clone()),
        }
    }
}

fn show(args: &Modules, files: &[Emitted], changes: &[Change]) {
    if args.json {
        let row = |change: &Change| json!({ "file": change.name(), "change": change.word() });
        report::json(
            &json!({ "files": files.len(), "changes": changes.iter().map(row).collect::<Vec<_>>() }),
        );
    } else {
        let row = |change: &Change| vec![change.word().to_owned(), change.name().to_owned()];
        report::table(&changes.iter().map(row).collect::<Vec<_>>());
    }
    let folder = args.folder.display();
    if changes.is_empty() {
        report::note(&format!("{folder} is up to date: {}", words::count(files.len(), "file")));
    } else if args.dry_run {
        report::note(&format!("{} to write in {folder}", words::count(changes.len(), "file")));
    } else {
        report::note(&format!(
            "{} of {} written in {folder}",
            changes.len(),
            words::count(files.len(), "file")
        ));
    }
}

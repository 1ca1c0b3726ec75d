//! Our rules for `.sops.yaml`: whatever plain sops does with one of our files, it does for the readers we mean.

pub mod files;

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::kinds::{HOST, SHARED};
use quorate_pki::plan::{Audience, Format, Plan};
use quorate_pki::readers::Readers;
use quorate_secrets::rules::{Rule, edit_rules};

use crate::error::Error;
use crate::store::commit::sync_parent;
use crate::vault::recipients;

/// What a secret's file may end in below `secrets/`; a README there is nobody's secret.
const SECRET_ENDINGS: &str = r"\.(yaml|yml|json|env|ini|bin|age)";

/// `.sops.yaml` beside the inventory, with the text that it should have.
#[derive(Debug)]
pub struct RulesFile {
    /// The file.
    pub path: PathBuf,
    /// Its text now; `None` when it does not exist.
    pub old: Option<String>,
    /// The text it should have.
    pub new: String,
    /// The expressions of our rules in it.
    pub ours: Vec<String>,
}

impl RulesFile {
    /// Whether it must be written.
    pub fn changes(&self) -> bool {
        self.old.as_deref() != Some(&self.new)
    }

    /// Replaces the file by one rename. Run after the certificates are in place: who is stopped in between finds the
    /// rules out of step at the next run, which writes them.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self) -> Result<(), Error> {
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = (|| {
            let mut file = tempfile::Builder::new().prefix(".sops.yaml.").tempfile_in(folder)?;
            file.write_all(self.new.as_bytes())?;
            let mode = std::fs::metadata(&self.path).map_or(0o644, |old| old.permissions().mode());
            file.as_file().set_permissions(Permissions::from_mode(mode))?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)
        })();
        written.map_err(Error::io("write", &self.path))?;
        sync_parent(&self.path)
    }
}

/// Reads `.sops.yaml` beside `inventory` and puts our rules into it. `None` when `certs` does not lie below that
/// folder: no rule there could name our files.
///
/// # Errors
/// [`Error::Rules`] when it cannot hold our rules, [`Error::Io`] when it cannot be read.
pub fn plan_rules(
    inventory: &Path,
    certs: &Path,
    cluster: &Cluster,
    plan: &Plan,
    readers: &Readers,
) -> Result<Option<RulesFile>, Error> {
    let folder = folder_of(inventory);
    let Some(below) = relative(folder, certs)? else { return Ok(None) };
    let path = if folder == Path::new(".") { PathBuf::from(".sops.yaml") } else { folder.join(".sops.yaml") };
    if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
        return Err(Error::Rules {
            path,
            cause: "it is a symbolic link, and what it leads to is not ours to write".to_owned(),
            hint: "put the file itself there".to_owned(),
        });
    }
    let old = match files::text(&path) {
        Ok(text) => Some(text),
        Err(Error::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let (first, last) = rules(&below, cluster, plan, readers)?;
    let new = edit_rules(old.as_deref(), &first, &last).map_err(|error| Error::Rules {
        path: path.clone(),
        cause: error.to_string(),
        hint: error.hint().to_owned(),
    })?;
    let ours = first.into_iter().chain(last).map(|rule| rule.path_regex).collect();
    Ok(Some(RulesFile { path, old, new, ours }))
}

/// The folder that an inventory stands in, where `.sops.yaml` and `secrets/` stand as well.
pub(crate) fn folder_of(inventory: &Path) -> &Path {
    inventory.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `certs` as seen from `folder`, with forward slashes; `None` when it lies elsewhere.
fn relative(folder: &Path, certs: &Path) -> Result<Option<String>, Error> {
    let whole = |path: &Path| {
        let known = std::fs::canonicalize(path).ok();
        // What does not exist yet has no links in it either.
        let parent = || {
            let parent =
                path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(std::fs::canonicalize(parent).ok()?.join(path.file_name()?))
        };
        known.or_else(parent).map_or_else(|| std::path::absolute(path).map_err(Error::io("find", path)), Ok)
    };
    let (folder, certs) = (whole(folder)?, whole(certs)?);
    let Ok(below) = certs.strip_prefix(&folder) else { return Ok(None) };
    let parts: Vec<String> = below
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// The rules that stand first, and the one that takes what nobody else claims. As few as there are sets of readers,
/// so that a thousand machines still make a file that sops reads in an instant.
fn rules(
    certs: &str,
    cluster: &Cluster,
    plan: &Plan,
    readers: &Readers,
) -> Result<(Vec<Rule>, Vec<Rule>), Error> {
    let folder = literal(certs);
    let shared: Vec<&str> = SHARED.iter().map(|shared| shared.name).collect();
    let for_admins = format!("{folder}/(ca/[^/]+|users/[^/]+|[^/]+/{HOST}|{})\\.yaml", shared.join("|"));
    let paths_of = |audience: &dyn Fn(&Audience) -> bool| -> Vec<String> {
        let sops =
            plan.sealed.iter().filter(|sealed| sealed.format == Format::Sops && audience(&sealed.audience));
        sops.map(|sealed| format!("{certs}/{}", sealed.path)).collect()
    };
    let mut first = Vec::new();
    if !readers.root_admins.is_empty() {
        let paths = paths_of(&|audience| *audience == Audience::RootAdmins);
        first.push(rule(&format!("{folder}/ca/root\\.yaml"), &readers.root_admins, paths)?);
    }
    first.push(rule(&for_admins, &readers.admins, paths_of(&|audience| *audience == Audience::Admins))?);
    for sealed in plan.sealed.iter().filter(|sealed| matches!(sealed.audience, Audience::Machine(_))) {
        if sealed.format == Format::Sops {
            let path = format!("{certs}/{}", sealed.path);
            first.push(rule(&literal(&path), &readers.of(&sealed.audience, Format::Sops), vec![path])?);
        }
    }
    let hosts = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        let ages = names.filter_map(|name| readers.hosts.get(name)).map(|host| host.age.clone());
        readers.admins.iter().cloned().chain(ages).collect()
    };
    first.push(tier("admins", &readers.admins)?);
    first.push(tier("masters", &hosts(&mut cluster.masters().map(Machine::name)))?);
    first.push(tier("all", &hosts(&mut cluster.nodes().map(Machine::name)))?);
    for machine in cluster.nodes() {
        first.push(tier(machine.name(), &hosts(&mut std::iter::once(machine.name())))?);
    }
    let rest = rule(
        &format!("secrets/.*{SECRET_ENDINGS}"),
        &readers.admins,
        vec!["secrets/example.yaml".to_owned()],
    )?;
    Ok((first, vec![rest]))
}

/// `secrets/<folder>/`: one tier of readers.
fn tier(folder: &str, readers: &[String]) -> Result<Rule, Error> {
    let pattern = format!("secrets/{}/.*{SECRET_ENDINGS}", literal(folder));
    rule(&pattern, readers, vec![format!("secrets/{folder}/example.yaml")])
}

fn rule(pattern: &str, readers: &[String], paths: Vec<String>) -> Result<Rule, Error> {
    Ok(Rule { path_regex: format!("^{pattern}$"), recipients: recipients(readers, ".sops.yaml")?, paths })
}

/// A path as an expression that matches itself alone.
fn literal(path: &str) -> String {
    path.chars().fold(String::new(), |mut text, letter| {
        if !letter.is_ascii_alphanumeric() && !"/-_".contains(letter) {
            text.push('\\');
        }
        text.push(letter);
        text
    })
}

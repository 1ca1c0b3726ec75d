//! The passwords of BGP and VRRP, sealed beside machines.nix: `secrets/masters/cluster.yaml`, or for agenix one file
//! each. What is to be done is found without an identity; a file that stands there already is opened for it.
//!
//! These files are a person's as well: other keys in them stay, with their ciphertexts, and so does a password that is
//! there. They stand outside of `certs/`, so its commit does not cover them: each is replaced by a rename of its own,
//! after the commit, and who is stopped in between finds the file out of step at the next run. One thing can be seen
//! only before the commit: that the admins of an age file changed, whose header does not name them. Such a file is
//! replaced before it.

mod write;

use std::path::{Path, PathBuf};

use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::manifest::Manifest;
use quorate_pki::password::{PASSWORDS, Password};
use quorate_pki::plan::Format;
use quorate_pki::readers::Readers;
use quorate_secrets::age_file;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::sops::{KeyGroups, SealedFile, SopsError, Store};

use crate::error::Error;
use crate::secrets::locked::open_regular;
use crate::secrets::target::bounded;
use crate::vault::recipients;

pub use write::{Write, write};

/// Where they stand, seen from the folder of machines.nix. The rule of `.sops.yaml` for the masters is for it.
pub(crate) const FOLDER: &str = "secrets/masters";
/// The SOPS file for all of them.
const FILE: &str = "cluster.yaml";

/// What is to be done about the passwords.
#[derive(Debug, Default)]
pub struct Passwords {
    folder: PathBuf,
    changes: Vec<Change>,
    /// Passwords that nothing asks for, each with its file.
    unused: Vec<(&'static str, String)>,
    /// Every file that stands there.
    found: Vec<(String, Old)>,
}

/// One file that changes.
#[derive(Debug)]
pub struct Change {
    /// The file, seen from the folder of machines.nix.
    pub file: String,
    /// `seal`, `update`, `rekey` or `remove`.
    pub verb: &'static str,
    /// Why.
    pub reasons: Vec<String>,
    /// Recipients that lose access.
    pub left: Vec<String>,
    /// What it holds of ours, before and after.
    pub names: Vec<&'static str>,
    old: Option<Old>,
    /// What it lacks, and from which file of the other form that is to be had; else it is made.
    missing: Vec<(&'static Password, Option<String>)>,
    /// What is taken out of it.
    dropped: Vec<&'static str>,
    recipients: Vec<Recipient>,
    format: Format,
}

/// A file as it stands.
#[derive(Debug, Clone)]
struct Old {
    bytes: Vec<u8>,
    format: Format,
}

/// Everything that the plan is made from.
pub struct Asked<'a> {
    /// The folder of machines.nix.
    pub folder: &'a Path,
    /// What it says.
    pub cluster: &'a Cluster,
    /// In which form the machines' keys are sealed.
    pub format: Format,
    /// Who may read what.
    pub readers: &'a Readers,
    /// What was recorded before this run.
    pub manifest: Option<&'a Manifest>,
    /// Whether what nothing asks for is removed.
    pub prune: bool,
}

impl Asked<'_> {
    /// Whether a master has no host key yet, as `pki check` finds it.
    fn lacks_a_master(&self) -> bool {
        let mut nodes = self.cluster.masters().filter(|master| master.node());
        nodes.any(|master| !self.readers.hosts.contains_key(master.name()))
    }
}

impl Passwords {
    /// Compares what is there with what the inventory asks for. Needs no identity.
    ///
    /// # Errors
    /// [`Error::Plaintext`] and its like for a file that is not sealed, or damaged; [`Error::Io`].
    pub fn plan(asked: &Asked<'_>) -> Result<Self, Error> {
        let mut found = Vec::new();
        for file in std::iter::once(sops_file()).chain(PASSWORDS.iter().map(age_file)) {
            if let Some(old) = read(&place(asked.folder, &file), format_of(&file))? {
                found.push((file, old));
            }
        }
        let mut plan = Self { folder: asked.folder.to_owned(), ..Self::default() };
        let is_needed = PASSWORDS.iter().any(|password| (password.needed)(asked.cluster));
        // What cannot be read is nobody's business here while nothing belongs into it.
        found.retain(|(file, old)| is_needed || old.names(&place(asked.folder, file)).is_ok());
        if !is_needed && found.is_empty() {
            return Ok(plan);
        }
        let readers = masters(asked, asked.format)?;
        let files: Vec<(String, Vec<&'static Password>)> = match asked.format {
            Format::Sops => vec![(sops_file(), PASSWORDS.iter().collect())],
            Format::Age => PASSWORDS.iter().map(|password| (age_file(password), vec![password])).collect(),
        };
        for (file, passwords) in files {
            let own = plan.file(asked, &file, &passwords, &found, &readers)?;
            plan.changes.extend(own);
        }
        plan.other_form(asked, &found)?;
        plan.found = found;
        Ok(plan)
    }

    /// What one file of the form that is asked for lacks.
    fn file(
        &mut self,
        asked: &Asked<'_>,
        file: &str,
        passwords: &[&'static Password],
        found: &[(String, Old)],
        readers: &[Recipient],
    ) -> Result<Option<Change>, Error> {
        let old = found.iter().find(|(known, _)| known == file).map(|(_, old)| old.clone());
        let path = place(asked.folder, file);
        let held = old.as_ref().map_or_else(|| Ok(Vec::new()), |old| old.names(&path))?;
        let is_needed = |password: &Password| (password.needed)(asked.cluster);
        let ours: Vec<&'static Password> =
            passwords.iter().copied().filter(|password| holds(&held, password.name)).collect();
        let idle: Vec<&'static str> =
            ours.iter().filter(|password| !is_needed(password)).map(|password| password.name).collect();
        let mut reasons = Vec::new();
        let mut missing = Vec::new();
        for password in passwords.iter().copied() {
            if !is_needed(password) || holds(&held, password.name) {
                continue;
            }
            let other = elsewhere(password, file, found, asked.folder)?;
            let from = other.as_ref().map_or_else(String::new, |other| format!(", taken over from {other}"));
            reasons.push(format!("`{}` is new{from}", password.name));
            missing.push((password, other));
        }
        if !asked.prune {
            self.unused.extend(idle.iter().map(|name| (*name, file.to_owned())));
        }
        let dropped = if asked.prune { idle } else { Vec::new() };
        reasons.extend(dropped.iter().map(|name| format!("nothing asks for `{name}` any more")));
        let names: Vec<&'static str> = ours
            .iter()
            .chain(missing.iter().map(|(password, _)| password))
            .map(|password| password.name)
            .collect();
        // Only a file that holds something of ours is ours to look after.
        let drift = match &old {
            Some(old) if !names.is_empty() => {
                // Whose host key is yet to be made cannot read it.
                let unknown = || asked.lacks_a_master().then(Vec::new);
                old.drift(&path, readers, asked)?.or_else(unknown)
            }
            _ => None,
        };
        if let Some(left) = &drift {
            let others = if left.is_empty() { "" } else { ", and somebody else can read it" };
            reasons.push(format!("it is not sealed to the admins and every master{others}"));
        }
        if reasons.is_empty() {
            return Ok(None);
        }
        let is_emptied = missing.is_empty()
            && !held.is_empty()
            && held.iter().all(|name| dropped.contains(&name.as_str()));
        let verb = match (&old, &drift) {
            (None, _) => "seal",
            _ if is_emptied => "remove",
            (Some(_), Some(left)) if !left.is_empty() => "rekey",
            _ => "update",
        };
        let file = file.to_owned();
        let (left, recipients, format) = (drift.unwrap_or_default(), readers.to_vec(), asked.format);
        Ok(Some(Change { file, verb, reasons, left, names, old, missing, dropped, recipients, format }))
    }

    /// What stands in files of the other form, which no machine reads.
    fn other_form(&mut self, asked: &Asked<'_>, found: &[(String, Old)]) -> Result<(), Error> {
        for (file, old) in found.iter().filter(|(_, old)| old.format != asked.format) {
            let held = old.names(&place(asked.folder, file))?;
            let ours: Vec<_> =
                PASSWORDS.iter().map(|password| password.name).filter(|name| holds(&held, name)).collect();
            if ours.is_empty() {
                continue;
            }
            if !asked.prune {
                self.unused.extend(ours.iter().map(|name| (*name, file.clone())));
                continue;
            }
            let is_emptied = held.iter().all(|name| ours.contains(&name.as_str()));
            self.changes.push(Change {
                file: file.clone(),
                verb: if is_emptied { "remove" } else { "update" },
                reasons: ours.iter().map(|name| format!("nothing reads `{name}` in this form")).collect(),
                left: Vec::new(),
                names: ours.clone(),
                old: Some(old.clone()),
                missing: Vec::new(),
                dropped: ours,
                recipients: masters(asked, old.format)?,
                format: old.format,
            });
        }
        Ok(())
    }

    /// What is to be done, file by file.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Passwords that nothing asks for any more, and their files.
    pub fn unused(&self) -> &[(&'static str, String)] {
        &self.unused
    }

    /// Leaves of it what a change of admins must do and nobody else does: `secrets recipients` seals every SOPS file
    /// anew by itself.
    pub fn keep_age_readers(&mut self) {
        self.changes.retain(Change::is_before_commit);
    }
}

impl Change {
    /// Whether it is written before the commit: of an age file nobody sees afterwards that its admins changed.
    pub(crate) fn is_before_commit(&self) -> bool {
        self.format == Format::Age && self.old.is_some() && self.dropped.is_empty()
    }

    /// The passwords that it adds.
    pub fn made(&self) -> impl Iterator<Item = &'static str> {
        self.missing.iter().map(|(password, _)| password.name)
    }
}

impl Old {
    /// The names of what it holds.
    fn names(&self, path: &Path) -> Result<Vec<String>, Error> {
        match self.format {
            Format::Sops => Ok(self.sealed(path)?.keys().map(str::to_owned).collect()),
            Format::Age => {
                Ok(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).into_iter().collect())
            }
        }
    }

    /// Who can open it and should not, as far as anybody can tell; `None` when its readers are these.
    fn drift(
        &self,
        path: &Path,
        readers: &[Recipient],
        asked: &Asked<'_>,
    ) -> Result<Option<Vec<String>>, Error> {
        if self.format == Format::Sops {
            let sealed = self.sealed(path)?;
            if sealed.is_for(&KeyGroups::one(readers)) {
                return Ok(None);
            }
            let extra = sealed.drift(readers).extra;
            // Keys of other services are kept, whoever has them.
            return Ok(Some(
                extra.into_iter().filter(|key| sealed.foreign().all(|known| known != key)).collect(),
            ));
        }
        let failed = |error: age_file::AgeError| damaged_age(path, &error);
        let before = asked.manifest.map(|manifest| manifest.admins.as_slice()).unwrap_or_default();
        let gone = |admins: &[String]| {
            before.iter().filter(|one| !admins.contains(one)).cloned().collect::<Vec<_>>()
        };
        let same_admins = asked.manifest.is_none()
            || (gone(&asked.readers.admins).is_empty() && before.len() == asked.readers.admins.len());
        if same_admins && age_file::may_be_for(&self.bytes, readers).map_err(failed)? {
            return Ok(None);
        }
        Ok(Some(gone(&asked.readers.admins)))
    }

    fn sealed(&self, path: &Path) -> Result<SealedFile, Error> {
        let wrong =
            |error| Error::Secrets { path: path.to_owned(), error: Box::new(error), looked: Vec::new() };
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|error| wrong(SopsError::NotText { at: error.valid_up_to() }))?;
        SealedFile::parse(text, Store::Yaml).map_err(|error| match error {
            SopsError::NotSealed => Error::Plaintext { path: path.to_owned() },
            error => wrong(error),
        })
    }
}

fn holds(held: &[String], name: &str) -> bool {
    held.iter().any(|one| one == name)
}

/// The command that tells a person a password, seen from the folder of machines.nix.
pub fn command(folder: &Path, name: &str) -> String {
    let age = format!("{FOLDER}/{name}.age");
    if place(folder, &age).exists() && !place(folder, &sops_file()).exists() {
        return format!("age -d -i ~/.config/sops/age/keys.txt {age}");
    }
    format!("secrets get {} {name}", sops_file())
}

/// A file's path, as people see it.
fn place(folder: &Path, file: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(file) } else { folder.join(file) }
}

fn sops_file() -> String {
    format!("{FOLDER}/{FILE}")
}

fn age_file(password: &Password) -> String {
    format!("{FOLDER}/{}.age", password.name)
}

fn format_of(file: &str) -> Format {
    if file == sops_file() { Format::Sops } else { Format::Age }
}

/// The file of the other form that holds a password.
fn elsewhere(
    password: &Password,
    file: &str,
    found: &[(String, Old)],
    folder: &Path,
) -> Result<Option<String>, Error> {
    for (other, old) in found.iter().filter(|(other, old)| other != file && old.format != format_of(file)) {
        if holds(&old.names(&place(folder, other))?, password.name) {
            return Ok(Some(other.clone()));
        }
    }
    Ok(None)
}

fn read(path: &Path, format: Format) -> Result<Option<Old>, Error> {
    match open_regular(path) {
        Ok(file) => Ok(Some(Old { bytes: bounded(&file, path)?, format })),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io("read", path)(cause)),
    }
}

/// The admins and every master, as files of that form name them; each once.
fn masters(asked: &Asked<'_>, format: Format) -> Result<Vec<Recipient>, Error> {
    let hosts = asked.cluster.masters().map(Machine::name).filter_map(|name| asked.readers.hosts.get(name));
    let hosts = hosts.map(|host| match format {
        Format::Sops => host.age.clone(),
        Format::Age => host.ssh.clone(),
    });
    let mut texts: Vec<String> = Vec::new();
    for text in asked.readers.admins.iter().cloned().chain(hosts) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    recipients(&texts, FOLDER)
}

fn damaged_age(path: &Path, error: &age_file::AgeError) -> Error {
    Error::Sealed { file: path.display().to_string(), cause: error.to_string(), hint: error.hint() }
}

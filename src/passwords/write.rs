//! The passwords' files made in memory, then written one by one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_pki::error::{IssueError, KeyError};
use quorate_pki::password::{Password, make};
use quorate_pki::plan::Format;
use quorate_secrets::age_file::{self, AgeError, Encoding};
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{self, KeyGroups, Opened, Path as KeyPath, SealedFile, SopsError, Step, Store};
use secrecy::ExposeSecret as _;

use super::{Change, Old, Passwords, damaged_age, place};
use crate::error::Error;
use crate::identities::{Identities, Places};
use crate::secrets::locked::{LockError, LockedFile, create_new};
use crate::store::commit::sync_parent;

/// How long to wait for somebody who changes the file.
const WAIT: Duration = Duration::from_secs(30);

/// A file as it is to be.
#[derive(Debug)]
pub struct Write {
    path: PathBuf,
    /// What stands there and is replaced.
    old: Option<Vec<u8>>,
    /// `None`: it goes.
    new: Option<Vec<u8>>,
    is_before_commit: bool,
}

impl Passwords {
    /// All files in memory. `identities` are looked for when a file that stands there must be opened.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] when nobody here can, and what sealing can lack.
    pub fn make<'i>(
        &self,
        identities: impl FnOnce() -> &'i mut Identities,
        lastmodified: &str,
    ) -> Result<Vec<Write>, Error> {
        // Looked for nowhere.
        let mut nobody = Places::default().load();
        let identities = if self.changes.iter().any(Change::opens) { identities() } else { &mut nobody };
        self.changes.iter().map(|change| self.write(change, identities, lastmodified)).collect()
    }

    fn write(
        &self,
        change: &Change,
        identities: &mut Identities,
        lastmodified: &str,
    ) -> Result<Write, Error> {
        let path = place(&self.folder, &change.file);
        let entries = self.values(change, identities)?;
        let new = match (&change.old, change.format) {
            _ if change.verb == "remove" => None,
            (None, Format::Sops) => Some(new_sops(change, &path, &entries, lastmodified)?),
            (Some(old), Format::Sops) => {
                Some(changed_sops(change, &path, old, &entries, identities, lastmodified)?)
            }
            (None, Format::Age) => match entries.first() {
                Some((_, value)) => Some(sealed_age(change, &path, value)?),
                None => None,
            },
            (Some(old), Format::Age) => {
                let value = open_age(&path, old, identities)?;
                Some(sealed_age(change, &path, &value)?)
            }
        };
        let old = change.old.as_ref().map(|old| old.bytes.clone());
        Ok(Write { path, old, new, is_before_commit: change.is_before_commit() })
    }

    /// What is put into a file: taken over from one of the other form, or made.
    fn values(
        &self,
        change: &Change,
        identities: &mut Identities,
    ) -> Result<Vec<(&'static str, Secret)>, Error> {
        let value = |(password, source): &(&'static Password, Option<String>)| {
            let value = match source {
                Some(file) => self.taken_over(password.name, file, identities)?,
                None => made(password)?,
            };
            Ok((password.name, value))
        };
        change.missing.iter().map(value).collect()
    }

    fn taken_over(&self, name: &str, file: &str, identities: &mut Identities) -> Result<Secret, Error> {
        let path = place(&self.folder, file);
        let missing = || Error::Sealed {
            file: path.display().to_string(),
            cause: format!("it holds no text under `{name}`"),
            hint: format!("look at it with `secrets edit {}`, and give `{name}` a text", path.display()),
        };
        let (_, old) = self.found.iter().find(|(known, _)| known == file).ok_or_else(missing)?;
        if old.format == Format::Age {
            return open_age(&path, old, identities);
        }
        let opened = open_sops(&path, &old.sealed(&path)?, identities)?;
        opened.get(name).map(Secret::duplicate).ok_or_else(missing)
    }
}

impl Change {
    /// Whether somebody's identity is needed for it.
    fn opens(&self) -> bool {
        let opens_old = self.old.is_some() && self.verb != "remove";
        opens_old || self.missing.iter().any(|(_, source)| source.is_some())
    }
}

fn made(password: &Password) -> Result<Secret, Error> {
    let failed = |cause: KeyError| Error::Issue(IssueError::Key { id: password.name.to_owned(), cause });
    Ok(Secret::from(make(password.length).map_err(failed)?.expose_secret()))
}

fn wrong(path: &Path, error: SopsError) -> Error {
    Error::Secrets { path: path.to_owned(), error: Box::new(error), looked: Vec::new() }
}

fn new_sops(
    change: &Change,
    path: &Path,
    entries: &[(&'static str, Secret)],
    lastmodified: &str,
) -> Result<Vec<u8>, Error> {
    let entries: Vec<(&str, &Secret)> = entries.iter().map(|(name, value)| (*name, value)).collect();
    let text = sops::seal(&entries, &change.recipients, lastmodified);
    text.map(String::into_bytes).map_err(|error| wrong(path, error))
}

/// Everything else in the file stays, with its ciphertext; save where somebody lost access: then all of it is sealed
/// under a new data key.
fn changed_sops(
    change: &Change,
    path: &Path,
    old: &Old,
    entries: &[(&'static str, Secret)],
    identities: &mut Identities,
    lastmodified: &str,
) -> Result<Vec<u8>, Error> {
    let failed = |error| wrong(path, error);
    let mut sealed = old.sealed(path)?;
    let opened = open_sops(path, &sealed, identities)?;
    let mut plaintext = opened.plaintext();
    let at = |name: &str| KeyPath::from(vec![Step::Key(name.to_owned())]);
    for (name, value) in entries {
        plaintext.set_text(&at(name), value).map_err(failed)?;
    }
    for name in &change.dropped {
        plaintext.unset(&at(name)).map_err(failed)?;
    }
    if let Some(text) = opened.edited(&plaintext, lastmodified).map_err(failed)? {
        sealed = SealedFile::parse(&text, Store::Yaml).map_err(failed)?;
    }
    let readers = KeyGroups::one(&change.recipients);
    let text = sealed.for_readers(&readers, &identities.all, lastmodified).map_err(failed)?;
    Ok(text.unwrap_or_else(|| sealed.text().to_owned()).into_bytes())
}

fn open_sops(path: &Path, sealed: &SealedFile, identities: &mut Identities) -> Result<Opened, Error> {
    sealed.open(&identities.all).map_err(|error| match error {
        SopsError::NoIdentity { recipients, .. } => no_identity(path, recipients, identities),
        error => wrong(path, error),
    })
}

fn open_age(path: &Path, old: &Old, identities: &mut Identities) -> Result<Secret, Error> {
    age_file::decrypt(&old.bytes, &identities.all).map_err(|error| match error {
        AgeError::NoIdentity => no_identity(path, Vec::new(), identities),
        error => damaged_age(path, &error),
    })
}

fn no_identity(path: &Path, recipients: Vec<String>, identities: &mut Identities) -> Error {
    let files = vec![path.display().to_string()];
    let looked = identities.looked.clone();
    identities.broken().unwrap_or(Error::NoIdentity { files, recipients, looked })
}

fn sealed_age(change: &Change, path: &Path, value: &Secret) -> Result<Vec<u8>, Error> {
    age_file::encrypt(value, &change.recipients, Encoding::Armored).map_err(|error| damaged_age(path, &error))
}

/// Writes those that belong before the commit, or those that belong after it. Each file is its old self or its new self
/// at every moment.
///
/// # Errors
/// A file that somebody changed since it was read, and whatever the system refuses.
pub fn write(writes: &[Write], is_before_commit: bool) -> Result<(), Error> {
    for write in writes.iter().filter(|write| write.is_before_commit == is_before_commit) {
        match (&write.old, &write.new) {
            (None, None) => {}
            (None, Some(new)) => create(&write.path, new)?,
            (Some(old), new) => {
                let file = LockedFile::open(&write.path, WAIT)?;
                if file.bytes() != old {
                    return Err(LockError::Changed { path: write.path.clone() }.into());
                }
                if let Some(new) = new {
                    file.replace(new)?;
                } else {
                    fs::remove_file(&write.path).map_err(Error::io("remove", &write.path))?;
                    sync_parent(&write.path)?;
                }
            }
        }
    }
    Ok(())
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        // `secrets` may be as new as `secrets/masters`.
        sync_parent(folder)?;
        if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
            sync_parent(above)?;
        }
    }
    Ok(create_new(path, bytes)?)
}

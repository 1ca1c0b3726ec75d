//! `certs/` on disk: what of it is ours, read into the core's terms. Writing is [`commit`]'s.

pub mod commit;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_pki::error::StateFault;
use quorate_pki::key::sha256;
use quorate_pki::layout::{MANIFEST, host_file, planned_files};
use quorate_pki::manifest::Manifest;
use quorate_pki::plan::{Format, Plan};
use quorate_pki::state::{SealedFacts, State};
use quorate_secrets::recipient::Recipient;
use quorate_secrets::sops::{self, SealedFile, SopsError};
use rayon::prelude::*;

use crate::error::Error;

/// The longest file of ours that is read: a manifest of some ten thousand certificates.
const LONGEST: u64 = 64 << 20;

/// What stands in `certs/`.
#[derive(Debug)]
pub struct Store {
    /// The folder.
    pub root: PathBuf,
    /// Its contents, in the core's terms.
    pub state: State,
    /// The sealed files as they are.
    pub sealed: BTreeMap<String, Sealed>,
}

/// A sealed file as it is.
#[derive(Debug)]
pub enum Sealed {
    /// A SOPS file.
    Sops(Box<SealedFile>),
    /// An age file.
    Age(Vec<u8>),
}

/// The manifest by itself: which form the keys have must be known before the plan is.
///
/// # Errors
/// [`Error::State`] when it is none, [`Error::Io`] when it cannot be read.
pub fn read_manifest(root: &Path) -> Result<Option<Manifest>, Error> {
    let Some(text) = read_file(root, MANIFEST)? else { return Ok(None) };
    Manifest::parse(&text).map(Some).map_err(|fault| refused(root, fault))
}

fn refused(root: &Path, fault: StateFault) -> Error {
    Error::State { folder: root.to_owned(), faults: vec![fault] }
}

impl Store {
    /// Reads every file that the plan or the manifest accounts for. Without a manifest nothing is read, only listed: a
    /// folder that is not empty is somebody's then.
    ///
    /// # Errors
    /// [`Error::State`] with every file that cannot be understood, [`Error::Io`] for one that cannot be read.
    pub fn read(root: &Path, plan: &Plan, manifest: Option<Manifest>) -> Result<Self, Error> {
        let Some(manifest) = manifest else {
            let files = list(root)?.into_iter().map(|path| (path, Vec::new())).collect();
            let state = State { files, ..State::default() };
            return Ok(Self { root: root.to_owned(), state, sealed: BTreeMap::new() });
        };
        let mut paths = planned_files(plan);
        paths.extend(recorded(&manifest));
        paths.remove(MANIFEST);
        let read: Vec<Result<(String, Vec<u8>), Error>> = paths
            .into_par_iter()
            .filter_map(|path| {
                read_file(root, &path).transpose().map(|bytes| bytes.map(|bytes| (path, bytes)))
            })
            .collect();
        // One by one: of several errors the first is told, however many threads there are.
        let files: Vec<(String, Vec<u8>)> = read.into_iter().collect::<Result<_, _>>()?;
        let (sealed, clear): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| is_sealed(path));
        let mut faults = Vec::new();
        let mut facts = BTreeMap::new();
        let mut originals = BTreeMap::new();
        let parsed: Vec<_> = sealed
            .into_par_iter()
            .map(|(path, bytes)| {
                let hash = sha256(&bytes);
                parse_sealed(&path, bytes).map(|sealed| (path, sealed, hash))
            })
            .collect();
        for result in parsed {
            match result {
                Ok((path, sealed, hash)) => {
                    facts.insert(path.clone(), sealed_facts(&path, &sealed, hash));
                    originals.insert(path, sealed);
                }
                Err(fault) => faults.push(fault),
            }
        }
        match State::read(clear.into_iter().collect(), facts) {
            Ok(state) if faults.is_empty() => {
                let state = State { manifest: Some(manifest), ..state };
                Ok(Self { root: root.to_owned(), state, sealed: originals })
            }
            Ok(_) => Err(Error::State { folder: root.to_owned(), faults }),
            Err(more) => Err(Error::State { folder: root.to_owned(), faults: [faults, more].concat() }),
        }
    }
}

/// Every file that a manifest knows of.
fn recorded(manifest: &Manifest) -> BTreeSet<String> {
    let certs = manifest.certificates.iter().map(|record| record.file.clone());
    let sealed = manifest.sealed.iter().map(|record| record.file.clone());
    let hosts = manifest.machines.keys().map(|machine| host_file(machine));
    let all = certs.chain(sealed).chain(hosts).chain(manifest.orphans.iter().cloned());
    // A manifest that was tampered with must not lead us out of the folder.
    all.filter(|path| commit::is_ours(path)).collect()
}

/// Every file below the folder, as far down as ours stand, without what is git's or the commit's own.
fn list(root: &Path) -> Result<Vec<String>, Error> {
    let mut paths = Vec::new();
    for name in names(root)? {
        if name.starts_with(".git") || commit::is_own(&name) {
            continue;
        }
        if root.join(&name).is_dir() {
            paths.extend(names(&root.join(&name))?.into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            paths.push(name);
        }
    }
    Ok(paths)
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(Error::io("read", folder)(cause)),
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()
            .map_err(Error::io("read", folder)),
    }
}

/// The bytes of a regular file, `None` when it does not exist.
fn read_file(root: &Path, path: &str) -> Result<Option<Vec<u8>>, Error> {
    let full = root.join(path);
    match fs::metadata(&full) {
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(cause) => return Err(Error::io("read", full)(cause)),
        Ok(found) if !found.is_file() => {
            return Err(refused(root, StateFault::damaged(path, "it is no regular file")));
        }
        Ok(found) if found.len() > LONGEST => {
            let message =
                format!("it has {} MiB, expected at most {}", found.len().div_ceil(1 << 20), LONGEST >> 20);
            return Err(refused(root, StateFault::damaged(path, message)));
        }
        Ok(_) => {}
    }
    fs::read(&full).map(Some).map_err(Error::io("read", full))
}

/// The two forms of a sealed file, by what its name ends in: we name them, so the case is ours.
fn is_sealed(path: &str) -> bool {
    is_age(path) || path.rsplit_once('.').is_some_and(|(_, ending)| ending == "yaml")
}

fn is_age(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending == "age")
}

fn parse_sealed(path: &str, bytes: Vec<u8>) -> Result<Sealed, StateFault> {
    if is_age(path) {
        let armored = bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
        if !armored && !bytes.starts_with(b"age-encryption.org/v1\n") {
            return Err(StateFault::damaged(path, "it is no age file"));
        }
        return Ok(Sealed::Age(bytes));
    }
    let text = String::from_utf8(bytes).map_err(|_| StateFault::damaged(path, "it is not UTF-8"))?;
    SealedFile::parse(&text, sops::Store::Yaml)
        .map(|file| Sealed::Sops(Box::new(file)))
        .map_err(|error| damaged(path, &error))
}

/// What is wrong with a sealed file, and what to do: bring it back, unless something better is known.
pub(crate) fn damaged(path: &str, error: &SopsError) -> StateFault {
    let mut fault = StateFault::damaged(path, error.to_string());
    match error {
        // git gives nothing back in the middle of a merge.
        SopsError::MergeConflict { .. } | SopsError::CannotKeep { .. } => {
            error.hint().clone_into(&mut fault.hint);
        }
        SopsError::NotSealed | SopsError::NotEncrypted { .. } => {
            fault.hint += "; a key that was committed in clear is known to others, have it made anew";
        }
        _ => {}
    }
    fault
}

fn sealed_facts(path: &str, sealed: &Sealed, sha256: String) -> SealedFacts {
    match sealed {
        Sealed::Sops(file) => SealedFacts {
            format: Format::Sops,
            keys: file.keys().map(ToOwned::to_owned).collect(),
            recipients: Some(file.recipients().map(normal).collect()),
            sha256,
        },
        Sealed::Age(_) => {
            let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".age")).unwrap_or_default();
            SealedFacts { format: Format::Age, keys: vec![stem.to_owned()], recipients: None, sha256 }
        }
    }
}

/// A recipient without its comment, as we write and compare it.
fn normal(text: &str) -> String {
    text.parse::<Recipient>().map_or_else(|_| text.to_owned(), |recipient| recipient.key().to_owned())
}

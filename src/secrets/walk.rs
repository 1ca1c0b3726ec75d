//! The sealed files below a folder.
//!
//! No link is followed and `.git` is passed by. Whatever a file is called, it is taken when it holds a ciphertext: one
//! that were missed would stay open to whom it should be closed. A file or folder that cannot be read, or is damaged,
//! stands beside the others and hides none.
//!
//! What the manifest of a `pki gen` records is passed by as well: it has the SHA-256 of each of its sealed files, so
//! only `pki gen` may seal them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use quorate_pki::layout::MANIFEST;
use quorate_pki::manifest::Manifest;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::sops::{MAX_BYTES, SealedFile, Store};
use rayon::prelude::*;

use super::locked::open_regular;
use super::target::Target;
use crate::error::Error;
use crate::store::commit::is_own;

/// What the names of sealed files end in. Others may be sealed as well, but with them it is no fault to be damaged, too
/// large, or a text about sealed files.
const ENDINGS: [&str; 7] = ["yaml", "yml", "json", "env", "ini", "bin", "age"];

/// How far a zero byte is looked for, which no sealed file has: a video need not be read. git looks as far.
const BINARY_HEAD: usize = 8000;

/// What every encrypted value and every checksum begins with.
const CIPHERTEXT: &[u8] = b"ENC[AES256_GCM,";

/// The longest manifest that is read.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// What stands below the places that were named.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each sealed file once, in the order of their paths.
    pub(super) files: Vec<Sealed>,
    /// The folders of `pki gen`.
    pub(super) certs: Vec<Certs>,
    /// What could not be looked at.
    pub(super) left: Vec<Left>,
}

/// A sealed file as it was read.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) target: Target,
    pub(super) bytes: Vec<u8>,
    pub(super) file: SealedFile,
}

/// A folder that `pki gen` made.
#[derive(Debug)]
pub(super) struct Certs {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
}

/// A file that is left as it is.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) path: PathBuf,
    pub(super) error: Error,
}

impl Certs {
    /// The folder's manifest; `None` where it has none, or one that is of another program.
    ///
    /// # Errors
    /// [`Error::State`] for one of ours that does not parse: what it records is not known then.
    pub(super) fn of(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(MANIFEST);
        let Ok(found) = fs::symlink_metadata(&path) else { return Ok(None) };
        if !found.is_file() || found.len() > LONGEST_MANIFEST {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        match Manifest::parse(&bytes) {
            Ok(manifest) => Ok(Some(Self { folder: folder.to_owned(), manifest })),
            Err(fault) if is_ours(&bytes) => {
                Err(Error::State { folder: folder.to_owned(), faults: vec![fault] })
            }
            Err(_) => Ok(None),
        }
    }

    /// The sealed files that it records.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.manifest.sealed.iter().map(|record| self.folder.join(&record.file))
    }

    /// Whether it records this file.
    pub(super) fn has(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.folder).ok().and_then(Path::to_str);
        below.is_some_and(|below| self.manifest.sealed(below).is_some())
    }
}

/// Many programs have a file called manifest.json; one with these words was ours before somebody damaged it.
fn is_ours(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    ["\"certificates\"", "\"sealed\"", "\"cluster\""].iter().all(|word| text.contains(word))
}

/// The sealed files among and below these places.
///
/// # Errors
/// A place that is not there, and a file that was named and is `pki gen`'s.
pub(super) fn find(places: &[PathBuf]) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut paths = BTreeMap::new();
    for place in places {
        let metadata = fs::metadata(place).map_err(Error::io("read", place))?;
        if metadata.is_dir() {
            let below = if place == Path::new(".") { Path::new("") } else { place };
            descend(below, &mut paths, &mut found);
        } else {
            refuse_certs(place)?;
            paths.insert(place.clone(), true);
        }
    }
    let recorded: BTreeSet<PathBuf> = found.certs.iter().flat_map(Certs::files).collect();
    let paths: Vec<_> = paths.into_iter().filter(|(path, _)| !recorded.contains(path)).collect();
    let read: Vec<_> = paths.into_par_iter().map(|(path, is_named)| (read(&path, is_named), path)).collect();
    for (outcome, path) in read {
        match outcome {
            Ok(file) => found.files.extend(file),
            Err(error) => found.left.push(Left { path, error }),
        }
    }
    Ok(found)
}

/// A file that a person named must not be one that only `pki gen` may write.
pub(super) fn refuse_certs(path: &Path) -> Result<(), Error> {
    let real = fs::canonicalize(path).map_err(Error::io("read", path))?;
    // Its files stand in it, or in a folder of it.
    for folder in real.ancestors().skip(1).take(2) {
        if Certs::of(folder)?.is_some_and(|certs| certs.has(&real)) {
            return Err(Error::Request {
                message: format!(
                    "will not change `{}`: it is recorded in `{}`, with its checksum",
                    path.display(),
                    folder.join(MANIFEST).display()
                ),
                hint: "`pki gen` seals it anew when its readers change".to_owned(),
            });
        }
    }
    Ok(())
}

/// The files below a folder.
fn descend(top: &Path, paths: &mut BTreeMap<PathBuf, bool>, found: &mut Found) {
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        match Certs::of(here) {
            Ok(None) => {}
            Ok(Some(certs)) => found.certs.push(Certs { folder: folder.clone(), ..certs }),
            // Nobody knows now which of its files it records.
            Err(error) => {
                found.left.push(Left { path: folder.join(MANIFEST), error });
                continue;
            }
        }
        let entries = fs::read_dir(here).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(cause) => {
                let error = Error::io("read", here)(cause);
                found.left.push(Left { path: folder, error });
                continue;
            }
        };
        for entry in entries {
            let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_passed_by(&name) => folders.push(path),
                Ok(kind) if kind.is_file() && !is_staged(&name) => {
                    paths.entry(path).or_insert(false);
                }
                _ => {}
            }
        }
    }
}

/// git's own, and what an interrupted `pki gen` has not moved into place.
fn is_passed_by(name: &OsStr) -> bool {
    name == ".git" || name.to_str().is_some_and(is_own)
}

/// What `LockedFile` writes beside a file, on the way into its place.
fn is_staged(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.contains(".new-"))
}

/// Whether the file's name says that it is sealed. `.env` is all ending, as for [`Store::of_path`].
fn is_likely(path: &Path) -> bool {
    let ending = path.to_str().and_then(|path| path.rsplit_once('.'));
    ending.is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// `None` for a file that is not sealed, unless a person named it: they meant one that is.
fn read(path: &Path, is_named: bool) -> Result<Option<Sealed>, Error> {
    let target = Target::named(path);
    if is_named {
        let bytes = target.read()?;
        let file = target.parse(bytes.as_slice())?;
        return Ok(Some(Sealed { target, bytes, file }));
    }
    if !is_likely(path) {
        return read_unlikely(target);
    }
    // Somebody removed it since the folder was listed.
    let Some(bytes) = unless_gone(path, target.read())? else { return Ok(None) };
    if !has_ciphertext(&bytes) {
        return Ok(None);
    }
    let file = target.parse(bytes.as_slice())?;
    Ok(Some(Sealed { target, bytes, file }))
}

/// A file whose name does not say what it is: what parses as a sealed file of any store is one. What does not is a
/// README, unless it begins as our binary files do.
fn read_unlikely(target: Target) -> Result<Option<Sealed>, Error> {
    let Some(bytes) = unless_gone(&target.path, text_of(&target.path))?.flatten() else { return Ok(None) };
    if !has_ciphertext(&bytes) {
        return Ok(None);
    }
    let failed = match target.parse(bytes.as_slice()) {
        Ok(file) => return Ok(Some(Sealed { target, bytes, file })),
        Err(error) => error,
    };
    for (store, _) in Store::ALL {
        let target = Target { store, ..target.clone() };
        if let Ok(file) = target.parse(bytes.as_slice()) {
            return Ok(Some(Sealed { target, bytes, file }));
        }
    }
    if bytes.trim_ascii_start().starts_with(b"{") { Err(failed) } else { Ok(None) }
}

/// The bytes of a file that may be text and is no longer than a sealed file may be.
fn text_of(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let failed = |cause| Error::io("read", path)(cause);
    let file = open_regular(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > MAX_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    (&file).take(BINARY_HEAD as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    (&file).take(MAX_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() <= MAX_BYTES).then_some(bytes))
}

/// `None` for what is not there any more since its folder was listed.
fn unless_gone<T>(path: &Path, outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Err(Error::Io { cause, path: of, .. }) if cause.kind() == ErrorKind::NotFound && of == path => {
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

fn has_ciphertext(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes).ok().zip(std::str::from_utf8(CIPHERTEXT).ok()) {
        Some((text, head)) => text.contains(head),
        None => bytes.windows(CIPHERTEXT.len()).any(|window| window == CIPHERTEXT),
    }
}

/// Recipients as people call them.
#[derive(Debug, Default)]
pub(super) struct Names {
    manifests: Vec<Manifest>,
}

impl Names {
    /// From the manifests that were found, else from the one in `certs` of this folder or one above.
    pub(super) fn new(found: &Found) -> Self {
        let mut manifests: Vec<_> = found.certs.iter().map(|certs| certs.manifest.clone()).collect();
        if let (true, Ok(here)) = (manifests.is_empty(), std::path::absolute(".")) {
            let mut above = here.ancestors().filter_map(|folder| Certs::of(&folder.join("certs")).ok()?);
            manifests.extend(above.next().map(|certs| certs.manifest));
        }
        Self { manifests }
    }

    /// From the one of the cluster.
    pub(super) fn with(manifest: Manifest) -> Self {
        Self { manifests: vec![manifest] }
    }

    /// `w1 (age1...)`, `an admin (age1...)`; as it is where nobody knows it.
    pub(super) fn of(&self, recipient: &str) -> String {
        let key =
            recipient.parse::<Recipient>().map_or_else(|_| recipient.to_owned(), |one| one.key().to_owned());
        let readers = quorate_pki::readers::Readers::default();
        let names = self.manifests.iter().map(|one| quorate_pki::readers::called(&key, &readers, Some(one)));
        names.into_iter().find(|name| *name != key).unwrap_or_else(|| recipient.to_owned())
    }

    /// Each by its name.
    pub(super) fn all(&self, recipients: &[String]) -> Vec<String> {
        recipients.iter().map(|one| self.of(one)).collect()
    }
}

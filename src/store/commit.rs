//! How a set of changes becomes the new tree, whatever interrupts it.
//!
//! 1. Everything is written below `certs/.gen-new/` and made durable.
//! 2. One rename, `.gen-new` to `.gen-commit`, is the moment at which the new tree exists.
//! 3. Every file is moved to its place, what goes is removed, the folders are made durable.
//! 4. `.gen-commit` is renamed to `.gen-done` and removed.
//!
//! Who comes after an interruption drops `.gen-new` and `.gen-done` and finishes `.gen-commit`. No identity is
//! needed for that, and nothing in there is in clear that is not in clear in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::panic::resume_unwind;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Error;

const STAGING: &str = ".gen-new";
const COMMITTED: &str = ".gen-commit";
const DONE: &str = ".gen-done";
const JOURNAL: &str = "journal.json";
const TREE: &str = "tree";

/// How many threads wait for the disk at a time: it makes durable together what is asked for together.
const WAITING: usize = 64;
/// How many files are open at a time, where the system lets a process have twice as many.
const OPEN: usize = 512;

/// What is to change.
#[derive(Debug, Default)]
pub struct ChangeSet {
    /// Files below `certs/`, by path, with their new bytes.
    pub writes: BTreeMap<String, Vec<u8>>,
    /// Files below `certs/` that go.
    pub removes: Vec<String>,
}

/// What a finished commit took.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Waiting for the disk: everything that is there to survive a power cut.
    pub durable: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    writes: Vec<String>,
    removes: Vec<String>,
}

/// The folder, held against every other run until this is dropped.
#[derive(Debug)]
pub struct Lock {
    root: PathBuf,
    _held: File,
}

/// What an interrupted run left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// It was committed: the rest is moving files.
    Committed,
    /// It was not: what it wrote is dropped.
    Staged,
}

/// Whether a run was interrupted here, for those who only read.
pub fn interrupted(root: &Path) -> Option<Interrupted> {
    if root.join(COMMITTED).exists() {
        return Some(Interrupted::Committed);
    }
    (root.join(STAGING).exists() || root.join(DONE).exists()).then_some(Interrupted::Staged)
}

/// Whether a file name below `certs/` is the commit's own.
pub fn is_own(name: &str) -> bool {
    [STAGING, COMMITTED, DONE].contains(&name)
}

impl Lock {
    /// Takes the folder, making it first where it does not exist.
    ///
    /// # Errors
    /// [`Error::Locked`] when another run has it, [`Error::Io`] when it cannot be made or opened.
    pub fn take(root: &Path) -> Result<Self, Error> {
        if !root.is_dir() {
            fs::create_dir_all(root).map_err(Error::io("create", root))?;
            sync_parent(root)?;
        }
        // A folder can be locked as it is: no lock file to clean up, and the lock ends with the process.
        let held = File::open(root).map_err(Error::io("open", root))?;
        match held.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _held: held }),
            Err(fs::TryLockError::WouldBlock) => Err(Error::Locked { folder: root.to_owned() }),
            Err(fs::TryLockError::Error(cause)) => Err(Error::io("lock", root)(cause)),
        }
    }

    /// Finishes or drops what an interrupted run left, and says which it was.
    ///
    /// # Errors
    /// [`Error::Unfinished`] when a file is in the way, [`Error::Io`] when the system refuses.
    pub fn recover(&self) -> Result<Option<Interrupted>, Error> {
        let found = interrupted(&self.root);
        if found == Some(Interrupted::Committed) {
            self.finish().map_err(|error| self.unfinished(&error))?;
        }
        for left in [STAGING, DONE] {
            remove_folder(&self.root.join(left))?;
        }
        Ok(found)
    }

    fn unfinished(&self, error: &Error) -> Error {
        Error::Unfinished { folder: self.root.clone(), cause: error.to_string() }
    }

    /// Makes the changes. When this returns an error before the rename, nothing has changed; after it, the next run
    /// finishes.
    ///
    /// # Errors
    /// [`Error::Io`] before the commit, [`Error::Unfinished`] after it.
    pub fn commit(&self, changes: &ChangeSet) -> Result<Taken, Error> {
        let staged = self.stage(changes);
        let mut durable = match staged {
            Ok(durable) => durable,
            Err(error) => {
                // The error is what the user needs to hear; the next run drops what this leaves.
                let _ = remove_folder(&self.root.join(STAGING));
                return Err(error);
            }
        };
        let started = Instant::now();
        rename(&self.root.join(STAGING), &self.root.join(COMMITTED))?;
        // From here on the next run finishes what this one does not.
        sync_folder(&self.root).map_err(|error| self.unfinished(&error))?;
        durable += started.elapsed();
        durable += self.finish().map_err(|error| self.unfinished(&error))?;
        Ok(Taken { durable })
    }

    /// Step 1. Gives the time that the disk took.
    fn stage(&self, changes: &ChangeSet) -> Result<Duration, Error> {
        let staging = self.root.join(STAGING);
        fs::create_dir(&staging).map_err(Error::io("create", &staging))?;
        let tree = staging.join(TREE);
        let mut files: Vec<(PathBuf, &[u8])> =
            changes.writes.iter().map(|(path, bytes)| (tree.join(path), bytes.as_slice())).collect();
        let journal =
            Journal { writes: changes.writes.keys().cloned().collect(), removes: changes.removes.clone() };
        // A list of paths always serializes.
        let text = serde_json::to_vec(&journal).unwrap_or_default();
        files.push((staging.join(JOURNAL), &text));
        self.refuse_links(&journal)?;
        let folders = parents(files.iter().map(|(path, _)| path.as_path()));
        for folder in &folders {
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let mut durable = Duration::ZERO;
        for some in files.chunks(open_at_a_time()) {
            let open: Vec<(&Path, File)> = some
                .par_iter()
                .map(|(path, bytes)| write_new(path, bytes).map(|file| (path.as_path(), file)))
                .collect::<Result<_, _>>()?;
            let started = Instant::now();
            each_waiting(&open, |(path, file)| file.sync_all().map_err(Error::io("write", *path)))?;
            durable += started.elapsed();
        }
        let started = Instant::now();
        sync_folders(folders.iter().chain([&tree, &staging]))?;
        Ok(durable + started.elapsed())
    }

    /// A journal may come from somebody who writes to the repository: it must not lead out of the folder, and what it
    /// moves must be files of its own.
    fn believe(&self, journal: &Journal) -> Result<(), String> {
        let mut all = journal.writes.iter().chain(&journal.removes);
        if let Some(path) = all.find(|path| !is_ours(path)) {
            return Err(format!("it names `{path}`, which is no place of ours"));
        }
        let tree = self.root.join(COMMITTED).join(TREE);
        match first_link(&self.root, journal.writes.iter().map(|path| tree.join(path))) {
            Some(link) => Err(format!("`{}` is a symbolic link", link.display())),
            None => Ok(()),
        }
    }

    /// A link anywhere on the way to our files would take them elsewhere.
    fn refuse_links(&self, journal: &Journal) -> Result<(), Error> {
        let all = journal.writes.iter().chain(&journal.removes);
        let folders = all.filter_map(|path| self.root.join(path).parent().map(Path::to_owned));
        match first_link(&self.root, folders) {
            Some(link) => {
                let cause = io::Error::new(io::ErrorKind::NotADirectory, "a symbolic link stands there");
                Err(Error::io("write into", link)(cause))
            }
            None => Ok(()),
        }
    }

    /// Steps 3 and 4, from wherever they were left.
    fn finish(&self) -> Result<Duration, Error> {
        let committed = self.root.join(COMMITTED);
        let path = committed.join(JOURNAL);
        let text = fs::read(&path).map_err(Error::io("read", &path))?;
        let journal: Journal = serde_json::from_slice(&text)
            .map_err(|error| Error::io("read", &path)(io::Error::other(error)))?;
        self.believe(&journal).map_err(|cause| Error::io("believe", &path)(io::Error::other(cause)))?;
        self.refuse_links(&journal)?;
        let targets: Vec<PathBuf> = journal.writes.iter().map(|path| self.root.join(path)).collect();
        let folders = parents(targets.iter().map(PathBuf::as_path));
        for folder in &folders {
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        for (name, target) in journal.writes.iter().zip(&targets) {
            move_if_there(&committed.join(TREE).join(name), target)?;
        }
        for name in &journal.removes {
            remove_file(&self.root.join(name))?;
        }
        let started = Instant::now();
        let removed = journal.removes.iter().map(|name| self.root.join(name));
        let emptied = parents(removed.collect::<Vec<_>>().iter().map(PathBuf::as_path));
        sync_folders(folders.iter().chain(&emptied).chain([&self.root]))?;
        rename(&committed, &self.root.join(DONE))?;
        // Only once the disk knows that it is over may the journal go.
        sync_folder(&self.root)?;
        let durable = started.elapsed();
        remove_folder(&self.root.join(DONE))?;
        Ok(durable)
    }
}

/// Half of what the system lets this process have open; 1024 is usual, 256 on macOS.
fn open_at_a_time() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(OPEN, |limit| usize::try_from(limit / 2).unwrap_or(OPEN).clamp(1, OPEN))
}

/// Calls `wait` on each of `items`, many at a time: whoever waits for the disk needs no processor. Threads that the
/// system refuses are missed by nobody.
///
/// # Errors
/// The first of `items` of those that failed before the others stopped.
pub(crate) fn each_waiting<T: Sync>(
    items: &[T],
    wait: impl Fn(&T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { return Ok(()) };
            if let Err(error) = wait(item) {
                // Nobody begins another one.
                next.store(items.len(), Ordering::Relaxed);
                return Err((place, error));
            }
        }
    };
    thread::scope(|scope| {
        // Each may open a file of its own.
        let others = 1..items.len().min(WAITING).min(open_at_a_time());
        let others: Vec<_> =
            others.map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let own = work();
        let all = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let errors = std::iter::once(own).chain(all.collect::<Vec<_>>()).filter_map(Result::err);
        errors.min_by_key(|(place, _)| *place).map_or(Ok(()), |(_, error)| Err(error))
    })
}

/// The folders of these files, each once.
fn parents<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = files.filter_map(Path::parent).map(Path::to_owned).collect();
    folders.sort();
    folders.dedup();
    folders
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<File, Error> {
    let mut file = File::create_new(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    Ok(file)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io("move into place", to))
}

/// A file that is not there any more was moved before the interruption, unless somebody took it away since.
fn move_if_there(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let gone = io::Error::new(io::ErrorKind::NotFound, "it was moved there, and somebody removed it");
            Err(Error::io("move into place", to)(gone))
        }
        outcome => outcome.map_err(Error::io("move into place", to)),
    }
}

/// Whether a path is one that we write: a file in the folder, or in a folder of it.
pub(crate) fn is_ours(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.clone().all(|part| matches!(part, Component::Normal(_)))
        && (1..=2).contains(&parts.by_ref().count())
}

/// The first of these paths, or of the folders on the way to them from `root`, that is a link.
fn first_link(root: &Path, paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut seen = BTreeSet::new();
    for path in paths {
        // Whose folder is known is known up to the root.
        for part in path.ancestors().take_while(|part| *part != root) {
            if !seen.insert(part.to_owned()) {
                break;
            }
        }
    }
    seen.into_iter().find(|part| is_link(part))
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

/// Removes a file, and its folder when that is empty then.
fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", path)(cause));
        }
        _ => {}
    }
    if let Some(folder) = path.parent() {
        // Not empty, or gone already: both are fine.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(cause)),
        _ => Ok(()),
    }
}

/// Makes the entry of a new file or folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// Makes the entries of all these folders durable, those that exist.
fn sync_folders<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> Result<(), Error> {
    let folders: Vec<&PathBuf> = folders.filter(|folder| folder.exists()).collect();
    each_waiting(&folders, |folder| sync_folder(folder))
}

fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests;

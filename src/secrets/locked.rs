//! A file that is read, changed and replaced whole, by one process at a time.
//!
//! The file itself is locked (`flock`), so there is no lock file to clean up, and a lock ends with its process. Since
//! it is replaced by a rename, a lock may be obtained on a file that is not there any more: after each wait the path
//! is looked at again, and whoever holds another file than the one at the path starts over. So there is one holder of
//! what stands at the path, and what it read is what it replaces.
//!
//! Programs that know nothing of the lock (sops, git, an editor) are noticed when the file is replaced: it must be the
//! file that was read, with the bytes that were read. Hard links, ACLs and extended attributes are not kept.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;
use crate::git::work_tree;
use crate::store::commit::sync_parent;

use super::target::bounded;

/// How often who waits for a lock looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Why a file could not be read to be replaced, or not be replaced.
#[derive(Debug)]
pub enum LockError {
    /// Another process is changing it.
    Busy {
        /// The file.
        path: PathBuf,
        /// The other process, where the system tells.
        pid: Option<u32>,
    },
    /// It is not what was read any more. Nothing was written.
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The path is a link into another repository.
    Elsewhere {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A new file was to be made where one stands.
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system refused something.
    System(Error),
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Busy { pid: Some(pid), .. } => {
                Some(format!("wait for it to end, or look at it with `ps {pid}`: nothing was written"))
            }
            Self::Busy { pid: None, .. } => Some("wait for it to end: nothing was written".to_owned()),
            Self::Changed { .. } => {
                Some("run this again on the file as it is now: nothing was overwritten".to_owned())
            }
            Self::Elsewhere { .. } => Some("name the file itself".to_owned()),
            Self::Exists { .. } => {
                Some("name another file, or change this one with `secrets edit`".to_owned())
            }
            Self::System(error) => error.hint(),
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { path, pid: Some(pid) } => {
                write!(f, "process {pid} is changing `{path}` right now", path = path.display())
            }
            Self::Busy { path, pid: None } => {
                write!(f, "another process is changing `{path}` right now", path = path.display())
            }
            Self::Changed { path } => {
                write!(f, "`{path}` was changed by somebody else since it was read", path = path.display())
            }
            Self::Elsewhere { path, target } => write!(
                f,
                "`{path}` is a link to `{target}`, which lies in another git work tree",
                path = path.display(),
                target = target.display()
            ),
            Self::Exists { path } => write!(f, "`{path}` exists already", path = path.display()),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}

impl From<Error> for LockError {
    fn from(error: Error) -> Self {
        Self::System(error)
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::System(error) => error,
            other => Self::Request { message: other.to_string(), hint: other.hint().unwrap_or_default() },
        }
    }
}

fn system(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LockError {
    let error = Error::io(action, path);
    move |cause| LockError::System(error(cause))
}

/// A file that nobody else who asks for the lock may change until this is dropped, and what was in it.
#[derive(Debug)]
pub struct LockedFile {
    /// As it was named.
    named: PathBuf,
    /// What will be replaced: the end of all links.
    target: PathBuf,
    held: File,
    bytes: Vec<u8>,
}

impl LockedFile {
    /// Reads `path` under its lock; who has the lock is waited for as long as `wait`.
    ///
    /// A link is followed, as sops does, but not into another git work tree than its own.
    ///
    /// # Errors
    /// [`LockError::Busy`] when the lock is held longer, [`LockError::Elsewhere`], [`LockError::System`]; among these
    /// what is no regular file, and what is longer than a sealed file may be.
    pub fn open(path: &Path, wait: Duration) -> Result<Self, LockError> {
        let target = target(path)?;
        let until = Instant::now() + wait;
        let held = loop {
            let file = open_to_lock(&target).map_err(system("read", path))?;
            if lock(&file, path, until)? && is_at(&file, &target) {
                break file;
            }
            // Where it is replaced all the time, or never is what it is said to be.
            if Instant::now() >= until {
                return Err(LockError::Busy { path: path.to_owned(), pid: None });
            }
        };
        let bytes = bounded(&held, path)?;
        Ok(Self { named: path.to_owned(), target, held, bytes })
    }

    /// What was in it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path as it was named.
    pub fn path(&self) -> &Path {
        &self.named
    }

    /// Puts `bytes` in its place: a new file beside it, with its mode and owner, made durable, then moved over it. When
    /// this returns an error the file is as it was, and it may be tried again.
    ///
    /// The owner is kept where the system lets us, which is always so for root; otherwise the new file is ours, as
    /// after `git checkout`.
    ///
    /// # Errors
    /// [`LockError::Changed`] when somebody who does not ask for the lock changed it since it was read, then
    /// [`Self::keep_beside`] saves the new bytes; [`LockError::System`].
    pub fn replace(&self, bytes: &[u8]) -> Result<(), LockError> {
        self.refuse_lost_update()?;
        let staged = self.stage(bytes)?;
        let moved = self
            .refuse_lost_update()
            .and_then(|()| fs::rename(&staged, &self.target).map_err(system("replace", &self.named)));
        if moved.is_err() {
            // The error is what the user needs to hear.
            let _ = fs::remove_file(&staged);
        }
        moved?;
        Ok(sync_parent(&self.target)?)
    }

    /// Proves that there is room and leave to replace the file: what stands there is written beside it once more, and
    /// removed. For who is about to take a person's time for the new content.
    ///
    /// # Errors
    /// [`LockError::System`], as [`Self::replace`] would give it.
    pub fn prove_replaceable(&self) -> Result<(), LockError> {
        let staged = self.stage(&self.bytes)?;
        fs::remove_file(&staged).map_err(system("remove", &staged))
    }

    /// Writes `bytes` to a new file beside this one and gives its path: where the result of an edit goes when the file
    /// cannot be replaced. `db.yaml` gives `db.mine.yaml`, then `db.mine-2.yaml`: the suffix decides how it is read.
    ///
    /// # Errors
    /// [`LockError::System`].
    pub fn keep_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, LockError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        let ending = ending.unwrap_or_default();
        let mut attempt = 1;
        loop {
            let number = if attempt == 1 { String::new() } else { format!("-{attempt}") };
            let beside = path.with_file_name(format!("{stem}.mine{number}{ending}"));
            match create_new(&beside, bytes) {
                Ok(()) => return Ok(beside),
                Err(LockError::Exists { .. }) if attempt < 1000 => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// That what stands there is the file that was read, unchanged.
    fn refuse_lost_update(&self) -> Result<(), LockError> {
        let changed = || LockError::Changed { path: self.named.clone() };
        if !is_at(&self.held, &self.target) {
            return Err(changed());
        }
        let read = || -> io::Result<bool> {
            // Not to be read when it has become endless.
            Ok(fs::metadata(&self.target)?.len() == self.bytes.len() as u64
                && fs::read(&self.target)? == self.bytes)
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(changed()),
            Err(cause) => Err(system("read", &self.named)(cause)),
        }
    }

    /// The new file beside the old one, durable. It has no name until it is whole, where the system knows such files: of
    /// a process that is killed nothing is left then. Its name bears the number of the file that is locked: only who holds
    /// that lock makes it, so one that is there already was left by a process that is gone.
    fn stage(&self, bytes: &[u8]) -> Result<PathBuf, LockError> {
        let old = self.held.metadata().map_err(system("read", &self.named))?;
        let name = self.target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let staged = self.target.with_file_name(format!(".{name}.new-{}", old.ino()));
        match fs::remove_file(&staged) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(system("remove", &staged)(cause));
            }
            _ => {}
        }
        if let Some(file) = nameless(&staged, Mode::RUSR | Mode::WUSR) {
            write_like(&file, &old, bytes).map_err(system("write", &staged))?;
            if name_it(&file, &staged).is_ok() {
                return Ok(staged);
            }
        }
        let file = create(&staged)?;
        let written = write_like(&file, &old, bytes);
        if let Err(cause) = written {
            let _ = fs::remove_file(&staged);
            return Err(system("write", &staged)(cause));
        }
        Ok(staged)
    }
}

/// Makes a file that is not there yet: whole, durable, readable as the umask says, or not at all.
///
/// # Errors
/// [`LockError::Exists`] when something stands there, a link to nowhere included; [`LockError::System`].
pub fn create_new(path: &Path, bytes: &[u8]) -> Result<(), LockError> {
    // Narrowed by the umask, as for any new file. Of who is killed before it has its name nothing is left.
    if let Some(mut file) = nameless(path, Mode::from_raw_mode(0o666)) {
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(system("write", path))?;
        match name_it(&file, path) {
            Ok(()) => return Ok(sync_parent(path)?),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LockError::Exists { path: path.to_owned() });
            }
            // A file system where no nameless file gets a name.
            Err(_) => {}
        }
    }
    let mut staged = stage_new(path)?;
    staged.write_all(bytes).and_then(|()| staged.as_file().sync_all()).map_err(system("write", path))?;
    match staged.persist_noclobber(path) {
        Ok(_) => Ok(sync_parent(path)?),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(LockError::Exists { path: path.to_owned() })
        }
        Err(error) => Err(system("create", path)(error.error)),
    }
}

/// Proves that a file could be made at `path`, and makes none.
///
/// # Errors
/// [`LockError::System`], as [`create_new`] would give it.
pub fn prove_creatable(path: &Path) -> Result<(), LockError> {
    stage_new(path).map(drop)
}

/// What is to become a new file: beside its place, and gone when it is dropped.
fn stage_new(path: &Path) -> Result<tempfile::NamedTempFile, LockError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    tempfile::Builder::new()
        .prefix(&format!(".{name}.new-"))
        // Narrowed by the umask, as for any new file: what comes here is sealed.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(system("create", path))
}

/// Opens a file to read it, and nothing that could be waited for without end: a pipe, a device.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    refuse_other_than_file(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

/// The same to lock it: for writing too where that is allowed, since over NFS only such a one is locked for us alone.
/// Source: flock(2).
fn open_to_lock(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let both = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    both.map_or_else(|_| open_regular(path), refuse_other_than_file)
}

fn refuse_other_than_file(file: File) -> io::Result<File> {
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok(file)
}

fn create(path: &Path) -> Result<File, LockError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(system("create", path))
}

/// A file without a name in the folder of `path`; `None` where the system or the file system knows none.
#[cfg(target_os = "linux")]
fn nameless(path: &Path, mode: Mode) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(path.parent()?, flags, mode).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path, _: Mode) -> Option<File> {
    None
}

/// Gives a nameless file its name. Source: open(2), O_TMPFILE; this way needs no capability, and /proc.
fn name_it(file: &File, path: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(rustix::fs::CWD, own, rustix::fs::CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// The bytes, then owner and mode of the old file, in this order: nobody reads it who could not read that.
fn write_like(mut file: &File, old: &fs::Metadata, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Not ours to give away unless we are root; the group alone may be one of ours.
        if fchown(file, Some(old.uid()), Some(old.gid())).is_err() {
            let _ = fchown(file, None, Some(old.gid()));
        }
    }
    // After the owner: to change that clears bits of the mode.
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    file.sync_all()
}

/// Whether `file` is what stands at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

/// Waits for the lock. `false`: this is not worth waiting for, the file was replaced by another one meanwhile.
fn lock(file: &File, path: &Path, until: Instant) -> Result<bool, LockError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            // A file system without locks: what remains is to notice a lost update.
            Err(fs::TryLockError::Error(cause)) if is_without_locks(&cause) => return Ok(true),
            Err(fs::TryLockError::Error(cause)) => return Err(system("lock", path)(cause)),
            Err(fs::TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(LockError::Busy { path: path.to_owned(), pid: holder(file) });
            }
            Err(fs::TryLockError::WouldBlock) => thread::sleep(LOOK_AGAIN),
        }
        if !is_at(file, path) {
            return Ok(false);
        }
    }
}

/// Whether the file system has no locks, none left, or none for a file that may only be read, as NFS has not.
fn is_without_locks(cause: &io::Error) -> bool {
    let known = [Errno::BADF, Errno::NOLCK].map(Errno::raw_os_error);
    cause.kind() == io::ErrorKind::Unsupported
        || cause.raw_os_error().is_some_and(|code| known.contains(&code))
}

/// Who holds the lock on a file.
fn holder(file: &File) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    holder_in(&locks, file.metadata().ok()?.ino())
}

/// The process that holds an `flock` on this inode, from the text of /proc/locks. Some file systems report another
/// device there than `stat` does, so the inode alone is compared, and two answers are none.
/// Source: proc_locks(5); a line of a process that waits has `->` in it.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    let mut pids = locks.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields[..] else { return None };
        let found = place.rsplit(':').next()?.parse() == Ok(inode);
        // 0: in a process namespace that this one does not see.
        pid.parse().ok().filter(|pid| found && *pid > 0)
    });
    pids.next().filter(|_| pids.next().is_none())
}

/// The end of all links, unless that lies in another git work tree than the link.
fn target(path: &Path) -> Result<PathBuf, LockError> {
    let target = fs::canonicalize(path).map_err(system("read", path))?;
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if is_link {
        let link = std::path::absolute(path).map_err(system("read", path))?;
        let folder = link.parent().and_then(|folder| fs::canonicalize(folder).ok());
        let of_target = work_tree(&target);
        if of_target.is_some()
            && of_target != folder.as_deref().and_then(|folder| work_tree(&folder.join("x")))
        {
            return Err(LockError::Elsewhere { path: path.to_owned(), target });
        }
    }
    Ok(target)
}

#[cfg(test)]
mod tests;

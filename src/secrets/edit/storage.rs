//! Where the plaintext of an edit may stand: never on a disk, nor in memory that goes to one.
//!
//! A folder of ours, 0700, is made in the first of some places. In a mount namespace a ramfs is mounted over it, seen
//! by the editor alone; where there is none, the folder itself is used if it is on a tmpfs and nothing is swapped out.
//! The folder is locked while an edit uses it, so that the next run can tell what a killed one left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What a text lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A ramfs in a namespace of its own.
    Namespace,
    /// A disk image in memory.
    Disk,
    /// A folder of a tmpfs.
    Folder,
}

impl Kind {
    /// What this system has that nobody else sees.
    pub(super) const PRIVATE: Self = if cfg!(target_os = "macos") { Self::Disk } else { Self::Namespace };

    /// What it is called on the keeper's command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Disk => "disk",
            Self::Folder => "folder",
        }
    }
}

/// What the name of a folder of ours begins with.
const PREFIX: &str = "quorate-edit-";

/// The folder of one edit. Removed with what is in it when this is dropped.
pub(super) struct Folder {
    path: PathBuf,
    _held: File,
}

impl Folder {
    /// Makes one in the first of `places` that takes it, and removes what killed runs left there.
    pub(super) fn make(places: &[PathBuf]) -> io::Result<Self> {
        let mut refused = io::Error::from(io::ErrorKind::NotFound);
        for place in places {
            sweep(place);
            match Self::make_in(place) {
                Ok(folder) => return Ok(folder),
                Err(cause) => refused = cause,
            }
        }
        Err(refused)
    }

    fn make_in(place: &Path) -> io::Result<Self> {
        loop {
            let private = fs::Permissions::from_mode(0o700);
            let path = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(place)?.keep();
            let held = hold(&path)?;
            // Another run may have swept it away before it was locked.
            if path.exists() {
                return Ok(Self { path, _held: held });
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Usually gone already: the keeper removes it.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Whether a path is one that [`Folder::make`] gives: nothing else is ever removed.
pub(super) fn is_ours(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// Locks a folder against being swept away by another run.
pub(super) fn hold(folder: &Path) -> io::Result<File> {
    let held = File::open(folder)?;
    match held.try_lock_shared() {
        Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(held),
        Err(fs::TryLockError::Error(cause)) => Err(cause),
    }
}

/// Removes the folders that nobody holds: both processes of an edit were killed at once.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    let own = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let ours = is_ours(&entry.path())
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == own);
        if ours && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a folder lies in memory: tmpfs or ramfs.
/// Source: statfs(2), and linux/magic.h.
#[cfg(target_os = "linux")]
pub(super) fn is_in_memory(folder: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    // As wide as a word of the machine, and signed: the lower half counts.
    let kind = rustix::fs::statfs(folder).map(|found| i128::from(found.f_type).to_le_bytes());
    kind.is_ok_and(|kind| [TMPFS, RAMFS].iter().any(|wanted| kind.starts_with(&wanted.to_le_bytes())))
}

/// No other system has either.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_in_memory(_: &Path) -> bool {
    false
}

/// Why no tmpfs may hold the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoFolder {
    /// None of the places is one.
    NoTmpfs,
    /// What is on one may be written to this swap space, in words.
    Swap(String),
}

/// The places that may hold the text without a namespace.
///
/// `places` come with whether they are in memory; `swaps` is the text of /proc/swaps, and none where that cannot be
/// read: then there is swap as far as anybody knows.
pub(super) fn without_namespace(
    places: &[(PathBuf, bool)],
    swaps: Option<&str>,
    allow_swap: bool,
) -> Result<Vec<PathBuf>, NoFolder> {
    let in_memory: Vec<PathBuf> =
        places.iter().filter(|(_, in_memory)| *in_memory).map(|(path, _)| path.clone()).collect();
    if in_memory.is_empty() {
        return Err(NoFolder::NoTmpfs);
    }
    match swapped_to(swaps) {
        Some(space) if !allow_swap => Err(NoFolder::Swap(space)),
        _ => Ok(in_memory),
    }
}

/// The first swap space that is not compressed memory.
/// Source: proc_swaps(5): a line of titles, then one line a space, its name first.
fn swapped_to(swaps: Option<&str>) -> Option<String> {
    let Some(swaps) = swaps else { return Some("`/proc/swaps` cannot be read".to_owned()) };
    let names = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| !name.starts_with("/dev/zram")).map(|name| format!("`{name}`")).next()
}

/// The setting that keeps an ordinary user from having namespaces, where it can be named. `read` gives the content of
/// a file below /proc/sys.
pub(super) fn refusing_setting(read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    // File, the value that refuses, the setting as `sysctl` writes it.
    const SETTINGS: [(&str, &str, &str); 4] = [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=0"),
        ("user/max_mnt_namespaces", "0", "user.max_mnt_namespaces=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=0"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=1",
        ),
    ];
    let refuses = |(file, value, _): &&(&str, &str, &str)| read(file).is_some_and(|now| now.trim() == *value);
    SETTINGS.iter().find(refuses).map(|(_, _, setting)| *setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    fn places(in_memory: &[bool]) -> Vec<(PathBuf, bool)> {
        in_memory.iter().enumerate().map(|(n, is)| (PathBuf::from(format!("/place{n}")), *is)).collect()
    }

    #[test]
    fn a_tmpfs_is_taken_when_nothing_is_swapped_or_only_to_compressed_memory() {
        for swaps in ["", "/dev/zram0 partition 8388604 0 100\n"] {
            let swaps = format!("{HEAD}{swaps}");
            let found = without_namespace(&places(&[false, true]), Some(&swaps), false);
            assert_eq!(found, Ok(vec![PathBuf::from("/place1")]));
        }
    }

    #[test]
    fn a_tmpfs_is_refused_beside_swap_unless_that_is_allowed() {
        let swaps = format!("{HEAD}/dev/zram0 partition 8 0 100\n/swapfile file 1048572 0 -2\n");
        let places = places(&[true]);
        let refused = Err(NoFolder::Swap("`/swapfile`".to_owned()));
        assert_eq!(without_namespace(&places, Some(&swaps), false), refused);
        assert_eq!(without_namespace(&places, Some(&swaps), true), Ok(vec![PathBuf::from("/place0")]));
        assert!(without_namespace(&places, None, false).is_err(), "nobody knows");
    }

    #[test]
    fn a_disk_is_refused_whatever_is_allowed() {
        assert_eq!(without_namespace(&places(&[false]), Some(HEAD), true), Err(NoFolder::NoTmpfs));
    }

    #[test]
    fn the_setting_that_refuses_namespaces_is_named() {
        let read = |file: &str| match file {
            "user/max_user_namespaces" => Some("96365\n".to_owned()),
            "kernel/apparmor_restrict_unprivileged_userns" => Some("1\n".to_owned()),
            _ => None,
        };
        assert_eq!(refusing_setting(read), Some("kernel.apparmor_restrict_unprivileged_userns=1"));
        assert_eq!(refusing_setting(|_| Some("0\n".to_owned())), Some("user.max_user_namespaces=0"));
        assert_eq!(refusing_setting(|_| None), None);
    }

    #[test]
    fn a_folder_is_private_goes_with_its_edit_and_is_swept_when_that_was_killed() {
        let place = tempfile::tempdir().unwrap();
        let places = [PathBuf::from("/nowhere"), place.path().to_owned()];
        let folder = Folder::make(&places).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o7777, 0o700);
        let left = place.path().join("quorate-edit-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("x.yaml"), "text").unwrap();
        let foreign = place.path().join("other-left");
        fs::create_dir(&foreign).unwrap();

        let second = Folder::make(&places).unwrap();
        assert!(!left.exists(), "nobody holds it");
        assert!(foreign.exists() && folder.path().exists());
        fs::write(second.path().join("x.yaml"), "text").unwrap();
        drop((folder, second));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}

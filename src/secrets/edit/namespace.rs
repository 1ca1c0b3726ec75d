//! A mount namespace with a ramfs that nobody outside sees, and that is gone with the last process inside.

use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities};

use super::storage::is_in_memory;
use crate::error::plain;

/// Leaves for a namespace of this process's own and mounts a ramfs on `folder`, 0700. This process must have one
/// thread, and must be dumpable still: another one cannot write its own maps. Gives the refusal in words.
pub(super) fn enter(folder: &Path) -> Result<(), String> {
    if capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN)) {
        // A container may have root and refuse this all the same.
        leave(UnshareFlags::NEWNS).or_else(|_| leave_as_user())?;
    } else {
        leave_as_user()?;
    }
    // What is mounted here must not appear outside.
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", alone).map_err(|cause| refused("to make mounts private", cause))?;
    mount("quorate", folder, "ramfs", MountFlags::NODEV | MountFlags::NOSUID, c"mode=0700")
        .map_err(|cause| refused("to mount a ramfs", cause))?;
    if is_in_memory(folder) { Ok(()) } else { Err("what was mounted is no ramfs".to_owned()) }
}

/// Removes the ramfs and the folder below it.
pub(super) fn leave_empty(folder: &Path) {
    // A process of the editor's may still be in there: detached, it is gone with that.
    let _ = unmount(folder, UnmountFlags::DETACH);
    let _ = fs::remove_dir(folder);
}

/// A user namespace in which this user is itself and may mount, and a mount namespace of it.
fn leave_as_user() -> Result<(), String> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    leave(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
    // Groups must be frozen before an ordinary user may map one. Source: user_namespaces(7).
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).map_err(|cause| format!("{path} cannot be written: {}", plain(&cause)))?;
    }
    Ok(())
}

#[expect(
    deprecated,
    reason = "its unsafe twin is about file descriptors that threads share: these flags share none"
)]
fn leave(what: UnshareFlags) -> Result<(), String> {
    rustix::thread::unshare(what).map_err(|cause| refused("to make a namespace", cause))
}

fn refused(what: &str, cause: Errno) -> String {
    // Its usual text is about a disk. Source: unshare(2).
    if cause == Errno::NOSPC {
        return format!("{what}: the limit on them is reached");
    }
    format!("{what}: {}", plain(&cause.into()))
}

//! What the process does for the keys it holds before it holds any.
//!
//! Three steps, apart because a process that is not dumpable cannot write the maps of its own user namespace:
//! [`forbid_cores`], [`lock_memory`], [`hide`]. [`harden`] is all of them.

use rustix::process::{Resource, Rlimit, setrlimit};

/// No core dump may hold a key, no key goes to swap where that can be had, and no other process of the same user may
/// read this one's memory.
///
/// Measured, release build, two busy cores: 0.3 ms as root, where memory is locked; 3 µs as an ordinary user.
pub fn harden() {
    forbid_cores();
    lock_memory();
    hide();
}

/// No core dump of this process, nor of those it starts.
pub fn forbid_cores() {
    // Linux: where cores go to a program, a limit of 0 is told to it and 1 keeps the kernel from starting it; as a
    // size of a file 1 is less than any core, and none is written. Source: core(5), and do_coredump() in the kernel.
    let limit = u64::from(cfg!(target_os = "linux"));
    // Refused only where it is lower already.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(limit), maximum: Some(limit) });
}

/// Keeps all memory of this process that can hold a key out of swap, where the system sets no bound on that: as root, or
/// where RLIMIT_MEMLOCK is unlimited. Under a bound (8 MiB is usual) locking would make a later allocation or the growth
/// of a stack fail, and nothing is locked; SECURITY.md says so.
///
/// The program's own code is left out: it is no secret, and locking it costs each start 0.3 ms more.
#[cfg(target_os = "linux")]
pub fn lock_memory() {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::getrlimit;
    use rustix::thread::{CapabilitySet, capabilities};

    let limit = getrlimit(Resource::Memlock);
    if limit.maximum.is_none() && limit.current.is_some() {
        let _ = setrlimit(Resource::Memlock, limit_of_none());
    }
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let is_capable = || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let may = unlimited || (is_capable() && !is_in_user_namespace());
    if may {
        // On fault: what is reserved and never touched costs no memory. First what is to come, so that nothing that is
        // mapped while the rest is looked up is missed.
        let future = MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        let _ = mlockall(future);
        if lock_writable().is_none() {
            let _ = mlockall(future | MlockAllFlags::CURRENT);
        }
    }
}

/// Locks what is mapped now and can be written: stack, heap, variables. None where that cannot be found out or done.
#[cfg(target_os = "linux")]
fn lock_writable() -> Option<()> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        if rest.starts_with("rw") {
            let lock =
                region::lock(std::ptr::without_provenance::<u8>(start), end.checked_sub(start)?).ok()?;
            // For as long as the process lives: its drop unlocks.
            std::mem::forget(lock);
        }
    }
    Some(())
}

/// Whether what this process may do counts within a user namespace alone: the bound on locked memory is not for such
/// a one to exceed. Source: user_namespaces(7).
#[cfg(target_os = "linux")]
fn is_in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map");
    map.is_ok_and(|map| !map.split_whitespace().eq(["0", "0", "4294967295"]))
}

#[cfg(target_os = "linux")]
fn limit_of_none() -> Rlimit {
    Rlimit { current: None, maximum: None }
}

/// Elsewhere there is no call that locks what will be allocated.
#[cfg(not(target_os = "linux"))]
pub fn lock_memory() {}

/// No other process of the same user may read this one's memory or trace it.
pub fn hide() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

//! What the process does for the keys it holds before it holds any.

/// No core dump may hold a key, and no other process of the same user may read this one's memory.
pub fn harden() {
    // Refused only where it is off already.
    let _ = rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit { current: Some(0), maximum: Some(0) },
    );
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

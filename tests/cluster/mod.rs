//! The one harness for tests that need more than this process: real peers, machines in network namespaces,
//! servers on them, clients that judge them. README.md in this folder says how it works and how to grow it.
//!
//! A test target takes it in with `mod cluster;`. Whatever fails here panics with what was found: a harness that
//! carries on after a fault would let a test assert nothing.

#![allow(dead_code, reason = "each test target uses the part it needs")]
#![expect(clippy::expect_used, clippy::panic, reason = "test code: a fault ends the test with its text")]

pub(crate) mod api;
pub(crate) mod chain;
pub(crate) mod client;
pub(crate) mod etcd;
pub(crate) mod files;
pub(crate) mod kubernetes;
pub(crate) mod log;
pub(crate) mod network;
pub(crate) mod peer;
pub(crate) mod seal;
pub(crate) mod throwaway;

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs a command to its end and returns what it wrote. Panics with its stderr when it fails.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A number that this process has not had before, for names that must differ.
pub(crate) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Asks again every 50 ms until there is an answer. Panics with what the last refusal said after `bound`.
pub(crate) fn wait_for<T>(what: &str, bound: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(start.elapsed() < bound, "{what}: not within {bound:?}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

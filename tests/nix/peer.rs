//! The real `nix` that the harness finds, for one evaluation and for whole tests.

#![allow(dead_code, reason = "each test target uses the part it needs")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

use crate::cluster::peer::{Peer, find};

/// Set in the process that [`in_path`] starts.
const CHILD: &str = "QUORATE_TEST_WITH_NIX";

/// The program `nix`.
pub(crate) struct Nix(PathBuf);

impl Nix {
    /// `None`, said on stderr, when it is missing; a panic in CI.
    pub(crate) fn find() -> Option<Self> {
        find(Peer::Nix).map(|programs| Self(programs.path("nix")))
    }

    /// The value of a file (`--file`) or an expression (`--expr`) as JSON; the error is what `nix` said.
    pub(crate) fn eval(&self, how: &str, what: impl AsRef<OsStr>) -> Result<Json, String> {
        let mut command = Command::new(&self.0);
        command.args(["eval", "--json", "--impure", "--extra-experimental-features", "nix-command"]);
        command.env("NIX_REMOTE", "dummy://").env("NO_COLOR", "1");
        command.arg(how).arg(what);
        let output = command.output().expect("nix can be started");
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).expect("nix prints JSON"))
        } else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Err(stderr.lines().find(|line| line.contains("error")).unwrap_or_default().trim().to_owned())
        }
    }
}

/// Whether the caller, the test of this name, runs with `nix` in PATH and shall go on. Otherwise the test has been run
/// so in a process of its own, since a process cannot change its own PATH safely, or `nix` is missing.
#[track_caller]
pub(crate) fn in_path(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let Some(programs) = find(Peer::Nix) else { return false };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs.path("")).chain(std::env::split_paths(&path));
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env("PATH", std::env::join_paths(folders).expect("folders"))
        .env("NIX_REMOTE", "dummy://")
        .env(CHILD, "1")
        .output()
        .expect("this program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    // A name that fits no test would pass as well.
    let passed = output.status.success() && stdout.contains("1 passed");
    assert!(passed, "{test} with `nix`: {stdout}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Says on stderr, where the test runner does not keep it to itself, why a test asserts nothing here.
pub(crate) fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("stderr takes a line");
}

//! The real `nix`, from `QUORATE_NIX` or `PATH`. Absent, a test says so and passes on a laptop, and fails in CI.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

pub(crate) struct Peer(PathBuf);

impl Peer {
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var_os("QUORATE_NIX").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = named.or_else(|| {
            std::env::split_paths(&path).map(|folder| folder.join("nix")).find(|program| program.is_file())
        });
        if found.is_none() {
            assert!(std::env::var_os("CI").is_none(), "no `nix` in PATH or QUORATE_NIX, and this is CI");
            println!("SKIPPED: no `nix` in PATH or QUORATE_NIX");
        }
        found.map(Self)
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

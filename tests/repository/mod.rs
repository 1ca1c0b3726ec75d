//! A person's repository for a test of `secrets`: rules for one person, whose identity lies where `secrets` and sops look
//! for it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test target uses its part")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::cluster::peer::Programs;
use crate::cluster::run;

pub const YAML: &str =
    "db:\n    users:\n        - name: anna\n          password: hunter2\nport: 5432\nok: true\n";

/// A repository with rules for one person, whose identity lies where `secrets` and sops look for it.
pub struct Repository {
    pub folder: TempDir,
    pub recipient: String,
}

impl Repository {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut repository = Self { folder, recipient: String::new() };
        let made = repository.secrets(&["keygen"]);
        String::from_utf8(made.stdout).unwrap().trim().clone_into(&mut repository.recipient);
        fs::create_dir_all(repository.path("secrets")).unwrap();
        repository.rules(&[&repository.recipient]);
        repository
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("repository").join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn rules(&self, recipients: &[&str]) {
        let age = recipients.join(",");
        self.write(".sops.yaml", format!("creation_rules:\n  - path_regex: ^secrets/\n    age: {age}\n"));
    }

    pub fn at_home(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let home = self.folder.path().join("home");
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(self.path("")).unwrap();
        let mut command = Command::new(program.as_ref());
        command.args(arguments).current_dir(self.path("")).env_clear().env("HOME", home);
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("EDITOR", "true");
        command.env("SOPS_DISABLE_VERSION_CHECK", "1").stdin(Stdio::null());
        command
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.at_home(env!("CARGO_BIN_EXE_secrets"), arguments)
    }

    pub fn secrets(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn sops(&self, sops: &Programs, arguments: &[&str]) -> Output {
        self.at_home(sops.path("sops"), arguments).output().unwrap()
    }

    /// Asserts that it went well, and gives stdout.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        succeeded(&self.secrets(arguments))
    }

    #[track_caller]
    pub fn set(&self, arguments: &[&str], value: &str) {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        succeeded(&child.wait_with_output().unwrap());
    }

    pub fn git(&self, arguments: &[&str]) {
        let mut command = self.at_home("git", arguments);
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        run(&mut command);
    }
}

#[track_caller]
pub fn succeeded(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

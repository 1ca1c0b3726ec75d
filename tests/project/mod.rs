//! A user's repository for a test: a folder with a machines.nix, a home of its own, and the built `pki` run in it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test target uses its part")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The folder, removed with everything in it when this is dropped.
pub struct Project {
    folder: TempDir,
}

/// What a run of `pki` gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Asserts the exit code and shows everything when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Both outputs, for a snapshot.
    pub fn shown(&self) -> String {
        format!("exit code {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Project {
    /// An empty repository with this machines.nix.
    pub fn new(machines: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(project.path("home")).unwrap();
        project.write("machines.nix", machines);
        project
    }

    /// Three masters and a worker, and an identity made by the first `gen`.
    pub fn generated(machines: &str) -> Self {
        let project = Self::new(machines);
        project.pki(["gen", "certs", "--new-identity"]).expect(0);
        project
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn identity_file(&self) -> PathBuf {
        self.path("home/.config/sops/age/keys.txt")
    }

    /// `pki`, with nothing of the caller's environment but the path.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.program(env!("CARGO_BIN_EXE_pki"), arguments)
    }

    fn program<A: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.root()).env_clear().env("HOME", self.path("home"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub fn pki<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        self.run(self.command(arguments))
    }

    pub fn secrets<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        self.run(self.program(env!("CARGO_BIN_EXE_secrets"), arguments))
    }

    /// The same with a text on its stdin.
    pub fn secrets_with<A: AsRef<OsStr>>(&self, input: &str, arguments: impl IntoIterator<Item = A>) -> Run {
        let path = self.path("stdin");
        fs::write(&path, input).unwrap();
        let mut command = self.program(env!("CARGO_BIN_EXE_secrets"), arguments);
        command.stdin(fs::File::open(&path).unwrap());
        let run = self.run(command);
        fs::remove_file(path).unwrap();
        run
    }

    fn run(&self, mut command: Command) -> Run {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes: Vec<u8>| self.redact(&String::from_utf8(bytes).unwrap());
        Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The folder's own name, and whatever is random or measured, replaced.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.root().display().to_string(), "[folder]")
    }

    /// Every file below a folder with its bytes; empty when there is no such folder.
    pub fn tree(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(name), "", &mut files);
        files
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else if !entry.file_type().unwrap().is_file() && !entry.file_type().unwrap().is_symlink() {
            files.insert(name, b"a pipe or a device".to_vec());
        } else if entry.file_type().unwrap().is_symlink() {
            // Where it leads, and not what is there: that may be a device without end.
            let target = fs::read_link(entry.path()).unwrap();
            files.insert(name, target.into_os_string().into_encoded_bytes());
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// The paths whose bytes differ between two trees, missing ones included.
pub fn changed(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut paths: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .cloned()
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// What a machine is installed on: without it the inventory is warned about.
const PARTS: &str = "interface = \"ens18\"; disk = \"/dev/disk/by-id/x\";";

/// A small cluster: masters cp1 to cpN at 10.13.13.1N, one worker, a router.
pub fn machines(masters: usize, extra: &str) -> String {
    let mut text = String::from("{\n");
    for n in 1..=masters {
        let _ = writeln!(
            text,
            "  cp{n} = {{ ip = \"10.13.13.1{n}\"; {PARTS} kubernetes.enable = true; etcd.enable = true; }};"
        );
    }
    let _ = writeln!(
        text,
        "  w1 = {{ ip = \"10.13.13.31\"; {PARTS} kubernetes.enable = true; master = false; }};"
    );
    text += "  router = { ip = \"10.13.13.1\"; node = false; };\n";
    text += "  kubeMaster = { ip = \"10.13.14.10\"; gateway = \"10.13.13.1\"; };\n";
    if !extra.contains("cluster") {
        text += "  cluster = { name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; };\n";
    }
    text + extra + "}\n"
}

//! A person's desk for a test: a home, a repository with one sealed file, editors, and the built `secrets` run there,
//! as root or as an ordinary user, with namespaces or without. Afterwards it is searched for what was secret.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test target uses its part"
)]

#[path = "../cluster/peer.rs"]
pub(crate) mod peer;
pub mod terminal;
pub mod traced;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Plaintext, Policy, SealedFile, Store};
use tempfile::TempDir;

/// Who sits there, and what the system gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The user that runs the tests.
    Self_,
    /// A user without any right, where the tests run as root.
    Nobody,
    /// Such a user, in a place that refuses namespaces.
    Confined,
}

/// Any number that no user has: what is denied to it is not denied by name.
const NOBODY: u32 = 47_011;

pub struct Desk {
    folder: TempDir,
    who: Who,
    /// The value in the sealed file.
    pub old: String,
    /// What the fake editor writes in its place.
    pub new: String,
    /// Whom the file is sealed to.
    pub recipient: String,
}

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Desk {
    /// A desk with `x.yaml` sealed. `None` where this user cannot be had: the tests do not run as root.
    pub fn of(who: Who) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        if who == Who::Nobody && !is_root() {
            // Says that root is wanted.
            peer::namespaces();
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed) * 100_000_000 + std::process::id() as usize;
        let (old, new) = (format!("oldquorum{number}"), format!("newquorum{number}"));
        let mut desk = Self { folder: tempfile::tempdir().unwrap(), who, old, new, recipient: String::new() };
        for name in ["home", "tmp", "run", "bin", "repo"] {
            fs::create_dir(desk.path(name)).unwrap();
        }
        // Where the program was built may be closed to others.
        let program = Path::new(env!("CARGO_BIN_EXE_secrets"));
        if fs::hard_link(program, desk.program()).is_err() {
            fs::copy(program, desk.program()).unwrap();
        }
        desk.seal();
        desk.give_away();
        Some(desk)
    }

    /// For each kind of user that can be had here.
    pub fn each() -> impl Iterator<Item = Self> {
        [Who::Self_, Who::Nobody, Who::Confined].into_iter().filter_map(Self::of)
    }

    pub fn who(&self) -> Who {
        self.who
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self) -> PathBuf {
        self.path("repo/x.yaml")
    }

    fn program(&self) -> PathBuf {
        self.path("bin/secrets")
    }

    /// Makes everything that user's.
    pub fn give_away(&self) {
        if self.uid() != 0 || !is_root() {
            let owner = format!("{0}:{0}", self.uid());
            if is_root() {
                let done =
                    Command::new("chown").arg("-Rh").arg(owner).arg(self.folder.path()).status().unwrap();
                assert!(done.success());
            }
        }
    }

    /// The user as everybody else sees it.
    fn uid(&self) -> u32 {
        if self.who != Who::Self_ && is_root() { NOBODY } else { rustix::process::geteuid().as_raw() }
    }

    /// A program of a few lines of shell, in front of all others on PATH.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// An editor that puts the new value in place of the old one, then does what `after` says. Neither value stands in
    /// it in one piece.
    pub fn fake_editor(&self, after: &str) -> PathBuf {
        let (head, tail) = self.new.split_at(4);
        self.script(
            "fake",
            &format!("printf 'password: %s%s\\nport: 1\\n' {head} {tail} >\"$1\" || exit 9\n{after}"),
        )
    }

    /// The words in front of a command line that make the process that user's.
    pub fn as_user(&self) -> Vec<String> {
        let uid = self.uid().to_string();
        let mut words: Vec<&str> = Vec::new();
        if self.who != Who::Self_ && is_root() {
            words.extend(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        }
        if self.who == Who::Confined {
            // A limit that holds within this namespace alone: nothing of the machine is changed.
            words.extend(["unshare", "--user", "--map-root-user", "sh", "-c"]);
            words.push(
                "echo 0 >/proc/sys/user/max_user_namespaces && \
                 exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"",
            );
            words.push("sh");
        }
        words.into_iter().map(str::to_owned).collect()
    }

    /// `secrets`, with nothing of the caller's environment but the path, after the words of `front`.
    pub fn command_behind(&self, front: &[String], arguments: &[&str]) -> Command {
        let mut words = front.to_vec();
        words.push(self.program().display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments).current_dir(self.path("repo")).env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = [self.path("bin")].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(own).unwrap());
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.env("XDG_RUNTIME_DIR", self.path("run")).env("TERM", "xterm").env("EDITOR", "fake");
        command
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_behind(&self.as_user(), arguments)
    }

    /// Runs it with these bytes on standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Run {
        finish(self.command(arguments), input)
    }

    /// What the paths of the text's private folder begin with.
    pub fn private(&self) -> Vec<String> {
        let place = if self.who == Who::Confined { PathBuf::from("/dev/shm") } else { self.path("run") };
        vec![format!("{}/quorate-edit-", place.display())]
    }

    /// How many private folders there are.
    pub fn folders(&self) -> usize {
        let ours = |entry: &fs::DirEntry| {
            let own = entry.metadata().is_ok_and(|found| found.uid() == self.uid());
            own && entry.file_name().to_string_lossy().starts_with("quorate-edit-")
        };
        // What lies in /dev/shm may be that of a test beside this one.
        fs::read_dir(self.path("run")).unwrap().flatten().filter(ours).count()
    }

    /// What lies where a file may lie: every file whose bytes hold `marker`.
    pub fn traces(&self, marker: &str) -> Vec<PathBuf> {
        let shared = ["/dev/shm", "/var/tmp"].map(PathBuf::from);
        let mut found = Vec::new();
        for folder in [self.folder.path().to_owned()].iter().chain(&shared) {
            search(folder, marker.as_bytes(), &mut found);
        }
        found
    }

    /// That neither value lies anywhere.
    #[track_caller]
    pub fn assert_no_trace(&self, when: &str) {
        for marker in [&self.old, &self.new] {
            let found = self.traces(marker);
            assert!(found.is_empty(), "{when}, {who:?}: {found:?}", who = self.who);
        }
    }

    /// Makes an identity, and seals the old value to it.
    fn seal(&mut self) {
        let (identity, recipient) = Identity::generate();
        let keys = self.path("home/.config/sops/age");
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("keys.txt"), identity.expose_bytes()).unwrap();
        recipient.key().clone_into(&mut self.recipient);
        let text = format!("password: {}\nport: 1\n", self.old);
        let plaintext = Plaintext::parse(&Secret::from_text(text), Store::Yaml).unwrap();
        let readers = KeyGroups::one(&[recipient]);
        let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
        fs::write(self.file(), plaintext.seal(&policy, "2026-11-21T03:02:57Z").unwrap()).unwrap();
    }

    /// What the sealed file holds.
    pub fn opened(&self) -> String {
        let keys = fs::read(self.path("home/.config/sops/age/keys.txt")).unwrap();
        let identities = Identity::parse_all(&Secret::from_bytes(keys)).unwrap();
        let sealed = SealedFile::parse(&fs::read_to_string(self.file()).unwrap(), Store::Yaml).unwrap();
        let plaintext = sealed.open(&identities).unwrap().plaintext();
        plaintext.write(Store::Yaml, None).unwrap().expose_text().unwrap().to_owned()
    }
}

/// Waits until something holds.
#[track_caller]
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command to the end of everything that it started: to the end of file of what they all write to.
pub fn finish(mut command: Command, input: &str) -> Run {
    use std::io::Write as _;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    wait_for_all(child)
}

/// Waits for a process that was started with pipes, and for everything that it started.
pub fn wait_for_all(mut child: Child) -> Run {
    let mut errors = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).unwrap();
        text
    });
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let stderr = text(errors.join().unwrap());
    Run { status: child.wait().unwrap(), stdout: text(output), stderr }
}

fn search(folder: &Path, marker: &[u8], found: &mut Vec<PathBuf>) {
    // Other tests' folders come and go.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            search(&entry.path(), marker, found);
        } else if kind.is_file()
            && !entry.path().ends_with("bin/secrets")
            && fs::read(entry.path()).is_ok_and(|bytes| holds(&bytes, marker))
        {
            found.push(entry.path());
        }
    }
}

fn holds(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|part| part == marker)
}

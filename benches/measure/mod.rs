//! What the benchmarks share: a project in a folder of its own, whole processes with what they took, medians.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each benchmark uses its part, and may fail"
)]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

/// What a piece of work in this process took.
#[derive(Clone, Copy)]
pub struct Work {
    pub wall: Duration,
    /// As [`Taken::processor`].
    pub processor: Duration,
}

impl Work {
    pub fn of(work: impl FnOnce()) -> Self {
        let own = Path::new("/proc/self/stat");
        let (started, before) = (Instant::now(), processor_time(own));
        work();
        Self { wall: started.elapsed(), processor: processor_time(own).saturating_sub(before) }
    }
}

/// What one process took.
pub struct Taken {
    /// From its start to its end.
    pub wall: Duration,
    /// User and system time of all its threads, in steps of 10 ms (`USER_HZ`); zero where there is no `/proc`.
    pub processor: Duration,
    /// The most memory it had at a time, in bytes; zero where there is no `/proc`.
    pub peak: u64,
    /// What it said.
    pub stderr: String,
}

impl Taken {
    /// How long it waited for the disk, as `gen` itself says: `..., and 15 ms for the disk`.
    pub fn disk(&self) -> Duration {
        let (before, _) = self.stderr.split_once(" for the disk").unwrap();
        let words: Vec<&str> = before.split_whitespace().rev().take(2).collect();
        let number: f64 = words[1].parse().unwrap();
        Duration::from_secs_f64(if words[0] == "ms" { number / 1000.0 } else { number })
    }
}

/// A folder with an inventory, and a home with an identity.
///
/// The folder lies below `target/`: a repository is on a disk, and `/tmp` may be memory. The home does not: no identity
/// is made in a work tree.
pub struct Project {
    folder: TempDir,
    home: TempDir,
}

impl Project {
    pub fn new(inventory: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let project = Self { folder, home: tempfile::tempdir().unwrap() };
        project.write_inventory(inventory);
        project
    }

    /// Another project that has the identity of this one.
    pub fn beside(&self, inventory: &str) -> Self {
        let project = Self::new(inventory);
        let keys = ".config/sops/age/keys.txt";
        let (own, other) = (self.home.path().join(keys), project.home.path().join(keys));
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::copy(own, other).unwrap();
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write_inventory(&self, text: &str) {
        fs::write(self.path().join("machines.nix"), text).unwrap();
    }

    /// Runs `pki` as a user does, and waits for it.
    pub fn pki(&self, arguments: &[&str]) -> Taken {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pki"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.home.path());
        timed(&mut command)
    }

    pub fn manifest(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path().join("certs/manifest.json")).unwrap()).unwrap()
    }
}

/// How long a process takes that nobody looks at meanwhile: of one that is over in milliseconds, a thread that starts
/// beside it and reads of it in `/proc` is a good part.
pub fn waited(command: &mut Command) -> Duration {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = child.wait().unwrap();
    let wall = started.elapsed();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(status.success(), "{command:?}: {stderr}");
    wall
}

/// What a process takes, its memory with it.
pub fn timed(command: &mut Command) -> Taken {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let ended = AtomicBool::new(false);
    let (wall, peak) = thread::scope(|scope| {
        let peak = scope.spawn(|| watch(&process.join("status"), &ended));
        // Ended and not yet buried: its times can still be read.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let wall = started.elapsed();
        ended.store(true, Ordering::Relaxed);
        (wall, peak.join().unwrap())
    });
    let processor = processor_time(&process.join("stat"));
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(status.success(), "{command:?}: {stderr}");
    Taken { wall, processor, peak, stderr }
}

/// The high-water mark of a process, read until it ends: it never falls, so only what the last moment added is missed.
fn watch(status: &Path, ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !ended.load(Ordering::Relaxed) {
        let text = fs::read_to_string(status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = kibibytes.map_or(peak, |kibibytes| kibibytes * 1024);
        thread::sleep(Duration::from_millis(2));
    }
    peak
}

/// Fields 14 and 15 of `/proc/<pid>/stat`, in hundredths of a second. Source: proc(5).
fn processor_time(stat: &Path) -> Duration {
    let text = fs::read_to_string(stat).unwrap_or_default();
    // The second field is the program's name in parentheses, and may hold blanks.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

pub fn median<T: Copy + PartialOrd>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    sorted[sorted.len() / 2]
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

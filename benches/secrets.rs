//! How long `secrets` takes, beside sops in the same run.
//!
//! `cargo bench --bench secrets` (or `-- 20` for twenty rounds). Whole processes, as a user waits for them; medians,
//! because machines are shared. sops is the one of tests/peers, built when it is not there yet; without Go it is left out
//! and named.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark talks and may fail")]

mod measure;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{median, milliseconds, processors, timed, waited};
use tempfile::TempDir;

/// The file of many values, and the folder of many files.
const VALUES: usize = 5_000;
const FILES: usize = 1_000;
/// sops takes its time over each file: so many are timed, and their time is scaled to all.
const SOPS_SAMPLE: usize = 50;

fn main() {
    // `cargo bench` hands `--bench` to every target.
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(15);
    let desk = Desk::new();
    println!("{rounds} rounds, {} processors", processors());
    println!("{:<44} {:>9} {:>9} {:>7}", "", "secrets", "sops", "ratio");
    let start = rounds_of(rounds, || desk.waited(&["--version"]));
    println!("{:<44} {:>9}", "--version", milliseconds(median(&start)));

    desk.seal("small.yaml", "password: hunter2\nport: 5432\n");
    compare(
        "decrypt, 2 values",
        rounds,
        || desk.waited(&["decrypt", "small.yaml"]),
        &desk,
        &["decrypt", "small.yaml"],
    );
    desk.seal("large.yaml", &many(VALUES));
    let size = fs::metadata(desk.path().join("large.yaml")).unwrap().len();
    compare(
        &format!("decrypt, {VALUES} values, {} KB", size / 1000),
        rounds,
        || desk.waited(&["decrypt", "large.yaml"]),
        &desk,
        &["decrypt", "large.yaml"],
    );
    memory(&desk, 10);
    rekey(&desk);
}

fn rounds_of(rounds: usize, mut one: impl FnMut() -> Duration) -> Vec<Duration> {
    (0..rounds).map(|_| one()).collect()
}

/// Both in turn, so that both meet the same machine.
fn compare(name: &str, rounds: usize, mut ours: impl FnMut() -> Duration, desk: &Desk, sops: &[&str]) {
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        own.push(ours());
        theirs.extend(desk.sops(sops));
    }
    row(name, median(&own), (!theirs.is_empty()).then(|| median(&theirs)));
}

fn row(name: &str, ours: Duration, theirs: Option<Duration>) {
    match theirs {
        Some(theirs) => {
            let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
            println!("{name:<44} {:>9} {:>9} {ratio:>7.1}", milliseconds(ours), milliseconds(theirs));
        }
        None => println!("{name:<44} {:>9} {:>9}", milliseconds(ours), "not here"),
    }
}

/// The memory of decrypting files of megabytes, above that of a process that does nothing.
fn memory(desk: &Desk, megabytes: usize) {
    // It is over before it is looked at, now and then.
    let idle = (0..20).map(|_| desk.ours(&["get", "small.yaml", "port"]).peak).max().unwrap_or_default();
    for megabytes in [1, megabytes] {
        // A sealed value of this size takes about 160 bytes.
        desk.seal("huge.yaml", &many(megabytes * 1_000_000 / 165));
        let size = fs::metadata(desk.path().join("huge.yaml")).unwrap().len();
        let taken = desk.ours(&["decrypt", "huge.yaml"]);
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let times = taken.peak.saturating_sub(idle) as f64 / size as f64;
        println!(
            "decrypt, {} KB: {} in {} MB, {times:.1} times the file above the idle process ({} MB)",
            size / 1000,
            milliseconds(taken.wall),
            taken.peak / 1_000_000,
            idle / 1_000_000,
        );
    }
}

/// Everybody's files sealed to one person more.
fn rekey(desk: &Desk) {
    let folder = desk.path().join("many");
    let fresh = || {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for number in 0..FILES {
            fs::copy(desk.path().join("small.yaml"), folder.join(format!("{number}.yaml"))).unwrap();
        }
    };
    desk.rules(true);
    let own: Vec<Duration> = (0..3)
        .map(|_| {
            fresh();
            desk.ours(&["rekey", "--yes", "many"]).wall
        })
        .collect();
    fresh();
    let started = Instant::now();
    let mut theirs = None;
    for number in 0..SOPS_SAMPLE {
        let file = format!("many/{number}.yaml");
        theirs = desk.sops(&["updatekeys", "--yes", &file]).map(|_| started.elapsed());
    }
    let scale = u32::try_from(FILES / SOPS_SAMPLE).unwrap();
    row(
        &format!("rekey, {FILES} files (sops: updatekeys, scaled)"),
        median(&own),
        theirs.map(|time| time * scale),
    );
}

/// A folder with rules and files, and identities outside of it.
struct Desk {
    folder: TempDir,
    home: TempDir,
    recipients: Vec<String>,
    sops: Option<PathBuf>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut desk =
            Self { folder, home: tempfile::tempdir().unwrap(), recipients: Vec::new(), sops: sops() };
        for name in ["me", "other"] {
            let file = desk.home.path().join(name);
            let output = Command::new(env!("CARGO_BIN_EXE_secrets"))
                .args(["keygen", "-o"])
                .arg(file)
                .output()
                .unwrap();
            desk.recipients.push(String::from_utf8(output.stdout).unwrap().trim().to_owned());
        }
        desk.rules(false);
        desk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn rules(&self, both: bool) {
        let recipients = if both { self.recipients.join(",") } else { self.recipients[0].clone() };
        let text = format!("creation_rules:\n  - path_regex: \\.yaml$\n    age: {recipients}\n");
        fs::write(self.path().join(".sops.yaml"), text).unwrap();
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("HOME", self.home.path()).env("SOPS_AGE_KEY_FILE", self.home.path().join("me"));
        command
    }

    fn ours(&self, arguments: &[&str]) -> measure::Taken {
        timed(&mut self.command(env!("CARGO_BIN_EXE_secrets"), arguments))
    }

    fn waited(&self, arguments: &[&str]) -> Duration {
        waited(&mut self.command(env!("CARGO_BIN_EXE_secrets"), arguments))
    }

    fn sops(&self, arguments: &[&str]) -> Option<Duration> {
        let program = self.sops.as_ref()?;
        Some(waited(self.command(program, arguments).env("SOPS_DISABLE_VERSION_CHECK", "1")))
    }

    fn seal(&self, name: &str, plaintext: &str) {
        fs::write(self.path().join(name), plaintext).unwrap();
        self.ours(&["encrypt", "-i", name]);
    }
}

fn many(values: usize) -> String {
    (0..values).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "key-{number}: value {number}");
        text
    })
}

/// The peer of the tests.
fn sops() -> Option<PathBuf> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/build");
    let output = Command::new(build).arg("sops").stderr(Stdio::inherit()).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| Path::new(folder.trim()).join("sops"))
}

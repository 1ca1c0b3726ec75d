//! `pki gen` killed at any moment, and on a disk that fills up: the tree is the old one or the planned one, the next
//! run sees to it, and no key is ever in clear.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a fault ends the test"
)]

mod project;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use project::{Project, changed, machines};

type Tree = BTreeMap<String, Vec<u8>>;

/// Kills for each of the three scenarios.
const KILLS: u32 = 100;

/// What a killed run may leave in `certs/` beside the tree itself.
fn is_remains(path: &str) -> bool {
    path.starts_with("certs/.gen-")
}

/// The certificates. `.sops.yaml` is a rename of its own behind them; the next run sees to it.
fn visible(tree: &Tree) -> Tree {
    let ours = |path: &str| path.starts_with("certs/") && !is_remains(path);
    tree.iter().filter(|(path, _)| ours(path)).map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

/// The tree that a committed run will have: what stands there, what is still to be moved over it, without what goes.
fn planned(tree: &Tree) -> Option<Tree> {
    let journal: serde_json::Value =
        serde_json::from_slice(tree.get("certs/.gen-commit/journal.json")?).unwrap();
    let mut planned = visible(tree);
    for (path, bytes) in tree {
        if let Some(name) = path.strip_prefix("certs/.gen-commit/tree/") {
            planned.insert(format!("certs/{name}"), bytes.clone());
        }
    }
    for name in journal["removes"].as_array().unwrap() {
        planned.remove(&format!("certs/{}", name.as_str().unwrap()));
    }
    Some(planned)
}

/// No byte of a private key outside of a seal, wherever the run may have put it.
#[track_caller]
fn assert_nothing_in_clear(project: &Project) {
    for (path, bytes) in project.tree("") {
        let found = bytes.windows(11).any(|window| window == b"PRIVATE KEY");
        assert!(!found, "{path} holds a private key in clear");
    }
}

/// A small random generator whose seed is printed: a failure can be had again.
struct Dice(u64);

impl Dice {
    fn new(name: &str) -> Self {
        let given = std::env::var("QUORATE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
        });
        println!("{name}: QUORATE_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX generator; its upper bits are the random ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

/// Runs `gen` on a copy of `start`, kills it after a random time, and judges what is left. `KILLS` times.
fn kill_at_random(name: &str, start: &Project, arguments: &[&str]) {
    let mut dice = Dice::new(name);
    let mut whole = measure(start, arguments);
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..KILLS {
        let project = copy(start);
        let before = visible(&project.tree(""));
        let mut child = spawn(&project, arguments);
        std::thread::sleep(Duration::from_nanos(dice.below((whole.as_nanos() as u64) * 11 / 10)));
        child.kill().unwrap();
        child.wait().unwrap();
        *seen.entry(judge(&project, &before, arguments)).or_default() += 1;
        // The machine is shared: what a run takes drifts.
        whole = (whole * 9 + measure_if(seen.values().sum::<u32>() % 20 == 0, start, arguments, whole)) / 10;
    }
    println!("{name}: {KILLS} kills found {seen:?}");
}

fn measure_if(again: bool, start: &Project, arguments: &[&str], known: Duration) -> Duration {
    if again { measure(start, arguments) } else { known }
}

fn judge(project: &Project, before: &Tree, arguments: &[&str]) -> &'static str {
    assert_nothing_in_clear(project);
    let left = project.tree("");
    let promised = planned(&left);
    let now = visible(&left);
    let remains = left.keys().any(|path| is_remains(path));
    let moment = match (&promised, now == *before) {
        (Some(_), _) => "committed, not in place",
        (None, true) if remains => "staged",
        (None, true) => "nothing",
        (None, false) => {
            // All in place: the new tree is whole, whatever of the commit's own folder is left.
            project.pki(arguments).expect(0);
            assert_eq!(
                changed(&now, &visible(&project.tree(""))),
                Vec::<String>::new(),
                "it was not the planned tree"
            );
            "done"
        }
    };
    let run = project.pki(arguments).expect(0);
    if let Some(promised) = promised {
        assert!(run.stderr.contains("finished an interrupted run"), "{}", run.stderr);
        assert_eq!(
            changed(&promised, &visible(&project.tree(""))),
            Vec::<String>::new(),
            "not what was committed"
        );
    }
    assert!(!project.tree("").keys().any(|path| is_remains(path)), "remains were not cleaned up");
    project.pki([&["gen", "--dry-run"], &arguments[1..]].concat()).expect(0);
    assert_nothing_in_clear(project);
    moment
}

fn spawn(project: &Project, arguments: &[&str]) -> std::process::Child {
    let mut command = project.command(arguments);
    command.env("TMPDIR", project.path("tmp")).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn measure(start: &Project, arguments: &[&str]) -> Duration {
    let project = copy(start);
    let started = Instant::now();
    assert!(spawn(&project, arguments).wait().unwrap().success());
    started.elapsed()
}

fn copy(start: &Project) -> Project {
    let project = Project::new("");
    for (path, bytes) in start.tree("") {
        project.write(&path, bytes);
    }
    fs::create_dir_all(project.path("tmp")).unwrap();
    project
}

/// A project with an identity and no certificates.
fn fresh() -> Project {
    let project = Project::generated(&machines(3, ""));
    fs::remove_dir_all(project.path("certs")).unwrap();
    fs::remove_file(project.path(".sops.yaml")).unwrap();
    project
}

#[test]
fn a_first_gen_that_is_killed_leaves_nothing_or_everything() {
    kill_at_random("fresh", &fresh(), &["gen"]);
}

#[test]
fn a_renewal_that_is_killed_leaves_the_old_or_the_new_certificates() {
    kill_at_random(
        "renewing",
        &Project::generated(&machines(3, "")),
        &["gen", "--at", "2028-01-01T00:00:00Z"],
    );
}

#[test]
fn a_growing_cluster_that_is_killed_has_its_old_size_or_its_new() {
    let project = Project::generated(&machines(3, ""));
    project.write("machines.nix", machines(5, ""));
    kill_at_random("growing", &project, &["gen"]);
}

#[test]
fn a_second_run_does_not_start_while_one_is_at_work() {
    let project = Project::generated(&machines(1, ""));
    let folder = fs::File::open(project.path("certs")).unwrap();
    folder.lock().unwrap();
    let run = project.pki(["gen"]).expect(2);
    assert!(run.stderr.contains("another `pki gen` is at work in `certs`"), "{}", run.stderr);
}

/// A file system of so many KiB, for as long as this lives.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` where nobody may mount: said aloud, and a failure where CI is to see everything.
    fn mount(at: &'a Path, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k,nr_inodes=4096");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        assert!(std::env::var_os("CI").is_none(), "no tmpfs can be mounted here: the full disk is not tried");
        println!("SKIPPED: no tmpfs can be mounted here, run as root to try the full disk");
        None
    }

    fn grow(&self) {
        let status = Command::new("mount").args(["-o", "remount,size=64m"]).arg(self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Every size from nothing to enough: a clear error and the old tree, and once there is room, the whole new one.
fn fill_the_disk(start: &Project) {
    let mut failed = 0;
    for kib in (40..=760).step_by(36) {
        let project = Project::new("");
        let Some(disk) = SmallDisk::mount(project.root(), kib) else { return };
        for (path, bytes) in start.tree("") {
            let path = project.path(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if fs::write(&path, bytes).is_err() {
                // The old tree itself does not fit.
                break;
            }
        }
        let before = visible(&project.tree(""));
        if before != visible(&start.tree("")) || !project.path("machines.nix").exists() {
            continue;
        }
        let run = project.pki(["gen"]);
        assert_nothing_in_clear(&project);
        if run.code != 0 {
            failed += 1;
            let run = run.expect(2);
            assert!(
                run.stderr.contains("no space left") || run.stderr.contains("storage full"),
                "{}",
                run.stderr
            );
            let committed = project.path("certs/.gen-commit").exists();
            assert!(committed || visible(&project.tree("")) == before, "{kib} KiB: the old tree was touched");
            disk.grow();
            project.pki(["gen"]).expect(0);
        }
        project.pki(["check"]).expect(0);
        drop(disk);
    }
    assert!(failed > 3, "the disk was never full in time");
    println!("full disk: {failed} sizes were too small");
}

#[test]
fn a_full_disk_leaves_the_old_tree_and_a_clear_error() {
    fill_the_disk(&fresh());
    let growing = Project::generated(&machines(3, ""));
    growing.write("machines.nix", machines(5, ""));
    fill_the_disk(&growing);
}

//! A change of admins that is killed at any moment.

use super::*;

/// A small random generator whose seed is printed: a failure can be had again.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let given = std::env::var("QUORATE_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = given.unwrap_or_else(|| now.as_secs() ^ u64::from(now.subsec_nanos()));
        println!("QUORATE_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX generator; its upper bits are the random ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

/// The writes come in one order: whatever is written, what goes before it is written whole.
fn assert_order(before: &Tree, after: &Tree, machines: &[u8]) {
    let differs = changed(before, after);
    let certs = differs.iter().any(|path| path.starts_with("certs/") && !path.contains(".gen-"));
    let rules = differs.iter().any(|path| path == ".sops.yaml");
    let secrets = differs.iter().any(|path| path.starts_with("secrets/") && !path.contains(".new-"));
    if certs || rules || secrets {
        assert_eq!(after["machines.nix"], machines, "machines.nix does not say it yet");
    }
    if rules || secrets {
        assert!(
            certs && !after.keys().any(|path| path.contains(".gen-commit")),
            "certs/ is not in place yet"
        );
    }
    assert!(rules || !secrets, "the rules do not say it yet");
}

/// What stands on the disk, in few numbers: which of the steps a killed run came to.
fn moment(before: &Tree, after: &Tree) -> &'static str {
    let differs = |what: &dyn Fn(&str) -> bool| changed(before, after).iter().any(|path| what(path));
    let secrets = SECRETS.iter().filter(|path| before.get(**path) != after.get(**path)).count();
    match () {
        () if secrets == SECRETS.len() => "all written",
        () if secrets > 0 => "some secrets",
        () if differs(&|path| path == ".sops.yaml") => "rules",
        () if differs(&|path| path.starts_with("certs/") && !path.contains(".gen-")) => "certs",
        () if differs(&|path| path.contains(".gen-")) => "certs staged",
        () if differs(&|path| path == "machines.nix") => "machines.nix",
        () => "nothing",
    }
}

#[test]
fn a_change_of_admins_that_is_killed_is_completed_by_the_same_command() {
    let repo = Repo::new(LINES);
    let mut dice = Dice::new();
    let machines = repo.project.read("machines.nix");
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let who = repo.berta.to_string();
    let mut whole = Duration::ZERO;
    let mut with_berta = Vec::new();
    for round in 0..52 {
        let verb = if round % 2 == 0 { "add" } else { "remove" };
        let before = repo.project.tree("");
        let mut child: Child = repo
            .command(&["recipients", verb, &who, "--yes"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if round < 2 {
            // How long it takes.
            let started = Instant::now();
            assert!(child.wait().unwrap().success());
            whole = whole.max(started.elapsed());
            if verb == "add" {
                with_berta = repo.project.read("machines.nix").into_bytes();
            }
            continue;
        }
        let mut longest = whole * 11 / 10;
        if round % 4 >= 2 {
            // Most of it is thinking: every other kill comes while it writes.
            let first = before["machines.nix"].as_slice();
            while child.try_wait().unwrap().is_none() && repo.project.read("machines.nix").as_bytes() == first
            {
            }
            longest = Duration::from_millis(80);
        }
        std::thread::sleep(Duration::from_nanos(dice.below(u64::try_from(longest.as_nanos()).unwrap())));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = repo.project.tree("");
        *seen.entry(moment(&before, &left)).or_default() += 1;
        assert_order(&before, &left, if verb == "add" { &with_berta } else { machines.as_bytes() });
        // At every moment each file that stands there opens for the admin who stays.
        let anna =
            Identity::parse_all(&Secret::from_bytes(fs::read(repo.project.path(ANNA)).unwrap())).unwrap();
        for (path, file) in repo.sealed() {
            assert!(file.open(&anna).is_ok(), "{path} after a kill");
        }
        let run = repo.secrets(&["recipients", verb, &who, "--yes"]);
        // Who was killed behind the last write has removed her already.
        let is_done =
            verb == "remove" && run.stderr.contains("is no admin, and nothing of the admins is sealed to it");
        run.expect(if is_done { 2 } else { 0 });
        assert_eq!(repo.reads_everything(&repo.berta), Some(verb == "add"), "round {round}");
        assert_eq!(repo.reads_everything(&repo.anna), Some(true));
        if verb == "remove" {
            assert_eq!(repo.project.read("machines.nix"), machines);
        }
        if round % 6 < 2 {
            repo.is_converged();
        }
    }
    println!("50 kills found {seen:?}");
    assert!(seen.len() >= 3, "the kills came at the same moment: {seen:?}");
}

#[test]
fn whoever_comes_between_a_killed_run_and_its_rerun_works_towards_the_same() {
    let repo = Repo::new(LINES);
    repo.add(&repo.berta).expect(0);
    // Only the first write of a removal was done.
    repo.write_machines(LINES);
    // Somebody runs `pki gen`: she does not get her access back.
    repo.project.pki(["gen"]).expect(0);
    repo.remove(&repo.berta).expect(0);
    assert_eq!(repo.reads_everything(&repo.berta), Some(false));
    repo.is_converged();
}

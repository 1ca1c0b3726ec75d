//! `secrets rekey` and `rotate`: who can open a file afterwards, by real sops; what a killed run leaves; what is told of
//! files that cannot be done.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a fault ends the test; the names are ours"
)]

mod cluster;
mod deployed;
#[path = "rekey/many.rs"]
mod many;
mod project;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cluster::peer::{self, Peer};
use cluster::seal;
use project::{Project, Run, changed, machines};
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Plaintext, Policy, SealedFile, Store};

const TIME: &str = "2026-11-21T03:02:57Z";

/// A repository with two people, the first of them at the keyboard.
struct Repo {
    project: Project,
    anna: Recipient,
    berta: Recipient,
}

impl Repo {
    fn new() -> Self {
        let project = Project::new("");
        fs::remove_file(project.path("machines.nix")).unwrap();
        let person = |file: &str| {
            let (text, recipient) = Identity::generate();
            project.write(file, text.expose_bytes());
            recipient
        };
        let anna = person("home/.config/sops/age/keys.txt");
        let berta = person("home/berta");
        Self { project, anna, berta }
    }

    fn berta_file(&self) -> PathBuf {
        self.project.path("home/berta")
    }

    /// One rule for all of secrets/.
    fn rule(&self, people: &[&Recipient]) {
        let people: Vec<String> = people.iter().map(ToString::to_string).collect();
        let text = format!("creation_rules:\n  - path_regex: ^secrets/\n    age: {}\n", people.join(","));
        self.project.write(".sops.yaml", text);
    }

    fn seal(&self, name: &str, text: &str, people: &[&Recipient]) {
        let store = Store::of_path(name);
        let plain = Plaintext::parse(&Secret::from(text), store).unwrap();
        let people: Vec<Recipient> = people.iter().map(|one| (*one).clone()).collect();
        let readers = KeyGroups::one(&people);
        let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
        self.project.write(name, plain.seal(&policy, TIME).unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secrets"));
        command.args(arguments).current_dir(self.project.root()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.project.path("home"));
        command
    }

    fn secrets(&self, arguments: &[&str]) -> Run {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| self.project.redact(&String::from_utf8(bytes).unwrap());
        Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    fn sealed(&self, name: &str) -> SealedFile {
        SealedFile::parse(&self.project.read(name), Store::of_path(name)).unwrap()
    }

    /// Which file stands at each place: another one once it was replaced.
    fn inodes(&self) -> Vec<u64> {
        let path = |number: usize| self.project.path(format!("secrets/{}/{number}.yaml", number % 7));
        (0..many::MANY).map(|number| fs::metadata(path(number)).unwrap().ino()).collect()
    }

    /// What the person at the keyboard, or Berta, finds in a file.
    fn opened(&self, name: &str, identity: &str) -> Option<String> {
        let text = Secret::from_bytes(fs::read(self.project.path(identity)).unwrap());
        let identities = Identity::parse_all(&text).unwrap();
        let opened = self.sealed(name).open(&identities).ok()?;
        let text = opened.plaintext().write(Store::of_path(name), None).unwrap();
        Some(text.expose_text().unwrap().to_owned())
    }
}

/// A number that nobody chose.
fn dice() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_micros())
}

const ANNA: &str = "home/.config/sops/age/keys.txt";
const BERTA: &str = "home/berta";

/// The ciphertexts of a file, in order, without the checksum.
fn ciphertexts(text: &str) -> Vec<&str> {
    let found = text.match_indices("ENC[AES256_GCM,");
    let ends = found.map(|(at, _)| text.get(at..).unwrap().split(']').next().unwrap());
    // The last is the checksum, in every store.
    let mut all: Vec<&str> = ends.collect();
    all.pop();
    all
}

/// A file in each store, with what real sops should find in it.
const FILES: [(&str, &str); 5] = [
    ("secrets/a.yaml", "password: hunter2\nlist:\n    # of two\n    - 1\n    - true\n"),
    ("secrets/deep/er/b.json", "{\n\t\"password\": \"hunter2\",\n\t\"n\": [1, {\"x\": null}]\n}\n"),
    ("secrets/c.env", "PASSWORD=hunter2\n# a comment\nOTHER=x\n"),
    ("secrets/d.ini", "[db]\npassword = hunter2\n"),
    ("secrets/e.bin", "any bytes\n"),
];

#[test]
fn real_sops_finds_the_readers_that_the_rules_name_and_nobody_else() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    let repo = Repo::new();
    for (name, text) in FILES {
        repo.seal(name, text, &[&repo.anna]);
    }
    let texts = || FILES.map(|(name, _)| repo.project.read(name));
    let opens =
        |identity: PathBuf| FILES.map(|(name, _)| seal::sops(&sops, &repo.project.path(name), &identity));
    let updatekeys = || {
        for (name, _) in FILES {
            let mut command = Command::new(sops.path("sops"));
            command.args(["updatekeys", "--yes", name]).current_dir(repo.project.root()).env_clear();
            command.env("SOPS_AGE_KEY_FILE", repo.project.path(ANNA));
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.contains("already up to date"), "{name}: {said}");
        }
    };
    let contents = opens(repo.project.path(ANNA));
    assert!(contents.iter().all(Option::is_some));

    // Somebody comes.
    let before = texts();
    repo.rule(&[&repo.anna, &repo.berta]);
    let run = repo.secrets(&["rekey", "--yes"]).expect(0);
    assert!(run.stdout.contains(&format!("{}  gains", repo.berta)), "{}", run.stdout);
    updatekeys();
    assert_eq!(opens(repo.berta_file()), contents);
    assert_eq!(opens(repo.project.path(ANNA)), contents);
    for (before, after) in before.iter().zip(texts()) {
        assert_eq!(ciphertexts(before), ciphertexts(&after), "nothing but the recipients changed");
        assert!(after.contains(TIME), "the checksum and its time too");
    }

    // And goes.
    let before = texts();
    repo.rule(&[&repo.anna]);
    let run = repo.secrets(&["rekey", "--yes"]).expect(0);
    assert!(run.stdout.contains(&format!("{}  loses", repo.berta)), "{}", run.stdout);
    assert!(run.stderr.contains("still knows `password`, `list`"), "{}", run.stderr);
    updatekeys();
    assert_eq!(opens(repo.berta_file()), [const { None }; 5]);
    assert_eq!(opens(repo.project.path(ANNA)), contents);
    for (before, after) in before.iter().zip(texts()) {
        let kept = ciphertexts(before);
        assert!(
            ciphertexts(&after).iter().all(|one| !kept.contains(one)),
            "a ciphertext under the old data key stayed"
        );
    }
    let run = repo.secrets(&["rekey"]).expect(0);
    assert!(run.stderr.contains("nothing to do: 5 files"), "{}", run.stderr);
}

#[test]
fn a_rotation_has_the_same_readers_under_another_data_key() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    let repo = Repo::new();
    for (name, text) in FILES {
        repo.seal(name, text, &[&repo.anna, &repo.berta]);
    }
    let before = FILES.map(|(name, _)| repo.project.read(name));
    let opened = FILES.map(|(name, _)| repo.opened(name, ANNA));
    repo.secrets(&["rotate", "secrets"]).expect(0);
    for ((name, _), (before, opened)) in FILES.iter().zip(before.iter().zip(opened)) {
        let after = repo.project.read(name);
        let kept = ciphertexts(before);
        assert!(ciphertexts(&after).iter().all(|one| !kept.contains(one)), "{name}");
        assert_eq!(repo.opened(name, ANNA), opened, "{name}");
        assert_eq!(repo.opened(name, BERTA), opened, "{name}");
        assert!(seal::sops(&sops, &repo.project.path(name), &repo.berta_file()).is_some(), "{name}");
        assert!(repo.sealed(name).drift(&[repo.anna.clone(), repo.berta.clone()]).is_none());
    }
}

#[test]
fn who_is_added_costs_a_file_no_value_and_a_damaged_one_stays_damaged() {
    let repo = Repo::new();
    repo.seal("secrets/a.yaml", "password: hunter2\n", &[&repo.anna]);
    // A value that no key opens: whoever opened it would have to say so.
    let text = repo.project.read("secrets/a.yaml");
    let value = ciphertexts(&text)[0];
    let (head, data) = value.split_once("data:").unwrap();
    let other = if data.starts_with('A') { 'B' } else { 'A' };
    let damaged = text.replace(value, &format!("{head}data:{other}{}", data.get(1..).unwrap()));
    repo.project.write("secrets/a.yaml", &damaged);
    repo.rule(&[&repo.anna, &repo.berta]);
    repo.secrets(&["rekey", "--yes"]).expect(0);
    let after = repo.project.read("secrets/a.yaml");
    assert_eq!(ciphertexts(&after), ciphertexts(&damaged));
    assert_eq!(repo.sealed("secrets/a.yaml").recipients().count(), 2);
    // To seal all of it anew it must be opened.
    repo.rule(&[&repo.anna]);
    let run = repo.secrets(&["rekey", "--yes"]).expect(2);
    assert!(run.stderr.contains("`secrets/a.yaml`"), "{}", run.stderr);
    assert_eq!(repo.project.read("secrets/a.yaml"), after);
}

#[test]
fn a_dry_run_shows_it_and_writes_nothing_and_without_a_terminal_nothing_is_done() {
    let repo = Repo::new();
    repo.seal("secrets/a.yaml", "password: hunter2\nuser: x\n", &[&repo.anna, &repo.berta]);
    repo.rule(&[&repo.anna]);
    let before = repo.project.tree("");
    let run = repo.secrets(&["rekey", "--dry-run", "--json"]).expect(1);
    let shown: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let change = &shown["changes"][0];
    assert_eq!(change["file"], "secrets/a.yaml");
    assert_eq!(change["loses"][0]["recipient"], repo.berta.to_string());
    assert_eq!(change["known"], serde_json::json!(["password", "user"]));
    assert_eq!(shown["kept"], 0);
    let run = repo.secrets(&["rekey"]).expect(2);
    assert!(
        run.stderr.contains("there is no terminal to ask on") && run.stderr.contains("`--yes`"),
        "{}",
        run.stderr
    );
    assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new());
}

#[test]
fn what_cannot_be_done_is_told_and_hides_nothing() {
    let repo = Repo::new();
    repo.rule(&[&repo.anna, &repo.berta]);
    let good = |name: &str| repo.seal(name, "a: b\n", &[&repo.anna]);
    good("secrets/good.yaml");
    good("secrets/zz/also.yaml");
    good("elsewhere/no-rule.yaml");
    good("secrets/.git/refs.yaml");
    good("real/by-link.yaml");
    repo.project
        .write("secrets/cut.yaml", repo.project.read("secrets/good.yaml").split("sops:").next().unwrap());
    repo.project.write("secrets/README.md", "ENC[AES256_GCM, is what a value begins with");
    repo.project.write("secrets/plain.yaml", "a: b\n");
    repo.seal("secrets/closed.yaml", "a: b\n", &[&repo.berta]);
    repo.rule(&[&repo.anna, &repo.berta]);
    symlink(repo.project.path("real"), repo.project.path("secrets/link")).unwrap();
    symlink("..", repo.project.path("secrets/loop")).unwrap();
    let run = repo.secrets(&["rekey", "--yes"]).expect(1);
    for name in ["secrets/good.yaml", "secrets/zz/also.yaml"] {
        assert_eq!(repo.sealed(name).recipients().count(), 2, "{name}");
    }
    for (file, why) in [
        ("secrets/cut.yaml", "its end is missing"),
        ("elsewhere/no-rule.yaml", "none of its rules"),
        ("secrets/closed.yaml", "no identity of theirs is here"),
    ] {
        let told = run.stderr.lines().find(|line| line.contains(file) && line.starts_with("error:"));
        assert!(told.is_some_and(|line| line.contains(why)), "{file}: {}", run.stderr);
    }
    for quiet in ["README", "plain.yaml", "by-link", ".git", "loop"] {
        let told = run.stderr.lines().any(|line| line.contains(quiet) && !line.contains("real/by-link"));
        assert!(!told, "{quiet}: {}", run.stderr);
    }
    for name in ["secrets/.git/refs.yaml", "real/by-link.yaml"] {
        assert_eq!(repo.sealed(name).recipients().count(), 1, "{name} is not ours to seal");
    }
    // Named, a plaintext file was meant to be one.
    let run = repo.secrets(&["rekey", "secrets/plain.yaml", "--yes"]).expect(1);
    assert!(run.stderr.contains("`secrets/plain.yaml` is not sealed"), "{}", run.stderr);
    let run = repo.secrets(&["rekey", "nowhere.yaml"]).expect(2);
    assert!(run.stderr.contains("could not read `nowhere.yaml`"), "{}", run.stderr);
}

#[test]
fn a_sealed_file_is_found_whatever_it_is_called() {
    let repo = Repo::new();
    repo.rule(&[&repo.anna, &repo.berta]);
    let names = ["secrets/.env", "secrets/tls.key", "secrets/id_rsa", "secrets/a.conf"];
    for name in names {
        repo.seal(name, "A=b\n", &[&repo.anna]);
    }
    // Sealed by sops with `--input-type yaml`.
    repo.seal("secrets/a.yaml", "a: b\n", &[&repo.anna]);
    fs::rename(repo.project.path("secrets/a.yaml"), repo.project.path("secrets/values")).unwrap();
    let cut = repo.project.read("secrets/tls.key");
    repo.project.write("secrets/cut.key", &cut[..cut.len() / 2]);
    repo.project.write("secrets/NOTES", "a value begins with ENC[AES256_GCM,");
    repo.project.write("secrets/video", [&b"\0"[..], cut.as_bytes()].concat());
    let run = repo.secrets(&["rekey", "--yes"]).expect(1);
    for name in names {
        assert_eq!(repo.sealed(name).recipients().count(), 2, "{name}: {}", run.stderr);
    }
    let values = SealedFile::parse(&repo.project.read("secrets/values"), Store::Yaml).unwrap();
    assert_eq!(values.recipients().count(), 2);
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert!(matches!(told[..], [one] if one.contains("secrets/cut.key")), "{}", run.stderr);
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let repo = Repo::new();
    repo.rule(&[&repo.anna]);
    assert!(Command::new("mkfifo").arg(repo.project.path("pipe.yaml")).status().unwrap().success());
    for arguments in [&["rekey", "pipe.yaml", "--yes"][..], &["get", "pipe.yaml", "a"]] {
        let mut command = Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_secrets")]).args(arguments);
        let run = command.current_dir(repo.project.root()).stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(told.contains("`pipe.yaml`: it is no regular file"), "{arguments:?}: {told}");
    }
}

#[test]
fn keys_of_services_stay_and_a_reader_beside_them_cannot_go() {
    let repo = Repo::new();
    repo.seal("secrets/a.yaml", "a: b\n", &[&repo.anna]);
    let text = repo.project.read("secrets/a.yaml");
    let pgp = "    pgp:\n        - created_at: \"2026-11-21T03:02:57Z\"\n          enc: |-\n            -----BEGIN PGP MESSAGE-----\n\n            hF4D\n            -----END PGP MESSAGE-----\n          fp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n";
    let at = text.find("    unencrypted_suffix").unwrap_or_else(|| text.find("    version").unwrap());
    repo.project.write("secrets/a.yaml", format!("{}{pgp}{}", &text[..at], &text[at..]));
    let rule = |people: &str| {
        repo.project.write(
            ".sops.yaml",
            format!(
                "creation_rules:\n  - pgp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n    age: {people}\n"
            ),
        );
    };
    rule(&format!("{},{}", repo.anna, repo.berta));
    repo.secrets(&["rekey", "--yes"]).expect(0);
    let after = repo.project.read("secrets/a.yaml");
    assert!(after.contains(pgp) && after.contains(&repo.berta.to_string()), "{after}");
    assert!(repo.opened("secrets/a.yaml", BERTA).is_some());
    rule(&repo.anna.to_string());
    let run = repo.secrets(&["rekey", "--yes"]).expect(2);
    assert!(run.stderr.contains("its key of `pgp FBC7"), "{}", run.stderr);
    assert_eq!(repo.project.read("secrets/a.yaml"), after);
    // A rule without that key: only sops can take it out.
    repo.rule(&[&repo.anna, &repo.berta]);
    let run = repo.secrets(&["rekey", "--yes"]).expect(1);
    assert!(run.stderr.contains("FBC7"), "{}", run.stderr);
}

#[test]
fn groups_of_keys_follow_their_rule() {
    let repo = Repo::new();
    let group = |people: &[&Recipient]| -> String {
        let people: Vec<String> = people.iter().map(|one| format!("\n          - {one}")).collect();
        format!("      - age:{}\n", people.concat())
    };
    repo.seal("secrets/a.yaml", "a: b\n", &[&repo.anna, &repo.berta]);
    let rule = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n{}{}",
        group(&[&repo.anna]),
        group(&[&repo.berta])
    );
    repo.project.write(".sops.yaml", rule);
    let run = repo.secrets(&["rekey", "--yes"]).expect(0);
    assert!(run.stdout.contains("everybody  regroups  secrets/a.yaml"), "{}", run.stdout);
    assert_eq!(repo.opened("secrets/a.yaml", ANNA), None, "one of two groups is not enough");
    let both =
        [fs::read(repo.project.path(ANNA)).unwrap(), b"\n".to_vec(), fs::read(repo.berta_file()).unwrap()];
    repo.project.write("home/both", both.concat());
    assert_eq!(repo.opened("secrets/a.yaml", "home/both").as_deref(), Some("a: b\n"));
    repo.secrets(&["rekey"]).expect(0);
}

#[test]
fn the_files_of_pki_gen_are_left_to_it() {
    let project = Project::generated(&machines(1, ""));
    let before = project.tree("certs");
    let secrets = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secrets"));
        command.args(arguments).current_dir(project.root()).env_clear().env("HOME", project.path("home"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file = "certs/cp1/keys.yaml";
    for verb in [
        &["edit", file][..],
        &["set", file, "x"],
        &["unset", file, "x"],
        &["encrypt", "-i", file],
        &["decrypt", "-i", file],
    ] {
        let (code, said) = secrets(verb);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("will not change `certs/cp1/keys.yaml`"), "{said}");
    }
    for verb in ["rekey", "rotate"] {
        let (code, said) = secrets(&[verb, "."]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("of `certs` passed by: `pki gen` sees to them"), "{said}");
        assert!(said.contains("there is no other sealed file here"), "{said}");
        let (code, said) = secrets(&[verb, "certs/cp1/keys.yaml"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("`pki gen` seals it anew"), "{said}");
    }
    assert_eq!(changed(&before, &project.tree("certs")), Vec::<String>::new());
    // A manifest that is damaged says of no file whether it may be sealed anew.
    let manifest = project.read("certs/manifest.json");
    project.write("certs/manifest.json", format!("<<<<<<< ours\n{manifest}"));
    let (code, said) = secrets(&["rotate", "."]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("manifest.json"), "{said}");
    project.write("certs/manifest.json", manifest);
    assert_eq!(changed(&before, &project.tree("certs")), Vec::<String>::new());
}

//! `secrets recipients`: an admin who comes or goes everywhere by one command, what a killed one leaves, whom it refuses,
//! and the sheet of paper.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a fault ends the test; the names are ours"
)]

mod cluster;
mod deployed;
#[path = "recipients/killed.rs"]
mod killed;
mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cluster::peer::{self, Peer};
use cluster::seal;
use project::{Project, Run, changed};
use quorate_secrets::host_key::HostKey;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Plaintext, Policy, SealedFile, Store};

type Tree = BTreeMap<String, Vec<u8>>;

const ANNA: &str = "home/.config/sops/age/keys.txt";
const BERTA: &str = "home/berta";

/// Files of secrets, each below another rule of ours.
const SECRETS: [&str; 4] =
    ["secrets/all/a.yaml", "secrets/masters/b.json", "secrets/admins/c.env", "secrets/rest.ini"];

/// A cluster with Anna as its admin, who is at the keyboard; Berta is nobody yet.
struct Repo {
    project: Project,
    anna: Recipient,
    berta: Recipient,
}

impl Repo {
    /// `{anna}` and `{berta}` in `admins` are their recipients, quoted.
    fn new(admins: &str) -> Self {
        let project = Project::new("");
        let person = |file: &str| {
            let (text, recipient) = Identity::generate();
            project.write(file, text.expose_bytes());
            recipient
        };
        let (anna, berta) = (person(ANNA), person(BERTA));
        let repo = Self { project, anna, berta };
        repo.write_machines(admins);
        repo.project.pki(["gen"]).expect(0);
        for name in SECRETS {
            repo.seal(name, &[&repo.anna]);
        }
        repo.secrets(&["rekey", "--yes"]).expect(0);
        repo
    }

    fn write_machines(&self, admins: &str) {
        let admins = self.filled(admins);
        let machines = project::machines(
            1,
            &format!("  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; {admins} }};\n"),
        );
        self.project.write("machines.nix", machines);
    }

    fn filled(&self, text: &str) -> String {
        let text = text.replace("{anna}", &format!("\"{}\"", self.anna));
        text.replace("{berta}", &format!("\"{}\"", self.berta))
    }

    fn seal(&self, name: &str, people: &[&Recipient]) {
        let store = Store::of_path(name);
        let plain = match store {
            Store::Yaml => "password: hunter2\n",
            Store::Json => "{\"password\": \"hunter2\"}",
            Store::Dotenv => "password=hunter2\n",
            Store::Ini | Store::Binary => "[x]\npassword = hunter2\n",
        };
        let plain = Plaintext::parse(&Secret::from(plain), store).unwrap();
        let people: Vec<Recipient> = people.iter().map(|one| (*one).clone()).collect();
        let readers = KeyGroups::one(&people);
        let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
        self.project.write(name, plain.seal(&policy, "2026-11-21T03:02:57Z").unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secrets"));
        command.args(arguments).current_dir(self.project.root()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.project.path("home")).env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    fn secrets(&self, arguments: &[&str]) -> Run {
        run_of(&mut self.command(arguments))
    }

    fn add(&self, who: &Recipient) -> Run {
        self.secrets(&["recipients", "add", &who.to_string(), "--yes"])
    }

    fn remove(&self, who: &Recipient) -> Run {
        self.secrets(&["recipients", "remove", &who.to_string(), "--yes"])
    }

    /// Every sealed file.
    fn sealed(&self) -> BTreeMap<String, SealedFile> {
        let certs =
            self.project.tree("certs").into_iter().map(|(path, bytes)| (format!("certs/{path}"), bytes));
        let secrets =
            self.project.tree("secrets").into_iter().map(|(path, bytes)| (format!("secrets/{path}"), bytes));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        certs
            .filter(|(path, _)| path.ends_with(".yaml") && !path.contains(".gen-"))
            .chain(secrets.filter(|(path, _)| !path.contains(".new-")))
            .map(|(path, bytes)| {
                let sealed = SealedFile::parse(&text(bytes), Store::of_path(&path));
                (path.clone(), sealed.unwrap_or_else(|error| panic!("{path}: {error}")))
            })
            .collect()
    }

    /// Whether somebody is a reader of every sealed file, or of none.
    fn reads_everything(&self, who: &Recipient) -> Option<bool> {
        let reads = |file: &SealedFile| {
            file.recipients().any(|one| one.parse().is_ok_and(|one: Recipient| one == *who))
        };
        let reads: BTreeSet<bool> = self.sealed().values().map(reads).collect();
        assert!(!reads.is_empty());
        (reads.len() == 1).then(|| reads.contains(&true))
    }

    /// Everything says the same: nobody has anything left to do.
    #[track_caller]
    fn is_converged(&self) {
        self.project.pki(["gen", "--dry-run"]).expect(0);
        self.project.pki(["check"]).expect(0);
        self.secrets(&["rekey", "--dry-run"]).expect(0);
        let left: Vec<String> = self
            .project
            .tree("")
            .into_keys()
            .filter(|path| path.contains(".new-") || path.contains(".gen-") || path.contains(".edited"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn run_of(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

/// The list as most people write it.
const LINES: &str = "admins = [\n      # who is on call\n      {anna} # anna, at her desk\n    ];";

#[test]
fn an_admin_comes_and_goes_everywhere_and_machines_nix_is_as_it_was() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    let repo = Repo::new(LINES);
    let opens = |identity: &str, file: &str| {
        let identity: PathBuf = repo.project.path(identity);
        seal::sops(&sops, &repo.project.path(file), &identity)
    };
    let files: Vec<String> = repo.sealed().into_keys().collect();
    assert!(files.len() > 12, "{files:?}");
    let (machines, rules) = (repo.project.read("machines.nix"), repo.project.read(".sops.yaml"));
    let contents: Vec<_> = files.iter().map(|file| opens(ANNA, file)).collect();
    assert!(contents.iter().all(Option::is_some));

    repo.add(&repo.berta).expect(0);
    repo.is_converged();
    let line = format!("# anna, at her desk\n      \"{}\"\n    ];", repo.berta);
    assert_eq!(repo.project.read("machines.nix"), machines.replace("# anna, at her desk\n    ];", &line));
    for (file, content) in files.iter().zip(&contents) {
        assert_eq!(opens(BERTA, file), *content, "{file}");
        assert_eq!(opens(ANNA, file), *content, "{file}");
    }
    let again = repo.add(&repo.berta).expect(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);

    let before = repo.project.tree("");
    let run = repo.remove(&repo.berta).expect(0);
    repo.is_converged();
    assert_eq!(repo.project.read("machines.nix"), machines);
    assert_eq!(repo.project.read(".sops.yaml"), rules);
    for (file, content) in files.iter().zip(&contents) {
        assert_eq!(opens(BERTA, file), None, "{file}");
        assert_eq!(opens(ANNA, file), *content, "{file}");
        let told = file.trim_start_matches("certs/");
        assert!(
            run.stderr.contains(&format!("could read `{told}`, and still knows")),
            "{file}: {}",
            run.stderr
        );
        // Nothing of what she could read stands there under the old data key.
        let text = |tree: &Tree| String::from_utf8(tree[file].clone()).unwrap();
        let (old, new) = (text(&before), text(&repo.project.tree("")));
        let kept = old.match_indices("ENC[AES256_GCM,data:").filter(|(at, head)| {
            let rest = &old[*at..];
            rest.len() > head.len() + 40 && new.contains(&rest[..head.len() + 40])
        });
        assert_eq!(kept.count(), 0, "{file}");
    }
}

#[test]
fn a_list_that_is_not_there_as_it_is_is_shown_and_nothing_is_touched() {
    let anna_alone = Repo::new("");
    for (admins, at) in [
        ("", "names nobody, and certs/manifest.json does"),
        ("admins = [ ];", "names nobody"),
        ("admins = let anna = {anna}; in [ anna ];", "no plain list of texts there"),
        ("admins = [ {anna} ] ++ [ ];", "no plain list of texts there"),
        ("admins = import ./admins.nix;", "admins = import ./admins.nix; };"),
    ] {
        let repo = &anna_alone;
        repo.write_machines(admins);
        repo.project.write("admins.nix", repo.filled("[ {anna} ]"));
        let before = repo.project.tree("");
        let run = repo.add(&repo.berta).expect(1);
        assert!(run.stderr.contains(at), "{admins}: {}", run.stderr);
        assert_eq!(run.stdout, repo.filled("cluster.admins = [ {anna} {berta} ];\n"), "{admins}");
        assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new(), "{admins}");
    }
}

#[test]
fn the_new_inventory_is_never_written_through_a_link() {
    let repo = Repo::new(LINES);
    repo.project.write("precious", "as it is");
    std::os::unix::fs::symlink("precious", repo.project.path(".machines.nix.edited")).unwrap();
    repo.add(&repo.berta).expect(0);
    assert_eq!(repo.project.read("precious"), "as it is");
}

#[test]
fn a_list_that_does_not_decide_is_not_believed() {
    let repo = Repo::new(LINES);
    // Another dialect, which has no such list.
    let text = "{ cluster = { name = \"magi\"; vip = \"10.13.14.10\"; workers = [ ]; \
                controlPlane = [ { name = \"cp1\"; ip = \"10.13.13.11\"; } ]; admins = [ {anna} ]; }; }\n";
    repo.project.write("machines.nix", repo.filled(text));
    let before = repo.project.tree("");
    let run = repo.add(&repo.berta).expect(2);
    assert!(run.stderr.contains("the admins of the cluster do not follow from it"), "{}", run.stderr);
    assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new());
}

#[test]
fn who_must_not_come_or_go_is_refused_and_nothing_is_touched() {
    let repo = Repo::new("admins = [ {anna} {berta} ];");
    let (_, stranger) = Identity::generate();
    let host = repo.project.read("certs/manifest.json");
    let host: serde_json::Value = serde_json::from_str(&host).unwrap();
    let machine: Recipient = host["machines"]["cp1"]["recipient"].as_str().unwrap().parse().unwrap();
    let before = repo.project.tree("");
    let say = |arguments: &[&str], code: i32, expected: &str| {
        let run = repo.secrets(&[&["recipients"], arguments].concat()).expect(code);
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
        assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new(), "{arguments:?}");
    };
    say(
        &["remove", &stranger.to_string(), "--yes"],
        2,
        "is no admin, and nothing of the admins is sealed to it",
    );
    say(&["add", &machine.to_string(), "--yes"], 2, "will not make `cp1` an admin");
    say(&["add", "age1nonsense", "--yes"], 2, "nobody can be added or removed so");
    say(&["add", "AGE-SECRET-KEY-1QQQQ", "--yes"], 2, "private");
    say(&["remove", &repo.anna.to_string()], 2, "is the identity that is here");
    say(&["add", &stranger.to_string()], 2, "there is no terminal to ask on");
    say(&["add", &stranger.to_string(), "--yes", "--certs", "nowhere"], 2, "has no manifest.json");
    say(&["add", &stranger.to_string(), "--yes", "--inventory", "nowhere.nix"], 2, "nowhere.nix");
    repo.remove(&repo.berta).expect(0);
    let before = repo.project.tree("");
    let run = repo.remove(&repo.anna).expect(2);
    assert!(run.stderr.contains("it is the last admin"), "{}", run.stderr);
    assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new());
}

#[test]
fn what_cannot_be_opened_stops_all_of_it() {
    let repo = Repo::new(LINES);
    // Sealed to somebody else alone, under a rule of ours.
    let (_, stranger) = Identity::generate();
    repo.seal("secrets/all/strange.yaml", &[&stranger]);
    let before = repo.project.tree("");
    let run = repo.add(&repo.berta).expect(2);
    assert!(run.stderr.contains("could not open `secrets/all/strange.yaml`"), "{}", run.stderr);
    assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new());
    // A damaged one: nobody knows who can open it.
    let whole = repo.project.read("secrets/all/a.yaml");
    repo.project.write("secrets/all/strange.yaml", whole.split("\nsops:").next().unwrap());
    let before = repo.project.tree("");
    let run = repo.add(&repo.berta).expect(2);
    assert!(run.stderr.contains("`secrets/all/strange.yaml`"), "{}", run.stderr);
    assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new());
    fs::remove_file(repo.project.path("secrets/all/strange.yaml")).unwrap();
    // Nobody at the keyboard.
    fs::rename(repo.project.path(ANNA), repo.project.path("home/away")).unwrap();
    let before = repo.project.tree("");
    let run = repo.add(&repo.berta).expect(2);
    assert!(run.stderr.contains("no identity of theirs is here"), "{}", run.stderr);
    assert_eq!(changed(&before, &repo.project.tree("")), Vec::<String>::new());
}

#[test]
fn who_keeps_the_root_is_named_when_she_is_an_admin_no_longer() {
    let repo = Repo::new("admins = [ {anna} {berta} ]; rootAdmins = [ {berta} ];");
    let run = repo.remove(&repo.berta).expect(0);
    assert!(run.stderr.contains("is named in `cluster.rootAdmins` too"), "{}", run.stderr);
    let readers = repo.sealed();
    let open: Vec<&String> = readers
        .iter()
        .filter(|(_, file)| file.recipients().any(|one| one == repo.berta.to_string()))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(open, ["certs/ca/root.yaml"]);
}

#[test]
fn files_under_rules_of_others_are_named_when_they_stay_open() {
    let repo = Repo::new("admins = [ {anna} {berta} ];");
    let rules = repo.project.read(".sops.yaml");
    let own = format!("  - path_regex: ^own/\n    age: {},{}\n", repo.anna, repo.berta);
    repo.project.write(".sops.yaml", rules + &own);
    repo.seal("own/x.yaml", &[&repo.anna, &repo.berta]);
    repo.seal("vendor/y.yaml", &[&repo.anna, &repo.berta]);
    repo.project.write("vendor/.sops.yaml", format!("creation_rules:\n  - age: {}\n", repo.berta));
    let (own, vendor) = (repo.project.read("own/x.yaml"), repo.project.read("vendor/y.yaml"));
    let run = repo.remove(&repo.berta).expect(0);
    for name in ["own/x.yaml", "vendor/y.yaml"] {
        assert!(run.stderr.contains(&format!("`{name}` stays open to them")), "{}", run.stderr);
    }
    assert_eq!((own, vendor), (repo.project.read("own/x.yaml"), repo.project.read("vendor/y.yaml")));
}

#[test]
fn the_list_says_of_every_sealed_file_who_can_open_it() {
    let repo = Repo::new(LINES);
    let run = repo.secrets(&["recipients", "--json"]).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let listed: BTreeMap<&str, BTreeSet<&str>> = shown["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let group = row["groups"][0].as_array().unwrap();
            (
                row["file"].as_str().unwrap(),
                group.iter().map(|one| one["recipient"].as_str().unwrap()).collect(),
            )
        })
        .collect();
    let sealed = repo.sealed();
    assert_eq!(listed.len(), sealed.len());
    for (path, file) in &sealed {
        assert_eq!(listed[path.as_str()], file.recipients().collect(), "{path}");
    }
    assert_eq!(repo.secrets(&["recipients", "list", "--json"]).expect(0).stdout, run.stdout);
    let text = repo.secrets(&["recipients"]).expect(0).stdout;
    let block = text.split("\n\n").find(|block| block.contains("  certs/cp1/keys.yaml")).unwrap();
    assert!(block.contains("an admin (") && block.contains("cp1 ("), "{block}");
    assert!(!block.contains("w1 ("), "{block}");
}

#[test]
fn the_sheet_fits_on_paper_holds_no_secret_and_its_steps_work_on_a_fresh_machine() {
    let (_, desk) = HostKey::generate("desk").unwrap().into_files();
    let repo = Repo::new(&format!("admins = [ {{anna}} \"{}\" ];", desk.trim()));
    // It needs no identity.
    fs::rename(repo.project.path("home/.config"), repo.project.path("home/away")).unwrap();
    let sheet = repo.secrets(&["recipients", "--sheet"]).expect(0).stdout;
    println!("{sheet}");
    assert!(sheet.lines().all(|line| line.chars().count() <= 80), "{sheet}");
    for word in ["magi", &repo.anna.to_string(), "SOPS_AGE_KEY_FILE", "machines.nix", "certs/"] {
        assert!(sheet.contains(word), "{word}");
    }
    for secret in ["AGE-SECRET-KEY-", "PRIVATE KEY", "hunter2", "ENC["] {
        assert!(!sheet.contains(secret), "{secret}");
    }
    // Its commands, as they are typed on a machine with nothing but a copy, the identity and the programs.
    let fresh = tempfile::tempdir().unwrap();
    let path = |name: &str| fresh.path().join(name);
    let copied = Command::new("cp").arg("-r").arg(repo.project.root()).arg(path("cluster")).status().unwrap();
    assert!(copied.success());
    fs::create_dir(path("home")).unwrap();
    fs::remove_dir_all(path("cluster/home")).unwrap();
    fs::create_dir(path("media")).unwrap();
    fs::copy(repo.project.path("home/away/sops/age/keys.txt"), path("media/keys.txt")).unwrap();
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_secrets")).parent().unwrap();
    let steps = sheet.split("STEPS").nth(1).unwrap().split("WHERE").next().unwrap();
    let mut tried = 0;
    for line in steps.lines().filter_map(|line| line.strip_prefix("       ")) {
        let elsewhere = ["git ", "cd ", "kubectl ", "sops "].iter().any(|program| line.starts_with(program));
        if elsewhere {
            continue;
        }
        let line =
            line.replace("/media/backup", &path("media").display().to_string()).replace("FILE", SECRETS[0]);
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &line]).current_dir(path("cluster")).env_clear().env("HOME", path("home"));
        command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
        let run = run_of(&mut command);
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
        tried += 1;
    }
    assert_eq!(tried, 8, "{steps}");
    assert!(path("home/admin.conf").exists());
    let run = run_of(
        Command::new(env!("CARGO_BIN_EXE_secrets")).args(["recipients", "--sheet"]).current_dir(path("home")),
    );
    assert!(run.code == 2 && run.stderr.contains("there is no cluster here"), "{}", run.stderr);
}

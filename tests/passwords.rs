//! The passwords of BGP and VRRP that `pki gen` makes: who opens them, what becomes of a person's own keys beside them,
//! and what is left when it is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a fault ends the test")]

mod cluster;
mod deployed;
mod project;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use cluster::peer::{self, Peer};
use cluster::seal;
use deployed::{Deployment, peers};
use project::{Project, changed, machines};
use quorate_secrets::identity::Identity;

const FILE: &str = "secrets/masters/cluster.yaml";
const BGP_FILE: &str = "secrets/masters/bgp-password.age";

/// Three masters and a worker that speak BGP with a password.
fn with_password(masters: usize) -> String {
    machines(masters, "").replace("gateway = ", "bgp.password = true; gateway = ")
}

fn keepalived(masters: usize) -> String {
    machines(masters, "")
        .replace("10.13.14.10", "10.13.13.200")
        .replace("gateway = ", "mode = \"keepalived\"; gateway = ")
}

/// `text` with these admins.
fn with_admins(text: &str, admins: &[&str]) -> String {
    let admins: Vec<String> = admins.iter().map(|admin| format!("\"{admin}\"")).collect();
    text.replace("name = \"magi\";", &format!("name = \"magi\"; admins = [ {} ];", admins.join(" ")))
}

/// Runs `secrets` in the project.
#[track_caller]
fn secrets(project: &Project, words: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_secrets"));
    command.args(words).current_dir(project.root()).env_clear().env("HOME", project.path("home"));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn get(project: &Project, name: &str) -> String {
    secrets(project, &["get", FILE, name], "")
}

/// The ciphertexts of a SOPS file by their names.
fn ciphertexts(project: &Project) -> BTreeMap<String, String> {
    let text = project.read(FILE);
    let lines =
        text.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once(": ENC["));
    lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

fn recipients(project: &Project) -> usize {
    project.read(FILE).matches("recipient: age1").count()
}

fn is_password(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

#[test]
fn a_password_is_made_when_a_setting_asks_and_masters_alone_open_it() {
    let Some([sops, verify]) = peers([Peer::Sops, Peer::GoVerify]) else { return };
    for (inventory, name, length) in
        [(with_password(3), "bgp-password", 24), (keepalived(3), "vrrp-password", 8)]
    {
        let project = Project::generated(&inventory);
        let deployment = Deployment::of(project, &sops, &verify);
        let file = deployment.project.path(FILE);
        let mut seen = Vec::new();
        for (machine, identity) in deployment.identities() {
            let opened = seal::sops_json(&sops, &file, &identity.age);
            assert_eq!(opened.is_some(), machine.starts_with("cp"), "{machine}");
            seen.extend(
                opened.map(|json| serde_json::from_slice::<BTreeMap<String, String>>(&json).unwrap()),
            );
        }
        seen.extend(
            seal::sops_json(&sops, &file, &deployment.project.identity_file())
                .map(|json| serde_json::from_slice(&json).unwrap()),
        );
        assert_eq!(seen.len(), 4, "three masters and the admin");
        for values in seen {
            assert_eq!(values.keys().collect::<Vec<_>>(), [name]);
            assert!(is_password(&values[name], length), "`{name}` has another form");
        }
        // Plain sops agrees on whom it is for, and a second run has nothing to do.
        let output = cluster::run(deployment.sops(&["updatekeys", "--yes"]).arg(&file));
        assert!(String::from_utf8_lossy(&output.stderr).contains("already up to date"));
        let before = deployment.project.tree("");
        let again = deployment.project.pki(["gen"]).expect(0);
        assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
        assert_eq!(changed(&before, &deployment.project.tree("")), [""; 0]);
        deployment.project.pki(["check"]).expect(0);
    }
}

#[test]
fn without_a_setting_there_is_no_password_and_nothing_beside_machines_nix() {
    let project = Project::generated(&machines(3, ""));
    assert!(!project.path("secrets").exists());
    // What a person keeps there is not looked at.
    project.write(FILE, "not: sealed\n");
    project.pki(["gen"]).expect(0);
    project.pki(["check"]).expect(0);
    project.write("machines.nix", with_password(3));
    let run = project.pki(["gen"]).expect(2);
    assert!(run.stderr.contains("is not sealed"), "{}", run.stderr);
    assert_eq!(project.read(FILE), "not: sealed\n");
    let found = project.pki(["check"]).expect(1);
    assert!(found.stdout.contains("`secrets/masters/cluster.yaml` is not sealed"), "{}", found.stdout);
}

#[test]
fn a_dry_run_and_check_show_what_is_missing_and_write_nothing() {
    let project = Project::generated(&machines(3, ""));
    project.write("machines.nix", with_password(3));
    let before = project.tree("");
    let shown = project.pki(["gen", "--dry-run"]).expect(1);
    assert!(shown.stdout.contains("masters/cluster.yaml (`bgp-password` is new)"), "{}", shown.stdout);
    let json = project.pki(["gen", "--dry-run", "--json"]).expect(1).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        json["files"].as_array().unwrap().iter().any(|file| file["file"] == FILE && file["change"] == "seal")
    );
    let found = project.pki(["check"]).expect(1);
    assert!(
        found.stdout.contains(FILE) && found.stdout.contains("`bgp-password` is new"),
        "{}",
        found.stdout
    );
    assert_eq!(changed(&before, &project.tree("")), [""; 0]);
}

#[test]
fn a_persons_own_keys_keep_their_ciphertexts_and_a_password_that_is_there_is_kept() {
    let project = Project::generated(&machines(3, ""));
    fs::create_dir_all(project.path("secrets/masters")).unwrap();
    secrets(&project, &["set", "--create", FILE, "own"], "mine");
    let before = ciphertexts(&project);
    project.write("machines.nix", with_password(3));
    let run = project.pki(["gen"]).expect(0);
    assert!(run.stderr.contains("the router needs `bgp-password` too"), "{}", run.stderr);
    assert_eq!(ciphertexts(&project)["own"], before["own"]);
    assert_eq!(get(&project, "own"), "mine");
    assert!(is_password(&get(&project, "bgp-password"), 24));

    // One that a person chose.
    secrets(&project, &["set", FILE, "bgp-password"], "chosen");
    let before = project.tree("");
    project.pki(["gen"]).expect(0);
    assert_eq!(changed(&before, &project.tree("")), [""; 0]);
    assert_eq!(get(&project, "bgp-password"), "chosen");
}

#[test]
fn who_becomes_a_master_reads_it_and_who_is_none_any_more_learns_nothing_new() {
    let Some([sops, verify]) = peers([Peer::Sops, Peer::GoVerify]) else { return };
    let project = Project::generated(&with_password(3));
    secrets(&project, &["set", FILE, "own"], "mine");
    let (password, before) = (get(&project, "bgp-password"), ciphertexts(&project));
    assert_eq!(recipients(&project), 4);
    project.write("machines.nix", with_password(5));
    let found = project.pki(["check"]).expect(1);
    assert!(found.stdout.contains("it is not sealed to the admins and every master"), "{}", found.stdout);
    project.pki(["gen"]).expect(0);
    assert_eq!((recipients(&project), ciphertexts(&project)), (6, before.clone()), "one copy more for each");
    let deployment = Deployment::of(project, &sops, &verify);
    let project = &deployment.project;
    let own =
        |machine: &str| seal::sops_json(&sops, &project.path(FILE), &deployment.identities()[machine].age);
    assert!(own("cp5").is_some() && own("w1").is_none());

    project.write("machines.nix", with_password(3));
    let run = project.pki(["gen", "--prune"]).expect(0);
    assert!(
        run.stderr.contains("cp4 (age1") && run.stderr.contains("still knows `bgp-password`"),
        "{}",
        run.stderr
    );
    assert_eq!(recipients(project), 4);
    assert!(own("cp5").is_none() && own("cp1").is_some());
    let after = ciphertexts(project);
    assert!(before.iter().all(|(name, value)| after[name] != *value), "the data key is the old one");
    assert_eq!((get(project, "bgp-password"), get(project, "own")), (password, "mine".to_owned()));
    project.pki(["check"]).expect(0);
    let rekey = secrets(project, &["rekey", "--dry-run", "secrets"], "");
    assert_eq!(rekey, "", "the rules say the same");
}

#[test]
fn an_identity_is_needed_for_a_file_that_is_there_and_for_no_new_one() {
    let (_, anna) = Identity::generate();
    // Nobody here can open anything: all is new.
    let project = Project::new(&with_admins(&with_password(3), &[anna.key()]));
    project.pki(["gen"]).expect(0);
    assert!(project.read(FILE).contains(anna.key()));

    let project = Project::generated(&machines(3, ""));
    fs::create_dir_all(project.path("secrets/masters")).unwrap();
    secrets(&project, &["set", "--create", FILE, "own"], "mine");
    project.write("machines.nix", with_password(3));
    fs::remove_file(project.identity_file()).unwrap();
    let before = project.tree("");
    let run = project.pki(["gen"]).expect(2);
    assert!(run.stderr.contains("could not open `secrets/masters/cluster.yaml`"), "{}", run.stderr);
    assert!(
        run.stderr.contains("hint: put the identity of an admin into SOPS_AGE_KEY_FILE"),
        "{}",
        run.stderr
    );
    assert_eq!(changed(&before, &project.tree("")), [""; 0]);
}

#[test]
fn what_nothing_asks_for_stays_until_it_is_pruned() {
    let project = Project::generated(&with_password(3));
    secrets(&project, &["set", FILE, "own"], "mine");
    project.write("machines.nix", machines(3, ""));
    let before = project.read(FILE);
    let run = project.pki(["gen"]).expect(0);
    assert!(
        run.stderr.contains("nothing asks for `bgp-password` in secrets/masters/cluster.yaml"),
        "{}",
        run.stderr
    );
    assert_eq!(project.read(FILE), before);
    let found = project.pki(["check"]).expect(1);
    assert!(found.stdout.contains("nothing asks for `bgp-password` any more"), "{}", found.stdout);
    project.pki(["gen", "--prune"]).expect(0);
    assert_eq!(ciphertexts(&project).into_keys().collect::<Vec<_>>(), ["own"]);
    assert_eq!(get(&project, "own"), "mine");
    project.pki(["check"]).expect(0);

    let project = Project::generated(&with_password(3));
    project.write("machines.nix", machines(3, ""));
    project.pki(["gen", "--prune"]).expect(0);
    assert!(!project.path(FILE).exists(), "nothing else was in it");
}

/// A project for agenix, and its machines.
fn for_agenix(inventory: &str) -> Option<Deployment> {
    let [_, sops, verify] = peers([Peer::Age, Peer::Sops, Peer::GoVerify])?;
    let project = Project::new(inventory);
    project.pki(["gen", "--new-identity", "--format", "age"]).expect(0);
    Some(Deployment::of(project, &sops, &verify))
}

fn age_opens(deployment: &Deployment, identity: &Path) -> Option<String> {
    let opened = seal::age(&deployment.project.path(BGP_FILE), identity)?;
    Some(String::from_utf8(opened).unwrap())
}

#[test]
fn for_agenix_it_is_a_file_of_its_own_for_the_masters_host_keys() {
    let Some(deployment) = for_agenix(&with_password(3)) else { return };
    let project = &deployment.project;
    assert!(!project.path(FILE).exists());
    let password = age_opens(&deployment, &project.identity_file()).expect("the admin opens it");
    assert!(is_password(&password, 24));
    for (machine, identity) in deployment.identities() {
        let opened = age_opens(&deployment, &identity.host_key);
        assert_eq!(opened.as_ref(), machine.starts_with("cp").then_some(&password), "{machine}");
    }
    let before = project.tree("");
    project.pki(["gen"]).expect(0);
    assert_eq!(changed(&before, &project.tree("")), [""; 0]);
    project.pki(["check"]).expect(0);

    // A master more, a master less.
    project.write("machines.nix", with_password(5));
    assert!(project.pki(["check"]).expect(1).stdout.contains(BGP_FILE));
    project.pki(["gen"]).expect(0);
    assert_eq!(age_opens(&deployment, &deployment.identities()["cp1"].host_key), Some(password.clone()));
    project.write("machines.nix", with_password(1));
    project.pki(["gen", "--prune"]).expect(0);
    assert_eq!(age_opens(&deployment, &deployment.identities()["cp2"].host_key), None);
    assert_eq!(age_opens(&deployment, &project.identity_file()), Some(password));
    project.pki(["check"]).expect(0);
}

#[test]
fn for_agenix_it_follows_the_admins_by_gen_and_by_recipients() {
    let Some(deployment) = for_agenix(&with_password(3)) else { return };
    let project = &deployment.project;
    let own = deployment.manifest().admins[0].clone();
    let (berta_key, berta) = Identity::generate();
    let berta_file = project.path("home/berta");
    deployed::write_private(&berta_file, berta_key.expose_bytes());
    project.write("machines.nix", with_admins(&with_password(3), &[&own, berta.key()]));
    project.pki(["gen"]).expect(0);
    assert!(age_opens(&deployment, &berta_file).is_some(), "gen");
    secrets(project, &["recipients", "remove", "--yes", berta.key()], "");
    assert!(age_opens(&deployment, &berta_file).is_none(), "recipients remove");
    secrets(project, &["recipients", "add", "--yes", berta.key()], "");
    assert!(age_opens(&deployment, &berta_file).is_some(), "recipients add");
    // One goes and another comes: the file has as many stanzas as before.
    let (_, carla) = Identity::generate();
    project.write("machines.nix", with_admins(&with_password(3), &[&own, carla.key()]));
    project.pki(["gen"]).expect(0);
    assert!(age_opens(&deployment, &berta_file).is_none(), "exchanged");
    project.pki(["check"]).expect(0);
}

#[test]
fn another_form_takes_the_password_over() {
    let Some(_) = peer::find(Peer::Age) else { return };
    let project = Project::generated(&with_password(3));
    let password = get(&project, "bgp-password");
    let opened = |project: &Project| {
        seal::age(&project.path(BGP_FILE), &project.identity_file())
            .map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let run = project.pki(["gen", "--format", "age"]).expect(0);
    assert!(run.stdout.contains("taken over from secrets/masters/cluster.yaml"), "{}", run.stdout);
    assert_eq!(opened(&project), Some(password.clone()));
    project.pki(["gen", "--prune"]).expect(0);
    assert!(!project.path(FILE).exists());
    project.pki(["check"]).expect(0);
    project.pki(["gen", "--format", "sops", "--prune"]).expect(0);
    assert_eq!(get(&project, "bgp-password"), password);
    project.pki(["gen", "--prune"]).expect(0);
    assert!(!project.path(BGP_FILE).exists());
    project.pki(["check"]).expect(0);
}

#[test]
fn a_change_of_admins_by_recipients_reaches_the_sops_file_too() {
    let project = Project::generated(&with_password(3));
    let own = project.read("home/.config/sops/age/keys.txt");
    let own = own.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    project.write("machines.nix", with_admins(&with_password(3), &[own]));
    project.pki(["gen"]).expect(0);
    let password = get(&project, "bgp-password");
    let (_, berta) = Identity::generate();
    let own = ciphertexts(&project);
    secrets(&project, &["recipients", "add", "--yes", berta.key()], "");
    assert!(project.read(FILE).contains(berta.key()));
    assert_eq!(ciphertexts(&project), own);
    secrets(&project, &["recipients", "remove", "--yes", berta.key()], "");
    assert!(!project.read(FILE).contains(berta.key()));
    assert_eq!(get(&project, "bgp-password"), password);
    let before = project.tree("");
    project.pki(["gen"]).expect(0);
    assert_eq!(changed(&before, &project.tree("")), [""; 0]);
}

const KILLS: u32 = 50;

/// Kills `gen` after times that cover the whole run; a rerun completes, and what it leaves is what stays.
fn kill(start: &Project, arguments: &[&str], name: &str, password: impl Fn(&Project) -> String) {
    let whole = {
        let project = copy(start);
        let began = Instant::now();
        assert!(spawn(&project, arguments).wait().unwrap().success());
        began.elapsed()
    };
    let mut moments: BTreeMap<&str, u32> = BTreeMap::new();
    for n in 0..KILLS {
        let project = copy(start);
        let before = project.tree("secrets");
        let mut child = spawn(&project, arguments);
        // From half of the run on: before that nothing is written.
        std::thread::sleep(whole / 2 + whole * n / KILLS * 7 / 10);
        let _ = child.kill();
        child.wait().unwrap();
        let left = project.tree("secrets");
        *moments.entry(if left == before { "old" } else { "new" }).or_default() += 1;
        project.pki(arguments).expect(0);
        let left = project.tree("secrets");
        assert!(left.keys().all(|path| !path.contains(".new-")), "{:?}", left.keys());
        project.pki(["gen", "--dry-run"]).expect(0);
        let password = password(&project);
        for (path, bytes) in project.tree("") {
            let found = bytes.windows(password.len()).any(|window| window == password.as_bytes());
            assert!(!found, "`{name}` stands in clear in {path}");
        }
    }
    assert!(moments.len() == 2, "the kills came too early or too late: {moments:?}");
}

fn spawn(project: &Project, arguments: &[&str]) -> std::process::Child {
    let mut command = project.command(arguments);
    command.env("TMPDIR", project.path("tmp")).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn copy(start: &Project) -> Project {
    let project = Project::new("");
    start.tree("").iter().for_each(|(path, bytes)| project.write(path, bytes));
    fs::create_dir_all(project.path("tmp")).unwrap();
    project
}

#[test]
fn a_killed_gen_leaves_no_password_in_clear_and_a_rerun_completes() {
    let project = Project::generated(&machines(3, ""));
    project.write("machines.nix", with_password(3));
    kill(&project, &["gen"], "bgp-password", |project| get(project, "bgp-password"));
}

#[test]
fn a_killed_gen_does_not_forget_an_admin_who_left_an_age_file() {
    let Some(deployment) = for_agenix(&with_password(3)) else { return };
    let project = &deployment.project;
    let own = deployment.manifest().admins[0].clone();
    let (berta_key, berta) = Identity::generate();
    deployed::write_private(&project.path("home/berta"), berta_key.expose_bytes());
    project.write("machines.nix", with_admins(&with_password(3), &[&own, berta.key()]));
    project.pki(["gen"]).expect(0);
    // As many admins as before: nothing in the file tells that it is another one.
    let (_, carla) = Identity::generate();
    project.write("machines.nix", with_admins(&with_password(3), &[&own, carla.key()]));
    kill(project, &["gen"], "bgp-password", |project| {
        let open = |identity: &Path| seal::age(&project.path(BGP_FILE), identity);
        assert!(open(&project.path("home/berta")).is_none(), "who left can still open it");
        String::from_utf8(open(&project.identity_file()).unwrap()).unwrap()
    });
}

#[test]
fn a_killed_gen_that_seals_it_anew_keeps_the_password() {
    let project = Project::generated(&with_password(3));
    let password = get(&project, "bgp-password");
    project.write("machines.nix", with_password(2));
    kill(&project, &["gen"], "bgp-password", |project| {
        let kept = get(project, "bgp-password");
        assert_eq!(kept, password);
        kept
    });
}

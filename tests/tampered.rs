//! Files of certs/ exchanged, aged, cut or planted by somebody who writes to the repository, or by a bad merge: no key
//! reaches a reader it was not meant for, no authority changes, and what is wrong is named.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod project;

use std::fs;

use project::{Project, Run, changed, machines};

fn small() -> Project {
    Project::generated(&machines(3, ""))
}

/// `gen` refuses, says so by these words, and nothing is written.
#[track_caller]
fn refused(project: &Project, words: &str) {
    let before = project.tree("");
    let run = project.pki(["gen"]).expect(2);
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());
}

/// `check` sees it, without an identity.
#[track_caller]
fn noticed(project: &Project, what: &str) -> Run {
    let run = project.pki(["check"]).expect(1);
    assert!(run.stdout.contains(what), "{}\n{}", run.stdout, run.stderr);
    run
}

fn copy(project: &Project, from: &str, to: &str) {
    fs::copy(project.path("certs").join(from), project.path("certs").join(to)).unwrap();
}

fn remove(project: &Project, name: &str) {
    fs::remove_file(project.path("certs").join(name)).unwrap();
}

#[test]
fn an_authoritys_key_in_a_machines_place_is_not_sealed_to_the_machine() {
    let project = small();
    copy(&project, "ca/kubernetes.yaml", "w1/keys.yaml");
    refused(&project, "it holds `kubernetes`, which does not belong there");
}

#[test]
fn one_machines_keys_in_anothers_place_are_not_sealed_to_it() {
    let project = small();
    copy(&project, "cp1/keys.yaml", "w1/keys.yaml");
    refused(&project, "`w1/keys.yaml`");
    let project = small();
    copy(&project, "cp2/keys.yaml", "cp1/keys.yaml");
    noticed(&project, "cp1/keys.yaml");
    refused(&project, "is not the key that belongs there");
}

#[test]
fn keys_laid_ready_for_a_machine_that_comes_are_not_taken() {
    let project = small();
    fs::create_dir(project.path("certs/cp4")).unwrap();
    copy(&project, "cp1/keys.yaml", "cp4/keys.yaml");
    project.write("machines.nix", machines(5, ""));
    project.pki(["gen"]).expect(0);
    let manifest: serde_json::Value = serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
    let keys = |machine: &str| -> Vec<String> {
        let certs = manifest["certificates"].as_array().unwrap();
        let own = certs.iter().filter(|cert| cert["machine"] == machine);
        own.map(|cert| cert["publicKey"].to_string()).collect()
    };
    assert!(keys("cp4").iter().all(|key| !keys("cp1").contains(key)));
}

#[test]
fn an_authority_is_not_replaced_by_a_key_that_somebody_sealed_to_the_admins() {
    let project = small();
    copy(&project, "ca/etcd.yaml", "ca/kubernetes.yaml");
    let other = project.read("certs/ca/kubernetes.yaml").replacen("etcd:", "kubernetes:", 1);
    project.write("certs/ca/kubernetes.yaml", other);
    remove(&project, "ca/kubernetes.crt");
    let before = project.tree("");
    project.pki(["gen"]).expect(2);
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());

    let project = small();
    let stranger = small();
    let identity = stranger.read("home/.config/sops/age/keys.txt");
    // Sealed to this project's admin by a stranger who knows the recipient and the key.
    let admin = project.read("home/.config/sops/age/keys.txt");
    let admin = admin.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().parse().unwrap();
    let identities = quorate_secrets::identity::Identity::parse_all(&identity.into()).unwrap();
    let theirs = stranger.read("certs/ca/kubernetes.yaml");
    let opened = quorate_secrets::sops::SealedFile::parse(&theirs, quorate_secrets::sops::Store::Yaml)
        .unwrap()
        .open(&identities)
        .unwrap();
    let planted = opened.rekey(&opened.entries().unwrap(), &[admin], "2026-11-21T00:00:00Z").unwrap();
    project.write("certs/ca/kubernetes.yaml", planted);
    remove(&project, "ca/kubernetes.crt");
    refused(&project, "it is not the key of the certificate");
}

#[test]
fn an_authority_of_which_nothing_is_left_is_not_made_anew() {
    let project = small();
    remove(&project, "ca/etcd.crt");
    remove(&project, "ca/etcd.yaml");
    refused(&project, "it holds the key of authority `ca/etcd` and that key is gone");
}

#[test]
fn a_strangers_host_key_is_not_sealed_to() {
    let project = small();
    copy(&project, "w1/host.pub", "cp1/host.pub");
    noticed(&project, "cp1/host.pub");
    refused(&project, "`cp1/host.pub`: it is not the host key that manifest.json records");
    project.write("certs/cp1/host.pub", "ssh-ed25519 AAAA");
    refused(&project, "`cp1/host.pub`");
}

#[test]
fn a_host_key_that_is_named_no_more_is_not_mixed_with_the_old_one() {
    let project = small();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5lLPGCQZKxIAtJdN3BDImWGMy6oxRhDZcN8pTbQ1Hi";
    let given =
        machines(3, "").replacen("10.13.13.12\";", &format!("10.13.13.12\"; hostKey = \"{key}\";"), 1);
    project.write("machines.nix", given);
    project.pki(["gen"]).expect(0);
    project.write("machines.nix", machines(3, ""));
    refused(&project, "put `cp2.hostKey` back, or remove certs/cp2/host.yaml and certs/cp2/host.pub");
    remove(&project, "cp2/host.yaml");
    remove(&project, "cp2/host.pub");
    project.pki(["gen"]).expect(0);
    project.pki(["check"]).expect(0);
}

#[test]
fn a_sealed_file_that_was_changed_cut_or_exchanged_is_seen_without_an_identity() {
    for (name, form) in [("cp1/keys.yaml", "sops"), ("cp1/etcd-peer.age", "age")] {
        let project = small();
        project.pki(["gen", "--format", form]).expect(0);
        let text = project.read(&format!("certs/{name}"));
        let at = text.find(if form == "sops" { "data:" } else { "\n" }).unwrap() + 9;
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        project.write(&format!("certs/{name}"), &changed);
        noticed(&project, name);
        project.pki(["gen"]).expect(2);
        project.write(&format!("certs/{name}"), &text[..text.len() / 2]);
        // Half a SOPS file is none, which is an error; half an age file still looks like one.
        let run = project.pki(["check"]).expect(if form == "sops" { 2 } else { 1 });
        assert!((run.stdout + &run.stderr).contains(name));
        project.write(&format!("certs/{name}"), &text);
        project.pki(["check"]).expect(0);
    }
    let project = small();
    let first = project.read("certs/cp1/host.yaml");
    copy(&project, "cp2/host.yaml", "cp1/host.yaml");
    project.write("certs/cp2/host.yaml", first);
    noticed(&project, "cp1/host.yaml");
    refused(&project, "is not the key that belongs there");
}

#[test]
fn the_service_account_key_comes_back_from_a_masters_copy_in_one_run() {
    let project = small();
    let public = project.read("certs/service-account.pub");
    remove(&project, "service-account.yaml");
    remove(&project, "service-account.pub");
    project.pki(["gen"]).expect(0);
    assert_eq!(project.read("certs/service-account.pub"), public);
    project.pki(["check"]).expect(0);
}

#[test]
fn a_folder_without_its_manifest_is_named_for_what_it_is() {
    let project = small();
    remove(&project, "manifest.json");
    refused(&project, "and no manifest.json beside it: somebody else made this folder");
}

#[test]
fn a_linked_sops_yaml_is_not_written_through() {
    let project = small();
    project.write("victim", "mine");
    fs::remove_file(project.path(".sops.yaml")).unwrap();
    std::os::unix::fs::symlink(project.path("victim"), project.path(".sops.yaml")).unwrap();
    refused(&project, "it is a symbolic link");
    assert_eq!(project.read("victim"), "mine");
}

#[test]
fn of_a_folder_half_moved_nothing_is_said_but_that() {
    let project = small();
    project.write("certs/.gen-commit/journal.json", "{ \"writes\": [], \"removes\": [] }");
    fs::remove_file(project.path("certs/cp1/apiserver.crt")).unwrap();
    let dry = project.pki(["gen", "--dry-run"]).expect(1);
    assert_eq!(dry.stdout, "");
    assert!(dry.stderr.contains("while it moved files into place"), "{}", dry.stderr);
    let check = noticed(&project, "a run was interrupted and is not finished");
    assert!(!check.stdout.contains("apiserver"), "{}", check.stdout);
    for verb in [&["show", "cp1/scheduler"][..], &["kubeconfig"]] {
        assert!(project.pki(verb).expect(0).stderr.contains("a run was interrupted"));
    }
    project.pki(["gen"]).expect(0);
    project.pki(["check"]).expect(0);
}

#[test]
fn of_two_first_runs_one_makes_the_certificates() {
    for _ in 0..8 {
        let project = small();
        fs::remove_dir_all(project.path("certs")).unwrap();
        let runs: Vec<_> = (0..3)
            .map(|_| {
                project
                    .command(["gen"])
                    .stderr(std::process::Stdio::null())
                    .stdout(std::process::Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut run in runs {
            // Done, nothing left to do, or told that another is at work.
            assert!([Some(0), Some(2)].contains(&run.wait().unwrap().code()));
        }
        project.pki(["check"]).expect(0);
    }
}

#[test]
fn the_roots_own_admins_come_and_go_by_machines_nix() {
    let project = small();
    let with = |root: &str| {
        machines(
            3,
            &format!(
                "  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; rootAdmins = [ {root} ]; }};\n"
            ),
        )
    };
    let own = project.read("home/.config/sops/age/keys.txt");
    let own = own.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    project.write(
        "machines.nix",
        with(&format!("\"{own}\" \"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\"")),
    );
    noticed(&project, "ca/root.yaml");
    project.pki(["gen"]).expect(0);
    project.write("machines.nix", with(""));
    noticed(&project, "ca/root.yaml");
    project.pki(["gen"]).expect(0);
    project.pki(["check"]).expect(0);
}

#[test]
fn a_reader_of_stderr_that_went_away_stops_nothing() {
    let project = small();
    let line = format!("{} check 2>&1 >/dev/null | true", env!("CARGO_BIN_EXE_pki"));
    let mut shell = std::process::Command::new("bash");
    let status =
        shell.args(["-c", &format!("set -o pipefail; {line}")]).current_dir(project.root()).status().unwrap();
    assert_ne!(status.code(), Some(101), "a panic");
}

#[test]
fn a_day_that_no_calendar_has_is_refused_and_a_slow_clock_is_named() {
    let project = small();
    for at in ["9999-12-31T23:00:00Z", "1900-01-01T00:00:00Z"] {
        let run = project.pki(["gen", "--at", at]).expect(2);
        assert!(run.stderr.contains("it is no year from 2000 to 2199"), "{}", run.stderr);
    }
    let run = project.pki(["gen", "--at", "2020-01-01T00:00:00Z"]).expect(2);
    assert!(run.stderr.contains("whether the clock of this machine is right"), "{}", run.stderr);
}

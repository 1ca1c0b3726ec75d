//! `pki gen` on a user's repository: it converges, and only what must change changes.
#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a fault ends the test"
)]

mod project;

use project::{Project, changed, machines};

/// The lines of the plan that `gen` shows.
fn plan(project: &Project) -> Vec<String> {
    let run = project.pki(["gen", "--dry-run"]);
    run.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_second_gen_writes_nothing_and_a_dry_run_finds_nothing() {
    let project = Project::generated(&machines(3, ""));
    let before = project.tree("");
    let run = project.pki(["gen"]).expect(0);
    assert!(run.stderr.contains("nothing to do"), "{}", run.stderr);
    project.pki(["gen", "--dry-run"]).expect(0);
    project.pki(["check"]).expect(0);
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let project = Project::new(&machines(1, ""));
    let before = project.tree("");
    let run = project.pki(["gen", "--dry-run"]).expect(1);
    assert!(run.stdout.contains("issue  ca     root kubernetes etcd front-proxy (new)"), "{}", run.stdout);
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());
}

#[test]
fn what_a_dry_run_shows_is_what_gen_does() {
    let project = Project::generated(&machines(3, ""));
    project.write("machines.nix", machines(5, ""));
    let shown = project.pki(["gen", "--dry-run"]).expect(1).stdout;
    assert_eq!(project.pki(["gen"]).expect(0).stdout, shown);
}

#[test]
fn growing_from_three_to_five_masters_touches_nothing_of_the_three() {
    let project = Project::generated(&machines(3, ""));
    let before = project.tree("");
    project.write("machines.nix", machines(5, ""));
    project.pki(["gen"]).expect(0);
    for path in changed(&before, &project.tree("")) {
        let new = path.starts_with("certs/cp4/") || path.starts_with("certs/cp5/");
        assert!(
            new || ["certs/manifest.json", ".sops.yaml", "machines.nix"].contains(&path.as_str()),
            "{path}"
        );
    }
}

#[test]
fn a_machine_that_moves_gets_new_certificates_and_keeps_its_keys() {
    let project = Project::generated(&machines(3, ""));
    let before = project.tree("");
    project.write("machines.nix", machines(3, "").replace("10.13.13.12", "10.13.13.42"));
    assert_eq!(
        plan(&project),
        [
            "reissue cp2 etcd-server etcd-peer apiserver kubelet-server (machine cp2 moved from 10.13.13.12 to 10.13.13.42)"
        ]
    );
    project.pki(["gen"]).expect(0);
    let names = ["apiserver", "etcd-peer", "etcd-server", "kubelet-server"];
    let mut expected: Vec<String> = names.iter().map(|name| format!("certs/cp2/{name}.crt")).collect();
    expected.extend(["certs/manifest.json".to_owned(), "machines.nix".to_owned()]);
    assert_eq!(changed(&before, &project.tree("")), expected);
}

#[test]
fn another_service_range_changes_the_api_servers_alone_and_says_which_name_is_missing() {
    let project = Project::generated(&machines(3, ""));
    let cluster =
        "  cluster = { name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; serviceCidr = \"10.100.0.0/16\"; };\n";
    project.write("machines.nix", machines(3, cluster));
    let reason = "(SAN 10.100.0.1 missing; SAN 10.96.0.1 no longer wanted)";
    assert_eq!(plan(&project), ["cp1", "cp2", "cp3"].map(|cp| format!("reissue {cp} apiserver {reason}")));
}

#[test]
fn what_expires_soon_is_renewed_with_its_key() {
    let project = Project::generated(&machines(1, ""));
    let before = project.tree("");
    let soon = "2027-01-01T00:00:00Z";
    let far = "2028-06-01T00:00:00Z";
    assert_eq!(project.pki(["gen", "--dry-run", "--at", soon]).expect(0).stdout, "");
    let shown = project.pki(["gen", "--at", far]).expect(0).stdout;
    let verbs = shown.lines().filter(|line| !line.starts_with(' '));
    assert!(verbs.into_iter().all(|line| line.starts_with("renew")), "{shown}");
    assert!(!shown.replace("(expired", "").contains('('), "{shown}");
    let paths = changed(&before, &project.tree(""));
    assert!(paths.iter().all(|path| path.ends_with(".crt") || path.ends_with("manifest.json")), "{paths:?}");
    assert!(!paths.iter().any(|path| path.starts_with("certs/ca/")), "{paths:?}");
}

#[test]
fn an_authority_is_renewed_in_place_and_what_it_signed_follows() {
    let project = Project::generated(&machines(1, ""));
    let before = project.tree("");
    // Ten years on the issuing authorities are at their end, the root is at half.
    let shown = project.pki(["gen", "--at", "2036-11-15T00:00:00Z"]).expect(0).stdout;
    assert!(shown.contains("renew    ca     kubernetes etcd front-proxy"), "{shown}");
    assert!(shown.contains("is made anew"), "{shown}");
    project.pki(["gen", "--at", "2036-11-16T00:00:00Z"]).expect(0);
    let after = project.tree("");
    assert_eq!(before["certs/ca/root.crt"], after["certs/ca/root.crt"]);
    assert_eq!(before["certs/ca/etcd.yaml"], after["certs/ca/etcd.yaml"]);
    assert_ne!(before["certs/ca/etcd.bundle.crt"], after["certs/ca/etcd.bundle.crt"]);
}

#[test]
fn a_machine_that_leaves_is_an_orphan_until_it_is_pruned() {
    let project = Project::generated(&machines(5, ""));
    project.write("machines.nix", machines(3, ""));
    let run = project.pki(["gen"]).expect(0);
    assert!(run.stderr.contains("orphans: cp5/"), "{}", run.stderr);
    assert!(project.path("certs/cp5/keys.yaml").exists());
    let again = project.pki(["gen"]).expect(0);
    assert!(again.stderr.contains("orphans: cp5/"), "an orphan is not forgotten\n{}", again.stderr);
    project.pki(["check"]).expect(1);
    project.pki(["gen", "--prune"]).expect(0);
    assert!(!project.path("certs/cp5").exists() && !project.path("certs/cp4").exists());
    project.pki(["check"]).expect(0);
}

#[test]
fn a_machine_that_stops_being_a_member_keeps_its_other_keys_and_their_ciphertext() {
    let project = Project::generated(&machines(3, ""));
    let before = project.read("certs/cp3/keys.yaml");
    let (start, end) =
        machines(3, "").split_once("10.13.13.13").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    project
        .write("machines.nix", format!("{start}10.13.13.13{}", end.replacen(" etcd.enable = true;", "", 1)));
    let run = project.pki(["gen", "--prune"]).expect(0);
    assert!(run.stdout.contains("etcd-server is not needed any more"), "{}", run.stdout);
    let after = project.read("certs/cp3/keys.yaml");
    let value = |text: &str, key: &str| {
        text.lines().find(|line| line.starts_with(&format!("{key}: "))).map(ToOwned::to_owned)
    };
    assert!(value(&before, "etcd-server").is_some() && value(&after, "etcd-server").is_none());
    assert_eq!(value(&before, "apiserver"), value(&after, "apiserver"));
    assert!(!project.path("certs/cp3/etcd-server.crt").exists());
}

#[test]
fn a_deleted_certificate_is_made_again_with_its_key() {
    let project = Project::generated(&machines(1, ""));
    let manifest = project.read("certs/manifest.json");
    let key = |manifest: &str| {
        let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
        let certs = manifest["certificates"].as_array().unwrap().clone();
        certs.iter().find(|cert| cert["id"] == "cp1/apiserver").unwrap()["publicKey"].clone()
    };
    std::fs::remove_file(project.path("certs/cp1/apiserver.crt")).unwrap();
    assert_eq!(plan(&project), ["issue cp1 apiserver (its file is missing)"]);
    project.pki(["gen"]).expect(0);
    assert_eq!(key(&manifest), key(&project.read("certs/manifest.json")));
}

#[test]
fn every_public_file_that_is_lost_comes_back() {
    let project = Project::generated(&machines(3, ""));
    let before = project.tree("certs");
    for name in ["service-account.pub", "cp1/host.pub", "ca/etcd.bundle.crt"] {
        std::fs::remove_file(project.path("certs").join(name)).unwrap();
        project.pki(["check"]).expect(1);
        project.pki(["gen"]).expect(0);
        assert_eq!(changed(&before, &project.tree("certs")), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_key_of_another_host_voids_everything_that_was_sealed_to_the_old_one() {
    let project = Project::generated(&machines(3, ""));
    let before = project.read("certs/cp2/keys.yaml");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5lLPGCQZKxIAtJdN3BDImWGMy6oxRhDZcN8pTbQ1Hi";
    let text = machines(3, "")
        .replace("ip = \"10.13.13.12\";", &format!("ip = \"10.13.13.12\"; hostKey = \"{key}\";"));
    project.write("machines.nix", text);
    let run = project.pki(["gen"]).expect(0);
    assert!(run.stdout.contains("machine cp2 has another SSH host key"), "{}", run.stdout);
    let after = project.read("certs/cp2/keys.yaml");
    let ciphertexts = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("ENC[")).map(ToOwned::to_owned).collect()
    };
    let old = ciphertexts(&before);
    assert!(!old.is_empty() && ciphertexts(&after).iter().all(|line| !old.contains(line)));
    project.pki(["check"]).expect(1); // host.yaml of the key that was made here is an orphan now
    project.pki(["gen", "--prune"]).expect(0);
    project.pki(["check"]).expect(0);
}

#[test]
fn an_admin_who_comes_changes_no_ciphertext_and_one_who_leaves_changes_all() {
    let project = Project::generated(&machines(1, ""));
    let own = project.read("home/.config/sops/age/keys.txt");
    let own = own.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    let other = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    let with = |admins: &str| {
        machines(
            1,
            &format!(
                "  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; admins = [ {admins} ]; }};\n"
            ),
        )
    };
    let values = |project: &Project| -> Vec<String> {
        let tree = project.tree("certs");
        let sealed = tree.iter().filter(|(path, _)| path.ends_with(".yaml"));
        let lines = sealed.flat_map(|(_, text)| {
            String::from_utf8(text.clone()).unwrap().lines().map(ToOwned::to_owned).collect::<Vec<_>>()
        });
        lines.filter(|line| line.contains("ENC[") && !line.trim_start().starts_with("mac:")).collect()
    };
    let before = values(&project);
    project.write("machines.nix", with(&format!("\"{own}\" \"{other}\"")));
    project.pki(["gen"]).expect(0);
    assert_eq!(values(&project), before);
    project.write("machines.nix", with(&format!("\"{own}\"")));
    let run = project.pki(["gen"]).expect(0);
    assert!(run.stderr.contains("could read `ca/root.yaml`, and still knows `root`"), "{}", run.stderr);
    assert!(values(&project).iter().all(|line| !before.contains(line)));
}

#[test]
fn the_form_of_the_keys_changes_in_one_go_and_back() {
    let project = Project::generated(&machines(1, ""));
    let public = |project: &Project| {
        let mut tree = project.tree("certs");
        tree.retain(|path, _| path.ends_with(".crt") || path.ends_with(".pub"));
        tree
    };
    let before = public(&project);
    project.pki(["gen", "--format", "age"]).expect(0);
    assert!(!project.path("certs/cp1/keys.yaml").exists());
    assert!(project.read("certs/cp1/etcd-server.age").starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    assert!(project.path("certs/cp1/host.yaml").exists(), "admins' files stay SOPS");
    project.pki(["gen"]).expect(0);
    assert!(project.path("certs/cp1/etcd-server.age").exists(), "the form is remembered");
    project.pki(["gen", "--format", "sops"]).expect(0);
    assert!(
        project.path("certs/cp1/keys.yaml").exists() && !project.path("certs/cp1/etcd-server.age").exists()
    );
    assert_eq!(changed(&before, &public(&project)), Vec::<String>::new());
    project.pki(["check"]).expect(0);
}

#[test]
fn rules_in_a_pipe_are_refused_and_not_waited_for() {
    let project = Project::generated(&machines(1, ""));
    std::fs::remove_file(project.path(".sops.yaml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(project.path(".sops.yaml")).status().unwrap().success());
    let mut command = project.command(["gen"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let started = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > std::time::Duration::from_mins(1) {
            child.kill().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(".sops.yaml`: it is no regular file"), "{said}");
}

//! What goes wrong, and what the user is told: the thing, what was found, what to do. Exit code 2, nothing lost.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod project;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use project::{Project, Run, changed, machines};
use quorate_secrets::identity::Identity;
use quorate_secrets::sops::SealedFile;

/// Runs `pki gen`, which must fail and leave every file as it was, and gives what it said.
#[track_caller]
fn refused(project: &Project, arguments: &[&str]) -> String {
    let before = project.tree("");
    let run = project.pki(arguments).expect(2);
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new(), "something was written");
    said(&run)
}

/// What was said, with the random parts at fixed places.
fn said(run: &Run) -> String {
    let mut text = run.stderr.clone();
    for (from, to) in [("age1", "[recipient]"), ("SHA256:", "[fingerprint]")] {
        while let Some(at) = text.find(from) {
            let end = text[at..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != ':')
                .map_or(text.len(), |n| at + n);
            text.replace_range(at..end, to);
        }
    }
    text
}

fn small() -> Project {
    Project::generated(&machines(3, ""))
}

macro_rules! snapshot {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($text) });
    };
}

#[test]
fn a_missing_inventory_is_named() {
    let project = Project::new("{ }");
    snapshot!(refused(&project, &["gen", "certs", "--inventory", "elsewhere.nix"]));
}

#[test]
fn what_is_not_nix_is_shown_where_it_stops_being_nix() {
    let project = Project::new("{\n  cp1 = { ip = \"10.0.0.1\" };\n  cp2 = ;\n}\n");
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn wrong_types_are_all_said_at_once() {
    let text = machines(3, "").replace("ip = \"10.13.13.11\"", "ip = 10").replace("\"magi\"", "[ ]");
    snapshot!(refused(&Project::new(&text), &["gen"]));
}

#[test]
fn a_run_without_an_identity_and_a_terminal_says_how_to_get_one() {
    snapshot!(refused(&Project::new(&machines(3, "")), &["gen"]));
}

#[test]
fn an_admin_who_is_no_recipient_is_named() {
    let cluster =
        "  cluster = { name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; admins = [ \"age1nonsense\" ]; };\n";
    snapshot!(refused(&Project::new(&machines(3, cluster)), &["gen"]));
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let project = Project::new(&machines(3, ""));
    project.write("certs/ca.pem", "-----BEGIN CERTIFICATE-----\n");
    project.write("certs/letters/to-grandma.txt", "dear grandma");
    snapshot!(refused(&project, &["gen", "--new-identity"]));
}

#[test]
fn a_file_where_the_folder_should_be_is_named() {
    let project = Project::new(&machines(3, ""));
    project.write("certs", "a file");
    snapshot!(refused(&project, &["gen", "--new-identity"]));
}

#[test]
fn a_certificate_changed_by_hand_is_not_believed() {
    let project = small();
    let worker = project.read("certs/w1/kubelet-server.crt");
    project.write("certs/cp1/kubelet-server.crt", worker);
    let text = project.read("certs/cp1/apiserver.crt");
    project.write("certs/cp1/apiserver.crt", text.replacen("MII", "XXX", 1));
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_certificate_with_a_foreign_signature_is_not_believed() {
    let project = small();
    let other = small();
    // The same key is needed for the manifest to agree: the manifest of the other comes along for that one.
    let record = |project: &Project| {
        let manifest: serde_json::Value = serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
        let certs = manifest["certificates"].as_array().unwrap();
        certs.iter().find(|cert| cert["id"] == "cp1/scheduler").unwrap()["publicKey"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let manifest = project.read("certs/manifest.json").replace(&record(&project), &record(&other));
    project.write("certs/manifest.json", manifest);
    project.write("certs/cp1/scheduler.crt", other.read("certs/cp1/scheduler.crt"));
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_manifest_that_is_none_is_named_and_one_from_the_future_too() {
    let project = small();
    let manifest = project.read("certs/manifest.json");
    project.write("certs/manifest.json", "{ \"version\": 1, \"cluster\"");
    let broken = refused(&project, &["gen"]);
    project.write("certs/manifest.json", manifest.replacen("\"version\": 1", "\"version\": 99", 1));
    snapshot!(broken + &refused(&project, &["gen"]));
}

#[test]
fn a_truncated_sealed_file_is_named() {
    let project = small();
    let keys = project.read("certs/cp1/keys.yaml");
    project.write("certs/cp1/keys.yaml", &keys[..keys.len() / 2]);
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_value_that_was_exchanged_is_found_when_the_file_is_opened() {
    let project = small();
    let keys = project.read("certs/ca/etcd.yaml");
    let other = project.read("certs/ca/kubernetes.yaml");
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    project.write("certs/ca/etcd.yaml", keys.replace(&value(&keys, "etcd:"), &value(&other, "kubernetes:")));
    // A new member must be signed for by etcd's authority.
    project.write("machines.nix", machines(5, ""));
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_sealed_key_that_is_not_its_certificates_is_found_before_anything_is_written() {
    let project = small();
    let identity = project.read("home/.config/sops/age/keys.txt");
    let identities = Identity::parse_all(&identity.into()).unwrap();
    let file = SealedFile::parse(&project.read("certs/cp1/keys.yaml")).unwrap();
    let readers: Vec<_> = file.recipients().map(|recipient| recipient.parse().unwrap()).collect();
    let opened = file.open(&identities).unwrap();
    let mut entries = opened.entries().unwrap();
    let other = opened.get("scheduler").unwrap();
    for (name, secret) in &mut entries {
        if *name == "controller-manager" {
            *secret = other;
        }
    }
    project.write("certs/cp1/keys.yaml", opened.reseal(&entries, &readers, "2026-11-21T00:00:00Z").unwrap());
    // All is due, so a key of every kind is needed for the judge.
    snapshot!(refused(&project, &["gen", "--at", "2028-01-01T00:00:00Z"]));
}

#[test]
fn what_nobody_here_can_open_is_not_overwritten() {
    let project = small();
    fs::remove_file(project.identity_file()).unwrap();
    let (secret, _) = Identity::generate();
    project.write("home/.config/sops/age/keys.txt", secret.expose_bytes());
    project.write("machines.nix", machines(5, ""));
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn an_identity_that_is_broken_is_named_when_nothing_else_opens() {
    let project = small();
    project.write("home/.config/sops/age/keys.txt", "AGE-SECRET-KEY-1TYPO\n");
    project.write("machines.nix", machines(5, ""));
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn an_authority_whose_key_is_gone_is_named() {
    let project = small();
    fs::remove_file(project.path("certs/ca/etcd.yaml")).unwrap();
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_shared_secret_without_a_copy_is_not_made_anew() {
    let project = small();
    fs::remove_file(project.path("certs/encryption-config.yaml")).unwrap();
    for machine in ["cp1", "cp2", "cp3"] {
        fs::remove_file(project.path("certs").join(machine).join("keys.yaml")).unwrap();
    }
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_host_key_that_is_gone_is_named() {
    let project = small();
    fs::remove_file(project.path("certs/cp1/host.yaml")).unwrap();
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn another_cluster_name_or_other_authorities_are_refused() {
    let project = small();
    let cluster = "  cluster = { name = \"casper\"; nodeCidr = \"10.13.13.0/24\"; ca = \"single\"; };\n";
    project.write("machines.nix", machines(3, cluster));
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_rule_of_sops_that_captures_our_files_is_named() {
    let project = Project::new(&machines(3, ""));
    let rules = "creation_rules:\n  - path_regex: .*\\.yaml$\n    age: age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\n";
    project.write(".sops.yaml", rules);
    // Ours come first where nothing of ours stands yet, so a rule can only be in the way by being moved there.
    project.pki(["gen", "--new-identity"]).expect(0);
    let text = project.read(".sops.yaml");
    let foreign = &rules["creation_rules:\n".len()..];
    let moved = text.replace(foreign, "").replacen("creation_rules:\n", rules, 1);
    project.write(".sops.yaml", moved);
    snapshot!(refused(&project, &["gen"]));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let project = small();
    project.write("machines.nix", machines(5, ""));
    fs::set_permissions(project.path("certs"), fs::Permissions::from_mode(0o555)).unwrap();
    // Root writes anywhere: for it the mode says nothing, and the file system is asked instead.
    if rustix_is_root() {
        return read_only_mount(&project);
    }
    snapshot!(refused(&project, &["gen"]));
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0)
}

fn read_only_mount(project: &Project) {
    let folder = project.path("certs");
    let mount = |arguments: &[&str]| {
        std::process::Command::new("mount")
            .args(arguments)
            .arg(&folder)
            .status()
            .is_ok_and(|status| status.success())
    };
    let folder_text = folder.display().to_string();
    if !mount(&["--bind", &folder_text]) || !mount(&["-o", "remount,bind,ro"]) {
        assert!(
            std::env::var_os("CI").is_none(),
            "nothing can be mounted here: the read-only folder is not tried"
        );
        return;
    }
    let text = refused(project, &["gen"]);
    assert!(std::process::Command::new("umount").arg(&folder).status().unwrap().success());
    assert!(text.contains("could not create `certs/.gen-new`: read-only file"), "{text}");
    assert!(text.contains("the file system is mounted read-only"), "{text}");
}

#[test]
fn a_new_identity_is_not_written_where_git_would_take_it() {
    let project = Project::new(&machines(3, ""));
    fs::create_dir(project.path(".git")).unwrap();
    let before = project.tree("");
    let mut command = project.command(["gen", "--new-identity"]);
    let output = command.env("SOPS_AGE_KEY_FILE", project.path("keys.txt")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());
    snapshot!(project.redact(&String::from_utf8(output.stderr).unwrap()));
}

#[test]
fn a_certificate_nobody_has_is_asked_for_and_the_near_ones_are_named() {
    let project = small();
    snapshot!(said(&project.pki(["show", "cp9/apiserver"]).expect(2)));
}

#[test]
fn a_user_nobody_knows_gets_no_kubeconfig() {
    let project = small();
    snapshot!(said(&project.pki(["kubeconfig", "grandma"]).expect(2)));
}

#[test]
fn what_is_no_regular_file_or_too_large_is_refused_before_it_is_read() {
    let project = Project::new(&machines(3, ""));
    for name in ["pipe.nix", "pipe.json"] {
        assert!(std::process::Command::new("mkfifo").arg(project.path(name)).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", project.path("zero.json")).unwrap();
    fs::create_dir(project.path("folder.nix")).unwrap();
    project.write("marked.nix", format!("\u{feff}{}", machines(3, "")));
    for (name, words) in [
        ("pipe.nix", "regular file"),
        ("pipe.json", "regular file"),
        ("zero.json", "regular file"),
        ("folder.nix", "folder"),
        ("marked.nix", "byte order mark"),
    ] {
        let run = project.pki(["gen", "--inventory", name]).expect(2);
        assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
    }
}

//! `pki modules`: what is emitted for each of a dozen clusters, and what becomes of a folder that has modules already.
//!
//! The goldens stand beside each inventory below `tests/modules/`; `QUORATE_WRITE_GOLDENS=1` writes them anew, and git
//! shows what changed. The repository's own example is one of them: its modules stand in `modules/`.
#![allow(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::panic,
    reason = "a fault ends the test"
)]

mod project;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use project::Project;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every case: its name, its inventory, and the folder of its golden modules.
fn cases() -> Vec<(String, PathBuf, PathBuf)> {
    let folder = root().join("tests/modules");
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| {
            let case = folder.join(&name);
            (name, case.join("machines.nix"), case.join("modules"))
        })
        .collect();
    cases.push(("example".to_owned(), root().join("machines.nix"), root().join("modules")));
    cases.sort();
    assert!(cases.len() > 8, "{cases:?}");
    cases
}

/// A repository with certificates for this inventory.
fn generated(case: &str, machines: &str) -> Project {
    let project = Project::new(machines);
    let format = if case == "agenix" { "age" } else { "sops" };
    project.pki(["gen", "certs", "--format", format, "--new-identity"]).expect(0);
    project
}

fn emitted(project: &Project) -> BTreeMap<String, String> {
    texts(&project.path("modules"))
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let below =
        |name: &str| fs::read_dir(folder.join(name)).into_iter().flatten().map(|entry| entry.unwrap().path());
    below("")
        .chain(below("shared"))
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn each_cluster_has_the_modules_that_are_kept_beside_its_inventory() {
    let write = std::env::var_os("QUORATE_WRITE_GOLDENS").is_some();
    let mut differ = Vec::new();
    for (case, machines, golden) in cases() {
        let project = generated(&case, &fs::read_to_string(machines).unwrap());
        project.pki(["modules", "modules"]).expect(0);
        let found = emitted(&project);
        if write {
            let _ = fs::remove_dir_all(&golden);
            fs::create_dir_all(golden.join("shared")).unwrap();
            for (name, text) in &found {
                fs::write(golden.join(name), text).unwrap();
            }
        }
        let expected = texts(&golden);
        let names = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{case}");
        differ.extend(
            found
                .iter()
                .filter(|(name, text)| expected[*name] != **text)
                .map(|(name, _)| format!("{case}/{name}")),
        );
    }
    assert!(
        differ.is_empty(),
        "{differ:?}: QUORATE_WRITE_GOLDENS=1 writes them anew, git diff shows how they differ"
    );
}

#[test]
fn every_emitted_file_is_as_nixfmt_leaves_it() {
    for (case, _, golden) in cases() {
        for (name, text) in texts(&golden).iter().filter(|(name, _)| name.ends_with(".nix")) {
            let formatted =
                nixfmt_rs::format(text).unwrap_or_else(|error| panic!("{case}/{name}: {error:?}"));
            if formatted != *text {
                let line = formatted.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or_default();
                let show = |text: &str| {
                    text.lines().skip(line.saturating_sub(2)).take(8).collect::<Vec<_>>().join("\n")
                };
                panic!("{case}/{name}:{line}\n--- nixfmt\n{}\n--- emitted\n{}", show(&formatted), show(text));
            }
        }
    }
}

/// Three masters, three workers of names that tests change, and certificates.
fn three() -> Project {
    generated("masters-3", &fs::read_to_string(root().join("tests/modules/masters-3/machines.nix")).unwrap())
}

/// Another machines.nix, and the certificates for it.
fn change(project: &Project, from: &str, to: &str) {
    let machines = fs::read_to_string(project.path("machines.nix")).unwrap();
    assert!(machines.contains(from), "{machines}");
    project.write("machines.nix", machines.replace(from, to));
    project.pki(["gen", "certs"]).expect(0);
}

/// The lines that are in one of the two and not in the other.
fn differing(old: &str, new: &str) -> Vec<String> {
    let only = |here: &str, there: &str, sign: &str| {
        here.lines()
            .filter(|line| !there.lines().any(|other| other == *line))
            .map(|line| format!("{sign}{}", line.trim()))
            .collect::<Vec<_>>()
    };
    let mut lines = only(old, new, "-");
    lines.extend(only(new, old, "+"));
    lines
}

#[test]
fn a_second_run_writes_nothing_and_a_dry_run_finds_nothing() {
    let project = three();
    project.pki(["modules"]).expect(0);
    let before = project.tree("modules");
    let run = project.pki(["modules"]).expect(0);
    assert!(run.stderr.contains("modules is up to date"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    project.pki(["modules", "--dry-run"]).expect(0);
    assert_eq!(project::changed(&before, &project.tree("modules")), Vec::<String>::new());
}

#[test]
fn a_dry_run_shows_what_is_written_then_and_writes_nothing() {
    let project = three();
    let shown = project.pki(["modules", "--dry-run"]).expect(1).stdout;
    assert!(!project.path("modules").exists());
    assert_eq!(project.pki(["modules"]).expect(0).stdout, shown);
    assert!(shown.lines().any(|line| line == "new  cp1.nix"), "{shown}");
}

#[test]
fn a_machine_that_moves_changes_the_lines_with_its_address_and_no_other() {
    let project = three();
    project.pki(["modules"]).expect(0);
    let before = emitted(&project);
    change(&project, "10.0.0.12", "10.0.0.42");
    project.pki(["modules"]).expect(0);
    for (name, text) in emitted(&project) {
        for line in differing(&before[&name], &text) {
            let concerned = line.contains("10.0.0.12") || line.contains("10.0.0.42");
            // Its certificates moved as well, and their files did not.
            assert!(concerned || name == "emitted.json", "{name}: {line}");
        }
    }
}

#[test]
fn a_machine_that_is_gone_takes_its_file_along_and_nobody_elses() {
    let project = three();
    project.pki(["modules"]).expect(0);
    project.write("modules/mine.nix", "{ }\n");
    let machines = fs::read_to_string(project.path("machines.nix")).unwrap();
    let without: Vec<&str> = machines.lines().filter(|line| !line.contains("cp3")).collect();
    project.write("machines.nix", without.join("\n"));
    let refused = project.pki(["modules"]).expect(2).stderr;
    assert!(refused.contains("pki gen certs") && refused.contains("machines.nix"), "{refused}");
    project.pki(["gen", "certs"]).expect(0);
    let shown = project.pki(["modules"]).expect(0).stdout;
    assert!(shown.lines().any(|line| line == "remove  cp3.nix"), "{shown}");
    assert!(!project.path("modules/cp3.nix").exists() && project.path("modules/mine.nix").exists());
}

#[test]
fn a_file_that_somebody_changed_is_named_and_stays_until_force() {
    let project = three();
    project.pki(["modules"]).expect(0);
    let old = fs::read_to_string(project.path("modules/cp1.nix")).unwrap();
    project.write("modules/cp1.nix", old.replace("cp1\"", "other\""));
    project.write("modules/shared/master.nix", "mine\n");
    let before = project.tree("modules");
    let refused = project.pki(["modules"]).expect(2).stderr;
    assert!(
        refused.contains("2 files")
            && refused.contains("`cp1.nix`")
            && refused.contains("`shared/master.nix`"),
        "{refused}"
    );
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(project::changed(&before, &project.tree("modules")), Vec::<String>::new());
    project.pki(["modules", "--force"]).expect(0);
    assert_eq!(fs::read_to_string(project.path("modules/cp1.nix")).unwrap(), old);
}

#[test]
fn a_file_of_somebody_elses_under_one_of_our_names_is_not_written_over() {
    let project = three();
    project.write("modules/shared/etcd.nix", "{ }\n");
    let refused = project.pki(["modules"]).expect(2).stderr;
    assert!(refused.contains("`shared/etcd.nix`"), "{refused}");
    assert_eq!(fs::read_to_string(project.path("modules/shared/etcd.nix")).unwrap(), "{ }\n");
    assert!(!project.path("modules/cp1.nix").exists());
}

#[test]
fn a_record_that_leads_out_of_the_folder_is_refused() {
    let project = three();
    project.pki(["modules"]).expect(0);
    let record = fs::read_to_string(project.path("modules/emitted.json")).unwrap();
    for name in ["../machines.nix", "/etc/x.nix", ".x.nix", "flake.lock"] {
        project.write("modules/emitted.json", record.replace("cp1.nix", name));
        let refused = project.pki(["modules"]).expect(2).stderr;
        assert!(
            refused.contains("emitted.json") && refused.contains("no file of modules"),
            "{name}: {refused}"
        );
    }
    assert!(project.path("machines.nix").exists());
}

#[test]
fn one_machines_module_is_printed_and_what_gets_none_says_why() {
    let project = generated("example", &fs::read_to_string(root().join("machines.nix")).unwrap());
    let printed = project.pki(["modules", "--only", "cp2"]).expect(0).stdout;
    assert_eq!(printed, fs::read_to_string(root().join("modules/cp2.nix")).unwrap());
    assert!(!project.path("modules").exists());
    let router = project.pki(["modules", "--only", "router"]).expect(2).stderr;
    assert!(router.contains("no NixOS machine") && router.contains("pki router"), "{router}");
    let nobody = project.pki(["modules", "--only", "cp9"]).expect(2).stderr;
    assert!(nobody.contains("machine `cp9`") && nobody.contains("cp1"), "{nobody}");
}

#[test]
fn without_certificates_it_says_what_to_run_first() {
    let project = Project::new(&fs::read_to_string(root().join("machines.nix")).unwrap());
    let refused = project.pki(["modules"]).expect(2).stderr;
    assert!(refused.contains("has no certificates yet") && refused.contains("pki gen certs"), "{refused}");
    assert!(!project.path("modules").exists());
}

#[test]
fn peoples_own_secrets_reach_their_machines_by_their_keys() {
    let project = three();
    let seal = |path: &str, text: &str| {
        project.write(path, text);
        project.secrets(["encrypt", "-i", path]).expect(0);
    };
    seal("secrets/all/wifi.yaml", "psk: abc\nguest:\n  psk: def\n");
    seal("secrets/masters/cloud.json", "{ \"token\": \"x\", \"retries\": 3 }\n");
    seal("secrets/cp2/app.env", "A=b\n");
    seal("secrets/admins/root.yaml", "password: x\n");
    project.write("secrets/all/notes.txt", "not for machines\n");
    project.pki(["modules"]).expect(0);
    let files = emitted(&project);
    for (file, wanted) in [
        (
            "shared/common.nix",
            "\"wifi/psk\" = { sopsFile = default ../../secrets/all/wifi.yaml; key = default \"psk\";",
        ),
        ("shared/common.nix", "\"wifi/guest/psk\" = {"),
        ("shared/common.nix", "key = default \"guest/psk\";"),
        ("shared/master.nix", "\"cloud/token\" = {"),
        // A number is nothing that sops-nix could give by itself.
        ("shared/master.nix", "\"cloud.json\" = {"),
        ("cp2.nix", "\"app.env\" = {"),
        ("cp2.nix", "format = default \"dotenv\";"),
    ] {
        let words = files[file].split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(wanted), "{file} has no {wanted}:\n{}", files[file]);
    }
    let all: String = files.values().cloned().collect();
    for absent in ["secrets/admins", "notes.txt"] {
        assert!(!all.contains(absent), "{absent}");
    }
    assert!(!files["cp1.nix"].contains("app.env"));
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".nix")) {
        assert_eq!(nixfmt_rs::format(text).unwrap(), *text, "{name}");
    }
}

#[test]
fn a_secret_in_clear_is_no_file_for_the_store() {
    let project = three();
    project.write("secrets/all/wifi.yaml", "psk: abc\n");
    let refused = project.pki(["modules"]).expect(2).stderr;
    assert!(refused.contains("wifi.yaml") && refused.contains("secrets encrypt"), "{refused}");
    assert!(!project.path("modules").exists());
}

#[test]
fn no_module_names_another_machines_keys_an_authority_or_the_operator() {
    for (case, _, golden) in cases() {
        let files = texts(&golden);
        let machines: Vec<&str> = files
            .iter()
            .filter(|(name, text)| name.ends_with(".nix") && text.contains("networking.hostName"))
            .map(|(name, _)| name.trim_end_matches(".nix"))
            .collect();
        assert!(!machines.is_empty(), "{case}");
        for (name, text) in &files {
            for other in machines.iter().filter(|machine| name != &format!("{machine}.nix")) {
                assert!(!text.contains(&format!("certs/{other}/")), "{case}/{name} names files of {other}");
            }
            for line in text.lines().filter(|line| line.contains("certs/ca/")) {
                assert!(line.trim_end().ends_with(".bundle.crt;"), "{case}/{name}: {line}");
            }
            for absent in
                ["PRIVATE KEY", "AGE-SECRET-KEY", "/tmp/", "/home/", "/root/", "users/", "host.yaml"]
            {
                assert!(!text.contains(absent), "{case}/{name} has {absent}");
            }
        }
    }
}

#[test]
fn a_machine_may_be_called_like_a_role_and_keeps_its_own_file() {
    let names = ["master", "worker", "etcd", "common", "shared", "addons", "cp1"];
    let machine = |(number, name): (usize, &&str)| {
        format!(
            "  {name} = {{ ip = \"10.0.0.{}\"; kubernetes.enable = true; etcd.enable = true; }};\n",
            10 + number
        )
    };
    let machines: String = names.iter().enumerate().map(machine).collect();
    let settings = "  kubeMaster = { ip = \"10.0.9.10\"; gateway = \"10.0.0.1\"; };\n  cluster = { nodeCidr = \"10.0.0.0/24\"; };\n";
    let project = generated("names", &format!("{{\n{machines}{settings}}}\n"));
    let shown = project.pki(["modules"]).expect(0).stdout;
    let files = emitted(&project);
    assert_eq!(shown.lines().count() + 1, files.len(), "{shown}");
    for name in names {
        let own = format!("networking.hostName = default \"{name}\"");
        assert!(files[&format!("{name}.nix")].contains(&own), "{name}");
    }
    project.pki(["modules", "--dry-run"]).expect(0);
    project.write("machines.nix", format!("{{\n{}{settings}}}\n", machines.replace("common", "default")));
    let refused = project.pki(["modules"]).expect(2).stderr;
    assert!(refused.contains("no machine can be named `default`"), "{refused}");
}

#[test]
fn a_run_that_was_stopped_before_its_end_leaves_files_that_the_next_one_knows_as_ours() {
    let project = three();
    project.pki(["modules"]).expect(0);
    let (first, kept) = (emitted(&project), project.tree("modules"));
    change(&project, "10.0.9.10", "10.0.9.11");
    project.pki(["modules"]).expect(0);
    let second = emitted(&project);
    let record = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    // As it is while files are written: the new record with the old one in it, and some files of either.
    let mut between = record(&second["emitted.json"]);
    between["before"] = record(&first["emitted.json"])["files"].clone();
    project.write("modules/emitted.json", between.to_string());
    let old = |name: &str| String::from_utf8(kept[name].clone()).unwrap();
    project.write("modules/cp1.nix", old("cp1.nix"));
    change(&project, "10.0.9.11", "10.0.9.12");
    project.pki(["modules"]).expect(0);
    let third = emitted(&project);
    assert!(third["cp1.nix"].contains("10.0.9.12") && !third["emitted.json"].contains("before"));
}

#[test]
fn two_secrets_of_one_name_on_one_machine_are_refused_by_both_their_files() {
    let project = three();
    let seal = |path: &str, text: &str| {
        project.write(path, text);
        project.secrets(["encrypt", "-i", path]).expect(0);
    };
    seal("secrets/cp1/app.yaml", "token: x\n");
    seal("secrets/cp2/app.yaml", "token: y\n");
    project.pki(["modules"]).expect(0);
    for (path, text, name) in [
        ("secrets/all/app.yaml", "token: z\n", "app/token"),
        ("secrets/masters/app.json", "{ \"token\": \"z\" }\n", "app/token"),
        ("secrets/cp1/app.yml", "token: z\n", "app/token"),
        ("secrets/cp3/quorate.yaml", "etcd-server: z\n", "quorate/etcd-server"),
    ] {
        seal(path, text);
        let refused = project.pki(["modules"]).expect(2).stderr;
        assert!(refused.contains(path) && refused.contains(&format!("`{name}`")), "{path}: {refused}");
        fs::remove_file(project.path(path)).unwrap();
    }
}

#[test]
fn what_people_keep_beside_our_passwords_reaches_the_masters_as_well() {
    let project = three();
    change(&project, "gateway = \"10.0.0.1\";", "gateway = \"10.0.0.1\"; bgp.password = true;");
    let file = "secrets/masters/cluster.yaml";
    let told = project.secrets_with("x", ["set", file, "mine"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    project.pki(["modules"]).expect(0);
    let master = &emitted(&project)["shared/master.nix"];
    assert!(master.contains("\"cluster/mine\"") && !master.contains("\"cluster/bgp-password\""), "{master}");
}

//! `secrets check`: what it finds in what git is about to take, and what it must not pass by.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod cluster;
mod repository;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Output;

use cluster::run;
use repository::{Repository, YAML, stderr, succeeded};

#[test]
fn check_finds_what_is_staged_in_the_open_and_who_can_open_too_much_or_too_little() {
    let repository = Repository::new();
    repository.git(&["init", "-q"]);
    let other = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    let identity =
        fs::read_to_string(repository.folder.path().join("home/.config/sops/age/keys.txt")).unwrap();
    let sealed = repository.read("secrets/a.yaml");
    repository.git(&["add", "."]);
    assert_eq!(repository.done(&["check"]), "");
    repository.write("secrets/plain.yaml", YAML);
    repository.write("notes.txt", format!("\n\n{identity}"));
    repository.write("elsewhere.yaml", &sealed);
    repository.write(
        "secrets/no_mac.yaml",
        sealed.split_inclusive('\n').filter(|line| !line.starts_with("    mac:")).collect::<String>(),
    );
    repository.git(&["add", "."]);
    // What is looked at is what is staged, and not what lies there now.
    repository.write("secrets/plain.yaml", &sealed);
    repository.rules(&[other]);
    let found = repository.secrets(&["check", "--json"]);
    assert_eq!(found.status.code(), Some(1), "{}", stderr(&found));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&found.stdout).unwrap();
    let texts = |file: &str| -> Vec<&str> {
        rows.iter().filter(|row| row["file"] == file).map(|row| row["finding"].as_str().unwrap()).collect()
    };
    assert_eq!(texts("secrets/plain.yaml"), ["it is not sealed, and a rule says that it is"]);
    assert_eq!(texts("notes.txt"), ["an age identity stands in clear"]);
    assert_eq!(texts("elsewhere.yaml"), ["it is sealed, and no rule is for it"]);
    let [missing_mac] = texts("secrets/no_mac.yaml")[..] else { panic!("{rows:?}") };
    assert!(missing_mac.contains("`mac` is missing"), "{missing_mac}");
    let [drift] = texts("secrets/a.yaml")[..] else { panic!("{rows:?}") };
    assert_eq!(
        drift,
        format!("{other} cannot open it and should; {} can open it and should not", repository.recipient)
    );
    assert!(!String::from_utf8_lossy(&found.stdout).contains("hunter2"));
    // The whole tree, as it lies there.
    let all = repository.secrets(&["check", "--all"]);
    assert!(!String::from_utf8_lossy(&all.stdout).contains("plain.yaml  it is not sealed"));
}

/// What `check --json` finds, each as `file: finding`.
fn findings(checked: &Output) -> Vec<String> {
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&checked.stdout).unwrap_or_default();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| format!("{}: {}", text(row, "file"), text(row, "finding"))).collect()
}

#[test]
fn check_never_passes_by_what_git_cannot_show_and_holds_no_large_file_in_memory() {
    let repository = Repository::new();
    repository.git(&["init", "-q"]);
    let identity =
        fs::read_to_string(repository.folder.path().join("home/.config/sops/age/keys.txt")).unwrap();
    let filler = "x".repeat(99) + "\n";
    repository.write("large.txt", filler.repeat(1_400_000) + &identity);
    repository.git(&["add", "large.txt"]);
    let mut limited = repository
        .at_home("sh", &["-c", "ulimit -v 400000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_secrets")]);
    let found = limited.args(["check", "--json"]).output().unwrap();
    assert_eq!(findings(&found), ["large.txt: an age identity stands in clear"], "{}", stderr(&found));
    // A repository that lost a file is not clean, whatever stands behind it.
    repository.write("a.txt", "what git will lose");
    repository.write("b.txt", &identity);
    repository.git(&["add", "a.txt", "b.txt"]);
    let blob = repository.at_home("git", &["hash-object", "a.txt"]).output().unwrap();
    let blob = succeeded(&blob);
    let (folder, name) = blob.trim().split_at(2);
    fs::remove_file(repository.path(".git/objects").join(folder).join(name)).unwrap();
    let lost = repository.secrets(&["check"]);
    assert_eq!(lost.status.code(), Some(2), "{}", stderr(&lost));
    assert!(stderr(&lost).contains("it lacks what is staged as `a.txt`"), "{}", stderr(&lost));
}

#[test]
fn git_gets_no_identity() {
    let repository = Repository::new();
    fs::create_dir_all(repository.path(".git")).unwrap();
    fs::create_dir_all(repository.path("bin")).unwrap();
    repository.write("bin/git", "#!/bin/sh\nexec test -z \"$SOPS_AGE_KEY$SOPS_AGE_KEY_FILE\"\n");
    fs::set_permissions(repository.path("bin/git"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"] {
        let path = format!("{}:{}", repository.path("bin").display(), std::env::var("PATH").unwrap());
        let checked = repository.command(&["check"]).env("PATH", path).env(name, "x").output().unwrap();
        assert!(checked.status.success(), "{name}: {}", stderr(&checked));
    }
}

#[test]
fn check_passes_by_nothing_that_was_named() {
    let repository = Repository::new();
    let home = repository.folder.path().join("home");
    symlink(home.join(".config/sops/age/keys.txt"), repository.path("link")).unwrap();
    symlink(&home, repository.path("folder")).unwrap();
    let mut pipe = repository.at_home("mkfifo", &["pipe"]);
    run(&mut pipe);
    let check = |name: &str| {
        let program = env!("CARGO_BIN_EXE_secrets");
        findings(&repository.at_home("timeout", &["20", program, "check", "--json", name]).output().unwrap())
    };
    assert_eq!(check("link"), ["link: an age identity stands in clear"]);
    assert_eq!(check("folder"), ["folder/.config/sops/age/keys.txt: an age identity stands in clear"]);
    assert_eq!(check("pipe"), ["pipe: it could not be read: it is no regular file"]);
    // A folder that cannot be listed, by root either: its path is longer than the system takes.
    let long = |name: &str| {
        let path = (0..12).fold(repository.path(name), |path, _| path.join("d".repeat(200)));
        fs::create_dir_all(&path).unwrap();
        path
    };
    let above = long("deep");
    long("other");
    fs::rename(repository.path("other"), above.join("other")).unwrap();
    let found = check("deep");
    assert!(matches!(&found[..], [one] if one.contains("it could not be read: ")), "{found:?}");
}

#[test]
fn a_sealed_file_is_judged_without_rules_and_rules_are_no_secret() {
    let repository = Repository::new();
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    let sealed = repository.read("secrets/a.yaml");
    let no_mac: String = sealed.split_inclusive('\n').filter(|line| !line.starts_with("    mac:")).collect();
    repository.write("secrets/b.yaml", no_mac);
    repository.write("README.md", "A value begins with `ENC[AES256_GCM,`.\n");
    let rules = repository.read(".sops.yaml");
    for text in [None, Some("creation_rules: [\n")] {
        fs::remove_file(repository.path(".sops.yaml")).unwrap();
        text.inspect(|text| repository.write(".sops.yaml", text));
        let found = findings(&repository.secrets(&["check", "--json", "."]));
        assert!(found.iter().any(|one| one.contains("b.yaml: `mac` is missing")), "{found:?}");
        let stray = found.iter().any(|one| one.contains("a.yaml: it is sealed, and no rule is for it"));
        assert_eq!(stray, text.is_none(), "{found:?}");
        assert!(!found.iter().any(|one| one.contains("README")), "{found:?}");
        repository.write(".sops.yaml", &rules);
    }
    // The rules of every YAML file are none of these; and what was deleted cannot be committed.
    repository.write(".sops.yaml", rules.replace("^secrets/", r"\.yaml$"));
    repository.git(&["init", "-q"]);
    repository.git(&["add", "."]);
    fs::remove_file(repository.path("secrets/b.yaml")).unwrap();
    let all = repository.secrets(&["check", "--all"]);
    assert!(all.status.success(), "{}{}", String::from_utf8_lossy(&all.stdout), stderr(&all));
}

//! The verbs of `secrets` beside sops itself: the same files, the same exit codes, each reads what the other wrote.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod cluster;
mod repository;

use std::fs;
use std::os::unix::fs::symlink;

use cluster::peer::{self, Peer};
use cluster::seal;
use quorate_secrets::host_key::HostKey;
use quorate_secrets::recipient::Recipient;
use repository::{Repository, YAML, stderr, succeeded};

/// One file of each store: its name, its plaintext, a path in it, and what stands there.
const STORES: [(&str, &str, &str, &str); 5] = [
    ("secrets/a.yaml", YAML, "db.users[0].password", "hunter2"),
    ("secrets/a.json", "{\n\t\"port\": 5432,\n\t\"password\": \"hunter2\"\n}\n", "password", "hunter2"),
    ("secrets/a.env", "# of the database\nPASSWORD=hunter2\nPORT=5432\n", "PASSWORD", "hunter2"),
    ("secrets/a.ini", "[db]\npassword = hunter2\nport     = 5432\n", "db.password", "hunter2"),
    ("secrets/a.bin", "any bytes\n\u{1}", "data", "any bytes\n\u{1}"),
];

#[test]
fn each_reads_and_changes_what_the_other_wrote_in_every_store() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    for (file, text, path, value) in STORES {
        let repository = Repository::new();
        // Ours, read and changed by sops.
        repository.write(file, text);
        repository.done(&["encrypt", "-i", file]);
        assert!(!repository.read(file).contains("hunter2"), "{file}");
        assert_eq!(succeeded(&repository.sops(&sops, &["decrypt", file])), text, "{file}");
        succeeded(&repository.sops(&sops, &["rotate", "-i", file]));
        assert_eq!(repository.done(&["decrypt", file]), text, "{file}");
        assert_eq!(repository.done(&["get", file, path]), value, "{file}");
        // Sops', read and changed by us.
        repository.write(file, text);
        succeeded(&repository.sops(&sops, &["encrypt", "-i", file]));
        assert_eq!(repository.done(&["decrypt", file]), text, "{file}");
        repository.set(&["set", file, path], "changed");
        let changed = succeeded(&repository.sops(&sops, &["decrypt", file]));
        assert_eq!(changed, text.replace(value, "changed"), "{file}");
        repository.done(&["rotate", file]);
        assert_eq!(succeeded(&repository.sops(&sops, &["decrypt", file])), changed, "{file}");
    }
}

#[test]
fn a_change_of_one_value_changes_its_line_and_two_of_the_section() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    let repository = Repository::new();
    // Not the indentation that we would choose.
    let rules = repository.read(".sops.yaml");
    repository.write(".sops.yaml", format!("{rules}stores:\n  yaml:\n    indent: 2\n"));
    repository.write("secrets/a.yaml", YAML);
    succeeded(&repository.sops(&sops, &["encrypt", "-i", "secrets/a.yaml"]));
    let before = repository.read("secrets/a.yaml");
    assert!(before.contains("\n  users:"), "{before}");
    repository.set(&["set", "--at", "2099-01-01T00:00:00Z", "a", "db.users[0].password"], "changed");
    let after = repository.read("secrets/a.yaml");
    let differing: Vec<&str> =
        after.lines().zip(before.lines()).filter(|(a, b)| a != b).map(|(a, _)| a.trim_start()).collect();
    assert_eq!(after.lines().count(), before.lines().count());
    let keys: Vec<&str> = differing.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(keys, ["password", "lastmodified", "mac"]);
    succeeded(&repository.sops(&sops, &["decrypt", "secrets/a.yaml"]));
}

/// What can go wrong: its name, what makes it so, and the arguments of `secrets` and of sops.
type Condition<'a> = (&'a str, &'a [&'a str], &'a [&'a str], i32);

#[test]
fn a_condition_that_sops_has_a_number_for_ends_with_that_number() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    let repository = Repository::new();
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    let sealed = repository.read("secrets/a.yaml");
    // Two values of one list exchanged would not open; a value that is gone is noticed by the checksum alone.
    let line = sealed.lines().find(|line| line.starts_with("port:")).unwrap();
    repository.write("secrets/cut.yaml", sealed.replace(&format!("{line}\n"), ""));
    repository.rules(&["age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg"]);
    repository.write("secrets/theirs.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/theirs.yaml"]);
    repository.rules(&[&repository.recipient]);
    let path = "[\"port\"]";
    let conditions: [Condition<'_>; 12] = [
        (
            "a checksum that does not fit",
            &["decrypt", "secrets/cut.yaml"],
            &["decrypt", "secrets/cut.yaml"],
            51,
        ),
        ("the same, edited", &["edit", "secrets/cut.yaml"], &["edit", "secrets/cut.yaml"], 51),
        (
            "the same, set",
            &["set", "secrets/cut.yaml", "ok"],
            &["set", "secrets/cut.yaml", "[\"ok\"]", "1"],
            51,
        ),
        ("no file", &["decrypt", "secrets/none.yaml"], &["decrypt", "secrets/none.yaml"], 100),
        ("no file to seal", &["encrypt", "secrets/none.yaml"], &["encrypt", "secrets/none.yaml"], 100),
        (
            "nobody here opens it",
            &["decrypt", "secrets/theirs.yaml"],
            &["decrypt", "secrets/theirs.yaml"],
            128,
        ),
        ("the same, edited", &["edit", "secrets/theirs.yaml"], &["edit", "secrets/theirs.yaml"], 128),
        (
            "the same, set",
            &["set", "secrets/theirs.yaml", "ok"],
            &["set", "secrets/theirs.yaml", path, "1"],
            128,
        ),
        ("nothing changed", &["edit", "secrets/a.yaml"], &["edit", "secrets/a.yaml"], 200),
        ("sealed already", &["encrypt", "secrets/a.yaml"], &["encrypt", "secrets/a.yaml"], 203),
        (
            "sealed already, in place",
            &["encrypt", "-i", "secrets/a.yaml"],
            &["encrypt", "-i", "secrets/a.yaml"],
            203,
        ),
        ("all is well", &["decrypt", "secrets/a.yaml"], &["decrypt", "secrets/a.yaml"], 0),
    ];
    for (what, ours, theirs, code) in conditions {
        let (ours, theirs) = (repository.secrets(ours), repository.sops(&sops, theirs));
        assert_eq!(theirs.status.code(), Some(code), "sops, {what}: {}", stderr(&theirs));
        assert_eq!(ours.status.code(), Some(code), "{what}: {}", stderr(&ours));
    }
    // A key for logging in that nobody can read does not hide who could open it.
    fs::create_dir_all(repository.path("../home/.ssh")).unwrap();
    fs::write(repository.path("../home/.ssh/id_rsa"), "garbage").unwrap();
    let theirs = repository.secrets(&["decrypt", "secrets/theirs.yaml"]);
    assert_eq!(theirs.status.code(), Some(128));
    let said = stderr(&theirs);
    assert!(said.contains("age1khl8") && said.contains("/.ssh/id_rsa ("), "{said}");
    fs::remove_file(repository.path("../home/.ssh/id_rsa")).unwrap();
    // The other verbs have numbers of their own.
    for verb in [
        &["get", "secrets/cut.yaml", "port"][..],
        &["view", "secrets/none.yaml"],
        &["rotate", "secrets/theirs.yaml"],
        // It is not the file that is missing. sops has no number for it.
        &["encrypt", "--config", "nowhere.yaml", ".sops.yaml"],
        &["edit", "--config", "nowhere.yaml", "secrets/new.yaml"],
    ] {
        assert_eq!(repository.secrets(verb).status.code(), Some(2), "{verb:?}");
    }
}

#[test]
fn sops_nix_opens_what_every_verb_wrote_with_the_host_key() {
    let Some(nix) = peer::find(Peer::SopsNix) else { return };
    let repository = Repository::new();
    let host = HostKey::generate("root@cp1").unwrap();
    let key = repository.folder.path().join("host_key");
    fs::write(&key, host.private_file().expose_bytes()).unwrap();
    let machine = Recipient::from_ssh_host_key(host.public_line()).unwrap().to_string();
    repository.rules(&[&repository.recipient, &machine]);
    let file = "secrets/a.yaml";
    let read = |what: &str, expected: &str| {
        let laid = seal::sops_nix(&nix, &repository.path(file), "db/password", &key);
        assert_eq!(laid.as_deref(), Some(expected.as_bytes()), "{what}");
    };
    repository.write(file, "db:\n  password: hunter2 # of the database\n");
    repository.done(&["encrypt", "-i", file]);
    read("encrypt", "hunter2");
    repository.set(&["set", file, "db.password"], "two\nlines");
    read("set", "two\nlines");
    repository.set(&["set", file, "db.list", "--json"], "[1, {\"a\": null}]");
    repository.done(&["unset", file, "db.list"]);
    read("unset", "two\nlines");
    repository.done(&["rotate", file]);
    read("rotate", "two\nlines");
    succeeded(&repository.command(&["edit", file]).env("EDITOR", "sed -i s/two/three/").output().unwrap());
    read("edit", "three\nlines");
}

#[test]
fn one_value_is_found_by_either_spelling_and_by_the_short_name_of_its_file() {
    let repository = Repository::new();
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    for path in ["db.users[0].password", "[\"db\"][\"users\"][0][\"password\"]", "['db'].users[0].password"] {
        assert_eq!(repository.done(&["get", "a", path]), "hunter2", "{path}");
    }
    assert_eq!(repository.done(&["get", "a", "port"]), "5432");
    assert_eq!(repository.done(&["get", "a", "db"]), "users:\n    - name: anna\n      password: hunter2\n");
    let json: serde_json::Value =
        serde_json::from_str(&repository.done(&["get", "a", "port", "--json"])).unwrap();
    // terraform's external data source takes strings alone.
    assert_eq!(json, serde_json::json!({ "secret": "5432" }));
    // A path is one, and never short for another.
    repository.write("secrets/secrets.yaml", repository.read("secrets/a.yaml"));
    for named in ["./secrets", "other/a", "secrets/a", ".env"] {
        let said = stderr(&repository.secrets(&["get", named, "port"]));
        assert!(said.contains(&format!("`{named}`")), "{said}");
    }
    let missing = repository.secrets(&["get", "a", "db.users[1].password"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("it leads to `db.users` and no further"), "{}", stderr(&missing));
    // A file of that name here goes first.
    repository.write("a", "not sealed");
    assert!(stderr(&repository.secrets(&["get", "a", "x"])).contains("`a` is not sealed"));
}

#[test]
fn a_value_comes_from_stdin_as_text_or_as_json_and_integers_keep_their_digits() {
    let repository = Repository::new();
    repository.set(&["set", "--create", "a", "token"], "with a line feed at its end\n");
    assert_eq!(repository.done(&["get", "a", "token"]), "with a line feed at its end");
    repository.set(&["set", "--exact", "a", "token"], "kept\n");
    assert_eq!(repository.done(&["get", "a", "token"]), "kept\n");
    repository.set(&["set", "--json", "a", "big"], "9007199254740993");
    assert_eq!(repository.done(&["get", "a", "big"]), "9007199254740993");
    repository.set(&["set", "--json", "a", "list[0].x"], "{\"y\": [true, null, 1.5]}");
    assert_eq!(
        repository.done(&["get", "a", "list"]),
        "- x:\n    \"y\":\n        - true\n        - null\n        - 1.5\n"
    );
    repository.set(&["set", "a", "list[1]"], "behind the last");
    assert_eq!(repository.done(&["get", "a", "list[1]"]), "behind the last");
    repository.done(&["unset", "a", "list[0].x.y[1]"]);
    assert_eq!(repository.done(&["get", "a", "list[0].x.y"]), "- true\n- 1.5\n");
    // An empty one was meant where it is said so.
    repository.done(&["set", "--exact", "a", "empty"]);
    assert_eq!(repository.done(&["get", "a", "empty"]), "");
    let refused = repository.secrets(&["set", "a", "token"]);
    assert!(stderr(&refused).contains("no value was given"), "{}", stderr(&refused));
    assert_eq!(repository.done(&["get", "a", "token"]), "kept\n");
    // Said again, nothing is written.
    let before = repository.read("secrets/a.yaml");
    repository.set(&["set", "a", "list[1]"], "behind the last");
    assert_eq!(repository.read("secrets/a.yaml"), before);
    for (arguments, code) in [
        (&["set", "b", "x"][..], 100),
        (&["set", "--exact", "a", "list[9]"], 2),
        (&["set", "--exact", "a", "big.deeper"], 2),
        (&["set", "--exact", "a", "sops.mac"], 2),
        (&["unset", "a", "none"], 2),
    ] {
        assert_eq!(repository.secrets(arguments).status.code(), Some(code), "{arguments:?}");
    }
    assert_eq!(repository.read("secrets/a.yaml"), before);
}

#[test]
fn an_identity_that_could_not_be_written_is_not_in_the_way_of_the_next() {
    let repository = Repository::new();
    let mut command =
        repository.at_home("sh", &["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" keygen -o me"]);
    let failed = command.arg(env!("CARGO_BIN_EXE_secrets")).output().unwrap();
    assert!(stderr(&failed).contains("could not write `"), "{}", stderr(&failed));
    repository.done(&["keygen", "-o", "me"]);
}

#[test]
fn data_that_does_not_arrive_is_an_error() {
    let repository = Repository::new();
    repository.write("secrets/a.yaml", YAML);
    for verb in [&["encrypt", "secrets/a.yaml"][..], &["completions", "bash"], &["recipients", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = repository.command(verb).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb:?}");
        assert!(stderr(&output).contains("could not write `stdout`"), "{verb:?}: {}", stderr(&output));
    }
}

#[test]
fn plaintext_comes_into_a_work_tree_by_force_alone() {
    let repository = Repository::new();
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    repository.git(&["init", "-q"]);
    let sealed = repository.read("secrets/a.yaml");
    let refused = repository.secrets(&["decrypt", "-i", "secrets/a.yaml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("git work tree"), "{}", stderr(&refused));
    assert_eq!(repository.read("secrets/a.yaml"), sealed);
    repository.done(&["decrypt", "-i", "--force", "secrets/a.yaml"]);
    assert_eq!(repository.read("secrets/a.yaml"), YAML);
    // Neither does an identity, be it by a link; and `..` leads out of the tree.
    symlink(repository.path("secrets"), repository.path("../linked")).unwrap();
    let linked = repository.secrets(&["keygen", "-o", "../linked/me"]);
    assert!(stderr(&linked).contains("it lies in the git work tree"), "{}", stderr(&linked));
    repository.done(&["keygen", "-o", "../outside/me"]);
    assert!(repository.path("../outside/me").exists());
    assert!(!repository.secrets(&["keygen", "-o", "secrets/me"]).status.success());
    assert!(!repository.path("secrets/me").exists());
}

#[test]
fn a_program_gets_the_values_and_not_what_opens_them() {
    let repository = Repository::new();
    repository.write("secrets/a.yaml", "USER_PASSWORD: hunter2\nport: 5432\nok: true\nnothing: null\n");
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    let mut command = repository.command(&["exec", "a", "--", "sh", "-c", "env; exit 7"]);
    let output = command.env("SOPS_AGE_KEY", "x").env("OTHER", "kept").output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let environment = String::from_utf8(output.stdout).unwrap();
    for line in ["USER_PASSWORD=hunter2", "port=5432", "ok=true", "nothing=", "OTHER=kept"] {
        assert!(environment.lines().any(|known| known == line), "{line}: {environment}");
    }
    assert!(!environment.contains("SOPS_AGE_KEY"));
    let pristine = repository.done(&["exec", "--pristine", "a", "--", "env"]);
    assert_eq!(pristine.lines().count(), 4, "{pristine}");
    repository.set(&["set", "--json", "a", "deep"], "{\"a\": 1}");
    assert_eq!(repository.secrets(&["exec", "a", "--", "true"]).status.code(), Some(2));
    let shown = repository.done(&["exec", "--file", "a", "--", "cat", "{}"]);
    assert!(shown.starts_with("USER_PASSWORD: hunter2\n"), "{shown}");
    assert_eq!(
        repository.secrets(&["exec", "--file", "a", "--", "sh", "-c", "test -f {} && exit 9"]).status.code(),
        Some(9)
    );
    assert_eq!(repository.secrets(&["exec", "--file", "a", "--", "cat"]).status.code(), Some(2));
}

#[test]
fn git_diff_shows_values_to_who_can_open_them_and_the_file_to_others() {
    let repository = Repository::new();
    repository.git(&["init", "-q"]);
    repository.git(&["config", "user.name", "anna"]);
    repository.git(&["config", "user.email", "anna@example.org"]);
    let program = env!("CARGO_BIN_EXE_secrets");
    repository.git(&["config", "diff.secrets.textconv", &format!("{program} diff")]);
    repository.write(".gitattributes", "secrets/** diff=secrets\n");
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    repository.git(&["add", "."]);
    repository.git(&["commit", "-qm", "first"]);
    repository.set(&["set", "a", "port"], "6000");
    let shown = succeeded(&repository.at_home("git", &["diff"]).output().unwrap());
    let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with(['-', '+'])).skip(2).collect();
    assert_eq!(lines, ["-port: 5432", "+port: \"6000\""]);
    let mut other = repository.at_home("git", &["diff"]);
    let stranger = other.env("HOME", repository.folder.path()).output().unwrap();
    assert!(
        stranger.status.success() && String::from_utf8_lossy(&stranger.stdout).contains("ENC[AES256_GCM")
    );
}

#[test]
fn a_file_of_a_gigabyte_is_refused_without_reading_it() {
    let repository = Repository::new();
    let before = "a: ENC[AES256_GCM,data:QQ==,iv:QQ==,tag:QQ==,type:str]\n";
    for (file, _, path, _) in STORES {
        repository.write(file, before);
        // Mostly a hole: it takes no room on the disk.
        fs::OpenOptions::new().write(true).open(repository.path(file)).unwrap().set_len(1 << 30).unwrap();
        for arguments in [
            &["decrypt", file][..],
            &["edit", file],
            &["encrypt", "-i", file],
            &["set", file, path],
            &["rotate", file],
            &["exec", file, "--", "true"],
            &["diff", file],
        ] {
            let mut limited = repository
                .at_home("sh", &["-c", "ulimit -v 400000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_secrets")]);
            let output = limited.args(arguments).output().unwrap();
            assert!(stderr(&output).contains("larger than 64 MiB"), "{arguments:?}: {}", stderr(&output));
            assert!(!output.status.success(), "{arguments:?}");
        }
        fs::remove_file(repository.path(file)).unwrap();
    }
}

#[test]
fn what_has_no_place_is_not_changed_in_it_and_a_sheet_is_asked_for_alone() {
    let repository = Repository::new();
    for verb in [
        &["edit", "-"][..],
        &["set", "-", "x"],
        &["unset", "-", "x"],
        &["encrypt", "-i", "-", "--filename", "secrets/a.yaml"],
        &["decrypt", "-i", "-"],
    ] {
        let output = repository.secrets(verb);
        assert_eq!(output.status.code(), Some(2), "{verb:?}");
        assert!(stderr(&output).contains("cannot change stdin"), "{verb:?}: {}", stderr(&output));
    }
    let output = repository.secrets(&["recipients", "--sheet", "add", &repository.recipient]);
    assert!(stderr(&output).contains("is asked for alone"), "{}", stderr(&output));
    repository.done(&["recipients", "--at", "2026-11-21T03:02:57Z", "list", "--json"]);
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    let repository = Repository::new();
    repository.write("secrets/plain.yaml", YAML);
    repository.write("secrets/a.yaml", YAML);
    repository.done(&["encrypt", "-i", "secrets/a.yaml"]);
    for (arguments, said) in [
        (&["edit", "secrets/plain.yaml"][..], "seal it with `secrets encrypt -i secrets/plain.yaml`"),
        (&["edit", "secrets/new.toml"], "does not say what kind of file it is to be"),
        (&["edit", "secrets/new/a.yaml"], "mkdir -p secrets/new"),
        (&["edit", "elsewhere.yaml"], "none of its rules is for `elsewhere.yaml`"),
        (
            &["decrypt", "--input-type", "toml", "secrets/a.yaml"],
            "expected one of yaml, json, dotenv, ini, binary",
        ),
        (&["get", "a", "db..x"], "a key is empty"),
        (&["decrypt", "secrets/a.yaml", "--output-type", "dotenv"], "`db`"),
        (&["encrypt", "-"], "stdin has none"),
    ] {
        let output = repository.secrets(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("hunter2"));
    }
    let nobody =
        repository.command(&["decrypt", "secrets/a.yaml"]).env("HOME", "/nonexistent").output().unwrap();
    assert!(
        stderr(&nobody).contains(&repository.recipient)
            && stderr(&nobody).contains("/nonexistent/.config/sops/age/keys.txt"),
        "{}",
        stderr(&nobody)
    );
}

//! Identities, recipients and `.sops.yaml`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use quorate_secrets::identity::Identity;

use crate::case::{Case, case, inventory, run, run_with, told};
use crate::project::{Project, machines};

const KEYS: &str = "home/.config/sops/age/keys.txt";

/// Another identity than the one that everything is sealed to.
fn stranger(project: &Project) {
    fs::remove_file(project.identity_file()).unwrap();
    let (secret, _) = Identity::generate();
    project.write(KEYS, secret.expose_bytes());
}

/// A run that has to open something, with this text as the only identity.
fn with_identity(what: &str, text: impl AsRef<[u8]>) -> Case {
    let text = text.as_ref().to_owned();
    run(what, &["gen"], move |project| {
        project.write(KEYS, &text);
        project.write("machines.nix", machines(5, ""));
    })
}

/// A command that prints an identity.
fn with_command(what: &str, command: &str, script: &'static str) -> Case {
    run_with(what, &["gen"], &[("SOPS_AGE_KEY_CMD", command)], move |project| {
        stranger(project);
        project.write("print-key", script);
        fs::set_permissions(project.path("print-key"), Permissions::from_mode(0o755)).unwrap();
        project.write("machines.nix", machines(5, ""));
    })
}

fn vector(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("secrets/tests/vectors/ssh");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Whoever runs it, and how they would open what is sealed.
pub(crate) fn identities() -> Vec<Case> {
    let mut cases = vec![
        run("nobody to seal to", &["gen"], |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
            fs::remove_file(project.identity_file()).unwrap();
        }),
        run_with(
            "nobody to seal to, where variables name places",
            &["gen"],
            &[("SOPS_AGE_KEY_FILE", "{}/nowhere.txt")],
            |project| {
                fs::remove_dir_all(project.path("certs")).unwrap();
                fs::remove_file(project.identity_file()).unwrap();
            },
        ),
        run("an identity that opens nothing here", &["gen"], |project| {
            stranger(project);
            project.write("machines.nix", machines(5, ""));
        }),
        run("no identity at all, for a kubeconfig", &["kubeconfig"], |project| {
            fs::remove_file(project.identity_file()).unwrap();
        }),
        run("an identity that opens nothing here, for files of age", &["gen"], |project| {
            project.pki(["gen", "--format", "age"]).expect(0);
            stranger(project);
            project.write("machines.nix", machines(5, ""));
        }),
        run_with(
            "a new identity where git would take it",
            &["gen", "--new-identity"],
            &[("SOPS_AGE_KEY_FILE", "{}/keys.txt")],
            |project| {
                fs::remove_dir_all(project.path("certs")).unwrap();
                fs::remove_file(project.identity_file()).unwrap();
                fs::create_dir(project.path(".git")).unwrap();
            },
        ),
        run_with(
            "a new identity, and nowhere to put it",
            &["gen", "--new-identity"],
            &[("!HOME", "")],
            |project| {
                fs::remove_dir_all(project.path("certs")).unwrap();
            },
        ),
        run("a new identity", &["gen", "--new-identity"], |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
            fs::remove_dir_all(project.path("home/.config")).unwrap();
        }),
        run("a folder for an identity", &["gen"], |project| {
            fs::remove_file(project.identity_file()).unwrap();
            fs::create_dir(project.identity_file()).unwrap();
            project.write("machines.nix", machines(5, ""));
        }),
        with_identity("an empty identity file", ""),
        with_identity("something else in it", "# a\nhunter2\n"),
        with_identity("an identity with a letter missing", "AGE-SECRET-KEY-1TYPO\n"),
        with_identity(
            "an identity of a plugin with a letter missing",
            "AGE-PLUGIN-YUBIKEY-1GKZAXQZ0DHCRU2CM2HQPH\n",
        ),
        with_identity("a post-quantum identity with letters missing", "AGE-SECRET-KEY-PQ-1ABC\n"),
        with_identity("an identity with a passphrase, cut off", "age-encryption.org/v1\n-> scrypt"),
        with_identity("bytes that are no text", b"\xff\xfe"),
        with_identity(
            "an SSH key that is damaged",
            ["-----BEGIN OPENSSH PRIV", "ATE KEY-----\nhunter2\n-----END OPENSSH PRIV", "ATE KEY-----\n"]
                .concat(),
        ),
        with_identity(
            "a key in PKCS#8",
            ["-----BEGIN PRIV", "ATE KEY-----\nhunter2\n-----END PRIV", "ATE KEY-----\n"].concat(),
        ),
        with_identity(
            "a key of another kind in PEM",
            ["-----BEGIN EC PRIV", "ATE KEY-----\nhunter2\n-----END EC PRIV", "ATE KEY-----\n"].concat(),
        ),
        with_command("a command that fails", "{}/print-key", "#!/bin/sh\nexit 3\n"),
        with_command("a command that is killed", "{}/print-key", "#!/bin/sh\nkill -9 $$\n"),
        with_command("a command that is not there", "{}/no-such-program --now", ""),
        with_command("a command with a quote too many", "{}/print-key 'now", ""),
        with_command("a command that prints something else", "{}/print-key", "#!/bin/sh\necho hello\n"),
    ];
    for (what, name) in [
        ("an SSH key with a passphrase", "id_ed25519_passphrase"),
        ("an SSH key of another kind", "id_ecdsa"),
    ] {
        cases.push(with_identity(what, vector(name)));
    }
    cases
}

/// Whom machines.nix names.
pub(crate) fn recipients() -> Vec<Case> {
    let admin = |what: &str, text: String| {
        run(what, &["gen"], move |project| {
            let admins = format!(
                "  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; admins = [ \"{text}\" ]; }};\n"
            );
            project.write("machines.nix", machines(3, &admins));
        })
    };
    vec![
        admin(
            "an admin with a letter missing",
            "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfaf".into(),
        ),
        admin(
            "an admin of a plugin",
            "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t".into(),
        ),
        admin("a post-quantum admin", "age1pq1qqqqqqqqqq".into()),
        admin("an SSH key with letters missing", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKDhXZVv".into()),
        admin("an SSH key of 1024 bits", vector("id_rsa_1024.pub").trim().to_owned()),
        run("a host key with letters missing", &["gen"], |project| {
            let given = machines(3, "").replacen(
                "10.13.13.31\";",
                "10.13.13.31\"; hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5l\";",
                1,
            );
            project.write("machines.nix", given);
        }),
        inventory(
            "what is no recipient at all",
            "{\n  cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; };\n  cluster.admins = [ \"\" \"ecdsa-sha2-nistp256 AAAA\" ];\n}\n",
        ),
    ]
}

fn without(text: &str, part: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains(part)).collect()
}

/// `.sops.yaml` beside machines.nix.
pub(crate) fn sops_yaml() -> Vec<Case> {
    let with = |what: &str, text: &'static str| {
        run(what, &["gen"], move |project| project.write(".sops.yaml", text))
    };
    let ours = |what: &str, change: fn(&str) -> String| {
        run(what, &["gen"], move |project| {
            let text = project.read(".sops.yaml");
            let changed = change(&text);
            assert_ne!(text, changed);
            project.write(".sops.yaml", changed);
        })
    };
    vec![
        with("rules in brackets", "creation_rules: [{path_regex: x, age: a}]\n"),
        with("rules in braces", "{creation_rules: null}\n"),
        with("a list", "- a\n"),
        with("a single value", "text\n"),
        with("a map for rules", "creation_rules:\n  a: b\n"),
        with("no YAML", "creation_rules: [\n"),
        with("an alias for rules", "x: &x\n  - age: a\ncreation_rules: *x\n"),
        with("an expression that does not compile", "creation_rules:\n  - path_regex: (\n"),
        ours("our first line removed", |text| without(text, "begin of rules")),
        ours("our last line removed", |text| without(text, "end of rules")),
        ours("our rules twice", |text| text.repeat(2)),
        ours("our lines in the wrong order", |text| {
            let lines: Vec<&str> = text.lines().collect();
            let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
            let (begin, end) = (at("begin of rules"), at("end of rules"));
            let mut lines = lines.clone();
            lines.swap(begin, end);
            lines.join("\n")
        }),
        ours("our very last line removed", |text| without(text, "end of last rules")),
        ours("our rules under another name", |text| {
            text.replace("creation_rules:", "other:") + "creation_rules:\n"
        }),
        ours("our rules amid another rule", |text| {
            let begin = text.find("  # quorate: begin of rules").unwrap();
            let end = text.find("end of rules\n").unwrap() + "end of rules\n".len();
            let (before, own, after) = (&text[..begin], &text[begin..end], &text[end..]);
            format!(
                "{before}  - path_regex: zzz\n{own}    age: age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\n{after}"
            )
        }),
        ours("a rule before ours that takes our files", |text| {
            text.replacen("creation_rules:\n", "creation_rules:\n  - path_regex: .*\\.yaml$\n    age: age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\n", 1)
        }),
        ours("a rule before ours that takes every file", |text| {
            text.replacen(
                "creation_rules:\n",
                "creation_rules:\n  - age: age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\n",
                1,
            )
        }),
        run("a link", &["gen"], |project| {
            fs::remove_file(project.path(".sops.yaml")).unwrap();
            symlink("home/other.yaml", project.path(".sops.yaml")).unwrap();
        }),
        case("certs/ elsewhere than below machines.nix", || {
            let project = crate::case::generated();
            fs::create_dir(project.path("inner")).unwrap();
            fs::copy(project.path("machines.nix"), project.path("inner/machines.nix")).unwrap();
            let (line, out, err) =
                told(&project, &["gen", "certs", "--inventory", "inner/machines.nix"], &[]);
            format!("{line}\n{out}{err}")
        }),
    ]
}

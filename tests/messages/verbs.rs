//! `secrets check` and `keygen`: what is about to be committed, and what git says.

use std::fs;

use base64::Engine as _;

use crate::case::{Case, own_recipient, script, secrets};
use crate::project::Project;

/// A file with a private key of every kind that is looked for. None of them is one.
fn leaks(project: &Project) {
    let pem = |kind: &str| {
        let body = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        format!("-----BEGIN {kind}PRIV{}\n{body}\n-----END {kind}PRIV{}\n", "ATE KEY-----", "ATE KEY-----")
    };
    let in_base64 = base64::engine::general_purpose::STANDARD.encode(pem(""));
    let age = format!("AGE-SECRET-{}", "KEY-1") + &"Q".repeat(58);
    let k3s = format!("K10{}::server:{}", "0a".repeat(32), "f".repeat(32));
    let token = format!("token: eyJhbGciOiJSUzI1NiIsImtpZCI6Ing{}.{}", "x".repeat(40), "y".repeat(20));
    let all = [pem(""), pem("ENCRYPTED "), in_base64, age, k3s, token];
    project.write("notes.txt", all.join("\n"));
}

/// `secrets check`.
pub(crate) fn check() -> Vec<Case> {
    let git = |what: &str, text: Option<&'static str>| {
        secrets(what, &["check"], move |project| {
            fs::create_dir(project.path(".git")).unwrap();
            text.inspect(|text| script(project, "git", text));
        })
    };
    vec![
        secrets("nothing to find", &["check", "secrets"], |_| {}),
        secrets("keys in the open", &["check", "notes.txt"], leaks),
        secrets("a secret that is not sealed", &["check", "secrets"], |project| {
            project.write("secrets/new.yaml", "a: 1\n");
        }),
        secrets("a file for others than the rules name", &["check", "secrets"], |project| {
            let own = own_recipient(project);
            let other = quorate_secrets::identity::Identity::generate().1;
            project.write(".sops.yaml", project.read(".sops.yaml").replace(&own, other.key()));
        }),
        secrets("a file that should be split", &["check", "secrets"], |project| {
            let own = own_recipient(project);
            let groups = format!(
                "creation_rules:\n  - path_regex: ^secrets/\n    key_groups:\n      - age: [{own}]\n      - age: [{own}]\n"
            );
            project.write(".sops.yaml", groups);
        }),
        secrets("a file that no rule is for", &["check", "db.yaml"], |project| {
            fs::copy(project.path("secrets/db.yaml"), project.path("db.yaml")).unwrap();
        }),
        secrets("a file that is cut off", &["check", "secrets"], |project| {
            let text = project.read("secrets/db.yaml");
            project.write("secrets/db.yaml", &text[..text.find("sops:").unwrap()]);
        }),
        secrets("rules that cannot be followed", &["check", "secrets"], |project| {
            project.write(".sops.yaml", "creation_rules: [{path_regex: ^secrets/, age: []}]\n");
        }),
        secrets("rules that cannot be read", &["check", "secrets"], |project| {
            project.write(".sops.yaml", "creation_rules: [\n");
        }),
        // The system's own, which nobody may read from its beginning: there is no other file that root cannot read.
        unreadable(),
        git("no git", None),
        git(
            "a git that lost what is staged",
            Some(
                "case \"$*\" in\n*diff*) printf ':0 100644 0 beef A\\0a.txt\\0';;\n*) read -r asked; echo \"$asked missing\";;\nesac",
            ),
        ),
        git("a git that fails", Some("exit 1")),
        git("a git that says why", Some("echo 'fatal: not a git repository' >&2; exit 128")),
    ]
}

fn unreadable() -> Case {
    let row = secrets("a file that cannot be read", &["check", "/proc/self/mem"], |_| {});
    let told = row.told;
    // As root it is the disk that refuses, and for others the mode.
    crate::case::case(&row.what, move || told().replace("input/output error", "permission denied"))
}

/// `secrets keygen`.
pub(crate) fn keygen() -> Vec<Case> {
    vec![
        secrets("a new identity", &["keygen", "-o", "home/new.txt"], |_| {}),
        secrets("a new identity where one is", &["keygen"], |_| {}),
        secrets("a new identity where git would take it", &["keygen", "-o", "keys.txt"], |project| {
            fs::create_dir(project.path(".git")).unwrap();
        }),
    ]
}

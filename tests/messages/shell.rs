//! The disk, interrupted runs, and the command line where it is ours.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use crate::case::{Case, case, generated, run, told, without_numbers};
use crate::project::{Project, machines};

const JOURNAL: &str = "certs/.gen-commit/journal.json";

/// A run that was interrupted after its commit, with this journal.
fn committed(what: &str, words: &[&str], journal: &'static str) -> Case {
    run(what, words, move |project| project.write(JOURNAL, journal))
}

/// Interrupted runs, a file in the way, another run.
pub(crate) fn disk() -> Vec<Case> {
    let nothing = "{ \"writes\": [], \"removes\": [] }";
    let words = &["gen"];
    vec![
        run("a file for the folder", words, |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
            project.write("certs", "a file");
        }),
        case("another run at work", || {
            let project = generated();
            let held = fs::File::open(project.path("certs")).unwrap();
            held.try_lock().unwrap();
            let (line, out, err) = told(&project, &["gen"], &[]);
            format!("{line}\n{out}{err}")
        }),
        committed("a run that was interrupted while it moved files", words, nothing),
        committed("the same, by `gen --dry-run`", &["gen", "--dry-run"], nothing),
        committed("the same, by `check`", &["check"], nothing),
        case("the same, by `show`", move || {
            let project = generated();
            project.write(JOURNAL, nothing);
            // What it shows, another case does.
            let (line, _, told) = told(&project, &["show", "cp1/apiserver"], &[]);
            format!("{line}\n{told}")
        }),
        run("a run that was interrupted before it changed anything", words, |project| {
            fs::create_dir(project.path("certs/.gen-new")).unwrap();
        }),
        run("the same, by `check`", &["check"], |project| {
            fs::create_dir(project.path("certs/.gen-new")).unwrap();
        }),
        run("the same, by `gen --dry-run`", &["gen", "--dry-run"], |project| {
            fs::create_dir(project.path("certs/.gen-new")).unwrap();
        }),
        committed("a journal that is none", words, "{"),
        committed(
            "a journal that leads elsewhere",
            words,
            "{ \"writes\": [ \"../home/x\" ], \"removes\": [] }",
        ),
        committed(
            "a journal of what somebody took away",
            words,
            "{ \"writes\": [ \"gone.crt\" ], \"removes\": [] }",
        ),
        run("a journal of a link", words, |project| {
            project.write(JOURNAL, "{ \"writes\": [ \"a\" ], \"removes\": [] }");
            fs::create_dir(project.path("certs/.gen-commit/tree")).unwrap();
            symlink("/etc/hostname", project.path("certs/.gen-commit/tree/a")).unwrap();
        }),
        run("a link where a folder belongs", words, |project| {
            fs::rename(project.path("certs/w1"), project.path("home/w1")).unwrap();
            symlink("../home/w1", project.path("certs/w1")).unwrap();
            fs::remove_file(project.path("home/w1/kubelet-server.crt")).unwrap();
        }),
        case("a folder that is mounted read-only", || {
            let project = generated();
            project.write("machines.nix", machines(5, ""));
            read_only(&project).unwrap_or_else(|| {
                // As a missing peer: CI must not pass it over.
                let ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "false" | "0"));
                assert!(!ci, "nothing can be mounted here; run the tests as root");
                READ_ONLY.to_owned()
            })
        }),
    ]
}

/// What is told of a folder that is mounted read-only, for where nothing can be mounted.
const READ_ONLY: &str = "\
$ pki gen (exit code 2)
error: could not create `certs/.gen-new`: read-only file system
hint: the file system is mounted read-only: work on a copy, or remount it
";

/// The run in a folder that is mounted read-only; `None` where nobody may mount.
fn read_only(project: &Project) -> Option<String> {
    let folder = project.path("certs").display().to_string();
    let mount = |words: &[&str]| {
        let quiet = Command::new("mount").args(words).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    if !mount(&["--bind", &folder, &folder]) {
        return None;
    }
    let told = mount(&["-o", "remount,bind,ro", &folder]).then(|| {
        let (line, _, err) = told(project, &["gen"], &[]);
        // The table of what would be done stands elsewhere.
        let err: Vec<&str> =
            err.lines().filter(|line| !line.starts_with("warning") && !line.contains("cp ")).collect();
        format!("{line}\n{}\n", err.join("\n"))
    });
    let mut unmount: Child = Command::new("umount").arg(&folder).spawn().unwrap();
    assert!(unmount.wait().unwrap().success());
    told
}

/// What was typed.
pub(crate) fn command_line() -> Vec<Case> {
    vec![
        run("a certificate that nobody has", &["show", "cp9/apiserver"], |_| {}),
        run("a certificate of no likeness", &["show", "grandma"], |_| {}),
        run("a certificate where there is nothing yet", &["show", "cp1/apiserver"], |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
        }),
        run("a file that is no certificate", &["show", "letter.txt"], |project| {
            project.write("letter.txt", "dear grandma");
        }),
        run("a file that is a folder", &["show", "home"], |_| {}),
        run("a file with bytes behind its certificate", &["show", "longer.crt"], |project| {
            use base64::Engine as _;
            let own = project.read("certs/ca/etcd.crt");
            let body: String = own.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
            der.push(0);
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            project.write(
                "longer.crt",
                format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"),
            );
        }),
        run("a user whom nobody knows", &["kubeconfig", "grandma"], |_| {}),
        run("a kubeconfig before `gen`", &["kubeconfig"], |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
        }),
        run("a kubeconfig of a user whose key is gone", &["kubeconfig"], |project| {
            fs::remove_file(project.path("certs/users/admin.yaml")).unwrap();
        }),
        case("what a certificate says", || {
            let project = generated();
            let shown = ["cp1/apiserver", "ca/root"].map(|name| {
                let (line, text, _) = told(&project, &["show", name], &[]);
                format!("{line}\n{}\n", without_numbers(&text))
            });
            shown.concat()
        }),
        case("times and days that are none", || {
            let project = generated();
            let typed = [
                ["gen", "--at", "tomorrow"],
                ["gen", "--at", "1900-01-01T00:00:00Z"],
                ["check", "--within", "3w"],
            ];
            let refused = typed.map(|words| {
                let run = project.pki(words).expect(2);
                format!("$ pki {} (exit code 2)\n{}", words.join(" "), run.stderr)
            });
            refused.concat()
        }),
    ]
}

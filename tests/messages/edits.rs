//! `secrets edit` and `exec`: editors, the memory that the text lies in, files that somebody else changes.

use std::fs;
use std::os::unix::fs::symlink;

use quorate::error::Error;
use quorate::secrets::edit::EditError;
use quorate::secrets::locked::LockError;

use crate::case::{
    Case, case, repository, script, secrets, secrets_command, secrets_told, secrets_with, tame, value,
};

const EDIT: &[&str] = &["edit", "secrets/db.yaml"];

/// An edit with an editor of these lines.
fn editor(what: &str, text: &'static str) -> Case {
    edited(what, "secrets/db.yaml", text)
}

/// The same of another file.
fn edited(what: &str, file: &str, text: &'static str) -> Case {
    secrets_with(what, &["edit", file], &[("EDITOR", "fake")], "", move |project| {
        script(project, "fake", text);
    })
}

/// An edit that leaves this text.
fn left(what: &str, file: &str, text: &'static str) -> Case {
    secrets_with(what, &["edit", file], &[("EDITOR", "fake")], "", move |project| {
        project.write("left", text);
        let copy = "while IFS= read -r line; do printf '%s\\n' \"$line\"; done <left >\"$1\"";
        script(project, "fake", copy);
    })
}

/// An editor that ends at once: where the machine is busy it takes a few tries to be fast enough.
fn at_once() -> Case {
    let row = editor("an editor that changes nothing", "exit 0");
    let told = row.told;
    case(&row.what, move || {
        let mut tries = (0..50).map(|_| told());
        tries.find(|told| told.contains("ended at once")).unwrap()
    })
}

/// Which editor, and what it does.
pub(crate) fn editors() -> Vec<Case> {
    let variable = |what: &str, text: &str| secrets_with(what, EDIT, &[("EDITOR", text)], "", |_| {});
    vec![
        secrets("no editor", EDIT, |_| {}),
        variable("a quote too many", "vi 'x"),
        variable("an editor that is not here", "no-such-editor"),
        secrets_with("an editor elsewhere", EDIT, &[("SOPS_EDITOR", "emacsclient")], "", |project| {
            script(project, "emacsclient", "");
        }),
        editor("an editor that fails", "exit 1"),
        editor("an editor that is killed", "kill -9 $$"),
        at_once(),
        secrets_with(
            "an editor that removes the text",
            EDIT,
            &[("EDITOR", "fake"), ("PATH", &format!("{{}}/bin:{}", std::env::var("PATH").unwrap()))],
            "",
            |project| script(project, "fake", "rm \"$1\""),
        ),
        left("a text that is no YAML", "secrets/db.yaml", "a: hunter2\nb: [\n"),
        left("a list", "secrets/db.yaml", "- a\n"),
        left("nothing", "secrets/db.yaml", ""),
        left("a key twice", "secrets/db.yaml", "a: hunter2\na: 2\n"),
        left("a number for a key", "secrets/db.yaml", "1: a\n"),
        left("an integer of thirty digits", "secrets/db.yaml", "a: 123456789012345678901234567890\n"),
        left("a section of the format's own", "secrets/db.yaml", "sops: 1\n"),
        left("a number that loses digits", "secrets/new.json", "{\"a\": 100000000000000000001}\n"),
        left("a comment above nothing", "secrets/new.ini", "[a]\nb = 1\n; the end\n"),
        edited("a new file of no kind", "secrets/new.txt", "exit 0"),
        edited("a new file in a new folder", "secrets/new/a.yaml", "exit 0"),
        edited("a new file that no rule is for", "new.yaml", "exit 0"),
        // One that is known, of which nothing is said.
        secrets_with(
            "a new file, left as it is",
            &["edit", "secrets/new.yaml"],
            &[("EDITOR", "vim")],
            "",
            |project| script(project, "vim", "exit 0"),
        ),
    ]
}

/// `secrets exec`.
pub(crate) fn programs() -> Vec<Case> {
    vec![
        secrets(
            "a program that is not there",
            &["exec", "secrets/x.yaml", "--", "no-such-program"],
            |project| {
                project.write("secrets/x.yaml", "a: 1\n");
                crate::case::secrets_done(project, &["encrypt", "-i", "secrets/x.yaml"]);
            },
        ),
        secrets("values that are nested", &["exec", "db", "--", "true"], |_| {}),
        secrets("a name that is none for a variable", &["exec", "secrets/x.yaml", "--", "true"], |project| {
            project.write("secrets/x.yaml", "a=b: 1\n");
            crate::case::secrets_done(project, &["encrypt", "-i", "secrets/x.yaml"]);
        }),
        secrets("a file without a place for it", &["exec", "--file", "db", "--", "true"], |_| {}),
        secrets(
            "a file for a program that is not there",
            &["exec", "--file", "db", "--", "no-such-program", "{}"],
            |_| {},
        ),
    ]
}

/// Who else writes.
pub(crate) fn others() -> Vec<Case> {
    let locked = |what: &str, error: fn() -> LockError| value(what, move || Error::from(error()));
    vec![
        case("another process at work", || {
            let project = repository();
            script(&project, "fake", "exit 0");
            let held = fs::File::open(project.path("secrets/db.yaml")).unwrap();
            held.try_lock().unwrap();
            let variables = [("EDITOR".to_owned(), "fake".to_owned())];
            let (line, out, err) = secrets_told(&project, EDIT, &variables, "");
            format!("{line}\n{out}{err}").replace(&std::process::id().to_string(), "4711")
        }),
        locked("another process at work that the system does not name", || LockError::Busy {
            path: "secrets/db.yaml".into(),
            pid: None,
        }),
        locked("a file that was changed meanwhile", || LockError::Changed { path: "secrets/db.yaml".into() }),
        case("a file that was changed while it was edited", || {
            let project = repository();
            // A program that knows of no lock: it writes the same values anew.
            script(&project, "fake", "printf 'a: 1\\n' >\"$1\"; mv other secrets/db.yaml");
            fs::copy(project.path("secrets/db.yaml"), project.path("other")).unwrap();
            let mut command = secrets_command(&project, EDIT);
            let output =
                command.env("EDITOR", project.path("bin/fake")).env("PATH", std::env::var("PATH").unwrap());
            let output = output.stdin(std::process::Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            let text = tame(&project.redact(&String::from_utf8(output.stderr).unwrap()));
            format!("$ secrets edit secrets/db.yaml (exit code 2)\n{text}")
        }),
        secrets_with("a link into another repository", EDIT, &[("EDITOR", "fake")], "", |project| {
            script(project, "fake", "exit 0");
            for tree in ["", "home/other/"] {
                fs::create_dir_all(project.path(format!("{tree}.git"))).unwrap();
            }
            fs::rename(project.path("secrets/db.yaml"), project.path("home/other/db.yaml")).unwrap();
            symlink("../home/other/db.yaml", project.path("secrets/db.yaml")).unwrap();
        }),
        secrets("plaintext in a git work tree", &["decrypt", "-i", "secrets/db.yaml"], |project| {
            fs::create_dir(project.path(".git")).unwrap();
        }),
    ]
}

/// Where the text cannot lie.
pub(crate) fn storage() -> Vec<Case> {
    let refused = |private: &'static str, setting: Option<&'static str>, folder: &'static str, swap: bool| {
        value("no memory for the text", move || {
            EditError::NoStorage { private: private.to_owned(), setting, folder: folder.to_owned(), swap }
                .into()
        })
    };
    let keeper =
        |what: &str, why: &'static str| value(what, move || EditError::Keeper(why.to_owned()).into());
    vec![
        refused(
            "to make a namespace: the limit on them is reached",
            Some("user.max_user_namespaces=0"),
            "what is on a tmpfs may be swapped out (`/swapfile`)",
            true,
        ),
        refused("to make mounts private: operation not permitted", None, "no tmpfs here to write to", false),
        refused("to mount a ramfs: operation not permitted", None, "no tmpfs here to write to", false),
        refused("what was mounted is no ramfs", None, "no tmpfs here to write to", false),
        refused(
            "/proc/self/uid_map cannot be written: operation not permitted",
            Some("kernel.apparmor_restrict_unprivileged_userns=1"),
            "no tmpfs here to write to",
            false,
        ),
        refused(
            "this system has no mount namespaces",
            None,
            "what is on a tmpfs may be swapped out (`/proc/swaps` cannot be read)",
            true,
        ),
        keeper("no folder for the text", "no folder for it could be made: no space left on device"),
        keeper("no room for the text", "the text could not be laid down: no space left on device"),
        keeper("an editor that could not be started", "it could not be run: cannot allocate memory"),
        keeper("an answer that is none", "the process that kept it gave no answer that makes sense"),
        keeper("the process with the text was killed", "the process that kept it was killed"),
    ]
}

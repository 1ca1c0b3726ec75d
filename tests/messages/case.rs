//! What a case is: what a person did, and what `pki` or `secrets` told them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use quorate::error::Error;

use crate::project::{Project, changed, machines};

/// The time that every run takes for now.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";

/// One row of a section.
pub(crate) struct Case {
    /// What was done, in a few words.
    pub(crate) what: String,
    /// Does it, and gives what was told.
    pub(crate) told: Box<dyn Fn() -> String + Send + Sync>,
}

/// An inventory as machines.nix, and what is said about it alone.
pub(crate) fn inventory(what: &str, text: impl AsRef<[u8]>) -> Case {
    inventory_file(what, "machines.nix", text.as_ref(), &[])
}

/// An inventory under another name, with more arguments.
pub(crate) fn inventory_file(what: &str, name: &str, text: &[u8], more: &[&str]) -> Case {
    let (name, text) = (name.to_owned(), text.to_owned());
    let more: Vec<String> = more.iter().map(|&word| word.to_owned()).collect();
    case(what, move || {
        let project = Project::new("{ }");
        project.write(&name, &text);
        let words = ["check", "--inventory", &name].into_iter().chain(more.iter().map(String::as_str));
        let (line, _, told) = told(&project, &words.collect::<Vec<_>>(), &[]);
        // What is missing in certs/ has its own section.
        let end = told.lines().take_while(|line| !line.ends_with(" findings")).count();
        let told: Vec<&str> = told.lines().take(end).collect();
        format!("{line}\n{}\n", told.join("\n"))
    })
}

/// A run in a copy of a small generated cluster, after `change`.
pub(crate) fn run(what: &str, words: &[&str], change: impl Fn(&Project) + Send + Sync + 'static) -> Case {
    run_with(what, words, &[], change)
}

/// [`run`] with variables in its environment; `{}` in one stands for the project's folder.
pub(crate) fn run_with(
    what: &str,
    words: &[&str],
    variables: &[(&str, &str)],
    change: impl Fn(&Project) + Send + Sync + 'static,
) -> Case {
    let own = |word: &&str| (*word).to_owned();
    let words: Vec<String> = words.iter().map(own).collect();
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| (own(name), own(value))).collect();
    case(what, move || {
        let project = generated();
        change(&project);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (line, out, err) = told(&project, &words, &variables);
        format!("{line}\n{out}{err}")
    })
}

/// What no run brings about: no random numbers, a full disk, a library that refuses. Told as `pki` tells it.
pub(crate) fn value(what: &str, error: impl Fn() -> Error + Send + Sync + 'static) -> Case {
    case(what, move || format!("(no run)\n{}", tame(&quorate::report::told(&error()))))
}

/// Anything else that gives a text.
pub(crate) fn case(what: &str, told: impl Fn() -> String + Send + Sync + 'static) -> Case {
    Case { what: what.to_owned(), told: Box::new(told) }
}

/// The run's command line with its exit code, stdout, stderr. A run that fails writes nothing, whatever it says.
pub(crate) fn told(
    project: &Project,
    words: &[&str],
    variables: &[(String, String)],
) -> (String, String, String) {
    let mut command = project.command(words);
    if !words.contains(&"--at") {
        command.args(["--at", NOW]);
    }
    told_by(project, command, &format!("pki {}", words.join(" ")), variables, "")
}

/// The same for `secrets`, with this on its standard input.
pub(crate) fn secrets_told(
    project: &Project,
    words: &[&str],
    variables: &[(String, String)],
    input: &str,
) -> (String, String, String) {
    told_by(
        project,
        secrets_command(project, words),
        &format!("secrets {}", words.join(" ")),
        variables,
        input,
    )
}

/// `secrets`, with nothing of the caller's environment.
pub(crate) fn secrets_command(project: &Project, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secrets"));
    command.args(["--at", NOW]).args(words).current_dir(project.root()).env_clear();
    command.env("HOME", project.path("home"));
    command
}

pub(crate) fn told_by(
    project: &Project,
    mut command: Command,
    line: &str,
    variables: &[(String, String)],
    input: &str,
) -> (String, String, String) {
    let before = project.tree("");
    // No `nix`, and nothing else that one machine has and another has not.
    command.env("PATH", project.path("bin"));
    for (name, value) in variables {
        command.env(name, value.replace("{}", &project.root().display().to_string()));
    }
    if variables.iter().any(|(name, _)| name == "!HOME") {
        command.env_remove("HOME");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who reads no input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let code = status.code().unwrap_or(-1);
    let text = |bytes: Vec<u8>| tame(&project.redact(&String::from_utf8_lossy(&bytes)));
    let line = format!("$ {} (exit code {code})", tame(line).trim_end());
    let (out, err) = (text(stdout), text(stderr));
    if code > 1 {
        let written = changed(&before, &project.tree(""));
        assert_eq!(written, Vec::<String>::new(), "{line} failed and wrote");
    }
    match err.find("error: ").filter(|at| code > 1 && (*at == 0 || err[..*at].ends_with('\n'))) {
        // What would have been done, and the warnings before it, have a section of their own.
        Some(at) => (line, String::new(), err[at..].to_owned()),
        None => (line, out, err),
    }
}

/// A run of `secrets` in a copy of a small repository, after `change`: rules for one person below `secrets/`, their
/// identity, `secrets/db.yaml` sealed to it.
pub(crate) fn secrets(what: &str, words: &[&str], change: impl Fn(&Project) + Send + Sync + 'static) -> Case {
    secrets_with(what, words, &[], "", change)
}

/// [`secrets`] with variables in its environment and a text on its standard input.
pub(crate) fn secrets_with(
    what: &str,
    words: &[&str],
    variables: &[(&str, &str)],
    input: &str,
    change: impl Fn(&Project) + Send + Sync + 'static,
) -> Case {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let variables: Vec<(String, String)> =
        variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let input = input.to_owned();
    case(what, move || {
        let project = repository();
        change(&project);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (line, out, err) = secrets_told(&project, &words, &variables, &input);
        format!("{line}\n{out}{err}")
    })
}

/// What [`secrets`] begins with. In the file are a text, a number, a list and a map.
pub(crate) fn repository() -> Project {
    static FIRST: OnceLock<Project> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let project = Project::new("{ }");
        let recipient = secrets_done(&project, &["keygen"]).trim().to_owned();
        project.write(".sops.yaml", rules_for(&recipient));
        project.write("secrets/db.yaml", "password: hunter2\nport: 5432\nlist:\n    - one\nmap:\n    a: b\n");
        secrets_done(&project, &["encrypt", "-i", "secrets/db.yaml"]);
        project
    });
    let copy = Project::new("");
    copy_below(first.root(), copy.root());
    copy
}

/// Rules that seal what is below `secrets/` to these.
pub(crate) fn rules_for(recipients: &str) -> String {
    format!("creation_rules:\n  - path_regex: ^secrets/\n    age: {recipients}\n")
}

/// The recipient of the repository's person, as its rules have it.
pub(crate) fn own_recipient(project: &Project) -> String {
    let rules = project.read(".sops.yaml");
    rules.split_once("age: ").unwrap().1.trim().to_owned()
}

/// A run that must go well, and its stdout.
pub(crate) fn secrets_done(project: &Project, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = secrets_command(project, words).output().unwrap();
    assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A program of a few lines of shell, alone on PATH.
pub(crate) fn script(project: &Project, name: &str, text: &str) {
    let name = format!("bin/{name}");
    project.write(&name, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(project.path(&name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// What is random or measured, at its fixed name.
pub(crate) fn tame(text: &str) -> String {
    let mut out = text.to_owned();
    for (start, name, length) in [("age1", "age1...", 62), ("ssh-ed25519 AAAA", "ssh-ed25519 AAAA...", 80)] {
        let mut from = 0;
        while let Some(at) = out[from..].find(start).map(|at| from + at) {
            let body = &out[at + start.len()..];
            let end = at
                + start.len()
                + body
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/')
                    .unwrap_or(body.len());
            let whole = end - at == length;
            out.replace_range(
                at..if whole { end } else { at + start.len() },
                if whole { name } else { start },
            );
            from = at + if whole { name.len() } else { start.len() };
        }
    }
    out.lines().map(|line| measured(line) + "\n").collect()
}

/// Hexadecimal of serial numbers and hashes, at its fixed name.
pub(crate) fn without_numbers(text: &str) -> String {
    let is_hex = |word: &str| word.len() >= 16 && word.chars().all(|c| c.is_ascii_hexdigit());
    let word = |word: &str| if is_hex(word) { "[hex]".to_owned() } else { word.to_owned() };
    text.split_inclusive([' ', '\n'])
        .map(|part| {
            let body = part.trim_end();
            word(body) + &part[body.len()..]
        })
        .collect()
}

/// `31 ms` and `2.4 s` in the line that says what a run did.
fn measured(line: &str) -> String {
    match line.split_once(" handshakes tried; ") {
        Some((before, _)) => format!("{before} handshakes tried; [time], and [time] for the disk"),
        None => line.to_owned(),
    }
}

/// A copy of three masters, a worker and a router with everything made: one `gen` for all the copies.
pub(crate) fn generated() -> Project {
    static FIRST: OnceLock<Project> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let project = Project::new(&machines(3, ""));
        project.pki(["gen", "--new-identity", "--at", NOW]).expect(0);
        project
    });
    let copy = Project::new("");
    copy_below(first.root(), copy.root());
    copy
}

fn copy_below(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_below(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

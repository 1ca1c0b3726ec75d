//! Every command of the README, run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault ends the test")]

mod project;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use project::Project;

/// How the README calls `pki` where nothing is installed.
const FROM_SOURCE: &str = "cargo run --release -- ";
/// The one command for tests; `.ci/run` calls it in its parts.
const TESTS: &str = "tests/peers/install && cargo test --workspace";

fn repository(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The indented lines of the README that begin with a command, without their comments.
fn commands() -> Vec<String> {
    let readme = repository("README.md");
    let lines = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = lines.map(|line| line.split("  #").next().unwrap_or(line).trim());
    let known = ["pki ", "cargo ", "tests/", "secrets ", "deploy ", "nix ", "git ", "mkdir "];
    commands.filter(|line| known.iter().any(|start| line.starts_with(start))).map(ToOwned::to_owned).collect()
}

fn run(project: &Project, arguments: &str) {
    let words: Vec<&str> = arguments.split(' ').filter(|word| !word.is_empty()).collect();
    project.pki(words).expect(0);
}

#[test]
fn every_command_of_the_readme_works_in_the_order_in_which_it_is_read() {
    let project = Project::new(&repository("machines.nix"));
    let commands = commands();
    let from_source: Vec<&str> = commands.iter().filter_map(|line| line.strip_prefix(FROM_SOURCE)).collect();
    let installed: Vec<&str> = commands.iter().filter_map(|line| line.strip_prefix("pki ")).collect();
    assert!(from_source.len() >= 5 && installed.len() >= 4, "{commands:?}");
    assert_eq!(from_source[0], "gen certs/ --new-identity", "the main job comes first");
    for arguments in from_source.iter().chain(&installed).filter(|line| !line.contains("--adopt")) {
        run(&project, arguments);
    }
    // Into a folder that is yet to be made, an authority that there is: the one of the example.
    for arguments in installed.iter().filter(|line| line.contains("--adopt")) {
        let (certificate, key) = (project.read("certs/ca/root.crt"), project.read("certs/ca/root.yaml"));
        let adopting = Project::new(&repository("machines.nix"));
        adopting.write("ca.crt", certificate);
        adopting.write("ca.key", key);
        adopting.write("home/.config/sops/age/keys.txt", fs::read(project.identity_file()).unwrap());
        run(&adopting, arguments);
        assert_eq!(adopting.read("certs/ca/root.crt"), project.read("certs/ca/root.crt"));
    }
    keep_secrets(&project, &commands);
    deploy_machines(&project, &commands);
    let others: Vec<&String> = commands
        .iter()
        .filter(|line| !line.starts_with(FROM_SOURCE) && !line.starts_with("pki ") && *line != TESTS)
        .filter(|line| !is_for_secrets(line) && !line.starts_with("deploy "))
        .collect();
    assert!(others.is_empty(), "no test runs {others:?}");
}

fn is_for_secrets(line: &str) -> bool {
    ["secrets ", "mkdir ", "git "].iter().any(|start| line.starts_with(start))
}

/// The commands about machines, with stand-ins for the programs that touch them: every machine runs NixOS.
fn deploy_machines(project: &Project, commands: &[String]) {
    run(project, "modules modules/");
    for machine in ["cp1", "cp2", "cp3", "worker1", "worker2"] {
        project.write(&format!("hosts/{machine}.nix"), "{ }\n");
    }
    for (name, text) in [("ssh", "echo ID=nixos"), ("nixos-rebuild", "exit 0")] {
        project.write(&format!("stand-ins/{name}"), format!("#!/bin/sh\n{text}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(project.path(format!("stand-ins/{name}")), mode).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", project.path("stand-ins").display());
    // The README has said so by then, and what git does not know is not deployed.
    let added = std::process::Command::new("git").args(["add", "--all"]).current_dir(project.root()).status();
    assert!(added.unwrap().success());
    let lines: Vec<&str> = commands.iter().filter_map(|line| line.strip_prefix("deploy ")).collect();
    assert!(lines.len() >= 2, "{commands:?}");
    for line in lines {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_deploy"));
        command.args(line.split_whitespace()).current_dir(project.root()).env_clear();
        command.env("HOME", project.path("home")).env("PATH", &path);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The commands about secrets, as a person types them, in the repository that `pki gen` filled.
fn keep_secrets(project: &Project, commands: &[String]) {
    let programs = Path::new(env!("CARGO_BIN_EXE_secrets")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(programs.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let shell = |line: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", line]).current_dir(project.root()).env_clear().env("HOME", project.path("home"));
        // A person who writes one value, and types another where one is asked for.
        command.env("PATH", &path).env("EDITOR", "sed -i s/example:.*/user:/");
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(b"hunter2\n");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    project.write(".gitignore", "home/\n");
    shell("git init -q");
    let lines: Vec<&String> = commands.iter().filter(|line| is_for_secrets(line)).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    for line in lines {
        let shown = shell(line);
        if line.starts_with("secrets get") {
            assert_eq!(shown, "hunter2");
        }
    }
}

#[test]
fn ci_runs_the_readmes_test_command() {
    let (install, tests) = TESTS.split_once(" && ").unwrap();
    let ci = repository(".ci/run");
    assert!(commands().iter().any(|line| line == TESTS), "the README names it");
    assert!(ci.contains(install) && ci.contains(tests), "{ci}");
}

#[test]
fn the_example_inventory_has_neither_errors_nor_warnings() {
    let project = Project::new(&repository("machines.nix"));
    let run = project.pki(["gen", "--dry-run"]).expect(1);
    assert_eq!(run.stderr, "");
}

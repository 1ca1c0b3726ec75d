//! Every command of the README, run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault ends the test")]

mod project;

use std::fs;
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
    let known = ["pki ", "cargo ", "tests/", "secrets ", "deploy ", "nix ", "git "];
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
    let others: Vec<&String> = commands
        .iter()
        .filter(|line| !line.starts_with(FROM_SOURCE) && !line.starts_with("pki ") && *line != TESTS)
        .collect();
    assert!(others.is_empty(), "no test runs {others:?}");
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

//! What must not change with size: however many threads there are, however few files a process may have open.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod project;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use project::Project;

/// Three masters and so many workers that every parallel step has more to do than it has threads.
fn machines(workers: usize) -> String {
    let mut text = "{\n".to_owned();
    let parts = "interface = \"ens18\"; disk = \"/dev/disk/by-id/x\"; kubernetes.enable = true;";
    for n in 1..=3 {
        writeln!(text, "  cp{n} = {{ ip = \"10.13.13.{n}\"; etcd.enable = true; {parts} }};").unwrap();
    }
    for n in 1..=workers {
        writeln!(text, "  worker{n} = {{ ip = \"10.13.13.{}\"; master = false; {parts} }};", n + 10).unwrap();
    }
    text + "  kubeMaster = { ip = \"10.13.14.10\"; gateway = \"10.13.13.254\"; };\n  \
            cluster = { name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; };\n}\n"
}

/// What is random or told by the clock, out of the manifest: serials, keys, hashes, host keys, recipients.
fn structure(project: &Project) -> String {
    let mut manifest: serde_json::Value = serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
    blank(&mut manifest);
    serde_json::to_string_pretty(&manifest).unwrap()
}

fn blank(value: &mut serde_json::Value) {
    const MADE: &[&str] =
        &["serial", "publicKey", "serviceAccount", "sha256", "hostKey", "recipient", "recipients", "admins"];
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                if MADE.contains(&name.as_str()) {
                    // How many readers there are is no chance.
                    *field = field.as_array().map_or(0, Vec::len).into();
                } else {
                    blank(field);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// Everything that a run says and makes, without what is random.
struct Made {
    said: String,
    structure: String,
    names: Vec<String>,
    rules: String,
    /// The entries of each sealed file, in its order.
    entries: BTreeMap<String, Vec<String>>,
}

fn with_threads(threads: usize) -> (Project, Made) {
    let project = Project::new(&machines(150));
    let at = "2026-11-21T12:00:00Z";
    let run = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        let output = command.env("RAYON_NUM_THREADS", threads.to_string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut said = run(&["gen", "certs", "--new-identity", "--at", at]);
    project.write("machines.nix", machines(41).replace("10.13.13.30", "10.13.13.130"));
    said += &run(&["gen", "certs", "--at", at]);
    let tree = project.tree("certs");
    let top = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let names = text.lines().filter(|line| !line.starts_with([' ', '#']));
        names.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
    };
    let sealed = tree.iter().filter(|(path, _)| path.ends_with("keys.yaml"));
    let entries = sealed.map(|(path, bytes)| (path.clone(), top(bytes))).collect();
    let rules = project.read(".sops.yaml");
    let rules = rules.lines().filter(|line| !line.trim_start().starts_with("age1"));
    let made = Made {
        said,
        structure: structure(&project),
        names: tree.keys().cloned().collect(),
        rules: rules.collect::<Vec<_>>().join("\n"),
        entries,
    };
    (project, made)
}

#[test]
fn what_is_written_and_said_does_not_depend_on_the_number_of_threads() {
    let ((_one, one), (_four, four)) = (with_threads(1), with_threads(4));
    assert!(one.said.lines().count() > 80, "{}", one.said);
    assert_eq!(one.said, four.said);
    assert_eq!(one.structure, four.structure);
    assert_eq!(one.names, four.names);
    assert_eq!(one.rules, four.rules);
    assert_eq!(one.entries, four.entries);
}

#[test]
fn a_process_that_may_have_few_files_open_writes_as_many_as_any() {
    let project = Project::new(&machines(150));
    let pki = env!("CARGO_BIN_EXE_pki");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 48 && exec \"$0\" gen certs --new-identity", pki]);
    let output = shell.current_dir(project.root()).env("HOME", project.path("home")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(project.tree("certs").len() > 300);
    project.pki(["check", "certs"]).expect(0);
}

//! `pki modules`: what is emitted for each of a dozen clusters, and what becomes of a folder that has modules already.
//!
//! The goldens stand beside each inventory below `tests/modules/`; `QUORATE_WRITE_GOLDENS=1` writes them anew, and git
//! shows what changed. The repository's own example is one of them: its modules stand in `modules/`.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod project;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use project::Project;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every case: its name, its inventory, and the folder of its golden modules.
fn cases() -> Vec<(String, PathBuf, PathBuf)> {
    let folder = root().join("tests/modules");
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| {
            let case = folder.join(&name);
            (name, case.join("machines.nix"), case.join("modules"))
        })
        .collect();
    cases.push(("example".to_owned(), root().join("machines.nix"), root().join("modules")));
    cases.sort();
    assert!(cases.len() > 8, "{cases:?}");
    cases
}

/// A repository with certificates for this inventory.
fn generated(case: &str, machines: &str) -> Project {
    let project = Project::new(machines);
    let format = if case == "agenix" { "age" } else { "sops" };
    project.pki(["gen", "certs", "--format", format, "--new-identity"]).expect(0);
    project
}

fn emitted(project: &Project) -> BTreeMap<String, String> {
    texts(&project.path("modules"))
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn each_cluster_has_the_modules_that_are_kept_beside_its_inventory() {
    let write = std::env::var_os("QUORATE_WRITE_GOLDENS").is_some();
    let mut differ = Vec::new();
    for (case, machines, golden) in cases() {
        let project = generated(&case, &fs::read_to_string(machines).unwrap());
        project.pki(["modules", "modules"]).expect(0);
        let found = emitted(&project);
        if write {
            let _ = fs::remove_dir_all(&golden);
            fs::create_dir_all(&golden).unwrap();
            for (name, text) in &found {
                fs::write(golden.join(name), text).unwrap();
            }
        }
        let expected = texts(&golden);
        let names = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{case}");
        differ.extend(found.iter().filter(|(name, text)| expected[*name] != **text).map(|(name, _)| format!("{case}/{name}")));
    }
    assert!(differ.is_empty(), "{differ:?}: QUORATE_WRITE_GOLDENS=1 writes them anew, git diff shows how they differ");
}

#[test]
fn every_emitted_file_is_as_nixfmt_leaves_it() {
    for (case, _, golden) in cases() {
        for (name, text) in texts(&golden).iter().filter(|(name, _)| name.ends_with(".nix")) {
            let formatted = nixfmt_rs::format(text).unwrap_or_else(|error| panic!("{case}/{name}: {error:?}"));
            if formatted != *text {
                let line = formatted.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or_default();
                let show = |text: &str| text.lines().skip(line.saturating_sub(2)).take(8).collect::<Vec<_>>().join("\n");
                panic!("{case}/{name}:{line}\n--- nixfmt\n{}\n--- emitted\n{}", show(&formatted), show(text));
            }
        }
    }
}

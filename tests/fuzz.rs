//! What is fuzzed is what is built, and what is committed for it stays small.
#![expect(clippy::unwrap_used, reason = "a fault ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The largest input: a manifest of a whole cluster. Others have 4 KiB at most, as `tests/fuzz/run --merge` takes them.
const MOST_BYTES: u64 = 16 << 10;
/// All inputs together: git keeps them for ever.
const MOST_IN_ALL: u64 = 2 << 20;

fn fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(path)
}

/// The versions of every crate of a lock file.
fn versions(lock: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(lock).unwrap();
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    let mut name = "";
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value;
        } else if let Some(value) = line.strip_prefix("version = ") {
            versions.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
    }
    versions
}

#[test]
fn the_crates_that_are_fuzzed_are_those_that_are_built() {
    let built = versions(&fuzz("../../Cargo.lock"));
    let fuzzed = versions(&fuzz("Cargo.lock"));
    let mut shared = 0;
    for (name, fuzzed) in &fuzzed {
        if let Some(built) = built.get(name) {
            assert!(
                fuzzed.is_subset(built),
                "{name}: {fuzzed:?} is fuzzed and {built:?} built: `cargo update -p`"
            );
            shared += 1;
        }
    }
    assert!(shared > 150, "{shared} crates");
}

#[test]
fn every_target_has_its_place_everywhere() {
    let has = |path: &str, what: &str| fs::read_to_string(fuzz(path)).unwrap().contains(what);
    let targets = fs::read_dir(fuzz("targets")).unwrap();
    let names: Vec<String> = targets
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    let run = fs::read_to_string(fuzz("run")).unwrap();
    let all = run.lines().find_map(|line| line.strip_prefix("all='")?.strip_suffix('\'')).unwrap();
    assert_eq!(all.split(' ').collect::<BTreeSet<_>>(), names.iter().map(String::as_str).collect());
    for name in names {
        assert!(has("Cargo.toml", &format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
        assert!(has("README.md", &format!("| `{name}` |")), "{name}");
        assert!(fs::read_dir(fuzz("corpus").join(&name)).unwrap().count() > 50, "{name}");
    }
}

#[test]
fn the_corpus_is_small() {
    let mut total = 0;
    for folder in fs::read_dir(fuzz("corpus")).unwrap().map(|entry| entry.unwrap().path()) {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let size = entry.metadata().unwrap().len();
            assert!(size <= MOST_BYTES, "{} has {size} bytes", entry.path().display());
            total += size;
        }
    }
    assert!(total <= MOST_IN_ALL, "{total} bytes in all");
}

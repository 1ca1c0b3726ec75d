//! What the architecture promises about the source itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault ends the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below a folder of the repository.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

fn all() -> Vec<(PathBuf, String)> {
    ["src", "pki/src", "secrets/src"].into_iter().flat_map(sources).collect()
}

/// The files that name a crate, as paths below the repository.
fn users(of: &str, among: &[(PathBuf, String)]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names =
        |text: &str| text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(of));
    let mut users: Vec<String> = among
        .iter()
        .filter(|(_, text)| names(text))
        .map(|(path, _)| path.strip_prefix(root).unwrap().display().to_string())
        .collect();
    users.sort();
    users
}

#[test]
fn each_library_is_met_in_its_one_place() {
    let all = all();
    for (of, places) in [
        ("rcgen::", &["pki/src/issue.rs", "pki/src/key.rs"][..]),
        ("x509_parser::", &["pki/src/facts.rs"]),
        ("webpki::", &["pki/src/judge.rs"]),
        ("x509_cert::", &["pki/src/adopt/strict.rs"]),
        ("pkcs8::", &["pki/src/foreign_key.rs"]),
        ("sec1::", &["pki/src/foreign_key.rs"]),
        (
            "clap::",
            &[
                "src/cli.rs",
                "src/deploy/cli.rs",
                "src/deploy/mod.rs",
                "src/lib.rs",
                "src/secrets/cli.rs",
                "src/secrets/later.rs",
                "src/secrets/mod.rs",
            ],
        ),
        ("indicatif::", &["src/report.rs"]),
        ("io::stderr()", &["src/report.rs"]),
        ("io::stdout()", &["src/report.rs"]),
        ("serde_yaml::", &["secrets/src/rules/read.rs"]),
        ("aes_gcm::", &["secrets/src/sops/cipher.rs"]),
    ] {
        assert_eq!(users(of, &all), places, "{of}");
    }
}

#[test]
fn nix_that_people_read_is_as_nixfmt_leaves_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = ["hosts", "modules", "nix", "templates", "tests/flake", "tests/nixos"]
        .map(|name| root.join(name))
        .to_vec();
    let mut files = vec![root.join("flake.nix"), root.join("machines.nix")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "nix") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 20, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let formatted =
            nixfmt_rs::format(&text).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert_eq!(formatted, text, "{}", path.display());
    }
}

#[test]
fn neither_core_crate_knows_the_other() {
    assert_eq!(users("quorate_secrets", &sources("pki/src")), Vec::<String>::new());
    assert_eq!(users("quorate_pki", &sources("secrets/src")), Vec::<String>::new());
}

#[test]
fn no_source_file_outgrows_its_name() {
    for (path, text) in all() {
        assert!(text.lines().count() <= 460, "{} has {} lines", path.display(), text.lines().count());
    }
}

/// Every file of the repository that stands below no `tests`; what is built, and the example's own PKI, aside.
fn outside_of_tests() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let aside = [".git", "target", "tests", "certs"];
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if !path.is_dir() {
                found.push(path);
            } else if !path.file_name().is_some_and(|name| aside.iter().any(|aside| name == *aside)) {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn no_private_key_lies_outside_of_the_tests() {
    let files = outside_of_tests();
    assert!(files.len() > 150, "{} files", files.len());
    for path in files {
        let found = quorate_secrets::scan::scan(&fs::read(&path).unwrap());
        assert_eq!(found.into_iter().filter(|found| found.kind.is_leak()).count(), 0, "{}", path.display());
    }
}

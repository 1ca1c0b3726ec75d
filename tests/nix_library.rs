//! `lib` against nixpkgs' own: what nixpkgs said is recorded beside each expression, so that the comparison needs
//! neither `nix` nor a nixpkgs; where there are both, the record itself is compared with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers"
)]

mod cluster;
#[path = "nix/peer.rs"]
mod peer;

use peer::{Nix, skipped};
use quorate::nix::{ErrorKind, Evaluator, evaluate};
use serde_json::Value as Json;

/// Expressions over `lib` and what nixpkgs' `lib` makes of them; `None` is an error.
fn recorded() -> Vec<(&'static str, Option<Json>)> {
    let record = |line: &'static str| {
        let (expression, result) = line.split_once("  #=> ").expect("an expression and its result");
        (expression, (result != "error").then(|| serde_json::from_str(result).expect("a result in JSON")))
    };
    include_str!("nix/lib.txt").lines().map(record).collect()
}

#[test]
fn each_function_of_lib_is_its_namesake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("machines.nix");
    let mut unknown = Vec::new();
    for (expression, expected) in recorded() {
        // Wrapped, so that any value can be a result.
        std::fs::write(&file, format!("{{ lib, ... }}: [ ({expression}) ]")).unwrap();
        match (evaluate(&file, Evaluator::Builtin), expected) {
            (Ok((node, _)), Some(expected)) => {
                assert_eq!(node.to_json(), Json::from(vec![expected]), "{expression}");
            }
            (Err(error), _) if error.kind == ErrorKind::Unknown => unknown.push(expression),
            (Err(_), None) => {}
            (ours, expected) => panic!("{expression}: {ours:?}, expected {expected:?}"),
        }
    }
    let allowed = [
        "nonexistent",
        "mkDefault",
        "mkIf",
        "types",
        "toInt",
        "escapeShellArg",
        "versionAtLeast",
        "isStorePath",
        "mkMerge",
        "recurseIntoAttrs",
    ];
    unknown.retain(|expression| !allowed.iter().any(|name| expression.contains(name)));
    assert!(unknown.is_empty(), "not known: {unknown:#?}");
}

#[test]
fn the_record_is_what_nixpkgs_says() {
    let Some(nix) = Nix::find() else { return };
    let all: Vec<String> = recorded().iter().map(|(expression, _)| (*expression).to_owned()).collect();
    let expression = |list: &[String]| format!("let lib = import <nixpkgs/lib>; in [ {} ]", list.join(" "));
    if nix.eval("--expr", "builtins.pathExists <nixpkgs/lib>").is_err() {
        skipped("no nixpkgs in NIX_PATH, and no package registry has one");
        return;
    }
    let (good, results): (Vec<String>, Vec<Json>) = recorded()
        .into_iter()
        .filter_map(|(expression, result)| Some((format!("({expression})"), result?)))
        .unzip();
    assert!(good.len() * 10 > all.len() * 9, "most expressions have a value");
    let theirs = nix.eval("--expr", expression(&good)).unwrap();
    assert_eq!(theirs, Json::from(results));
}

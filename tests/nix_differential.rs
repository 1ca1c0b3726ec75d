//! The built-in evaluator against the real `nix`: equal JSON, or a refusal by name; an error where `nix` has one.

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

use std::path::Path;

use peer::Nix;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quorate::nix::{ErrorKind, Evaluator, evaluate};
use serde_json::Value as Json;

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Equal,
    BothRefuse,
    /// Ours said by name what it does not know; `nix` may do as it likes.
    NotKnown,
}

fn ours(file: &Path) -> Result<Json, (ErrorKind, String)> {
    match evaluate(file, Evaluator::Builtin) {
        Ok((node, _)) => Ok(node.to_json()),
        Err(error) => {
            assert!(!error.faults.is_empty(), "an error that says nothing");
            Err((error.kind, error.to_string()))
        }
    }
}

/// Compares on one expression; `Err` is a difference.
fn compare(nix: &Nix, name: &str, text: &str) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{name}.nix"));
    std::fs::write(&file, text).unwrap();
    match (ours(&file), nix.eval("--file", &file)) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(Outcome::Equal),
        (Err((ErrorKind::Unknown, _)), _) => Ok(Outcome::NotKnown),
        (Err(_), Err(_)) => Ok(Outcome::BothRefuse),
        (ours, theirs) => Err(format!("--- {text}\nours: {ours:?}\n nix: {theirs:?}\n")),
    }
}

/// Runs every case, on two threads because `nix` takes its time, and shows all differences at once.
fn compare_all(nix: &Nix, cases: &[String]) -> [usize; 3] {
    let run = |half: &[String]| -> Vec<Result<Outcome, String>> {
        half.iter().enumerate().map(|(index, case)| compare(nix, &format!("case{index}"), case)).collect()
    };
    let (left, right) = cases.split_at(cases.len() / 2);
    let mut results = std::thread::scope(|scope| {
        let right = scope.spawn(|| run(right));
        let mut results = run(left);
        results.extend(right.join().unwrap());
        results
    });
    let differences: Vec<String> = results.iter_mut().filter_map(|result| result.clone().err()).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    [Outcome::Equal, Outcome::BothRefuse, Outcome::NotKnown]
        .map(|outcome| results.iter().filter(|result| **result == Ok(outcome)).count())
}

#[test]
fn hand_written_expressions_give_what_nix_gives() {
    let Some(nix) = Nix::find() else { return };
    let mut cases: Vec<String> = include_str!("nix/expressions.txt").lines().map(str::to_owned).collect();
    cases.extend(include_str!("nix/multiline.txt").trim_end().split("\n%%\n").map(str::to_owned));
    let [equal, refused, unknown] = compare_all(&nix, &cases);
    println!("{} expressions: {equal} equal, {refused} errors in both, {unknown} not known", cases.len());
    assert!(cases.len() >= 300 && equal >= 250 && refused >= 100, "{equal} {refused} {unknown}");
    assert!(unknown <= 40, "{unknown} expressions are not known, more than the list of refusals holds");
}

#[test]
fn generated_expressions_give_what_nix_gives() {
    let Some(nix) = Nix::find() else { return };
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::default()));
    let cases: Vec<String> =
        (0..300).map(|_| expression().new_tree(&mut runner).unwrap().current()).collect();
    let [equal, refused, unknown] = compare_all(&nix, &cases);
    println!("300 generated expressions: {equal} equal, {refused} errors in both, {unknown} not known");
    assert!(equal >= 100, "too few of the generated expressions mean something: {equal}");
}

#[test]
fn inventories_give_what_nix_gives() {
    let Some(nix) = Nix::find() else { return };
    for name in ["plain", "computed", "function"] {
        let file = format!("{}/tests/nix/inventories/{name}.nix", env!("CARGO_MANIFEST_DIR"));
        // An argument that is never used may be anything; `with pkgs.lib` is lazy.
        let applied = format!("let m = import {file}; in if builtins.isFunction m then m {{ }} else m");
        let theirs = nix.eval("--expr", applied).unwrap();
        assert_eq!(ours(Path::new(&file)), Ok(theirs), "{name}");
    }
}

/// Expressions over few names, so that they meet; about half of them evaluate.
fn expression() -> impl Strategy<Value = String> {
    use proptest::prelude::*;
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    let leaf = prop_oneof![
        3 => (-3_i64..9).prop_map(|n| format!("({n})")),
        2 => prop::sample::select(vec!["\"\"", "\"a\"", "\"b c\"", "1.5", "true", "false", "null", "[ ]", "{ }"])
            .prop_map(str::to_owned),
        1 => name().prop_map(str::to_owned),
    ];
    let inner = leaf.prop_recursive(5, 40, 4, move |expr| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "++", "//", "==", "!=", "<", ">=", "&&", "||", "->"]);
        let unary = prop::sample::select(vec![
            "toString", "builtins.toJSON", "builtins.length", "builtins.attrNames", "builtins.typeOf", "!", "-",
            "builtins.head", "builtins.attrValues", "builtins.isList", "builtins.concatLists", "builtins.stringLength",
        ]);
        prop_oneof![
            3 => (expr.clone(), operator, expr.clone()).prop_map(|(l, op, r)| format!("({l} {op} {r})")),
            2 => prop::collection::vec(expr.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" "))),
            3 => prop::collection::vec((name(), expr.clone()), 0..4)
                .prop_map(|pairs| format!("{{ {}}}", bindings(&pairs))),
            2 => prop::collection::vec((name(), expr.clone()), 0..4)
                .prop_map(|pairs| format!("rec {{ {}}}", bindings(&pairs))),
            3 => (prop::collection::vec((name(), expr.clone()), 1..4), expr.clone())
                .prop_map(|(pairs, body)| format!("(let {}in {body})", bindings(&pairs))),
            2 => (expr.clone(), name(), expr.clone()).prop_map(|(of, name, or)| format!("({of}.{name} or {or})")),
            1 => (expr.clone(), name(), name()).prop_map(|(of, a, b)| format!("({of} ? {a}.{b})")),
            1 => (expr.clone(), expr.clone()).prop_map(|(set, body)| format!("(with {set}; {body})")),
            2 => (expr.clone(), expr.clone(), expr.clone()).prop_map(|(i, t, e)| format!("(if {i} then {t} else {e})")),
            2 => (unary, expr.clone()).prop_map(|(function, x)| format!("({function} {x})")),
            2 => (name(), expr.clone(), expr.clone()).prop_map(|(x, body, arg)| format!("(({x}: {body}) {arg})")),
            2 => (name(), expr.clone(), expr.clone(), expr.clone())
                .prop_map(|(x, default, body, arg)| format!("(({{ {x} ? {default}, ... }}: {body}) {arg})")),
            1 => (name(), expr.clone(), expr.clone()).prop_map(|(x, body, list)| format!("(map ({x}: {body}) {list})")),
            1 => expr.clone().prop_map(|x| format!("(builtins.tryEval {x})")),
            1 => expr.clone().prop_map(|x| format!("\"<${{{x}}}>\"")),
        ]
    });
    // The names are bound around it, so that fewer cases end at an undefined variable.
    inner.prop_map(|expr| format!("let a = {{ b = 1; c = \"x\"; }}; b = [ 1 2 ]; c = 3; in {expr}"))
}

fn bindings(pairs: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut seen = Vec::new();
    for (name, value) in pairs {
        // A duplicate is a parse error; one in a while is enough, and the hand-written list has them.
        if !seen.contains(name) {
            out = format!("{out}{name} = {value}; ");
            seen.push(name);
        }
    }
    out
}

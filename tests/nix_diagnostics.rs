//! What a user is told: the place, what is wrong, what to do. And the places that data carries, by both evaluators.

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

use std::path::PathBuf;

use quorate::nix::{ErrorKind, EvalError, Evaluator, Sources, evaluate};
use quorate_pki::inventory::{Data, Node};

struct Inventory {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn inventory(text: &str) -> Inventory {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("machines.nix");
    std::fs::write(&file, text).unwrap();
    Inventory { _folder: folder, file }
}

fn fails(text: &str) -> EvalError {
    let inventory = inventory(text);
    evaluate(&inventory.file, Evaluator::Builtin).expect_err(text)
}

/// `line:column message` of every fault, and the hint of the last.
fn told(text: &str) -> (ErrorKind, Vec<String>, Option<String>) {
    let error = fails(text);
    let line = |fault: &quorate_pki::fault::Fault| {
        let at = fault.at.and_then(|at| error.sources.line_column(at));
        let (line, column) = at.unwrap_or_default();
        format!("{line}:{column} {}", fault.message)
    };
    let hint = error.faults.last().and_then(|fault| fault.hint.clone());
    (error.kind, error.faults.iter().map(line).collect(), hint)
}

#[track_caller]
fn tells(text: &str, kind: ErrorKind, message: &str, hint: &str) {
    let (found, messages, said) = told(text);
    assert_eq!((found, messages.join(" | ").as_str()), (kind, message));
    let said = said.unwrap_or_default();
    assert!(said.contains(hint), "{text}: hint {said:?}, expected {hint:?}");
}

#[test]
fn an_error_names_the_thing_the_place_and_the_remedy() {
    use ErrorKind::{Evaluation, Limit, Syntax, Unknown};
    tells(
        "{\n  a = { kubernetes = 1; }.kubernets;\n}",
        Evaluation,
        "2:27 attribute `kubernets` missing",
        "did you mean `kubernetes`?",
    );
    tells(
        "let optional = 1; in\n  optinal",
        Syntax,
        "2:3 undefined variable `optinal`",
        "did you mean `optional`?",
    );
    tells("{ a = 1;\n  a = 2; }", Syntax, "2:3 attribute `a` is defined twice", "remove one");
    tells("{ a = 1 + \"b\"; }", Evaluation, "1:7 cannot add a string to an integer", "");
    tells("{ a = \"${1}\"; }", Evaluation, "1:10 expected a string, found an integer", "toString");
    tells("{ a = if 1 then 2 else 3; }", Evaluation, "1:10 expected a boolean, found an integer", "");
    tells("{ a = builtins.head 1; }", Evaluation, "1:7 `head`: expected a list, found an integer", "");
    tells("({ ip }: ip) { pi = 1; }", Evaluation, "1:1 a function is called without its argument `ip`", "");
    tells(
        "({ ip ? 1 }: ip) { pi = 1; }",
        Evaluation,
        "1:1 a function is called with the argument `pi`, which it does not take",
        "",
    );
    tells(
        "pkgs: {\n  a = pkgs.hello;\n}",
        Evaluation,
        "2:12 `hello` is not available: an inventory is given `lib` and nothing else",
        "write the value out",
    );
    tells(
        "{ config, ... }: { a = config.x; }",
        Evaluation,
        "1:24 `config` is not available: an inventory is given `lib` and nothing else",
        "",
    );
    tells("{ a.b = [ 1 (x: x) ]; }", Evaluation, "1:14 `a.b[1]` is a function, expected data", "");
    tells("{ a = throw \"no machine\"; }", Evaluation, "1:7 no machine", "");
    tells("{ a = throw \"\"; }", Evaluation, "1:7 the file throws an error without a message", "");
    tells("assert 1 == 2; { }", Evaluation, "1:8 assertion failed: this is false", "");
    tells("rec { a = b; b = a; }", Evaluation, "1:11 infinite recursion: this value needs itself", "cycle");
    tells(
        "{ a = builtins.readFile ./x; }",
        Unknown,
        "1:16 `builtins.readFile` is not known to the built-in evaluator",
        "install `nix`",
    );
    tells(
        "{ lib, ... }: { a = lib.mkDefault 1; }",
        Unknown,
        "1:25 `lib.mkDefault` is not known to the built-in evaluator",
        "no NixOS module",
    );
    tells(
        "{ a = <nixpkgs>; }",
        Unknown,
        "1:7 the search path `<nixpkgs>` is not known to the built-in evaluator",
        "",
    );
    tells("{ a = derivation { }; }", Unknown, "1:7 `derivation` is not known to the built-in evaluator", "");
    tells(
        "{ a = let f = x: f x; in f 1; }",
        Limit,
        "1:18 the evaluation goes deeper than 10000 levels",
        "recursion",
    );
}

#[test]
fn every_syntax_error_is_told_at_once() {
    let (kind, messages, _) = told("{\n  a = ;\n  b = [ 1 ;\n  c 2;\n}");
    assert_eq!(kind, ErrorKind::Syntax);
    assert!(messages.len() >= 3, "{messages:#?}");
    assert!(messages[0].starts_with("2:7 "), "{messages:#?}");
    let (_, messages, _) = told("{ a = x; b = y; c = 1; c = 2; }");
    assert_eq!(
        messages,
        ["1:7 undefined variable `x`", "1:14 undefined variable `y`", "1:24 attribute `c` is defined twice"]
    );
}

#[test]
fn a_duplicate_points_to_both_places() {
    let error = fails("{\n  cp1.ip = 1;\n  cp1.ip = 2;\n}");
    let (first, _) = error.faults[0].related[0];
    assert_eq!(error.sources.line_column(first), Some((2, 7)));
}

fn unused_is_no_error_by(evaluator: Evaluator) {
    for text in [
        "pkgs: { a = 1; }",
        "{ config, pkgs, lib, inputs ? throw \"never\", ... }: { a = 1; }",
        "pkgs: with builtins; with pkgs.lib; { a = 1; }",
        "let x = throw \"never\"; y = builtins.readFile /nowhere; in { a = 1; }",
        "{ config, ... }: { cluster = { name = \"magi\"; }; }",
    ] {
        let inventory = inventory(text);
        let result = evaluate(&inventory.file, evaluator);
        assert!(result.is_ok(), "{text}: {result:?}");
    }
}

#[test]
fn what_is_not_used_is_never_an_error() {
    unused_is_no_error_by(Evaluator::Builtin);
}

#[test]
fn what_is_not_used_is_never_an_error_by_nix() {
    if peer::in_path("what_is_not_used_is_never_an_error_by_nix") {
        unused_is_no_error_by(Evaluator::Nix);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = evaluate(&folder.path().join("none.nix"), Evaluator::Builtin).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Read);
    assert!(missing.to_string().contains("none.nix`: there is no such file"), "{missing}");
    let is_folder = evaluate(folder.path(), Evaluator::Builtin).unwrap_err();
    assert!(is_folder.to_string().contains("not a regular file"), "{is_folder}");
    let latin = folder.path().join("latin.nix");
    std::fs::write(&latin, b"{ a = \"\xe4\"; }").unwrap();
    let latin = evaluate(&latin, Evaluator::Builtin).unwrap_err();
    assert!(latin.to_string().contains("not UTF-8 text (byte 7)"), "{latin}");
}

#[test]
fn an_error_in_an_imported_file_points_there() {
    let inventory = inventory("{ a = import ./b.nix; }");
    std::fs::write(inventory.file.with_file_name("b.nix"), "\n  missing").unwrap();
    let error = evaluate(&inventory.file, Evaluator::Builtin).unwrap_err();
    assert!(error.to_string().ends_with("b.nix:2:3: undefined variable `missing`"), "{error}");
}

/// `path line:column` of every attribute below `node`.
fn places(node: &Node, sources: &Sources, path: &str, out: &mut Vec<String>) {
    match &node.data {
        Data::Attrs(attrs) => {
            for attr in attrs {
                let path = format!("{path}.{}", attr.name);
                let place = attr.origin.and_then(|at| sources.line_column(at));
                let (line, column) = place.unwrap_or_default();
                out.push(format!("{path} {line}:{column}"));
                places(&attr.value, sources, &path, out);
            }
        }
        Data::List(items) => items.iter().for_each(|item| places(item, sources, &format!("{path}[]"), out)),
        _ => {}
    }
}

const PLACED: &str = "let
  x = 1;
  base = { etcd.enable = true; };
in {
  cp1 = base // { ip = \"a\"; l = [ { deep = x; } ]; };
  cp2 = { inherit x; \"quoted name\" = 1; };
  ae.b = 1;
}
";

fn places_by(evaluator: Evaluator) -> Vec<String> {
    let inventory = inventory(PLACED);
    let (node, sources) = evaluate(&inventory.file, evaluator).unwrap();
    let mut out = Vec::new();
    places(&node, &sources, "", &mut out);
    out
}

#[test]
fn every_attribute_knows_where_it_was_written() {
    assert_eq!(
        places_by(Evaluator::Builtin),
        [
            ".ae 7:3",
            ".ae.b 7:6",
            ".cp1 5:3",
            ".cp1.etcd 3:12",
            ".cp1.etcd.enable 3:17",
            ".cp1.ip 5:19",
            ".cp1.l 5:29",
            ".cp1.l[].deep 5:37",
            ".cp2 6:3",
            ".cp2.quoted name 6:22",
            ".cp2.x 6:19",
        ]
    );
}

#[test]
fn nix_tells_the_same_places() {
    if !peer::in_path("nix_tells_the_same_places") {
        return;
    }
    let (ours, theirs) = (places_by(Evaluator::Builtin), places_by(Evaluator::Nix));
    // `nix` places a nested path's later names differently between versions: its first is what counts.
    let differences = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
    assert!(theirs.len() == ours.len() && differences <= 2, "{theirs:#?}");
}

#[test]
fn a_value_points_at_the_expression_that_gave_it() {
    let inventory = inventory("{ cp1.ip = \"10.0.0.1\"; }");
    let (node, sources) = evaluate(&inventory.file, Evaluator::Builtin).unwrap();
    let origin = node.get("cp1").unwrap().get("ip").unwrap().origin.unwrap();
    assert_eq!(&sources.get(origin).unwrap().text[origin.start..origin.end], "\"10.0.0.1\"");
}

#[test]
fn auto_asks_nix_for_what_it_does_not_know_and_only_then() {
    if !peer::in_path("auto_asks_nix_for_what_it_does_not_know_and_only_then") {
        return;
    }
    let unknown = inventory("{ a = builtins.hashString \"sha256\" \"x\"; }");
    assert_eq!(evaluate(&unknown.file, Evaluator::Builtin).unwrap_err().kind, ErrorKind::Unknown);
    let (node, _) = evaluate(&unknown.file, Evaluator::Auto).unwrap();
    assert!(matches!(&node.get("a").unwrap().data, Data::Str(hash) if hash.len() == 64));
    let wrong = inventory("{\n  a = 1 + \"b\";\n}");
    for evaluator in [Evaluator::Auto, Evaluator::Nix] {
        let error = evaluate(&wrong.file, evaluator).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Evaluation, "{error}");
        assert!(error.to_string().contains("machines.nix:2:"), "{error}");
    }
    let outside = inventory("{ a = import /etc/hostname; }");
    assert!(evaluate(&outside.file, Evaluator::Nix).is_err());
}

//! Inventories made to exhaust the evaluator: each must end in a clear error, soon and in little memory.
//!
//! Every bomb goes off in a process of its own (this test binary again), so that an overflowing stack is seen and
//! the peak of memory is that bomb's alone.
//!
//! `cargo test --release --test nix_bombs -- --nocapture --test-threads 1` shows what each one took.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use quorate::nix::{ErrorKind, Evaluator, evaluate};

/// Set in the child: the file to evaluate.
const BOMB: &str = "QUORATE_TEST_BOMB";
/// The promise is 200 MB.
const MAX_KIB: u64 = 200_000;
/// The promise is a second of an optimised build on an idle machine; a test must not fail on a busy one.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the child does. As a test of its own, without a bomb, it has nothing to say.
#[test]
fn child_process() {
    let Some(path) = std::env::var_os(BOMB) else { return };
    match evaluate(Path::new(&path), Evaluator::Builtin) {
        Ok(_) => println!("RESULT value"),
        Err(error) => println!("RESULT {:?} {error}", error.kind),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("PEAK {}", peak.split_whitespace().nth(1).unwrap());
}

/// Evaluates in a child and checks the promise; returns what it said.
#[track_caller]
fn defuse(name: &str, file: &Path) -> String {
    let started = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--nocapture"])
        .env(BOMB, file)
        .output()
        .unwrap();
    let took = started.elapsed();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name}: the evaluator died: {:?}", output.status);
    let field =
        |key: &str| stdout.lines().find_map(|line| line.split_once(key)).map(|(_, rest)| rest.to_owned());
    let result = field("RESULT ").unwrap();
    let peak: u64 = field("PEAK ").unwrap().parse().unwrap();
    println!("{name}: {took:?}, {peak} KiB, {}", result.chars().take(150).collect::<String>());
    assert!(peak < MAX_KIB, "{name}: {peak} KiB");
    assert!(took < PATIENCE, "{name}: {took:?}");
    result
}

fn check(name: &str, text: &str, kind: ErrorKind, says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("machines.nix");
    std::fs::write(&file, text).unwrap();
    let result = defuse(name, &file);
    assert!(result.starts_with(&format!("{kind:?} ")), "{name}: {result}");
    assert!(result.contains(says), "{name}: {result}");
}

#[test]
fn what_needs_itself_is_an_error() {
    check("self", "rec { a = a; }", ErrorKind::Evaluation, "infinite recursion");
    check("let self", "let x = y + 1; y = x; in { inherit x; }", ErrorKind::Evaluation, "infinite recursion");
    check("set in itself", "let a = { b = a; }; in a", ErrorKind::Limit, "nested deeper");
    check("calls for ever", "let f = x: f x; in f 1", ErrorKind::Limit, "deeper than");
    check("grows for ever", "let f = x: f (x + 1); in f 1", ErrorKind::Limit, "deeper than");
    check("functor", "let f = { __functor = s: s; }; in f 1", ErrorKind::Limit, "deeper than");
    check(
        "lazy sum",
        "builtins.elemAt (let l = builtins.genList (n: if n == 0 then 0 else builtins.elemAt l (n - 1) + 1) 100000; in l) 99999",
        ErrorKind::Limit,
        "deeper than",
    );
    check("equality", "let a = { b = a; }; c = { b = c; }; in a == c", ErrorKind::Limit, "deeper than");
    check("order", "let a = [ a ]; c = [ c ]; in a < c", ErrorKind::Limit, "deeper than");
    check("toString", "let a = [ a ]; in toString a", ErrorKind::Limit, "deeper than");
    check("toJSON", "let a = [ a ]; in builtins.toJSON a", ErrorKind::Limit, "deeper than");
    check(
        "nested result",
        "builtins.foldl' (a: _: [ a ]) [ ] (builtins.genList (n: n) 20000)",
        ErrorKind::Limit,
        "nested deeper",
    );
}

#[test]
fn what_doubles_ends() {
    let doubling = |first: &str, step: &str, last: &str| {
        let mut text = format!("let x0 = {first}; ");
        for n in 1..60 {
            let before = format!("x{}", n - 1);
            let step = step.replace('X', &before);
            text = format!("{text}x{n} = {step}; ");
        }
        format!("{text} in {last}")
    };
    let lists = doubling("[ 1 1 ]", "X ++ X", "x59");
    check("lists joined", &lists, ErrorKind::Limit, "the limit");
    check("lists shared", &doubling("1", "[ X X ]", "x59"), ErrorKind::Limit, "the limit");
    check("sets shared", &doubling("1", "{ a = X; b = X; }", "x59"), ErrorKind::Limit, "the limit");
    check("strings", &doubling("\"lol\"", "X + X", "x59"), ErrorKind::Limit, "the limit");
    check("interpolated", &doubling("\"lol\"", "\"${X}${X}\"", "x59"), ErrorKind::Limit, "the limit");
    check("shared string", &doubling("\"lol\"", "[ X X ]", "toString x59"), ErrorKind::Limit, "the limit");
    check(
        "shared JSON",
        &doubling("\"lol\"", "[ X X ]", "builtins.toJSON x59"),
        ErrorKind::Limit,
        "the limit",
    );
    check("JSON of JSON", &doubling("\"\\\"\"", "builtins.toJSON X", "x59"), ErrorKind::Limit, "the limit");
    let equality = "let f = n: if n == 0 then 1 else let p = f (n - 1); in [ p p ]; in f 40 == f 40";
    check("shared equality", equality, ErrorKind::Limit, "the limit");
    let replaced = doubling("\"aa\"", "builtins.replaceStrings [ \"a\" ] [ \"aa\" ] X", "x59");
    check("replaced", &replaced, ErrorKind::Limit, "the limit");
    let concat = doubling("[ 1 ]", "builtins.concatLists [ X X ]", "x59");
    check("concatLists", &concat, ErrorKind::Limit, "the limit");
    let map = doubling("[ 1 ]", "builtins.concatMap (x: [ x x ]) X", "x59");
    check("concatMap", &map, ErrorKind::Limit, "the limit");
    let update = "builtins.foldl' (a: n: a // { ${toString n} = n; }) { } (builtins.genList (n: n) 100000)";
    check("sets updated", update, ErrorKind::Limit, "the limit");
}

#[test]
fn what_counts_too_far_ends() {
    check("genList", "builtins.genList (n: n) 1000000000", ErrorKind::Limit, "the limit");
    check("length", "builtins.length (builtins.genList (n: n) 1000000000)", ErrorKind::Limit, "the limit");
    let fold = "let l = builtins.genList (n: n) 3000; in builtins.foldl' (a: x: builtins.foldl' (a: y: a + x * y) a l) 0 l";
    check("nested folds", fold, ErrorKind::Limit, "the limit");
    let elem = "let l = builtins.genList (n: n) 20000; in builtins.filter (x: builtins.elem (x + 0.5) l) l";
    check("quadratic elem", elem, ErrorKind::Limit, "the limit");
    let fib = "let f = n: if n < 2 then n else f (n - 1) + f (n - 2); in f 60";
    check("fibonacci", fib, ErrorKind::Limit, "the limit");
    let unique = "{ lib, ... }: lib.unique (lib.range 1 100000)";
    check("unique", unique, ErrorKind::Limit, "the limit");
    check("width", "{ lib, ... }: lib.fixedWidthString 100000000 \"0\" \"x\"", ErrorKind::Limit, "");
    let names = "let s = builtins.listToAttrs (builtins.genList (n: { name = toString n; value = n; }) 10000); f = n: builtins.attrNames (builtins.removeAttrs s [ (toString n) ]); in builtins.genList f 10000";
    check("attrNames", names, ErrorKind::Limit, "the limit");
    let substring = "let s = builtins.concatStringsSep \"\" (builtins.genList (n: \"0123456789\") 10000); in builtins.genList (n: builtins.substring 0 99999 s) 100000";
    check("substring", substring, ErrorKind::Limit, "the limit");
}

#[test]
fn ten_megabytes_of_anything_are_refused() {
    for token in [
        "[", "(", "{", "-", "!", "\"${", "a.", "x:", "f ", "a ++ ", "{ a = ", "''${", "<", "/*", "'", "$",
        "a+",
    ] {
        let whole = token.repeat((10 << 20) / token.len());
        check(&format!("10 MB of {token}"), &whole, ErrorKind::Limit, "1 MiB");
    }
}

#[test]
fn a_megabyte_of_nesting_or_of_a_chain_is_refused() {
    for token in [
        "[",
        "(",
        "{",
        "-",
        "- ",
        "!",
        "! ",
        "\"${",
        "''${",
        "x: ",
        "f ",
        "a ++ ",
        "a + ",
        "a // ",
        "a.",
        "a.b or ",
        "{ a = ",
        "let a = ",
        "let a = 1; in ",
        "if ",
        "with a; ",
        "assert a; ",
        "rec {",
        "a -> ",
        "{ a }: ",
        "[ a.b or ] ",
        "[ rec ] { ",
        "[ a. ] ",
        "a ? ",
        "(if)",
        "(-)",
        "{ a = x: } ",
        "a+",
        "1.",
        "<",
        "-<",
        "a/b.c+",
    ] {
        let whole = token.repeat((1_000_000) / token.len());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("machines.nix");
        std::fs::write(&file, &whole).unwrap();
        let result = defuse(&format!("1 MB of {token}"), &file);
        assert!(result.starts_with("Limit") || result.starts_with("Syntax"), "{token}: {result}");
        assert!(result.contains("machines.nix:1:"), "{token}: no place in {result}");
    }
    let nested = |depth: usize| format!("{}1{}", "[ ".repeat(depth), " ]".repeat(depth));
    check("just too deep", &nested(257), ErrorKind::Limit, "256");
    check("too deep a result", &nested(256), ErrorKind::Limit, "nested deeper");
}

#[test]
fn imports_stay_in_the_folder_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("secret.nix"), "1").unwrap();
    std::os::unix::fs::symlink("../secret.nix", inner.join("link.nix")).unwrap();
    std::os::unix::fs::symlink("/etc", inner.join("etc")).unwrap();
    std::fs::write(inner.join("a.nix"), "{ a = 1; } // import ./b.nix").unwrap();
    std::fs::write(inner.join("b.nix"), "import ./a.nix").unwrap();
    for depth in 0..2_000 {
        let text = format!("import ./deep{}.nix", depth + 1);
        std::fs::write(inner.join(format!("deep{depth}.nix")), text).unwrap();
    }
    let file = inner.join("machines.nix");
    for (text, kind, says) in [
        ("import /etc/passwd", "Read", "outside"),
        ("import ../secret.nix", "Read", "outside"),
        ("import ./../secret.nix", "Read", "outside"),
        ("import ./link.nix", "Read", "outside"),
        ("import ./etc/passwd", "Read", "outside"),
        ("import (./. + \"/../secret.nix\")", "Read", "outside"),
        ("import \"/etc/passwd\"", "Read", "outside"),
        ("import ./missing.nix", "Read", "missing.nix"),
        ("import ./.", "Read", "default.nix"),
        ("import ./a.nix", "Evaluation", "imports itself"),
        ("import ./machines.nix", "Evaluation", "imports itself"),
        ("{ x = (import ./machines.nix).x; }", "Evaluation", "infinite recursion"),
        ("import /dev/zero", "Read", "outside"),
        ("import ./deep0.nix", "Read", "deep2000.nix"),
    ] {
        std::fs::write(&file, text).unwrap();
        let result = defuse(text, &file);
        assert!(result.starts_with(kind) && result.contains(says), "{text}: {result}");
    }
}

#[test]
fn names_scopes_and_faults_cost_their_number_and_not_its_square() {
    let numbered = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let undefined = format!("rec {{{}}}", numbered(40_000, &|n| format!("aaaa{n}=bbbb{n};")));
    check("undefined variables", &undefined, ErrorKind::Syntax, "undefined variable");
    let withs = format!("let a={{}}; in {}[{}]", "with a; ".repeat(250), "x ".repeat(450_000));
    check("withs around variables", &withs, ErrorKind::Evaluation, "undefined variable `x`");
    let formals = format!("({{{}...}}: 1 + \"\") {{}}", numbered(80_000, &|n| format!("a{n}?1,")));
    check("defaults of a pattern", &formals, ErrorKind::Evaluation, "cannot add");
}

#[test]
fn comparing_long_strings_counts_as_work() {
    let long = "l = builtins.concatStringsSep \"\" (builtins.genList (n: \"0123456789\") 100000);";
    let over = |work: &str| format!("let {long} in builtins.genList (n: {work}) 500000");
    check("less", &over("l + \"a\" < l + \"b\""), ErrorKind::Limit, "the limit");
    let less = format!("let {long} a = l + \"a\"; b = l + \"b\"; in builtins.genList (n: a < b) 500000");
    check("less of two", &less, ErrorKind::Limit, "the limit");
    let replace = format!("let {long} in builtins.replaceStrings [ (l + \"a\") ] [ \"\" ] (l + l)");
    check("long patterns", &replace, ErrorKind::Limit, "the limit");
    let group = format!("let {long} in builtins.groupBy (n: l) [ 1 2 3 ]");
    check("groups of long names", &group, ErrorKind::Limit, "a name of 1000000 bytes");
    check("long name", &format!("let {long} in {{ ${{l}} = 1; }}"), ErrorKind::Limit, "a name of");
}

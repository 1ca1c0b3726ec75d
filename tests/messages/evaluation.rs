//! What Nix takes and an inventory cannot be: wrong expressions, unknown functions, too much work, and `nix` itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::case::{Case, inventory, run, run_with};

/// Expressions that are wrong, as Nix would say too.
pub(crate) fn wrong() -> Vec<Case> {
    let value = |what: &str, text: &str| inventory(what, format!("{{ lib, ... }}: {{\n  a = {text};\n}}\n"));
    vec![
        value("an attribute that is not there", "{ kubernetes = 1; }.other"),
        value("an attribute of nothing", "{ }.other"),
        value("an attribute of many", "{ a = 1; b = 2; c = 3; d = 4; e = 5; f = 6; g = 7; }.other"),
        value("an attribute misspelt", "{ kubernetes = 1; }.kubernets"),
        value("an attribute of a string", "(\"x\").ip"),
        value("a sum of two kinds", "1 + \"b\""),
        value("a number in a string", "\"10.0.0.${1}\""),
        value("a condition that is none", "if 1 then 2 else 3"),
        value("`head` of a number", "builtins.head 1"),
        value("`head` of nothing", "builtins.head [ ]"),
        value("`tail` of nothing", "builtins.tail [ ]"),
        value("an element that is not there", "builtins.elemAt [ 1 ] 2"),
        value("a list of minus one", "builtins.genList (x: x) (-1)"),
        value("a function without an argument", "({ ip }: ip) { pi = 1; }"),
        value("a function with an argument too many", "({ ip ? 1 }: ip) { pi = 1; }"),
        value("a function with an argument of no likeness", "({ ip ? 1 }: ip) { address = 1; }"),
        value("a string called", "\"x\" 1"),
        value("a set called", "{ } 1"),
        value("a function that takes a set, given a number", "({ ip }: ip) 1"),
        value("no set beside `//`", "{ } // 1"),
        value("no list beside `++`", "[ ] ++ 1"),
        value("no number beside `*`", "2 * \"3\""),
        value("a division by zero", "1 / 0"),
        value("a sum beyond 64 bits", "9223372036854775807 + 1"),
        value("a comparison of two kinds", "1 < \"2\""),
        value("a name that is no string", "{ ${toString 1} = 1; ${1} = 2; }"),
        value("a computed name twice", "{ ${\"b\"} = 1; ${\"b\"} = 2; }"),
        value("an element of `?` that is no string", "{ } ? ${1}"),
        value("`with` of a number", "with 1; b"),
        value("a name that no `with` has", "with { c = 1; }; b"),
        value("`inherit` from a number", "{ inherit (1) b; }"),
        value("a `throw`", "throw \"no machine of this name\""),
        value("a `throw` without a word", "throw \"\""),
        value("an `abort`", "abort \"no machine of this name\""),
        value("an `assert`", "assert 1 == 2; 1"),
        value("a circle", "let b = c; c = b; in b"),
        value("a function in the data", "{ b = [ 1 (x: x) ]; }"),
        value("a function as JSON", "builtins.toJSON (x: x)"),
        value("JSON that is none", "builtins.fromJSON \"{\""),
        value("a number in JSON that is too large", "builtins.fromJSON \"1e999\""),
        value("a string that JSON cannot hold", "builtins.fromJSON \"18446744073709551616\""),
        value("a list without names", "builtins.listToAttrs [ { value = 1; } ]"),
        value("a list of numbers for sets", "builtins.listToAttrs [ 1 ]"),
        value("`catAttrs` of numbers", "builtins.catAttrs \"b\" [ 1 ]"),
        value("`zipAttrsWith` of numbers", "builtins.zipAttrsWith (n: v: v) [ 1 ]"),
        value("`substring` before the string", "builtins.substring (-1) 2 \"abc\""),
        value("`replaceStrings` of two lengths", "builtins.replaceStrings [ \"a\" ] [ ] \"b\""),
        value("`sort` by what is no boolean", "builtins.sort (a: b: 1) [ 1 2 ]"),
        value("`filter` by what is no boolean", "builtins.filter (a: 1) [ 1 ]"),
        value("a set for an integer", "builtins.genList (x: x) { }"),
        value("a set for a string", "builtins.stringLength { }"),
        value("a fraction for an integer", "builtins.elemAt [ 1 ] 0.5"),
        value("`last` of nothing", "lib.last [ ]"),
        value("`init` of nothing", "lib.init [ ]"),
        value("a path of attributes that is not there", "lib.getAttrFromPath [ \"b\" \"c\" ] { }"),
        value("a text wider than its field", "lib.fixedWidthString 1 \"0\" \"123\""),
        value("a prefix that is none", "lib.lists.removePrefix [ 1 ] [ 2 ]"),
        value("digits in base one", "lib.toBaseDigits 1 5"),
        inventory("something of a NixOS module", "{ config, ... }: { cp1.ip = config.x; }\n"),
        inventory("a package", "pkgs:\n{ a = pkgs.hello; }\n"),
        inventory("two arguments", "lib: pkgs: { }\n"),
        inventory("its own argument as data", "args: args\n"),
        inventory("a list", "[ { ip = \"10.0.0.1\"; } ]\n"),
        inventory("`lib` as data", "{ lib, ... }: { inherit lib; }\n"),
        inventory("`builtins` as data", "{ a = builtins; }\n"),
    ]
}

/// What the built-in evaluator does not know, where there is no `nix` to ask.
pub(crate) fn unknown() -> Vec<Case> {
    let value = |what: &str, text: &str| inventory(what, format!("{{ lib, ... }}: {{\n  a = {text};\n}}\n"));
    vec![
        value("a function of Nix", "builtins.readFile ./x"),
        value("a function of nixpkgs", "lib.sources.cleanSource ./x"),
        value("`mkMerge`", "lib.mkMerge [ { } { } ]"),
        value("`mkForce`", "lib.mkForce true"),
        value("`mkIf`", "lib.mkIf true { }"),
        value("`mkDefault`", "lib.mkDefault true"),
        value("a function through `with`", "with lib; cleanSource ./x"),
        value("a search path", "<nixpkgs>"),
        value("a path below the home folder", "~/x"),
        value("a path in a string", "\"${./x}\""),
        value("a path in JSON", "builtins.toJSON ./x"),
        value("a computed path", "./a/${\"b\"}"),
        value("a URI without quotes", "https://example.org"),
        value("the old `let`", "let { body = 1; }"),
        value("`__curPos`", "__curPos"),
        value("`or` as a name", "let or = 1; in or"),
        value("`or` without an attribute", "(x: x) or 1"),
        value("a pipe", "1 |> (x: x)"),
        value("a derivation", "derivation { }"),
        value("a number with nothing behind its dot", "0.e1"),
        value("infinity as text", "toString (1.0e308 * 10)"),
        value("`ceil` of infinity", "builtins.ceil 1.0e300"),
        value("`import` of a set", "import { }"),
        value("`splitString` at nothing", "lib.splitString \"\" \"abc\""),
        value("half a letter", "builtins.substring 0 1 \"é\""),
    ]
}

/// More than an inventory may ask for.
pub(crate) fn limits() -> Vec<Case> {
    let value = |what: &str, text: &str| inventory(what, format!("{{\n  a = {text};\n}}\n"));
    vec![
        value("a recursion that never ends", "let f = x: f x; in f 1"),
        value(
            "a loop that never ends",
            "let f = n: if n < 0 then 1 else f (n - 1 + builtins.length (builtins.genList (x: x) 1)); in builtins.foldl' (a: b: a + builtins.foldl' (c: d: c + d) 0 (builtins.genList (x: x) 3000)) 0 (builtins.genList (x: x) 10000)",
        ),
        value(
            "a string that doubles itself",
            "builtins.foldl' (s: n: s + s) \"0123456789\" (builtins.genList (n: n) 40)",
        ),
        value("lists in lists", &format!("{}1{}", "[ ".repeat(150), " ]".repeat(150))),
        value(
            "a name without end",
            "{ ${builtins.concatStringsSep \"\" (builtins.genList (n: \"0123456789\") 1000)} = 1; }",
        ),
    ]
}

/// A `nix` that does as the script says.
fn by_nix(what: &str, words: &[&str], script: &'static str) -> Case {
    run_with(what, words, &[], move |project| {
        project.write("bin/nix", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(project.path("bin/nix"), Permissions::from_mode(0o755)).unwrap();
    })
}

/// The program `nix` as the evaluator.
pub(crate) fn program() -> Vec<Case> {
    let words = &["check", "--evaluator", "nix"];
    vec![
        run("no `nix`", words, |_| {}),
        by_nix("a `nix` that fails without a word", words, "exit 1"),
        by_nix("a `nix` that complains", words, "echo 'error: attribute foo missing' >&2; exit 1"),
        by_nix(
            "a `nix` that finds a syntax error",
            words,
            "echo 'error: syntax error, unexpected end of file' >&2; exit 1",
        ),
        by_nix("a `nix` that prints no JSON", words, "echo hello"),
        by_nix("a `nix` that prints something else", words, "echo '{ \"answer\": 42 }'"),
        run("a `nix` that is no program", words, |project| project.write("bin/nix", "")),
    ]
}

//! No input makes the evaluator panic or overflow: bytes, words of Nix in any order, and damaged inventories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers"
)]

use proptest::prelude::*;
use quorate::nix::{ErrorKind, Evaluator, evaluate};

const WORDS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "''",
    "${",
    "}",
    ";",
    ":",
    ",",
    ".",
    "...",
    "@",
    "?",
    "=",
    "==",
    "!=",
    "!",
    "-",
    "+",
    "*",
    "/",
    "//",
    "++",
    "->",
    "&&",
    "||",
    "<",
    ">",
    "<=",
    "|>",
    "<|",
    "or",
    "rec",
    "let",
    "in",
    "if",
    "then",
    "else",
    "with",
    "assert",
    "inherit",
    "a",
    "b",
    "x:",
    "{ a, b ? 1, ... }@c:",
    "1",
    "0.",
    "1.5",
    "./a",
    "/b/",
    "~/c",
    "<d>",
    "http://e",
    "\\",
    "$",
    "'",
    "#\n",
    "/*",
    "*/",
    "\n",
    "\u{e4}",
    "true",
    "null",
    "map",
    "import",
    "builtins",
    "toString",
    "lib",
    "__curPos",
    "throw",
    "\u{0}",
    "\r\n",
    "a.b.c",
    "[ ]",
    "{ }",
    "\"${",
    "\"}",
    "''\\n",
    "$${",
];

const INVENTORY: &str = include_str!("nix/inventories/function.nix");

fn evaluates_or_says_why(text: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("machines.nix");
    std::fs::write(&file, text).unwrap();
    if let Err(error) = evaluate(&file, Evaluator::Builtin) {
        assert_ne!(error.kind, ErrorKind::Program, "{error}");
        assert!(error.faults.iter().all(|fault| !fault.message.is_empty()));
        for at in error.faults.iter().filter_map(|fault| fault.at) {
            assert!(error.sources.line_column(at).is_some(), "a place outside of the file: {at:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        evaluates_or_says_why(&bytes);
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        evaluates_or_says_why(words.join(" ").as_bytes());
        evaluates_or_says_why(words.concat().as_bytes());
    }

    /// A few words over and over: what overflows a stack is repetition.
    #[test]
    fn any_words_many_times(words in prop::collection::vec(prop::sample::select(WORDS), 1..6), times in 1_usize..30_000) {
        evaluates_or_says_why(words.join(" ").repeat(times).as_bytes());
    }

    #[test]
    fn an_inventory_with_a_piece_lost_or_doubled(start in 0..INVENTORY.len(), length in 0_usize..40, again in any::<bool>()) {
        let bytes = INVENTORY.as_bytes();
        let end = (start + length).min(bytes.len());
        let middle = if again { [&bytes[start..end], &bytes[start..end]].concat() } else { Vec::new() };
        evaluates_or_says_why(&[&bytes[..start], &middle, &bytes[end..]].concat());
    }
}

//! YAML that is made to be large or deep: refused with a reason, before it takes time or memory.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests that look at the clock"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Plaintext, SealedFile, SopsError, Store};

/// Far above what any of these takes on a slow machine without optimisation, and far below what they ask for.
const BOUND: Duration = Duration::from_secs(20);

fn parse(text: &str) -> Result<Plaintext, SopsError> {
    let start = Instant::now();
    let parsed = Plaintext::parse(&Secret::from(text), Store::Yaml);
    let _ = SealedFile::parse(text, Store::Yaml).map(|_| ());
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    parsed
}

fn too_deep(text: &str) {
    let error = parse(text).map(|_| ()).unwrap_err();
    assert!(matches!(error, SopsError::TooDeep { .. }), "{error}");
}

#[test]
fn nesting_of_a_hundred_thousand_is_refused() {
    const DEEP: usize = 100_000;
    too_deep(&format!("a: {}", "[".repeat(DEEP)));
    too_deep(&format!("a: {}", "{a: ".repeat(DEEP)));
    too_deep(&format!("a:\n  {}", "- ".repeat(DEEP)));
    let ladder: String = (0..2_000).fold(String::new(), |mut text, depth| {
        let _ = writeln!(text, "{:depth$}a:", "");
        text
    });
    too_deep(&ladder);
    // Each of two kinds alone would be shallow enough.
    too_deep(&format!("a:\n  {}{}{}", "- ".repeat(150), "[".repeat(150), "]".repeat(150)));
}

#[test]
fn nesting_that_people_have_is_read() {
    let text = format!("a:\n  {}x\n", "- ".repeat(150));
    let plain = parse(&text).unwrap().write(Store::Yaml, None).unwrap();
    let again = parse(plain.expose_text().unwrap()).unwrap().write(Store::Yaml, None).unwrap();
    assert!(again.same_as(&plain));
}

#[test]
fn a_billion_aliases_are_refused() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        let _ = writeln!(laughs, "a{level}: &a{level} [{}]", below.trim_end_matches(", "));
    }
    let error = parse(&laughs).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("many times as large as its text"), "{error}");
    // One large value, many times.
    let large = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1_000_000), "*a, ".repeat(100_000));
    let error = parse(&large).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("many times as large as its text"), "{error}");
}

#[test]
fn aliases_that_make_a_tower_are_refused() {
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..5_000 {
        let _ = writeln!(tower, "a{level}: &a{level} [*a{}]", level - 1);
    }
    too_deep(&tower);
}

#[test]
fn an_alias_within_what_it_stands_for_is_refused() {
    for text in ["a: &a [*a]\n", "a: &a\n  b: *a\n", "a: &a {b: {c: [*a]}}\n"] {
        let error = parse(text).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("within what it stands for"), "{error}");
    }
}

#[test]
fn large_texts_take_time_by_their_size_alone() {
    let comments = "# a comment\n".repeat(9_000) + "a: 1\n";
    let entries = (0..20_000).fold(String::new(), |mut text, index| {
        let _ = writeln!(text, "key{index}: value # comment");
        text
    });
    let one_line = format!("a: [{}1]\n", "1, ".repeat(200_000));
    let one_value = format!("a: \"{}\"\n", "\\n".repeat(500_000));
    let documents = "a: 1\n---\n".repeat(5_000) + "a: 1\n";
    for text in [comments, entries, one_line, one_value, documents] {
        let plain = parse(&text).unwrap();
        let start = Instant::now();
        plain.write(Store::Yaml, None).unwrap();
        assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    }
}

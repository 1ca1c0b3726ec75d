//! YAML in the open: read and printed as sops does, construct by construct. See vectors/sops/PROVENANCE.md.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests that read their vectors"
)]

use std::fs;
use std::path::Path;

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Plaintext, SopsError, Store};

fn parse(text: &str) -> Result<Plaintext, SopsError> {
    Plaintext::parse(&Secret::from(text), Store::Yaml)
}

fn printed(text: &str) -> String {
    let plain = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    plain.write(Store::Yaml, None).unwrap().expose_text().unwrap().to_owned()
}

#[test]
fn every_construct_is_printed_as_sops_prints_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sops/plain");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let expected = fs::read_to_string(path.with_extension("out")).unwrap();
            assert_eq!(printed(&fs::read_to_string(&path).unwrap()), expected, "{}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 40);
}

#[test]
fn where_sops_loses_something_it_is_kept() {
    for (why, text, expected) in [
        // sops writes `!!merge <<` for the string, and cannot read the first of these again.
        ("a string like a merge key", "a: \"<<\"\n\"<<\": x\n", "a: \"<<\"\n\"<<\": x\n"),
        // sops: `null`.
        ("a tab at the beginning of lines", "a: \"\\tx\\ny\"\n", "a: \"\\tx\\ny\"\n"),
        // sops states an indentation that is not there.
        (
            "blanks at the beginning of lines in a list",
            "l:\n- \" a\\nb\"\n",
            "l:\n    - |2-\n       a\n      b\n",
        ),
        // sops writes the separator itself, and that ends a line.
        ("a separator of lines", "a: \"x\\u2028y\"\n", "a: \"x\\Ly\"\n"),
        // sops writes `-0`, an integer without a sign for whoever reads it, and the checksum fails.
        ("a zero with a sign", "a: -0.0\n", "a: -0.0\n"),
        // sops: the comment of `c` behind `d`.
        (
            "a comment behind an alias of a map",
            "b: &b\n  x: 1\nc: *b # ic\nd: 1\n",
            "b:\n    x: 1\n# ic\nc:\n    x: 1\nd: 1\n",
        ),
        // sops: in the list, and so below it once it is printed.
        ("a comment behind an empty list", "d: [] # c6\n", "# c6\nd: []\n"),
        // sops: above the dash, where it is the list's and becomes an element once it is encrypted.
        ("a comment behind a dash", "l:\n- # c\n  a: 1\n", "l:\n    - # c\n      a: 1\n"),
    ] {
        assert_eq!(printed(text), expected, "{why}");
        assert_eq!(printed(expected), expected, "{why}, again");
    }
}

#[test]
fn what_cannot_be_kept_is_refused_with_a_remedy() {
    let mut said = String::new();
    for text in [
        "",
        "# nothing else\n",
        "- a\n",
        "a\n",
        "a: 1\n---\n- b\n",
        "a: 1\na: 2\n",
        "a: 1\n---\nb: 1\nb: 2\n",
        "a: {b: 1, b: 2}\n",
        "<<: {a: 1}\n<<: {b: 1}\n",
        "a: 1\n1: a\n",
        "~: a\n",
        "true: a\n",
        "[a, b]: c\n",
        "? {a: 1}\n: c\n",
        "a: 9223372036854775808\n",
        "a: 99999999999999999999\n",
        "a: 1\nb: -9223372036854775809\n",
        "a: !!int x\n",
        "a: 1\n---\nb: !!float x\n",
        "a: !!binary \"%\"\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: *b\n",
        "a: &a [*a]\n",
        "a: x\u{1}y\n",
        "a: \u{feff}b\n",
        "a: [b\n",
        "a: b: c\n",
        "<<<<<<< ours\na: 1\n=======\na: 2\n>>>>>>> theirs\n",
        "sops: x\n",
    ] {
        let error = parse(text).map(|_| ()).expect_err(text);
        said.push_str(
            &[&text.escape_debug().to_string(), "\n  ", &error.to_string(), "\n  ", error.hint(), "\n"]
                .concat(),
        );
    }
    insta::assert_snapshot!(said);
}

//! Lists in every style that people write, and that what is not the element is never touched.

use proptest::prelude::*;

use super::*;

const ADMINS: [&str; 2] = ["cluster", "admins"];

fn find(text: &str) -> LiteralList<'_> {
    LiteralList::find(text, &ADMINS).unwrap_or_else(|why| panic!("{why:?} in {text}"))
}

/// The list alone, in a file around it.
fn added(list: &str) -> String {
    let text = format!("{{\n  cluster.admins = {list};\n}}\n");
    let new = find(&text).with("x");
    assert_eq!(find(&new).values().last(), Some("x"), "{new}");
    assert_eq!(find(&new).without(|value| value == "x"), text, "added and removed");
    new.trim_start_matches("{\n  cluster.admins = ").trim_end_matches(";\n}\n").to_owned()
}

fn removed(list: &str) -> String {
    let text = format!("{{\n  cluster.admins = {list};\n}}\n");
    let new = find(&text).without(|value| value == "x");
    assert!(find(&new).values().all(|value| value != "x"), "{new}");
    new.trim_start_matches("{\n  cluster.admins = ").trim_end_matches(";\n}\n").to_owned()
}

#[test]
fn a_new_element_follows_the_style_of_its_list() {
    for (list, expected) in [
        ("[]", "[\"x\"]"),
        ("[ ]", "[ \"x\" ]"),
        ("[ \"a\" ]", "[ \"a\" \"x\" ]"),
        ("[\"a\"]", "[\"a\" \"x\"]"),
        ("[ \"a\" /* anna */ ]", "[ \"a\" /* anna */ \"x\" ]"),
        ("[\n    \"a\"\n  ]", "[\n    \"a\"\n    \"x\"\n  ]"),
        ("[\n    \"a\" # anna\n  ]", "[\n    \"a\" # anna\n    \"x\"\n  ]"),
        ("[\n    \"a\"  \n    # more to come\n  ]", "[\n    \"a\"  \n    \"x\"\n    # more to come\n  ]"),
        ("[\n    # nobody yet\n  ]", "[\n    # nobody yet\n    \"x\"\n  ]"),
        ("[\n  ]", "[\n    \"x\"\n  ]"),
        ("[ \"a\"\n    \"b\" ]", "[ \"a\"\n    \"b\"\n    \"x\" ]"),
        ("[\r\n\t\"a\"\r\n  ]", "[\r\n\t\"a\"\r\n\t\"x\"\r\n  ]"),
        ("[ # admins\n    \"a\" ]", "[ # admins\n    \"a\"\n    \"x\" ]"),
    ] {
        assert_eq!(added(list), expected, "{list}");
    }
}

#[test]
fn an_element_goes_with_its_line_or_its_blank() {
    for (list, expected) in [
        ("[\"x\"]", "[]"),
        ("[ \"x\" ]", "[ ]"),
        ("[ \"x\" \"b\" ]", "[ \"b\" ]"),
        ("[\"x\" \"b\"]", "[\"b\"]"),
        ("[ \"a\" \"x\" ]", "[ \"a\" ]"),
        ("[\"x\" \"x\"]", "[]"),
        ("[\n    \"x\" # xaver\n    \"b\"\n  ]", "[\n    \"b\"\n  ]"),
        ("[\n    # our own\n    \"x\"\n    \"b\"\n  ]", "[\n    # our own\n    \"b\"\n  ]"),
        ("[\n    \"x\" \"b\"\n  ]", "[\n    \"b\"\n  ]"),
        ("[ # admins\n    \"x\" ]", "[ # admins\n     ]"),
        ("[ \"a\"\n    \"x\" ]", "[ \"a\" ]"),
        ("[\r\n    \"a\"\r\n    \"x\"\r\n  ]", "[\r\n    \"a\"\r\n  ]"),
        ("[ \"a\" /* b */ \"x\" /* c\n */ \"d\" ]", "[ \"a\" /* b */ /* c\n */ \"d\" ]"),
    ] {
        assert_eq!(removed(list), expected, "{list}");
    }
}

#[test]
fn the_list_is_found_however_the_path_is_written() {
    for text in [
        "{ cluster.admins = [ \"a\" ]; }",
        "{ cluster = { admins = [ \"a\" ]; }; }",
        "{ \"cluster\".\"admins\" = [ \"a\" ]; }",
        "rec { cluster = rec { name = \"x\"; admins = [ \"a\" ]; }; }",
        "{ lib, ... }: { cluster.admins = [ \"a\" ]; }",
        "pkgs: with builtins; with pkgs.lib; ({ cluster.admins = [ \"a\" ]; })",
        "let admins = [ \"b\" ]; in { cluster.admins = [ \"a\" ]; other = admins; }",
    ] {
        assert_eq!(find(text).values().collect::<Vec<_>>(), ["a"], "{text}");
    }
}

#[test]
fn what_is_computed_is_not_touched() {
    let why = |text: &str| LiteralList::find(text, &ADMINS).unwrap_err();
    for (text, at) in [
        ("let a = [ ]; in { cluster.admins = a; }", "a; }"),
        ("{ cluster.admins = import ./admins.nix; }", "import"),
        ("{ cluster.admins = [ \"a\" ] ++ [ \"b\" ]; }", "[ \"a\""),
        ("{ cluster.admins = [ anna ]; }", "[ anna"),
        ("{ cluster.admins = [ \"${anna}\" ]; }", "[ \"$"),
        ("{ cluster = import ./cluster.nix; }", "import"),
        ("{ cluster.name = \"a\"; } // { cluster.admins = [ ]; }", "{ cluster.name"),
    ] {
        assert_eq!(why(text), NotLiteral::Computed { at: text.find(at).unwrap() }, "{text}");
    }
    assert_eq!(why("{ cluster.name = \"a\"; }"), NotLiteral::Absent);
    assert_eq!(why("{ cluster.admins = [ ; }"), NotLiteral::Unreadable);
    assert_eq!(why(&"[".repeat(100_000)), NotLiteral::Unreadable);
    let twice = "{ cluster.admins = [ ]; cluster.admins = [ ]; }";
    assert_eq!(why(twice), NotLiteral::Several { at: twice.rfind("[ ]").unwrap() });
}

/// Blanks and comments as they may stand between elements; those that end a line begin the next.
fn gap() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        " ",
        "  ",
        "\n",
        "\n    ",
        " # one \"two\" ]\n",
        "/* [ */",
        " /* a\n b */ ",
        "\t",
        "\r\n  ",
        " \n\n  ",
    ]);
    prop::collection::vec(pieces, 0..3).prop_map(|pieces| pieces.concat())
}

/// A list in any style: its text, and what it holds.
fn list() -> impl Strategy<Value = (String, Vec<String>)> {
    let element = ("[a-z]{1,4}|a b|q\\\\\"u|d\\$\\{|\\$\\$\\{x\\}", gap());
    (gap(), prop::collection::vec(element, 0..5)).prop_map(|(first, elements)| {
        let mut text = format!("[{first}");
        let mut values = Vec::new();
        for (value, gap) in elements {
            let _ = write!(text, "\"{}\"{gap}", escape(&value));
            values.push(value);
        }
        (text + "]", values)
    })
}

/// What the evaluator makes of a file: the list, read by another way than the one that is tested.
fn evaluated(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machines.nix");
    std::fs::write(&path, text).unwrap();
    let (node, _) = crate::nix::evaluate(&path, crate::nix::Evaluator::Builtin)
        .unwrap_or_else(|error| panic!("{:?}\n{text}", error.faults));
    let admins = node.get("cluster").and_then(|cluster| cluster.get("admins")).unwrap();
    let quorate_pki::inventory::Data::List(items) = &admins.data else { panic!("no list in {text}") };
    items
        .iter()
        .map(|item| match &item.data {
            quorate_pki::inventory::Data::Str(value) => value.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// A text without its blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_added_and_removed_again_leaves_no_trace((list, values) in list()) {
        let text = format!("# head\n{{ cluster = {{ admins = {list}; name = \"x\"; }}; }}\n# tail");
        let before = find(&text);
        prop_assert_eq!(before.values().collect::<Vec<_>>(), values.clone());
        let new = before.with("anna@desk \"${x}\\");
        let mut expected = values;
        expected.push("anna@desk \"${x}\\".to_owned());
        prop_assert_eq!(evaluated(&new), expected, "{}", new);
        let back = find(&new).without(|value| value.starts_with("anna@desk"));
        prop_assert_eq!(back, text);
    }

    #[test]
    fn who_is_removed_is_gone_and_nobody_else((list, values) in list(), which in 0_usize..5) {
        let text = format!("{{ cluster.admins = {list}; }}");
        let Some(gone) = values.get(which) else { return Ok(()) };
        let new = find(&text).without(|value| value == gone);
        let expected: Vec<String> = values.iter().filter(|value| *value != gone).cloned().collect();
        prop_assert_eq!(evaluated(&new), expected, "{} became {}", text, new);
        // Only elements, blanks, and the comments of their lines went.
        prop_assert!(words(&text).len() >= words(&new).len());
        let framed = new.starts_with("{ cluster.admins = [") && new.ends_with("]; }");
        prop_assert!(framed, "{}", new);
    }
}

#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

use super::*;

fn printed(path: &str, value: impl Into<Nix>) -> String {
    let mut settings = Settings::new();
    settings.set(path, value);
    let text = set("", &settings);
    assert_eq!(nixfmt_rs::format(&text).unwrap(), text);
    text
}

#[test]
fn settings_that_begin_alike_stand_in_one_set_in_the_order_in_which_they_were_made() {
    let mut settings = Settings::new();
    settings.set("b.two", true);
    settings.set("a", 1_u16);
    settings.set("b.one", "x");
    settings.set("b.\"three.four\".five", Nix::List(Vec::new()));
    assert_eq!(
        set("", &settings),
        "{\n  b = {\n    two = true;\n    one = \"x\";\n    \"three.four\".five = [ ];\n  };\n\n  a = 1;\n}\n"
    );
}

#[test]
fn what_is_set_twice_has_its_second_value_and_a_set_in_its_place_is_gone() {
    let mut settings = Settings::new();
    settings.set("a.b", 1_u16);
    settings.set("a", 2_u16);
    assert_eq!(set("", &settings), "{\n  a = 2;\n}\n");
}

#[test]
fn no_text_ends_its_string_or_is_evaluated() {
    for (text, expected) in [
        ("a\"b\\c", r#""a\"b\\c""#),
        ("${x} $$ $", r#""\${x} $$ $""#),
        ("$${x}", r#""$\${x}""#),
        ("a\nb\tc\rd", r#""a\nb\tc\rd""#),
    ] {
        assert_eq!(printed("a", text), format!("{{\n  a = {expected};\n}}\n"));
    }
    let text = printed("a", lines("''${x}\n\n  '' $"));
    assert_eq!(text, "{\n  a = ''\n    '''''${x}\n\n      ''' $\n  '';\n}\n");
}

#[test]
fn a_name_that_is_none_is_quoted() {
    for (name, expected) in
        [("a-b'", "a-b'"), ("_a", "_a"), ("1a", "\"1a\""), ("with", "\"with\""), ("a/b", "\"a/b\"")]
    {
        assert_eq!(printed(&format!("\"{name}\""), true), format!("{{\n  {expected} = true;\n}}\n"));
    }
}

#[test]
fn a_module_takes_the_arguments_that_its_expressions_name_and_no_other() {
    let header = |value: Nix| {
        let mut settings = Settings::new();
        settings.set("a", value);
        let text = module("", &settings);
        assert_eq!(nixfmt_rs::format(&text).unwrap(), text);
        text.split("}:").next().unwrap().split_whitespace().collect::<String>()
    };
    assert_eq!(header("config.a pkgs.b".into()), "{...");
    assert_eq!(header(expr("pkgs.b")), "{pkgs,...");
    assert_eq!(header(default("x")), "{lib,...");
    assert_eq!(header(expr("./pkgs.nix")), "{...");
    assert_eq!(header(Nix::If("config.x", Box::new(expr("pkgs.b")))), "{config,lib,pkgs,...");
}

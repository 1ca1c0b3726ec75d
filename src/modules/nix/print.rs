//! How settings and values are written: as nixfmt would leave them, so that nobody has to run it.

use std::fmt::Write as _;

use super::{DEFAULT, Entry, Nix, Settings};

/// The longest line that nixfmt leaves on one line, without what it is indented by.
const WIDTH: usize = 100;

/// The priority of emitted values.
const PRIORITY: u16 = 900;

/// A whole module: a comment, the arguments it uses, its settings.
pub fn module(comment: &str, settings: &Settings) -> String {
    let mut text = commented(comment, 0);
    let mut body = String::new();
    print_set(&mut body, settings, 0);
    let used = |name: &str| settings.uses(name);
    let defaults = used(DEFAULT);
    let arguments: Vec<&str> =
        [("config", used("config")), ("lib", defaults || used("lib")), ("pkgs", used("pkgs"))]
            .into_iter()
            .filter_map(|(name, used)| used.then_some(name))
            .collect();
    text.push_str(&header(&arguments));
    if defaults {
        let _ = write!(text, "let\n  {DEFAULT} = lib.mkOverride {PRIORITY};\nin\n");
    }
    text.push_str(&body);
    text.push('\n');
    text
}

/// A set by itself.
pub fn set(comment: &str, settings: &Settings) -> String {
    let mut text = commented(comment, 0);
    print_set(&mut text, settings, 0);
    text.push('\n');
    text
}

/// nixfmt leaves at most one name beside the dots on one line.
fn header(arguments: &[&str]) -> String {
    match arguments {
        [] => "{ ... }:\n".to_owned(),
        [one] => format!("{{ {one}, ... }}:\n"),
        many => {
            format!("{{\n  {},\n  ...\n}}:\n", many.join(",\n  "))
        }
    }
}

fn commented(comment: &str, indent: usize) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "{:indent$}{}", "", format!("# {line}").trim_end());
    }
    text
}

fn print_set(text: &mut String, settings: &Settings, indent: usize) {
    if settings.is_empty() {
        text.push_str("{ }");
        return;
    }
    text.push_str("{\n");
    for (place, entry) in settings.entries.iter().enumerate() {
        // What stands at the top stands apart.
        if indent == 0 && place > 0 {
            text.push('\n');
        }
        print_entry(text, entry, indent + 2);
    }
    let _ = write!(text, "{:indent$}}}", "");
}

/// `a.b.c = value;`: a set that holds one thing has no braces of its own.
fn print_entry(text: &mut String, entry: &Entry, indent: usize) {
    for line in &entry.comment {
        let _ = writeln!(text, "{:indent$}{}", "", format!("# {line}").trim_end());
    }
    let _ = write!(text, "{:indent$}{}", "", name(&entry.name));
    let mut at = entry;
    while let (None, [only]) = (&at.value, at.below.entries.as_slice())
        && only.comment.is_empty()
    {
        let _ = write!(text, ".{}", name(&only.name));
        at = only;
    }
    if let Some(value) = &at.value {
        text.push_str(" =");
        print_after(text, value, indent);
    } else {
        text.push_str(" = ");
        print_set(text, &at.below, indent);
    }
    text.push_str(";\n");
}

/// What follows ` =`: on the same line, or where that is too long on the next, or item by item.
fn print_after(text: &mut String, value: &Nix, indent: usize) {
    let mut printed = String::new();
    print_value(&mut printed, value, indent);
    // nixfmt counts a line without what it is indented by, and with its semicolon.
    let line = text.lines().last().map_or(0, |line| line.trim_start().chars().count());
    let is_long = !printed.contains('\n') && line + printed.chars().count() + 2 > WIDTH;
    if is_long && let Some(item) = only_item(value) {
        let list = format!("[\n{:width$}{item}\n{:indent$}]", "", "", width = indent + 2);
        let _ = write!(text, " {}", printed.replace(&format!("[ {item} ]"), &list));
    } else if is_long && is_one_line(value) && printed.chars().count() < WIDTH {
        let _ = write!(text, "\n{:width$}{printed}", "", width = indent + 2);
    } else {
        let _ = write!(text, " {printed}");
    }
}

/// What a list of one item has in it, as it is printed.
fn only_item(value: &Nix) -> Option<String> {
    match value {
        Nix::Apply(_, argument) => only_item(argument),
        Nix::List(items) => {
            let [item] = items.as_slice() else { return None };
            let mut printed = String::new();
            print_argument(&mut printed, item, 0);
            Some(printed)
        }
        _ => None,
    }
}

/// Whether a value can stand on no more than one line, and is no string by itself.
fn is_one_line(value: &Nix) -> bool {
    match value {
        Nix::Expr(_) => true,
        Nix::Apply(_, argument) => is_one_line(argument) || matches!(**argument, Nix::Str(_)),
        _ => false,
    }
}

fn print_value(text: &mut String, value: &Nix, indent: usize) {
    match value {
        Nix::Str(string) => text.push_str(&quoted(string)),
        Nix::Lines(lines) => print_lines(text, lines, indent),
        Nix::Int(number) => {
            let _ = write!(text, "{number}");
        }
        Nix::Bool(value) => {
            let _ = write!(text, "{value}");
        }
        Nix::Expr(expression) => text.push_str(expression),
        Nix::List(items) => print_list(text, items, indent),
        Nix::Set(settings) => print_set(text, settings, indent),
        Nix::Apply(function, value) => {
            let _ = write!(text, "{function} ");
            print_argument(text, value, indent);
        }
        Nix::If(condition, value) => {
            let _ = write!(text, "lib.mkIf {} ", parenthesised(condition));
            print_argument(text, value, indent);
        }
    }
}

fn parenthesised(expression: &str) -> String {
    if expression.contains(['!', ' ']) && !expression.starts_with('"') {
        format!("({expression})")
    } else {
        expression.to_owned()
    }
}

fn print_argument(text: &mut String, value: &Nix, indent: usize) {
    match value {
        Nix::Expr(expression) => text.push_str(&parenthesised(expression)),
        Nix::Apply(..) | Nix::If(..) => {
            let mut printed = String::new();
            print_value(&mut printed, value, indent + 2);
            if printed.contains('\n') {
                let _ = write!(text, "(\n{:width$}{printed}\n{:indent$})", "", "", width = indent + 2);
            } else {
                let _ = write!(text, "({printed})");
            }
        }
        _ => print_value(text, value, indent),
    }
}

/// nixfmt gives each of several items a line.
fn print_list(text: &mut String, items: &[Nix], indent: usize) {
    match items {
        [] => text.push_str("[ ]"),
        [one] if !matches!(one, Nix::Set(_) | Nix::List(_) | Nix::Lines(_)) => {
            text.push_str("[ ");
            print_argument(text, one, indent);
            text.push_str(" ]");
        }
        many => {
            text.push_str("[\n");
            for item in many {
                let _ = write!(text, "{:width$}", "", width = indent + 2);
                print_argument(text, item, indent + 2);
                text.push('\n');
            }
            let _ = write!(text, "{:indent$}]", "");
        }
    }
}

fn print_lines(text: &mut String, lines: &[String], indent: usize) {
    text.push_str("''\n");
    for line in lines {
        if line.is_empty() {
            text.push('\n');
        } else {
            let _ = writeln!(text, "{:width$}{}", "", escaped_lines(line), width = indent + 2);
        }
    }
    let _ = write!(text, "{:indent$}''", "");
}

/// Source: Nix manual, "String literals": in indented strings `'''` is `''`, and `''$` is a `$`.
fn escaped_lines(line: &str) -> String {
    line.replace("''", "'''").replace("${", "''${")
}

/// Source: Nix manual, "String literals".
pub(in crate::modules) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '$' if rest.peek() == Some(&'{') => quoted.push_str("\\$"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The words that are no names. Source: Nix manual, "Identifiers".
const KEYWORDS: &[&str] = &["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"];

/// A name of a path, quoted where it must be.
fn name(text: &str) -> String {
    let first = text.chars().next();
    let plain = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''))
        && !KEYWORDS.contains(&text);
    if plain { text.to_owned() } else { quoted(text) }
}

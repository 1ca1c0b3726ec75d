//! YAML, in the many ways in which people write the same.

use std::fmt::Write as _;

use super::random::Random;
use super::texts::{Tree, quoted};
use super::words::COMMENTS;

/// Whether YAML takes it for this very string without quotes.
fn is_plain(text: &str) -> bool {
    let is_word = text.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_');
    is_word && !matches!(text.to_lowercase().as_str(), "" | "null" | "true" | "false")
}

fn scalar(text: &str, random: &mut Random, depth: usize) -> String {
    let printable =
        !text.contains(|letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{feff}'));
    match random.below(3) {
        0 if is_plain(text) => text.to_owned(),
        1 if printable => format!("'{}'", text.replace('\'', "''")),
        2 if is_block(text) => {
            let indent = "  ".repeat(depth + 1);
            let sign = if text.ends_with('\n') { "|" } else { "|-" };
            let lines: Vec<_> = text.trim_end_matches('\n').split('\n').collect();
            let lines = lines
                .iter()
                .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
            format!("{sign}\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
        _ => quoted(text),
    }
}

/// Whether it can stand as a block of lines, with at most one line feed at its end.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    let odd =
        |letter: char| (letter.is_control() && letter != '\n') || matches!(letter, '\u{2028}' | '\u{feff}');
    lines.contains('\n') && !lines.ends_with('\n') && !lines.starts_with([' ', '\n']) && !lines.contains(odd)
}

fn comment(random: &mut Random, depth: usize, out: &mut String) {
    writeln!(out, "{}#{}", "  ".repeat(depth), random.pick(COMMENTS)).expect("a string");
}

/// One that is a list's, or may be: an empty one sops makes an empty string of.
fn comment_of_list(random: &mut Random, depth: usize, out: &mut String) {
    comment(random, depth, out);
    if out.ends_with("#\n") {
        out.truncate(out.len() - 1);
        out.push_str(" x\n");
    }
}

pub(super) fn map(tree: &Tree, random: &mut Random, depth: usize, out: &mut String) {
    for (key, value) in tree.pairs() {
        while random.once_in(6) {
            comment(random, depth, out);
        }
        let key = match random.below(2) {
            0 if is_plain(key) => key.clone(),
            _ => quoted(key),
        };
        write!(out, "{}{key}:", "  ".repeat(depth)).expect("a string");
        behind(value, random, depth, out);
    }
    if depth == 0 && tree.pairs().is_empty() {
        out.push_str("{}\n");
    }
    if random.once_in(8) {
        comment_of_list(random, depth, out);
    }
}

/// What stands behind `key:` or `-`, the end of the line included.
fn behind(value: &Tree, random: &mut Random, depth: usize, out: &mut String) {
    match value {
        Tree::Word(word) => write!(out, " {word}").expect("a string"),
        Tree::Text(text) => write!(out, " {}", scalar(text, random, depth)).expect("a string"),
        Tree::List(elements) if elements.is_empty() => out.push_str(" []"),
        Tree::Map(pairs) if pairs.is_empty() => out.push_str(" {}"),
        Tree::List(elements) => {
            out.push('\n');
            for element in elements {
                if random.once_in(6) {
                    comment_of_list(random, depth + 1, out);
                }
                write!(out, "{}-", "  ".repeat(depth + 1)).expect("a string");
                behind(element, random, depth + 1, out);
            }
            return;
        }
        Tree::Map(_) => {
            out.push('\n');
            return map(value, random, depth + 1, out);
        }
    }
    let in_list = out.lines().last().is_some_and(|line| line.trim_start().starts_with("- "));
    let is_block = out.lines().last().is_some_and(|line| !line.contains([':', '-'])) || out.ends_with('\n');
    if random.once_in(8) && !is_block && !matches!(value, Tree::Text(text) if text.contains('\n')) {
        let comment = random.pick(COMMENTS);
        write!(out, " #{}", if in_list && comment.is_empty() { " x" } else { comment }).expect("a string");
    }
    out.push('\n');
}

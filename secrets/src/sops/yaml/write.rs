//! Documents to YAML text, laid out as sops lays it out, so that sops' next rewrite changes nothing but values.

use std::fmt::Write as _;

use super::super::error::SopsError;
use super::super::store::{Indent, Parts, SECTION};
use super::super::tree::{Branch, Comment, Element, Item, Node};
use super::super::value::{Kind, Plain};
use super::scalar::resolve;
use crate::secret::Secret;

/// Indentation of nested blocks. Source: sops, stores/yaml/store.go, `IndentDefault`.
const INDENT: usize = 4;

/// Documents as sops prints them.
pub(crate) fn write(documents: &[Branch<Plain>], _indent: Indent) -> Result<Secret, SopsError> {
    let mut out = String::new();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        write_map(&mut out, document, 0);
    }
    Ok(Secret::from_text(out))
}

/// Sealed documents, each with the section behind its last key.
pub(crate) fn write_sealed(parts: &Parts, _indent: Indent) -> Result<String, SopsError> {
    let mut out = String::new();
    for (index, document) in parts.documents.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        write_map(&mut out, document, 0);
        if let Some(section) = &parts.section {
            out.push_str(SECTION);
            out.push_str(":\n");
            write_map(&mut out, section, INDENT);
        }
    }
    Ok(out)
}

/// Sealed documents in the place of `old`.
pub(crate) fn rewrite_sealed(_old: &str, parts: &Parts) -> Result<String, SopsError> {
    write_sealed(parts, None)
}

/// A map or a list that is not the whole file.
pub(crate) fn write_nested(node: &Node<Plain>) -> Result<Secret, SopsError> {
    let mut out = String::new();
    match node {
        Node::Map(items) => write_map(&mut out, items, 0),
        Node::List(elements) => write_list(&mut out, elements, 0),
        Node::Null | Node::Leaf(_) => {}
    }
    Ok(Secret::from_text(out))
}

/// One value, without quotes.
pub(crate) fn value_text(plain: &Plain) -> Secret {
    match plain.kind {
        Kind::Str | Kind::Bytes | Kind::Comment => plain.bytes.duplicate(),
        _ => Secret::from_text(scalar_text(plain)),
    }
}

/// Where blocks inside one at `depth` begin: the next multiple, also from within a list, whose maps are two further in.
/// Source: go-yaml v3, `emitterc.go`, `yaml_emitter_increase_indent_compact`.
fn inside(depth: usize) -> usize {
    (depth + INDENT) / INDENT * INDENT
}

fn write_map(out: &mut String, items: &Branch<Plain>, depth: usize) {
    for item in items {
        match item {
            Item::Comment(comment) => write_comment(out, comment, depth),
            Item::Pair(key, node) => {
                push_indent(out, depth);
                // A merge key that sops expanded: what it merged stands below it.
                let is_merge = key == "<<" && matches!(node, Node::Map(_));
                out.push_str(&if is_merge { "!!merge <<".to_owned() } else { quoted(key) });
                out.push(':');
                write_value(out, node, depth);
            }
        }
    }
}

fn write_comment(out: &mut String, comment: &Comment<Plain>, depth: usize) {
    let text = comment.as_str();
    if comment.inline && out.ends_with('\n') {
        out.pop();
        push_line(out, 0, &format!(" #{text}"));
    } else {
        push_line(out, depth, &format!("#{text}"));
    }
}

/// What stands behind `key:`, the line feed included.
fn write_value(out: &mut String, node: &Node<Plain>, depth: usize) {
    match node {
        Node::Null => out.push_str(" null\n"),
        Node::Leaf(plain) if is_block(plain) => write_block(out, plain, depth),
        Node::Leaf(plain) => {
            out.push(' ');
            out.push_str(&scalar_text(plain));
            out.push('\n');
        }
        Node::Map(items) if items.is_empty() => out.push_str(" {}\n"),
        Node::List(elements) if elements.is_empty() => out.push_str(" []\n"),
        Node::Map(items) => {
            out.push('\n');
            write_map(out, items, inside(depth));
        }
        Node::List(elements) => {
            out.push('\n');
            write_list(out, elements, inside(depth));
        }
    }
}

fn write_list(out: &mut String, elements: &[Element<Plain>], depth: usize) {
    for element in elements {
        match element {
            Element::Comment(comment) => write_comment(out, comment, depth),
            Element::Node(Node::Null) => push_line(out, depth, "- null"),
            Element::Node(Node::Leaf(plain)) => push_line(out, depth, &format!("- {}", scalar_text(plain))),
            Element::Node(node) => {
                let mut block = String::new();
                match node {
                    Node::Map(items) if !items.is_empty() => write_map(&mut block, items, depth + 2),
                    Node::List(inner) if !inner.is_empty() => write_list(&mut block, inner, depth + 2),
                    empty => block.push_str(if matches!(empty, Node::Map(_)) { "{}\n" } else { "[]\n" }),
                }
                push_indent(out, depth);
                out.push_str("- ");
                out.push_str(block.trim_start_matches(' '));
            }
        }
    }
}

fn push_indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n(' ', depth));
}

fn push_line(out: &mut String, depth: usize, line: &str) {
    push_indent(out, depth);
    out.push_str(line);
    out.push('\n');
}

/// Whether a string has lines of its own.
fn is_block(plain: &Plain) -> bool {
    plain.kind == Kind::Str && plain.bytes.expose_bytes().contains(&b'\n')
}

fn write_block(out: &mut String, plain: &Plain, depth: usize) {
    out.push_str(" |\n");
    for line in plain.bytes.expose_text().unwrap_or_default().lines() {
        push_line(out, inside(depth), line);
    }
}

fn scalar_text(plain: &Plain) -> String {
    let text = plain.bytes.expose_text().unwrap_or_default();
    match plain.kind {
        Kind::Bool => text.to_ascii_lowercase(),
        Kind::Int | Kind::Float | Kind::Time => text.to_owned(),
        Kind::Str | Kind::Bytes | Kind::Comment => quoted(text),
    }
}

/// A string in the style that go-yaml chooses: plain where that reads back, else single, else double quotes.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().any(needs_escape) || is_other_type(text) {
        return double_quoted(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Whether the plain text would read back as something else than a string. go-yaml also quotes the booleans of
/// YAML 1.1 and its base-60 numbers, for older readers.
fn is_other_type(text: &str) -> bool {
    const OLD_BOOLEANS: [&str; 22] = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF",
        "true", "True", "TRUE", "false", "False", "FALSE",
    ];
    let base_60 = || {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        digits.contains(':')
            && digits.starts_with(|first: char| first.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'_'))
    };
    !matches!(resolve(text), Ok(Node::Leaf(Plain { kind: Kind::Str, .. })))
        || OLD_BOOLEANS.contains(&text)
        || text == "<<"
        || base_60()
}

/// Whether a text without control characters can stand without quotes.
fn is_plain(text: &str) -> bool {
    let starts_badly = text.starts_with(|first: char| "#,[]{}&*!|>'\"%@` ".contains(first))
        || text.starts_with("---")
        || text.starts_with("...")
        || ["-", "?", ":"]
            .iter()
            .any(|mark| text.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
    !starts_badly && !text.ends_with([' ', ':']) && !text.contains(": ") && !text.contains(" #")
}

/// What go-yaml takes for unprintable: controls, the byte order mark, and all beyond 16 bits. Source: go-yaml v3,
/// `yamlprivateh.go`, `is_printable`; line and paragraph separators are breaks to it.
fn needs_escape(letter: char) -> bool {
    !matches!(letter, ' '..='~' | '\u{a0}'..='\u{fffd}')
        || matches!(letter, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        if let Some((_, short)) = SHORT_ESCAPES.iter().find(|(escaped, _)| *escaped == letter) {
            out.push('\\');
            out.push(*short);
        } else if needs_escape(letter) {
            let code = u32::from(letter);
            // Writing to a String does not fail.
            let _ = match code {
                0..=0xff => write!(out, "\\x{code:02X}"),
                0x100..=0xffff => write!(out, "\\u{code:04X}"),
                _ => write!(out, "\\U{code:08X}"),
            };
        } else {
            out.push(letter);
        }
    }
    out.push('"');
    out
}

/// Characters with an escape of one letter. Source: YAML 1.2.2, section 5.7.
const SHORT_ESCAPES: [(char, char); 14] = [
    ('"', '"'),
    ('\\', '\\'),
    ('\0', '0'),
    ('\u{7}', 'a'),
    ('\u{8}', 'b'),
    ('\t', 't'),
    ('\n', 'n'),
    ('\u{b}', 'v'),
    ('\u{c}', 'f'),
    ('\r', 'r'),
    ('\u{1b}', 'e'),
    ('\u{85}', 'N'),
    ('\u{2028}', 'L'),
    ('\u{2029}', 'P'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_only_where_go_yaml_quotes_them() {
        for (text, expected) in [
            ("etcd-server", "etcd-server"),
            ("ssh-ed25519 AAAA root@vm", "ssh-ed25519 AAAA root@vm"),
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("3.13", "\"3.13\""),
            ("3.13.2", "3.13.2"),
            ("12:30", "\"12:30\""),
            ("a: b", "'a: b'"),
            ("it's: b", "'it''s: b'"),
            ("#a", "'#a'"),
            ("-", "'-'"),
            ("-a", "-a"),
            ("a\tb", "\"a\\tb\""),
            ("é\u{1}", "\"é\\x01\""),
            ("2024-01-02", "\"2024-01-02\""),
            ("😀\u{1b}", "\"\\U0001F600\\e\""),
            ("back\\slash", "back\\slash"),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}

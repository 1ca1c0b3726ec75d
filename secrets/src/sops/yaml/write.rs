//! Documents to YAML text, laid out as sops lays it out, so that sops' next rewrite changes nothing but values.

use std::fmt::Write as _;

use super::super::metadata::Metadata;
use super::super::tree::{Branch, Element, Item, Node, Scalar};
use super::scalar::resolve;

/// Indentation of nested blocks. Source: sops, stores/yaml/store.go, `IndentDefault`.
const INDENT: usize = 4;

/// One document and its `sops` section, which stands last.
pub(crate) fn write(document: &Branch<Scalar>, metadata: &Metadata) -> String {
    let mut out = String::new();
    write_map(&mut out, document, 0);
    write_metadata(&mut out, metadata);
    out
}

fn write_map(out: &mut String, items: &Branch<Scalar>, depth: usize) {
    for item in items {
        match item {
            Item::Comment(comment) => {
                let text = comment.text.as_str().unwrap_or_default();
                if comment.inline && out.ends_with('\n') {
                    out.pop();
                    push_line(out, 0, &format!(" #{text}"));
                } else {
                    push_line(out, depth, &format!("#{text}"));
                }
            }
            Item::Pair(key, node) => {
                push_indent(out, depth);
                out.push_str(&quoted(key));
                out.push(':');
                write_value(out, node, depth);
            }
        }
    }
}

/// What stands behind `key:`, the line feed included.
fn write_value(out: &mut String, node: &Node<Scalar>, depth: usize) {
    match node {
        Node::Leaf(scalar) => {
            out.push(' ');
            out.push_str(&scalar_text(scalar));
            out.push('\n');
        }
        Node::Map(items) if items.is_empty() => out.push_str(" {}\n"),
        Node::List(elements) if elements.is_empty() => out.push_str(" []\n"),
        Node::Map(items) => {
            out.push('\n');
            write_map(out, items, depth + INDENT);
        }
        Node::List(elements) => {
            out.push('\n');
            for element in elements {
                write_element(out, element, depth + INDENT);
            }
        }
    }
}

fn write_element(out: &mut String, element: &Element<Scalar>, depth: usize) {
    match element {
        Element::Comment(comment) => {
            push_line(out, depth, &format!("#{}", comment.text.as_str().unwrap_or_default()));
        }
        Element::Node(Node::Leaf(scalar)) => push_line(out, depth, &format!("- {}", scalar_text(scalar))),
        Element::Node(node) => {
            let mut block = String::new();
            write_value(&mut block, node, depth + 2 - INDENT);
            let block = block.trim_start_matches('\n');
            push_line(out, depth, &format!("- {}", block.trim()));
        }
    }
}

/// Sorted by name, as sops since 3.13 does.
fn write_metadata(out: &mut String, metadata: &Metadata) {
    let (rule, rule_text) = metadata.selector.field();
    let mut fields = vec![
        ("lastmodified", double_quoted(&metadata.lastmodified)),
        ("mac", metadata.mac.clone()),
        (rule, quoted(rule_text)),
        ("version", quoted(&metadata.version)),
    ];
    if metadata.mac_only_encrypted {
        fields.push(("mac_only_encrypted", "true".to_owned()));
    }
    fields.sort_unstable();
    push_line(out, 0, "sops:");
    // `age` is the first of all names.
    if !metadata.age.is_empty() {
        push_line(out, INDENT, "age:");
    }
    for stanza in &metadata.age {
        push_line(out, 2 * INDENT, "- enc: |");
        for line in stanza.enc.lines() {
            push_line(out, 3 * INDENT, line);
        }
        push_line(out, 2 * INDENT + 2, &format!("recipient: {}", quoted(&stanza.recipient)));
    }
    for (name, text) in fields {
        push_line(out, INDENT, &format!("{name}: {text}"));
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

fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Str(text) => quoted(text),
        Scalar::Null => "null".to_owned(),
        other => other.weak_text().to_owned(),
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
    !matches!(resolve(text), Ok(Scalar::Str(_))) || OLD_BOOLEANS.contains(&text) || text == "<<" || base_60()
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

fn needs_escape(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            _ if needs_escape(letter) => {
                let code = u32::from(letter);
                // Writing to a String does not fail.
                let _ =
                    if code < 0x100 { write!(out, "\\x{code:02X}") } else { write!(out, "\\u{code:04X}") };
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

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
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}

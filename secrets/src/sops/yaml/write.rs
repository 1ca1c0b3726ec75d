//! Documents to YAML text, laid out as sops lays it out, so that sops' next rewrite changes nothing but values.

use std::fmt::Write as _;

use super::super::metadata::Metadata;
use super::super::tree::{Branch, Comment, Element, Item, Node, Scalar};
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

/// Where blocks inside one at `depth` begin: the next multiple, also from within a list, whose maps are two further in.
/// Source: go-yaml v3, `emitterc.go`, `yaml_emitter_increase_indent_compact`.
fn inside(depth: usize) -> usize {
    (depth + INDENT) / INDENT * INDENT
}

fn write_map(out: &mut String, items: &Branch<Scalar>, depth: usize) {
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

fn write_comment(out: &mut String, comment: &Comment<Scalar>, depth: usize) {
    let text = comment.text.as_str().unwrap_or_default();
    if comment.inline && out.ends_with('\n') {
        out.pop();
        push_line(out, 0, &format!(" #{text}"));
    } else {
        push_line(out, depth, &format!("#{text}"));
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
            write_map(out, items, inside(depth));
        }
        Node::List(elements) => {
            out.push('\n');
            write_list(out, elements, inside(depth));
        }
    }
}

fn write_list(out: &mut String, elements: &[Element<Scalar>], depth: usize) {
    for element in elements {
        match element {
            Element::Comment(comment) => write_comment(out, comment, depth),
            Element::Node(Node::Leaf(scalar)) => push_line(out, depth, &format!("- {}", scalar_text(scalar))),
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
        Scalar::Typed { source, .. } => source.clone(),
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

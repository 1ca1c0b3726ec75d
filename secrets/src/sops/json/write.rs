//! A tree to JSON text, laid out as sops lays it out.

use super::super::buffer::Buffer;
use super::super::error::SopsError;
use super::super::store::{Indent, Parts, SECTION, only};
use super::super::tree::{Branch, Node, duplicate, nodes, pairs};
use super::super::value::{Kind, Plain};
use super::number::float_json;
use crate::secret::Secret;

/// A file in the open.
pub(crate) fn write(document: &Branch<Plain>, indent: Indent) -> Result<Secret, SopsError> {
    let mut writer = Writer::new(indent);
    writer.map(&pairs(document).collect::<Vec<_>>(), 0)?;
    writer.out.push('\n');
    Ok(writer.out.into_secret())
}

/// A sealed file, the section behind the last key.
pub(crate) fn write_sealed(parts: &Parts, indent: Indent) -> Result<String, SopsError> {
    let section = parts.section.as_ref().map(|section| Node::Map(duplicate(section)));
    let mut members: Vec<_> = pairs(only(&parts.documents, "json")?).collect();
    members.extend(section.as_ref().map(|section| (SECTION, section)));
    let mut writer = Writer::new(indent);
    writer.map(&members, 0)?;
    writer.out.push('\n');
    Ok(writer.out.into_public())
}

/// Any value, without a line feed behind it.
pub(crate) fn write_value(node: &Node<Plain>) -> Result<Secret, SopsError> {
    let mut writer = Writer::new(None);
    writer.node(node, 0)?;
    Ok(writer.out.into_secret())
}

/// A map or a list that is not the whole file. sops ends a map as it ends a file, and a list with its bracket.
/// Source: sops, cmd/sops/decrypt.go, `extract`.
pub(crate) fn write_nested(node: &Node<Plain>) -> Result<Secret, SopsError> {
    match node {
        Node::Map(items) => write(items, None),
        _ => write_value(node),
    }
}

/// One value as `get` prints it: a string as it is, anything else as in a file.
pub(crate) fn value_text(plain: &Plain) -> Secret {
    match scalar(plain) {
        Some(text) => Secret::from_text(text),
        None => plain.bytes.duplicate(),
    }
}

/// What needs no escapes, as JSON; none for a string and for what JSON has no numbers for.
fn scalar(plain: &Plain) -> Option<String> {
    let text = plain.bytes.expose_text().ok()?;
    match plain.kind {
        Kind::Str | Kind::Bytes | Kind::Comment => None,
        Kind::Int => Some(text.to_owned()),
        Kind::Float => text.parse().ok().filter(|float: &f64| float.is_finite()).map(float_json),
        Kind::Bool => Some(text.to_ascii_lowercase()),
        Kind::Time => Some(format!("\"{text}\"")),
    }
}

/// Text in the making.
pub(super) struct Writer {
    pub(super) out: Buffer,
    /// What one level is indented by.
    unit: String,
    /// The key that the value at hand stands under, for messages.
    key: String,
}

impl Writer {
    pub(super) fn new(indent: Indent) -> Self {
        let unit = indent.map_or_else(|| "\t".to_owned(), |spaces| " ".repeat(usize::from(spaces)));
        Self::with_unit(unit)
    }

    pub(super) fn with_unit(unit: String) -> Self {
        Self { out: Buffer::with_capacity(4096), unit, key: String::new() }
    }

    pub(super) fn node(&mut self, node: &Node<Plain>, depth: usize) -> Result<(), SopsError> {
        match node {
            Node::Null => self.out.push_str("null"),
            Node::Leaf(plain) => self.leaf(plain)?,
            Node::Map(items) => self.map(&pairs(items).collect::<Vec<_>>(), depth)?,
            Node::List(elements) => {
                let mut separator = '[';
                for node in nodes(elements) {
                    self.out.push(separator);
                    self.line(depth + 1);
                    self.node(node, depth + 1)?;
                    separator = ',';
                }
                self.close(separator == '[', "[", ']', depth);
            }
        }
        Ok(())
    }

    pub(super) fn map(&mut self, members: &[(&str, &Node<Plain>)], depth: usize) -> Result<(), SopsError> {
        let mut separator = '{';
        for (key, node) in members {
            self.out.push(separator);
            self.line(depth + 1);
            self.string(key);
            self.out.push_str(": ");
            (*key).clone_into(&mut self.key);
            self.node(node, depth + 1)?;
            separator = ',';
        }
        self.close(members.is_empty(), "{", '}', depth);
        Ok(())
    }

    fn close(&mut self, is_empty: bool, open: &str, close: char, depth: usize) {
        if is_empty {
            self.out.push_str(open);
        } else {
            self.line(depth);
        }
        self.out.push(close);
    }

    /// A new line, indented.
    pub(super) fn line(&mut self, depth: usize) {
        self.out.push('\n');
        for _ in 0..depth {
            self.out.push_str(&self.unit);
        }
    }

    pub(super) fn leaf(&mut self, plain: &Plain) -> Result<(), SopsError> {
        let cannot_hold = |why| SopsError::CannotHold { store: "json", key: self.key.clone(), why };
        match (scalar(plain), plain.bytes.expose_text()) {
            (Some(text), _) => self.out.push_str(&text),
            (None, _) if plain.kind == Kind::Float => return Err(cannot_hold("it is no finite number")),
            (None, Ok(text)) => self.string(text),
            (None, Err(_)) => return Err(cannot_hold("it is not UTF-8")),
        }
        Ok(())
    }

    /// In quotes, escaped as Go does: what HTML and JavaScript would stumble over too.
    pub(super) fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.find(is_escaped) {
            let (clear, from) = rest.split_at(at);
            self.out.push_str(clear);
            let mut letters = from.chars();
            match letters.next() {
                Some(letter @ ('"' | '\\')) => {
                    self.out.push('\\');
                    self.out.push(letter);
                }
                Some('\u{8}') => self.out.push_str("\\b"),
                Some('\u{c}') => self.out.push_str("\\f"),
                Some('\n') => self.out.push_str("\\n"),
                Some('\r') => self.out.push_str("\\r"),
                Some('\t') => self.out.push_str("\\t"),
                other => self.out.push_str(&format!("\\u{:04x}", other.map_or(0, u32::from))),
            }
            rest = letters.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }
}

fn is_escaped(letter: char) -> bool {
    letter < ' ' || matches!(letter, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

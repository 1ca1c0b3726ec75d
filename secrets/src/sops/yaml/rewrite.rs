//! A file in the place of its old text: the lines that say the same stay byte for byte.
//!
//! The new documents are laid against the old text, line by line of every map and list. What cannot be laid so (other
//! documents than before, values behind an alias, a text that is no YAML) is laid out anew, at the indentation
//! in use; and so is whatever would not read back as what was to be written: that is looked at each time.

use super::super::store::{Parts, SECTION};
use super::super::tree::{Branch, Item, Node, duplicate};
use super::super::value::Plain;
use super::align::{self, Fresh, Standing};
use super::read::{parse, read};
use super::splice::Splice;
use super::syntax::{Block, Content, Document, Line};
use super::write::{Layout, sealed};

/// Sealed documents in the place of `old`.
pub(crate) fn rewrite_sealed(old: &str, parts: &Parts) -> String {
    let whole = if old.ends_with('\n') { old.to_owned() } else { [old, "\n"].concat() };
    let documents = parse(&whole).unwrap_or_default();
    let layout = layout(&documents);
    let spliced = spliced(&whole, &documents, parts, layout).filter(|text| holds(text, parts));
    spliced.unwrap_or_else(|| sealed(parts, layout))
}

fn spliced(old: &str, documents: &[Document], parts: &Parts, layout: Layout) -> Option<String> {
    let is_plain = |document: &Document| !document.has_alias && !document.block.lines.is_empty();
    if documents.len() != parts.documents.len() || !documents.iter().all(is_plain) {
        return None;
    }
    let section = parts.section.as_ref().map(|section| Node::Map(duplicate(section)));
    let mut splice = Splice::new(old, layout);
    for (document, items) in documents.iter().zip(&parts.documents) {
        let mut lines = align::of_map(items);
        if let Some(section) = &section {
            let at = section_place(&document.block, &lines);
            lines.insert(at, Fresh::Entry { key: Some(SECTION), node: section, inline: None });
        }
        splice.block(&document.block, &lines).ok()?;
    }
    splice.apply()
}

/// Where among the new lines the section stands: above the line that was below it, else at the end.
fn section_place(old: &Block, new: &[Fresh<'_>]) -> usize {
    let old = align::of_block(old);
    let is_section = |line: &Standing<'_>| name(line) == Some(SECTION);
    let Some(at) = old.iter().position(is_section) else { return new.len() };
    let below = old.get(at + 1..).unwrap_or_default();
    let found = below.iter().find_map(|line| {
        new.iter().position(|new| match (line, new) {
            (Standing::Comment(remark), Fresh::Comment(comment)) => {
                remark.comment.as_str() == comment.as_str()
            }
            (line, Fresh::Entry { key, .. }) => name(line).is_some() && name(line) == *key,
            _ => false,
        })
    });
    found.unwrap_or(new.len())
}

fn name<'o>(line: &Standing<'o>) -> Option<&'o str> {
    match line {
        Standing::Entry { entry, .. } => entry.key.as_ref().map(|key| key.name.as_str()),
        Standing::Comment(_) => None,
    }
}

/// Whether a text holds what was to be written.
fn holds(text: &str, parts: &Parts) -> bool {
    let Ok(documents) = read(text) else { return false };
    documents.len() == parts.documents.len()
        && documents.into_iter().zip(&parts.documents).all(|(mut found, expected)| {
            let section = take_section(&mut found);
            let fits = match (&section, &parts.section) {
                (Some(Node::Map(found)), Some(expected)) => align::same_branch(found, expected),
                (None, None) => true,
                _ => false,
            };
            fits && align::same_branch(&found, expected)
        })
}

fn take_section(document: &mut Branch<Plain>) -> Option<Node<Plain>> {
    let at = document.iter().position(|item| matches!(item, Item::Pair(key, _) if key == SECTION))?;
    match document.remove(at) {
        Item::Pair(_, node) => Some(node),
        Item::Comment(_) => None,
    }
}

/// How a text is indented, by the first map in a map and the first list in one.
fn layout(documents: &[Document]) -> Layout {
    let mut found = Found { indent: None, flush_lists: None };
    for document in documents {
        found.look(&document.block);
    }
    let indent = found.indent.filter(|indent| (1..=9).contains(indent)).unwrap_or(4);
    Layout { indent, flush_lists: found.flush_lists.unwrap_or(false) }
}

struct Found {
    indent: Option<usize>,
    flush_lists: Option<bool>,
}

impl Found {
    fn look(&mut self, block: &Block) {
        for line in &block.lines {
            let Line::Entry(entry) = line else { continue };
            match &entry.content {
                Content::Map(inner) if !inner.flow => {
                    if entry.key.is_some() && block.column == 0 {
                        self.indent.get_or_insert(inner.column);
                    }
                    self.look(inner);
                }
                Content::List(inner) if !inner.flow => {
                    if entry.key.is_some() {
                        self.flush_lists.get_or_insert(inner.column == block.column);
                    }
                    self.look(inner);
                }
                _ => {}
            }
            if self.indent.is_some() && self.flush_lists.is_some() {
                return;
            }
        }
    }
}

//! The INI store: sections of `key = value` lines and comments; every value is a string.
//!
//! What a line means is the opinion of Go's `gopkg.in/ini.v1` in version 1.67.3, with which sops reads and writes. Where
//! that drops something without a word, it is refused here. Source of the rest: sops, stores/ini/store.go.

mod read;
mod rewrite;
mod write;

use super::buffer::Buffer;
use super::error::SopsError;
use super::flatten::unflatten;
use super::store::{Parts, SECTION};
use super::tree::{Branch, Comment, Item, Node};
use super::value::Plain;
use read::{File, Section};

pub(crate) use rewrite::rewrite_sealed;
pub(crate) use write::{write, write_sealed};

/// The section that what stands above all sections is in. Every file has it, empty or not.
const DEFAULT: &str = "DEFAULT";
const STORE: &str = "ini";

/// Reads a file in the open.
pub(crate) fn read(text: &str) -> Result<Branch<Plain>, SopsError> {
    let file = File::parse(text)?;
    match file.comment_at_end {
        Some(line) => Err(SopsError::LostComment { line }),
        None => Ok(file.sections.into_iter().map(Section::into_item).collect()),
    }
}

/// Reads a sealed file.
pub(crate) fn read_sealed(text: &str) -> Result<Parts, SopsError> {
    let sections = File::parse(text)?.sections;
    let (metadata, document): (Vec<_>, Vec<_>) =
        sections.into_iter().partition(|section| section.name == SECTION);
    let section = match metadata.as_slice() {
        [] => None,
        [only] => {
            let fields: Vec<_> = only
                .keys
                .iter()
                .map(|key| (key.name.as_str(), key.value.as_str().replace("\\n", "\n")))
                .collect();
            Some(unflatten(fields.iter().map(|(name, text)| (*name, text.as_str())))?)
        }
        [_, second, ..] => {
            return Err(SopsError::DuplicateKey { key: SECTION.to_owned(), line: second.line });
        }
    };
    Ok(Parts { documents: vec![document.into_iter().map(Section::into_item).collect()], section })
}

impl Section {
    /// sops has the comment above a section first in it, and the one above a key behind it.
    fn into_item(self) -> Item<Plain> {
        let comment = |comment: &Buffer| {
            let text = bare(comment.as_str());
            (!comment.as_str().is_empty()).then(|| Item::Comment(Comment::new(text, false)))
        };
        let mut items: Branch<Plain> = comment(&self.comment).into_iter().collect();
        for key in self.keys {
            items.push(Item::Pair(key.name, Node::Leaf(Plain::text(key.value.into_secret()))));
            items.extend(comment(&key.comment));
        }
        Item::Pair(self.name, Node::Map(items))
    }
}

/// A comment without the marks and blanks that it begins with. Those of its other lines are left as they are.
fn bare(comment: &str) -> &str {
    match comment.chars().next() {
        Some(mark @ (';' | '#')) => comment.trim_start_matches([mark, ' ']),
        _ => comment,
    }
}

//! The binary store: the whole file is one value, and its sealed form is JSON.

use super::error::SopsError;
use super::tree::{Branch, Item, Node, find};
use super::value::{Kind, Plain};
use crate::secret::Secret;

/// The key of the one value. Source: sops, stores/json/store.go, `BinaryStore`.
pub(super) const KEY: &str = "data";

pub(crate) fn read(content: &Secret) -> Branch<Plain> {
    vec![Item::Pair(KEY.to_owned(), Node::Leaf(Plain::text(content.duplicate())))]
}

pub(crate) fn write(document: &Branch<Plain>) -> Result<Secret, SopsError> {
    match find(document, KEY) {
        Some(Node::Leaf(plain)) if plain.kind == Kind::Str => Ok(plain.bytes.duplicate()),
        _ => Err(SopsError::NotBinary),
    }
}

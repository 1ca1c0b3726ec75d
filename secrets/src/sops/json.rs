//! The JSON store.

use super::error::SopsError;
use super::store::{Indent, Parts};
use super::tree::{Branch, Node};
use super::value::Plain;
use crate::secret::Secret;

pub(crate) fn read(_text: &str) -> Result<Branch<Plain>, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn write(_document: &Branch<Plain>, _indent: Indent) -> Result<Secret, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn write_sealed(_parts: &Parts, _indent: Indent) -> Result<String, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn rewrite_sealed(_old: &str, _parts: &Parts) -> Result<String, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn read_value(_text: &str) -> Result<Node<Plain>, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn write_value(_node: &Node<Plain>) -> Result<Secret, SopsError> {
    Err(SopsError::NotMap)
}

pub(crate) fn value_text(plain: &Plain) -> Secret {
    plain.bytes.duplicate()
}

//! The YAML store: text to tree, tree to text.

mod read;
mod scalar;
mod write;

pub(crate) use read::read;
pub(crate) use write::{quoted, write};

//! The YAML store: text to tree, tree to text.

mod align;
mod anchor;
mod number;
mod open;
mod place;
mod read;
mod rewrite;
mod scalar;
mod splice;
mod syntax;
mod text;
mod write;

pub(crate) use read::read;
pub(crate) use rewrite::rewrite_sealed;
pub(crate) use text::quoted;
pub(crate) use write::{value_text, write, write_nested, write_sealed};

#[cfg(test)]
mod generate;
#[cfg(test)]
mod tests;

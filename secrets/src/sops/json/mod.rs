//! The JSON store. Source of the layout: sops, stores/json/store.go, and Go's `encoding/json`, which it writes with.

mod number;
mod read;
mod splice;
mod write;

pub(crate) use read::{read, read_value};
pub(crate) use splice::rewrite_sealed;
pub(crate) use write::{value_text, write, write_nested, write_sealed, write_value};

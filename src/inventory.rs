//! Inventories on their way in and their faults on the way out: other dialects, JSON, and faults shown with the lines
//! they point at. Pure: reading the files is `crate::nix`' and the commands' work.

pub mod dialect;
pub mod excerpt;
pub mod json;
mod load;

pub use load::{load, load_text};

//! What the comparison with sops is made of.

pub(crate) mod case;
pub(crate) mod random;
pub(crate) mod sops;
pub(crate) mod texts;
mod words;
mod yaml;

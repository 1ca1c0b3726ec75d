//! What the comparison with sops is made of.

pub(crate) mod random;
pub(crate) mod sops;
pub(crate) mod texts;

//! quorate.

pub mod nix;

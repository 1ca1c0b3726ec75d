//! quorate.

pub mod inventory;
pub mod nix;

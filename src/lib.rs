//! quorate.

pub mod inventory;

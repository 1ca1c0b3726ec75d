//! What the command `secrets` does on disk and on the terminal; the format and who reads it are in the crate
//! `quorate_secrets`.

pub mod edit;
pub mod locked;

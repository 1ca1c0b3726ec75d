//! Files of the dotenv store, in the open and sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_secrets::sops::Store;

#[path = "../store.rs"]
mod store;

fuzz_target!(|input: &[u8]| store::holds(Store::Dotenv, input));

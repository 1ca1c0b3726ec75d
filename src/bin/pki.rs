//! `pki`: certificates from one machines.nix.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate::run_pki()
}

//! `secrets`: files in git that only their readers can read.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate::run_secrets()
}

//! `deploy`: from a repository to machines that run.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate::run_deploy()
}

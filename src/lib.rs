//! The shell around the two core crates: command lines, disk, clock, processes.
//!
//! Every command is the same four thoughts: read what is there, decide in the core, show the decision, act on
//! exactly what was shown.

pub mod cli;
pub mod commands;
pub mod deploy;
pub mod error;
pub mod git;
pub mod harden;
pub mod identities;
pub mod init;
pub mod inventory;
pub mod modules;
pub mod nix;
pub mod passwords;
pub mod report;
pub mod router;
pub mod rules;
pub mod secrets;
pub mod store;
pub mod vault;
pub mod words;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use time::OffsetDateTime;

pub use deploy::run_deploy;
pub use secrets::run_secrets;

/// The program `pki`: the one place where the clock is read and an exit code is chosen.
pub fn run_pki() -> ExitCode {
    harden::harden();
    let cli = cli::Cli::parse();
    let now = cli.at.unwrap_or_else(OffsetDateTime::now_utc);
    let outcome = match cli.verb {
        cli::Verb::Init(args) => commands::init::run(&args),
        cli::Verb::Gen(args) => commands::generate::run(&args, now),
        cli::Verb::Check(args) => commands::check::run(&args, now),
        cli::Verb::Show(args) => commands::show::run(&args, now),
        cli::Verb::Kubeconfig(args) => commands::kubeconfig::run(&args),
        cli::Verb::Modules(args) => commands::modules::run(&args, now),
        cli::Verb::Router(args) => commands::router::run(&args),
        cli::Verb::Completions(args) => {
            secrets::completions(args.shell, &mut cli::Cli::command(), "pki");
            Ok(report::Outcome::Clean)
        }
    };
    let outcome = outcome.and_then(|outcome| report::delivered().map(|()| outcome));
    outcome.map_or_else(|error| report::fail(&error), ExitCode::from)
}

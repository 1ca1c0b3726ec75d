//! The program `deploy`: from a repository to machines that run.
//!
//! Read what stands in the repository, decide in `targets` and `preflight` whether the machines may be deployed at all,
//! ask each over ssh what it is, decide in `decide` what is done to it, show that as a command, and run exactly that.
//! Nothing is touched before everything has been judged. What changes a machine is done by nixos-anywhere and
//! nixos-rebuild; a new machine is given its SSH host key and nothing else (`stage`).
//!
//! One machine at a time, masters first. It stops at the first that fails, and knows nothing of the time before: where a
//! machine stands is asked of the machine.

mod ask;
mod bootstrap;
pub mod cli;
mod command;
mod decide;
mod facts;
mod preflight;
mod run;
mod ssh;
mod stage;
mod targets;
mod tree;

use std::process::ExitCode;

use clap::Parser as _;
use time::OffsetDateTime;

use crate::error::Error;
use crate::report;
use crate::secrets::edit;

/// Something that keeps a machine from being deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which machine, file or folder.
    pub what: String,
    /// What is the matter with it: found, and expected.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    /// From its three texts.
    fn new(what: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), message: message.into(), hint: hint.into() }
    }
}

/// The program `deploy`: the one place of it where the clock is read and an exit code is chosen.
pub fn run_deploy() -> ExitCode {
    if let Some(ended) = edit::entry().or_else(stage::entry) {
        return ended;
    }
    crate::harden::harden();
    let cli = cli::Cli::parse();
    let now = cli.at.unwrap_or_else(OffsetDateTime::now_utc);
    let outcome = run::run(&cli, now).and_then(|outcome| report::delivered().map(|()| outcome));
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(Error::Signal(signal)) => edit::end_by_signal(signal),
        Err(error) => report::fail(&error),
    }
}

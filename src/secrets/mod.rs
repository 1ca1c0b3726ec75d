//! The program `secrets`: what it does on disk and on the terminal. The format, and who reads it, are in the crate
//! `quorate_secrets`.

mod check;
pub mod cli;
mod codes;
pub mod edit;
mod edit_file;
mod encrypt;
mod exec;
mod keygen;
pub mod later;
pub mod locked;
mod read;
mod readers;
mod recipients;
mod rekey;
mod rotate;
pub(crate) mod target;
mod walk;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::report::{self, Outcome};
use cli::{Cli, Verb};

/// The program `secrets`: the one place of it where the clock is read and an exit code is chosen.
pub fn run_secrets() -> ExitCode {
    if let Some(ended) = edit::entry() {
        return ended;
    }
    crate::harden::harden();
    let cli = Cli::parse();
    let now = cli.at.unwrap_or_else(OffsetDateTime::now_utc);
    let outcome = match &cli.verb {
        Verb::Edit(args) => edit_file::run(args, &cli, now),
        Verb::View(args) => read::view(args),
        Verb::Get(args) => read::get(args),
        Verb::Encrypt(args) => encrypt::run(args, &cli, now),
        Verb::Decrypt(args) => read::decrypt(args),
        Verb::Diff(args) => read::diff(args),
        Verb::Set(args) => write::set(args, &cli, now),
        Verb::Unset(args) => write::unset(args, now),
        Verb::Rekey(args) => rekey::run(args, &cli, now),
        Verb::Recipients(args) => recipients::run(args, now),
        Verb::Rotate(args) => rotate::run(args, now),
        Verb::Exec(args) => exec::run(args),
        Verb::Keygen(args) => keygen::run(args, now),
        Verb::Check(args) => check::run(args, &cli),
        Verb::Completions(args) => {
            completions(args.shell, &mut Cli::command(), "secrets");
            Ok(Outcome::Clean)
        }
    };
    let outcome = outcome.and_then(|outcome| report::delivered().map(|()| outcome));
    outcome.map_or_else(|error| codes::fail(&cli.verb, &error), ExitCode::from)
}

/// A time as the files have it: UTC, whole seconds.
fn lastmodified(now: OffsetDateTime) -> String {
    let now = now.to_offset(time::UtcOffset::UTC);
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

/// Prints the script by which a shell completes the command line of a program.
pub(crate) fn completions(shell: cli::Shell, command: &mut clap::Command, name: &str) {
    let shell = match shell {
        cli::Shell::Bash => clap_complete::Shell::Bash,
        cli::Shell::Zsh => clap_complete::Shell::Zsh,
        cli::Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    report::data(&String::from_utf8_lossy(&script));
}

//! `secrets exec`: a program with the values in its environment, or in a file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use quorate_secrets::secret::Secret;

use super::cli;
use super::target::{Target, opened};
use crate::error::Error;
use crate::identities::VARIABLES;
use crate::report::Outcome;

/// Runs the verb. In the environment's case the program takes this process' place, so that signals, the terminal and
/// the exit code are its own.
pub(super) fn run(args: &cli::Exec) -> Result<Outcome, Error> {
    let target = Target::of(&args.file);
    let opened = opened(&target)?;
    let plaintext = opened.plaintext();
    let failed = |error| target.error(error);
    let values = plaintext.flat().map_err(failed)?;
    if let Some((name, _)) = values.iter().find(|(name, value)| !is_variable(name, value)) {
        return Err(Error::Request {
            message: format!("`{name}` cannot be a variable of an environment"),
            hint: "it may hold no `=` and no zero byte: rename it, or use `--file`".to_owned(),
        });
    }
    let Some((program, arguments)) = args.command.split_first() else { return Ok(Outcome::Clean) };
    let mut command = Command::new(program);
    command.args(arguments);
    if args.pristine {
        command.env_clear();
    }
    // What opens the file is not the program's business.
    VARIABLES.iter().for_each(|name| {
        command.env_remove(name);
    });
    for (name, value) in &values {
        command.env(name, OsStr::from_bytes(value.expose_bytes()));
    }
    let cause = command.exec();
    Err(Error::io("run", program)(cause))
}

fn is_variable(name: &str, value: &Secret) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.expose_bytes().contains(&0)
}

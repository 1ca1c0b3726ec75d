//! `secrets exec`: a program with the values in its environment, or in a file.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::SopsError;

use super::cli;
use super::edit::{self, EditError, Options};
use super::target::{Target, decrypted};
use crate::error::Error;
use crate::identities::VARIABLES;
use crate::report::Outcome;

/// Runs the verb. In the environment's case the program takes this process' place, so that signals, the terminal and
/// the exit code are its own.
pub(super) fn run(args: &cli::Exec) -> Result<Outcome, Error> {
    let target = Target::of(&args.file);
    let plaintext = decrypted(&target)?;
    let failed = |error| target.error(error);
    if args.as_file {
        let text = plaintext.write(target.store, None).map_err(failed)?;
        return with_file(args, &target, &text);
    }
    let values = plaintext.flat().map_err(|error| match error {
        SopsError::NotFlat { .. } => Error::Sealed {
            file: target.path.display().to_string(),
            cause: error.to_string(),
            hint: "keep nested values in a file of their own, or use `--file`".to_owned(),
        },
        error => failed(error),
    })?;
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
    for name in VARIABLES {
        command.env_remove(name);
    }
    for (name, value) in &values {
        command.env(name, OsStr::from_bytes(value.expose_bytes()));
    }
    let cause = command.exec();
    if cause.kind() == ErrorKind::NotFound {
        return Err(EditError::ProgramMissing { program: program.to_string_lossy().into_owned() }.into());
    }
    Err(Error::io("run", program)(cause))
}

/// Runs the program beside a file that lies in memory and is gone when the program ends.
fn with_file(args: &cli::Exec, target: &Target, text: &Secret) -> Result<Outcome, Error> {
    const PLACE: &[u8] = b"{}";
    let has_place = |word: &OsString| word.as_bytes().windows(PLACE.len()).any(|part| part == PLACE);
    if !args.command.iter().any(has_place) {
        return Err(Error::Request {
            message: "the command has no `{}`, which is where the path of the file goes".to_owned(),
            hint: "write it so: `secrets exec --file kube.yaml -- kubectl --kubeconfig {} get nodes`"
                .to_owned(),
        });
    }
    let command = |path: &Path| args.command.iter().map(|word| filled_in(word, path)).collect();
    let options = Options::from_env(args.allow_swap);
    match edit::run(text, &target.path.to_string_lossy(), command, &options) {
        Ok(code) => Ok(Outcome::Ended(code)),
        Err(EditError::Signal(signal)) => Err(Error::Signal(signal)),
        Err(error) => Err(error.into()),
    }
}

/// A word with the path in the place of each `{}`.
fn filled_in(word: &OsStr, path: &Path) -> OsString {
    let mut filled = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(at) = rest.windows(2).position(|part| part == b"{}") {
        filled.extend_from_slice(rest.get(..at).unwrap_or_default());
        filled.extend_from_slice(path.as_os_str().as_bytes());
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    filled.extend_from_slice(rest);
    OsString::from_vec(filled)
}

fn is_variable(name: &str, value: &Secret) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.expose_bytes().contains(&0)
}

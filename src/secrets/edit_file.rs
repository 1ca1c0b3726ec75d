//! `secrets edit`: a sealed file, opened in a person's editor and sealed again.

use std::path::Path;
use std::time::Duration;

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Opened, Plaintext, SopsError, Store};
use time::OffsetDateTime;

use super::cli;
use super::edit::{self, Complaint, Options};
use super::lastmodified;
use super::locked::{LockError, LockedFile, create_new, prove_creatable};
use super::readers::Sealing;
use super::target::{Target, identities};
use crate::error::Error;
use crate::report::Outcome;

/// Somebody who has the file open in an editor is not waited for.
const WAIT: Duration = Duration::from_millis(200);

/// Runs the verb. The file is locked while it is edited: whoever else would change it hears so at once.
pub(super) fn run(args: &cli::Edit, cli: &cli::Cli, now: OffsetDateTime) -> Result<Outcome, Error> {
    let target = Target::of(&args.file);
    target.refuse_stdin()?;
    let options = Options::from_env(args.allow_swap);
    if !target.path.try_exists().map_err(Error::io("read", &target.path))? {
        return new_file(args, &target, cli.config.as_deref(), &options, now);
    }
    target.may_be_changed()?;
    let file = LockedFile::open(&target.path, WAIT)?;
    let sealed = target.parse(file.bytes())?;
    let opened = target.open(&sealed, &identities())?;
    let before = opened.plaintext().write(target.store, None).map_err(|error| target.error(error))?;
    file.prove_replaceable()?;
    in_editor(&before, &target, &options, &mut |after| {
        let Some(text) = sealed_again(&opened, after, &target, now)? else {
            return Ok(Some(Error::Unchanged { path: target.path.clone() }));
        };
        match file.replace(text.as_bytes()) {
            Err(LockError::Changed { path }) => keep(&path, text.as_bytes()).map(Some),
            replaced => Ok(replaced.map(|()| None)?),
        }
    })
}

/// What the editor shows of a file that is not there yet. Each must be a file of its store.
const EXAMPLES: [(Store, &str); 5] = [
    (Store::Yaml, "# one secret a line; left as it is, no file is made\nexample: change me\n"),
    (Store::Json, "{\n\t\"example\": \"change me\"\n}\n"),
    (Store::Dotenv, "# one secret a line; left as it is, no file is made\nEXAMPLE=change me\n"),
    (Store::Ini, "; left as it is, no file is made\n[section]\nexample = change me\n"),
    (Store::Binary, ""),
];

/// A file that is not there: whom it will be sealed to is known before anything is typed.
fn new_file(
    args: &cli::Edit,
    target: &Target,
    config: Option<&Path>,
    options: &Options,
    now: OffsetDateTime,
) -> Result<Outcome, Error> {
    let is_known =
        target.store != Store::Binary || target.path.extension().is_some_and(|ending| ending == "bin");
    if !is_known && args.file.input_type.is_none() {
        return Err(Error::Request {
            message: format!("`{}` does not say what kind of file it is to be", target.path.display()),
            hint: "end its name in .yaml, .json, .env, .ini or .bin, or name the kind with `--input-type`"
                .to_owned(),
        });
    }
    let sealing = Sealing::of(target, config)?;
    if let Some(folder) =
        target.path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    {
        return Err(Error::Request {
            message: format!("there is no folder `{}`", folder.display()),
            hint: format!("make it with `mkdir -p {}`, if it is no slip", folder.display()),
        });
    }
    let example = EXAMPLES.iter().find(|(store, _)| *store == target.store).map_or("", |(_, text)| *text);
    prove_creatable(&target.path)?;
    in_editor(&Secret::from(example), target, options, &mut |after| {
        let text = sealing.seal(after, &lastmodified(now)).map_err(|error| target.error(error))?;
        match create_new(&target.path, text.as_bytes()) {
            Err(LockError::Exists { path }) => keep(&path, text.as_bytes()).map(Some),
            made => Ok(made.map(|()| None)?),
        }
    })
}

/// Lets the person edit the text, and saves what they left, read as the file's store has it. `save` gives what there is
/// to say of a text that is saved, or why it is not: the text lives until it is, or the person gives up.
fn in_editor(
    before: &Secret,
    target: &Target,
    options: &Options,
    save: &mut dyn FnMut(&Plaintext) -> Result<Option<Error>, Error>,
) -> Result<Outcome, Error> {
    let (mut said, mut refused) = (None, None);
    let name = target.path.to_string_lossy();
    let mut accept = |text: &Secret| {
        refused = None;
        let plaintext = Plaintext::parse(text, target.store).map_err(|error| complaint(target, &error))?;
        match save(&plaintext) {
            Ok(end) => {
                said = end;
                Ok(())
            }
            Err(error) => {
                let complaint = unsaved(&error);
                refused = Some(error);
                Err(complaint)
            }
        }
    };
    match edit::edit(before, &name, &mut accept, options) {
        Ok(Some(_)) => said.map_or(Ok(Outcome::Clean), Err),
        Ok(None) => Err(Error::Unchanged { path: target.path.clone() }),
        Err(edit::EditError::Signal(signal)) => Err(Error::Signal(signal)),
        Err(error) => Err(refused.unwrap_or_else(|| error.into())),
    }
}

/// Why a text was not saved, for who still has it.
fn unsaved(error: &Error) -> Complaint {
    let hint = match error {
        Error::Io { .. } => {
            Some("your text is still there: mend that elsewhere, then leave the editor once more".to_owned())
        }
        _ => error.hint(),
    };
    Complaint { message: error.to_string(), hint, line: None }
}

fn complaint(target: &Target, error: &SopsError) -> Complaint {
    Complaint {
        message: format!("`{}`: {error}", target.path.display()),
        hint: Some(error.text_hint().to_owned()),
        line: error.line(),
    }
}

fn sealed_again(
    opened: &Opened,
    after: &Plaintext,
    target: &Target,
    now: OffsetDateTime,
) -> Result<Option<String>, Error> {
    opened.edited(after, &lastmodified(now)).map_err(|error| target.error(error))
}

/// Somebody who knows of no lock changed the file meanwhile: what was edited is kept, sealed, beside it.
fn keep(path: &Path, bytes: &[u8]) -> Result<Error, Error> {
    let beside = LockedFile::keep_beside(path, bytes)?;
    Ok(Error::Request {
        message: format!("`{}` was changed by somebody else while it was edited", path.display()),
        hint: format!(
            "your edit is in `{}`, sealed: take over what you need from it, then remove it",
            beside.display()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_editor_begins_with_is_a_file_of_its_store() {
        for (store, text) in EXAMPLES {
            assert!(Plaintext::parse(&Secret::from(text), store).is_ok(), "{store:?}");
        }
        assert_eq!(EXAMPLES.len(), Store::ALL.len());
    }
}

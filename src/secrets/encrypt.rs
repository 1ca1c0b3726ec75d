//! `secrets encrypt`: plaintext to a sealed file.

use std::time::Duration;

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::Plaintext;
use time::OffsetDateTime;

use super::cli;
use super::lastmodified;
use super::locked::{LockedFile, create_new};
use super::readers::Sealing;
use super::target::{Target, plaintext};
use crate::error::Error;
use crate::report::{self, Outcome};

/// How long to wait for somebody who changes the file.
const WAIT: Duration = Duration::from_secs(5);

/// Runs the verb.
pub(super) fn run(args: &cli::Encrypt, cli: &cli::Cli, now: OffsetDateTime) -> Result<Outcome, Error> {
    let source = Target::of(&args.file);
    if args.in_place {
        source.may_be_changed()?;
    }
    let named = args.filename.as_ref().or(args.output.as_ref()).unwrap_or(&source.path);
    if named.as_os_str() == "-" {
        return Err(Error::Request {
            message: "the rules go by a name, and stdin has none".to_owned(),
            hint: "name the file that it is to become, with `--filename` or `--output`".to_owned(),
        });
    }
    let mut target = Target::named(named);
    target.store = args.file.input_type.unwrap_or(target.store);
    let sealed = |content: &Secret| -> Result<String, Error> {
        let failed = |error| target.error(error);
        let plaintext = Plaintext::parse(content, target.store).map_err(|error| target.unread(error))?;
        // A binary file has no place for a section of its own: a sealed one is recognised by its form.
        refuse_sealed(content, &target)?;
        Sealing::of(&target, cli.config.as_deref())?.seal(&plaintext, &lastmodified(now)).map_err(failed)
    };
    if args.in_place {
        let file = LockedFile::open(&source.path, WAIT)?;
        let text = sealed(&Secret::from_bytes(file.bytes().to_vec()))?;
        file.replace(text.as_bytes())?;
        return Ok(Outcome::Clean);
    }
    let text = sealed(&plaintext(&source)?)?;
    match &args.output {
        Some(path) => create_new(path, text.as_bytes())?,
        None => report::data(&text),
    }
    Ok(Outcome::Clean)
}

fn refuse_sealed(content: &Secret, target: &Target) -> Result<(), Error> {
    let is_sealed = |text: &str| quorate_secrets::sops::SealedFile::parse(text, target.store).is_ok();
    if content.expose_text().is_ok_and(is_sealed) {
        return Err(target.error(quorate_secrets::sops::SopsError::AlreadySealed));
    }
    Ok(())
}

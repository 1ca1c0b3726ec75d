//! The verbs that change one value: `set` and `unset`.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;
use std::time::Duration;

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{MAX_BYTES, Plaintext, SopsError};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::cli;
use super::lastmodified;
use super::locked::{LockedFile, create_new};
use super::readers::Sealing;
use super::target::{Target, identities};
use crate::error::Error;
use crate::identities::terminal;
use crate::report::{self, Outcome};

/// How long to wait for somebody who changes the file.
const WAIT: Duration = Duration::from_secs(30);

/// `secrets set`
pub(super) fn set(args: &cli::Set, cli: &cli::Cli, now: OffsetDateTime) -> Result<Outcome, Error> {
    if !args.typed.is_empty() {
        return Err(Error::Request {
            message: "will not take a value from the command line: other users and the shell's history see it there"
                .to_owned(),
            hint: "leave it out to be asked for it, or hand it over by a pipe; this one is known now".to_owned(),
        });
    }
    let target = Target::of(&args.file);
    target.refuse_stdin()?;
    let put = |plaintext: &mut Plaintext, value: &Secret| {
        // A program that failed before the pipe wrote nothing: that is no value.
        if value.expose_bytes().is_empty() && !args.exact && !args.json && !io::stdin().is_terminal() {
            return Err(Error::Request {
                message: "no value was given".to_owned(),
                hint: "stdin was empty: see what was to write to it, or set an empty value with `--exact`"
                    .to_owned(),
            });
        }
        let done = if args.json {
            plaintext.set_json(&args.path, value)
        } else {
            plaintext.set_text(&args.path, value)
        };
        done.map_err(|error| match error {
            SopsError::NoSuchPath { .. } | SopsError::Reserved { .. } => target.error(error),
            // Nothing is wrong with the file.
            error => Error::Request {
                message: format!("the new value of `{}` cannot be taken: {error}", args.path),
                hint: "give one value of JSON, such as `5432`, `\"text\"` or `[1, 2]`".to_owned(),
            },
        })
    };
    if !args.create || target.path.exists() {
        // Before anybody is asked for a value.
        target.may_be_changed()?;
        let value = value(args)?;
        return change(&target, now, |plaintext| put(plaintext, &value));
    }
    let sealing = Sealing::of(&target, cli.config.as_deref())?;
    let mut plaintext = Plaintext::empty(target.store);
    let failed = |error| target.error(error);
    put(&mut plaintext, &value(args)?)?;
    let text = sealing.seal(&plaintext, &lastmodified(now)).map_err(failed)?;
    create_new(&target.path, text.as_bytes())?;
    Ok(Outcome::Clean)
}

/// `secrets unset`
pub(super) fn unset(args: &cli::Unset, now: OffsetDateTime) -> Result<Outcome, Error> {
    let target = Target::of(&args.file);
    target.may_be_changed()?;
    change(&target, now, |plaintext| plaintext.unset(&args.path).map_err(|error| target.error(error)))
}

/// Opens a file under its lock, changes it and puts it back.
fn change(
    target: &Target,
    now: OffsetDateTime,
    act: impl FnOnce(&mut Plaintext) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    let file = LockedFile::open(&target.path, WAIT)?;
    let sealed = target.parse(file.bytes())?;
    let opened = target.open(&sealed, &identities())?;
    let mut plaintext = opened.plaintext();
    let failed = |error| target.error(error);
    act(&mut plaintext)?;
    match opened.edited(&plaintext, &lastmodified(now)).map_err(failed)? {
        None => report::note(&format!("`{}` has that already", target.path.display())),
        Some(text) => file.replace(text.as_bytes())?,
    }
    Ok(Outcome::Clean)
}

/// The value: hidden from a terminal, or all of stdin but for one line feed at its end.
fn value(args: &cli::Set) -> Result<Secret, Error> {
    if io::stdin().is_terminal() {
        return terminal::ask_hidden(&format!("value of `{}`", args.path)).ok_or_else(|| Error::Request {
            message: "no value was given".to_owned(),
            hint: "type it as one line, or hand it over by a pipe".to_owned(),
        });
    }
    let mut bytes = whole_stdin().map_err(Error::io("read", "stdin"))?;
    if bytes.len() > MAX_BYTES {
        return Err(Target::named(Path::new("stdin")).error(SopsError::TooLarge));
    }
    if !args.exact && bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    Ok(Secret::from_bytes(std::mem::take(&mut *bytes)))
}

/// All of stdin, up to a byte more than is taken. A buffer that is too small is copied into a larger one and wiped: one
/// that grows by itself would leave its old bytes behind.
fn whole_stdin() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut stdin = io::stdin().lock();
    let mut bytes = Zeroizing::new(vec![0; 64 << 10]);
    let mut length = 0;
    loop {
        if length == bytes.len() {
            if length > MAX_BYTES {
                return Ok(bytes);
            }
            let mut larger = Zeroizing::new(vec![0; length * 2]);
            for (to, from) in larger.iter_mut().zip(bytes.iter()) {
                *to = *from;
            }
            bytes = larger;
        }
        match stdin.read(bytes.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

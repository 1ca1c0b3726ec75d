//! `secrets keygen`: an age identity of one's own.

use std::io::ErrorKind;

use time::OffsetDateTime;

use super::cli;
use crate::error::Error;
use crate::identities::{NewIdentity, Places};
use crate::report::{self, Outcome};

/// Runs the verb: the identity goes to its file, its recipient to stdout.
pub(super) fn run(args: &cli::Keygen, now: OffsetDateTime) -> Result<Outcome, Error> {
    let identity = match &args.output {
        Some(path) => NewIdentity::at(path)?,
        None => NewIdentity::make(&Places::from_env())?,
    };
    identity.write(now).map_err(|error| match error {
        Error::Io { path, cause, .. } if cause.kind() == ErrorKind::AlreadyExists => Error::Request {
            message: format!("`{}` holds an identity already, or something else", path.display()),
            hint: "use that one, or name another file with `-o`: nothing was written".to_owned(),
        },
        other => other,
    })?;
    report::line(&identity.recipient.to_string());
    report::note(&format!(
        "the identity is in `{}`: keep a copy where no fire reaches both",
        identity.path().display()
    ));
    Ok(Outcome::Clean)
}

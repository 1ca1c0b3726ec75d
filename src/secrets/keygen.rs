//! `secrets keygen`: an age identity of one's own.

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
    identity.write(now)?;
    report::line(&identity.recipient.to_string());
    report::note(&format!(
        "the identity is in `{}`: keep a copy where no fire reaches both",
        identity.path().display()
    ));
    Ok(Outcome::Clean)
}

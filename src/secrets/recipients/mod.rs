//! `secrets recipients`: who can open what, and the one command by which an admin comes or goes everywhere.

mod change;
mod files;
mod inventory;
mod list;
mod sheet;

use time::OffsetDateTime;

use super::cli::{self, RecipientsVerb};
use crate::error::Error;
use crate::report::Outcome;
use change::Direction;

/// Runs the verb.
pub(super) fn run(args: &cli::Recipients, now: OffsetDateTime) -> Result<Outcome, Error> {
    match &args.verb {
        // clap would count `--at` among what conflicts.
        Some(_) if args.sheet => Err(Error::Request {
            message: "`--sheet` is asked for alone, and not with `list`, `add` or `remove`".to_owned(),
            hint: "run `secrets recipients --sheet` afterwards: nothing was done".to_owned(),
        }),
        _ if args.sheet => sheet::run(now),
        None => list::run(args.json),
        Some(RecipientsVerb::List { json }) => list::run(*json || args.json),
        Some(RecipientsVerb::Add(admin)) => change::run(admin, Direction::Add, now),
        Some(RecipientsVerb::Remove(admin)) => change::run(admin, Direction::Remove, now),
    }
}

//! `secrets recipients --sheet`.

use crate::error::Error;
use crate::report::Outcome;

pub(super) fn run() -> Result<Outcome, Error> {
    Ok(Outcome::Clean)
}

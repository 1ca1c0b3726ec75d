//! `pki router`: what the other side of the masters' BGP sessions must be told.

use crate::cli::{Router, RouterArg};
use crate::error::Error;
use crate::inventory;
use crate::passwords;
use crate::report::{self, Outcome};
use crate::router::{Language, Side};
use crate::rules::folder_of;

/// Runs the verb.
///
/// # Errors
/// An inventory that cannot be used, a mode without a router, a router that is not one of the masters' peers.
pub fn run(args: &Router) -> Result<Outcome, Error> {
    let cluster = inventory::load(&args.inventory)?;
    let password = passwords::command(folder_of(&args.inventory.file), "bgp-password");
    let side = Side::of(&cluster, &args.peer, &password)
        .map_err(|error| Error::Request { message: error.to_string(), hint: error.hint() })?;
    for (what, hint) in side.warnings() {
        report::warning(&what);
        report::hint(&hint);
    }
    report::data(&side.text(language(args.language)));
    Ok(Outcome::Clean)
}

fn language(typed: RouterArg) -> Language {
    match typed {
        RouterArg::Frr => Language::Frr,
        RouterArg::Bird => Language::Bird,
        RouterArg::RouterOs => Language::RouterOs,
        RouterArg::Vyos => Language::Vyos,
    }
}

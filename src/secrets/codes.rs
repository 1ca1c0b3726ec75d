//! The exit codes of `secrets`. Four of its verbs stand where scripts have sops, and end with sops' numbers where sops
//! has one for what happened; everything else is 2.

use std::io;
use std::process::ExitCode;

use quorate_secrets::sops::SopsError;

use super::cli::Verb;
use crate::error::Error;
use crate::report;

/// Whether an error is of a kind.
type Fits = fn(&Error) -> bool;

/// Which error is which number. Source: sops 3.13, cmd/sops/codes/codes.go.
const CODES: [(u8, Fits); 5] = [
    (51, |error| {
        is(error, |sops| match sops {
            SopsError::MacMismatch => true,
            SopsError::MetadataMissing { field } => field == "mac",
            _ => false,
        })
    }),
    (
        100,
        |error| matches!(error, Error::Io { action: "read", cause, .. } if cause.kind() == io::ErrorKind::NotFound),
    ),
    (128, |error| {
        let is_identity = matches!(error, Error::Identity { .. });
        is_identity
            || is(error, |sops| {
                matches!(sops, SopsError::NoIdentity { .. } | SopsError::StanzaDamaged { .. })
            })
    }),
    (200, |error| matches!(error, Error::Unchanged { .. })),
    (203, |error| is(error, |sops| *sops == SopsError::AlreadySealed)),
];

fn is(error: &Error, what: impl Fn(&SopsError) -> bool) -> bool {
    matches!(error, Error::Secrets { error, .. } if what(error))
}

/// Says what went wrong and gives the number to end with.
pub(super) fn fail(verb: &Verb, error: &Error) -> ExitCode {
    if let Error::Signal(signal) = error {
        return super::edit::end_by_signal(*signal);
    }
    let failed = match error {
        // Not a fault: what was asked for is so.
        Error::Unchanged { .. } => {
            report::note(&error.to_string());
            ExitCode::from(2)
        }
        _ => report::fail(error),
    };
    let stands_for_sops = matches!(verb, Verb::Decrypt(_) | Verb::Edit(_) | Verb::Set(_) | Verb::Encrypt(_));
    match CODES.iter().find(|(_, fits)| stands_for_sops && fits(error)) {
        Some((code, _)) => ExitCode::from(*code),
        None => failed,
    }
}

//! `secrets rotate`: a new data key for files, and the same readers.

use time::OffsetDateTime;

use super::cli;
use super::lastmodified;
use super::rekey::plan::seal;
use super::rekey::{ended, say_empty, show, tell, write};
use super::target::identities;
use super::walk::{self, Names};
use crate::error::Error;
use crate::report::{self, Outcome};
use crate::words;

/// Runs the verb. All files are sealed in memory before the first is written.
pub(super) fn run(args: &cli::Files, now: OffsetDateTime) -> Result<Outcome, Error> {
    let mut found = walk::find(&args.files)?;
    show::certs(&found.certs);
    let names = Names::new(&found);
    let files: Vec<_> = std::mem::take(&mut found.files).into_iter().map(|file| (file, None)).collect();
    let mut left = std::mem::take(&mut found.left);
    if files.is_empty() && left.is_empty() {
        say_empty(&found.certs);
        return Ok(Outcome::Clean);
    }
    let mut identities = identities();
    let lastmodified = lastmodified(now);
    let (resealed, mut closed) = seal(files, &mut identities, &names, &lastmodified);
    if resealed.is_empty() && closed.len() == 1 && left.is_empty() {
        return Err(closed.remove(0).error);
    }
    left.append(&mut closed);
    left.extend(write::write(&resealed, &identities.all, &lastmodified));
    tell(&left);
    let done = resealed.iter().filter(|file| !left.iter().any(|left| left.path == file.target.path)).count();
    report::note(&format!("sealed {} under a new data key", words::count(done, "file")));
    Ok(ended(&left))
}

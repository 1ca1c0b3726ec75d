//! Many files replaced, each under its own lock, waiting for the disk together.
//!
//! A file is its old self or its new self at every moment. Who is stopped in between has some of both, and a rerun finds
//! those that are left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quorate_secrets::identity::Identity;

use super::plan::{Resealed, reseal};
use crate::error::Error;
use crate::report::Progress;
use crate::secrets::locked::LockedFile;
use crate::secrets::walk::Left;
use crate::store::commit::each_waiting;

/// How long to wait for somebody who changes a file.
const WAIT: Duration = Duration::from_secs(30);

/// Replaces every file; gives those that could not be, in their order.
pub(in crate::secrets) fn write(
    files: &[Resealed],
    identities: &[Identity],
    lastmodified: &str,
) -> Vec<Left> {
    let progress = Progress::new("writing", files.len());
    let left = Mutex::new(Vec::new());
    let one = |file: &Resealed| {
        if let Err(error) = replace(file, identities, lastmodified) {
            let path = file.target.path.clone();
            left.lock().unwrap_or_else(PoisonError::into_inner).push(Left { path, error });
        }
        progress.step();
        Ok(())
    };
    // The errors are in `left`: one file keeps nobody from the others.
    let _ = each_waiting(files, one);
    let mut left = left.into_inner().unwrap_or_else(PoisonError::into_inner);
    left.sort_by(|a, b| a.path.cmp(&b.path));
    left
}

/// What was sealed is for the file as it was read. One that somebody changed since is sealed as it is now.
fn replace(file: &Resealed, identities: &[Identity], lastmodified: &str) -> Result<(), Error> {
    let target = &file.target;
    let locked = LockedFile::open(&target.path, WAIT)?;
    if locked.bytes() == file.old {
        return Ok(locked.replace(file.new.as_bytes())?);
    }
    let sealed = target.parse(locked.bytes())?;
    let new = reseal(&sealed, file.readers.as_ref(), identities, lastmodified);
    match new.map_err(|error| target.error(error))? {
        None => Ok(()),
        Some(text) => Ok(locked.replace(text.as_bytes())?),
    }
}

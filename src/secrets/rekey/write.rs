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

#[cfg(test)]
mod tests {
    use quorate_secrets::secret::Secret;
    use quorate_secrets::sops::{KeyGroups, Plaintext, Policy, SealedFile, Store};

    use super::*;
    use crate::secrets::target::Target;

    const TIME: &str = "2026-11-21T03:02:57Z";

    fn sealed(text: &str, readers: &KeyGroups) -> String {
        let policy = Policy { readers, selector: None, mac_only_encrypted: false, indent: None };
        Plaintext::parse(&Secret::from(text), Store::Yaml).unwrap().seal(&policy, TIME).unwrap()
    }

    #[test]
    fn a_file_that_changed_since_it_was_read_is_sealed_as_it_is_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        let (text, anna) = Identity::generate();
        let (_, berta) = Identity::generate();
        let identities = Identity::parse_all(&text).unwrap();
        let (one, both) = (KeyGroups::one(std::slice::from_ref(&anna)), KeyGroups::one(&[anna, berta]));
        let old = sealed("a: before\n", &one);
        let file = SealedFile::parse(&old, Store::Yaml).unwrap();
        let new = reseal(&file, Some(&both), &identities, TIME).unwrap().unwrap();
        let planned = Resealed {
            target: Target::named(&path),
            old: old.into_bytes(),
            new,
            readers: Some(both.clone()),
        };
        std::fs::write(&path, sealed("a: meanwhile\n", &one)).unwrap();
        assert!(write(&[planned], &identities, TIME).is_empty());
        let now = SealedFile::parse(&std::fs::read_to_string(&path).unwrap(), Store::Yaml).unwrap();
        assert!(now.is_for(&both));
        let now = now.open(&identities).unwrap();
        assert_eq!(now.get("a").unwrap().expose_text(), Ok("meanwhile"));
    }
}

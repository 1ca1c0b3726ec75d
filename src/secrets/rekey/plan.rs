//! Which files must be sealed anew for whom their rules name now: found without an identity, then sealed in memory.

use std::path::PathBuf;

use quorate_secrets::identity::Identity;
use quorate_secrets::rules::Creation;
use quorate_secrets::sops::{KeyGroups, ReaderChange, SealedFile, SopsError};
use rayon::prelude::*;

use crate::error::Error;
use crate::identities::Identities;
use crate::report::Progress;
use crate::rules::files::RuleFiles;
use crate::secrets::target::Target;
use crate::secrets::walk::{Left, Names, Sealed};

/// A file whose readers are not those of its rule.
#[derive(Debug)]
pub(in crate::secrets) struct Change {
    pub(in crate::secrets) sealed: Sealed,
    pub(in crate::secrets) readers: KeyGroups,
    pub(in crate::secrets) change: ReaderChange,
}

impl Change {
    /// The file's path, as people see it.
    pub(in crate::secrets) fn path(&self) -> String {
        self.sealed.target.path.display().to_string()
    }

    /// The names of what it holds.
    pub(in crate::secrets) fn keys(&self) -> Vec<String> {
        self.sealed.file.keys().map(ToOwned::to_owned).collect()
    }
}

/// What a run would do.
#[derive(Debug, Default)]
pub(in crate::secrets) struct Plan {
    pub(in crate::secrets) changes: Vec<Change>,
    /// Files that no rule covers, or whose rule cannot be followed here.
    pub(in crate::secrets) left: Vec<Left>,
    /// How many are as they should be.
    pub(in crate::secrets) kept: usize,
}

/// Compares each file with its rule. Needs no identity.
pub(in crate::secrets) fn plan(files: Vec<Sealed>, rules: &mut RuleFiles) -> Plan {
    let mut plan = Plan::default();
    for sealed in files {
        match compare(&sealed, rules) {
            Ok((_, change)) if change.is_none() => plan.kept += 1,
            Ok((readers, change)) => plan.changes.push(Change { sealed, readers, change }),
            Err(error) => plan.left.push(Left { path: sealed.target.path, error }),
        }
    }
    plan
}

fn compare(sealed: &Sealed, rules: &mut RuleFiles) -> Result<(KeyGroups, ReaderChange), Error> {
    let path = &sealed.target.path;
    let governed = rules.governing(path)?.ok_or_else(|| Error::Request {
        message: format!("no .sops.yaml says who may read `{}`", path.display()),
        hint: "write one with a rule for it, or name it with `--config`".to_owned(),
    })?;
    let creation = governed.creation()?;
    let same_foreign = has_the_foreign_keys(&sealed.file, creation);
    if !same_foreign || creation.groups.iter().any(|group| group.age.is_empty()) {
        governed.creation_to_seal()?;
        // The rule has no such keys, and the file has.
        return Err(sealed.target.error(SopsError::CannotKeep { what: foreign(&sealed.file) }));
    }
    let groups: Vec<_> = creation.groups.iter().map(|group| group.age.clone()).collect();
    let readers = KeyGroups::new(&groups, creation.threshold).map_err(|error| sealed.target.error(error))?;
    let change = sealed.file.change_to(&readers);
    Ok((readers, change))
}

fn foreign(file: &SealedFile) -> String {
    format!("its key of `{}`", file.foreign().next().unwrap_or_default())
}

/// Whether the keys of services in a file are those of its rule: only sops can change them, and does not need to then.
fn has_the_foreign_keys(file: &SealedFile, creation: &Creation) -> bool {
    let known: Vec<&str> =
        file.foreign().map(|key| key.split_once(' ').map_or(key, |(_, text)| text)).collect();
    let wanted: Vec<&str> =
        creation.groups.iter().flat_map(|group| &group.foreign).map(|key| key.text.as_str()).collect();
    known.iter().all(|key| wanted.contains(key)) && wanted.iter().all(|key| known.contains(key))
}

/// A file and what is to stand in its place.
#[derive(Debug)]
pub(in crate::secrets) struct Resealed {
    pub(in crate::secrets) target: Target,
    pub(in crate::secrets) old: Vec<u8>,
    pub(in crate::secrets) new: String,
    /// For whom; none for those who read it already.
    pub(in crate::secrets) readers: Option<KeyGroups>,
}

/// Seals a file anew; `None` where nothing differs.
pub(in crate::secrets) fn reseal(
    file: &SealedFile,
    readers: Option<&KeyGroups>,
    identities: &[Identity],
    lastmodified: &str,
) -> Result<Option<String>, SopsError> {
    match readers {
        Some(readers) => file.for_readers(readers, identities, lastmodified),
        None => file.open(identities)?.rotated(&file.readers()?, lastmodified).map(Some),
    }
}

/// Seals all of them in memory. What nobody here can open is one error for all such files.
pub(in crate::secrets) fn seal(
    files: Vec<(Sealed, Option<KeyGroups>)>,
    identities: &mut Identities,
    names: &Names,
    lastmodified: &str,
) -> (Vec<Resealed>, Vec<Left>) {
    let progress = Progress::new("sealing", files.len());
    let outcomes: Vec<_> = files
        .into_par_iter()
        .map(|(sealed, readers)| {
            let made = reseal(&sealed.file, readers.as_ref(), &identities.all, lastmodified);
            progress.step();
            (sealed, readers, made)
        })
        .collect();
    drop(progress);
    let (mut resealed, mut left, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for (Sealed { target, bytes, .. }, readers, made) in outcomes {
        match made {
            Ok(Some(new)) => resealed.push(Resealed { target, old: bytes, new, readers }),
            Ok(None) => {}
            Err(SopsError::NoIdentity { recipients, groups: None, .. }) => {
                closed.push((target.path, names.all(&recipients)));
            }
            Err(error) => left.push(Left { error: target.error(error), path: target.path }),
        }
    }
    left.extend(unopened(closed, identities));
    (resealed, left)
}

/// One error for all files that nobody here can open.
fn unopened(closed: Vec<(PathBuf, Vec<String>)>, identities: &mut Identities) -> Option<Left> {
    let (path, recipients) = closed.first()?.clone();
    let files = closed.iter().map(|(path, _)| path.display().to_string()).collect();
    let looked = identities.looked.clone();
    let error = identities.broken().unwrap_or(Error::NoIdentity { files, recipients, looked });
    Some(Left { path, error })
}

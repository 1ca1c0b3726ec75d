//! Which files must be sealed anew for whom their rules name now: found without an identity, then sealed in memory.

use std::path::PathBuf;

use quorate_secrets::identity::Identity;
use quorate_secrets::rules::Creation;
use quorate_secrets::sops::{Drift, KeyGroups, SealedFile, SopsError};
use rayon::prelude::*;

use crate::error::Error;
use crate::identities::Identities;
use crate::report::Progress;
use crate::rules::files::RuleFiles;
use crate::secrets::readers::{no_rules, readers};
use crate::secrets::target::Target;
use crate::secrets::walk::{Left, Names, Sealed};

/// A file whose readers are not those of its rule.
#[derive(Debug)]
pub(in crate::secrets) struct Change {
    pub(in crate::secrets) sealed: Sealed,
    pub(in crate::secrets) readers: KeyGroups,
    /// Who gains access and who loses it.
    pub(in crate::secrets) drift: Drift,
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
            Ok(None) => plan.kept += 1,
            Ok(Some((readers, drift))) => plan.changes.push(Change { sealed, readers, drift }),
            Err(error) => plan.left.push(Left { path: sealed.target.path, error }),
        }
    }
    plan
}

fn compare(sealed: &Sealed, rules: &mut RuleFiles) -> Result<Option<(KeyGroups, Drift)>, Error> {
    let path = &sealed.target.path;
    let governed = rules.governing(path)?.ok_or_else(|| no_rules(path))?;
    let creation = governed.creation()?;
    match against(&sealed.file, creation).map_err(|error| sealed.target.error(error))? {
        Held::Same => Ok(None),
        Held::Drift(readers, drift) => Ok(Some((readers, drift))),
        Held::Foreign(what) => {
            governed.creation_to_seal()?;
            // The rule has no such keys, and the file has.
            Err(sealed.target.error(SopsError::CannotKeep { what }))
        }
    }
}

/// A file held against its rule.
#[derive(Debug)]
pub(in crate::secrets) enum Held {
    /// It is sealed as the rule says.
    Same,
    /// It is to be sealed to these.
    Drift(KeyGroups, Drift),
    /// Keys of services differ, and only sops can seal to those.
    Foreign(String),
}

/// Holds a file against a rule.
///
/// # Errors
/// [`SopsError`] for groups that no file can have.
pub(in crate::secrets) fn against(file: &SealedFile, creation: &Creation) -> Result<Held, SopsError> {
    let groups: Vec<_> = creation.groups.iter().map(|group| group.age.clone()).collect();
    let keys: Vec<&str> =
        creation.groups.iter().flat_map(|group| &group.foreign).map(|key| key.text.as_str()).collect();
    let mut drift = file.drift_from(&groups, &keys);
    let missing = drift.missing.iter().find(|text| keys.contains(&text.as_str()));
    let extra = drift.extra.iter().find(|text| file.foreign().any(|key| key == *text));
    if let Some(key) = missing.or(extra) {
        return Ok(Held::Foreign(format!("its key of `{key}`")));
    }
    if groups.iter().any(Vec::is_empty) {
        // A group of services alone, as the file has it.
        return Ok(if drift.is_none() {
            Held::Same
        } else {
            Held::Foreign("a group without age keys".to_owned())
        });
    }
    let readers = readers(creation)?;
    drift.is_regrouped |= drift.is_none() && !file.is_for(&readers);
    Ok(if drift.is_none() { Held::Same } else { Held::Drift(readers, drift) })
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
    left.extend(unopened(&closed, identities));
    (resealed, left)
}

/// One error for all files that nobody here can open.
fn unopened(closed: &[(PathBuf, Vec<String>)], identities: &mut Identities) -> Option<Left> {
    let (path, recipients) = closed.first()?.clone();
    let files = closed.iter().map(|(path, _)| path.display().to_string()).collect();
    let looked = identities.looked.clone();
    let error = identities.broken().unwrap_or(Error::NoIdentity { files, recipients, looked });
    Some(Left { path, error })
}

//! The sealed files that our rules are for, held against the rules as they will be.

use std::path::{Path, PathBuf};

use quorate_pki::manifest::Manifest;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::rules::{CreationRules, RulesError};
use quorate_secrets::sops::SealedFile;
use time::OffsetDateTime;

use crate::error::Error;
use crate::identities::Identities;
use crate::rules::RulesFile;
use crate::secrets::lastmodified;
use crate::secrets::rekey::plan::{self, Change, Held, Plan, Resealed, against};
use crate::secrets::rekey::tell;
use crate::secrets::walk::{self, Left, Names, Sealed};

/// What an admin's coming or going means for sealed files other than those of `pki gen`.
pub(super) struct Covered {
    /// Those under our rules.
    pub(super) plan: Plan,
    /// Those under rules of others that the person can open.
    pub(super) strangers: Vec<String>,
    /// What recipients are called.
    pub(super) names: Names,
}

/// Compares every sealed file below the folder of the inventory with the rules that this run writes. Needs no identity.
///
/// # Errors
/// [`Error::Secrets`] and its like for a file under our rules that cannot be read: who could open it is not known.
pub(super) fn plan(
    inventory: &Path,
    rules: Option<&RulesFile>,
    who: &Recipient,
    manifest: Manifest,
) -> Result<Covered, Error> {
    let folder = match inventory.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let names = Names::with(manifest);
    let Some(rules) = rules else {
        return Ok(Covered { plan: Plan::default(), strangers: Vec::new(), names });
    };
    let wrong = |error: RulesError| Error::Rules {
        path: rules.path.clone(),
        cause: error.to_string(),
        hint: error.hint().to_owned(),
    };
    let parsed = CreationRules::parse(&rules.new).map_err(wrong)?;
    let ours = Ours { folder: folder.to_owned(), rules, parsed: &parsed };
    let found = walk::find(&[folder.to_owned()])?;
    let mut plan = Plan::default();
    let mut strangers = Vec::new();
    for left in found.left {
        if ours.covers(&left.path) {
            return Err(left.error);
        }
        plan.left.push(left);
    }
    for sealed in found.files {
        let path = sealed.target.path.clone();
        if !ours.covers(&path) {
            if is_open_to(&sealed.file, who) {
                strangers.push(path.display().to_string());
            }
            continue;
        }
        let creation = parsed.for_path(&ours.below(&path).unwrap_or_default()).map_err(wrong)?;
        match against(&sealed.file, creation).map_err(|error| sealed.target.error(error))? {
            Held::Same => plan.kept += 1,
            Held::Drift(readers, drift) => plan.changes.push(Change { sealed, readers, drift }),
            Held::Foreign(what) => return Err(foreign(&sealed, what)),
        }
    }
    Ok(Covered { plan, strangers, names })
}

/// Our rules never name keys of services; a file that has one under them was sealed to it by hand.
fn foreign(sealed: &Sealed, what: String) -> Error {
    sealed.target.error(quorate_secrets::sops::SopsError::CannotKeep { what })
}

fn is_open_to(file: &SealedFile, who: &Recipient) -> bool {
    file.recipients().any(|text| text.parse::<Recipient>().is_ok_and(|one| one == *who))
}

/// The files that our rules are for.
struct Ours<'r> {
    folder: PathBuf,
    rules: &'r RulesFile,
    parsed: &'r CreationRules,
}

impl Ours<'_> {
    /// A path as the rules see it; `None` where a `.sops.yaml` nearer to the file speaks for it.
    fn below(&self, path: &Path) -> Option<String> {
        let below =
            if self.folder == Path::new(".") { path } else { path.strip_prefix(&self.folder).ok()? };
        let nearer = below.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        let mut nearer = nearer.map(|above| self.folder.join(above).join(".sops.yaml"));
        if nearer.any(|rules| rules.exists()) {
            return None;
        }
        Some(below.to_string_lossy().into_owned())
    }

    /// Whether the first rule that matches is one of ours.
    fn covers(&self, path: &Path) -> bool {
        let creation = self.below(path).and_then(|below| self.parsed.for_path(&below).ok());
        let expression = creation.and_then(|creation| creation.path_regex.as_ref());
        expression.is_some_and(|expression| self.rules.ours.contains(expression))
    }
}

/// Seals all of them in memory.
///
/// # Errors
/// The last of what keeps any of them from being sealed; the others are told.
pub(super) fn seal(
    changes: Vec<Change>,
    identities: &mut Identities,
    names: &Names,
    now: OffsetDateTime,
) -> Result<Vec<Resealed>, Error> {
    let files = changes.into_iter().map(|change| (change.sealed, Some(change.readers))).collect();
    let (resealed, mut left) = plan::seal(files, identities, names, &lastmodified(now));
    let last = left.pop();
    tell(&left);
    match last {
        None => Ok(resealed),
        Some(Left { error, .. }) => Err(error),
    }
}

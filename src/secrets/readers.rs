//! Whom a file is to be sealed to, and how: what `.sops.yaml` says, in the form that seals.

use std::path::{Path, PathBuf};

use quorate_secrets::rules::{Creation, Indents};
use quorate_secrets::sops::{Indent, KeyGroups, Plaintext, Policy, Selector, SopsError, Store};

use super::target::Target;
use crate::error::Error;
use crate::report;
use crate::rules::files::RuleFiles;

/// How the rules have a file sealed.
#[derive(Debug)]
pub(super) struct Sealing {
    pub(super) readers: KeyGroups,
    selector: Option<Selector>,
    mac_only_encrypted: bool,
    indent: Indent,
}

impl Sealing {
    /// What the rules say of a file, which need not exist.
    ///
    /// # Errors
    /// [`Error::Rules`] where no rule is for it, or one that only sops can follow.
    pub(super) fn of(target: &Target, config: Option<&Path>) -> Result<Self, Error> {
        let mut files = RuleFiles::new(config.map(Path::to_owned));
        let governed = files.governing(&target.path)?;
        warn_of_ignored(&files);
        let governed = governed.ok_or_else(|| no_rules(&target.path))?;
        let creation = governed.creation_to_seal()?;
        let failed = |error| target.error(error);
        let selector = match &creation.selector {
            Some((field, text)) => Selector::from_field(field, text).map_err(failed)?,
            None => None,
        };
        Ok(Self {
            readers: readers(creation).map_err(failed)?,
            selector,
            mac_only_encrypted: creation.mac_only_encrypted,
            indent: indent(governed.rules.rules.indents, target.store),
        })
    }

    /// Seals a file that was not sealed before.
    pub(super) fn seal(&self, plaintext: &Plaintext, lastmodified: &str) -> Result<String, SopsError> {
        let policy = Policy {
            readers: &self.readers,
            selector: self.selector.as_ref(),
            mac_only_encrypted: self.mac_only_encrypted,
            indent: self.indent,
        };
        plaintext.seal(&policy, lastmodified)
    }
}

/// The age recipients of a rule, by groups.
pub(super) fn readers(creation: &Creation) -> Result<KeyGroups, SopsError> {
    let groups: Vec<_> = creation.groups.iter().map(|group| group.age.clone()).collect();
    KeyGroups::new(&groups, creation.threshold)
}

fn indent(indents: Indents, store: Store) -> Indent {
    let blanks = match store {
        Store::Yaml => Some(indents.yaml),
        Store::Json => indents.json,
        Store::Binary => indents.json_binary,
        Store::Dotenv | Store::Ini => None,
    };
    blanks.and_then(|blanks| u8::try_from(blanks).ok())
}

/// Says which files were passed by that look like rules.
pub(super) fn warn_of_ignored(files: &RuleFiles) {
    files.ignored().for_each(|path| {
        report::warning(&format!("`{}` is not read: its name must end in `.yaml`", path.display()));
    });
}

/// That no rules are for a file.
pub(super) fn no_rules(path: &Path) -> Error {
    Error::Rules {
        path: PathBuf::from(".sops.yaml"),
        cause: format!("there is none above `{}`, so nobody to seal to", path.display()),
        hint: "let `pki gen` write it, or write `creation_rules` with an `age` list yourself".to_owned(),
    }
}

//! Other readers for a file: who comes, who goes, and what it takes to seal it to them.
//!
//! Who comes needs a copy of the data key and nothing else of the file; so no value is opened for that, and the
//! checksum is not looked at. Where somebody goes, all is opened and sealed anew under another data key.

use super::error::SopsError;
use super::file::SealedFile;
use super::groups::{KeyGroups, wrap};
use super::metadata::{Group, Metadata};
use super::store::Parts;
use super::tree::duplicate;
use crate::identity::Identity;
use crate::secret::Secret;

impl SealedFile {
    /// Whether its age readers are these, in these groups, of which as many are needed.
    pub fn is_for(&self, readers: &KeyGroups) -> bool {
        self.metadata.change(readers) == Change::None
    }

    /// The file for these readers, as [`super::Opened::for_readers`] makes it; but where nobody leaves, only the data key is
    /// opened: no value is, and the checksum is not verified. A value that somebody put there stays as damaged as it was.
    ///
    /// # Errors
    /// [`SopsError::NoIdentity`] and its like, [`SopsError::CannotKeep`]; where somebody leaves also what
    /// [`SealedFile::open`] finds.
    pub fn for_readers(
        &self,
        readers: &KeyGroups,
        identities: &[Identity],
        lastmodified: &str,
    ) -> Result<Option<String>, SopsError> {
        if self.metadata.change(readers) == Change::Add {
            let (_, parts) = self.data_key(identities)?;
            if self.metadata.change_with(readers, &parts) == Change::Add {
                let documents = self.documents.iter().map(duplicate).collect();
                let section = Some(self.metadata.with_readers(readers, &parts)?.section());
                return self.store.rewrite_sealed(&self.text, &Parts { documents, section }).map(Some);
            }
        }
        if self.metadata.change(readers) == Change::None {
            return Ok(None);
        }
        self.open(identities)?.for_readers(readers, lastmodified)
    }
}

/// What it takes to seal a file to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// They are its readers.
    None,
    /// More copies of the data key.
    Add,
    /// A new data key.
    Rekey,
}

impl Metadata {
    /// What it takes, so far as the file alone tells.
    fn change(&self, readers: &KeyGroups) -> Change {
        let groups = &self.groups;
        let several = groups.len() > 1 || readers.groups().len() > 1;
        let regrouped =
            groups.len() != readers.groups().len() || (several && self.threshold != readers.threshold());
        let mut change = Change::None;
        for (group, wanted) in groups.iter().zip(readers.groups()) {
            let known = group.recipients();
            if known.iter().any(|one| one.as_ref().is_none_or(|one| !wanted.contains(one))) {
                return Change::Rekey;
            }
            if wanted.iter().any(|one| !known.contains(&Some(one.clone()))) {
                change = Change::Add;
            }
        }
        if regrouped { Change::Rekey } else { change }
    }

    /// What it takes for one who opened these parts: a part that nobody here could open cannot be sealed to one more.
    pub(super) fn change_with(&self, readers: &KeyGroups, parts: &[Option<Secret>]) -> Change {
        let change = self.change(readers);
        let closed = |((group, wanted), part): ((&Group, &Vec<_>), &Option<Secret>)| {
            let known = group.recipients();
            part.is_none() && wanted.iter().any(|one| !known.contains(&Some(Clone::clone(one))))
        };
        match change {
            Change::Add if self.groups.iter().zip(readers.groups()).zip(parts).any(closed) => Change::Rekey,
            change => change,
        }
    }

    /// The same with those who are new; nobody goes.
    pub(super) fn with_readers(
        &self,
        readers: &KeyGroups,
        parts: &[Option<Secret>],
    ) -> Result<Self, SopsError> {
        let mut metadata = self.duplicate();
        let mut groups = Vec::new();
        for ((group, wanted), part) in metadata.groups.iter().zip(readers.groups()).zip(parts) {
            let mut stanzas = group.age.clone();
            let known = group.recipients();
            let new: Vec<_> =
                wanted.iter().filter(|one| !known.contains(&Some((*one).clone()))).cloned().collect();
            if let (false, Some(part)) = (new.is_empty(), part) {
                stanzas.extend(wrap(part, &new)?);
            }
            groups.push(stanzas);
        }
        metadata.set_groups(groups, self.threshold);
        Ok(metadata)
    }
}

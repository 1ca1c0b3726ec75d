//! Whom a file is to be sealed to.

use std::collections::HashSet;

use super::cipher::DataKey;
use super::error::SopsError;
use super::metadata::Stanza;
use super::shamir;
use crate::age_file::{self, AgeError, Encoding};
use crate::recipient::Recipient;
use crate::secret::Secret;

/// Recipients in groups. Of one group, any recipient opens the file; of several, one of each of `threshold` groups is
/// needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGroups {
    groups: Vec<Vec<Recipient>>,
    threshold: usize,
}

impl KeyGroups {
    /// One group: the usual case. Who is named twice counts once.
    pub fn one(recipients: &[Recipient]) -> Self {
        Self { groups: vec![distinct(recipients)], threshold: 1 }
    }

    /// Several groups, of which `threshold` are needed; all of them where it is none.
    ///
    /// # Errors
    /// [`SopsError::NoRecipients`] for an empty group or none at all, [`SopsError::Threshold`] where the key cannot be
    /// split so: sops takes at least 2 of at least 2 groups, and at most 255.
    pub fn new(groups: &[Vec<Recipient>], threshold: Option<usize>) -> Result<Self, SopsError> {
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return Err(SopsError::NoRecipients);
        }
        let count = groups.len();
        let threshold = threshold.filter(|threshold| *threshold > 0).unwrap_or(count);
        let fits = count == 1 || ((2..=count).contains(&threshold) && count <= shamir::MAX_PARTS);
        if !fits {
            return Err(SopsError::Threshold { threshold, groups: count });
        }
        Ok(Self {
            groups: groups.iter().map(|group| distinct(group)).collect(),
            threshold: if count == 1 { 1 } else { threshold },
        })
    }

    /// The groups, each with its recipients.
    pub fn groups(&self) -> &[Vec<Recipient>] {
        &self.groups
    }

    /// How many groups it takes to open a file.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Everybody, of all groups.
    pub fn all(&self) -> impl Iterator<Item = &Recipient> {
        self.groups.iter().flatten()
    }

    /// A data key sealed to all of them, by groups.
    pub(crate) fn wrap(&self, key: &DataKey) -> Result<Vec<Vec<Stanza>>, SopsError> {
        let parts = match self.groups.as_slice() {
            [] => return Err(SopsError::NoRecipients),
            [_] => vec![key.to_secret()],
            groups => shamir::split(&key.to_secret(), groups.len(), self.threshold)?,
        };
        self.groups.iter().zip(&parts).map(|(group, part)| wrap(part, group)).collect()
    }
}

/// A data key, or a part of one, sealed to each recipient by itself.
pub(crate) fn wrap(part: &Secret, recipients: &[Recipient]) -> Result<Vec<Stanza>, SopsError> {
    if recipients.is_empty() {
        return Err(SopsError::NoRecipients);
    }
    recipients
        .iter()
        .map(|recipient| {
            let failed = |cause| SopsError::Wrap { recipient: recipient.to_string(), cause: Box::new(cause) };
            let file = age_file::encrypt(part, std::slice::from_ref(recipient), Encoding::Armored);
            let enc = String::from_utf8(file.map_err(failed)?).map_err(|_| failed(AgeError::Seal))?;
            Ok(Stanza { recipient: recipient.to_string(), enc })
        })
        .collect()
}

fn distinct(recipients: &[Recipient]) -> Vec<Recipient> {
    let mut seen = HashSet::new();
    recipients.iter().filter(|recipient| seen.insert(recipient.key())).cloned().collect()
}

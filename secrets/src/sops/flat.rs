//! Flat files of strings, as the certificates' keys are kept: one under each name, in YAML.

use std::collections::{HashMap, HashSet};

use super::error::SopsError;
use super::groups::KeyGroups;
use super::open::{Opened, Value, flat};
use super::plaintext::Plaintext;
use super::seal::Policy;
use super::selector::Selector;
use super::store::{SECTION, Store};
use super::tree::{Branch, Comment, Item, Node, pairs};
use super::value::Plain;
use crate::recipient::Recipient;
use crate::secret::Secret;

/// The longest key that YAML writers keep in one line with its value. Source: go-yaml v3, `emitterc.go`,
/// `yaml_emitter_check_simple_key`.
const MAX_KEY: usize = 128;

/// YAML's merge key: sops writes it back as one, whatever it was, and then cannot read the file.
pub(super) const MERGE: &str = "<<";

/// Seals a new flat file: one string under each key, in the order given, each `recipient` its own copy of a new data
/// key. `lastmodified` is the time in UTC, such as `2026-11-21T03:02:57Z`.
///
/// # Errors
/// No recipient, a key that cannot be one, or a time of another form; each by its name.
pub fn seal(
    entries: &[(&str, &Secret)],
    recipients: &[Recipient],
    lastmodified: &str,
) -> Result<String, SopsError> {
    check_request(entries, recipients)?;
    let document = entries.iter().map(|(name, secret)| line(name, secret)).collect();
    let plaintext = Plaintext { store: Store::Yaml, documents: vec![document] };
    let readers = KeyGroups::one(recipients);
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
    let default = Selector::default();
    check_sealed(entries, &default)?;
    plaintext.seal(&policy, lastmodified)
}

impl Opened {
    /// The file with these values and recipients under the same data key. A value that did not change keeps its
    /// ciphertext, a recipient that stays keeps its copy of the key; keys that are there keep their place, new ones come
    /// last, keys that are not named go. Where nothing changes at all the text is the old one, byte for byte.
    ///
    /// # Errors
    /// [`SopsError::RecipientLeft`] when a recipient of the file is not among `recipients`: that is [`Self::rekey`]'s
    /// work. [`SopsError::CannotKeep`] and [`SopsError::NotFlat`] when the file holds what would be lost; otherwise as
    /// [`seal`].
    pub fn reseal(
        &self,
        entries: &[(&str, &Secret)],
        recipients: &[Recipient],
        lastmodified: &str,
    ) -> Result<String, SopsError> {
        let new = self.with(entries, recipients)?;
        let gone = self.recipients().find(|text| {
            let known = text.parse::<Recipient>();
            known.is_ok_and(|known| !recipients.contains(&known))
        });
        if let Some(gone) = gone {
            return Err(SopsError::RecipientLeft { recipient: gone.to_owned() });
        }
        let readers = KeyGroups::one(recipients);
        self.edited_for(&new, &readers, lastmodified).map(|text| text.unwrap_or_else(|| self.text.clone()))
    }

    /// The file with these values and recipients under a new data key: every value and comment is encrypted anew, so
    /// that who had the old key learns nothing of what is written from now on. What they read before they still know.
    ///
    /// # Errors
    /// As [`Self::reseal`], except that recipients may leave.
    pub fn rekey(
        &self,
        entries: &[(&str, &Secret)],
        recipients: &[Recipient],
        lastmodified: &str,
    ) -> Result<String, SopsError> {
        let new = self.with(entries, recipients)?;
        self.rekeyed(&new, &KeyGroups::one(recipients), lastmodified)
    }

    /// The file in the open with these values in the place of its own.
    fn with(&self, entries: &[(&str, &Secret)], recipients: &[Recipient]) -> Result<Plaintext, SopsError> {
        check_request(entries, recipients)?;
        let cannot_keep = |what: String| SopsError::CannotKeep { what };
        if let Some(foreign) = self.metadata.foreign().next() {
            return Err(cannot_keep(format!("its key of `{foreign}`")));
        }
        if let Some(field) = self.metadata.unknown.first() {
            return Err(cannot_keep(format!("the unknown field `sops.{field}`")));
        }
        if let Some(lost) = self.recipients().find(|text| text.parse::<Recipient>().is_err()) {
            return Err(cannot_keep(format!("the recipient `{lost}`")));
        }
        if self.metadata.groups.len() > 1 {
            return Err(cannot_keep("its key groups".to_owned()));
        }
        let [document] = self.documents.as_slice() else {
            return Err(cannot_keep("every YAML document but one".to_owned()));
        };
        let known: HashMap<&str, &Secret> =
            pairs(document).filter_map(|(key, node)| flat(key, node).ok()).collect();
        let is_new =
            |(name, secret): &&(&str, &Secret)| !known.get(name).is_some_and(|old| old.same_as(secret));
        let new: Vec<_> = entries.iter().filter(is_new).copied().collect();
        check_sealed(&new, &self.metadata.selector)?;
        Ok(Plaintext { store: self.store, documents: vec![replaced(document, entries)?] })
    }
}

fn line(name: &str, secret: &Secret) -> Item<Plain> {
    Item::Pair(name.to_owned(), Node::Leaf(Plain::text(secret.duplicate())))
}

/// The opened lines with new values, then the entries that it had not.
fn replaced(document: &Branch<Value>, entries: &[(&str, &Secret)]) -> Result<Branch<Plain>, SopsError> {
    let wanted: HashMap<&str, &Secret> = entries.iter().copied().collect();
    let mut known = HashSet::new();
    let mut lines = Vec::new();
    // A comment behind a line goes before it in the tree: it stays, in a line of its own, where its line goes.
    for (index, item) in document.iter().enumerate() {
        match item {
            Item::Comment(comment) => {
                let stays = match document.get(index + 1) {
                    Some(Item::Pair(name, _)) => wanted.contains_key(name.as_str()),
                    _ => false,
                };
                let text = comment.text.plain.duplicate();
                lines.push(Item::Comment(Comment { text, inline: comment.inline && stays }));
            }
            Item::Pair(name, node) => {
                let (_, old) = flat(name, node)?;
                known.insert(name.as_str());
                match (wanted.get(name.as_str()), node) {
                    (Some(secret), Node::Leaf(value)) if old.same_as(secret) => {
                        lines.push(Item::Pair(name.clone(), Node::Leaf(value.plain.duplicate())));
                    }
                    (Some(secret), _) => lines.push(line(name, secret)),
                    (None, _) => {}
                }
            }
        }
    }
    lines.extend(
        entries.iter().filter(|(name, _)| !known.contains(name)).map(|(name, secret)| line(name, secret)),
    );
    Ok(lines)
}

fn check_request(entries: &[(&str, &Secret)], recipients: &[Recipient]) -> Result<(), SopsError> {
    if recipients.is_empty() {
        return Err(SopsError::NoRecipients);
    }
    let mut names = HashSet::new();
    for (name, _) in entries {
        let is_kept = [SECTION, MERGE].contains(name);
        if name.is_empty() || is_kept || name.len() > MAX_KEY || name.contains(breaks_lines) {
            return Err(SopsError::ReservedKey { key: name.escape_debug().to_string() });
        }
        if !names.insert(name) {
            return Err(SopsError::DuplicateEntry { key: (*name).to_owned() });
        }
    }
    Ok(())
}

/// No entry may be one that the file's rule leaves in clear.
fn check_sealed(entries: &[(&str, &Secret)], selector: &Selector) -> Result<(), SopsError> {
    match entries.iter().find(|(name, _)| !selector.encrypts(selector.matches(name), false)) {
        None => Ok(()),
        Some((name, _)) => {
            let (field, text) = selector.field();
            Err(SopsError::ClearKey { key: (*name).to_owned(), rule: format!("{field}: {text}") })
        }
    }
}

/// Characters that YAML writers do not agree on in a key.
fn breaks_lines(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

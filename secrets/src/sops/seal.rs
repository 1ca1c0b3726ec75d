//! Sealing: new files, and files that change as little as possible.

use std::collections::{HashMap, HashSet};

use super::cipher::DataKey;
use super::error::SopsError;
use super::file::SECTION;
use super::mac::Mac;
use super::metadata::{Metadata, Stanza, VERSION};
use super::open::{Opened, Value, aad, flat};
use super::selector::Selector;
use super::time;
use super::tree::{Branch, Comment, Item, Node, Scalar};
use super::value::{Kind, Plain};
use super::yaml;
use crate::age_file::{self, Encoding};
use crate::recipient::Recipient;
use crate::secret::Secret;

/// The longest key that YAML writers keep in one line with its value. Source: go-yaml v3, `emitterc.go`,
/// `yaml_emitter_check_simple_key`.
const MAX_KEY: usize = 128;

/// YAML's merge key: sops writes it back as one, whatever it was, and then cannot read the file.
const MERGE: &str = "<<";

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
    check_request(entries, recipients, lastmodified)?;
    let key = DataKey::generate()?;
    let metadata = Metadata {
        age: wrap(&key, recipients)?,
        lastmodified: lastmodified.to_owned(),
        mac: String::new(),
        mac_only_encrypted: false,
        selector: Selector::default(),
        version: VERSION.to_owned(),
        foreign: Vec::new(),
        unknown: Vec::new(),
    };
    let mut draft = Draft::new(&key, metadata);
    for (name, secret) in entries {
        draft.value(name, &Plain::text(secret.duplicate()))?;
    }
    draft.finish()
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
        check_request(entries, recipients, lastmodified)?;
        let document = self.rewritable()?;
        let present = self.present_recipients()?;
        if let Some(gone) = present.iter().find(|recipient| !recipients.contains(recipient)) {
            return Err(SopsError::RecipientLeft { recipient: gone.to_string() });
        }
        let new: Vec<Recipient> = recipients.iter().filter(|one| !present.contains(one)).cloned().collect();
        if new.is_empty() && self.holds(entries)? {
            return Ok(self.text.clone());
        }
        let mut metadata = self.metadata.clone();
        metadata.age.extend(wrap(&self.key, &new)?);
        lastmodified.clone_into(&mut metadata.lastmodified);
        let mut draft = Draft::new(&self.key, metadata);
        draft.rewrite(document, entries, Reuse::Ciphertext)?;
        draft.finish()
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
        check_request(entries, recipients, lastmodified)?;
        let document = self.rewritable()?;
        let key = DataKey::generate()?;
        let mut metadata = self.metadata.clone();
        metadata.age = wrap(&key, recipients)?;
        lastmodified.clone_into(&mut metadata.lastmodified);
        let mut draft = Draft::new(&key, metadata);
        draft.rewrite(document, entries, Reuse::Nothing)?;
        draft.finish()
    }

    /// The one document, if this crate can write all of the file.
    fn rewritable(&self) -> Result<&Branch<Value>, SopsError> {
        let cannot_keep = |what: &str| SopsError::CannotKeep { what: what.to_owned() };
        if let Some(foreign) = self.metadata.foreign.first() {
            return Err(cannot_keep(&format!("its key of `{foreign}`")));
        }
        if let Some(field) = self.metadata.unknown.first() {
            return Err(cannot_keep(&format!("the unknown field `sops.{field}`")));
        }
        let [document] = self.documents.as_slice() else {
            return Err(cannot_keep("every YAML document but one"));
        };
        for item in document {
            if let Item::Pair(key, node) = item {
                flat(key, node)?;
            }
        }
        Ok(document)
    }

    fn present_recipients(&self) -> Result<Vec<Recipient>, SopsError> {
        let parse = |stanza: &Stanza| {
            let lost = |_| SopsError::CannotKeep { what: format!("the recipient `{}`", stanza.recipient) };
            stanza.recipient.parse().map_err(lost)
        };
        self.metadata.age.iter().map(parse).collect()
    }

    /// Whether the file has these values and no others, in whatever order.
    fn holds(&self, entries: &[(&str, &Secret)]) -> Result<bool, SopsError> {
        let present: HashMap<&str, &Secret> = self.entries()?.into_iter().collect();
        let same = |name: &str, secret: &Secret| present.get(name).is_some_and(|known| known.same_as(secret));
        Ok(present.len() == entries.len() && entries.iter().all(|(name, secret)| same(name, secret)))
    }
}

fn check_request(
    entries: &[(&str, &Secret)],
    recipients: &[Recipient],
    lastmodified: &str,
) -> Result<(), SopsError> {
    if recipients.is_empty() {
        return Err(SopsError::NoRecipients);
    }
    if !time::is_canonical(lastmodified) {
        return Err(SopsError::BadTime { found: lastmodified.to_owned() });
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

/// Characters that YAML writers do not agree on in a key.
fn breaks_lines(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The data key, sealed to each recipient by itself; named twice is sealed once.
fn wrap(key: &DataKey, recipients: &[Recipient]) -> Result<Vec<Stanza>, SopsError> {
    let mut seen = HashSet::new();
    let secret = key.to_secret();
    let distinct = recipients.iter().filter(|recipient| seen.insert(recipient.key()));
    distinct
        .map(|recipient| {
            let failed = || SopsError::Wrap { recipient: recipient.to_string() };
            let file = age_file::encrypt(&secret, std::slice::from_ref(recipient), Encoding::Armored);
            let enc = String::from_utf8(file.map_err(|_| failed())?).map_err(|_| failed())?;
            Ok(Stanza { recipient: recipient.to_string(), enc })
        })
        .collect()
}

/// What of the old file a rewrite may use again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Ciphertext,
    Nothing,
}

/// A file in the making: its lines so far and the checksum over them.
struct Draft<'k> {
    key: &'k DataKey,
    metadata: Metadata,
    mac: Mac,
    lines: Branch<Scalar>,
}

impl<'k> Draft<'k> {
    fn new(key: &'k DataKey, metadata: Metadata) -> Self {
        let mac = Mac::new(metadata.mac_only_encrypted);
        Self { key, metadata, mac, lines: Vec::new() }
    }

    /// Adds a value under `name`, encrypted.
    fn value(&mut self, name: &str, plain: &Plain) -> Result<(), SopsError> {
        let path = [name.to_owned()];
        if !self.metadata.selector.encrypts(&path) {
            let (field, text) = self.metadata.selector.field();
            return Err(SopsError::ClearKey { key: name.to_owned(), rule: format!("{field}: {text}") });
        }
        let sealed = self.key.encrypt(plain, &aad(&path))?;
        self.push(name, plain, Scalar::Str(sealed), true);
        Ok(())
    }

    fn push(&mut self, name: &str, plain: &Plain, scalar: Scalar, encrypted: bool) {
        self.mac.add(plain.bytes.expose_bytes(), encrypted);
        self.lines.push(Item::Pair(name.to_owned(), Node::Leaf(scalar)));
    }

    /// Adds the lines of an opened document with new values, then the entries that it had not.
    fn rewrite(
        &mut self,
        document: &Branch<Value>,
        entries: &[(&str, &Secret)],
        reuse: Reuse,
    ) -> Result<(), SopsError> {
        let wanted: HashMap<&str, &Secret> = entries.iter().copied().collect();
        let mut known = HashSet::new();
        // Whether the line before is there: a comment that stood behind a line that went gets its own.
        let mut kept_line = false;
        for item in document {
            match item {
                Item::Comment(comment) => self.comment(comment, reuse, kept_line)?,
                Item::Pair(name, Node::Leaf(old)) => {
                    known.insert(name.as_str());
                    let entry = wanted.get(name.as_str());
                    kept_line = entry.is_some();
                    if let Some(secret) = entry {
                        self.replace(name, old, secret, reuse)?;
                    }
                }
                // `rewritable` lets no other through.
                Item::Pair(name, nested) => {
                    return Err(SopsError::NotFlat { key: name.clone(), found: nested.shape() });
                }
            }
        }
        for (name, secret) in entries.iter().filter(|(name, _)| !known.contains(name)) {
            self.value(name, &Plain::text(secret.duplicate()))?;
        }
        Ok(())
    }

    fn replace(&mut self, name: &str, old: &Value, secret: &Secret, reuse: Reuse) -> Result<(), SopsError> {
        match old {
            Value::Clear(plain, scalar) if plain.bytes.same_as(secret) => {
                self.push(name, plain, scalar.clone(), false);
                Ok(())
            }
            Value::Sealed(plain, _) if plain.bytes.same_as(secret) => match reuse {
                Reuse::Ciphertext => {
                    self.push(name, plain, old.scalar(), true);
                    Ok(())
                }
                Reuse::Nothing => self.value(name, plain),
            },
            _ => self.value(name, &Plain::text(secret.duplicate())),
        }
    }

    fn comment(&mut self, comment: &Comment<Value>, reuse: Reuse, kept_line: bool) -> Result<(), SopsError> {
        let text = match (&comment.text, reuse) {
            (Value::Sealed(plain, _), Reuse::Nothing) => Scalar::Str(self.key.encrypt(plain, &aad(&[]))?),
            (Value::Clear(plain, Scalar::Str(text)), Reuse::Nothing)
                if plain.kind == Kind::Comment && super::cipher::looks_sealed(text) =>
            {
                return Err(SopsError::CannotKeep { what: "a comment that does not open".to_owned() });
            }
            (value, _) => value.scalar(),
        };
        self.lines.push(Item::Comment(Comment { text, inline: comment.inline && kept_line }));
        Ok(())
    }

    /// Seals the checksum under the time and writes it all down.
    fn finish(mut self) -> Result<String, SopsError> {
        let sum = Plain::text(Secret::from_text(self.mac.finish()));
        self.metadata.mac = self.key.encrypt(&sum, self.metadata.lastmodified.as_bytes())?;
        Ok(yaml::write(&self.lines, &self.metadata))
    }
}

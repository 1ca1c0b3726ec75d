//! A sealed file as anybody can read it: names, recipients, time; no value.

use super::cipher::{Sealed, looks_sealed};
use super::error::SopsError;
use super::groups::KeyGroups;
use super::metadata::Metadata;
use super::scope::Scope;
use super::store::{Parts, Store};
use super::tree::{Branch, Element, Item, Node, pairs};
use super::value::Plain;
use crate::recipient::Recipient;

/// A sealed file, parsed without any key. Holds nothing secret.
#[derive(Debug)]
pub struct SealedFile {
    pub(super) store: Store,
    pub(super) text: String,
    pub(super) documents: Vec<Branch<Plain>>,
    pub(super) metadata: Metadata,
}

/// How the recipients of a file differ from those it should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Who should be able to open it and is not.
    pub missing: Vec<String>,
    /// Who can open it and should not; keys of other services by their name.
    pub extra: Vec<String>,
    /// All the right ones, and in other groups than they should be.
    pub is_regrouped: bool,
}

impl Drift {
    /// Whether the recipients are those wanted, in whatever order.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && !self.is_regrouped
    }
}

impl SealedFile {
    /// Reads a SOPS file: its structure whole, each ciphertext's form, the metadata. What only a key can tell (whether
    /// values were exchanged) is left to [`SealedFile::open`].
    ///
    /// # Errors
    /// [`SopsError::NotSealed`] for plaintext, and what can be damaged, missing or unsupported, by its name.
    pub fn parse(text: &str, store: Store) -> Result<Self, SopsError> {
        Self::from_text(text.to_owned(), store)
    }

    /// The same where the text is not needed any more: it is kept, and not copied.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_text(text: String, store: Store) -> Result<Self, SopsError> {
        let Parts { documents, section } = store.read_sealed(&text)?;
        let metadata = Metadata::parse(section.ok_or(SopsError::NotSealed)?)?;
        let mut check = Check { scope: Scope::new(&metadata.selector) };
        documents.iter().try_for_each(|document| check.branch(document))?;
        Ok(Self { store, text, documents, metadata })
    }

    /// The store that it was read in.
    pub fn store(&self) -> Store {
        self.store
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names at the top, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().flat_map(|document| pairs(document)).map(|(key, _)| key)
    }

    /// The age recipients it is sealed to, as the file has them.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.metadata.groups.iter().flat_map(|group| &group.age).map(|stanza| stanza.recipient.as_str())
    }

    /// The keys of other services that it is sealed to, such as `pgp FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4`.
    pub fn foreign(&self) -> impl Iterator<Item = &str> {
        self.metadata.foreign()
    }

    /// The recipients by group, as the file has them; more than one group where its key is split.
    pub fn groups(&self) -> impl Iterator<Item = Vec<&str>> {
        let groups = self.metadata.groups.iter();
        groups.map(|group| group.age.iter().map(|stanza| stanza.recipient.as_str()).collect())
    }

    /// The age recipients that it has, as they are to be sealed to again.
    ///
    /// # Errors
    /// [`SopsError::CannotKeep`] for one of a kind that this crate cannot seal to.
    pub fn readers(&self) -> Result<KeyGroups, SopsError> {
        let parse = |text: &str| {
            text.parse::<Recipient>()
                .map_err(|_| SopsError::CannotKeep { what: format!("the recipient `{text}`") })
        };
        let group = |group: Vec<&str>| group.into_iter().map(parse).collect::<Result<Vec<_>, _>>();
        let groups = self.groups().map(group).collect::<Result<Vec<_>, _>>()?;
        KeyGroups::new(&groups, Some(self.metadata.threshold))
    }

    /// When it was last changed, in RFC 3339.
    pub fn lastmodified(&self) -> &str {
        &self.metadata.lastmodified
    }

    /// Compares whom it is sealed to with whom it should be sealed to, groups aside.
    pub fn drift(&self, wanted: &[Recipient]) -> Drift {
        self.drift_from(&[wanted.to_vec()], &[])
    }

    /// Compares whom it is sealed to with whom it should be sealed to, by groups. `foreign` are the keys of other
    /// services that it should have, as a rule names them: a fingerprint, an ARN, an address with a key's name in it.
    pub fn drift_from(&self, wanted: &[Vec<Recipient>], foreign: &[&str]) -> Drift {
        let mut drift = Drift::default();
        let all = || wanted.iter().flatten();
        let present: Vec<(&str, Option<Recipient>)> =
            self.recipients().map(|text| (text, text.parse().ok())).collect();
        for recipient in all() {
            // Somebody may be in two groups, and gains or loses access once.
            let text = || recipient.to_string();
            if !present.iter().any(|(_, known)| known.as_ref() == Some(recipient))
                && !drift.missing.contains(&text())
            {
                drift.missing.push(text());
            }
        }
        for (text, known) in &present {
            let is_wanted = known.as_ref().is_some_and(|known| all().any(|wanted| wanted == known));
            if !is_wanted && !drift.extra.iter().any(|extra| extra == text) {
                drift.extra.push((*text).to_owned());
            }
        }
        // `pgp FBC7...` is the key that a rule calls `FBC7...`.
        let is = |key: &str, text: &str| key.split_once(' ').is_some_and(|(_, id)| text.contains(id));
        let missing = foreign.iter().filter(|text| !self.foreign().any(|key| is(key, text)));
        drift.missing.extend(missing.map(|text| (*text).to_owned()));
        let extra = self.foreign().filter(|key| !foreign.iter().any(|text| is(key, text)));
        drift.extra.extend(extra.map(str::to_owned));
        drift.is_regrouped = drift.missing.is_empty()
            && drift.extra.is_empty()
            && (wanted.len() > 1 || self.metadata.groups.len() > 1)
            && !self.has_groups(wanted);
        drift
    }

    /// Whether the recipients stand in these groups, in this order.
    fn has_groups(&self, wanted: &[Vec<Recipient>]) -> bool {
        let groups = &self.metadata.groups;
        groups.len() == wanted.len()
            && groups.iter().zip(wanted).all(|(group, wanted)| {
                let known = group.recipients();
                known.len() == wanted.len() && wanted.iter().all(|one| known.contains(&Some(one.clone())))
            })
    }
}

/// Every value that should be encrypted has the form of a ciphertext.
struct Check<'m> {
    scope: Scope<'m>,
}

impl Check<'_> {
    fn branch(&mut self, items: &Branch<Plain>) -> Result<(), SopsError> {
        self.scope.enter_block();
        for item in items {
            match item {
                Item::Comment(comment) => {
                    self.scope.encrypts_comment(comment.as_str());
                }
                Item::Pair(key, node) => {
                    self.scope.enter_key(key)?;
                    self.node(node)?;
                    self.scope.leave_key();
                }
            }
        }
        self.scope.leave_block();
        Ok(())
    }

    fn node(&mut self, node: &Node<Plain>) -> Result<(), SopsError> {
        match node {
            Node::Null => Ok(()),
            Node::Map(items) => self.branch(items),
            Node::List(elements) => {
                self.scope.enter_block();
                for element in elements {
                    match element {
                        Element::Comment(comment) => {
                            self.scope.encrypts_comment(comment.as_str());
                        }
                        Element::Node(node) => {
                            self.node(node)?;
                            // What is a comment once it is opened does not end the comments above it.
                            if !node.as_str().is_some_and(is_sealed_comment) {
                                self.scope.leave_element();
                            }
                        }
                    }
                }
                self.scope.leave_block();
                Ok(())
            }
            Node::Leaf(_) if !self.scope.encrypts() => Ok(()),
            Node::Leaf(plain) => self.leaf(plain),
        }
    }

    fn leaf(&self, plain: &Plain) -> Result<(), SopsError> {
        match plain.as_text() {
            Some("") => Ok(()),
            Some(text) if looks_sealed(text) => match Sealed::parse(text) {
                Ok(_) => Ok(()),
                Err(why) => Err(SopsError::Damaged { key: self.scope.dotted(), why }),
            },
            _ => Err(SopsError::NotEncrypted { key: self.scope.dotted() }),
        }
    }
}

fn is_sealed_comment(text: &str) -> bool {
    looks_sealed(text) && text.contains(",type:comment]")
}

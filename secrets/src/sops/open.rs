//! Opening a file: the data key from one of the identities, each value in its place, the checksum over all.

use zeroize::Zeroizing;

use super::cipher::{DataKey, Sealed, looks_sealed};
use super::error::SopsError;
use super::file::SealedFile;
use super::mac::Mac;
use super::metadata::{Group, Metadata, Stanza};
use super::plaintext::Plaintext;
use super::scope::Scope;
use super::shamir;
use super::store::Store;
use super::tree::{Branch, Comment, Element, Item, Node, duplicate, pairs};
use super::value::{Kind, Plain};
use crate::age_file::{self, AgeError};
use crate::identity::Identity;
use crate::recipient::Recipient;
use crate::secret::Secret;

/// A file that was opened and whose checksum fits. It remembers each ciphertext, so that what does not change is not
/// encrypted again.
#[derive(Debug)]
pub struct Opened {
    pub(super) store: Store,
    pub(super) text: String,
    pub(super) key: DataKey,
    /// What of the data key was sealed to each group; none for a group that nobody here is in.
    pub(super) parts: Vec<Option<Secret>>,
    pub(super) documents: Vec<Branch<Value>>,
    pub(super) metadata: Metadata,
}

/// An opened leaf, beside what stands for it in the file.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) plain: Plain,
    /// Its ciphertext; none for what stands in clear, and for a comment that does not open.
    pub(super) sealed: Option<Ciphertext>,
}

/// A ciphertext that opened.
#[derive(Debug)]
pub(super) struct Ciphertext {
    line: Plain,
    /// How many maps further out than its own place it may be used again: 0, but for a comment in a list, which may be
    /// bound to a map around.
    pub(super) out: usize,
}

impl Ciphertext {
    pub(super) fn text(&self) -> &str {
        self.line.bytes.expose_text().unwrap_or_default()
    }
}

/// What was found in a file beside its values.
struct Found {
    key: DataKey,
    parts: Vec<Option<Secret>>,
    /// The checksum over the values: a hash of everything, enough to confirm a guess of a short secret.
    sum: Zeroizing<String>,
}

impl SealedFile {
    /// Opens the file with the first identity that fits and verifies its checksum.
    ///
    /// # Errors
    /// [`SopsError::NoIdentity`] when it is sealed to others, [`SopsError::Damaged`] for a value that was changed or
    /// moved, [`SopsError::MacMismatch`] when values fit one by one but not together.
    pub fn open(&self, identities: &[Identity]) -> Result<Opened, SopsError> {
        let (opened, sum) = self.open_values(identities)?;
        self.verify(&opened.key, &sum)?;
        Ok(opened)
    }

    /// Opens the file without looking at its checksum: to save what is left of a file after a wrong merge. Values that
    /// were exchanged between files of other keys still do not open; values that were removed or put back are not
    /// noticed.
    ///
    /// # Errors
    /// As [`Self::open`], but for [`SopsError::MacMismatch`].
    pub fn open_unverified(&self, identities: &[Identity]) -> Result<Opened, SopsError> {
        self.open_values(identities).map(|(opened, _)| opened)
    }

    fn open_values(&self, identities: &[Identity]) -> Result<(Opened, Zeroizing<String>), SopsError> {
        let copy = self.documents.iter().map(duplicate).collect();
        let (documents, Found { key, parts, sum }) = self.values(copy, identities, |value| value)?;
        let (text, metadata) = (self.text.clone(), self.metadata.duplicate());
        Ok((Opened { store: self.store, text, key, parts, documents, metadata }, sum))
    }

    /// What the file says, for those who only read: as [`Self::open`], and no ciphertext is kept to be used again. It
    /// takes a third of the memory.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn decrypt(mut self, identities: &[Identity]) -> Result<Plaintext, SopsError> {
        let (documents, Found { key, sum, .. }) = self.take_values(identities)?;
        self.verify(&key, &sum)?;
        Ok(Plaintext { store: self.store, documents })
    }

    /// The same without a look at its checksum.
    ///
    /// # Errors
    /// As [`Self::open_unverified`].
    pub fn decrypt_unverified(mut self, identities: &[Identity]) -> Result<Plaintext, SopsError> {
        let (documents, _) = self.take_values(identities)?;
        Ok(Plaintext { store: self.store, documents })
    }

    fn take_values(&mut self, identities: &[Identity]) -> Result<(Vec<Branch<Plain>>, Found), SopsError> {
        // What it was read from is not looked at again, and as large as all the rest.
        self.text = String::new();
        let documents = std::mem::take(&mut self.documents);
        self.values(documents, identities, |value| value.plain)
    }

    /// The documents with every value opened, and `keep` of each.
    fn values<L>(
        &self,
        documents: Vec<Branch<Plain>>,
        identities: &[Identity],
        keep: fn(Value) -> L,
    ) -> Result<(Vec<Branch<L>>, Found), SopsError> {
        let (key, parts) = self.data_key(identities)?;
        let mut walk = Walk {
            key: &key,
            scope: Scope::new(&self.metadata.selector),
            mac: Mac::new(self.metadata.mac_only_encrypted),
            keep,
        };
        let documents =
            documents.into_iter().map(|document| walk.branch(document)).collect::<Result<_, _>>()?;
        let sum = Zeroizing::new(walk.mac.finish());
        Ok((documents, Found { key, parts, sum }))
    }

    fn verify(&self, key: &DataKey, sum: &str) -> Result<(), SopsError> {
        let aad = self.metadata.mac_aad()?;
        let stored = Sealed::parse(&self.metadata.mac).ok();
        let stored = stored.and_then(|mac| key.decrypt(&mac, aad.as_bytes()));
        if stored.is_none_or(|stored| stored.bytes.expose_bytes() != sum.as_bytes()) {
            return Err(SopsError::MacMismatch);
        }
        Ok(())
    }

    pub(super) fn data_key(
        &self,
        identities: &[Identity],
    ) -> Result<(DataKey, Vec<Option<Secret>>), SopsError> {
        let mut damaged = None;
        let groups = &self.metadata.groups;
        let mut parts: Vec<_> = groups.iter().map(|group| group.open_ready(identities)).collect();
        // Nobody is asked for a passphrase while it opens without, or for one more than it takes.
        let mut opened = parts.iter().flatten().count();
        for (part, group) in parts.iter_mut().zip(groups).filter(|(part, _)| part.is_none()) {
            if opened >= self.metadata.threshold {
                break;
            }
            *part = group.open(identities, &mut damaged);
            opened += usize::from(part.is_some());
        }
        let found: Vec<_> = parts.iter().flatten().map(Secret::duplicate).collect();
        let key = match (groups.len(), found.as_slice()) {
            (1, [whole]) => DataKey::from_bytes(whole),
            (2.., some) if some.len() >= self.metadata.threshold => {
                shamir::combine(some).as_ref().and_then(DataKey::from_bytes)
            }
            _ => {
                return Err(match damaged {
                    Some(recipient) => SopsError::StanzaDamaged { recipient },
                    None => self.no_identity(identities, found.len()),
                });
            }
        };
        let any = || self.recipients().next().unwrap_or_default().to_owned();
        let key = key.ok_or_else(|| SopsError::StanzaDamaged { recipient: any() })?;
        Ok((key, parts))
    }

    fn no_identity(&self, identities: &[Identity], opened: usize) -> SopsError {
        SopsError::NoIdentity {
            recipients: self.recipients().chain(self.metadata.foreign()).map(str::to_owned).collect(),
            tried: identities.iter().map(ToString::to_string).collect(),
            groups: (self.metadata.groups.len() > 1).then_some((opened, self.metadata.threshold)),
        }
    }
}

impl Group {
    /// What is sealed to the group, for an identity that need not ask anybody.
    fn open_ready(&self, identities: &[Identity]) -> Option<Secret> {
        self.age.iter().find_map(|stanza| age_file::decrypt_ready(stanza.enc.as_bytes(), identities).ok())
    }

    /// What is sealed to the group, for the first identity that is in it. Whose copy is damaged is remembered.
    fn open(&self, identities: &[Identity], damaged: &mut Option<String>) -> Option<Secret> {
        for stanza in &self.age {
            match age_file::decrypt_for(stanza.enc.as_bytes(), &stanza.recipient, identities) {
                Ok(part) => return Some(part),
                // Sealed to one of us by its name, and yet not to be opened.
                Err(AgeError::NoIdentity) if !stanza.is_for(identities) => {}
                Err(_) => *damaged = Some(stanza.recipient.clone()),
            }
        }
        None
    }
}

impl Stanza {
    fn is_for(&self, identities: &[Identity]) -> bool {
        let mut ready = identities.iter().filter(|identity| identity.is_ready());
        let recipient: Option<Recipient> = self.recipient.parse().ok();
        recipient.is_some() && ready.any(|identity| identity.recipient() == recipient.as_ref())
    }
}

impl Opened {
    /// The values of a flat file under their keys, in the order of the file.
    ///
    /// # Errors
    /// [`SopsError::NotFlat`] where a value is a map, a list or null.
    pub fn entries(&self) -> Result<Vec<(&str, &Secret)>, SopsError> {
        let values = self.documents.iter().flat_map(|document| pairs(document));
        values.map(|(key, node)| flat(key, node)).collect()
    }

    /// One value of a flat file.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        let found =
            self.documents.iter().flat_map(|document| pairs(document)).find(|(name, _)| *name == key)?;
        flat(found.0, found.1).ok().map(|(_, secret)| secret)
    }

    /// All of it in the open, to be looked at or changed.
    pub fn plaintext(&self) -> Plaintext {
        Plaintext { store: self.store, documents: self.documents.iter().map(plain_branch).collect() }
    }

    /// The age recipients it is sealed to, as the file has them.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.metadata.groups.iter().flat_map(|group| &group.age).map(|stanza| stanza.recipient.as_str())
    }
}

pub(super) fn flat<'a>(key: &'a str, node: &'a Node<Value>) -> Result<(&'a str, &'a Secret), SopsError> {
    match node {
        Node::Leaf(value) => Ok((key, &value.plain.bytes)),
        other => Err(SopsError::NotFlat { key: key.to_owned(), found: other.shape() }),
    }
}

fn plain_branch(items: &Branch<Value>) -> Branch<Plain> {
    items
        .iter()
        .map(|item| match item {
            Item::Comment(comment) => Item::Comment(plain_comment(comment)),
            Item::Pair(key, node) => Item::Pair(key.clone(), plain_node(node)),
        })
        .collect()
}

fn plain_node(node: &Node<Value>) -> Node<Plain> {
    match node {
        Node::Null => Node::Null,
        Node::Leaf(value) => Node::Leaf(value.plain.duplicate()),
        Node::Map(items) => Node::Map(plain_branch(items)),
        Node::List(elements) => Node::List(
            elements
                .iter()
                .map(|element| match element {
                    Element::Comment(comment) => Element::Comment(plain_comment(comment)),
                    Element::Node(node) => Element::Node(plain_node(node)),
                })
                .collect(),
        ),
    }
}

fn plain_comment(comment: &Comment<Value>) -> Comment<Plain> {
    Comment { text: comment.text.plain.duplicate(), inline: comment.inline }
}

/// The walk over all documents, in their order. `keep` says what becomes of an opened leaf.
struct Walk<'f, L> {
    key: &'f DataKey,
    scope: Scope<'f>,
    mac: Mac,
    keep: fn(Value) -> L,
}

impl<L> Walk<'_, L> {
    fn branch(&mut self, items: Branch<Plain>) -> Result<Branch<L>, SopsError> {
        self.scope.enter_block();
        let item = |item| -> Result<_, SopsError> {
            match item {
                Item::Comment(comment) => Ok(Item::Comment(self.comment(comment, false))),
                Item::Pair(key, node) => {
                    self.scope.enter_key(&key)?;
                    let node = self.node(node)?;
                    self.scope.leave_key();
                    Ok(Item::Pair(key, node))
                }
            }
        };
        let opened = items.into_iter().map(item).collect::<Result<_, _>>()?;
        self.scope.leave_block();
        Ok(opened)
    }

    fn node(&mut self, node: Node<Plain>) -> Result<Node<L>, SopsError> {
        match node {
            Node::Null => Ok(Node::Null),
            Node::Map(items) => self.branch(items).map(Node::Map),
            Node::List(elements) => {
                self.scope.enter_block();
                let opened = elements.into_iter().map(|element| self.element(element));
                let opened = opened.collect::<Result<_, _>>()?;
                self.scope.leave_block();
                Ok(Node::List(opened))
            }
            Node::Leaf(plain) => {
                let value = self.leaf(plain)?;
                Ok(Node::Leaf(self.counted(value)))
            }
        }
    }

    /// sops keeps a list's comments as encrypted elements; opened they are comments again.
    fn element(&mut self, element: Element<Plain>) -> Result<Element<L>, SopsError> {
        match element {
            Element::Comment(comment) => Ok(Element::Comment(self.comment(comment, true))),
            Element::Node(Node::Leaf(plain)) => {
                let value = self.leaf(plain)?;
                if value.plain.kind == Kind::Comment {
                    return Ok(Element::Comment(Comment { text: (self.keep)(value), inline: false }));
                }
                self.scope.leave_element();
                Ok(Element::Node(Node::Leaf(self.counted(value))))
            }
            Element::Node(node) => {
                let node = self.node(node)?;
                self.scope.leave_element();
                Ok(Element::Node(node))
            }
        }
    }

    /// A value, added to the checksum.
    fn counted(&mut self, value: Value) -> L {
        self.mac.add(value.plain.bytes.expose_bytes(), value.sealed.is_some());
        (self.keep)(value)
    }

    fn leaf(&self, line: Plain) -> Result<Value, SopsError> {
        if !self.scope.encrypts() {
            return Ok(Value { plain: line, sealed: None });
        }
        let damaged = |why| SopsError::Damaged { key: self.scope.dotted(), why };
        let text = line.as_text().ok_or_else(|| damaged("it is not encrypted"))?;
        let plain = if text.is_empty() {
            Plain::text("".into())
        } else {
            let sealed = Sealed::parse(text).map_err(damaged)?;
            let plain = self.key.decrypt(&sealed, self.scope.aad());
            plain.ok_or_else(|| damaged("it was changed, or moved from another place or file"))?
        };
        Ok(Value { plain, sealed: Some(Ciphertext { line, out: 0 }) })
    }

    /// Which map a comment belongs to is the YAML library's opinion, so every map around it is tried. One that opens
    /// nowhere stays as it is, as in sops.
    fn comment(&mut self, comment: Comment<Plain>, in_list: bool) -> Comment<L> {
        let text = comment.as_str();
        // Remembered for what stands below it, whether it opens or not.
        self.scope.encrypts_comment(text);
        let sealed = looks_sealed(text).then(|| Sealed::parse(text).ok()).flatten();
        let opened = sealed.and_then(|sealed| {
            let mut around = self.scope.around().enumerate();
            around.find_map(|(out, aad)| Some((self.key.decrypt(&sealed, aad)?, out)))
        });
        let Comment { text: line, inline } = comment;
        let text = match opened {
            // In a list it is a value like any other once it is sealed again: there nothing else opens it.
            Some((plain, out)) => {
                let out = if in_list { out } else { 0 };
                Value { plain, sealed: Some(Ciphertext { line, out }) }
            }
            None => Value { plain: line, sealed: None },
        };
        Comment { text: (self.keep)(text), inline }
    }
}

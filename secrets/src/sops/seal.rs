//! Sealing: new files, and files that change as little as possible.

use super::cipher::DataKey;
use super::error::SopsError;
use super::groups::KeyGroups;
use super::mac::Mac;
use super::metadata::Metadata;
use super::open::Opened;
use super::plaintext::Plaintext;
use super::readers::Change;
use super::reuse::{Reuse, has_closed_comment};
use super::scope::Scope;

use super::selector::Selector;
use super::standing::{as_they_stand, same_documents};
use super::store::{Indent, Parts, Store};
use super::time;
use super::tree::{Branch, Comment, Element, Item, Node};
use super::value::{Kind, Plain};
use crate::secret::Secret;

/// How a new file is sealed.
#[derive(Debug)]
pub struct Policy<'a> {
    /// To whom.
    pub readers: &'a KeyGroups,
    /// What of it; all but what ends in `_unencrypted` where it is none. A binary file is always sealed whole.
    pub selector: Option<&'a Selector>,
    /// Whether the checksum leaves out what stands in clear.
    pub mac_only_encrypted: bool,
    /// How it is indented.
    pub indent: Indent,
}

impl Plaintext {
    /// Seals it under a new data key. `lastmodified` is the time in UTC, such as `2026-11-21T03:02:57Z`.
    ///
    /// # Errors
    /// A time of another form, a comment that the policy's rule would find again when it is encrypted, what the store
    /// cannot hold.
    pub fn seal(&self, policy: &Policy<'_>, lastmodified: &str) -> Result<String, SopsError> {
        check_time(lastmodified)?;
        let key = DataKey::generate()?;
        let default = Selector::default();
        let selector = (self.store != Store::Binary).then(|| policy.selector.unwrap_or(&default));
        let mut metadata = Metadata::new(selector, policy.mac_only_encrypted && self.store != Store::Binary);
        metadata.set_groups(policy.readers.wrap(&key)?, policy.readers.threshold());
        let documents = Draft::new(&key, &metadata, Reuse::none()).documents(&self.documents)?;
        let parts = finish(&key, documents, metadata, lastmodified)?;
        self.store.write_sealed(&parts, policy.indent)
    }
}

impl Opened {
    /// The file with other contents, under the same data key and for the same readers. A value that did not change
    /// keeps its ciphertext, a line that did not change its layout. None where nothing changed at all.
    ///
    /// # Errors
    /// As [`Plaintext::seal`].
    pub fn edited(&self, new: &Plaintext, lastmodified: &str) -> Result<Option<String>, SopsError> {
        if same_documents(&self.documents, &new.documents) {
            return Ok(None);
        }
        self.rewritten(new, self.metadata.duplicate(), lastmodified).map(Some)
    }

    /// The file for these readers. Who stays keeps their copy of the data key; where nobody leaves, nothing else
    /// changes. Where somebody leaves, all is sealed under a new data key, so that they learn nothing of what is
    /// written from now on; what they read before they still know. None where the readers are these already.
    ///
    /// # Errors
    /// [`SopsError::CannotKeep`] when somebody leaves a file that keys of other services open as well: those cannot be
    /// sealed to here.
    pub fn for_readers(&self, readers: &KeyGroups, lastmodified: &str) -> Result<Option<String>, SopsError> {
        match self.metadata.change_with(readers, &self.parts) {
            Change::None => Ok(None),
            Change::Rekey => self.rotated(readers, lastmodified).map(Some),
            Change::Add => {
                let documents = as_they_stand(&self.documents);
                let section = Some(self.metadata.with_readers(readers, &self.parts)?.section());
                self.store.rewrite_sealed(&self.text, &Parts { documents, section }).map(Some)
            }
        }
    }

    /// The file with other contents and more readers, under the same data key. None where nothing changed.
    pub(super) fn edited_for(
        &self,
        new: &Plaintext,
        readers: &KeyGroups,
        lastmodified: &str,
    ) -> Result<Option<String>, SopsError> {
        if same_documents(&self.documents, &new.documents) {
            return self.for_readers(readers, lastmodified);
        }
        self.rewritten(new, self.metadata.with_readers(readers, &self.parts)?, lastmodified).map(Some)
    }

    fn rewritten(
        &self,
        new: &Plaintext,
        metadata: Metadata,
        lastmodified: &str,
    ) -> Result<String, SopsError> {
        check_time(lastmodified)?;
        let reuse = Reuse::of(&self.documents);
        let documents = Draft::new(&self.key, &self.metadata, reuse).documents(&new.documents)?;
        let parts = finish(&self.key, documents, metadata, lastmodified)?;
        self.store.rewrite_sealed(&self.text, &parts)
    }

    /// The file for these readers under a new data key: every value and comment is encrypted anew.
    ///
    /// # Errors
    /// [`SopsError::CannotKeep`] when keys of other services open it as well, or a comment does not open.
    pub fn rotated(&self, readers: &KeyGroups, lastmodified: &str) -> Result<String, SopsError> {
        self.rekeyed(&self.plaintext(), readers, lastmodified)
    }

    /// The file with other contents under a new data key.
    pub(super) fn rekeyed(
        &self,
        new: &Plaintext,
        readers: &KeyGroups,
        lastmodified: &str,
    ) -> Result<String, SopsError> {
        check_time(lastmodified)?;
        let cannot_keep = |what: String| SopsError::CannotKeep { what };
        if let Some(foreign) = self.metadata.foreign().next() {
            return Err(cannot_keep(format!("its key of `{foreign}`")));
        }
        if self.documents.iter().any(has_closed_comment) {
            return Err(cannot_keep("a comment that does not open".to_owned()));
        }
        let key = DataKey::generate()?;
        let mut metadata = self.metadata.duplicate();
        metadata.set_groups(readers.wrap(&key)?, readers.threshold());
        let documents = Draft::new(&key, &metadata, Reuse::none()).documents(&new.documents)?;
        let parts = finish(&key, documents, metadata, lastmodified)?;
        self.store.rewrite_sealed(&self.text, &parts)
    }
}

fn check_time(lastmodified: &str) -> Result<(), SopsError> {
    if time::is_canonical(lastmodified) {
        return Ok(());
    }
    Err(SopsError::BadTime { found: lastmodified.to_owned() })
}

/// The sealed documents with their checksum, sealed under the time.
fn finish(
    key: &DataKey,
    (documents, sum): (Vec<Branch<Plain>>, Plain),
    mut metadata: Metadata,
    lastmodified: &str,
) -> Result<Parts, SopsError> {
    metadata.set_mac(key.encrypt(&sum, lastmodified.as_bytes())?, lastmodified);
    Ok(Parts { documents, section: Some(metadata.section()) })
}

/// A file in the making, and the checksum over it.
struct Draft<'d> {
    key: &'d DataKey,
    scope: Scope<'d>,
    mac: Mac,
    reuse: Reuse<'d>,
}

impl<'d> Draft<'d> {
    fn new(key: &'d DataKey, metadata: &'d Metadata, reuse: Reuse<'d>) -> Self {
        let mac = Mac::new(metadata.mac_only_encrypted);
        Self { key, scope: Scope::new(&metadata.selector), mac, reuse }
    }

    /// All documents, sealed, and the checksum over them.
    fn documents(mut self, documents: &[Branch<Plain>]) -> Result<(Vec<Branch<Plain>>, Plain), SopsError> {
        let sealed = documents.iter().map(|document| self.branch(document)).collect::<Result<_, _>>()?;
        Ok((sealed, Plain::text(Secret::from_text(self.mac.finish()))))
    }

    fn branch(&mut self, items: &Branch<Plain>) -> Result<Branch<Plain>, SopsError> {
        self.scope.enter_block();
        let mut sealed = Vec::with_capacity(items.len());
        for item in items {
            sealed.push(match item {
                Item::Comment(comment) => Item::Comment(Comment {
                    text: self.comment(comment, Kind::Comment)?,
                    inline: comment.inline,
                }),
                Item::Pair(key, node) => {
                    self.scope.enter_key(key)?;
                    let node = self.node(node)?;
                    self.scope.leave_key();
                    Item::Pair(key.clone(), node)
                }
            });
        }
        self.scope.leave_block();
        Ok(sealed)
    }

    fn node(&mut self, node: &Node<Plain>) -> Result<Node<Plain>, SopsError> {
        match node {
            Node::Null => Ok(Node::Null),
            Node::Leaf(plain) => self.leaf(plain).map(Node::Leaf),
            Node::Map(items) => self.branch(items).map(Node::Map),
            Node::List(elements) => {
                self.scope.enter_block();
                // An empty comment has no ciphertext, and sops decrypts one in a list to an empty element.
                let encrypts = self.scope.encrypts();
                let is_lost = |element: &Element<Plain>| matches!(element, Element::Comment(comment) if encrypts && comment.as_str().is_empty());
                let kept = elements.iter().filter(|element| !is_lost(element));
                let sealed = kept.map(|element| self.element(element)).collect::<Result<_, _>>()?;
                self.scope.leave_block();
                Ok(Node::List(sealed))
            }
        }
    }

    /// An encrypted comment in a list is an element like any other: there is no other place for its ciphertext.
    fn element(&mut self, element: &Element<Plain>) -> Result<Element<Plain>, SopsError> {
        match element {
            Element::Comment(comment) => {
                let text = self.comment(comment, Kind::Str)?;
                Ok(match text.kind {
                    Kind::Comment => Element::Comment(Comment { text, inline: comment.inline }),
                    _ => Element::Node(Node::Leaf(text)),
                })
            }
            Element::Node(node) => {
                let node = self.node(node)?;
                self.scope.leave_element();
                Ok(Element::Node(node))
            }
        }
    }

    fn leaf(&mut self, plain: &Plain) -> Result<Plain, SopsError> {
        let encrypted = self.scope.encrypts();
        self.mac.add(plain.bytes.expose_bytes(), encrypted);
        if !encrypted {
            return Ok(plain.duplicate());
        }
        let text = match self.reuse.take(self.scope.place(), plain) {
            Some(known) => known.to_owned(),
            None => self.key.encrypt(plain, self.scope.aad())?,
        };
        Ok(Plain::text(Secret::from_text(text)))
    }

    /// A comment, sealed where the rule says so; `sealed_as` is what its ciphertext is then.
    fn comment(&mut self, comment: &Comment<Plain>, sealed_as: Kind) -> Result<Plain, SopsError> {
        let plain = &comment.text;
        let encrypted = self.scope.encrypts_comment(comment.as_str());
        if !encrypted || self.reuse.is_closed(plain) {
            return Ok(plain.duplicate());
        }
        let text = match self.reuse.take(self.scope.place(), plain) {
            Some(known) => known.to_owned(),
            None => self.key.encrypt(plain, self.scope.aad())?,
        };
        if self.scope.finds(&text) {
            return Err(SopsError::CommentFound);
        }
        Ok(Plain {
            kind: if text.is_empty() { Kind::Comment } else { sealed_as },
            bytes: Secret::from_text(text),
        })
    }
}

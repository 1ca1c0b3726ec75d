//! Opening a file: the data key from one of the identities, each value in its place, the checksum over all.

use zeroize::Zeroizing;

use super::cipher::{DataKey, Sealed, looks_sealed};
use super::error::SopsError;
use super::file::SealedFile;
use super::mac::Mac;
use super::metadata::{Metadata, Stanza};
use super::tree::{Branch, Comment, Element, Item, Node, Scalar, pairs};
use super::value::{Kind, Plain};
use crate::age_file::{self, AgeError};
use crate::identity::Identity;
use crate::recipient::Recipient;
use crate::secret::Secret;

/// A file that was opened and whose checksum fits. It remembers each ciphertext, so that what does not change is not
/// encrypted again.
#[derive(Debug)]
pub struct Opened {
    pub(super) text: String,
    pub(super) key: DataKey,
    pub(super) documents: Vec<Branch<Value>>,
    pub(super) metadata: Metadata,
}

/// An opened leaf, beside what stands for it in the file.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    /// In clear, by the file's rules; or a comment that does not open, which is no error.
    Clear(Plain, Scalar),
    /// Encrypted, with its ciphertext.
    Sealed(Plain, String),
}

impl Value {
    pub(super) fn plain(&self) -> Option<&Plain> {
        match self {
            Self::Null => None,
            Self::Clear(plain, _) | Self::Sealed(plain, _) => Some(plain),
        }
    }

    /// The scalar that stands for it in the file.
    pub(super) fn scalar(&self) -> Scalar {
        match self {
            Self::Null => Scalar::Null,
            Self::Clear(_, scalar) => scalar.clone(),
            Self::Sealed(_, text) => Scalar::Str(text.clone()),
        }
    }
}

impl SealedFile {
    /// Opens the file with the first identity that fits and verifies its checksum.
    ///
    /// # Errors
    /// [`SopsError::NoIdentity`] when it is sealed to others, [`SopsError::Damaged`] for a value that was changed or
    /// moved, [`SopsError::MacMismatch`] when values fit one by one but not together.
    pub fn open(&self, identities: &[Identity]) -> Result<Opened, SopsError> {
        let key = self.data_key(identities)?;
        let mut walk = Walk {
            key: &key,
            metadata: &self.metadata,
            mac: Mac::new(self.metadata.mac_only_encrypted),
            path: Vec::new(),
        };
        let documents =
            self.documents.iter().map(|document| walk.branch(document)).collect::<Result<_, _>>()?;
        // A hash of everything: enough to confirm a guess of a short secret.
        let sum = Zeroizing::new(walk.mac.finish());
        let aad = self.metadata.mac_aad()?;
        let stored = Sealed::parse(&self.metadata.mac).ok().and_then(|mac| key.decrypt(&mac, aad.as_bytes()));
        if stored.is_none_or(|stored| stored.bytes.expose_bytes() != sum.as_bytes()) {
            return Err(SopsError::MacMismatch);
        }
        Ok(Opened { text: self.text.clone(), key, documents, metadata: self.metadata.clone() })
    }

    fn data_key(&self, identities: &[Identity]) -> Result<DataKey, SopsError> {
        // Nobody is asked for a passphrase while one of the entries opens without.
        for stanza in &self.metadata.age {
            let ready = age_file::decrypt_ready(stanza.enc.as_bytes(), identities);
            if let Some(key) = ready.ok().and_then(|bytes| DataKey::from_bytes(&bytes)) {
                return Ok(key);
            }
        }
        let mut damaged = None;
        for stanza in &self.metadata.age {
            match age_file::decrypt_for(stanza.enc.as_bytes(), &stanza.recipient, identities) {
                Ok(bytes) => match DataKey::from_bytes(&bytes) {
                    Some(key) => return Ok(key),
                    None => damaged = Some(&stanza.recipient),
                },
                // Sealed to one of us by its name, and yet not to be opened.
                Err(AgeError::NoIdentity) if !stanza.is_for(identities) => {}
                Err(_) => damaged = Some(&stanza.recipient),
            }
        }
        if let Some(recipient) = damaged {
            return Err(SopsError::StanzaDamaged { recipient: recipient.clone() });
        }
        Err(SopsError::NoIdentity {
            recipients: self
                .recipients()
                .chain(self.metadata.foreign.iter().copied())
                .map(str::to_owned)
                .collect(),
            tried: identities.iter().map(ToString::to_string).collect(),
        })
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
        self.documents
            .iter()
            .flat_map(|document| pairs(document))
            .map(|(key, node)| flat(key, node))
            .collect()
    }

    /// One value of a flat file.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        let found =
            self.documents.iter().flat_map(|document| pairs(document)).find(|(name, _)| *name == key)?;
        flat(found.0, found.1).ok().map(|(_, secret)| secret)
    }
}

pub(super) fn flat<'a>(key: &'a str, node: &'a Node<Value>) -> Result<(&'a str, &'a Secret), SopsError> {
    match node {
        Node::Leaf(value) => match value.plain() {
            Some(plain) => Ok((key, &plain.bytes)),
            None => Err(SopsError::NotFlat { key: key.to_owned(), found: "null" }),
        },
        nested => Err(SopsError::NotFlat { key: key.to_owned(), found: nested.shape() }),
    }
}

/// What a value's ciphertext is bound to: the names on its path, each with a colon behind it. A list's elements
/// share the list's; nothing but a colon is the top.
pub(super) fn aad(path: &[String]) -> Vec<u8> {
    let mut aad = path.join(":").into_bytes();
    aad.push(b':');
    aad
}

/// The walk over all documents, in their order.
struct Walk<'f> {
    key: &'f DataKey,
    metadata: &'f Metadata,
    mac: Mac,
    path: Vec<String>,
}

impl Walk<'_> {
    fn branch(&mut self, items: &Branch<Scalar>) -> Result<Branch<Value>, SopsError> {
        items
            .iter()
            .map(|item| match item {
                Item::Comment(comment) => Ok(Item::Comment(self.comment(comment))),
                Item::Pair(key, node) => {
                    self.path.push(key.clone());
                    let node = self.node(node)?;
                    self.path.pop();
                    Ok(Item::Pair(key.clone(), node))
                }
            })
            .collect()
    }

    fn node(&mut self, node: &Node<Scalar>) -> Result<Node<Value>, SopsError> {
        match node {
            Node::Map(items) => self.branch(items).map(Node::Map),
            Node::List(elements) => {
                elements.iter().map(|element| self.element(element)).collect::<Result<_, _>>().map(Node::List)
            }
            Node::Leaf(scalar) => {
                let value = self.leaf(scalar)?;
                self.hash(&value);
                Ok(Node::Leaf(value))
            }
        }
    }

    /// sops keeps a list's comments as encrypted elements; opened they are comments again.
    fn element(&mut self, element: &Element<Scalar>) -> Result<Element<Value>, SopsError> {
        match element {
            Element::Comment(comment) => Ok(Element::Comment(self.comment(comment))),
            Element::Node(Node::Leaf(scalar)) => match self.leaf(scalar)? {
                value if value.plain().is_some_and(|plain| plain.kind == Kind::Comment) => {
                    Ok(Element::Comment(Comment { text: value, inline: false }))
                }
                value => {
                    self.hash(&value);
                    Ok(Element::Node(Node::Leaf(value)))
                }
            },
            Element::Node(node) => self.node(node).map(Element::Node),
        }
    }

    fn leaf(&self, scalar: &Scalar) -> Result<Value, SopsError> {
        if *scalar == Scalar::Null {
            return Ok(Value::Null);
        }
        if !self.metadata.selector.encrypts(&self.path) {
            return Ok(Value::Clear(in_clear(scalar), scalar.clone()));
        }
        let damaged = |why| SopsError::Damaged { key: self.path.join("."), why };
        let text = scalar.as_str().ok_or_else(|| damaged("it is not encrypted"))?;
        if text.is_empty() {
            return Ok(Value::Sealed(Plain::text("".into()), String::new()));
        }
        let sealed = Sealed::parse(text).map_err(damaged)?;
        let plain = self.key.decrypt(&sealed, &aad(&self.path));
        let plain = plain.ok_or_else(|| damaged("it was changed, or moved from another place or file"))?;
        Ok(Value::Sealed(plain, text.to_owned()))
    }

    /// Which map a comment belongs to is the YAML library's opinion, so every map around it is tried. One that opens
    /// nowhere stays as it is, as in sops.
    fn comment(&self, comment: &Comment<Scalar>) -> Comment<Value> {
        let text = comment.text.as_str().unwrap_or_default();
        let opened = looks_sealed(text).then(|| Sealed::parse(text).ok()).flatten().and_then(|sealed| {
            let depths = (0..=self.path.len()).rev();
            depths
                .filter_map(|depth| self.path.get(..depth))
                .find_map(|path| self.key.decrypt(&sealed, &aad(path)))
        });
        let value = match opened {
            Some(plain) => Value::Sealed(plain, text.to_owned()),
            None => Value::Clear(Plain { kind: Kind::Comment, bytes: text.into() }, comment.text.clone()),
        };
        Comment { text: value, inline: comment.inline }
    }

    fn hash(&mut self, value: &Value) {
        if let Some(plain) = value.plain() {
            self.mac.add(plain.bytes.expose_bytes(), matches!(value, Value::Sealed(..)));
        }
    }
}

fn in_clear(scalar: &Scalar) -> Plain {
    let (kind, text) = match scalar {
        Scalar::Null => (Kind::Str, ""),
        Scalar::Str(text) => (Kind::Str, text.as_str()),
        Scalar::Typed { kind, hashed, .. } => (*kind, hashed.as_str()),
    };
    Plain { kind, bytes: text.into() }
}

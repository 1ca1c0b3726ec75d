//! A sealed file as anybody can read it: names, recipients, time; no value.

use super::cipher::{Sealed, looks_sealed};
use super::error::SopsError;
use super::metadata::Metadata;
use super::selector::Selector;
use super::tree::{Branch, Element, Item, Node, Scalar, pairs};
use super::yaml;
use crate::recipient::Recipient;

/// The key of the section that holds the metadata.
pub(super) const SECTION: &str = "sops";

/// A sealed file, parsed without any key. Holds nothing secret.
#[derive(Debug)]
pub struct SealedFile {
    pub(super) text: String,
    pub(super) documents: Vec<Branch<Scalar>>,
    pub(super) metadata: Metadata,
}

/// How the recipients of a file differ from those it should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Who should be able to open it and is not.
    pub missing: Vec<String>,
    /// Who can open it and should not; keys of other services by their name.
    pub extra: Vec<String>,
}

impl Drift {
    /// Whether the recipients are those wanted, in whatever order.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty()
    }
}

impl SealedFile {
    /// Reads a SOPS file in YAML: its structure whole, each ciphertext's form, the metadata. What only a key can tell
    /// (whether values were exchanged) is left to [`SealedFile::open`].
    ///
    /// # Errors
    /// [`SopsError::NotSealed`] for plaintext, and what can be damaged, missing or unsupported, by its name.
    pub fn parse(text: &str) -> Result<Self, SopsError> {
        let mut documents = yaml::read(text)?;
        let mut section = None;
        for document in &mut documents {
            let at = document.iter().position(|item| matches!(item, Item::Pair(key, _) if key == SECTION));
            let removed = at.map(|at| document.remove(at));
            section = section.or(removed);
        }
        let Some(Item::Pair(_, Node::Map(section))) = section else { return Err(SopsError::NotSealed) };
        let metadata = Metadata::parse(&section)?;
        for document in &documents {
            check_branch(document, &metadata.selector, &mut Vec::new())?;
        }
        Ok(Self { text: text.to_owned(), documents, metadata })
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
        self.metadata.age.iter().map(|stanza| stanza.recipient.as_str())
    }

    /// When it was last changed, in RFC 3339.
    pub fn lastmodified(&self) -> &str {
        &self.metadata.lastmodified
    }

    /// Compares whom it is sealed to with whom it should be sealed to.
    pub fn drift(&self, wanted: &[Recipient]) -> Drift {
        let present: Vec<(&str, Option<Recipient>)> =
            self.recipients().map(|text| (text, text.parse().ok())).collect();
        let has = |recipient: &Recipient| present.iter().any(|(_, known)| known.as_ref() == Some(recipient));
        let missing = wanted.iter().filter(|recipient| !has(recipient)).map(ToString::to_string).collect();
        let stray = |known: &Option<Recipient>| known.as_ref().is_none_or(|known| !wanted.contains(known));
        let age = present.iter().filter(|(_, known)| stray(known)).map(|(text, _)| *text);
        let extra = age.chain(self.metadata.foreign.iter().copied()).map(str::to_owned).collect();
        Drift { missing, extra }
    }
}

/// Every value that should be encrypted has the form of a ciphertext.
fn check_branch(
    items: &Branch<Scalar>,
    selector: &Selector,
    path: &mut Vec<String>,
) -> Result<(), SopsError> {
    for (key, node) in pairs(items) {
        path.push(key.to_owned());
        check_node(node, selector, path)?;
        path.pop();
    }
    Ok(())
}

fn check_node(node: &Node<Scalar>, selector: &Selector, path: &mut Vec<String>) -> Result<(), SopsError> {
    match node {
        Node::Map(items) => check_branch(items, selector, path),
        Node::List(elements) => elements.iter().try_for_each(|element| match element {
            Element::Comment(_) => Ok(()),
            Element::Node(node) => check_node(node, selector, path),
        }),
        Node::Leaf(Scalar::Null) => Ok(()),
        Node::Leaf(_) if !selector.encrypts(path) => Ok(()),
        Node::Leaf(scalar) => match scalar.as_str() {
            Some("") => Ok(()),
            Some(text) if looks_sealed(text) => match Sealed::parse(text) {
                Ok(_) => Ok(()),
                Err(why) => Err(SopsError::Damaged { key: path.join("."), why }),
            },
            _ => Err(SopsError::NotEncrypted { key: path.join(".") }),
        },
    }
}

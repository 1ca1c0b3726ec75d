//! What a sealed file holds, by name and type: both can be read without any key.

use super::cipher::{Sealed, looks_sealed};
use super::file::SealedFile;
use super::tree::{Node, pairs};
use super::value::{Kind, Plain};

/// The strings of a file, each by the keys that lead to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    /// The keys, from the top; a list is not gone into.
    pub paths: Vec<Vec<String>>,
    /// Whether the file holds something else as well: numbers, lists, a second document.
    pub others: bool,
}

impl SealedFile {
    /// The strings of its first document.
    pub fn strings(&self) -> Strings {
        let mut strings = Strings { paths: Vec::new(), others: self.documents.len() > 1 };
        if let Some(document) = self.documents.first() {
            for (key, node) in pairs(document) {
                strings.take(&mut vec![key.to_owned()], node);
            }
        }
        strings
    }
}

impl Strings {
    fn take(&mut self, path: &mut Vec<String>, node: &Node<Plain>) {
        match node {
            Node::Map(items) => {
                for (key, node) in pairs(items) {
                    path.push(key.to_owned());
                    self.take(path, node);
                    path.pop();
                }
            }
            Node::Leaf(plain) if is_string(plain) => self.paths.push(path.clone()),
            Node::Null | Node::Leaf(_) | Node::List(_) => self.others = true,
        }
    }
}

/// Whether a value is a string, by its own type or by that of what is sealed in it.
fn is_string(plain: &Plain) -> bool {
    plain.as_text().is_some_and(|text| {
        !looks_sealed(text) || Sealed::parse(text).is_ok_and(|sealed| sealed.kind == Kind::Str)
    })
}

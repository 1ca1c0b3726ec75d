//! What of an opened file is used again.

use std::collections::{HashMap, HashSet, VecDeque};

use super::cipher::looks_sealed;
use super::open::Value;
use super::scope::{Place, TOP, place_under};
use super::tree::{Branch, Element, Item, Node};
use super::value::{Kind, Plain};

/// The ciphertexts of an opened file, for values that did not change: by their place and what they hold, in the order of
/// the file. Equal values in one list have a ciphertext each, so that nobody sees that they are equal.
pub(super) struct Reuse<'o> {
    known: HashMap<Place, HashMap<&'o [u8], Equal<'o>>>,
    /// Comments that do not open stay as they are.
    closed: HashSet<&'o [u8]>,
}

/// The ciphertexts of equal texts at one place, each with its type.
type Equal<'o> = VecDeque<(Kind, &'o str)>;

impl<'o> Reuse<'o> {
    pub(super) fn none() -> Self {
        Self { known: HashMap::new(), closed: HashSet::new() }
    }

    pub(super) fn of(documents: &'o [Branch<Value>]) -> Self {
        let mut reuse = Self::none();
        let mut places = vec![TOP];
        for document in documents {
            reuse.branch(document, &mut places);
        }
        reuse
    }

    /// `places` are those of the maps around, the innermost last.
    fn branch(&mut self, items: &'o Branch<Value>, places: &mut Vec<Place>) {
        for item in items {
            match item {
                Item::Comment(comment) => self.value(&comment.text, places),
                Item::Pair(key, node) => {
                    places.push(place_under(places.last().unwrap_or(&TOP), key));
                    self.node(node, places);
                    places.pop();
                }
            }
        }
    }

    fn node(&mut self, node: &'o Node<Value>, places: &mut Vec<Place>) {
        match node {
            Node::Null => {}
            Node::Leaf(value) => self.value(value, places),
            Node::Map(items) => self.branch(items, places),
            Node::List(elements) => elements.iter().for_each(|element| match element {
                Element::Comment(comment) => self.value(&comment.text, places),
                Element::Node(node) => self.node(node, places),
            }),
        }
    }

    fn value(&mut self, value: &'o Value, places: &[Place]) {
        let plain = &value.plain;
        match &value.sealed {
            Some(sealed) => {
                let place = places.iter().rev().nth(sealed.out).unwrap_or(&TOP);
                let here = self.known.entry(*place).or_default();
                here.entry(plain.bytes.expose_bytes()).or_default().push_back((plain.kind, sealed.text()));
            }
            None if is_closed(plain) => {
                self.closed.insert(plain.bytes.expose_bytes());
            }
            None => {}
        }
    }

    /// Whether it is a comment that did not open.
    pub(super) fn is_closed(&self, comment: &Plain) -> bool {
        self.closed.contains(comment.bytes.expose_bytes())
    }

    /// A ciphertext of this value at this place, each once.
    pub(super) fn take(&mut self, place: Place, plain: &Plain) -> Option<&'o str> {
        let equal = self.known.get_mut(&place)?.get_mut(plain.bytes.expose_bytes())?;
        let at = equal.iter().position(|(kind, _)| *kind == plain.kind)?;
        equal.remove(at).map(|(_, text)| text)
    }
}

/// A comment that is a ciphertext and did not open.
fn is_closed(plain: &Plain) -> bool {
    plain.kind == Kind::Comment && plain.bytes.expose_text().is_ok_and(looks_sealed)
}

/// Whether there is a comment that is a ciphertext and did not open.
pub(super) fn has_closed_comment(items: &Branch<Value>) -> bool {
    let is_closed = |value: &Value| value.sealed.is_none() && is_closed(&value.plain);
    items.iter().any(|item| match item {
        Item::Comment(comment) => is_closed(&comment.text),
        Item::Pair(_, node) => node_has(node, &is_closed),
    })
}

fn node_has(node: &Node<Value>, is_closed: &impl Fn(&Value) -> bool) -> bool {
    match node {
        Node::Null | Node::Leaf(_) => false,
        Node::Map(items) => has_closed_comment(items),
        Node::List(elements) => elements.iter().any(|element| match element {
            Element::Comment(comment) => is_closed(&comment.text),
            Element::Node(node) => node_has(node, is_closed),
        }),
    }
}

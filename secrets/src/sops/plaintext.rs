//! A file in the open: what `decrypt` prints, what an editor gets, what `set` changes and `encrypt` seals.

use super::binary;
use super::error::SopsError;
use super::flat::MERGE;
use super::json;
use super::path::{Path, Step};
use super::store::{Indent, SECTION, Store};
use super::tree::{Branch, Element, Item, Node, find, nodes, pairs};
use super::value::Plain;
use crate::secret::Secret;

/// The documents of a file, every value in clear. `Debug` shows its shape and no content.
#[derive(Debug)]
pub struct Plaintext {
    pub(super) store: Store,
    pub(super) documents: Vec<Branch<Plain>>,
}

impl Plaintext {
    /// Reads a file that is not sealed.
    ///
    /// # Errors
    /// What the store cannot hold, by its line; [`SopsError::AlreadySealed`] where there is a `sops` section, or a
    /// value of that name that would stand in its place.
    pub fn parse(content: &Secret, store: Store) -> Result<Self, SopsError> {
        let documents = store.read_plain(content)?;
        for document in &documents {
            match store {
                Store::Dotenv => {
                    if pairs(document).any(|(key, _)| key.starts_with("sops_")) {
                        return Err(SopsError::AlreadySealed);
                    }
                }
                Store::Binary => {}
                _ => {
                    if find(document, SECTION).is_some() {
                        return Err(SopsError::AlreadySealed);
                    }
                }
            }
        }
        Ok(Self { store, documents })
    }

    /// A file with nothing in it yet.
    pub fn empty(store: Store) -> Self {
        Self { store, documents: vec![Vec::new()] }
    }

    /// The store that it was read in.
    pub fn store(&self) -> Store {
        self.store
    }

    /// Its text in a store, laid out as sops lays it out.
    ///
    /// # Errors
    /// What that store cannot hold: a list in dotenv, several documents in JSON.
    pub fn write(&self, store: Store, indent: Indent) -> Result<Secret, SopsError> {
        store.write_plain(&self.documents, indent)
    }

    /// What stands at a path of the first document: a value as its text alone, more of the tree in the layout of the
    /// store.
    ///
    /// # Errors
    /// [`SopsError::NoSuchPath`].
    pub fn get(&self, path: &Path) -> Result<Secret, SopsError> {
        let document = self.documents.first().ok_or(SopsError::NoDocument)?;
        if path.is_whole() {
            return self.write(self.store, None);
        }
        match walk(document, path)? {
            Node::Leaf(plain) => Ok(self.store.value_text(plain)),
            Node::Null => Ok(Secret::from("null")),
            nested => self.store.write_nested(nested),
        }
    }

    /// What stands at a path as JSON.
    ///
    /// # Errors
    /// [`SopsError::NoSuchPath`].
    pub fn get_json(&self, path: &Path) -> Result<Secret, SopsError> {
        let document = self.documents.first().ok_or(SopsError::NoDocument)?;
        if path.is_whole() {
            return Store::Json.write_plain(std::slice::from_ref(document), Some(0));
        }
        json::write_value(walk(document, path)?)
    }

    /// Puts a string at a path of the first document. Maps on the way are made; the element behind the last of a list
    /// may be named, and is added.
    ///
    /// # Errors
    /// [`SopsError::NoSuchPath`] where a value is in the way or a list is too short, [`SopsError::Reserved`] for the
    /// section's name.
    pub fn set_text(&mut self, path: &Path, text: &Secret) -> Result<(), SopsError> {
        self.set(path, Node::Leaf(Plain::text(text.duplicate())))
    }

    /// Puts a value at a path, given as JSON: `"text"`, `5`, `true`, `null`, `[..]`, `{..}`. Integers keep all their
    /// digits.
    ///
    /// # Errors
    /// As [`Self::set_text`], and what JSON can lack.
    pub fn set_json(&mut self, path: &Path, value: &Secret) -> Result<(), SopsError> {
        let text = value.expose_text().map_err(|error| SopsError::NotText { at: error.valid_up_to() })?;
        let node = json::read_value(text)?;
        self.set(path, node)
    }

    /// A binary file is the one value, and has no room for another.
    fn refuse_other_than_binary(&self, path: &Path) -> Result<(), SopsError> {
        let is_data = path.steps() == [Step::Key(binary::KEY.to_owned())];
        if self.store == Store::Binary && !is_data { Err(SopsError::NotBinary) } else { Ok(()) }
    }

    fn set(&mut self, path: &Path, node: Node<Plain>) -> Result<(), SopsError> {
        if path.is_whole() || path.steps().first() == Some(&Step::Key(SECTION.to_owned())) {
            return Err(SopsError::Reserved { path: path.to_string() });
        }
        self.refuse_other_than_binary(path)?;
        if self.store == Store::Yaml && path.steps().contains(&Step::Key(MERGE.to_owned())) {
            return Err(SopsError::ReservedKey { key: MERGE.to_owned() });
        }
        if self.documents.is_empty() {
            self.documents.push(Vec::new());
        }
        let missing = |depth: usize| no_such_path(path, depth);
        match self.documents.first_mut() {
            Some(document) => put_in_map(document, path.steps(), node).map_err(missing),
            None => Ok(()),
        }
    }

    /// Takes what stands at a path of the first document away, and the comments directly above it stay.
    ///
    /// # Errors
    /// [`SopsError::NoSuchPath`].
    pub fn unset(&mut self, path: &Path) -> Result<(), SopsError> {
        let missing = |depth: usize| no_such_path(path, depth);
        if self.store == Store::Binary {
            return Err(SopsError::NotBinary);
        }
        let document = self.documents.first_mut().ok_or(SopsError::NoDocument)?;
        take_from_map(document, path.steps()).map_err(missing)
    }

    /// The values of a flat file as text under their keys: what an environment can hold.
    ///
    /// # Errors
    /// [`SopsError::NotFlat`] where a value is a map or a list, [`SopsError::Documents`] where there are several.
    pub fn flat(&self) -> Result<Vec<(&str, Secret)>, SopsError> {
        let [document] = self.documents.as_slice() else {
            return Err(SopsError::Documents { store: "dotenv", count: self.documents.len() });
        };
        pairs(document)
            .map(|(key, node)| match node {
                Node::Leaf(plain) => Ok((key, Store::Dotenv.value_text(plain))),
                Node::Null => Ok((key, Secret::from(""))),
                other => Err(SopsError::NotFlat { key: key.to_owned(), found: other.shape() }),
            })
            .collect()
    }
}

fn no_such_path(path: &Path, depth: usize) -> SopsError {
    let reached: Path = path.steps().get(..depth).unwrap_or_default().to_vec().into();
    SopsError::NoSuchPath { path: path.to_string(), reached: reached.to_string() }
}

fn walk<'t>(document: &'t Branch<Plain>, path: &Path) -> Result<&'t Node<Plain>, SopsError> {
    let missing = |depth: usize| no_such_path(path, depth);
    let (first, rest) = path.steps().split_first().ok_or(SopsError::NoDocument)?;
    let Step::Key(key) = first else { return Err(missing(0)) };
    let mut node = find(document, key).ok_or_else(|| missing(0))?;
    for (depth, step) in rest.iter().enumerate() {
        let next = match (node, step) {
            (Node::Map(items), Step::Key(key)) => find(items, key),
            (Node::List(elements), Step::Index(index)) => nodes(elements).nth(*index),
            _ => None,
        };
        node = next.ok_or_else(|| missing(depth + 1))?;
    }
    Ok(node)
}

/// The error is how many steps could be taken.
fn put_in_map(items: &mut Branch<Plain>, steps: &[Step], node: Node<Plain>) -> Result<(), usize> {
    let Some((Step::Key(key), rest)) = steps.split_first() else { return Err(0) };
    let found = items.iter_mut().find_map(|item| match item {
        Item::Pair(name, old) if name == key => Some(old),
        _ => None,
    });
    if let Some(old) = found {
        return put(old, rest, node).map_err(|depth| depth + 1);
    }
    items.push(Item::Pair(key.clone(), grown(rest, node).ok_or(1_usize)?));
    Ok(())
}

fn put(old: &mut Node<Plain>, steps: &[Step], node: Node<Plain>) -> Result<(), usize> {
    let Some(first) = steps.first() else {
        *old = node;
        return Ok(());
    };
    match (old, first) {
        (Node::Map(items), Step::Key(_)) => put_in_map(items, steps, node),
        (Node::List(elements), Step::Index(index)) => {
            let count = nodes(elements).count();
            let rest = steps.get(1..).unwrap_or_default();
            if *index == count {
                elements.push(Element::Node(grown(rest, node).ok_or(1_usize)?));
                return Ok(());
            }
            let mut found = elements.iter_mut().filter_map(|element| match element {
                Element::Node(node) => Some(node),
                Element::Comment(_) => None,
            });
            let found = found.nth(*index).ok_or(0_usize)?;
            put(found, rest, node).map_err(|depth| depth + 1)
        }
        _ => Err(0),
    }
}

/// A value below maps, and lists of one, that are made for it.
fn grown(steps: &[Step], node: Node<Plain>) -> Option<Node<Plain>> {
    steps.iter().rev().try_fold(node, |node, step| match step {
        Step::Key(key) => Some(Node::Map(vec![Item::Pair(key.clone(), node)])),
        Step::Index(0) => Some(Node::List(vec![Element::Node(node)])),
        Step::Index(_) => None,
    })
}

fn take_from_map(items: &mut Branch<Plain>, steps: &[Step]) -> Result<(), usize> {
    let Some((Step::Key(key), rest)) = steps.split_first() else { return Err(0) };
    let mut at =
        items.iter().position(|item| matches!(item, Item::Pair(name, _) if name == key)).ok_or(0_usize)?;
    if rest.is_empty() {
        items.remove(at);
        // What stood behind it in its line.
        while let Some(before) = at.checked_sub(1)
            && matches!(items.get(before), Some(Item::Comment(comment)) if comment.inline)
        {
            items.remove(before);
            at = before;
        }
        return Ok(());
    }
    match items.get_mut(at) {
        Some(Item::Pair(_, node)) => take(node, rest).map_err(|depth| depth + 1),
        _ => Err(0),
    }
}

fn take(node: &mut Node<Plain>, steps: &[Step]) -> Result<(), usize> {
    match (node, steps.split_first()) {
        (Node::Map(items), Some((Step::Key(_), _))) => take_from_map(items, steps),
        (Node::List(elements), Some((Step::Index(index), rest))) => {
            let is_node = |element: &Element<Plain>| matches!(element, Element::Node(_));
            let at = elements.iter().enumerate().filter(|(_, element)| is_node(element)).nth(*index);
            let mut at = at.map(|(at, _)| at).ok_or(0_usize)?;
            if rest.is_empty() {
                elements.remove(at);
                while let Some(before) = at.checked_sub(1)
                    && matches!(elements.get(before), Some(Element::Comment(comment)) if comment.inline)
                {
                    elements.remove(before);
                    at = before;
                }
                return Ok(());
            }
            match elements.get_mut(at) {
                Some(Element::Node(node)) => take(node, rest).map_err(|depth| depth + 1),
                _ => Err(0),
            }
        }
        _ => Err(0),
    }
}

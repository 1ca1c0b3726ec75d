//! What a file holds, in whatever store: ordered maps, lists, values and the comments between them.
//!
//! `L` is a leaf. A file as it stands has leaves of [`Plain`]: ciphertexts are strings like any other. What was opened
//! has [`Value`](super::open::Value), which remembers its ciphertext. All stores read into this tree and write it; only
//! they know of text, and nothing else does.

use super::value::{Kind, Plain};

/// How deep maps and lists may nest: every walk recurses, and nobody's secrets are deeper.
pub(crate) const MAX_DEPTH: usize = 200;

/// One document: its keys in order, with the comments between them.
pub(crate) type Branch<L> = Vec<Item<L>>;

/// A line of a map.
#[derive(Debug)]
pub(crate) enum Item<L> {
    Comment(Comment<L>),
    Pair(String, Node<L>),
}

/// A value, or more of the tree.
#[derive(Debug)]
pub(crate) enum Node<L> {
    /// Never encrypted, never hashed.
    Null,
    Leaf(L),
    Map(Branch<L>),
    List(Vec<Element<L>>),
}

/// A line of a list.
#[derive(Debug)]
pub(crate) enum Element<L> {
    Comment(Comment<L>),
    Node(Node<L>),
}

/// The text after a `#`, blanks at its beginning included; its leaf is a string.
#[derive(Debug)]
pub(crate) struct Comment<L> {
    pub(crate) text: L,
    /// Whether it stands behind the item before it, in the same line.
    pub(crate) inline: bool,
}

impl<L> Node<L> {
    /// What it is, for messages.
    pub(crate) fn shape(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Leaf(_) => "a value",
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
        }
    }
}

impl Node<Plain> {
    /// A string that anybody may read.
    pub(crate) fn text(text: &str) -> Self {
        Self::Leaf(Plain::text(text.into()))
    }

    /// The text of a string; none for anything else.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Leaf(plain) => plain.as_text(),
            _ => None,
        }
    }

    /// The text of any value, for the fields of the metadata: some stores have nothing but strings.
    pub(crate) fn weak_text(&self) -> Option<&str> {
        match self {
            Self::Null => Some(""),
            Self::Leaf(plain) => plain.bytes.expose_text().ok(),
            Self::Map(_) | Self::List(_) => None,
        }
    }

    /// Whether both say the same, comments aside.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Leaf(one), Self::Leaf(other)) => one.same_as(other),
            (Self::Map(one), Self::Map(other)) => {
                let (one, other): (Vec<_>, Vec<_>) = (pairs(one).collect(), pairs(other).collect());
                let same = |(one, other): (&(&str, &Self), &(&str, &Self))| {
                    one.0 == other.0 && one.1.same_as(other.1)
                };
                one.len() == other.len() && one.iter().zip(&other).all(same)
            }
            (Self::List(one), Self::List(other)) => {
                let (one, other): (Vec<_>, Vec<_>) = (nodes(one).collect(), nodes(other).collect());
                one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| one.same_as(other))
            }
            _ => false,
        }
    }

    /// A second copy, asked for by name.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Leaf(plain) => Self::Leaf(plain.duplicate()),
            Self::Map(items) => Self::Map(duplicate(items)),
            Self::List(elements) => Self::List(
                elements
                    .iter()
                    .map(|element| match element {
                        Element::Comment(comment) => Element::Comment(comment.duplicate()),
                        Element::Node(node) => Element::Node(node.duplicate()),
                    })
                    .collect(),
            ),
        }
    }
}

impl Comment<Plain> {
    /// A comment as a store reads it.
    pub(crate) fn new(text: &str, inline: bool) -> Self {
        Self { text: Plain { kind: Kind::Comment, bytes: text.into() }, inline }
    }

    /// The text after the `#`; empty where it is not text.
    pub(crate) fn as_str(&self) -> &str {
        self.text.bytes.expose_text().unwrap_or_default()
    }

    /// A second copy, asked for by name.
    pub(crate) fn duplicate(&self) -> Self {
        Self { text: self.text.duplicate(), inline: self.inline }
    }
}

/// A second copy of a branch, asked for by name.
pub(crate) fn duplicate(items: &Branch<Plain>) -> Branch<Plain> {
    items
        .iter()
        .map(|item| match item {
            Item::Comment(comment) => Item::Comment(comment.duplicate()),
            Item::Pair(key, node) => Item::Pair(key.clone(), node.duplicate()),
        })
        .collect()
}

/// The keys of a branch with their values.
pub(crate) fn pairs<L>(branch: &[Item<L>]) -> impl Iterator<Item = (&str, &Node<L>)> {
    branch.iter().filter_map(|item| match item {
        Item::Pair(key, node) => Some((key.as_str(), node)),
        Item::Comment(_) => None,
    })
}

/// The nodes of a list, without its comments.
pub(crate) fn nodes<L>(elements: &[Element<L>]) -> impl Iterator<Item = &Node<L>> {
    elements.iter().filter_map(|element| match element {
        Element::Node(node) => Some(node),
        Element::Comment(_) => None,
    })
}

/// The value under a key.
pub(crate) fn find<'t, L>(branch: &'t [Item<L>], key: &str) -> Option<&'t Node<L>> {
    pairs(branch).find(|(name, _)| *name == key).map(|(_, node)| node)
}

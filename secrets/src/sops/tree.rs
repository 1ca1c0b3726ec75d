//! What a file holds, before and after it is opened: ordered maps, lists, values and the comments between them.
//!
//! `L` is a leaf: the scalar as it stands in the file, or the opened value. All stores of the format share this tree;
//! only reading and writing text differ.

use super::value::Kind;

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

/// The text after a `#`.
#[derive(Debug)]
pub(crate) struct Comment<L> {
    pub(crate) text: L,
    /// Whether it stands behind the item before it, in the same line.
    pub(crate) inline: bool,
}

/// A scalar as a file has it: ciphertext or a value in clear, nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    Str(String),
    /// A number, a boolean or a time.
    Typed {
        kind: Kind,
        /// The text that is hashed for it.
        hashed: String,
        /// The text in the file.
        source: String,
    },
}

impl Scalar {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The text of any scalar, for the fields of the metadata: dotenv and INI have nothing but strings.
    pub(crate) fn weak_text(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Str(text) | Self::Typed { source: text, .. } => text,
        }
    }
}

impl<L> Node<L> {
    /// What it is, for messages.
    pub(crate) fn shape(&self) -> &'static str {
        match self {
            Self::Leaf(_) => "a value",
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
        }
    }
}

/// The keys of a branch with their values.
pub(crate) fn pairs<L>(branch: &[Item<L>]) -> impl Iterator<Item = (&str, &Node<L>)> {
    branch.iter().filter_map(|item| match item {
        Item::Pair(key, node) => Some((key.as_str(), node)),
        Item::Comment(_) => None,
    })
}

//! What a YAML text holds and where: the tree with the place of everything in it.

use std::ops::Range;

use super::super::tree::{Branch, Comment, Element, Item, Node};
use super::super::value::Plain;

/// One document: a map, perhaps without a key.
pub(super) struct Document {
    pub(super) block: Block,
    /// Whether a value stands in it twice, by an alias: such a text cannot be changed in one place.
    pub(super) has_alias: bool,
}

/// A map or a list.
pub(super) struct Block {
    pub(super) lines: Vec<Line>,
    /// Between brackets.
    pub(super) flow: bool,
    /// Where its lines begin, counted from 0; of a list its dashes, or what is behind them in the first line.
    pub(super) column: usize,
}

/// A line of a map or a list; only of a map has a key.
pub(super) enum Line {
    Comment(Remark),
    Entry(Entry),
}

/// A comment with its place in bytes, the `#` included.
pub(super) struct Remark {
    pub(super) comment: Comment<Plain>,
    pub(super) span: Range<usize>,
    /// Whether something else stands in its line.
    pub(super) shares_line: bool,
}

/// A value, in a map with its key.
pub(super) struct Entry {
    pub(super) key: Option<Key>,
    pub(super) content: Content,
    /// The value in bytes, without anchor and tag; of lines behind `|` these lines alone.
    pub(super) span: Range<usize>,
}

/// A key with its place in bytes.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// What stands under a key or behind a dash.
pub(super) enum Content {
    Map(Block),
    List(Block),
    /// A leaf, nothing, or what an alias stands for.
    Value(Node<Plain>),
}

impl Block {
    /// The map without places.
    pub(super) fn into_branch(self) -> Branch<Plain> {
        let item = |line| match line {
            Line::Comment(remark) => Item::Comment(remark.comment),
            Line::Entry(Entry { key, content, .. }) => {
                Item::Pair(key.map(|key| key.name).unwrap_or_default(), content.into_node())
            }
        };
        self.lines.into_iter().map(item).collect()
    }

    /// The list without places.
    fn into_elements(self) -> Vec<Element<Plain>> {
        let element = |line| match line {
            Line::Comment(remark) => Element::Comment(remark.comment),
            Line::Entry(entry) => Element::Node(entry.content.into_node()),
        };
        self.lines.into_iter().map(element).collect()
    }

    /// A copy without places.
    pub(super) fn to_branch(&self) -> Branch<Plain> {
        let item = |line: &Line| match line {
            Line::Comment(remark) => Item::Comment(remark.comment.duplicate()),
            Line::Entry(Entry { key, content, .. }) => {
                Item::Pair(key.as_ref().map(|key| key.name.clone()).unwrap_or_default(), content.to_node())
            }
        };
        self.lines.iter().map(item).collect()
    }
}

impl Content {
    pub(super) fn into_node(self) -> Node<Plain> {
        match self {
            Self::Map(block) => Node::Map(block.into_branch()),
            Self::List(block) => Node::List(block.into_elements()),
            Self::Value(node) => node,
        }
    }

    /// A copy without places.
    pub(super) fn to_node(&self) -> Node<Plain> {
        match self {
            Self::Map(block) => Node::Map(block.to_branch()),
            Self::List(block) => Node::List(
                block
                    .lines
                    .iter()
                    .map(|line| match line {
                        Line::Comment(remark) => Element::Comment(remark.comment.duplicate()),
                        Line::Entry(entry) => Element::Node(entry.content.to_node()),
                    })
                    .collect(),
            ),
            Self::Value(node) => node.duplicate(),
        }
    }
}

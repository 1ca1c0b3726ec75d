//! An opened file beside what stands in it, and beside another.

use super::open::Value;
use super::tree::{Branch, Comment, Element, Item, Node};
use super::value::{Kind, Plain};

/// The opened documents as they stand in the file.
pub(super) fn as_they_stand(documents: &[Branch<Value>]) -> Vec<Branch<Plain>> {
    documents.iter().map(standing_branch).collect()
}

fn standing_branch(items: &Branch<Value>) -> Branch<Plain> {
    items
        .iter()
        .map(|item| match item {
            Item::Comment(comment) => {
                Item::Comment(Comment { text: comment.text.standing(Kind::Comment), inline: comment.inline })
            }
            Item::Pair(key, node) => Item::Pair(key.clone(), standing_node(node)),
        })
        .collect()
}

fn standing_node(node: &Node<Value>) -> Node<Plain> {
    match node {
        Node::Null => Node::Null,
        Node::Leaf(value) => Node::Leaf(value.standing(Kind::Str)),
        Node::Map(items) => Node::Map(standing_branch(items)),
        Node::List(elements) => Node::List(
            elements
                .iter()
                .map(|element| match element {
                    Element::Comment(comment) if comment.text.sealed.is_some() => {
                        Element::Node(Node::Leaf(comment.text.standing(Kind::Str)))
                    }
                    Element::Comment(comment) => Element::Comment(Comment {
                        text: comment.text.standing(Kind::Comment),
                        inline: comment.inline,
                    }),
                    Element::Node(node) => Element::Node(standing_node(node)),
                })
                .collect(),
        ),
    }
}

impl Value {
    /// What stands for it in the file, where a ciphertext is of this kind.
    fn standing(&self, sealed_as: Kind) -> Plain {
        match &self.sealed {
            Some(sealed) => Plain { kind: sealed_as, bytes: sealed.text().into() },
            None => self.plain.duplicate(),
        }
    }
}

/// Whether nothing differs: no value, no type, no comment, no order.
pub(super) fn same_documents(old: &[Branch<Value>], new: &[Branch<Plain>]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_branch(old, new))
}

fn same_branch(old: &Branch<Value>, new: &Branch<Plain>) -> bool {
    old.len() == new.len()
        && old.iter().zip(new).all(|pair| match pair {
            (Item::Comment(old), Item::Comment(new)) => same_comment(old, new),
            (Item::Pair(old_key, old), Item::Pair(new_key, new)) => old_key == new_key && same_node(old, new),
            _ => false,
        })
}

fn same_comment(old: &Comment<Value>, new: &Comment<Plain>) -> bool {
    old.inline == new.inline && old.text.plain.same_as(&new.text)
}

fn same_node(old: &Node<Value>, new: &Node<Plain>) -> bool {
    match (old, new) {
        (Node::Null, Node::Null) => true,
        (Node::Leaf(old), Node::Leaf(new)) => old.plain.same_as(new),
        (Node::Map(old), Node::Map(new)) => same_branch(old, new),
        (Node::List(old), Node::List(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|pair| match pair {
                    (Element::Comment(old), Element::Comment(new)) => same_comment(old, new),
                    (Element::Node(old), Element::Node(new)) => same_node(old, new),
                    _ => false,
                })
        }
        _ => false,
    }
}

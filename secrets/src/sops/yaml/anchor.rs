//! Values with a name, and their copies where the name is mentioned.
//!
//! An alias is a few letters, what it stands for may be large, and hold aliases itself: a text of a kilobyte can ask
//! for more than any memory. So copies are counted before they are made.

use std::collections::HashMap;

use super::super::tree::{Element, Item, MAX_DEPTH, Node};
use super::super::value::Plain;

/// What all copies may take, beside four times the text.
const BUDGET: usize = 16 * 1024 * 1024;

/// What a value takes beside its bytes, about.
const NODE: usize = 64;

/// Why an alias is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It stands within what it names.
    Recursive,
    TooLarge,
    TooDeep,
}

/// The anchors of a text.
pub(super) struct Anchors {
    known: HashMap<usize, Anchor>,
    budget: usize,
}

struct Anchor {
    node: Node<Plain>,
    cost: usize,
    height: usize,
}

impl Anchors {
    pub(super) fn new(text_len: usize) -> Self {
        Self { known: HashMap::new(), budget: BUDGET.saturating_add(text_len.saturating_mul(4)) }
    }

    /// Keeps a copy under the parser's number for the name. 0 is no name.
    pub(super) fn define(&mut self, id: usize, copy: impl FnOnce() -> Node<Plain>) -> Result<(), Refusal> {
        if id == 0 {
            return Ok(());
        }
        let node = copy();
        let (cost, height) = measure(&node);
        self.spend(cost)?;
        self.known.insert(id, Anchor { node, cost, height });
        Ok(())
    }

    /// A copy of what stands under the number, for a place inside of `depth` maps and lists.
    pub(super) fn copy(&mut self, id: usize, depth: usize) -> Result<Node<Plain>, Refusal> {
        // The parser knows each name, and it is kept when its value ends.
        let anchor = self.known.get(&id).ok_or(Refusal::Recursive)?;
        if depth + anchor.height > MAX_DEPTH {
            return Err(Refusal::TooDeep);
        }
        let cost = anchor.cost;
        self.spend(cost)?;
        self.known.get(&id).map(|anchor| anchor.node.duplicate()).ok_or(Refusal::Recursive)
    }

    fn spend(&mut self, cost: usize) -> Result<(), Refusal> {
        self.budget = self.budget.checked_sub(cost).ok_or(Refusal::TooLarge)?;
        Ok(())
    }
}

/// What a copy takes, and how deep it is.
fn measure(node: &Node<Plain>) -> (usize, usize) {
    let sum = |(cost, height): (usize, usize), (more, deep): (usize, usize)| (cost + more, height.max(deep));
    let (cost, height) = match node {
        Node::Null => (0, 0),
        Node::Leaf(plain) => (plain.bytes.expose_bytes().len(), 0),
        Node::Map(items) => {
            let (cost, height) = items
                .iter()
                .map(|item| match item {
                    Item::Comment(comment) => (NODE + comment.as_str().len(), 0),
                    Item::Pair(key, node) => {
                        let (cost, height) = measure(node);
                        (cost + key.len(), height)
                    }
                })
                .fold((0, 0), sum);
            (cost, height + 1)
        }
        Node::List(elements) => {
            let (cost, height) = elements
                .iter()
                .map(|element| match element {
                    Element::Comment(comment) => (NODE + comment.as_str().len(), 0),
                    Element::Node(node) => measure(node),
                })
                .fold((0, 0), sum);
            (cost, height + 1)
        }
    };
    (cost + NODE, height)
}

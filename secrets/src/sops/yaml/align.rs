//! Which lines of an old block are which of a new one.
//!
//! Keys find each other by name, comments and elements of a list by what they say. Of those that kept their order most
//! stay where they are; what stands between two of them is changed in its place, put in or taken out.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher as _};

use super::super::tree::{Branch, Comment, Element, Item, Node};
use super::super::value::{Kind, Plain};
use super::syntax::{Block, Content, Entry, Line, Remark};

/// A line of the new block: a comment in a line of its own, or a value with the comment behind it.
#[derive(Clone, Copy)]
pub(super) enum Fresh<'n> {
    Comment(&'n Comment<Plain>),
    Entry { key: Option<&'n str>, node: &'n Node<Plain>, inline: Option<&'n Comment<Plain>> },
}

/// The same of the old block.
#[derive(Clone, Copy)]
pub(super) enum Standing<'o> {
    Comment(&'o Remark),
    Entry { entry: &'o Entry, inline: Option<&'o Remark> },
}

/// What becomes of the lines, in the order of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// The same key, or the same content.
    Keep(usize, usize),
    /// Another in the place of this.
    Replace(usize, usize),
    Delete(usize),
    Insert(usize),
}

/// The lines of a map.
pub(super) fn of_map(items: &[Item<Plain>]) -> Vec<Fresh<'_>> {
    let lines = items.iter().map(|item| match item {
        Item::Comment(comment) => Fresh::Comment(comment),
        Item::Pair(key, node) => Fresh::Entry { key: Some(key), node, inline: None },
    });
    tied(lines)
}

/// The lines of a list.
pub(super) fn of_list(elements: &[Element<Plain>]) -> Vec<Fresh<'_>> {
    let lines = elements.iter().map(|element| match element {
        Element::Comment(comment) => Fresh::Comment(comment),
        Element::Node(node) => Fresh::Entry { key: None, node, inline: None },
    });
    tied(lines)
}

/// A comment that stands behind a value is before it in the tree.
fn tied<'n>(lines: impl Iterator<Item = Fresh<'n>>) -> Vec<Fresh<'n>> {
    let mut tied: Vec<Fresh<'n>> = Vec::new();
    for line in lines {
        match (line, tied.last()) {
            (Fresh::Entry { key, node, .. }, Some(&Fresh::Comment(comment))) if comment.inline => {
                tied.pop();
                tied.push(Fresh::Entry { key, node, inline: Some(comment) });
            }
            _ => tied.push(line),
        }
    }
    tied
}

/// The lines of an old block.
pub(super) fn of_block(block: &Block) -> Vec<Standing<'_>> {
    let mut tied: Vec<Standing<'_>> = Vec::new();
    for line in &block.lines {
        match (line, tied.last()) {
            (Line::Entry(entry), Some(&Standing::Comment(remark))) if remark.comment.inline => {
                tied.pop();
                tied.push(Standing::Entry { entry, inline: Some(remark) });
            }
            (Line::Entry(entry), _) => tied.push(Standing::Entry { entry, inline: None }),
            (Line::Comment(remark), _) => tied.push(Standing::Comment(remark)),
        }
    }
    tied
}

/// What finds its like.
#[derive(PartialEq, Eq, Hash)]
enum Token<'t> {
    Comment(&'t str),
    Key(&'t str),
    /// A hash of all that is in an element: two that are equal by chance are compared again when they are written.
    Content(u64),
}

/// How to come from the old lines to the new ones.
pub(super) fn align(old: &[Standing<'_>], new: &[Fresh<'_>]) -> Vec<Op> {
    let mut ops = Vec::with_capacity(new.len());
    let (mut next_old, mut next_new) = (0, 0);
    for (at_old, at_new) in kept(old, new) {
        between(old, new, next_old..at_old, next_new..at_new, &mut ops);
        ops.push(Op::Keep(at_old, at_new));
        (next_old, next_new) = (at_old + 1, at_new + 1);
    }
    between(old, new, next_old..old.len(), next_new..new.len(), &mut ops);
    ops
}

/// The longest run of lines that are in both, in the same order: what is equal at either end, and the most of what is
/// between.
fn kept(old: &[Standing<'_>], new: &[Fresh<'_>]) -> Vec<(usize, usize)> {
    let old: Vec<Token<'_>> = old.iter().map(old_token).collect();
    let new: Vec<Token<'_>> = new.iter().map(new_token).collect();
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let mut places: HashMap<&Token<'_>, Vec<usize>> = HashMap::new();
    for (index, token) in old.iter().enumerate().take(old_end).skip(head).rev() {
        places.entry(token).or_default().push(index);
    }
    let between: Vec<(usize, usize)> = new
        .iter()
        .enumerate()
        .take(new_end)
        .skip(head)
        .filter_map(|(index, token)| Some((places.get_mut(token)?.pop()?, index)))
        .collect();
    let at_head = (0..head).map(|index| (index, index));
    let at_tail = (0..tail).map(|index| (old_end + index, new_end + index));
    at_head.chain(longest_increasing(&between)).chain(at_tail).collect()
}

/// Of pairs in the order of their second halves: the most whose first halves are in order as well.
fn longest_increasing(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length, the pair that ends the best run of it; for each pair, the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let first = |index: &usize| pairs.get(*index).map_or(0, |(first, _)| *first);
    for index in 0..pairs.len() {
        let length = ends.partition_point(|end| first(end) < first(&index));
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(index) = next {
        run.extend(pairs.get(index).copied());
        next = before.get(index).copied().flatten();
    }
    run.reverse();
    run
}

/// Lines that have no like: one in the place of another as long as both are comments or both are values.
fn between(
    old: &[Standing<'_>],
    new: &[Fresh<'_>],
    mut gone: std::ops::Range<usize>,
    mut come: std::ops::Range<usize>,
    ops: &mut Vec<Op>,
) {
    while !gone.is_empty() && !come.is_empty() {
        let was_comment = matches!(old.get(gone.start), Some(Standing::Comment(_)));
        let is_comment = matches!(new.get(come.start), Some(Fresh::Comment(_)));
        if was_comment == is_comment {
            ops.push(Op::Replace(gone.start, come.start));
            (gone.start, come.start) = (gone.start + 1, come.start + 1);
        } else if was_comment {
            ops.push(Op::Delete(gone.start));
            gone.start += 1;
        } else {
            ops.push(Op::Insert(come.start));
            come.start += 1;
        }
    }
    ops.extend(gone.map(Op::Delete));
    ops.extend(come.map(Op::Insert));
}

fn old_token<'o>(line: &Standing<'o>) -> Token<'o> {
    match line {
        Standing::Comment(remark) => Token::Comment(remark.comment.as_str()),
        Standing::Entry { entry, .. } => {
            if let Some(key) = &entry.key {
                return Token::Key(&key.name);
            }
            let mut hasher = DefaultHasher::new();
            hash_content(&entry.content, &mut hasher);
            Token::Content(hasher.finish())
        }
    }
}

fn new_token<'n>(line: &Fresh<'n>) -> Token<'n> {
    match line {
        Fresh::Comment(comment) => Token::Comment(comment.as_str()),
        Fresh::Entry { key: Some(key), .. } => Token::Key(key),
        Fresh::Entry { node, .. } => {
            let mut hasher = DefaultHasher::new();
            hash_node(node, &mut hasher);
            Token::Content(hasher.finish())
        }
    }
}

fn hash_content(content: &Content, hasher: &mut DefaultHasher) {
    let (block, sign) = match content {
        Content::Value(node) => return hash_node(node, hasher),
        Content::Map(block) => (block, 'm'),
        Content::List(block) => (block, 'l'),
    };
    (sign, block.lines.len()).hash(hasher);
    for line in &block.lines {
        match line {
            Line::Comment(remark) => remark.comment.as_str().hash(hasher),
            Line::Entry(entry) => {
                entry.key.as_ref().map(|key| key.name.as_str()).hash(hasher);
                hash_content(&entry.content, hasher);
            }
        }
    }
}

fn hash_node(node: &Node<Plain>, hasher: &mut DefaultHasher) {
    match node {
        Node::Null => 'n'.hash(hasher),
        Node::Leaf(plain) => plain.bytes.expose_bytes().hash(hasher),
        Node::Map(items) => {
            ('m', items.len()).hash(hasher);
            for item in items {
                match item {
                    Item::Comment(comment) => comment.as_str().hash(hasher),
                    Item::Pair(key, node) => {
                        Some(key.as_str()).hash(hasher);
                        hash_node(node, hasher);
                    }
                }
            }
        }
        Node::List(elements) => {
            ('l', elements.len()).hash(hasher);
            for element in elements {
                match element {
                    Element::Comment(comment) => comment.as_str().hash(hasher),
                    Element::Node(node) => {
                        None::<&str>.hash(hasher);
                        hash_node(node, hasher);
                    }
                }
            }
        }
    }
}

/// Whether both say the same; on which side of its line a comment stands does not count.
pub(super) fn same_content(old: &Content, new: &Node<Plain>) -> bool {
    let same_lines = |block: &Block, fresh: &[Fresh<'_>]| {
        let standing = of_block(block);
        standing.len() == fresh.len() && standing.iter().zip(fresh).all(|(old, new)| same_line(old, new))
    };
    match (old, new) {
        (Content::Value(old), new) => same_node(old, new),
        (Content::Map(block), Node::Map(items)) => same_lines(block, &of_map(items)),
        (Content::List(block), Node::List(elements)) => same_lines(block, &of_list(elements)),
        _ => false,
    }
}

fn same_line(old: &Standing<'_>, new: &Fresh<'_>) -> bool {
    match (old, new) {
        (Standing::Comment(remark), Fresh::Comment(comment)) => remark.comment.as_str() == comment.as_str(),
        (Standing::Entry { entry, inline: was }, Fresh::Entry { key, node, inline }) => {
            entry.key.as_ref().map(|key| key.name.as_str()) == *key
                && was.map(|remark| remark.comment.as_str()) == inline.map(Comment::as_str)
                && same_content(&entry.content, node)
        }
        _ => false,
    }
}

/// Whether both are the same documents, as far as a text can tell.
pub(super) fn same_branch(one: &Branch<Plain>, other: &Branch<Plain>) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Item::Comment(one), Item::Comment(other)) => one.as_str() == other.as_str(),
            (Item::Pair(key, one), Item::Pair(name, other)) => key == name && same_node(one, other),
            _ => false,
        })
}

fn same_node(one: &Node<Plain>, other: &Node<Plain>) -> bool {
    match (one, other) {
        (Node::Null, Node::Null) => true,
        // A float without a fraction is written as Go writes it, and is an integer when it is read.
        (Node::Leaf(one), Node::Leaf(other)) => {
            one.bytes.same_as(&other.bytes) && (one.kind == other.kind || is_number(one) && is_number(other))
        }
        (Node::Map(one), Node::Map(other)) => same_branch(one, other),
        (Node::List(one), Node::List(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|pair| match pair {
                    (Element::Comment(one), Element::Comment(other)) => one.as_str() == other.as_str(),
                    (Element::Node(one), Element::Node(other)) => same_node(one, other),
                    _ => false,
                })
        }
        _ => false,
    }
}

fn is_number(plain: &Plain) -> bool {
    matches!(plain.kind, Kind::Int | Kind::Float)
}

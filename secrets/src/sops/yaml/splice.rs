//! Changes to a text, each in its own place.

use std::ops::Range;

use super::super::tree::{Comment, Node};
use super::super::value::Plain;
use super::align::{self, Fresh, Op, Standing, align};
use super::place::Text;
use super::syntax::{Block, Content, Entry, Remark};
use super::text;
use super::write::{Layout, Writer, has_pairs, is_break, takes};

/// A text with what is to be written in its places.
pub(super) struct Splice<'t> {
    text: Text<'t>,
    layout: Layout,
    edits: Vec<(Range<usize>, String)>,
}

/// A line whose parts cannot be changed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

impl<'t> Splice<'t> {
    pub(super) fn new(text: &'t str, layout: Layout) -> Self {
        Self { text: Text(text), layout, edits: Vec::new() }
    }

    /// The text with all changes. None where two of them meet.
    pub(super) fn apply(mut self) -> Option<String> {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let crlf = self.text.0.contains("\r\n");
        let mut out = String::with_capacity(
            self.text.0.len() + self.edits.iter().map(|(_, new)| new.len()).sum::<usize>(),
        );
        let mut done = 0;
        for (range, new) in &self.edits {
            out.push_str(self.text.0.get(done..range.start)?);
            if crlf {
                out.push_str(&new.replace('\n', "\r\n"));
            } else {
                out.push_str(new);
            }
            done = range.end;
        }
        out.push_str(self.text.0.get(done..)?);
        Some(out)
    }

    /// Brings a block to other lines.
    pub(super) fn block(&mut self, block: &Block, new: &[Fresh<'_>]) -> Result<(), Unfit> {
        let old = align::of_block(block);
        if block.flow {
            return self.flow(&old, new);
        }
        let ops = self.settled(block, &old, align(&old, new));
        if !ops.iter().any(|op| matches!(op, Op::Keep(..) | Op::Replace(..))) {
            return Err(Unfit);
        }
        let before = self.edits.len();
        let result = self.ops(block, &old, new, &ops);
        if result.is_err() {
            // Whoever asked writes all of it anew.
            self.edits.truncate(before);
        }
        result
    }

    /// A comment between a key and its value, where these do not stay, cannot stay either: it is written again.
    fn settled(&self, block: &Block, old: &[Standing<'_>], ops: Vec<Op>) -> Vec<Op> {
        let within_next = |index: usize| match (old.get(index), old.get(index + 1)) {
            (Some(Standing::Comment(remark)), Some(next)) if remark.shares_line => {
                self.text.start(block, next).is_some_and(|start| start < remark.span.start)
            }
            _ => false,
        };
        let mut settled = Vec::with_capacity(ops.len());
        let mut ops = ops.into_iter().peekable();
        while let Some(op) = ops.next() {
            match op {
                Op::Keep(index, other)
                    if within_next(index)
                        && !matches!(ops.peek(), Some(Op::Keep(next, _)) if *next == index + 1) =>
                {
                    settled.extend([Op::Delete(index), Op::Insert(other)]);
                }
                other => settled.push(other),
            }
        }
        settled
    }

    fn ops(
        &mut self,
        block: &Block,
        old: &[Standing<'_>],
        new: &[Fresh<'_>],
        ops: &[Op],
    ) -> Result<(), Unfit> {
        // Where the next new line goes: at first directly above the first old one.
        let first = old.first().and_then(|first| self.text.start(block, first)).ok_or(Unfit)?;
        let mut place = self.text.begins_line(first).then(|| self.text.line_start(first));
        for op in ops {
            match *op {
                Op::Insert(index) => {
                    let line = new.get(index).ok_or(Unfit)?;
                    let at = place.ok_or(Unfit)?;
                    let text = self.rendered(line, block.column);
                    self.edits.push((at..at, text));
                }
                Op::Keep(index, other) | Op::Replace(index, other) => {
                    let (old, new) = (old.get(index).ok_or(Unfit)?, new.get(other).ok_or(Unfit)?);
                    self.line(block, old, new)?;
                    place = Some(self.text.next_line(self.line_end(block, old)?));
                }
                Op::Delete(index) => {
                    let old = old.get(index).ok_or(Unfit)?;
                    let next = self.delete(block, old)?;
                    place = Some(next);
                }
            }
        }
        Ok(())
    }

    /// Takes a line away; where the next begins.
    fn delete(&mut self, block: &Block, old: &Standing<'_>) -> Result<usize, Unfit> {
        let start = self.text.start(block, old).ok_or(Unfit)?;
        let end = self.line_end(block, old)?;
        let next = self.text.next_line(end);
        match old {
            Standing::Comment(remark) if remark.shares_line => {
                // What is below would have to move up behind the dash.
                let before = self.text.get(self.text.line_start(start), start);
                if before.trim_end_matches([' ', '\t']).ends_with('-') {
                    return Err(Unfit);
                }
                self.take_out(remark);
            }
            _ if !self.text.begins_line(start) => return Err(Unfit),
            _ => self.edits.push((self.text.line_start(start)..next, String::new())),
        }
        Ok(next)
    }

    /// A comment behind something, and the blanks before it.
    fn take_out(&mut self, remark: &Remark) {
        self.edits.push((self.text.trim_blanks(remark.span.start)..remark.span.end, String::new()));
    }

    fn line_end(&self, block: &Block, line: &Standing<'_>) -> Result<usize, Unfit> {
        match line {
            Standing::Comment(remark) => Ok(remark.span.end),
            Standing::Entry { entry, inline } => {
                let end = self.text.end(block, entry).ok_or(Unfit)?;
                Ok(inline.map_or(end, |remark| remark.span.end.max(end)))
            }
        }
    }

    /// One line in the place of another.
    fn line(&mut self, block: &Block, old: &Standing<'_>, new: &Fresh<'_>) -> Result<(), Unfit> {
        match (old, new) {
            (Standing::Comment(remark), Fresh::Comment(comment)) => self.comment(remark, comment),
            (Standing::Entry { entry, inline: was }, Fresh::Entry { key, node, inline }) => {
                let same_key = entry.key.as_ref().map(|key| key.name.as_str()) == *key;
                let before = self.edits.len();
                if same_key && self.entry(block, entry, *was, node, *inline).is_ok() {
                    return Ok(());
                }
                self.edits.truncate(before);
                self.anew(block, old, new)
            }
            _ => Err(Unfit),
        }
    }

    fn comment(&mut self, old: &Remark, new: &Comment<Plain>) -> Result<(), Unfit> {
        if old.comment.as_str() == new.as_str() {
            return Ok(());
        }
        if new.as_str().contains(is_break) {
            return Err(Unfit);
        }
        self.edits.push((old.span.clone(), comment_text(new, self.layout)));
        Ok(())
    }

    /// The whole line in its place, laid out anew.
    fn anew(&mut self, block: &Block, old: &Standing<'_>, new: &Fresh<'_>) -> Result<(), Unfit> {
        let start = self.text.start(block, old).ok_or(Unfit)?;
        let end = self.line_end(block, old)?;
        let text = self.rendered(new, block.column);
        let text = text.trim_start_matches(' ').trim_end_matches('\n').to_owned();
        self.edits.push((start..end, text));
        Ok(())
    }

    /// A value and the comment behind it.
    fn entry(
        &mut self,
        block: &Block,
        old: &Entry,
        was: Option<&Remark>,
        new: &Node<Plain>,
        inline: Option<&Comment<Plain>>,
    ) -> Result<(), Unfit> {
        let is_same = align::same_content(&old.content, new);
        let one_line = one_line(new) && !self.text.is_literal(block, old) && !is_nested(&old.content);
        match (was, inline) {
            (None, None) => {}
            (Some(remark), Some(comment)) => {
                // What grows or loses lines would take the comment elsewhere.
                if !(is_same || one_line && takes(comment, new)) {
                    return Err(Unfit);
                }
                self.comment(remark, comment)?;
            }
            (Some(remark), None) if is_same || one_line => self.take_out(remark),
            (None, Some(comment)) if one_line && takes(comment, new) => {
                let end = self.text.end(block, old).ok_or(Unfit)?;
                let is_last =
                    matches!(self.text.get(end, self.text.next_line(end)).trim_end_matches(['\n', '\r']), "");
                if !is_last || !is_same {
                    return Err(Unfit);
                }
                self.edits.push((end..end, format!(" {}", comment_text(comment, self.layout))));
            }
            _ => return Err(Unfit),
        }
        if is_same { Ok(()) } else { self.value(block, old, new) }
    }

    fn value(&mut self, block: &Block, old: &Entry, new: &Node<Plain>) -> Result<(), Unfit> {
        match (&old.content, new) {
            (Content::Map(inner), Node::Map(items))
                if (has_pairs(items) || inner.flow) && self.block(inner, &align::of_map(items)).is_ok() =>
            {
                return Ok(());
            }
            (Content::List(inner), Node::List(elements))
                if (!elements.is_empty() || inner.flow)
                    && self.block(inner, &align::of_list(elements)).is_ok() =>
            {
                return Ok(());
            }
            (Content::Value(_), Node::Null | Node::Leaf(_))
                if one_line(new) && !self.text.is_literal(block, old) =>
            {
                return self.scalar(block, old, new);
            }
            _ => {}
        }
        let start = self.text.value_start(block, old).ok_or(Unfit)?;
        let end = self.text.end(block, old).ok_or(Unfit)?;
        let mut writer = Writer::new(self.layout);
        match old.key {
            Some(_) => writer.value(new, block.column, writer.inside(block.column), None),
            // A map or a list goes on behind the dash: the whole element is written anew.
            None if is_block(new) => return Err(Unfit),
            None => writer.value(new, block.column, block.column + 2, None),
        }
        let mut text = writer.out.into_text();
        text.pop();
        self.edits.push((start..end, text));
        Ok(())
    }

    /// One value in a line in the place of another; blanks before it and behind it stay.
    fn scalar(&mut self, block: &Block, old: &Entry, new: &Node<Plain>) -> Result<(), Unfit> {
        let start = self.text.value_start(block, old).ok_or(Unfit)?;
        let end = self.text.end(block, old).ok_or(Unfit)?;
        let first = self.text.skip_blanks(start).min(end);
        let text = scalar_line(new, text::line).ok_or(Unfit)?;
        // Behind the colon directly, where there was nothing.
        let (from, blank) = if first > start { (first, "") } else { (start, " ") };
        self.edits.push((from..end, [blank, &text].concat()));
        Ok(())
    }

    /// Between brackets values can change, and nothing else.
    fn flow(&mut self, old: &[Standing<'_>], new: &[Fresh<'_>]) -> Result<(), Unfit> {
        if old.len() != new.len() {
            return Err(Unfit);
        }
        let before = self.edits.len();
        let result = old.iter().zip(new).try_for_each(|(old, new)| self.flow_line(old, new));
        if result.is_err() {
            self.edits.truncate(before);
        }
        result
    }

    fn flow_line(&mut self, old: &Standing<'_>, new: &Fresh<'_>) -> Result<(), Unfit> {
        match (old, new) {
            (Standing::Comment(remark), Fresh::Comment(comment)) => self.comment(remark, comment),
            (Standing::Entry { entry, inline: was }, Fresh::Entry { key, node, inline }) => {
                if entry.key.as_ref().map(|key| key.name.as_str()) != *key {
                    return Err(Unfit);
                }
                match (was, inline) {
                    (None, None) => {}
                    (Some(remark), Some(comment)) => self.comment(remark, comment)?,
                    _ => return Err(Unfit),
                }
                if align::same_content(&entry.content, node) {
                    return Ok(());
                }
                match (&entry.content, node) {
                    (Content::Map(inner), Node::Map(items)) => {
                        self.flow(&align::of_block(inner), &align::of_map(items))
                    }
                    (Content::List(inner), Node::List(elements)) => {
                        self.flow(&align::of_block(inner), &align::of_list(elements))
                    }
                    (Content::Value(_), Node::Null | Node::Leaf(_)) if !entry.span.is_empty() => {
                        let text = scalar_line(node, text::flow_line).ok_or(Unfit)?;
                        self.edits.push((entry.span.clone(), text.to_string()));
                        Ok(())
                    }
                    _ => Err(Unfit),
                }
            }
            _ => Err(Unfit),
        }
    }

    /// A line with its indentation and its line feed.
    fn rendered(&self, line: &Fresh<'_>, column: usize) -> String {
        let mut writer = Writer::new(self.layout);
        match *line {
            Fresh::Comment(comment) => writer.comment(comment, column),
            Fresh::Entry { key, node, inline } => writer.entry(key, node, column, inline),
        }
        writer.out.into_text()
    }
}

fn comment_text(comment: &Comment<Plain>, layout: Layout) -> String {
    let mut writer = Writer::new(layout);
    writer.out.push_str("#");
    writer.comment_text(comment.as_str());
    writer.out.into_text()
}

fn scalar_line(
    node: &Node<Plain>,
    line: impl Fn(&Plain) -> zeroize::Zeroizing<String>,
) -> Option<zeroize::Zeroizing<String>> {
    match node {
        Node::Null => Some(zeroize::Zeroizing::new("null".to_owned())),
        Node::Leaf(plain) => Some(line(plain)),
        Node::Map(_) | Node::List(_) => None,
    }
}

/// Whether a value is written in one line, behind which a comment can stand.
fn one_line(node: &Node<Plain>) -> bool {
    match node {
        Node::Null => true,
        Node::Leaf(plain) => text::literal(plain).is_none(),
        Node::Map(items) => items.is_empty(),
        Node::List(elements) => elements.is_empty(),
    }
}

fn is_nested(content: &Content) -> bool {
    matches!(content, Content::Map(block) | Content::List(block) if !block.lines.is_empty())
}

/// Whether it is written below or behind its dash, line by line.
fn is_block(node: &Node<Plain>) -> bool {
    match node {
        Node::Map(items) => has_pairs(items),
        Node::List(elements) => !elements.is_empty(),
        Node::Null | Node::Leaf(_) => false,
    }
}

//! A map or a list while it is read: whose the comments are.
//!
//! sops leaves that to go-yaml: a comment behind a value or above a key is of that line; below the last line of a block
//! its column says how far out it belongs. A wrong guess costs no data: sops shows a comment that it cannot open as
//! it stands.

use std::ops::Range;

use granit_parser::Placement;
use zeroize::Zeroizing;

use super::super::tree::{Comment, Node};
use super::syntax::{Block, Content, Entry, Key, Line, Remark};

/// Where an event stands.
#[derive(Clone, Default)]
pub(super) struct At {
    /// Counted from 1.
    pub(super) line: usize,
    /// Counted from 0.
    pub(super) column: usize,
    /// Of its end.
    pub(super) end_line: usize,
    /// In bytes.
    pub(super) span: Range<usize>,
}

/// A comment whose block is not known before the next token.
pub(super) struct Loose {
    pub(super) column: usize,
    pub(super) line: usize,
    /// Whether something else stands in its line.
    pub(super) shares_line: bool,
    /// Whether that may be a dash, of an element that is not known yet.
    pub(super) behind_dash: bool,
    /// Whether a block further in had it and gave it away.
    is_outer: bool,
    text: Zeroizing<String>,
    span: Range<usize>,
}

/// What follows a block. Below the last block of a text that is the section once it is sealed: a comment that its map
/// would have for its own here, another one would have there.
pub(super) struct Next {
    pub(super) line: usize,
    pub(super) column: usize,
    /// Whether it is the end of the text.
    pub(super) is_end: bool,
}

impl Loose {
    pub(super) fn new(text: &str, placement: Placement, at: At) -> Self {
        let shares_line = placement == Placement::Right;
        let text = Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned());
        Self {
            column: at.column,
            line: at.line,
            shares_line,
            behind_dash: shares_line,
            is_outer: false,
            text,
            span: at.span,
        }
    }

    /// Where it begins, in bytes.
    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    pub(super) fn remark(self, inline: bool) -> Line {
        let Self { text, span, shares_line, .. } = self;
        Line::Comment(Remark { comment: Comment::new(&text, inline), span, shares_line })
    }
}

/// A map or a list in the making.
pub(super) struct Open {
    pub(super) lines: Vec<Line>,
    /// Comments whose place is not known yet.
    pub(super) loose: Vec<Loose>,
    /// Where its lines begin; none before the first.
    column: Option<usize>,
    flow: bool,
    /// A list whose dashes stand below its key: what stands there may be the map's as well.
    flush: bool,
    /// The line in which its last value ends; 0 where that is a block.
    end_line: usize,
}

impl Open {
    /// Below some comments.
    pub(super) fn new(flow: bool, flush: bool, loose: Vec<Loose>) -> Self {
        Self { lines: Vec::new(), loose, column: None, flow, flush, end_line: 0 }
    }

    /// The first of its lines begins here.
    pub(super) fn begin(&mut self, column: usize) {
        self.column.get_or_insert(column);
    }

    pub(super) fn column(&self) -> usize {
        self.column.unwrap_or(0)
    }

    /// A comment: behind the last value, or loose.
    pub(super) fn comment(&mut self, text: &str, placement: Placement, at: At) {
        let behind = match self.lines.last() {
            Some(Line::Entry(entry)) if self.loose.is_empty() && placement == Placement::Right => {
                let is_head_of_literal = at.span.start < entry.span.start;
                // Behind a key without a value it is above the key, as in sops.
                (at.line == self.end_line || is_head_of_literal).then_some(
                    !(entry.span.is_empty() && matches!(entry.content, Content::Value(Node::Null))),
                )
            }
            _ => None,
        };
        let loose = Loose::new(text, placement, at);
        match behind {
            Some(inline) => self.lines.insert(self.lines.len() - 1, loose.remark(inline)),
            None => self.loose.push(loose),
        }
    }

    /// Whether one of its lines has this key.
    pub(super) fn has_key(&self, name: &str) -> bool {
        let key = |line: &Line| match line {
            Line::Entry(entry) => entry.key.as_ref().is_some_and(|key| key.name == name),
            Line::Comment(_) => false,
        };
        self.lines.iter().any(key)
    }

    /// What comes next stands below the loose comments.
    pub(super) fn flush(&mut self) {
        self.lines.extend(self.loose.drain(..).map(|loose| loose.remark(false)));
    }

    /// A value from `at` to `end`.
    pub(super) fn entry(&mut self, key: Option<Key>, content: Content, at: &At, end: &At) {
        let is_block = matches!(&content, Content::Map(block) | Content::List(block) if !block.flow);
        self.end_line = if is_block { 0 } else { end.end_line };
        let span = at.span.start..end.span.end.max(at.span.start);
        self.lines.push(Line::Entry(Entry { key, content, span }));
    }

    /// At the end: the block, and those of the comments below its last line that are of a block around. The first
    /// that stands further out is, and all below it.
    pub(super) fn close(self, next: &Next) -> (Block, Vec<Loose>) {
        let own = self.own(next).max(self.foot(next));
        let Self { mut lines, mut loose, column, flow, .. } = self;
        let mut outer = loose.split_off(own);
        for loose in &mut outer {
            loose.is_outer = true;
        }
        lines.extend(loose.into_iter().map(|loose| loose.remark(false)));
        (Block { lines, flow, column: column.unwrap_or(0) }, outer)
    }

    /// How many of the loose comments are of the last line, wherever they stand: those in one column, with nothing but
    /// what stands in another one below. A blank line takes them apart from it, unless there is one above as well.
    /// Source: go-yaml v3, `scannerc.go`, `yaml_parser_scan_comments`.
    fn foot(&self, next: &Next) -> usize {
        let Some(first) = self.loose.first().filter(|first| !first.is_outer && !first.shares_line) else {
            return 0;
        };
        if self.flow {
            return 0;
        }
        let has_gap = self.end_line > 0 && first.line > self.end_line + 1;
        let ends = |column: usize| column < self.column() && column != first.column;
        let mut line = first.line;
        for (index, loose) in self.loose.iter().enumerate().skip(1) {
            if loose.line > line + 1 && !has_gap {
                return 0;
            }
            if ends(loose.column) {
                return index;
            }
            line = loose.line;
        }
        let is_cut_off = next.line > line + 1 && !has_gap && !next.is_end;
        if !is_cut_off && ends(next.column) { self.loose.len() } else { 0 }
    }

    /// How many of the loose comments are its own.
    fn own(&self, next: &Next) -> usize {
        let column = if self.flow { 0 } else { self.column() };
        // Of a list whose dashes stand below the key: with no blank line above, and one or nothing below.
        let adjacent = self
            .loose
            .iter()
            .enumerate()
            .take_while(|(index, loose)| loose.line == self.end_line + index + 1);
        let adjacent = adjacent.count();
        let end = if next.is_end { usize::MAX } else { next.line };
        let below = self.loose.get(adjacent).map_or(end, |loose| loose.line);
        let adjacent = if below > self.end_line + adjacent + 1 { adjacent } else { 0 };
        let is_own = |(index, loose): &(usize, &Loose)| {
            loose.column > column || (loose.column == column && (!self.flush || *index < adjacent))
        };
        self.loose.iter().enumerate().take_while(is_own).count()
    }
}

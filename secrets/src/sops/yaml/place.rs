//! Where the lines of a block begin and end in its text.

use super::super::tree::Node;
use super::align::Standing;
use super::syntax::{Block, Content, Entry, Line};

/// The text of a file, by places in bytes. Everything outside of it is empty or none.
#[derive(Clone, Copy)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl<'t> Text<'t> {
    pub(super) fn get(self, from: usize, to: usize) -> &'t str {
        self.0.get(from..to).unwrap_or_default()
    }

    /// Where the line of a place begins.
    pub(super) fn line_start(self, at: usize) -> usize {
        self.get(0, at).rfind('\n').map_or(0, |before| before + 1)
    }

    /// Where the line after that of a place begins.
    pub(super) fn next_line(self, at: usize) -> usize {
        self.get(at, self.0.len()).find('\n').map_or(self.0.len(), |end| at + end + 1)
    }

    /// Where the first thing that is no blank stands, in the line of `at` or at its end.
    pub(super) fn skip_blanks(self, at: usize) -> usize {
        let rest = self.get(at, self.0.len());
        at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }

    /// Whether nothing but blanks stands before a place in its line.
    pub(super) fn begins_line(self, at: usize) -> bool {
        self.get(self.line_start(at), at).bytes().all(|byte| byte == b' ')
    }

    /// The end of what stands before a place, blanks taken off.
    pub(super) fn trim_blanks(self, at: usize) -> usize {
        self.get(0, at).trim_end_matches([' ', '\t']).len()
    }

    /// Where a line of a block begins: the `#`, the key with its tag, the dash. None where that is not to be told.
    pub(super) fn start(self, block: &Block, line: &Standing<'_>) -> Option<usize> {
        let entry = match line {
            Standing::Comment(remark) => return Some(remark.span.start),
            Standing::Entry { entry, .. } => entry,
        };
        if let Some(key) = &entry.key {
            let start = self.line_start(key.span.start) + block.column;
            return (start <= key.span.start).then_some(start);
        }
        self.dash(block, entry)
    }

    /// The dash of an element: in the line of its value or above, where tag, comment or `|` stand behind it.
    fn dash(self, block: &Block, entry: &Entry) -> Option<usize> {
        let first = first(&entry.content, entry.span.start);
        let mut line = self.line_start(first);
        loop {
            let at = line + block.column;
            let rest = self.0.get(at..)?;
            if at <= first
                && rest.starts_with('-')
                && rest
                    .get(1..)
                    .is_none_or(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
            {
                return Some(at);
            }
            line = self.line_start(line.checked_sub(1)?);
        }
    }

    /// Where the value begins, directly behind the colon or the dash. None for a key behind a question mark.
    pub(super) fn value_start(self, block: &Block, entry: &Entry) -> Option<usize> {
        let Some(key) = &entry.key else { return Some(self.dash(block, entry)? + 1) };
        let colon = self.skip_blanks(key.span.end);
        let is_simple =
            !self.get(self.line_start(key.span.start) + block.column, key.span.start).starts_with('?');
        (is_simple && self.get(colon, colon + 1) == ":").then_some(colon + 1)
    }

    /// Where a value ends, a comment behind it not counted.
    pub(super) fn end(self, block: &Block, entry: &Entry) -> Option<usize> {
        let start = self.value_start(block, entry).or_else(|| entry.key.as_ref().map(|key| key.span.end))?;
        match &entry.content {
            Content::Map(inner) | Content::List(inner) if !inner.flow => {
                let ends = inner.lines.iter().rev().map_while(|line| match line {
                    Line::Comment(remark) => Some(Some(remark.span.end)),
                    Line::Entry(_) => None,
                });
                let comments = ends.flatten().max().unwrap_or(start);
                let last = inner.lines.iter().rev().find_map(|line| match line {
                    Line::Entry(entry) => Some(entry),
                    Line::Comment(_) => None,
                });
                let last = last.and_then(|last| self.end_with_comment(inner, last)).unwrap_or(start);
                Some(comments.max(last))
            }
            _ if self.is_literal(block, entry) => {
                let head = self.head_end(start);
                let body = self.get(entry.span.start, entry.span.end);
                let body = body.trim_end_matches(['\n', '\r', ' ']);
                let end = if body.is_empty() { head } else { (entry.span.start + body.len()).max(head) };
                let keeps = self.get(start, head).split('#').next().unwrap_or_default().contains('+');
                Some(if keeps { self.blank_lines_end(end) } else { end })
            }
            // A value that is not there stands at the end of its key.
            Content::Value(Node::Null) if entry.span.is_empty() => Some(start),
            _ => Some(entry.span.end.max(start)),
        }
    }

    /// The same with the comment that the parser found behind it.
    fn end_with_comment(self, block: &Block, last: &Entry) -> Option<usize> {
        let end = self.end(block, last)?;
        let behind = block.lines.iter().filter_map(|line| match line {
            Line::Comment(remark) if remark.comment.inline && remark.span.start >= end => {
                Some(remark.span.end)
            }
            _ => None,
        });
        // One behind it is directly before it in the tree, so none of an earlier line is that far down.
        Some(behind.max().unwrap_or(end).max(end))
    }

    /// Whether the value stands in lines of its own behind `|` or `>`.
    pub(super) fn is_literal(self, block: &Block, entry: &Entry) -> bool {
        let Content::Value(Node::Leaf(_)) = &entry.content else { return false };
        let Some(start) = self.value_start(block, entry) else { return false };
        // Behind anchor and tag, which have no blanks in them.
        let head = self.get(start, self.head_end(start));
        head.split_whitespace()
            .find(|word| !word.starts_with(['&', '!']))
            .is_some_and(|word| word.starts_with(['|', '>']))
    }

    /// The end of the last of the blank lines below a place.
    fn blank_lines_end(self, mut end: usize) -> usize {
        loop {
            let next = self.next_line(end);
            let line = self.get(next, self.next_line(next));
            if line.is_empty() || !line.trim_end_matches(['\n', '\r', ' ']).is_empty() {
                return end;
            }
            end = next + line.trim_end_matches(['\n', '\r']).len();
        }
    }

    fn head_end(self, start: usize) -> usize {
        let line = self.get(start, self.0.len());
        let line = line.split('\n').next().unwrap_or_default();
        start + line.strip_suffix('\r').unwrap_or(line).len()
    }
}

/// The first place of a value that is sure to be in its own lines: the parser's for a block may be a later one.
fn first(content: &Content, start: usize) -> usize {
    let (Content::Map(block) | Content::List(block)) = content else { return start };
    if block.flow {
        return start;
    }
    block.lines.first().map_or(start, |line| match line {
        Line::Comment(remark) => remark.span.start,
        Line::Entry(entry) => match &entry.key {
            Some(key) => key.span.start,
            None => first(&entry.content, entry.span.start),
        },
    })
}

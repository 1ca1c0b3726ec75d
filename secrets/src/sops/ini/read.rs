//! INI text to sections, with the place of every line in the text.

use std::collections::HashSet;
use std::ops::Range;

use super::super::buffer::Buffer;
use super::super::error::SopsError;
use super::{DEFAULT, STORE};

/// A file as it stands.
pub(super) struct File {
    /// The default section first; names may come again.
    pub(super) sections: Vec<Section>,
    /// The line of a comment below the last key, which belongs to nothing.
    pub(super) comment_at_end: Option<usize>,
    /// Where the last line begins that belongs to nothing.
    pub(super) end: usize,
}

pub(super) struct Section {
    pub(super) name: String,
    /// The lines above it, each with its mark.
    pub(super) comment: Buffer,
    pub(super) keys: Vec<Key>,
    /// Its header with the lines above; empty for the default section.
    pub(super) span: Range<usize>,
    /// Counted from 1.
    pub(super) line: usize,
}

pub(super) struct Key {
    pub(super) name: String,
    pub(super) value: Buffer,
    /// The lines above it and what stands behind the value, each with its mark.
    pub(super) comment: Buffer,
    /// Its lines with those above.
    pub(super) span: Range<usize>,
    /// The value with its quotes, where it stands in one line and nothing behind it.
    pub(super) value_span: Option<Range<usize>>,
}

/// Marks that a comment begins with.
const MARKS: [char; 2] = ['#', ';'];
/// What separates a key from its value.
const DELIMITERS: [char; 2] = ['=', ':'];
/// Quotes around values of several lines.
const LONG_QUOTE: &str = "\"\"\"";

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, SopsError> {
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let default = Section {
            name: DEFAULT.to_owned(),
            comment: Buffer::with_capacity(0),
            keys: Vec::new(),
            span: 0..start,
            line: 1,
        };
        let mut parser = Parser { text, at: start, line: 0, from: start, comment: Buffer::with_capacity(0) };
        let mut sections = vec![];
        let mut section = default;
        let mut names = HashSet::new();
        let mut numbered = 0;
        while let Some(line) = parser.next() {
            let line = line.trim_start();
            if line.is_empty() {
                continue;
            }
            if line.starts_with(MARKS) {
                parser.comment.push_str(line);
            } else if line.starts_with('[') {
                sections.push(std::mem::replace(&mut section, parser.header(line)?));
                names.clear();
                numbered = 0;
            } else {
                let mut key = parser.key(line)?;
                if key.name == "-" {
                    numbered += 1;
                    key.name = format!("#{numbered}");
                }
                if !names.insert(key.name.clone()) {
                    return Err(SopsError::DuplicateKey { key: key.name, line: parser.line });
                }
                section.keys.push(key);
            }
        }
        sections.push(section);
        let has_comment = !parser.comment.as_str().trim().is_empty();
        Ok(Self { sections, comment_at_end: has_comment.then_some(parser.line), end: parser.from })
    }
}

struct Parser<'t> {
    text: &'t str,
    /// Where the next line begins.
    at: usize,
    /// The line that was read last, counted from 1.
    line: usize,
    /// Where the lines begin that belong to what comes next.
    from: usize,
    /// Comments that belong to what comes next.
    comment: Buffer,
}

impl<'t> Parser<'t> {
    /// The next line with its end.
    fn next(&mut self) -> Option<&'t str> {
        let line = self.text.get(self.at..)?.split_inclusive('\n').next()?;
        self.at += line.len();
        self.line += 1;
        Some(line)
    }

    /// The position in the text of a part of it that ends where the current line does, so many bytes before.
    fn position(&self, rest: &str) -> usize {
        self.at - rest.len()
    }

    /// The lines since the last item, and the comments in them.
    fn take_lines(&mut self) -> (Range<usize>, Buffer) {
        let span = self.from..self.at;
        self.from = self.at;
        let comment = std::mem::replace(&mut self.comment, Buffer::with_capacity(0));
        let trimmed = comment.as_str().trim();
        if trimmed.len() == comment.as_str().len() {
            return (span, comment);
        }
        let mut clean = Buffer::with_capacity(trimmed.len());
        clean.push_str(trimmed);
        (span, clean)
    }

    fn syntax(&self, rest: &str) -> SopsError {
        let line = self.text.get(..self.position(rest)).unwrap_or_default();
        let column = line.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        SopsError::Syntax { store: STORE, line: self.line, column }
    }

    fn header(&mut self, line: &str) -> Result<Section, SopsError> {
        let (name, behind) =
            line.get(1..).and_then(|line| line.rsplit_once(']')).ok_or_else(|| self.syntax(line))?;
        if name.is_empty() {
            return Err(self.syntax(line));
        }
        self.behind(behind)?;
        let number = self.line;
        let (span, comment) = self.take_lines();
        Ok(Section { name: name.to_owned(), comment, keys: Vec::new(), span, line: number })
    }

    /// What stands behind something that is closed: nothing or a comment.
    fn behind(&mut self, rest: &str) -> Result<bool, SopsError> {
        let trimmed = rest.trim();
        if trimmed.is_empty() {
            return Ok(false);
        }
        if !trimmed.starts_with(MARKS) {
            return Err(self.syntax(rest));
        }
        self.comment.push_str(trimmed);
        Ok(true)
    }

    fn key(&mut self, line: &'t str) -> Result<Key, SopsError> {
        let (name, rest) = self.name(line)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(self.syntax(line));
        }
        let rest = rest.trim_start();
        let start = self.position(rest);
        let lines = self.line;
        let (value, has_comment) = self.value(rest)?;
        let is_simple = lines == self.line && !has_comment;
        let value_span = is_simple.then(|| start..start + rest.trim_end().len());
        let (span, comment) = self.take_lines();
        Ok(Key { name: name.to_owned(), value, comment, span, value_span })
    }

    /// The key of a line and what stands behind the delimiter.
    fn name(&self, line: &'t str) -> Result<(&'t str, &'t str), SopsError> {
        let quote = match line.as_bytes().first() {
            Some(b'"') if line.len() > 6 && line.starts_with(LONG_QUOTE) => LONG_QUOTE,
            Some(b'"') => "\"",
            Some(b'`') => "`",
            _ => return line.split_once(DELIMITERS).ok_or_else(|| self.syntax(line)),
        };
        let (name, behind) = line
            .strip_prefix(quote)
            .and_then(|line| line.split_once(quote))
            .ok_or_else(|| self.syntax(line))?;
        let (between, rest) = behind.split_once(DELIMITERS).ok_or_else(|| self.syntax(behind))?;
        if between.trim().is_empty() { Ok((name, rest)) } else { Err(self.syntax(behind)) }
    }

    /// The value that begins here, and whether a comment stands behind it.
    fn value(&mut self, line: &str) -> Result<(Buffer, bool), SopsError> {
        let quote = match line.as_bytes().first() {
            None => return Ok((Buffer::with_capacity(0), false)),
            Some(b'"') if line.len() > 3 && line.starts_with(LONG_QUOTE) => LONG_QUOTE,
            Some(b'`') => "`",
            _ => return self.bare_value(line),
        };
        let inner = line.strip_prefix(quote).unwrap_or_default();
        match inner.rsplit_once(quote) {
            Some((value, behind)) => {
                let has_comment = self.behind(behind)?;
                Ok((owned(value), has_comment))
            }
            None => self.long_value(inner, quote),
        }
    }

    fn bare_value(&mut self, line: &str) -> Result<(Buffer, bool), SopsError> {
        let line = line.trim();
        if let Some(first) = line.strip_suffix('\\') {
            return Ok((self.continued(first), false));
        }
        let (value, comment) = match line.find(MARKS) {
            None => (line, ""),
            Some(at) => line.split_at(at),
        };
        let is_apart = value.is_empty() || value.ends_with(char::is_whitespace);
        let value = value.trim();
        let is_open = value.starts_with(['"', '\'']) && unquoted(value).is_none();
        if !comment.is_empty() && (!is_apart || is_open) {
            return Err(SopsError::UnclearComment { line: self.line });
        }
        self.comment.push_str(comment);
        Ok((owned(unquoted(value).unwrap_or(value)), !comment.is_empty()))
    }

    /// A value that a backslash at its end leads on to the next line.
    fn continued(&mut self, first: &str) -> Buffer {
        let mut value = owned(first);
        while let Some(line) = self.next() {
            let line = line.trim();
            value.push_str(line);
            if line.is_empty() || !value.pop('\\') {
                break;
            }
        }
        value
    }

    /// A value in quotes that are not closed in its line.
    fn long_value(&mut self, first: &str, quote: &str) -> Result<(Buffer, bool), SopsError> {
        let opened = self.line;
        let mut value = owned(first);
        while let Some(line) = self.next() {
            match line.rsplit_once(quote) {
                Some((last, behind)) if !behind.trim().ends_with('\\') => {
                    value.push_str(last);
                    let has_comment = self.behind(behind)?;
                    return Ok((value, has_comment));
                }
                _ => value.push_str(line),
            }
        }
        Err(SopsError::Syntax { store: STORE, line: opened, column: 1 })
    }
}

fn owned(text: &str) -> Buffer {
    let mut buffer = Buffer::with_capacity(text.len());
    buffer.push_str(text);
    buffer
}

/// What stands between two quotes of one kind that stand nowhere else; none where there are none around it.
fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

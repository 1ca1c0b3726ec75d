//! JSON text to a tree, with the place of every value in the text.

use std::collections::HashSet;
use std::ops::Range;

use super::super::buffer::Buffer;
use super::super::error::SopsError;
use super::super::tree::{Branch, Element, Item, MAX_DEPTH, Node};
use super::super::value::{Kind, Plain, bool_text};
use super::number::{self, LosesDigits};

/// A value and the bytes that it stands in.
pub(super) struct Spanned {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

pub(super) enum Value {
    Null,
    Leaf(Plain),
    Map(Vec<Member>),
    List(Vec<Spanned>),
}

/// A key with its value.
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Spanned,
}

/// Reads a file: one map, and nothing behind it.
pub(crate) fn read(text: &str) -> Result<Branch<Plain>, SopsError> {
    match parse(text)?.into_node() {
        Node::Map(items) => Ok(items),
        _ => Err(SopsError::NotMap),
    }
}

/// Reads any value.
pub(crate) fn read_value(text: &str) -> Result<Node<Plain>, SopsError> {
    parse(text).map(Spanned::into_node)
}

/// Reads any value with its places.
pub(super) fn parse(text: &str) -> Result<Spanned, SopsError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.skip_blanks();
    if parser.peek().is_none() {
        return Err(SopsError::NoDocument);
    }
    let value = parser.value()?;
    parser.skip_blanks();
    if parser.peek().is_some() {
        return Err(parser.syntax());
    }
    Ok(value)
}

impl Spanned {
    fn into_node(self) -> Node<Plain> {
        match self.value {
            Value::Null => Node::Null,
            Value::Leaf(plain) => Node::Leaf(plain),
            Value::Map(members) => Node::Map(
                members.into_iter().map(|member| Item::Pair(member.key, member.value.into_node())).collect(),
            ),
            Value::List(values) => {
                Node::List(values.into_iter().map(|value| Element::Node(value.into_node())).collect())
            }
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    /// In bytes; always between two letters.
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over this byte, if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), SopsError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    fn syntax(&self) -> SopsError {
        let before = self.text.get(..self.at).unwrap_or_default();
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        SopsError::Syntax { store: "JSON", line: self.line(self.at), column }
    }

    /// Counted from 1.
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn value(&mut self) -> Result<Spanned, SopsError> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::map)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => {
                let text = self.string()?.into_secret();
                Value::Leaf(Plain::text(text))
            }
            Some(b't') => self.word("true", bool_leaf(true))?,
            Some(b'f') => self.word("false", bool_leaf(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => self.number()?,
        };
        Ok(Spanned { span: start..self.at, value })
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value, SopsError>) -> Result<Value, SopsError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SopsError::TooDeep { line: self.line(self.at) });
        }
        self.at += 1;
        self.skip_blanks();
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn map(&mut self) -> Result<Value, SopsError> {
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Map(members));
        }
        loop {
            let start = self.at;
            let key = self.string()?.into_public();
            let key_span = start..self.at;
            self.skip_blanks();
            self.expect(b':')?;
            self.skip_blanks();
            members.push(Member { key, key_span, value: self.value()? });
            self.skip_blanks();
            if self.take(b'}') {
                self.refuse_twins(&members)?;
                return Ok(Value::Map(members));
            }
            self.expect(b',')?;
            self.skip_blanks();
        }
    }

    /// sops keeps both of two equal keys, and every program that reads the file takes another one of them.
    fn refuse_twins(&self, members: &[Member]) -> Result<(), SopsError> {
        let mut known = HashSet::with_capacity(members.len());
        match members.iter().find(|member| !known.insert(member.key.as_str())) {
            None => Ok(()),
            Some(member) => Err(SopsError::DuplicateKey {
                key: member.key.clone(),
                line: self.line(member.key_span.start),
            }),
        }
    }

    fn list(&mut self) -> Result<Value, SopsError> {
        let mut values = Vec::new();
        if self.take(b']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value()?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::List(values));
            }
            self.expect(b',')?;
            self.skip_blanks();
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, SopsError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(value)
    }

    /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`
    fn number(&mut self) -> Result<Value, SopsError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let loses = |LosesDigits| SopsError::LosesDigits { line: self.line(start) };
        number::parse(text).map(Value::Leaf).map_err(loses)
    }

    /// One or more.
    fn digits(&mut self) -> Result<(), SopsError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.syntax()) }
    }

    /// A string without its quotes. What is escaped is longer than what it stands for, so the buffer never moves.
    fn string(&mut self) -> Result<Buffer, SopsError> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let mut end = self.at;
        while let Some(byte) = bytes.get(end)
            && *byte != b'"'
        {
            end += if *byte == b'\\' { 2 } else { 1 };
        }
        let mut out = Buffer::with_capacity(end.min(bytes.len()) - self.at);
        loop {
            let from = self.at;
            while self.peek().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            out.push_str(self.text.get(from..self.at).unwrap_or_default());
            if self.take(b'"') {
                return Ok(out);
            }
            self.expect(b'\\')?;
            out.push(self.escaped()?);
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, SopsError> {
        let letter = match self.peek() {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.syntax()),
        };
        self.at += 1;
        Ok(letter)
    }

    /// A code unit of UTF-16, or two that belong together. Half a pair is no letter; sops puts another in its place.
    fn unicode(&mut self) -> Result<char, SopsError> {
        let mut units = vec![self.code_unit()?];
        if units.first().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            self.expect(b'\\')?;
            self.expect(b'u')?;
            units.push(self.code_unit()?);
        }
        match char::decode_utf16(units).next() {
            Some(Ok(letter)) => Ok(letter),
            _ => Err(self.syntax()),
        }
    }

    fn code_unit(&mut self) -> Result<u16, SopsError> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.syntax())?;
        self.at += 4;
        Ok(unit)
    }
}

fn bool_leaf(value: bool) -> Value {
    Value::Leaf(Plain { kind: Kind::Bool, bytes: bool_text(value).into() })
}

//! YAML text to documents, as sops reads it through go-yaml v3: aliases become copies, tags types.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag};
use zeroize::Zeroize as _;

use super::super::error::SopsError;
use super::super::tree::{Branch, MAX_DEPTH, Node};
use super::super::value::Plain;
use super::anchor::{Anchors, Refusal};
use super::open::{At, Loose, Next, Open};
use super::scalar::{self, Refused};
use super::syntax::{Block, Content, Document, Key, Line};

/// Comments in a row that the parser holds back before it knows whose they are; its default of 96 is less than the
/// licence header of some files.
const MAX_COMMENTS: usize = 1_000_000;

/// Reads every document of `text`.
pub(crate) fn read(text: &str) -> Result<Vec<Branch<Plain>>, SopsError> {
    Ok(parse(text)?.into_iter().map(|document| document.block.into_branch()).collect())
}

/// Reads every document of `text`, with the place of everything in it.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, SopsError> {
    let stripped = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_controls(stripped)?;
    let options = granit_parser::options! {
        max_buffered_comment_events: MAX_COMMENTS,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
    };
    let events = Parser::new_from_str_with_options(stripped, options);
    let mut reader = Reader {
        events,
        base: text.len() - stripped.len(),
        outer: Vec::new(),
        anchors: Anchors::new(text.len()),
        has_alias: false,
        text,
        ended: At::default(),
    };
    // A name may begin like a mark. What git leaves is no YAML, by the line of `=` between the two halves at the latest.
    reader.documents().map_err(|error| {
        let mark = text.lines().position(is_merge_mark);
        mark.map_or(error, |line| SopsError::MergeConflict { line: line + 1 })
    })
}

/// git writes these at the beginning of a line.
fn is_merge_mark(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

/// go-yaml takes no control characters, and the byte order mark at the beginning only. Source: go-yaml v3, `readerc.go`.
fn refuse_controls(text: &str) -> Result<(), SopsError> {
    let is_bad = |letter: char| {
        matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}')
            || matches!(letter, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    // Nearly every text is ASCII, and that is looked through many bytes at a time.
    let is_usual = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    // Without a way out in the middle a piece is looked at in one go.
    let is_usual_piece = |piece: &[u8]| piece.iter().fold(true, |all, byte| all & is_usual(*byte));
    if text.as_bytes().chunks(256).all(is_usual_piece) {
        return Ok(());
    }
    let Some(at) = text.find(is_bad) else { return Ok(()) };
    let before = text.get(..at).unwrap_or_default();
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    Err(SopsError::Syntax { store: "YAML", line: before.matches('\n').count() + 1, column })
}

/// In the place of a key's column.
const IN_LIST: usize = usize::MAX;

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// Where the parser's text begins in the whole.
    base: usize,
    /// Comments below a block that belong to one around it.
    outer: Vec<Loose>,
    anchors: Anchors,
    has_alias: bool,
    text: &'t str,
    /// Where the last map or list ended.
    ended: At,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, At), SopsError> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.at(&span))),
            Some(Err(error)) => Err(refused(&error)),
            None => Ok((Event::StreamEnd, At::default())),
        }
    }

    fn at(&self, span: &Span) -> At {
        let bytes = span.byte_range().unwrap_or_default();
        At {
            line: span.start.line(),
            column: span.start.col(),
            end_line: span.end.line(),
            span: self.base + bytes.start..self.base + bytes.end,
        }
    }

    fn documents(&mut self) -> Result<Vec<Document>, SopsError> {
        let mut documents: Vec<Document> = Vec::new();
        // Comments that stand outside of a document: above the first, below the last.
        let mut loose: Vec<Line> = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::Comment(text, placement), at) => {
                    self.refuse_tab(false, &at)?;
                    loose.push(Loose::new(&text, placement, at).remark(false));
                }
                (Event::DocumentStart(_, version), At { line, .. }) => {
                    if version.is_some_and(|version| (version.major, version.minor) != (1, 1)) {
                        return Err(construct(VERSION, line));
                    }
                    if let Some(last) = documents.last_mut() {
                        last.block.lines.append(&mut loose);
                    }
                    documents.push(self.document(std::mem::take(&mut loose))?);
                }
                _ => {}
            }
        }
        match documents.last_mut() {
            Some(last) => last.block.lines.append(&mut loose),
            None => return Err(SopsError::NoDocument),
        }
        Ok(documents)
    }

    /// One document up to its end, below the comments above it.
    fn document(&mut self, mut lines: Vec<Line>) -> Result<Document, SopsError> {
        let mut block = None;
        self.has_alias = false;
        loop {
            match self.next()? {
                (Event::DocumentEnd | Event::StreamEnd, _) => break,
                (Event::Comment(text, placement), at) => {
                    self.refuse_tab(false, &at)?;
                    lines.push(Loose::new(&text, placement, at).remark(false));
                }
                (Event::MappingStart(style, id, _), at) => {
                    let mut map = self.map(is_flow(style), &at, Vec::new(), 1)?;
                    self.define(id, &at, || Node::Map(map.to_branch()))?;
                    lines.append(&mut map.lines);
                    lines
                        .extend(std::mem::take(&mut self.outer).into_iter().map(|loose| loose.remark(false)));
                    block = Some(map);
                }
                (Event::Scalar(text, style, _, tag), _)
                    if matches!(scalar::meaning(&text, style, tag.as_deref()), Ok(Node::Null)) => {}
                (Event::SequenceStart(..) | Event::Scalar(..) | Event::Alias(_), _) => {
                    return Err(SopsError::NotMap);
                }
                _ => {}
            }
        }
        let mut block = block.unwrap_or(Block { lines: Vec::new(), flow: false, column: 0 });
        block.lines = lines;
        Ok(Document { block, has_alias: self.has_alias })
    }

    /// A map below some comments, `depth` maps and lists deep.
    fn map(&mut self, flow: bool, start: &At, above: Vec<Loose>, depth: usize) -> Result<Block, SopsError> {
        check_depth(depth, start)?;
        let mut open = Open::new(flow, false, above);
        let (mut keys, hasher) = (HashSet::new(), RandomState::new());
        loop {
            match self.next()? {
                (Event::Comment(text, placement), at) => {
                    self.refuse_tab(flow, &at)?;
                    open.comment(&text, placement, at);
                }
                (Event::MappingEnd, at) => {
                    let (block, outer) = open.close(&self.next_of(&at));
                    self.ended = at;
                    self.outer = outer;
                    return Ok(block);
                }
                (event, at) => {
                    self.refuse_tab(flow, &at)?;
                    // An explicit key stands behind its mark.
                    open.begin(if start.line == at.line { start.column.min(at.column) } else { at.column });
                    open.flush();
                    let (name, line) = (self.key(event, &at)?, at.line);
                    // Two of one hash are looked at: a copy of every key would be a part of the file's memory.
                    if !keys.insert(hasher.hash_one(&name)) && open.has_key(&name) {
                        return Err(SopsError::DuplicateKey { key: name, line });
                    }
                    let key = Key { name, span: at.span.clone() };
                    self.value(&mut open, key, at.end_line, depth)?;
                    open.loose.append(&mut self.outer);
                }
            }
        }
    }

    /// A list under a key in column `parent`.
    fn list(
        &mut self,
        flow: bool,
        start: &At,
        above: Vec<Loose>,
        parent: usize,
        depth: usize,
    ) -> Result<Block, SopsError> {
        check_depth(depth, start)?;
        let column = if flow { start.column } else { self.dash(start, parent) };
        let mut open = Open::new(flow, column == parent, above);
        open.begin(column);
        loop {
            match self.next()? {
                (Event::Comment(text, placement), at) => {
                    self.refuse_tab(flow, &at)?;
                    open.comment(&text, placement, at);
                }
                (Event::SequenceEnd, at) => {
                    let (block, outer) = open.close(&self.next_of(&at));
                    self.ended = at;
                    self.outer = outer;
                    return Ok(block);
                }
                (event, at) => {
                    self.refuse_tab(flow, &at)?;
                    // Behind a dash, and the map or list only begins in the next line.
                    let dash =
                        if is_block(&event) { self.dash_above(&open.loose, column, &at) } else { usize::MAX };
                    let is_behind = |loose: &Loose| {
                        !flow && (loose.behind_dash && is_nested(&event) || loose.start() >= dash)
                    };
                    let behind = open.loose.iter().position(is_behind);
                    let mut above = behind.map_or_else(Vec::new, |behind| open.loose.split_off(behind));
                    for loose in &mut above {
                        loose.behind_dash = false;
                    }
                    open.flush();
                    let (content, end) = self.content(event, &at, above, IN_LIST, depth)?;
                    open.entry(None, content, &at, &end);
                    open.loose.append(&mut self.outer);
                }
            }
        }
    }

    /// The value of a key, with the comments between the two. They belong before the key where they stand in its line,
    /// behind the colon of an explicit key, or its value is a scalar, else to the head of what is nested.
    fn value(&mut self, open: &mut Open, key: Key, key_line: usize, depth: usize) -> Result<(), SopsError> {
        let parent = open.column();
        let mut between = Vec::new();
        loop {
            match self.next()? {
                (Event::Comment(text, placement), at) => between.push(Loose::new(&text, placement, at)),
                (event, at) => {
                    let is_key = |loose: &Loose| loose.line == key_line || self.is_behind_colon(loose);
                    let nested = between.iter().position(|loose| !is_key(loose) && is_nested(&event));
                    let above = nested.map_or_else(Vec::new, |nested| between.split_off(nested));
                    let (content, end) = self.content(event, &at, above, parent, depth)?;
                    for mut loose in between {
                        // It stands between the key and its value.
                        loose.shares_line = true;
                        open.lines.push(loose.remark(false));
                    }
                    open.entry(Some(key), content, &at, &end);
                    return Ok(());
                }
            }
        }
    }

    /// Where the dash in `column` stands of the element at `at`: 0 where that is above all of its comments.
    fn dash_above(&self, comments: &[Loose], column: usize, at: &At) -> usize {
        let start = comments.first().map_or(at.span.start, Loose::start);
        let between = self.text.get(start..at.span.start).unwrap_or_default();
        let mut place = start;
        let mut dash = 0;
        for line in between.split_inclusive('\n') {
            let rest = line.trim_start_matches(' ');
            if rest.starts_with('-') && line.len() - rest.len() == column {
                dash = place + column;
            }
            place += line.len();
        }
        dash
    }

    /// Whether it stands in the line of an explicit key's colon, which comes first in its line.
    fn is_behind_colon(&self, loose: &Loose) -> bool {
        let before = self.text.get(..loose.start()).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        loose.shares_line && line.trim_start_matches(' ').starts_with(':')
    }

    /// A node and where it ends. The comments above it are the first lines of what is nested.
    fn content(
        &mut self,
        event: Event<'t>,
        at: &At,
        above: Vec<Loose>,
        parent: usize,
        depth: usize,
    ) -> Result<(Content, At), SopsError> {
        let mut end = at.clone();
        let (content, id) = match event {
            Event::Scalar(text, style, id, tag) => {
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    // It ends somewhere before the next token, and a comment behind it stands at its head.
                    end.end_line = 0;
                }
                let value = meaning(&text, style, tag.as_deref(), at.line);
                if let Cow::Owned(mut text) = text {
                    // The parser's own copy of what may be a private key.
                    text.zeroize();
                }
                (Content::Value(value?), id)
            }
            Event::MappingStart(style, id, _) => {
                (Content::Map(self.map(is_flow(style), at, above, depth + 1)?), id)
            }
            Event::SequenceStart(style, id, _) => {
                (Content::List(self.list(is_flow(style), at, above, parent, depth + 1)?), id)
            }
            Event::Alias(id) => {
                self.has_alias = true;
                let node = self.anchors.copy(id, depth).map_err(|refusal| alias(refusal, at.line))?;
                (Content::Value(node), 0)
            }
            _ => return Err(SopsError::Syntax { store: "YAML", line: at.line, column: at.column + 1 }),
        };
        if matches!(content, Content::Map(_) | Content::List(_)) {
            end = self.ended.clone();
        }
        self.define(id, at, || content.to_node())?;
        Ok((content, end))
    }

    /// What follows a block that ends here.
    fn next_of(&self, end: &At) -> Next {
        let is_end = self.text.get(end.span.start..).is_none_or(|rest| rest.trim().is_empty());
        Next { line: end.line, column: if is_end { 0 } else { end.column }, is_end }
    }

    /// go-yaml takes no tab for indentation: before a key, an element or a comment that begins its line, or behind a dash.
    fn refuse_tab(&self, flow: bool, at: &At) -> Result<(), SopsError> {
        let before = self.text.get(..at.span.start).unwrap_or_default();
        let rest = before.trim_end_matches([' ', '\t']);
        let Some(tab) = before.get(rest.len()..).and_then(|blanks| blanks.find('\t')) else { return Ok(()) };
        let is_mark = rest.ends_with(['-', '?'])
            && matches!(rest.as_bytes().iter().nth_back(1), None | Some(b' ' | b'\n'));
        if flow || !(is_mark || rest.is_empty() || rest.ends_with('\n')) {
            return Ok(());
        }
        let column = rest.rsplit('\n').next().map_or(0, |line| line.chars().count()) + tab + 1;
        Err(SopsError::Syntax { store: "YAML", line: at.line, column })
    }

    /// The column of a list's dashes. Where they stand below the key of the list, the parser names the place behind the
    /// first of them; but below a key a dash comes first in its line.
    fn dash(&self, start: &At, parent: usize) -> usize {
        let before = self.text.get(..start.span.start).unwrap_or_default();
        let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
        let blanks = line.len() - line.trim_start_matches(' ').len();
        let is_dash = line.get(blanks..).is_some_and(|rest| rest.starts_with("- "));
        if parent != IN_LIST && is_dash { blanks } else { start.column }
    }

    fn define(&mut self, id: usize, at: &At, copy: impl FnOnce() -> Node<Plain>) -> Result<(), SopsError> {
        self.anchors.define(id, copy).map_err(|refusal| alias(refusal, at.line))
    }

    fn key(&mut self, event: Event<'t>, at: &At) -> Result<String, SopsError> {
        let not_a_string = SopsError::NonStringKey { line: at.line };
        let node = match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) if scalar::begins_as_string(&text) => {
                return Ok(text.into_owned());
            }
            Event::Scalar(text, style, id, tag) => {
                let node = scalar::meaning(&text, style, tag.as_deref()).map_err(|_| not_a_string.clone())?;
                self.define(id, at, || node.duplicate())?;
                node
            }
            Event::Alias(id) => {
                self.has_alias = true;
                self.anchors.copy(id, 0).map_err(|refusal| alias(refusal, at.line))?
            }
            _ => return Err(not_a_string),
        };
        node.as_str().map(str::to_owned).ok_or(not_a_string)
    }
}

fn check_depth(depth: usize, at: &At) -> Result<(), SopsError> {
    if depth > MAX_DEPTH { Err(SopsError::TooDeep { line: at.line }) } else { Ok(()) }
}

fn is_nested(event: &Event<'_>) -> bool {
    matches!(event, Event::MappingStart(..) | Event::SequenceStart(..))
}

fn is_block(event: &Event<'_>) -> bool {
    matches!(event, Event::MappingStart(style, ..) | Event::SequenceStart(style, ..) if !is_flow(*style))
}

fn is_flow(style: StructureStyle) -> bool {
    style == StructureStyle::Flow
}

fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Node<Plain>, SopsError> {
    scalar::meaning(text, style, tag).map_err(|refused| construct(refused, line))
}

const VERSION: Refused = Refused {
    what: "the mark of a YAML version other than 1.1",
    remedy: "take the line out: sops does not read it either",
};

const RECURSIVE: Refused = Refused {
    what: "an alias within what it stands for",
    remedy: "write the value in its place: it has no end so",
};

const TOO_LARGE: Refused = Refused {
    what: "an alias that makes the file many times as large as its text",
    remedy: "write out what the aliases stand for, and split the file",
};

fn alias(refusal: Refusal, line: usize) -> SopsError {
    match refusal {
        Refusal::Recursive => construct(RECURSIVE, line),
        Refusal::TooLarge => construct(TOO_LARGE, line),
        Refusal::TooDeep => SopsError::TooDeep { line },
    }
}

fn construct(refused: Refused, line: usize) -> SopsError {
    SopsError::Yaml { what: refused.what, remedy: refused.remedy, line }
}

/// The position alone: the parser's own words may quote the text, and that may be a secret.
fn refused(error: &ScanError) -> SopsError {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => SopsError::TooDeep { line },
        _ => SopsError::Syntax { store: "YAML", line, column },
    }
}

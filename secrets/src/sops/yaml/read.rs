//! YAML text to documents. Aliases and tags are refused: sops writes files without them.

use std::collections::HashSet;

use granit_parser::{Event, Parser, Placement, ScalarStyle, ScanError, StrInput, Tag};

use super::super::error::SopsError;
use super::super::tree::{Branch, Comment, Element, Item, Node};
use super::super::value::Plain;
use super::scalar::{BigInteger, resolve};

/// Comments in a row that the parser holds back before it knows whose they are; its default of 96 is less than the
/// licence header of some files.
const MAX_COMMENTS: usize = 10_000;

/// Reads every document of `text`.
pub(crate) fn read(text: &str) -> Result<Vec<Branch<Plain>>, SopsError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = granit_parser::options! { max_buffered_comment_events: MAX_COMMENTS };
    let events = Parser::new_from_str_with_options(text, options);
    // A name may begin like a mark. What git leaves is no YAML, by the line of `=` between the two halves at the latest.
    Reader { events, outer: Vec::new() }.documents().map_err(|error| {
        let mark = text.lines().position(is_merge_mark);
        mark.map_or(error, |line| SopsError::MergeConflict { line: line + 1 })
    })
}

/// git writes these at the beginning of a line.
fn is_merge_mark(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// Comments below a block that belong to one around it.
    outer: Vec<Loose>,
}

/// A comment in a line of its own, whose block is not known before the next token.
struct Loose {
    column: usize,
    text: String,
}

/// Where an event stands.
#[derive(Clone, Copy)]
struct At {
    /// Counted from 1.
    line: usize,
    /// Counted from 0.
    column: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, At), SopsError> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, At { line: span.start.line(), column: span.start.col() })),
            Some(Err(error)) => Err(yaml(&error)),
            None => Ok((Event::StreamEnd, At { line: 0, column: 0 })),
        }
    }

    fn documents(&mut self) -> Result<Vec<Branch<Plain>>, SopsError> {
        let mut documents: Vec<Branch<Plain>> = Vec::new();
        // Comments that stand outside of a document: above the first, below the last.
        let mut loose: Branch<Plain> = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::Comment(text, _), _) => loose.push(comment(&text, false)),
                (Event::MappingStart(_, _, tag), At { line, .. }) => {
                    let mut items = std::mem::take(&mut loose);
                    refuse_tag(tag.as_deref(), line)?;
                    items.extend(self.map()?);
                    documents.push(items);
                }
                (Event::SequenceStart(..) | Event::Scalar(..) | Event::Alias(_), _) => {
                    return Err(SopsError::NotMap);
                }
                _ => {}
            }
        }
        match documents.last_mut() {
            Some(last) => last.extend(loose),
            None => return Err(SopsError::NoDocument),
        }
        Ok(documents)
    }

    fn map(&mut self) -> Result<Branch<Plain>, SopsError> {
        let mut items = Vec::new();
        let mut keys = HashSet::new();
        let mut loose: Vec<Loose> = Vec::new();
        let mut column = 0;
        loop {
            match self.next()? {
                (Event::Comment(text, Placement::Right), _)
                    if matches!(items.last(), Some(Item::Pair(..))) =>
                {
                    items.push(comment(&text, true));
                }
                (Event::Comment(text, _), at) => {
                    loose.push(Loose { column: at.column, text: text.into_owned() });
                }
                (Event::MappingEnd, _) => {
                    items.extend(self.end(loose, column).map(|text| comment(&text, false)));
                    return Ok(items);
                }
                (Event::Scalar(text, style, _, tag), At { line, column: at }) => {
                    if keys.is_empty() {
                        column = at;
                    }
                    items.extend(loose.drain(..).map(|loose| comment(&loose.text, false)));
                    let key = key(&text, style, tag.as_deref(), line)?;
                    let mut between = Vec::new();
                    let node = self.value(&mut between)?;
                    if !keys.insert(key.clone()) {
                        return Err(SopsError::DuplicateKey { key, line });
                    }
                    push_pair(&mut items, key, node, between);
                    loose.append(&mut self.outer);
                }
                (_, At { line, .. }) => return Err(SopsError::NonStringKey { line }),
            }
        }
    }

    /// At the end of a block: what of the comments above it is the block's. The first that stands further out, and
    /// all below it, go to a block around.
    fn end(&mut self, mut loose: Vec<Loose>, column: usize) -> impl Iterator<Item = String> + use<> {
        let own = loose.iter().take_while(|loose| loose.column >= column).count();
        self.outer = loose.split_off(own);
        loose.into_iter().map(|loose| loose.text)
    }

    /// The node after a key. Comments between the two are collected in `between`.
    fn value(&mut self, between: &mut Vec<Comment<Plain>>) -> Result<Node<Plain>, SopsError> {
        loop {
            match self.next()? {
                (Event::Comment(text, _), _) => between.push(Comment::new(&text, false)),
                (event, at) => return self.node(event, at),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, at: At) -> Result<Node<Plain>, SopsError> {
        let line = at.line;
        match event {
            Event::Scalar(text, style, _, tag) => scalar(&text, style, tag.as_deref(), line),
            Event::MappingStart(_, _, tag) => {
                refuse_tag(tag.as_deref(), line)?;
                self.map().map(Node::Map)
            }
            Event::SequenceStart(_, _, tag) => {
                refuse_tag(tag.as_deref(), line)?;
                self.list(at.column).map(Node::List)
            }
            Event::Alias(_) => Err(SopsError::Yaml11 { what: "an alias", line }),
            _ => Err(SopsError::Syntax { store: "YAML", line, column: at.column + 1 }),
        }
    }

    fn list(&mut self, column: usize) -> Result<Vec<Element<Plain>>, SopsError> {
        let mut elements = Vec::new();
        let mut loose: Vec<Loose> = Vec::new();
        loop {
            match self.next()? {
                (Event::Comment(text, Placement::Right), _)
                    if matches!(elements.last(), Some(Element::Node(_))) =>
                {
                    elements.push(Element::Comment(Comment::new(&text, true)));
                }
                (Event::Comment(text, _), at) => {
                    loose.push(Loose { column: at.column, text: text.into_owned() });
                }
                (Event::SequenceEnd, _) => {
                    let own = self.end(loose, column);
                    elements.extend(own.map(|text| Element::Comment(Comment::new(&text, false))));
                    return Ok(elements);
                }
                (event, at) => {
                    let above = loose.drain(..).map(|loose| Comment::new(&loose.text, false));
                    elements.extend(above.map(Element::Comment));
                    elements.push(Element::Node(self.node(event, at)?));
                    loose.append(&mut self.outer);
                }
            }
        }
    }
}

/// Comments between a key and its value belong before a scalar's key and to the head of what is nested.
fn push_pair(items: &mut Branch<Plain>, key: String, node: Node<Plain>, between: Vec<Comment<Plain>>) {
    let node = match node {
        Node::Map(inner) => Node::Map(between.into_iter().map(Item::Comment).chain(inner).collect()),
        Node::List(inner) => Node::List(between.into_iter().map(Element::Comment).chain(inner).collect()),
        leaf @ (Node::Leaf(_) | Node::Null) => {
            items.extend(between.into_iter().map(Item::Comment));
            leaf
        }
    };
    items.push(Item::Pair(key, node));
}

fn comment(text: &str, inline: bool) -> Item<Plain> {
    Item::Comment(Comment::new(text, inline))
}

fn key(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<String, SopsError> {
    // sops writes the merge key of an expanded map so.
    if tag.is_some_and(|tag| tag.parts() == ("tag:yaml.org,2002:", "merge")) && text == "<<" {
        return Ok(text.to_owned());
    }
    match scalar(text, style, tag, line) {
        Ok(node) => node.as_str().map(str::to_owned).ok_or(SopsError::NonStringKey { line }),
        Err(SopsError::Yaml11 { .. }) => Err(SopsError::NonStringKey { line }),
        Err(other) => Err(other),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Node<Plain>, SopsError> {
    if tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str")) {
        return Ok(Node::text(text));
    }
    refuse_tag(tag, line)?;
    if style != ScalarStyle::Plain {
        return Ok(Node::text(text));
    }
    resolve(text).map_err(|BigInteger| SopsError::Yaml11 { what: "an integer beyond 64 bits", line })
}

fn refuse_tag(tag: Option<&Tag>, line: usize) -> Result<(), SopsError> {
    if tag.is_some() { Err(SopsError::Yaml11 { what: "a tag", line }) } else { Ok(()) }
}

/// The position alone: the parser's own words may quote the text, and that may be a secret.
fn yaml(error: &ScanError) -> SopsError {
    SopsError::Syntax { store: "YAML", line: error.marker().line(), column: error.marker().col() + 1 }
}

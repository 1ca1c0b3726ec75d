//! YAML text to documents. Aliases and tags are refused: sops writes files without them.

use std::borrow::Cow;
use std::collections::HashSet;

use granit_parser::{Event, Parser, Placement, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag};

use super::super::error::SopsError;
use super::super::tree::{Branch, Comment, Element, Item, Node, Scalar};
use super::scalar::{Unresolved, resolve};

/// Comments in a row that the parser holds back before it knows whose they are; its default of 96 is less than the
/// licence header of some files.
const MAX_COMMENTS: usize = 10_000;

/// Reads every document of `text`.
pub(crate) fn read(text: &str) -> Result<Vec<Branch<Scalar>>, SopsError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(line) = text.lines().position(is_merge_mark) {
        return Err(SopsError::MergeConflict { line: line + 1 });
    }
    let options = granit_parser::options! { max_buffered_comment_events: MAX_COMMENTS };
    let mut reader = Reader { events: Parser::new_from_str_with_options(text, options) };
    reader.documents()
}

/// git writes these at the beginning of a line; no key or value of a sealed file looks so.
fn is_merge_mark(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), SopsError> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, line_of(&span))),
            Some(Err(error)) => Err(yaml(&error)),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn documents(&mut self) -> Result<Vec<Branch<Scalar>>, SopsError> {
        let mut documents: Vec<Branch<Scalar>> = Vec::new();
        // Comments that stand outside of a document: above the first, below the last.
        let mut loose: Branch<Scalar> = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::Comment(text, _), _) => loose.push(comment(&text, false)),
                (Event::MappingStart(StructureStyle::Flow, ..), _) => {
                    return Err(SopsError::Unsupported { what: "the JSON form of the format".to_owned() });
                }
                (Event::MappingStart(_, _, tag), line) => {
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
            None => return Err(SopsError::NotSealed),
        }
        Ok(documents)
    }

    fn map(&mut self) -> Result<Branch<Scalar>, SopsError> {
        let mut items = Vec::new();
        let mut keys = HashSet::new();
        loop {
            match self.next()? {
                (Event::Comment(text, placement), _) => {
                    let inline =
                        placement == Placement::Right && matches!(items.last(), Some(Item::Pair(..)));
                    items.push(comment(&text, inline));
                }
                (Event::MappingEnd, _) => return Ok(items),
                (Event::Scalar(text, style, _, tag), line) => {
                    let key = key(&text, style, tag.as_deref(), line)?;
                    let mut between = Vec::new();
                    let node = self.value(&mut between)?;
                    if !keys.insert(key.clone()) {
                        return Err(SopsError::DuplicateKey { key, line });
                    }
                    push_pair(&mut items, key, node, between);
                }
                (_, line) => return Err(SopsError::NonStringKey { line }),
            }
        }
    }

    /// The node after a key. Comments between the two are collected in `between`.
    fn value(&mut self, between: &mut Branch<Scalar>) -> Result<Node<Scalar>, SopsError> {
        loop {
            match self.next()? {
                (Event::Comment(text, _), _) => between.push(comment(&text, false)),
                (event, line) => return self.node(event, line),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize) -> Result<Node<Scalar>, SopsError> {
        match event {
            Event::Scalar(text, style, _, tag) => scalar(text, style, tag.as_deref(), line).map(Node::Leaf),
            Event::MappingStart(_, _, tag) => {
                refuse_tag(tag.as_deref(), line)?;
                self.map().map(Node::Map)
            }
            Event::SequenceStart(_, _, tag) => {
                refuse_tag(tag.as_deref(), line)?;
                self.list().map(Node::List)
            }
            Event::Alias(_) => Err(SopsError::Yaml11 { what: "an alias", line }),
            _ => Err(SopsError::Yaml { line, column: 1 }),
        }
    }

    fn list(&mut self) -> Result<Vec<Element<Scalar>>, SopsError> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::Comment(text, _), _) => {
                    elements.push(Element::Comment(Comment {
                        text: Scalar::Str(text.into_owned()),
                        inline: false,
                    }));
                }
                (Event::SequenceEnd, _) => return Ok(elements),
                (event, line) => elements.push(Element::Node(self.node(event, line)?)),
            }
        }
    }
}

/// Comments between a key and its value belong before a scalar's key and to the head of what is nested.
fn push_pair(items: &mut Branch<Scalar>, key: String, node: Node<Scalar>, between: Branch<Scalar>) {
    let node = match node {
        Node::Map(inner) => Node::Map(between.into_iter().chain(inner).collect()),
        Node::List(inner) => {
            let head = between.into_iter().filter_map(|item| match item {
                Item::Comment(comment) => Some(Element::Comment(comment)),
                Item::Pair(..) => None,
            });
            Node::List(head.chain(inner).collect())
        }
        leaf @ Node::Leaf(_) => {
            items.extend(between);
            leaf
        }
    };
    items.push(Item::Pair(key, node));
}

fn comment(text: &str, inline: bool) -> Item<Scalar> {
    Item::Comment(Comment { text: Scalar::Str(text.to_owned()), inline })
}

fn key(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<String, SopsError> {
    // sops writes the merge key of an expanded map so.
    if tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("merge")) && text == "<<" {
        return Ok(text.to_owned());
    }
    match scalar(Cow::Borrowed(text), style, tag, line) {
        Ok(Scalar::Str(text)) => Ok(text),
        Ok(_) | Err(SopsError::Yaml11 { .. }) => Err(SopsError::NonStringKey { line }),
        Err(other) => Err(other),
    }
}

fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    line: usize,
) -> Result<Scalar, SopsError> {
    if tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str")) {
        return Ok(Scalar::Str(text.into_owned()));
    }
    refuse_tag(tag, line)?;
    if style != ScalarStyle::Plain {
        return Ok(Scalar::Str(text.into_owned()));
    }
    resolve(&text).map_err(|unresolved| {
        let what = match unresolved {
            Unresolved::Time => "a date in clear",
            Unresolved::BigInteger => "an integer beyond 64 bits",
        };
        SopsError::Yaml11 { what, line }
    })
}

fn refuse_tag(tag: Option<&Tag>, line: usize) -> Result<(), SopsError> {
    if tag.is_some() { Err(SopsError::Yaml11 { what: "a tag", line }) } else { Ok(()) }
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}

/// The position alone: the parser's own words may quote the text, and that may be a secret.
fn yaml(error: &ScanError) -> SopsError {
    SopsError::Yaml { line: error.marker().line(), column: error.marker().col() + 1 }
}

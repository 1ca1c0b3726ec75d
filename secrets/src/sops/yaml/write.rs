//! Documents to YAML text, laid out as sops lays it out, so that sops' next rewrite changes nothing but values.

use zeroize::Zeroizing;

use super::super::store::{Indent, Parts, SECTION};
use super::super::tree::{Branch, Comment, Element, Item, Node};
use super::super::value::{Kind, Plain};
use super::text::{self, Literal, Out};
use crate::secret::Secret;

/// The longest key, in bytes, that stands in one line with its value. Source: go-yaml v3, `emitterc.go`,
/// `yaml_emitter_check_simple_key`.
const MAX_SIMPLE_KEY: usize = 128;

/// How blocks are indented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Nested blocks begin at multiples of it.
    pub(super) indent: usize,
    /// Whether the dashes of a list stand below their key and not further in.
    pub(super) flush_lists: bool,
}

impl Layout {
    /// Source: sops, stores/yaml/store.go, `IndentDefault`; go-yaml v3, `emitterc.go`, `yaml_emitter_emit_stream_start`
    /// takes what is not 2 to 9 for 2.
    pub(super) fn of(indent: Indent) -> Self {
        let indent = match indent {
            None | Some(0) => 4,
            Some(width @ 2..=9) => usize::from(width),
            Some(_) => 2,
        };
        Self { indent, flush_lists: false }
    }
}

/// Documents as sops prints them.
pub(crate) fn write(documents: &[Branch<Plain>], indent: Indent) -> Secret {
    let mut writer = Writer::new(Layout::of(indent));
    for (index, document) in documents.iter().enumerate() {
        writer.document(index, document, None);
    }
    writer.out.into_secret()
}

/// Sealed documents, each with the section behind its last key.
pub(crate) fn write_sealed(parts: &Parts, indent: Indent) -> String {
    sealed(parts, Layout::of(indent))
}

/// The same in another layout.
pub(super) fn sealed(parts: &Parts, layout: Layout) -> String {
    let mut writer = Writer::new(layout);
    for (index, document) in parts.documents.iter().enumerate() {
        writer.document(index, document, parts.section.as_ref());
    }
    writer.out.into_text()
}

/// A map or a list that is not the whole file.
pub(crate) fn write_nested(node: &Node<Plain>) -> Secret {
    let mut writer = Writer::new(Layout::of(None));
    match node {
        Node::Map(items) if !has_pairs(items) => writer.document(0, items, None),
        Node::Map(items) => writer.map(items, 0),
        Node::List(elements) if elements.is_empty() => writer.out.push_str("[]\n"),
        Node::List(elements) => writer.list(elements, 0),
        Node::Null => writer.out.push_str("null\n"),
        Node::Leaf(plain) => writer.value(&Node::Leaf(plain.duplicate()), 0, 0, None),
    }
    writer.out.into_secret()
}

/// One value, without quotes.
pub(crate) fn value_text(plain: &Plain) -> Secret {
    match plain.kind {
        Kind::Str | Kind::Bytes | Kind::Comment => plain.bytes.duplicate(),
        _ => Secret::from_zeroizing(&text::line(plain)),
    }
}

/// Text in the making. All of its functions write whole lines.
pub(super) struct Writer {
    pub(super) out: Out,
    layout: Layout,
    /// The next line goes on behind a dash or a colon, and its indentation is there already.
    begun: bool,
}

impl Writer {
    pub(super) fn new(layout: Layout) -> Self {
        Self { out: Out::default(), layout, begun: false }
    }

    fn document(&mut self, index: usize, items: &Branch<Plain>, section: Option<&Branch<Plain>>) {
        if index > 0 {
            self.out.push_str("---\n");
        }
        self.map(items, 0);
        match section {
            Some(section) => self.section(section, 0),
            None if !has_pairs(items) => self.out.push_str("{}\n"),
            None => {}
        }
    }

    /// The section as a line of a map at `depth`.
    pub(super) fn section(&mut self, section: &Branch<Plain>, depth: usize) {
        self.line(depth, SECTION);
        self.out.push_str(":\n");
        self.map(section, self.inside(depth));
    }

    /// Where blocks inside one at `depth` begin: the next multiple, also from within a list, whose maps are two further
    /// in. Source: go-yaml v3, `emitterc.go`, `yaml_emitter_increase_indent_compact`.
    pub(super) fn inside(&self, depth: usize) -> usize {
        (depth + self.layout.indent) / self.layout.indent * self.layout.indent
    }

    pub(super) fn map(&mut self, items: &[Item<Plain>], depth: usize) {
        let mut items = items.iter().peekable();
        while let Some(item) = items.next() {
            match item {
                Item::Comment(comment) => {
                    // Behind the value only where it stands directly before the pair and the pair has one line.
                    match items.next_if(|next| matches!(next, Item::Pair(_, node) if takes(comment, node))) {
                        Some(Item::Pair(key, node)) => self.pair(key, node, depth, Some(comment)),
                        _ => self.comment(comment, depth),
                    }
                }
                Item::Pair(key, node) => self.pair(key, node, depth, None),
            }
        }
    }

    pub(super) fn list(&mut self, elements: &[Element<Plain>], depth: usize) {
        let mut elements = elements.iter().peekable();
        while let Some(element) = elements.next() {
            match element {
                Element::Comment(comment) => {
                    match elements
                        .next_if(|next| matches!(next, Element::Node(node) if takes_in_list(comment, node)))
                    {
                        Some(Element::Node(node)) => self.element(node, depth, Some(comment)),
                        _ => self.comment(comment, depth),
                    }
                }
                Element::Node(node) => self.element(node, depth, None),
            }
        }
    }

    pub(super) fn comment(&mut self, comment: &Comment<Plain>, depth: usize) {
        for line in comment.as_str().split(is_break) {
            self.line(depth, "#");
            self.comment_text(line);
            self.out.push_str("\n");
        }
    }

    /// What a reader would refuse (a comment of another store can hold it) is shown as what it is.
    pub(super) fn comment_text(&mut self, text: &str) {
        if text.chars().all(|letter| letter == '\t' || !is_control(letter)) {
            return self.out.push_str(text);
        }
        let shown: String =
            text.chars().map(|letter| if is_control(letter) { '\u{fffd}' } else { letter }).collect();
        self.out.push_str(&Zeroizing::new(shown));
    }

    pub(super) fn pair(
        &mut self,
        key: &str,
        node: &Node<Plain>,
        depth: usize,
        inline: Option<&Comment<Plain>>,
    ) {
        // What a merge key pulled in stands below it; a reader of it merges once more, and finds the same.
        let is_merge = key == "<<" && merges(node);
        if key.len() <= MAX_SIMPLE_KEY && !key.contains('\n') {
            self.line(depth, if is_merge { "!!merge <<" } else { "" });
            if !is_merge {
                self.out.push_str(&text::quoted(key));
            }
            self.out.push_str(":");
            return self.value(node, depth, self.inside(depth), inline);
        }
        self.line(depth, "? ");
        if let Some(literal) = text::literal_text(key) {
            self.literal(&literal, depth, self.inside(depth), None);
        } else {
            self.out.push_str(&text::quoted(key));
            self.out.push_str("\n");
        }
        self.line(depth, ":");
        match node {
            // Behind the colon a comment would be the key's. sops writes it there, and has it above the key from then on.
            Node::Map(items) if has_pairs(items) && !begins_with_comment(node) => {
                let inside = self.inside(depth);
                self.out.spaces(inside - depth - 1);
                self.begun = true;
                self.map(items, inside);
            }
            Node::List(elements) if !elements.is_empty() && !begins_with_comment(node) => {
                let inside = self.inside(depth);
                self.out.spaces(inside - depth - 1);
                self.begun = true;
                self.list(elements, inside);
            }
            other => self.value(other, depth, self.inside(depth), inline),
        }
    }

    /// A line of a map, or of a list where it has no key. The comment stands behind it where that can be.
    pub(super) fn entry(
        &mut self,
        key: Option<&str>,
        node: &Node<Plain>,
        depth: usize,
        inline: Option<&Comment<Plain>>,
    ) {
        let takes = if key.is_some() { takes } else { takes_in_list };
        let behind = inline.filter(|comment| takes(comment, node));
        if let (Some(comment), None) = (inline, behind) {
            self.comment(comment, depth);
        }
        match key {
            Some(key) => self.pair(key, node, depth, behind),
            None => self.element(node, depth, behind),
        }
    }

    fn element(&mut self, node: &Node<Plain>, depth: usize, inline: Option<&Comment<Plain>>) {
        self.line(depth, "-");
        match node {
            Node::Map(items) if has_pairs(items) => {
                self.out.push_str(" ");
                self.begun = true;
                self.map(items, depth + 2);
            }
            Node::List(elements) if !elements.is_empty() => {
                self.out.push_str(" ");
                self.begun = true;
                self.list(elements, depth + 2);
            }
            other => self.value(other, depth, depth + 2, inline),
        }
    }

    /// What stands behind `key:` or `-`, up to the end of its last line. Lines of its own begin at `inside`.
    pub(super) fn value(
        &mut self,
        node: &Node<Plain>,
        depth: usize,
        inside: usize,
        inline: Option<&Comment<Plain>>,
    ) {
        match node {
            Node::Null => self.out.push_str(" null"),
            Node::Leaf(plain) => {
                self.out.push_str(" ");
                if let Some(literal) = text::literal(plain) {
                    return self.literal(&literal, depth, inside, inline);
                }
                self.out.push_str(&text::line(plain));
            }
            Node::Map(items) if items.is_empty() => self.out.push_str(" {}"),
            Node::List(elements) if elements.is_empty() => self.out.push_str(" []"),
            Node::Map(items) if !has_pairs(items) => {
                // Comments alone: they need brackets around them.
                self.out.push_str(" {\n");
                self.map(items, inside);
                self.line(depth, "}");
            }
            Node::Map(items) => {
                self.out.push_str("\n");
                return self.map(items, inside);
            }
            Node::List(elements) if !elements.iter().any(|element| matches!(element, Element::Node(_))) => {
                self.out.push_str(" [\n");
                self.list(elements, inside);
                self.line(depth, "]");
            }
            Node::List(elements) => {
                self.out.push_str("\n");
                // A comment at its end would stand in the column of the map around it.
                let flush = self.layout.flush_lists && !matches!(elements.last(), Some(Element::Comment(_)));
                return self.list(elements, if flush { depth } else { inside });
            }
        }
        self.inline(inline);
        self.out.push_str("\n");
    }

    fn inline(&mut self, inline: Option<&Comment<Plain>>) {
        if let Some(comment) = inline {
            self.out.push_str(" #");
            self.comment_text(comment.as_str());
        }
    }

    fn literal(
        &mut self,
        literal: &Literal<'_>,
        depth: usize,
        inside: usize,
        inline: Option<&Comment<Plain>>,
    ) {
        self.out.push_str(literal.tag);
        self.out.push_str("|");
        if literal.hint {
            self.out.push_str(&(inside - depth).to_string());
        }
        self.out.push_str(literal.chomp);
        self.inline(inline);
        self.out.push_str("\n");
        for line in literal.body.split_inclusive('\n') {
            if line != "\n" {
                self.out.spaces(inside);
            }
            self.out.push_str(line);
        }
        if !literal.body.ends_with('\n') {
            self.out.push_str("\n");
        }
    }

    /// The beginning of a line.
    fn line(&mut self, depth: usize, text: &str) {
        if !std::mem::take(&mut self.begun) {
            self.out.spaces(depth);
        }
        self.out.push_str(text);
    }
}

/// Whether the value has a line that the comment can stand behind. Behind brackets sops takes it for one within them.
pub(super) fn takes(comment: &Comment<Plain>, node: &Node<Plain>) -> bool {
    let one_line = match node {
        Node::Null => true,
        // Of empty lines alone the parser has the comment at their head behind them.
        Node::Leaf(plain) => {
            plain.bytes.is_empty() || plain.bytes.expose_bytes().iter().any(|byte| *byte != b'\n')
        }
        Node::Map(_) | Node::List(_) => false,
    };
    comment.inline && one_line && !comment.as_str().contains(is_break)
}

/// The same in a list, where it is the element's own, brackets or not.
fn takes_in_list(comment: &Comment<Plain>, node: &Node<Plain>) -> bool {
    let is_empty = match node {
        Node::Map(items) => items.is_empty(),
        Node::List(elements) => elements.is_empty(),
        Node::Null | Node::Leaf(_) => false,
    };
    takes(comment, node) || comment.inline && is_empty && !comment.as_str().contains(is_break)
}

/// Whether a line of its own for a comment comes first in a map or a list.
fn begins_with_comment(node: &Node<Plain>) -> bool {
    match node {
        Node::Map(items) => match items.as_slice() {
            [Item::Comment(comment), Item::Pair(_, first), ..] => !takes(comment, first),
            items => matches!(items.first(), Some(Item::Comment(_))),
        },
        Node::List(elements) => match elements.as_slice() {
            [Element::Comment(comment), Element::Node(first), ..] => !takes_in_list(comment, first),
            elements => matches!(elements.first(), Some(Element::Comment(_))),
        },
        Node::Null | Node::Leaf(_) => false,
    }
}

/// Whether a map or a list of maps stands under a merge key; nothing else can.
fn merges(node: &Node<Plain>) -> bool {
    match node {
        Node::Map(_) => true,
        Node::List(elements) => elements.iter().all(|element| matches!(element, Element::Node(Node::Map(_)))),
        Node::Null | Node::Leaf(_) => false,
    }
}

pub(super) fn has_pairs(items: &[Item<Plain>]) -> bool {
    items.iter().any(|item| matches!(item, Item::Pair(..)))
}

/// What ends a line to one reader or another.
pub(super) fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What no reader of YAML takes in a comment.
fn is_control(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

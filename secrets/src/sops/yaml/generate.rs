//! Random documents for the tests: written in random layouts, changed in random places.

use std::fmt::Write as _;

use super::super::store::Parts;
use super::super::tree::{Branch, Comment, Element, Item, Node, duplicate};
use super::super::value::{Kind, Plain};

/// A small generator of numbers: the same seed, the same document.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.roll(count) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    fn name(&mut self) -> String {
        let name = self.pick(&[
            "a", "key", "db", "password", "y", "a b", "x.y", "127", "é", "-", "<", "a: b", "true", "ssh-key",
        ]);
        format!("{name}{}", self.roll(1000))
    }

    pub(super) fn cipher(&mut self) -> String {
        let (data, iv, tag) = (self.0, self.roll(99_999), self.roll(99_999));
        format!("ENC[AES256_GCM,data:{data},iv:{iv}=,tag:{tag}==,type:str]")
    }

    fn leaf(&mut self) -> Node<Plain> {
        let plain = |kind, text: &str| Node::Leaf(Plain { kind, bytes: text.into() });
        match self.roll(14) {
            0 => Node::Null,
            1 => plain(Kind::Int, &self.roll(1 << 40).to_string()),
            2 => plain(Kind::Float, "1.5"),
            3 => plain(Kind::Bool, "True"),
            4 => plain(Kind::Time, "2024-01-02T03:04:05.5Z"),
            5 => Node::text(self.pick(&[
                "", " x", "a\nb", "a\nb\n", "a\n\n", "\n", "# x", "yes", "1_0", "é\u{1}", "a: b", "😀",
                "\tx\ny", "  a\nb", "x\r\ny", "<<",
            ])),
            _ => Node::text(&self.cipher()),
        }
    }

    fn comment(&mut self, inline: bool) -> Comment<Plain> {
        let text = if self.one_in(3) {
            self.pick(&["", " a comment", "x", " # y: z", "!"]).to_owned()
        } else {
            self.cipher()
        };
        Comment::new(&text, inline)
    }

    fn node(&mut self, depth: usize) -> Node<Plain> {
        match self.roll(if depth > 3 { 4 } else { 8 }) {
            4 | 5 => Node::Map(self.branch(depth + 1)),
            6 | 7 => Node::List(self.elements(depth + 1)),
            _ => self.leaf(),
        }
    }

    fn branch(&mut self, depth: usize) -> Branch<Plain> {
        let mut items: Branch<Plain> = Vec::new();
        for _ in 0..=self.roll(4) {
            while self.one_in(5) {
                items.push(Item::Comment(self.comment(false)));
            }
            let (node, name) = (self.node(depth), self.name());
            if items.iter().any(|item| matches!(item, Item::Pair(key, _) if *key == name)) {
                continue;
            }
            if !nested(&node) && self.one_in(5) {
                items.push(Item::Comment(self.comment(true)));
            }
            items.push(Item::Pair(name, node));
        }
        if matches!(items.last(), Some(Item::Comment(_))) {
            items.push(Item::Pair("last".to_owned(), Node::Null));
        }
        items
    }

    fn elements(&mut self, depth: usize) -> Vec<Element<Plain>> {
        let mut elements = Vec::new();
        for _ in 0..self.roll(4) {
            if self.one_in(6) {
                elements.push(Element::Comment(self.comment(false)));
            }
            let node = self.node(depth);
            if !nested(&node) && self.one_in(6) {
                elements.push(Element::Comment(self.comment(true)));
            }
            elements.push(Element::Node(node));
        }
        elements
    }

    pub(super) fn section(&mut self) -> Branch<Plain> {
        let text = |name: &str, text: &str| Item::Pair(name.to_owned(), Node::text(text));
        let stanza = vec![text("enc", "-----BEGIN\nabc\n-----END\n"), text("recipient", "age1xyz")];
        vec![
            Item::Pair("age".to_owned(), Node::List(vec![Element::Node(Node::Map(stanza))])),
            text("lastmodified", &format!("2026-11-21T03:02:{}Z", 10 + self.roll(49))),
            text("mac", &self.cipher()),
            text("version", "3.13.2"),
        ]
    }
}

pub(super) fn nested(node: &Node<Plain>) -> bool {
    match node {
        Node::Map(items) => !items.is_empty(),
        Node::List(elements) => !elements.is_empty(),
        _ => false,
    }
}

/// A layout that sops would not write.
struct Foreign<'d> {
    dice: &'d mut Dice,
    out: String,
    indent: usize,
    flush: bool,
    blank_lines: bool,
    flow: bool,
}

impl Foreign<'_> {
    fn line(&mut self, depth: usize) {
        if self.out.ends_with('\n') || self.out.is_empty() {
            let _ = write!(self.out, "{:depth$}", "");
        }
    }

    /// An empty line; below a comment it would say that the comment is of the lines above.
    fn gap(&mut self) {
        let above = self.out.lines().next_back().unwrap_or_default().trim_start();
        if self.blank_lines
            && self.out.ends_with('\n')
            && !above.is_empty()
            && !above.starts_with('#')
            && self.dice.one_in(4)
        {
            self.out.push('\n');
        }
    }

    fn scalar(&mut self, node: &Node<Plain>, flow: bool) -> String {
        let Node::Leaf(plain) = node else { return "null".to_owned() };
        let text = String::from_utf8_lossy(plain.bytes.expose_bytes()).into_owned();
        match plain.kind {
            Kind::Str if !flow && self.dice.one_in(2) && text.starts_with("ENC") => format!("'{text}'"),
            Kind::Str if flow || self.dice.one_in(3) => super::text::flow_quoted(&text),
            Kind::Str => super::quoted(&text).into_owned(),
            _ => super::text::line(plain).to_string(),
        }
    }

    fn map(&mut self, items: &Branch<Plain>, depth: usize) {
        let mut inline = None;
        for item in items {
            match item {
                Item::Comment(comment) if comment.inline => inline = Some(comment),
                Item::Comment(comment) => {
                    self.line(depth);
                    let _ = writeln!(self.out, "#{}", comment.as_str());
                }
                Item::Pair(key, node) => {
                    self.gap();
                    self.line(depth);
                    let key = if self.dice.one_in(4) {
                        super::text::flow_quoted(key)
                    } else {
                        super::quoted(key).into_owned()
                    };
                    let blank = if self.dice.one_in(5) { " " } else { "" };
                    let _ = write!(self.out, "{key}{blank}:");
                    self.value(node, depth, inline.take(), true);
                }
            }
        }
    }

    fn value(&mut self, node: &Node<Plain>, depth: usize, inline: Option<&Comment<Plain>>, in_map: bool) {
        let blanks = if self.dice.one_in(6) { "  " } else { " " };
        match node {
            Node::Map(items) if nested(node) && !self.as_flow(node) => {
                if in_map {
                    self.out.push('\n');
                } else {
                    self.out.push(' ');
                }
                self.map(items, if in_map { depth + self.indent } else { depth + 2 });
            }
            Node::List(elements) if nested(node) && !self.as_flow(node) => {
                if in_map {
                    self.out.push('\n');
                } else {
                    self.out.push(' ');
                }
                let inside = match (in_map, self.flush) {
                    (true, true) if !matches!(elements.last(), Some(Element::Comment(_))) => depth,
                    (true, _) => depth + self.indent,
                    (false, _) => depth + 2,
                };
                self.list(elements, inside);
            }
            other => {
                let text = self.flow_text(other, false);
                let _ = write!(self.out, "{blanks}{text}");
                if let Some(comment) = inline {
                    let _ = write!(self.out, "{blanks}#{}", comment.as_str());
                }
                self.out.push('\n');
            }
        }
    }

    fn list(&mut self, elements: &[Element<Plain>], depth: usize) {
        let mut inline = None;
        for element in elements {
            match element {
                Element::Comment(comment) if comment.inline => inline = Some(comment),
                Element::Comment(comment) => {
                    self.line(depth);
                    let _ = writeln!(self.out, "#{}", comment.as_str());
                }
                Element::Node(node) => {
                    self.gap();
                    self.line(depth);
                    self.out.push('-');
                    self.value(node, depth, inline.take(), false);
                }
            }
        }
    }

    /// Whether it is written between brackets: it must hold no comment.
    fn as_flow(&mut self, node: &Node<Plain>) -> bool {
        fn bare(node: &Node<Plain>) -> bool {
            match node {
                Node::Map(items) => {
                    items.iter().all(|item| matches!(item, Item::Pair(_, node) if bare(node)))
                }
                Node::List(elements) => {
                    elements.iter().all(|one| matches!(one, Element::Node(node) if bare(node)))
                }
                _ => true,
            }
        }
        self.flow && self.dice.one_in(2) && bare(node)
    }

    fn flow_text(&mut self, node: &Node<Plain>, inside: bool) -> String {
        match node {
            Node::Map(items) => {
                let pairs: Vec<String> = items
                    .iter()
                    .filter_map(|item| match item {
                        Item::Pair(key, node) => {
                            Some(format!("{}: {}", super::text::flow_quoted(key), self.flow_text(node, true)))
                        }
                        Item::Comment(_) => None,
                    })
                    .collect();
                format!("{{{}}}", pairs.join(", "))
            }
            Node::List(elements) => {
                let nodes: Vec<String> = elements
                    .iter()
                    .filter_map(|element| match element {
                        Element::Node(node) => Some(self.flow_text(node, true)),
                        Element::Comment(_) => None,
                    })
                    .collect();
                format!("[{}]", nodes.join(",  "))
            }
            leaf => self.scalar(leaf, inside),
        }
    }
}

/// The documents in some layout.
pub(super) fn foreign(dice: &mut Dice, parts: &Parts) -> String {
    let section = Item::Pair("sops".to_owned(), Node::Map(duplicate(parts.section.as_ref().unwrap())));
    let (indent, flush) = ([2, 4, 8, 3][dice.roll(4)], dice.one_in(2));
    let (blank_lines, flow) = (dice.one_in(2), dice.one_in(2));
    let mut writer = Foreign { out: String::new(), indent, flush, blank_lines, flow, dice };
    for (index, document) in parts.documents.iter().enumerate() {
        if index > 0 {
            writer.out.push_str("---\n");
        }
        let mut items = duplicate(document);
        // Behind a comment at the end nothing says whose it is.
        let at = if writer.dice.one_in(4) { 0 } else { items.len() };
        items.insert(at, Item::Pair("sops".to_owned(), Node::Null));
        items[at] = match &section {
            Item::Pair(key, node) => Item::Pair(key.clone(), node.duplicate()),
            Item::Comment(_) => unreachable!(),
        };
        writer.map(&items, 0);
    }
    writer.out
}

pub(super) fn parts(dice: &mut Dice) -> Parts {
    let count = if dice.one_in(5) { 2 } else { 1 };
    let documents = (0..count).map(|_| dice.branch(0)).collect();
    Parts { documents, section: Some(dice.section()) }
}

pub(super) fn copy(parts: &Parts) -> Parts {
    Parts {
        documents: parts.documents.iter().map(duplicate).collect(),
        section: parts.section.as_ref().map(duplicate),
    }
}

/// Changes something somewhere.
pub(super) fn edit(dice: &mut Dice, items: &mut Branch<Plain>) {
    let deeper: Vec<usize> =
        (0..items.len()).filter(|at| matches!(&items[*at], Item::Pair(_, node) if nested(node))).collect();
    if !deeper.is_empty() && dice.one_in(2) {
        let at = deeper[dice.roll(deeper.len())];
        match &mut items[at] {
            Item::Pair(_, Node::Map(inner)) => return edit(dice, inner),
            Item::Pair(_, Node::List(inner)) => return edit_list(dice, inner),
            _ => {}
        }
    }
    let at = dice.roll(items.len() + 1);
    match dice.roll(6) {
        0 => items.insert(at, Item::Pair(format!("new{}", dice.roll(1_000_000)), dice.node(2))),
        1 if items.len() > 2 && at < items.len() => drop(items.remove(at)),
        2 => items.insert(at, Item::Comment(dice.comment(false))),
        3 if at < items.len() => {
            if let Item::Pair(key, _) = &mut items[at] {
                key.push_str("renamed");
            }
        }
        _ => {
            if let Some(Item::Pair(_, node)) = items.get_mut(at) {
                *node = if dice.one_in(3) { dice.node(2) } else { Node::text(&dice.cipher()) };
            }
        }
    }
    normal(items);
}

fn edit_list(dice: &mut Dice, elements: &mut Vec<Element<Plain>>) {
    let at = dice.roll(elements.len() + 1);
    if let Some(Element::Node(Node::Map(items))) = elements.get_mut(at)
        && !items.is_empty()
        && dice.one_in(2)
    {
        return edit(dice, items);
    }
    match dice.roll(4) {
        0 => elements.insert(at, Element::Node(dice.node(2))),
        1 if at < elements.len() => drop(elements.remove(at)),
        _ => {
            if let Some(Element::Node(node)) = elements.get_mut(at) {
                *node = dice.node(2);
            }
        }
    }
}

/// Some value below an inline comment, so that the text has a place for it.
fn normal(items: &mut Branch<Plain>) {
    if !items.iter().any(|item| matches!(item, Item::Pair(..))) {
        items.push(Item::Pair("last".to_owned(), Node::Null));
    }
}

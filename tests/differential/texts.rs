//! Plaintext files of every store, as odd as people's: types, quotes, comments, layouts, letters of all kinds.

use std::fmt::Write as _;

use quorate_secrets::sops::Store;

use super::random::Random;
use super::words::{COMMENTS, KEYS, TEXTS, WORDS, YAML_WORDS};
use super::yaml;

/// What a file holds, whatever store it is written in.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    /// As it stands in YAML and JSON alike, or in YAML alone: numbers, `true`, `null`, dates.
    Word(&'static str),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// What selects the values that are encrypted: one of the six rules, or none.
pub(crate) const SELECTORS: &[Option<(&str, &str)>] = &[
    None,
    None,
    Some(("unencrypted_suffix", "_unencrypted")),
    Some(("encrypted_suffix", "_enc")),
    Some(("unencrypted_regex", "^(a|key|é)$")),
    Some(("encrypted_regex", "^(a|b|database)$")),
    Some(("encrypted_comment_regex", "^ secret")),
    Some(("unencrypted_comment_regex", "^ leave")),
];

impl Tree {
    /// The contents of a file of this store.
    pub(crate) fn random(random: &mut Random, store: Store) -> Self {
        match store {
            Store::Yaml | Store::Json | Store::Binary => map(random, store, 0),
            Store::Dotenv => flat(random),
            Store::Ini => Self::Map(keys(random, 4).into_iter().map(|key| (key, flat(random))).collect()),
        }
    }

    /// The same with one change: another value somewhere, one more, one less.
    pub(crate) fn changed(&self, random: &mut Random, store: Store) -> Self {
        let mut tree = self.clone();
        tree.change(random, store, 0);
        tree
    }

    fn change(&mut self, random: &mut Random, store: Store, depth: usize) {
        let sections = store == Store::Ini && depth == 0;
        match self {
            Self::Map(pairs) if !pairs.is_empty() && (sections || !random.once_in(4)) => {
                let at = random.below(pairs.len());
                pairs[at].1.change(random, store, depth + 1);
            }
            Self::Map(pairs) if pairs.len() > 1 && random.once_in(2) => {
                pairs.remove(random.below(pairs.len()));
            }
            Self::Map(pairs) => {
                let key = format!("new{}", pairs.len());
                let value = if sections { flat(random) } else { Self::Text("added".to_owned()) };
                pairs.push((key, value));
            }
            Self::List(elements) if !elements.is_empty() && random.once_in(2) => {
                let at = random.below(elements.len());
                elements[at].change(random, store, depth + 1);
            }
            Self::List(elements) => {
                elements.insert(random.below(elements.len() + 1), Self::Text("in".to_owned()));
            }
            leaf => *leaf = Self::Text(text(random)),
        }
    }

    /// As a file of the store.
    pub(crate) fn print(&self, random: &mut Random, store: Store) -> String {
        let mut out = String::new();
        match store {
            Store::Yaml => yaml::map(self, random, 0, &mut out),
            Store::Json | Store::Binary => {
                json(self, random, &mut out);
                out.push('\n');
            }
            Store::Dotenv => {
                for (key, value) in self.pairs() {
                    if random.once_in(4) {
                        writeln!(out, "#{}", random.pick(COMMENTS)).expect("a string");
                    }
                    let value = value.as_text().replace('\n', "\\n");
                    let gap = if random.once_in(8) { "\n" } else { "" };
                    writeln!(out, "{gap}{key}={value}").expect("a string");
                }
            }
            Store::Ini => ini(self, random, &mut out),
        }
        out
    }

    pub(super) fn pairs(&self) -> &[(String, Self)] {
        match self {
            Self::Map(pairs) => pairs,
            _ => &[],
        }
    }

    fn as_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Word(word) => word,
            Self::List(_) | Self::Map(_) => "",
        }
    }
}

/// Several YAML documents.
pub(crate) fn documents(trees: &[Tree], random: &mut Random) -> String {
    let texts: Vec<_> = trees.iter().map(|tree| tree.print(random, Store::Yaml)).collect();
    texts.join("---\n")
}

fn text(random: &mut Random) -> String {
    random.pick(TEXTS).to_owned()
}

/// Different ones, in any order.
fn keys(random: &mut Random, most: usize) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..=random.below(most) {
        let key = if random.once_in(2) { random.pick(&KEYS[..5]) } else { random.pick(KEYS) };
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    keys
}

fn flat(random: &mut Random) -> Tree {
    Tree::Map(keys(random, 5).into_iter().map(|key| (key, Tree::Text(text(random)))).collect())
}

fn map(random: &mut Random, store: Store, depth: usize) -> Tree {
    if depth > 0 && random.once_in(8) {
        return Tree::Map(Vec::new());
    }
    Tree::Map(keys(random, 5).into_iter().map(|key| (key, value(random, store, depth + 1))).collect())
}

fn value(random: &mut Random, store: Store, depth: usize) -> Tree {
    match random.below(if depth > 4 { 7 } else { 10 }) {
        0..=3 => Tree::Text(text(random)),
        4 if store == Store::Yaml => Tree::Word(random.pick(YAML_WORDS)),
        4..=6 => Tree::Word(random.pick(WORDS)),
        7 => Tree::List((0..random.below(4)).map(|_| value(random, store, depth + 1)).collect()),
        _ => map(random, store, depth),
    }
}

fn json(tree: &Tree, random: &mut Random, out: &mut String) {
    let gap = |random: &mut Random| random.pick(&["", "", " ", "\n", "\n\t"]);
    match tree {
        Tree::Word(word) => out.push_str(word),
        Tree::Text(text) => out.push_str(&quoted(text)),
        Tree::List(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(gap(random));
                json(element, random, out);
                out.push_str(gap(random));
            }
            out.push(']');
        }
        Tree::Map(pairs) => {
            out.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(gap(random));
                write!(out, "{}{}:{}", quoted(key), gap(random), gap(random)).expect("a string");
                json(value, random, out);
                out.push_str(gap(random));
            }
            out.push('}');
        }
    }
}

/// In double quotes, as JSON and YAML both read it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text)
        .expect("a string is JSON")
        .replace('\u{7f}', "\\u007f")
        .replace('\u{85}', "\\u0085")
        .replace('\u{feff}', "\\ufeff")
        .replace('\u{2028}', "\\u2028")
}

fn ini(tree: &Tree, random: &mut Random, out: &mut String) {
    for (name, section) in tree.pairs() {
        if name.is_empty() {
            continue;
        }
        if random.once_in(4) {
            writeln!(out, "{}{}", random.pick(&["; ", "#", ";"]), random.pick(&COMMENTS[..4]))
                .expect("a string");
        }
        writeln!(out, "[{name}]").expect("a string");
        for (key, value) in section.pairs() {
            // Such a line would be another: a comment, a section.
            if key.trim().is_empty() || key.contains(['`', '#', ';']) || key.starts_with('[') {
                continue;
            }
            if random.once_in(4) {
                writeln!(out, "; {}", random.pick(&["c", "two words", "secret", "leave: this"]))
                    .expect("a string");
            }
            let key = if key.contains(['=', ':', '"']) { format!("`{key}`") } else { key.clone() };
            let separator = random.pick(&["=", " = ", ": ", "  =  "]);
            writeln!(out, "{key}{separator}{}", ini_value(value.as_text(), random)).expect("a string");
        }
        let gap: &str = random.pick(&["", "\n", "\n\n"]);
        out.push_str(gap);
    }
}

fn ini_value(text: &str, random: &mut Random) -> String {
    let bare = text.trim() == text && !text.contains(['\n', '\r', '#', ';', '"', '\'', '`', '\\']);
    match random.below(3) {
        0 if bare => text.to_owned(),
        1 if bare => format!("\"{text}\""),
        _ if !text.contains('`') => format!("`{text}`"),
        _ => format!("\"\"\"{text}\"\"\""),
    }
}

//! Plaintext files of every store, as odd as people's: types, quotes, comments, layouts, letters of all kinds.

use std::fmt::Write as _;

use quorate_secrets::sops::Store;

use super::random::Random;

/// What a file holds, whatever store it is written in.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    /// As it stands in YAML and JSON alike, or in YAML alone: numbers, `true`, `null`, dates.
    Word(&'static str),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// Text that some store, or a person, could take for something else.
const TEXTS: &[&str] = &[
    "",
    " ",
    " x ",
    "x",
    "hunter2",
    "yes",
    "null",
    "~",
    "1",
    "1.5",
    "0x1F",
    "017",
    "2024-01-02",
    "true",
    "No",
    "=",
    "<<",
    "a: b",
    "a:",
    ": a",
    "- a",
    "-",
    "--",
    "---",
    "...",
    "?",
    "? a",
    "# c",
    "a #b",
    "a#b",
    ";x",
    "a;b",
    "!tag",
    "*a",
    "&a",
    "{a}",
    "[a]",
    "{",
    "]",
    "%",
    "@",
    "`",
    "a`b",
    "|",
    ">",
    ",",
    "\"",
    "\"q\"",
    "'",
    "'s'",
    "it's",
    "\"\"\"",
    "a\"b'c`d",
    "\\",
    "C:\\",
    "\\t",
    "é",
    "\u{1f600}",
    "日本語",
    "line\nline",
    "\n",
    "\n\n",
    "end\n",
    "ends\n\n",
    "  lead\nx",
    "x\n  y\n",
    "x\n\n\ny",
    "tab\there",
    "\ttab",
    "x \n y",
    "\r\n",
    "a\rb",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{a0}",
    "\u{2028}",
    "\u{feff}x",
    "\u{fffd}",
    "<>&",
    "a=b",
    "ENC[",
    "ENC[AES256_GCM,data:x]",
    "=ENC[",
    "e1",
    "1e3",
    "1_000",
    ".5",
    "+1",
    "0o7",
    "-----BEGIN KEY-----\nAAAA\nBBBB==\n-----END KEY-----\n",
    "a text that is long enough for a writer that folds its lines at eighty columns to think about it, twice",
    "word word word word word word word word word word word word word word word word\nword word word word word",
];

const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "key",
    "database",
    "x_unencrypted",
    "y_enc",
    "with space",
    "é",
    "a.b",
    "a:b",
    "1",
    "1.5",
    "true",
    "null",
    "yes",
    "UPPER",
    "under_score",
    "dash-ed",
    "\"quoted\"",
    "it's",
    "sops2",
    "~",
    "- x",
    "#k",
    "k #",
    "0x1",
    "2024-01-02",
    "a=b",
    "[k]",
    "{k}",
    "",
    " ",
    "tab\t",
    "*k",
    "!k",
    "k:",
    "%k",
    "a key of many words that is as long as a sentence would be, and then some",
];

/// Values that are no strings, in YAML and JSON.
const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "42",
    "9007199254740993",
    "-9223372036854775808",
    "9223372036854775807",
    "1.5",
    "-2.25",
    "1.0",
    "1e3",
    "1.5e300",
    "1e-7",
    "0.000001",
    "123456789.125",
    "1e21",
    "true",
    "false",
    "null",
    "-0.0",
    "100000.0",
    "1e20",
];

/// And in YAML alone.
const YAML_WORDS: &[&str] = &[
    "~",
    "0x1F",
    "0o17",
    "017",
    "0b11",
    "1_000",
    "08",
    ".5",
    "5.",
    "+1",
    ".inf",
    "-.inf",
    ".nan",
    "True",
    "FALSE",
    "Null",
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    "2024-01-02 03:04:05",
    "2024-01-02T03:04:05.5+02:00",
    "yes",
    "on",
    "1.2.3",
    "!!str 5",
    "!!binary aGVsbG8=",
    "!!float 3",
    "!!int \"7\"",
];

const COMMENTS: &[&str] = &[
    " c",
    "c",
    "",
    " two words",
    " é",
    " # twice",
    " a: b",
    " - x",
    " ENC[",
    " secret",
    " leave: this",
    "!",
    " 'x",
];

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
                elements.insert(random.below(elements.len() + 1), Self::Text("in".to_owned()))
            }
            leaf => *leaf = Self::Text(text(random)),
        }
    }

    /// As a file of the store.
    pub(crate) fn print(&self, random: &mut Random, store: Store) -> String {
        let mut out = String::new();
        match store {
            Store::Yaml => yaml_map(self, random, 0, &mut out),
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

    fn pairs(&self) -> &[(String, Self)] {
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
    (*random.pick(TEXTS)).to_owned()
}

/// Different ones, in any order.
fn keys(random: &mut Random, most: usize) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..=random.below(most) {
        let key = if random.once_in(2) { random.pick(&KEYS[..5]) } else { random.pick(KEYS) };
        if !keys.iter().any(|known| known == key) {
            keys.push((*key).to_owned());
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
        4 if store == Store::Yaml => Tree::Word(*random.pick(YAML_WORDS)),
        4..=6 => Tree::Word(*random.pick(WORDS)),
        7 => Tree::List((0..random.below(4)).map(|_| value(random, store, depth + 1)).collect()),
        _ => map(random, store, depth),
    }
}

fn json(tree: &Tree, random: &mut Random, out: &mut String) {
    let gap = |random: &mut Random| *random.pick(&["", "", " ", "\n", "\n\t"]);
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
fn quoted(text: &str) -> String {
    serde_json::to_string(text)
        .expect("a string is JSON")
        .replace('\u{7f}', "\\u007f")
        .replace('\u{85}', "\\u0085")
        .replace('\u{feff}', "\\ufeff")
        .replace('\u{2028}', "\\u2028")
}

/// Whether YAML takes it for this very string without quotes.
fn is_plain(text: &str) -> bool {
    let is_word = text.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_');
    is_word && !matches!(text.to_lowercase().as_str(), "" | "null" | "true" | "false")
}

fn yaml_scalar(text: &str, random: &mut Random, depth: usize) -> String {
    let printable =
        !text.contains(|letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{feff}'));
    match random.below(3) {
        0 if is_plain(text) => text.to_owned(),
        1 if printable => format!("'{}'", text.replace('\'', "''")),
        2 if is_block(text) => {
            let indent = "  ".repeat(depth + 1);
            let sign = if text.ends_with('\n') { "|" } else { "|-" };
            let lines: Vec<_> = text.trim_end_matches('\n').split('\n').collect();
            let lines = lines
                .iter()
                .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
            format!("{sign}\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
        _ => quoted(text),
    }
}

/// Whether it can stand as a block of lines, with at most one line feed at its end.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    let odd =
        |letter: char| (letter.is_control() && letter != '\n') || matches!(letter, '\u{2028}' | '\u{feff}');
    lines.contains('\n') && !lines.ends_with('\n') && !lines.starts_with([' ', '\n']) && !lines.contains(odd)
}

fn comment(random: &mut Random, depth: usize, out: &mut String) {
    writeln!(out, "{}#{}", "  ".repeat(depth), random.pick(COMMENTS)).expect("a string");
}

fn yaml_map(tree: &Tree, random: &mut Random, depth: usize, out: &mut String) {
    for (key, value) in tree.pairs() {
        while random.once_in(6) {
            comment(random, depth, out);
        }
        let key = match random.below(2) {
            0 if is_plain(key) => key.clone(),
            _ => quoted(key),
        };
        write!(out, "{}{key}:", "  ".repeat(depth)).expect("a string");
        yaml_value(value, random, depth, out);
    }
    if depth == 0 && tree.pairs().is_empty() {
        out.push_str("{}\n");
    }
    if random.once_in(8) {
        comment(random, depth, out);
    }
}

/// What stands behind `key:` or `-`, the end of the line included.
fn yaml_value(value: &Tree, random: &mut Random, depth: usize, out: &mut String) {
    match value {
        Tree::Word(word) => write!(out, " {word}").expect("a string"),
        Tree::Text(text) => write!(out, " {}", yaml_scalar(text, random, depth)).expect("a string"),
        Tree::List(elements) if elements.is_empty() => out.push_str(" []"),
        Tree::Map(pairs) if pairs.is_empty() => out.push_str(" {}"),
        Tree::List(elements) => {
            out.push('\n');
            for element in elements {
                if random.once_in(6) {
                    // An empty one sops makes an empty string of.
                    comment(random, depth + 1, out);
                    if out.ends_with("#\n") {
                        out.truncate(out.len() - 1);
                        out.push_str(" x\n");
                    }
                }
                write!(out, "{}-", "  ".repeat(depth + 1)).expect("a string");
                yaml_value(element, random, depth + 1, out);
            }
            return;
        }
        Tree::Map(_) => {
            out.push('\n');
            return yaml_map(value, random, depth + 1, out);
        }
    }
    let in_list = out.lines().last().is_some_and(|line| line.trim_start().starts_with("- "));
    let is_block = out.lines().last().is_some_and(|line| !line.contains([':', '-'])) || out.ends_with('\n');
    if random.once_in(8) && !is_block && !matches!(value, Tree::Text(text) if text.contains('\n')) {
        let comment = random.pick(COMMENTS);
        write!(out, " #{}", if in_list && comment.is_empty() { " x" } else { comment }).expect("a string");
    }
    out.push('\n');
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
        let gap: &str = *random.pick(&["", "\n", "\n\n"]);
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

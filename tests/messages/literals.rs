//! Every sentence that the sources hold: string literals out of Rust and Nix, without comments, attributes and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A string literal, its escapes undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    /// `src/error.rs`
    pub(crate) file: String,
    /// From 1: where it begins.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Tables whose sentences are for those who read them: the reasons of rules, the sources of kinds, the comments of the
/// files that `pki init` writes, and what `pki router` is asked for, which has goldens of its own.
const FOR_READERS: &[&str] = &[
    "pki/src/authority.rs",
    "pki/src/cluster/rules.rs",
    "pki/src/kinds.rs",
    "pki/src/password.rs",
    "src/init/host.rs",
    "src/init/machines.rs",
    "pki/src/password.rs",
    "src/router/bird.rs",
    "src/router/frr.rs",
    "src/router/head.rs",
    "src/router/routeros.rs",
    "src/router/vyos.rs",
];

/// Every sentence of the three packages, in the order of their files.
/// Where texts stand that are written into modules or printed for routers, and nothing that anybody is told.
const EMITTED: &[&str] = &["src/modules/", "src/router/"];

pub(crate) fn sentences() -> Vec<Literal> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "pki/src", "secrets/src"] {
        below(&root.join(folder), &mut files);
    }
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if FOR_READERS.contains(&file.as_str()) || EMITTED.iter().any(|folder| file.starts_with(folder)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let literals = if is(&path, "nix") { of_nix(&text) } else { of_rust(&text) };
        let shown = literals.into_iter().filter(|(_, text)| is_sentence(text));
        found.extend(shown.map(|(line, text)| Literal { file: file.clone(), line, text }));
    }
    found
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|own| own == ending)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                below(&path, files);
            }
        } else if name != "tests.rs" && (is(&path, "rs") || is(&path, "nix")) {
            files.push(path);
        }
    }
}

/// Two words of the language beside each other, once the placeholders are out: what no key, path or command is.
fn is_sentence(text: &str) -> bool {
    let pieces = pieces(text);
    let words = pieces.iter().flat_map(|piece| piece.split([' ', '\n']));
    let words = words.map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation()));
    let is_word = |word: &str| {
        word.len() > 1
            && word.chars().all(|c| c.is_ascii_alphabetic() || c == '\'' || c == '-')
            && word.chars().skip(1).any(|c| c.is_ascii_lowercase())
    };
    text.contains(' ') && words.filter(|word| is_word(word)).count() >= 2
}

/// What stands between the placeholders of a format string, blanks of every kind as one.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            pieces.last_mut().unwrap().push(letter);
            rest = after;
        } else if let Some(after) = placeholder(rest) {
            pieces.push(String::new());
            rest = after;
        } else {
            pieces.last_mut().unwrap().push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    pieces.iter().map(|piece| one_blank(piece)).collect()
}

/// What follows `{}`, `{name}` or `{name:>width$}`, which begins the text; a set of Nix, `{ a = 1; }`, is none. In Nix
/// it is `${name}`.
fn placeholder(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${").or_else(|| text.strip_prefix('{'))?;
    let (inside, after) = inner.split_once('}')?;
    let name = inside.split(':').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let simple = name.chars().all(fits) && !inside.contains([' ', ';', '\n']);
    (simple || text.starts_with("${")).then_some(after)
}

/// The text with every run of blanks and line breaks as one blank.
pub(crate) fn one_blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let letter = if letter.is_whitespace() { ' ' } else { letter };
        if letter != ' ' || !out.ends_with(' ') {
            out.push(letter);
        }
    }
    out
}

/// `throw "..."` of a Nix file: the only texts of it that people see.
fn of_nix(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some((_, after)) = line.split_once("throw \"")
            && let Some((message, _)) = after.rsplit_once('"')
        {
            found.push((number + 1, message.to_owned()));
        }
    }
    found
}

/// The string literals of a Rust file with their lines, without those in comments, attributes and test modules.
pub(crate) fn of_rust(text: &str) -> Vec<(usize, String)> {
    let mut lexer = Lexer { text, at: 0, found: Vec::new() };
    while lexer.step() {}
    lexer.found
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    found: Vec<(usize, String)>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over one token, or over one letter of it. `false` at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(letter) = rest.chars().next() else { return false };
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if rest.starts_with("#[") || rest.starts_with("#![") {
            self.attribute();
        } else if let Some(marks) = raw_marks(rest) {
            self.raw(marks);
        } else if letter == '"' {
            self.string();
        } else if letter == '\'' {
            self.at += quoted_letter(rest);
        } else if letter.is_alphanumeric() || letter == '_' {
            // A whole name, so that none of its letters begins a raw string.
            self.at += rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        } else {
            self.at += letter.len_utf8();
        }
        true
    }

    /// `#[...]`; what `#[cfg(test)]` stands before goes with it.
    fn attribute(&mut self) {
        let is_test = self.rest().starts_with("#[cfg(test)]");
        let kept = self.found.len();
        // Past the mark, or this would be called again for ever.
        self.at += 1;
        self.group('[', ']');
        if is_test {
            let item = self.rest();
            if item.find(';').is_some_and(|end| item.find('{').is_none_or(|brace| end < brace)) {
                self.at += item.find(';').unwrap_or(0);
            } else {
                self.group('{', '}');
            }
        }
        self.found.truncate(kept);
    }

    /// To the end of the next group in these brackets.
    fn group(&mut self, open: char, close: char) {
        let mut depth = 0_usize;
        loop {
            let next = self.rest().chars().next();
            if !self.step() {
                return;
            }
            if next == Some(open) {
                depth += 1;
            } else if next == Some(close) {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
        }
    }

    fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn raw(&mut self, marks: usize) {
        let line = self.line();
        let start = self.at + marks + 2;
        let end = format!("\"{}", "#".repeat(marks));
        let length = self.text[start..].find(&end).unwrap_or(self.text.len() - start);
        self.found.push((line, self.text[start..start + length].to_owned()));
        self.at = (start + length + end.len()).min(self.text.len());
    }

    fn string(&mut self) {
        let line = self.line();
        let mut out = String::new();
        let mut letters = self.rest()[1..].char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter == '"' {
                self.at += at + 2;
                self.found.push((line, out));
                return;
            }
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                Some((_, '\n')) => {
                    // A line that goes on: its break and the blanks after it are nothing.
                    let mut ahead = letters.clone();
                    while ahead.next().is_some_and(|(_, c)| c.is_whitespace()) {
                        letters.next();
                    }
                }
                Some((_, 'n' | 't' | 'r')) => out.push(' '),
                Some((_, 'x')) => {
                    let code: String = letters.by_ref().take(2).map(|(_, c)| c).collect();
                    out.extend(u8::from_str_radix(&code, 16).ok().map(char::from));
                }
                Some((_, 'u')) => {
                    let code: String = letters.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').collect();
                    let code = u32::from_str_radix(code.trim_start_matches('{'), 16).ok();
                    out.extend(code.and_then(char::from_u32));
                }
                Some((_, other)) => out.push(other),
                None => break,
            }
        }
        self.at = self.text.len();
    }
}

/// How many `#` the raw string has that begins here.
fn raw_marks(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let marks = after.len() - after.trim_start_matches('#').len();
    after[marks..].starts_with('"').then_some(marks)
}

/// The length of `'x'` or `'\n'`, or of the mark alone before a lifetime.
fn quoted_letter(rest: &str) -> usize {
    let inner = &rest[1..];
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map_or(1, |end| end + 4);
    }
    let Some(letter) = inner.chars().next() else { return 1 };
    if inner[letter.len_utf8()..].starts_with('\'') { letter.len_utf8() + 2 } else { 1 }
}

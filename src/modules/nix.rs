//! Nix as it is written: values, option paths, and a printer that leaves a text as nixfmt would.
//!
//! Only what emitted modules need. A module is a list of settings, `path = value`, in the order in which they were
//! made; settings that begin alike stand in one set.

use std::fmt::Write as _;

/// The longest line that nixfmt leaves on one line.
const WIDTH: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nix {
    /// A string on one line.
    Str(String),
    /// An indented string, line by line; nothing in it is evaluated.
    Lines(Vec<String>),
    /// An integer.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// A simple expression, as it is written: a path, a name, a selection.
    Expr(String),
    /// A list.
    List(Vec<Self>),
    /// A set.
    Set(Settings),
    /// A function and its argument.
    Apply(&'static str, Box<Self>),
    /// `lib.mkIf` of an expression.
    If(&'static str, Box<Self>),
}

/// A value that is stronger than nixpkgs' own `mkDefault` (1000) and weaker than what a user writes (100).
pub fn default(value: impl Into<Nix>) -> Nix {
    Nix::Apply(DEFAULT, Box::new(value.into()))
}

/// The name that every module gives to `lib.mkOverride 900`.
const DEFAULT: &str = "default";

/// The priority of emitted values.
const PRIORITY: u16 = 900;

/// A list of strings.
pub fn strings<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Nix {
    Nix::List(items.into_iter().map(|item| Nix::Str(item.into())).collect())
}

/// A simple expression.
pub fn expr(text: impl Into<String>) -> Nix {
    Nix::Expr(text.into())
}

/// A text of several lines, without the line feed at its end.
pub fn lines(text: &str) -> Nix {
    Nix::Lines(text.lines().map(ToOwned::to_owned).collect())
}

impl From<&str> for Nix {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Nix {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Nix {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u16> for Nix {
    fn from(value: u16) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Nix {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Settings> for Nix {
    fn from(settings: Settings) -> Self {
        Self::Set(settings)
    }
}

/// Settings, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Lines that stand above it.
    comment: Vec<String>,
    name: String,
    /// What it is set to; without it, a set of what stands below.
    value: Option<Nix>,
    below: Settings,
}

impl Settings {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets `path`, written as in Nix: `services.etcd.name`, `environment.etc."a/b".source`. A path that is set twice
    /// has its second value.
    pub fn set(&mut self, path: &str, value: impl Into<Nix>) {
        self.place(&steps(path), value.into());
    }

    /// Comment lines above the set or value at `path`, which must be set later.
    pub fn comment(&mut self, path: &str, text: &str) {
        let steps = steps(path);
        let mut at = self;
        for (depth, step) in steps.iter().enumerate() {
            let entry = at.entry(step);
            if depth + 1 == steps.len() {
                entry.comment = text.lines().map(ToOwned::to_owned).collect();
                return;
            }
            at = &mut entry.below;
        }
    }

    /// All of `other` after these.
    pub fn extend(&mut self, other: Self) {
        for entry in other.entries {
            let here = self.entry(&entry.name);
            if !entry.comment.is_empty() {
                here.comment = entry.comment;
            }
            here.value = entry.value;
            here.below.extend(entry.below);
        }
    }

    fn place(&mut self, steps: &[String], value: Nix) {
        let Some((first, rest)) = steps.split_first() else { return };
        let entry = self.entry(first);
        if rest.is_empty() {
            entry.value = Some(value);
        } else {
            entry.below.place(rest, value);
        }
    }

    /// Whether an expression within begins with that name.
    fn uses(&self, name: &str) -> bool {
        let entry = |entry: &Entry| match &entry.value {
            Some(value) => uses(value, name),
            None => entry.below.uses(name),
        };
        self.entries.iter().any(entry)
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        let known = self.entries.iter().position(|entry| entry.name == name);
        let at = known.unwrap_or_else(|| {
            let entry = Entry { comment: Vec::new(), name: name.to_owned(), value: None, below: Self::new() };
            self.entries.push(entry);
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }
}

/// The names of a path; dots inside of quotes are not between names.
fn steps(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut quoted = false;
    for c in path.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => steps.push(String::new()),
            c => {
                if let Some(last) = steps.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    steps
}

/// A whole module: a comment, the arguments it uses, its settings.
pub fn module(comment: &str, settings: &Settings) -> String {
    let mut text = commented(comment, 0);
    let mut body = String::new();
    print_set(&mut body, settings, 0);
    let used = |name: &str| settings.uses(name);
    let defaults = used(DEFAULT);
    let arguments: Vec<&str> =
        [("config", used("config")), ("lib", defaults || used("lib")), ("pkgs", used("pkgs"))]
            .into_iter()
            .filter_map(|(name, used)| used.then_some(name))
            .collect();
    text.push_str(&header(&arguments));
    if defaults {
        let _ = write!(text, "let\n  {DEFAULT} = lib.mkOverride {PRIORITY};\nin\n");
    }
    text.push_str(&body);
    text.push('\n');
    text
}

/// A set by itself.
pub fn set(comment: &str, settings: &Settings) -> String {
    let mut text = commented(comment, 0);
    print_set(&mut text, settings, 0);
    text.push('\n');
    text
}

/// nixfmt leaves at most one name beside the dots on one line.
fn header(arguments: &[&str]) -> String {
    match arguments {
        [] => "{ ... }:\n".to_owned(),
        [one] => format!("{{ {one}, ... }}:\n"),
        many => {
            format!("{{\n  {},\n  ...\n}}:\n", many.join(",\n  "))
        }
    }
}

/// Whether an expression within the value begins with that name.
fn uses(value: &Nix, name: &str) -> bool {
    let names = |text: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-' | '\'' | '/'))
            .any(|word| word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    };
    match value {
        Nix::Str(_) | Nix::Lines(_) | Nix::Int(_) | Nix::Bool(_) => false,
        Nix::Expr(text) => names(text),
        Nix::List(items) => items.iter().any(|item| uses(item, name)),
        Nix::Apply(function, value) => names(function) || uses(value, name),
        Nix::If(condition, value) => name == "lib" || names(condition) || uses(value, name),
        Nix::Set(settings) => settings.uses(name),
    }
}

fn commented(comment: &str, indent: usize) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "{:indent$}{}", "", format!("# {line}").trim_end());
    }
    text
}

fn print_set(text: &mut String, settings: &Settings, indent: usize) {
    if settings.is_empty() {
        text.push_str("{ }");
        return;
    }
    text.push_str("{\n");
    for (place, entry) in settings.entries.iter().enumerate() {
        // What stands at the top stands apart.
        if indent == 0 && place > 0 {
            text.push('\n');
        }
        print_entry(text, entry, indent + 2);
    }
    let _ = write!(text, "{:indent$}}}", "");
}

/// `a.b.c = value;`: a set that holds one thing has no braces of its own.
fn print_entry(text: &mut String, entry: &Entry, indent: usize) {
    for line in &entry.comment {
        let _ = writeln!(text, "{:indent$}{}", "", format!("# {line}").trim_end());
    }
    let _ = write!(text, "{:indent$}{}", "", name(&entry.name));
    let mut at = entry;
    while let (None, [only]) = (&at.value, at.below.entries.as_slice())
        && only.comment.is_empty()
    {
        let _ = write!(text, ".{}", name(&only.name));
        at = only;
    }
    if let Some(value) = &at.value {
        text.push_str(" =");
        print_after(text, value, indent);
    } else {
        text.push_str(" = ");
        print_set(text, &at.below, indent);
    }
    text.push_str(";\n");
}

/// What follows ` =`: on the same line, or where that is too long on the next, or item by item.
fn print_after(text: &mut String, value: &Nix, indent: usize) {
    let mut printed = String::new();
    print_value(&mut printed, value, indent);
    // nixfmt counts a line without what it is indented by, and with its semicolon.
    let line = text.lines().last().map_or(0, |line| line.trim_start().chars().count());
    let is_long = !printed.contains('\n') && line + printed.chars().count() + 2 > WIDTH;
    if is_long && let Some(item) = only_item(value) {
        let list = format!("[\n{:width$}{item}\n{:indent$}]", "", "", width = indent + 2);
        let _ = write!(text, " {}", printed.replace(&format!("[ {item} ]"), &list));
    } else if is_long && is_one_line(value) && printed.chars().count() < WIDTH {
        let _ = write!(text, "\n{:width$}{printed}", "", width = indent + 2);
    } else {
        let _ = write!(text, " {printed}");
    }
}

/// What a list of one item has in it, as it is printed.
fn only_item(value: &Nix) -> Option<String> {
    match value {
        Nix::Apply(_, argument) => only_item(argument),
        Nix::List(items) => {
            let [item] = items.as_slice() else { return None };
            let mut printed = String::new();
            print_argument(&mut printed, item, 0);
            Some(printed)
        }
        _ => None,
    }
}

/// Whether a value can stand on no more than one line, and is no string by itself.
fn is_one_line(value: &Nix) -> bool {
    match value {
        Nix::Expr(_) => true,
        Nix::Apply(_, argument) => is_one_line(argument) || matches!(**argument, Nix::Str(_)),
        _ => false,
    }
}

fn print_value(text: &mut String, value: &Nix, indent: usize) {
    match value {
        Nix::Str(string) => text.push_str(&quoted(string)),
        Nix::Lines(lines) => print_lines(text, lines, indent),
        Nix::Int(number) => {
            let _ = write!(text, "{number}");
        }
        Nix::Bool(value) => {
            let _ = write!(text, "{value}");
        }
        Nix::Expr(expression) => text.push_str(expression),
        Nix::List(items) => print_list(text, items, indent),
        Nix::Set(settings) => print_set(text, settings, indent),
        Nix::Apply(function, value) => {
            let _ = write!(text, "{function} ");
            print_argument(text, value, indent);
        }
        Nix::If(condition, value) => {
            let _ = write!(text, "lib.mkIf {} ", parenthesised(condition));
            print_argument(text, value, indent);
        }
    }
}

fn parenthesised(expression: &str) -> String {
    if expression.contains(['!', ' ']) && !expression.starts_with('"') {
        format!("({expression})")
    } else {
        expression.to_owned()
    }
}

fn print_argument(text: &mut String, value: &Nix, indent: usize) {
    match value {
        Nix::Expr(expression) => text.push_str(&parenthesised(expression)),
        Nix::Apply(..) | Nix::If(..) => {
            let mut printed = String::new();
            print_value(&mut printed, value, indent + 2);
            if printed.contains('\n') {
                let _ = write!(text, "(\n{:width$}{printed}\n{:indent$})", "", "", width = indent + 2);
            } else {
                let _ = write!(text, "({printed})");
            }
        }
        _ => print_value(text, value, indent),
    }
}

/// nixfmt gives each of several items a line.
fn print_list(text: &mut String, items: &[Nix], indent: usize) {
    match items {
        [] => text.push_str("[ ]"),
        [one] if !matches!(one, Nix::Set(_) | Nix::List(_) | Nix::Lines(_)) => {
            text.push_str("[ ");
            print_argument(text, one, indent);
            text.push_str(" ]");
        }
        many => {
            text.push_str("[\n");
            for item in many {
                let _ = write!(text, "{:width$}", "", width = indent + 2);
                print_argument(text, item, indent + 2);
                text.push('\n');
            }
            let _ = write!(text, "{:indent$}]", "");
        }
    }
}

fn print_lines(text: &mut String, lines: &[String], indent: usize) {
    text.push_str("''\n");
    for line in lines {
        if line.is_empty() {
            text.push('\n');
        } else {
            let _ = writeln!(text, "{:width$}{}", "", escaped_lines(line), width = indent + 2);
        }
    }
    let _ = write!(text, "{:indent$}''", "");
}

/// Source: Nix manual, "String literals": in indented strings `'''` is `''`, and `''$` is a `$`.
fn escaped_lines(line: &str) -> String {
    line.replace("''", "'''").replace("${", "''${")
}

/// Source: Nix manual, "String literals".
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '$' if rest.peek() == Some(&'{') => quoted.push_str("\\$"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The words that are no names. Source: Nix manual, "Identifiers".
const KEYWORDS: &[&str] = &["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"];

/// A name of a path, quoted where it must be.
fn name(text: &str) -> String {
    let first = text.chars().next();
    let plain = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''))
        && !KEYWORDS.contains(&text);
    if plain { text.to_owned() } else { quoted(text) }
}

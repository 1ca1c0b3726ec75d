//! Nix as it is written: values, option paths, and a printer that leaves a text as nixfmt would.
//!
//! Only what emitted modules need. A module is a list of settings, `path = value`, in the order in which they were
//! made; settings that begin alike stand in one set.

mod print;
#[cfg(test)]
mod tests;

pub(super) use print::quoted;
pub use print::{module, set};

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

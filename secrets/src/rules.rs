//! `.sops.yaml`: which recipients a new file gets, by its path. Plain sops reads it, so it must say what we do.
//!
//! Our rules stand between marker comments in `creation_rules`; every byte outside of the markers is the user's. The
//! first rule that matches wins, so ours stand before foreign ones, but for those that give away what nobody else
//! claims: they stand last, in a block of their own.

mod creation;
pub(crate) mod go;
mod layout;
mod lookup;
mod read;

use std::fmt;

pub use creation::{Creation, CreationRules, Foreign, Group, Indents, RuleFault, SELECTORS, creation_rule};
pub use read::{Match, rule_for};

use crate::recipient::Recipient;
use crate::sops::quoted;
use layout::{Block, Layout};
use lookup::Lookup;

/// A rule of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A regular expression on the path below the folder of `.sops.yaml`, anchored at both ends by the caller.
    pub path_regex: String,
    /// To whom files of such paths are sealed.
    pub recipients: Vec<Recipient>,
    /// Files that this rule is there for. They are what a foreign rule must not catch first.
    pub paths: Vec<String>,
}

/// Why `.sops.yaml` cannot be read or our rules have no place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesError {
    /// The text is not YAML, or a field is of the wrong type.
    Yaml {
        /// What the parser says, with the position.
        why: String,
    },
    /// Something is written in a way that lines cannot be put into.
    Style {
        /// What: `creation_rules` or the whole document.
        what: &'static str,
        /// How it is written.
        found: &'static str,
    },
    /// A marker is missing, doubled or at the wrong place.
    Markers {
        /// The marker's line without its `#`.
        marker: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A foreign rule before ours catches one of our files.
    Captured {
        /// Counted from 1.
        number: usize,
        /// Its expression; none matches every file.
        path_regex: Option<String>,
        /// The file.
        path: String,
    },
    /// An expression that does not compile.
    Regex {
        /// Counted from 1.
        number: usize,
        /// The expression.
        path_regex: String,
    },
    /// A rule of ours with nobody in it.
    NoRecipients {
        /// Its expression.
        path_regex: String,
    },
    /// A rule that cannot be followed.
    Rule {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: RuleFault,
    },
    /// A setting outside of the rules that cannot be followed.
    Setting {
        /// What is wrong with it.
        fault: RuleFault,
    },
    /// No rule is for a file.
    NoRule {
        /// The file.
        path: String,
    },
    /// A rule of ours does not say what it should, after all was written.
    Contradiction {
        /// The file that it should catch.
        path: String,
    },
}

/// Writes our rules into the text of `.sops.yaml`; none makes a new one. `first` stands before foreign rules; a rule
/// of `last` stands behind them and is left out where one of them catches one of its paths.
///
/// Run on its own result with the same rules it changes nothing.
///
/// # Errors
/// [`RulesError`]; the text is never changed in part.
pub fn edit_rules(old: Option<&str>, first: &[Rule], last: &[Rule]) -> Result<String, RulesError> {
    if let Some(rule) = first.iter().chain(last).find(|rule| rule.recipients.is_empty()) {
        return Err(RulesError::NoRecipients { path_regex: rule.path_regex.clone() });
    }
    let old = old.unwrap_or_default();
    // A carriage return at the end is half of one: the line feed that we put behind it would make it whole.
    let eol = if old.contains("\r\n") || old.ends_with('\r') { "\r\n" } else { "\n" };
    let (without_last, _) = layout::take_block(old, Block::Last)?;
    let (user, place) = layout::take_block(&without_last, Block::First)?;
    let foreign = read::rules(&user)?;
    let layout = Layout::of(&user)?;
    let before = match place {
        Some(at) if layout.is_inside_a_rule(&user, at) => return Err(not_between_rules()),
        Some(at) => layout.rules_before(at)?,
        None => 0,
    };
    refuse_captured(&foreign, before, first)?;
    let unclaimed: Vec<&Rule> = last.iter().filter(|rule| !is_claimed(rule, &foreign)).collect();

    let indent = layout.indent();
    let first_block = layout::render(Block::First, &first.iter().collect::<Vec<_>>(), indent, eol);
    let last_block = layout::render(Block::Last, &unclaimed, indent, eol);
    let new = layout.insert(&user, place, &first_block, &last_block, eol);

    // A text that stays was verified when it was written; what others put before our rules since was refused above.
    if new != old {
        verify(&new, &foreign, before, first, &unclaimed)?;
    }
    Ok(new)
}

fn not_between_rules() -> RulesError {
    let (marker, _) = Block::First.markers();
    RulesError::Markers { marker, why: "does not stand between two rules" }
}

/// Reads the result as sops will: every foreign rule is what it was, every file of ours falls under its own rule.
fn verify(
    new: &str,
    foreign: &[read::Rule],
    before: usize,
    first: &[Rule],
    last: &[&Rule],
) -> Result<(), RulesError> {
    let rules = read::rules(new)?;
    let ours = |at: usize| (before..before + first.len()).contains(&at) || at >= foreign.len() + first.len();
    let others: Vec<_> =
        rules.iter().enumerate().filter(|(at, _)| !ours(*at)).map(|(_, rule)| rule).collect();
    let unchanged =
        others.len() == foreign.len() && others.iter().zip(foreign).all(|(new, old)| new.same_as(old));
    if !unchanged || rules.len() != foreign.len() + first.len() + last.len() {
        return Err(not_between_rules());
    }
    let lookup = Lookup::new(rules.iter().map(|rule| &rule.filter));
    let places = (before..before + first.len()).chain(foreign.len() + first.len()..);
    for (at, rule) in places.zip(first.iter().chain(last.iter().copied())) {
        let filter = |place: usize| rules.get(place).map(|rule| &rule.filter);
        let own = filter(at).filter(|found| found.path_regex.as_deref() == Some(&rule.path_regex));
        let falls = |path: &str| {
            let own = own.is_some_and(|own| names(&rule.path_regex, path) || own.matches(path));
            own && lookup.first(path, at, filter).is_none()
        };
        if let Some(path) = rule.paths.iter().find(|path| !falls(path)) {
            return Err(RulesError::Contradiction { path: path.clone() });
        }
    }
    Ok(())
}

/// Whether an expression is [`exactly`] this path, or [`below`] a folder of it: it matches then, and need not be
/// compiled to see that.
fn names(expression: &str, path: &str) -> bool {
    let mut folders = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    let sealed = ENDINGS.split('|').any(|known| known == ending);
    expression == exactly(path) || (sealed && folders.any(|folder| expression == below(folder)))
}

/// The endings that rules below `secrets/` match: the stores of the SOPS format, and age.
const ENDINGS: &str = "yaml|yml|json|env|ini|bin|age";

/// The expression that matches one path alone: `^certs/cp1/keys\.yaml$`.
pub fn exactly(path: &str) -> String {
    format!("^{}$", escape(path))
}

/// The expression that matches every sealed file below a folder: `^secrets/all/.*\.(yaml|yml|json|env|ini|bin|age)$`.
pub fn below(folder: &str) -> String {
    format!("^{}/.*\\.({ENDINGS})$", escape(folder.trim_end_matches('/')))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\.+*?()|[]{}^$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A foreign rule among the first `before` that catches a file of `ours`.
fn refuse_captured(foreign: &[read::Rule], before: usize, ours: &[Rule]) -> Result<(), RulesError> {
    for rule in foreign.iter().take(before) {
        for path in ours.iter().flat_map(|ours| &ours.paths) {
            if rule.filter.matches(path) {
                let path_regex = rule.filter.path_regex.clone();
                return Err(RulesError::Captured {
                    number: rule.filter.number,
                    path_regex,
                    path: path.clone(),
                });
            }
        }
    }
    Ok(())
}

fn is_claimed(rule: &Rule, foreign: &[read::Rule]) -> bool {
    rule.paths.iter().any(|path| foreign.iter().any(|foreign| foreign.filter.matches(path)))
}

/// A rule as lines below `- `, without indentation.
fn lines(rule: &Rule) -> Vec<String> {
    let mut lines = vec![format!("- path_regex: {}", quoted(&rule.path_regex)), "  age: >-".to_owned()];
    for (index, recipient) in rule.recipients.iter().enumerate() {
        let comma = if index + 1 < rule.recipients.len() { "," } else { "" };
        // A comment behind an SSH key may hold a comma, which would begin another recipient.
        lines.push(format!("    {}{comma}", recipient.key()));
    }
    lines
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml { why } => write!(f, "it cannot be read: {why}"),
            Self::Style { what, found } => write!(f, "no rule can be added: {what} is {found}"),
            Self::Markers { marker, why } => {
                write!(f, "the line `# {marker}` {why}")
            }
            Self::Captured { number, path_regex, path } => {
                write!(f, "rule {number} ")?;
                match path_regex {
                    Some(regex) => write!(f, "(path_regex `{regex}`)")?,
                    None => f.write_str("(no path_regex, so every file)")?,
                }
                write!(f, " stands before ours and catches `{path}`")
            }
            Self::Regex { number, path_regex } => {
                write!(f, "rule {number} has a path_regex that does not compile: `{path_regex}`")
            }
            Self::NoRecipients { path_regex } => {
                write!(f, "no rule can be added: the one for `{path_regex}` has no recipient")
            }
            Self::Rule { number, fault } => write!(f, "rule {number} cannot be followed: {fault}"),
            Self::Setting { fault } => write!(f, "it cannot be followed: {fault}"),
            Self::NoRule { path } => write!(f, "none of its rules is for `{path}`"),
            Self::Contradiction { path } => {
                write!(f, "no rule can be added: `{path}` would be sealed by another rule than its own")
            }
        }
    }
}

impl RulesError {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Yaml { .. } => "mend the file; `sops` cannot read it either",
            Self::Style { .. } => {
                "write `creation_rules:` in block style, each rule a line that begins with `- `"
            }
            Self::Markers { .. } => {
                "remove both marker lines and the rules between them; they are written anew by the next run"
            }
            Self::Captured { .. } => "move that rule behind ours, or narrow its path_regex",
            Self::Regex { .. } => "mend the expression; it is in Go's RE2 syntax",
            Self::NoRecipients { .. } => "name at least one recipient",
            Self::Rule { fault, .. } | Self::Setting { fault } => fault.hint(),
            Self::NoRule { .. } => "add one to `creation_rules`, with a path_regex that matches this path",
            Self::Contradiction { .. } => "move foreign rules behind ours",
        }
    }
}

impl std::error::Error for RulesError {}

//! What is wrong with an inventory: found against expected, where it stands, what to do.

use crate::inventory::Origin;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is planned from this inventory until it is mended.
    Error,
    /// It will hurt, or it will hurt later; said, and never changes an exit code.
    Warning,
}

/// One thing to say about an inventory. The shell shows it with the lines of the file it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Error or warning.
    pub level: Level,
    /// The rule's short name, stable, for tests and searches: `duplicate-address`.
    pub rule: &'static str,
    /// Where it stands.
    pub at: Option<Origin>,
    /// The thing in backticks, what was found, what was expected. Lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that play a part, each with a word on it: `cp1 has it too`.
    pub related: Vec<(Origin, String)>,
}

impl Fault {
    /// The same fault with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault with another place that plays a part. A place nobody knows is left out.
    #[must_use]
    pub fn related(mut self, at: Option<Origin>, word: impl Into<String>) -> Self {
        if let Some(at) = at {
            self.related.push((at, word.into()));
        }
        self
    }

    /// Whether nothing can be planned until this is mended.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

//! Where a walk stands in a file, and what the file's rule says there.
//!
//! Every walk (checking, opening, sealing) calls it in the same order, so that all agree on what is encrypted.
//! Source: sops 3.13, sops.go, `walkBranch`, `walkSlice` and `shouldBeEncrypted`.

use std::cell::OnceCell;

use sha2::{Digest, Sha256};

use super::error::SopsError;
use super::selector::Selector;

/// The most that the names on one path may have in bytes. Every value is bound to all of them: without a bound a small
/// file could make work that grows with its square.
const MAX_PATH: usize = 16 << 10;

/// The place of a value in short: a hash of the names on its path, those of a list's elements alike.
pub(crate) type Place = [u8; 32];

/// The place of a document's top.
pub(crate) const TOP: Place = [0; 32];

/// The place of the value under a key of the map that stands at `around`.
pub(crate) fn place_under(around: &Place, key: &str) -> Place {
    let mut hash = Sha256::new();
    hash.update(around);
    hash.update(key.as_bytes());
    hash.finalize().into()
}

/// The path of keys from the top, and whether a comment that still stands above matches the rule.
pub(crate) struct Scope<'s> {
    selector: &'s Selector,
    steps: Vec<Step>,
    /// The names on the path, each with a colon behind it.
    path: String,
    /// For each map and list around: whether one of the comments directly above the current item matches.
    marked: Vec<bool>,
}

/// A key on the path.
struct Step {
    /// Where its name begins in the path, and where it ends with its colon.
    begin: usize,
    end: usize,
    /// Looked up by those who seal alone.
    place: OnceCell<Place>,
    /// Whether this name, or one before it, matches the rule: a rule is asked once a name.
    hit: bool,
}

impl<'s> Scope<'s> {
    pub(crate) fn new(selector: &'s Selector) -> Self {
        Self { selector, steps: Vec::new(), path: String::new(), marked: Vec::new() }
    }

    /// Into a map or a list.
    pub(crate) fn enter_block(&mut self) {
        self.marked.push(false);
    }

    /// Out of it again.
    pub(crate) fn leave_block(&mut self) {
        self.marked.pop();
    }

    /// To the value under a key. Positions in lists are no part of a path.
    ///
    /// # Errors
    /// [`SopsError::LongPath`].
    pub(crate) fn enter_key(&mut self, key: &str) -> Result<(), SopsError> {
        let begin = self.path.len();
        if begin + key.len() > MAX_PATH {
            return Err(SopsError::LongPath { key: key.chars().take(40).collect(), most: MAX_PATH });
        }
        let hit = self.is_hit() || self.selector.matches(key);
        self.path.push_str(key);
        self.path.push(':');
        self.steps.push(Step { begin, end: self.path.len(), place: OnceCell::new(), hit });
        Ok(())
    }

    /// Back from it: the comments above it do not reach what follows.
    pub(crate) fn leave_key(&mut self) {
        self.path.truncate(self.steps.pop().map_or(0, |step| step.begin));
        self.leave_element();
    }

    /// Behind an element of a list.
    pub(crate) fn leave_element(&mut self) {
        if let Some(marked) = self.marked.last_mut() {
            *marked = false;
        }
    }

    /// Whether the value here is encrypted.
    pub(crate) fn encrypts(&self) -> bool {
        self.selector.encrypts(self.is_hit(), self.marked.contains(&true))
    }

    /// Whether a comment here is encrypted, and remembers it for the item below. `text` is the comment as it stands in
    /// the file that is walked.
    pub(crate) fn encrypts_comment(&mut self, text: &str) -> bool {
        let matches = self.selector.matches_comment(text);
        // The line that says `encrypt what follows` stays in clear; one that says `leave it` is left as well.
        let above = self.marked.contains(&true);
        let marked = above || (matches && self.selector.leaves_marked());
        if matches && let Some(top) = self.marked.last_mut() {
            *top = true;
        }
        self.selector.encrypts(self.is_hit(), marked)
    }

    /// Whether the rule on comments would take this text for a mark.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.selector.matches_comment(text)
    }

    fn is_hit(&self) -> bool {
        self.steps.last().is_some_and(|step| step.hit)
    }

    /// Where it stands, to compare.
    pub(crate) fn place(&self) -> Place {
        self.steps
            .iter()
            .fold(TOP, |around, step| *step.place.get_or_init(|| place_under(&around, self.name(step))))
    }

    /// The name of a key on the path.
    fn name(&self, step: &Step) -> &str {
        self.path.get(step.begin..step.end - 1).unwrap_or_default()
    }

    /// What a ciphertext here is bound to: the names on its path, each with a colon behind it. A list's elements share
    /// the list's; nothing but a colon is the top.
    pub(crate) fn aad(&self) -> &[u8] {
        if self.steps.is_empty() { b":" } else { self.path.as_bytes() }
    }

    /// The same for each map around, the innermost first.
    pub(crate) fn around(&self) -> impl Iterator<Item = &[u8]> {
        let inner = self.steps.iter().rev();
        let inner = inner.map(|step| self.path.as_bytes().get(..step.end).unwrap_or_default());
        inner.chain([b":".as_slice()])
    }

    /// The path for messages.
    pub(crate) fn dotted(&self) -> String {
        let names = self.steps.iter().map(|step| self.name(step));
        names.collect::<Vec<_>>().join(".")
    }
}

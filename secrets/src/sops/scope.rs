//! Where a walk stands in a file, and what the file's rule says there.
//!
//! Every walk (checking, opening, sealing) calls it in the same order, so that all agree on what is encrypted.
//! Source: sops 3.13, sops.go, `walkBranch`, `walkSlice` and `shouldBeEncrypted`.

use super::selector::Selector;

/// The path of keys from the top, and whether a comment that still stands above matches the rule.
pub(crate) struct Scope<'s> {
    selector: &'s Selector,
    path: Vec<String>,
    /// For each map and list around: whether one of the comments directly above the current item matches.
    marked: Vec<bool>,
}

impl<'s> Scope<'s> {
    pub(crate) fn new(selector: &'s Selector) -> Self {
        Self { selector, path: Vec::new(), marked: Vec::new() }
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
    pub(crate) fn enter_key(&mut self, key: &str) {
        self.path.push(key.to_owned());
    }

    /// Back from it: the comments above it do not reach what follows.
    pub(crate) fn leave_key(&mut self) {
        self.path.pop();
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
        self.selector.encrypts(&self.path, self.marked.contains(&true))
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
        self.selector.encrypts(&self.path, marked)
    }

    /// Whether the rule on comments would take this text for a mark.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.selector.matches_comment(text)
    }

    /// How many keys deep it is.
    pub(crate) fn depth(&self) -> usize {
        self.path.len()
    }

    /// What a ciphertext here is bound to: the names on its path, each with a colon behind it. A list's elements share
    /// the list's; nothing but a colon is the top.
    pub(crate) fn aad(&self) -> Vec<u8> {
        self.aad_at(self.path.len())
    }

    /// The same for a map around, `depth` keys deep.
    pub(crate) fn aad_at(&self, depth: usize) -> Vec<u8> {
        let mut aad = self.path.get(..depth).unwrap_or(&self.path).join(":").into_bytes();
        aad.push(b':');
        aad
    }

    /// The path for messages.
    pub(crate) fn dotted(&self) -> String {
        self.path.join(".")
    }
}

//! Text in the making that may hold secrets: nothing of it stays behind in memory when it grows or goes.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// A string to write into. Where a plain one leaves its old memory as it was when it moves to a larger place, this one
/// wipes it.
pub(crate) struct Buffer(Zeroizing<String>);

impl Buffer {
    /// One that need not move before it holds so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(bytes)))
    }

    pub(crate) fn push(&mut self, letter: char) {
        self.reserve(letter.len_utf8());
        self.0.push(letter);
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        self.reserve(text.len());
        self.0.push_str(text);
    }

    /// The text so far.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the last letter away if it is this one.
    pub(crate) fn pop(&mut self, last: char) -> bool {
        let ends = self.0.ends_with(last);
        if ends {
            self.0.pop();
        }
        ends
    }

    /// The text, for what anybody may read.
    pub(crate) fn into_public(mut self) -> String {
        std::mem::take(&mut self.0)
    }

    /// The text, for what nobody else may read.
    pub(crate) fn into_secret(self) -> Secret {
        Secret::from_text(self.into_public())
    }

    /// Doubles, as a plain string does, so that the time it takes to fill it grows with its length and no faster.
    fn reserve(&mut self, more: usize) {
        let needed = self.0.len() + more;
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.max(2 * self.0.capacity())));
            larger.push_str(&self.0);
            // What it was is wiped as it goes out of scope.
            self.0 = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there_however_often_it_moved() {
        let mut buffer = Buffer::with_capacity(0);
        let mut plain = String::new();
        for index in 0..1000_u32 {
            let letter = char::from_u32(0x40 + index).unwrap();
            buffer.push(letter);
            buffer.push_str("ab");
            plain.push(letter);
            plain.push_str("ab");
        }
        assert_eq!(buffer.as_str(), plain);
        assert!(buffer.pop('b') && !buffer.pop('b'));
        assert_eq!(buffer.into_secret().expose_text().unwrap(), &plain[..plain.len() - 1]);
    }

    #[test]
    fn room_that_was_asked_for_is_enough() {
        let mut buffer = Buffer::with_capacity(4);
        let before = buffer.as_str().as_ptr();
        buffer.push_str("abcd");
        assert_eq!(buffer.as_str().as_ptr(), before);
    }
}

//! The type of everything that must not be seen: wiped when dropped, never printed, copied only by name.

use std::fmt;
use std::str::Utf8Error;

use secrecy::{ExposeSecret, SecretBox};
use zeroize::{Zeroize, Zeroizing};

/// Bytes or text that must not leak: a private key, a password, a file's plaintext.
///
/// Neither `Clone`, `Display` nor `Serialize`; its `Debug` says nothing of the content, not even its length. The
/// memory is wiped when the value is dropped. Every look inside is a call of an `expose_*` method.
pub struct Secret(SecretBox<[u8]>);

impl Secret {
    /// Takes over `bytes`. Spare capacity is wiped rather than left behind by a reallocation.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        if bytes.capacity() == bytes.len() {
            return Self(SecretBox::from(bytes));
        }
        let exact: Box<[u8]> = Box::from(bytes.as_slice());
        bytes.zeroize();
        Self(SecretBox::new(exact))
    }

    /// Takes over `text`.
    pub fn from_text(text: String) -> Self {
        Self::from_bytes(text.into_bytes())
    }

    /// Copies out of a buffer that wipes itself.
    pub fn from_zeroizing(text: &Zeroizing<String>) -> Self {
        Self::from_bytes(text.as_bytes().to_vec())
    }

    /// The content.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The content as text.
    ///
    /// # Errors
    /// Where it is not UTF-8. The error bears a position, no content.
    pub fn expose_text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.expose_bytes())
    }

    /// A second copy, asked for by name.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::from_bytes(self.expose_bytes().to_vec())
    }

    /// Whether there is nothing inside.
    pub fn is_empty(&self) -> bool {
        self.expose_bytes().is_empty()
    }

    /// Whether both hold the same bytes. Not in constant time: for comparing one's own values, not for guesses.
    pub fn same_as(&self, other: &Self) -> bool {
        self.expose_bytes() == other.expose_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::from_text(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from_bytes(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_shows_nothing() {
        for content in ["", "hunter2", "a much longer secret than the other one"] {
            assert_eq!(format!("{:?}", Secret::from(content)), "Secret(..)");
            assert_eq!(format!("{:#?}", Some(Secret::from(content))), "Some(\n    Secret(..),\n)");
        }
    }

    #[test]
    fn spare_capacity_changes_no_content() {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(b"abc");
        let secret = Secret::from_bytes(bytes);
        assert_eq!(secret.expose_bytes(), b"abc");
        assert_eq!(secret.expose_text(), Ok("abc"));
        assert!(secret.same_as(&secret.duplicate()));
        assert!(!secret.same_as(&Secret::from("abd")));
    }

    #[test]
    fn bytes_that_are_not_text_are_an_error_without_content() {
        let error = Secret::from_bytes(vec![b's', 0xff]).expose_text().unwrap_err();
        assert!(!error.to_string().contains('s') || error.valid_up_to() == 1);
        assert_eq!(error.valid_up_to(), 1);
    }
}

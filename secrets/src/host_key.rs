//! SSH host keys, made before the machine exists so that it can open its secrets at its first boot.

use std::fmt;

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::rand_core::{OsRng, RngCore};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::recipient::Recipient;
use crate::secret::Secret;

/// An `ssh-ed25519` host key: both files that sshd reads.
#[derive(Debug)]
pub struct HostKey {
    private: Secret,
    public: String,
    recipient: Recipient,
}

/// A host key could not be made. What can fail is the system's random generator or the comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyError {
    /// The operating system gave no random bytes.
    Random,
    /// The comment has a line break or a control character.
    Comment,
    /// The encoder refused.
    Encode,
}

impl HostKey {
    /// Makes a key; `comment`, such as `root@cp1`, ends both files' public line.
    ///
    /// # Errors
    /// [`HostKeyError`].
    pub fn generate(comment: &str) -> Result<Self, HostKeyError> {
        if comment.chars().any(char::is_control) {
            return Err(HostKeyError::Comment);
        }
        let mut seed = Zeroizing::new([0_u8; 32]);
        OsRng.try_fill_bytes(seed.as_mut()).map_err(|_| HostKeyError::Random)?;
        let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, comment).map_err(|_| HostKeyError::Encode)?;
        let private = key.to_openssh(LineEnding::LF).map_err(|_| HostKeyError::Encode)?;
        let public = key.public_key().to_openssh().map_err(|_| HostKeyError::Encode)?;
        let recipient = Recipient::from_ssh_host_key(&public).map_err(|_| HostKeyError::Encode)?;
        Ok(Self { private: Secret::from_zeroizing(&private), public, recipient })
    }

    /// The text of `ssh_host_ed25519_key`.
    pub fn private_file(&self) -> &Secret {
        &self.private
    }

    /// The line of `ssh_host_ed25519_key.pub`, without its line feed.
    pub fn public_line(&self) -> &str {
        &self.public
    }

    /// The `age1...` recipient that this host opens, as [`Recipient::from_ssh_host_key`] derives it.
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// Gives both files away: private text, public line.
    pub fn into_files(self) -> (Secret, String) {
        (self.private, self.public)
    }
}

impl fmt::Display for HostKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "cannot make an SSH host key: the operating system gave no random bytes",
            Self::Comment => "cannot make an SSH host key: its comment has a control character",
            Self::Encode => "cannot make an SSH host key: it does not encode",
        })
    }
}

impl HostKeyError {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Random => "try again, and look at the system's random generator",
            Self::Comment | Self::Encode => "this is a fault of quorate's, please report it",
        }
    }
}

impl std::error::Error for HostKeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn debug_of_a_host_key_shows_the_public_line_alone() {
        let key = HostKey::generate("root@cp1").unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(key.public_line()) && shown.contains("Secret(..)"), "{shown}");
        let body = key.private_file().expose_text().unwrap().lines().nth(1).unwrap().to_owned();
        assert!(!shown.contains(&body));
    }

    #[test]
    fn both_halves_of_a_host_key_give_the_same_recipient() {
        let key = HostKey::generate("root@cp1").unwrap();
        let machine = Identity::from_ssh_host_key(key.private_file()).unwrap();
        assert_eq!(machine.recipient(), Some(key.recipient()));
        assert!(key.public_line().starts_with("ssh-ed25519 ") && key.public_line().ends_with(" root@cp1"));
    }

    #[test]
    fn a_comment_with_a_line_break_is_refused() {
        assert_eq!(HostKey::generate("root@cp1\nssh-rsa AAAA").unwrap_err(), HostKeyError::Comment);
    }
}

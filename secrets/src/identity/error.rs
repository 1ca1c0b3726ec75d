//! What is wrong with an identity: with its text, or when it was asked to open something.

use std::fmt;

use crate::age_file::{AgeError, WORK};

/// Why a text holds no identity that can be used. No variant keeps any of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityError {
    /// The text is not UTF-8.
    NotText,
    /// No identity in it: empty, or comments only.
    Empty,
    /// A line that is no identity.
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// An age or plugin identity that does not decode.
    Age {
        /// Counted from 1.
        line: usize,
    },
    /// An age file that is sealed to recipients, not with a passphrase.
    SealedFile,
    /// An age file that was cut off or changed.
    DamagedFile,
    /// An age file whose content does not open, though its passphrase fits or was never asked.
    Inside(AgeError),
    /// An age file in an age file.
    Nested,
    /// An SSH private key with a passphrase in the old PEM form.
    EncryptedPem,
    /// A host key with a passphrase.
    EncryptedHostKey,
    /// An SSH private key of another kind than `ssh-ed25519` and `ssh-rsa`.
    SshKind {
        /// Its kind.
        kind: String,
    },
    /// An SSH private key that does not decode.
    Ssh,
    /// A private key in PKCS#8 PEM, which SSH keys may be in as well.
    Pkcs8,
    /// A private key in a form that SSH does not use for Ed25519 and RSA keys.
    Pem,
    /// An X25519 form was asked of an SSH key that is not Ed25519.
    NotEd25519,
}

/// Why an identity that is there could not be used when it was needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseError {
    /// It needs a passphrase, and nobody can be asked for it.
    Nobody {
        /// Where it stands.
        place: String,
    },
    /// No passphrase that was given fits.
    Passphrase {
        /// Where it stands.
        place: String,
    },
    /// What came to light is no identity.
    Unusable {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        cause: IdentityError,
    },
    /// The command that should print it did not.
    Command {
        /// The setting that names the command.
        place: String,
        /// What happened instead.
        why: String,
    },
    /// Its plugin is not on PATH.
    NoPlugin {
        /// Where it stands.
        place: String,
        /// The plugin's name: `yubikey` of `age-plugin-yubikey`.
        name: String,
    },
    /// Its plugin refused.
    Plugin {
        /// Where it stands.
        place: String,
        /// The plugin's name.
        name: String,
        /// What it said.
        said: String,
    },
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("the identity file is not text"),
            Self::Empty => f.write_str("the identity file holds no identity"),
            Self::Line { line } => write!(f, "line {line} of the identity file is no age identity"),
            Self::Age { line } => {
                write!(f, "the age identity in line {line} is damaged: its checksum does not fit")
            }
            Self::SealedFile => {
                f.write_str("the identity file is an age file sealed to recipients, not with a passphrase")
            }
            Self::DamagedFile => f.write_str("the identity file is an age file that was cut off or changed"),
            Self::Inside(cause) => write!(f, "{cause}"),
            Self::Nested => f.write_str("the identity file is an age file within an age file"),
            Self::EncryptedPem => {
                f.write_str("the SSH private key has a passphrase and is in the old PEM form")
            }
            Self::EncryptedHostKey => f.write_str("the SSH host key is protected by a passphrase"),
            Self::SshKind { kind } => write!(
                f,
                "an SSH private key of kind `{kind}` opens no age file, only `ssh-ed25519` and `ssh-rsa` do"
            ),
            Self::Ssh => f.write_str("the SSH private key does not decode"),
            Self::Pkcs8 => f.write_str("the private key is in PKCS#8 PEM: expected OpenSSH's own form"),
            Self::Pem => f.write_str("the file is a private key in PEM, but not of SSH"),
            Self::NotEd25519 => {
                f.write_str("the SSH host key has no age form: found RSA, only `ssh-ed25519` has one")
            }
        }
    }
}

impl IdentityError {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotText | Self::Empty | Self::Line { .. } | Self::Pem => {
                "an identity file holds lines `AGE-SECRET-KEY-1...` as age-keygen writes them, or one SSH private key"
            }
            Self::Inside(AgeError::Work) => WORK,
            Self::Age { .. } | Self::Ssh | Self::DamagedFile | Self::Inside(_) => {
                "restore the file from its backup; a character is wrong or missing"
            }
            Self::SealedFile | Self::Nested => "encrypt the identities themselves with `age -p`",
            Self::Pkcs8 => "if it is one of SSH, give it the form that is used today (ssh-keygen -p)",
            Self::EncryptedPem => {
                "give it the form that is used today, with the same passphrase (ssh-keygen -p)"
            }
            Self::EncryptedHostKey => {
                "remove the passphrase (ssh-keygen -p): sshd has nobody to ask when a machine boots"
            }
            Self::SshKind { .. } | Self::NotEd25519 => "use an `ssh-ed25519` key (ssh-keygen -t ed25519)",
        }
    }
}

impl UseError {
    /// Where the identity stands.
    pub fn place(&self) -> &str {
        match self {
            Self::Nobody { place }
            | Self::Passphrase { place }
            | Self::Unusable { place, .. }
            | Self::Command { place, .. }
            | Self::NoPlugin { place, .. }
            | Self::Plugin { place, .. } => place,
        }
    }

    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> String {
        match self {
            Self::Nobody { .. } => {
                "run this on a terminal, or use an identity that needs no passphrase".to_owned()
            }
            Self::Passphrase { .. } => "run it again with the right passphrase".to_owned(),
            Self::Unusable { cause, .. } => cause.hint().to_owned(),
            Self::Command { .. } => {
                "run the command by hand: it must print an age identity and exit with 0".to_owned()
            }
            Self::NoPlugin { name, .. } => missing_plugin(name),
            Self::Plugin { name, .. } => super::refused_plugin(name),
        }
    }
}

/// The remedy where a plugin is not on PATH.
pub(crate) fn missing_plugin(name: &str) -> String {
    if name == super::POST_QUANTUM {
        "install `age-plugin-pq`, which is part of age 1.3: post-quantum keys are used through it".to_owned()
    } else {
        format!("install `age-plugin-{name}` and put its folder on PATH")
    }
}

impl fmt::Display for UseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody { .. } => {
                f.write_str("it is protected by a passphrase, and there is no terminal to ask for it")
            }
            Self::Passphrase { .. } => f.write_str("the passphrase does not fit"),
            Self::Unusable { cause, .. } => write!(f, "{cause}"),
            Self::Command { why, .. } => f.write_str(why),
            Self::NoPlugin { name, .. } => write!(f, "`age-plugin-{name}` is not on PATH"),
            Self::Plugin { name, said, .. } => write!(f, "`age-plugin-{name}` says: {said}"),
        }
    }
}

impl std::error::Error for IdentityError {}
impl std::error::Error for UseError {}

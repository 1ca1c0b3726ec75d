//! Whom a file is sealed to: age recipients, parsed from their text.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::age_file::AgeError;
use crate::ssh;

/// A public key that files can be sealed to. Made by parsing; every one can be used.
///
/// Two recipients are equal when they are the same key: the comment after an SSH key does not count.
#[derive(Clone)]
pub struct Recipient {
    /// As it was given, comment included: sops keeps it in the file's metadata so.
    text: String,
    /// Where `text` ends without the comment.
    key_end: usize,
    key: Key,
}

#[derive(Clone)]
enum Key {
    X25519(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
    /// Of hardware keys whose plugins are needed to open, not to seal.
    Tag(Box<age::tag::Recipient>),
    TagPostQuantum(Box<age::tagpq::Recipient>),
    Plugin(age::plugin::Recipient),
}

/// What seals to a recipient, as age takes it.
pub(crate) enum Sealer<'r> {
    Own(&'r dyn age::Recipient),
    Plugin(Box<age::plugin::RecipientPluginV1<age::NoCallbacks>>),
}

impl Sealer<'_> {
    pub(crate) fn as_age(&self) -> &dyn age::Recipient {
        match self {
            Self::Own(recipient) => *recipient,
            Self::Plugin(plugin) => plugin.as_ref(),
        }
    }
}

/// Why a text is no recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientError {
    /// Nothing but blanks.
    Empty,
    /// `age1...` that does not decode: a letter is wrong or missing.
    Age {
        /// The text.
        found: String,
    },
    /// An SSH key that does not decode.
    Ssh {
        /// The text.
        found: String,
    },
    /// An SSH key of a kind that age does not seal to, such as `ssh-dss` or `sk-ssh-ed25519@openssh.com`.
    SshKind {
        /// Its kind.
        kind: String,
    },
    /// An RSA key of fewer than 2048 bits or more than 4096.
    RsaSize {
        /// The text, cut.
        found: String,
    },
    /// A private key where a public one belongs. The text is not kept.
    Private,
    /// Anything else.
    Unknown {
        /// The text, cut.
        found: String,
    },
    /// Not an SSH Ed25519 key, where only that has an X25519 form.
    NotEd25519 {
        /// What it is.
        kind: String,
    },
}

impl Recipient {
    /// The X25519 recipient of a machine's `ssh-ed25519` host key line, as ssh-to-age and sops-nix derive it.
    ///
    /// # Errors
    /// [`RecipientError::NotEd25519`] for another kind of key, [`RecipientError::Ssh`] for a damaged line.
    pub fn from_ssh_host_key(line: &str) -> Result<Self, RecipientError> {
        let line = line.trim();
        let damaged = || RecipientError::Ssh { found: shorten(line) };
        let (kind, blob) = ssh::split_public_line(line).ok_or_else(damaged)?;
        if kind != "ssh-ed25519" {
            return Err(RecipientError::NotEd25519 { kind: kind.to_owned() });
        }
        let point = ssh::ed25519_point(&blob).ok_or_else(damaged)?;
        ssh::x25519_recipient(&point).ok_or_else(damaged)?.parse()
    }

    /// The key without its comment: what counts when recipients are compared.
    pub fn key(&self) -> &str {
        self.text.get(..self.key_end).unwrap_or(&self.text)
    }

    /// Whether this is an SSH key; the identities of those are SSH private keys.
    pub fn is_ssh(&self) -> bool {
        matches!(self.key, Key::Ssh(_))
    }

    /// What an age file calls an SSH key: the first bytes of its hash. Source: age `agessh/agessh.go`, `sshFingerprint`.
    pub(crate) fn ssh_tag(&self) -> Option<String> {
        let (_, blob) = self.is_ssh().then(|| ssh::split_public_line(&self.text)).flatten()?;
        Some(BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob).get(..4)?))
    }

    pub(crate) fn from_x25519(key: age::x25519::Recipient) -> Self {
        let text = key.to_string();
        Self { key_end: text.len(), text, key: Key::X25519(key) }
    }

    /// The name of the plugin that seals to it: `yubikey` of `age1yubikey1...`. The program is `age-plugin-<name>`.
    pub fn plugin(&self) -> Option<&str> {
        match &self.key {
            Key::Plugin(recipient) => Some(recipient.plugin()),
            _ => None,
        }
    }

    /// Finds the program where one is needed.
    pub(crate) fn sealer(&self) -> Result<Sealer<'_>, AgeError> {
        Ok(Sealer::Own(match &self.key {
            Key::X25519(recipient) => recipient,
            Key::Ssh(recipient) => recipient,
            Key::Tag(recipient) => recipient.as_ref(),
            Key::TagPostQuantum(recipient) => recipient.as_ref(),
            Key::Plugin(recipient) => {
                let name = recipient.plugin();
                let one = std::slice::from_ref(recipient);
                let plugin = age::plugin::RecipientPluginV1::new(name, one, &[], age::NoCallbacks)
                    .map_err(|_| AgeError::NoPlugin { name: name.to_owned() })?;
                return Ok(Sealer::Plugin(Box::new(plugin)));
            }
        }))
    }

    /// A recipient of another kind than X25519 and SSH, by its human-readable part.
    fn parse_other(text: &str) -> Option<Self> {
        let key = if text.starts_with("age1tag1") {
            Key::Tag(Box::new(text.parse().ok()?))
        } else if text.starts_with("age1tagpq1") {
            Key::TagPostQuantum(Box::new(text.parse().ok()?))
        } else {
            Key::Plugin(text.parse().ok()?)
        };
        Some(Self { key_end: text.len(), text: text.to_owned(), key })
    }

    fn parse_ssh(text: &str) -> Result<Self, RecipientError> {
        let damaged = || RecipientError::Ssh { found: shorten(text) };
        let (kind, _) = ssh::split_public_line(text).ok_or_else(damaged)?;
        // The strict decoder goes first: the lenient one below indexes into malformed integers.
        ssh_key::PublicKey::from_openssh(text).map_err(|_| damaged())?;
        let key: age::ssh::Recipient = text.parse().map_err(|error| match error {
            age::ssh::ParseRecipientKeyError::RsaModulusTooLarge
            | age::ssh::ParseRecipientKeyError::RsaModulusTooSmall => {
                RecipientError::RsaSize { found: shorten(text) }
            }
            age::ssh::ParseRecipientKeyError::Unsupported(kind) => RecipientError::SshKind { kind },
            _ => damaged(),
        })?;
        let blob = text.get(kind.len()..).unwrap_or_default().trim_start();
        let blob_end = blob.find(char::is_whitespace).unwrap_or(blob.len());
        let key_end = text.len() - blob.len() + blob_end;
        Ok(Self { text: text.to_owned(), key_end, key: Key::Ssh(key) })
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if text.is_empty() {
            Err(RecipientError::Empty)
        } else if lower.contains("age-secret-key-")
            || lower.starts_with("age-plugin-")
            || text.contains("PRIVATE KEY")
        {
            Err(RecipientError::Private)
        } else if text.starts_with("ssh-ed25519 ") || text.starts_with("ssh-rsa ") {
            Self::parse_ssh(text)
        } else if let Some((kind, _)) = ssh::split_public_line(text) {
            Err(RecipientError::SshKind { kind: kind.to_owned() })
        } else if let Some(recipient) = parse_x25519(text) {
            Ok(Self::from_x25519(recipient))
        } else if lower.starts_with("age1") {
            Self::parse_other(text).ok_or_else(|| RecipientError::Age { found: shorten(text) })
        } else {
            Err(RecipientError::Unknown { found: shorten(text) })
        }
    }
}

/// Only the one spelling that age itself prints, so that equal keys are equal texts.
fn parse_x25519(text: &str) -> Option<age::x25519::Recipient> {
    text.parse::<age::x25519::Recipient>().ok().filter(|recipient| recipient.to_string() == text)
}

/// At most 40 characters: an error names the thing and does not flood the terminal.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(40).chain("...".chars()).collect()
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.text)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Recipient {}

impl Hash for Recipient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Recipient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Recipient {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl fmt::Display for RecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a recipient is empty"),
            Self::Age { found } => write!(f, "`{found}` is no age recipient: it does not decode"),
            Self::Ssh { found } => write!(f, "`{found}` is no SSH public key: it does not decode"),
            Self::SshKind { kind } => {
                write!(
                    f,
                    "an SSH key of kind `{kind}` cannot be sealed to, only `ssh-ed25519` and `ssh-rsa` can"
                )
            }
            Self::RsaSize { found } => {
                write!(f, "`{found}` has fewer than 2048 bits or more than 4096, which age does not seal to")
            }
            Self::Private => f.write_str("a private key stands where a recipient, its public half, belongs"),
            Self::Unknown { found } => write!(f, "`{found}` is no recipient"),
            Self::NotEd25519 { kind } => {
                write!(f, "an SSH host key of kind `{kind}` has no age form, only `ssh-ed25519` has")
            }
        }
    }
}

impl RecipientError {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Unknown { .. } => {
                "give an `age1...` recipient as age-keygen prints it, or an `ssh-ed25519` or `ssh-rsa` public key line"
            }
            Self::Age { .. } | Self::Ssh { .. } => {
                "copy it again from its source; a character is wrong or missing"
            }
            Self::SshKind { .. } | Self::RsaSize { .. } => {
                "use an `ssh-ed25519` key (ssh-keygen -t ed25519) or an age key (age-keygen)"
            }
            Self::Private => "use the public half; if this text was ever committed, replace the key",
            Self::NotEd25519 { .. } => "name the machine's /etc/ssh/ssh_host_ed25519_key.pub instead",
        }
    }
}

impl std::error::Error for RecipientError {}

//! Who can open a sealed file: age identities and SSH private keys, parsed from the text of their files.

use std::fmt;

use age::ssh::UnsupportedKey;
use age::x25519;
use secrecy::ExposeSecret;
use ssh_key::PrivateKey;
use zeroize::Zeroizing;

use crate::recipient::Recipient;
use crate::secret::Secret;
use crate::ssh;

/// A private key that opens what is sealed to its [`Recipient`]. `Debug` shows that recipient, nothing else.
pub struct Identity {
    key: Key,
    recipient: Recipient,
}

enum Key {
    X25519(x25519::Identity),
    Ssh(Box<age::ssh::Identity>),
}

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
    /// `AGE-SECRET-KEY-1...` that does not decode.
    Age {
        /// Counted from 1.
        line: usize,
    },
    /// An identity of an age plugin.
    Plugin {
        /// Counted from 1.
        line: usize,
        /// The plugin's name, in lower case.
        name: String,
    },
    /// A post-quantum identity, `AGE-SECRET-KEY-PQ-1...`.
    PostQuantum {
        /// Counted from 1.
        line: usize,
    },
    /// An age file: the identities in it are encrypted with a passphrase.
    EncryptedFile,
    /// An SSH private key with a passphrase.
    EncryptedSsh,
    /// An SSH private key of another kind than `ssh-ed25519` and `ssh-rsa`.
    SshKind {
        /// Its kind.
        kind: String,
    },
    /// An SSH private key that does not decode.
    Ssh,
    /// A private key in a form that SSH does not use for Ed25519 and RSA keys, such as PKCS#8.
    Pem,
    /// An X25519 form was asked of an SSH key that is not Ed25519.
    NotEd25519,
}

impl Identity {
    /// Makes a new X25519 identity: its text, as it stands in a key file, and whom to seal to.
    pub fn generate() -> (Secret, Recipient) {
        let key = x25519::Identity::generate();
        let identity = Self::from_x25519(key.clone());
        (Secret::from(key.to_string().expose_secret()), identity.recipient)
    }

    /// Reads the text of a key file, of `SOPS_AGE_KEY` or of an unencrypted SSH private key.
    ///
    /// An age key file holds one identity a line; several in one line are separated by blanks; `#` begins a comment
    /// line.
    ///
    /// # Errors
    /// The first thing in it that cannot be used, by its line.
    pub fn parse_all(text: &Secret) -> Result<Vec<Self>, IdentityError> {
        let text = text.expose_text().map_err(|_| IdentityError::NotText)?;
        let start = text.trim_start();
        if start.starts_with("age-encryption.org/") || start.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
        {
            return Err(IdentityError::EncryptedFile);
        }
        if start.starts_with("-----BEGIN ") {
            return Ok(vec![Self::parse_ssh(start)?]);
        }
        let mut identities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with('#') {
                for word in line.split_whitespace() {
                    identities.push(Self::parse_word(word, index + 1)?);
                }
            }
        }
        if identities.is_empty() { Err(IdentityError::Empty) } else { Ok(identities) }
    }

    /// The age identity of a machine's `ssh-ed25519` private host key, as sops-nix derives it on the machine.
    ///
    /// # Errors
    /// [`IdentityError::NotEd25519`] for another kind, and what an SSH private key can lack otherwise.
    pub fn from_ssh_host_key(private_file: &Secret) -> Result<Self, IdentityError> {
        let text = private_file.expose_text().map_err(|_| IdentityError::NotText)?;
        let key = decode_openssh(text.trim_start())?;
        let pair = key.key_data().ed25519().ok_or(IdentityError::NotEd25519)?;
        let seed = Zeroizing::new(pair.private.to_bytes());
        let identity = ssh::x25519_identity(&seed).ok_or(IdentityError::Ssh)?;
        identity.parse().map(Self::from_x25519).map_err(|_| IdentityError::Ssh)
    }

    /// Whom to seal to, that this identity can open. `None` where that is not known before the identity was used: one
    /// behind a passphrase, a command or a plugin.
    pub fn recipient(&self) -> Option<&Recipient> {
        Some(&self.recipient)
    }

    pub(crate) fn as_age(&self) -> &dyn age::Identity {
        match &self.key {
            Key::X25519(identity) => identity,
            Key::Ssh(identity) => identity.as_ref(),
        }
    }

    fn from_x25519(key: x25519::Identity) -> Self {
        let recipient = Recipient::from_x25519(key.to_public());
        Self { key: Key::X25519(key), recipient }
    }

    fn parse_word(word: &str, line: usize) -> Result<Self, IdentityError> {
        if word.starts_with("AGE-SECRET-KEY-PQ-1") {
            return Err(IdentityError::PostQuantum { line });
        }
        if let Some(rest) = word.strip_prefix("AGE-PLUGIN-") {
            let name = rest.split_once("-1").map_or("", |(name, _)| name);
            return Err(IdentityError::Plugin { line, name: name.to_ascii_lowercase() });
        }
        if !word.starts_with("AGE-SECRET-KEY-1") {
            return Err(IdentityError::Line { line });
        }
        word.parse().map(Self::from_x25519).map_err(|_| IdentityError::Age { line })
    }

    fn parse_ssh(text: &str) -> Result<Self, IdentityError> {
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(IdentityError::EncryptedSsh);
        }
        if !text.starts_with(ssh::OPENSSH_BEGIN) && !text.starts_with("-----BEGIN RSA PRIVATE KEY-----") {
            return Err(IdentityError::Pem);
        }
        if text.starts_with(ssh::OPENSSH_BEGIN) {
            // The strict decoder goes first: the one of the age crate indexes into malformed integers.
            decode_openssh(text)?;
        }
        // age looks for line feeds alone.
        let unix = Zeroizing::new(text.replace("\r\n", "\n"));
        let identity =
            age::ssh::Identity::from_buffer(unix.as_bytes(), None).map_err(|_| IdentityError::Ssh)?;
        match &identity {
            age::ssh::Identity::Unencrypted(_) => {}
            age::ssh::Identity::Encrypted(_)
            | age::ssh::Identity::Unsupported(
                UnsupportedKey::EncryptedPem | UnsupportedKey::EncryptedSsh(_),
            ) => {
                return Err(IdentityError::EncryptedSsh);
            }
            age::ssh::Identity::Unsupported(UnsupportedKey::Hardware(kind) | UnsupportedKey::Type(kind)) => {
                return Err(IdentityError::SshKind { kind: kind.clone() });
            }
        }
        let public = age::ssh::Recipient::try_from(identity.clone()).map_err(|_| IdentityError::Ssh)?;
        let recipient = public.to_string().parse().map_err(|_| IdentityError::Ssh)?;
        Ok(Self { key: Key::Ssh(Box::new(identity)), recipient })
    }
}

fn decode_openssh(text: &str) -> Result<PrivateKey, IdentityError> {
    match ssh::private_file_kind(text).as_deref() {
        Some("ssh-ed25519" | "ssh-rsa") => {}
        Some(other) => return Err(IdentityError::SshKind { kind: other.to_owned() }),
        None => return Err(IdentityError::Ssh),
    }
    let key = PrivateKey::from_openssh(text).map_err(|_| IdentityError::Ssh)?;
    if key.is_encrypted() {
        return Err(IdentityError::EncryptedSsh);
    }
    Ok(key)
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {})", self.recipient)
    }
}

/// A name for messages: the recipient, or where an identity is of which that is not known.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.recipient)
    }
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
            Self::Plugin { line, name } => {
                write!(f, "line {line} is an identity of the age plugin `{name}`; plugins cannot be used yet")
            }
            Self::PostQuantum { line } => {
                write!(f, "line {line} is a post-quantum identity; those cannot be used yet")
            }
            Self::EncryptedFile => f.write_str("the identity file is encrypted with a passphrase"),
            Self::EncryptedSsh => f.write_str("the SSH private key is protected by a passphrase"),
            Self::SshKind { kind } => write!(
                f,
                "an SSH private key of kind `{kind}` opens no age file, only `ssh-ed25519` and `ssh-rsa` do"
            ),
            Self::Ssh => f.write_str("the SSH private key does not decode"),
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
            Self::Age { .. } | Self::Ssh => {
                "restore the file from its backup; a character is wrong or missing"
            }
            Self::Plugin { .. } | Self::PostQuantum { .. } => {
                "use an X25519 identity (age-keygen) or an `ssh-ed25519` key that is a recipient as well"
            }
            Self::EncryptedFile => {
                "decrypt it yourself (age -d) and hand the text over in SOPS_AGE_KEY, or use another identity"
            }
            Self::EncryptedSsh => {
                "use a copy without a passphrase (ssh-keygen -p) on encrypted storage, or an age identity"
            }
            Self::SshKind { .. } | Self::NotEd25519 => "use an `ssh-ed25519` key (ssh-keygen -t ed25519)",
        }
    }
}

impl std::error::Error for IdentityError {}

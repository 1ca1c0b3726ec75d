//! Who can open a sealed file: age identities, SSH private keys, and what stands for them: a file with a passphrase, a
//! command, a plugin.
//!
//! Identities are of two sorts. Those that are *ready* open files and nobody notices. The others ask a person or start
//! a program; [`age_file::decrypt`](crate::age_file::decrypt) does so when no ready one opens the file, and what was
//! got then is ready from there on.

mod deferred;
mod error;
mod locked;
mod person;
mod plugin;

use std::fmt;
use std::sync::{Arc, OnceLock};

use age::ssh::UnsupportedKey;
use age::{DecryptError, Identity as _, x25519};
use age_core::format::{FileKey, Stanza};
use secrecy::ExposeSecret;
use ssh_key::PrivateKey;
use zeroize::Zeroizing;

pub(crate) use error::missing_plugin;
pub use error::{IdentityError, UseError};
pub use person::{Person, Question};
pub(crate) use plugin::{POST_QUANTUM, refused_plugin, said};

use crate::recipient::Recipient;
use crate::secret::Secret;
use crate::ssh;
use deferred::{Deferred, Worth};
use plugin::Plugin;

/// A private key that opens what is sealed to its [`Recipient`], or what gives such keys when it is asked. Shared
/// between threads. `Debug` shows the recipient or the place, nothing else.
pub struct Identity {
    key: Key,
    /// Where the key does not tell it.
    recipient: Option<Recipient>,
    /// A name for messages where the key does not tell its recipient.
    name: String,
}

enum Key {
    /// With its recipient, once somebody asks for it: to work it out takes as long as to read the file of the key.
    X25519(x25519::Identity, Box<OnceLock<Recipient>>),
    Ssh(Box<age::ssh::Identity>),
    Deferred(Box<Deferred>),
    Plugin(Box<Plugin>),
}

/// Where a text comes from, and who can be asked about it.
#[derive(Clone, Copy)]
struct Origin<'a> {
    place: &'a str,
    person: &'a Person,
}

impl Identity {
    /// Makes a new X25519 identity: its text, as it stands in a key file, and whom to seal to.
    pub fn generate() -> (Secret, Recipient) {
        let key = x25519::Identity::generate();
        let recipient = Recipient::from_x25519(key.to_public());
        (Secret::from(key.to_string().expose_secret()), recipient)
    }

    /// Reads the text of a key file, of `SOPS_AGE_KEY` or of an SSH private key. What needs a person finds nobody.
    ///
    /// An age key file holds one identity a line; several in one line are separated by blanks; `#` begins a comment
    /// line. It may be an age file with a passphrase, and so may an SSH private key have one.
    ///
    /// # Errors
    /// The first thing in it that cannot be used, by its line.
    pub fn parse_all(text: &Secret) -> Result<Vec<Self>, IdentityError> {
        Self::parse_all_at(text, "the identity file", &Person::nobody())
    }

    /// The same where there is somebody to ask. `place` names the text in questions and messages: a path, or the setting
    /// that it came from.
    ///
    /// # Errors
    /// As [`parse_all`](Self::parse_all).
    pub fn parse_all_at(text: &Secret, place: &str, person: &Person) -> Result<Vec<Self>, IdentityError> {
        let origin = Origin { place, person };
        if is_age_file(text.expose_bytes()) {
            let key = Key::Deferred(Box::new(locked::file(text.expose_bytes(), origin)?));
            return Ok(vec![Self { key, recipient: None, name: place.to_owned() }]);
        }
        Self::parse_from(text, origin)
    }

    /// Identities that `fetch` gets when nothing else opens a file, such as the text that a command prints. It is given
    /// the recipient that the file names, where that is known, and asked once for each; its error says what happened
    /// instead. `place` names it in messages.
    pub fn deferred(
        place: &str,
        person: &Person,
        fetch: impl Fn(Option<&str>) -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Self {
        let (place, name, person) = (place.to_owned(), place.to_owned(), person.clone());
        let get = move |recipient: Option<&str>| {
            let text = fetch(recipient).map_err(|why| UseError::Command { place: place.clone(), why })?;
            Self::parse_all_at(&text, &place, &person)
                .map_err(|cause| UseError::Unusable { place: place.clone(), cause })
        };
        let key = Key::Deferred(Box::new(Deferred::new(Worth::EachRecipient, get)));
        Self { key, recipient: None, name }
    }

    /// The age identity of a machine's `ssh-ed25519` private host key, as sops-nix derives it on the machine.
    ///
    /// # Errors
    /// [`IdentityError::NotEd25519`] for another kind, and what an SSH private key can lack otherwise.
    pub fn from_ssh_host_key(private_file: &Secret) -> Result<Self, IdentityError> {
        let text = private_file.expose_text().map_err(|_| IdentityError::NotText)?;
        let (_, key) = decode_openssh(text.trim_start())?;
        if key.is_encrypted() {
            return Err(IdentityError::EncryptedHostKey);
        }
        let pair = key.key_data().ed25519().ok_or(IdentityError::NotEd25519)?;
        let seed = Zeroizing::new(pair.private.to_bytes());
        let identity = ssh::x25519_identity(&seed).ok_or(IdentityError::Ssh)?;
        identity.parse().map(Self::from_x25519).map_err(|_| IdentityError::Ssh)
    }

    /// Whom to seal to, that this identity can open. `None` where that is not known before the identity was used: one
    /// behind a passphrase, a command or a plugin. An SSH key with a passphrase has its public half in clear.
    pub fn recipient(&self) -> Option<&Recipient> {
        match &self.key {
            Key::X25519(key, known) => Some(known.get_or_init(|| Recipient::from_x25519(key.to_public()))),
            _ => self.recipient.as_ref(),
        }
    }

    /// Whether it opens files without asking anybody or starting anything.
    pub fn is_ready(&self) -> bool {
        matches!(self.key, Key::X25519(..) | Key::Ssh(_))
    }

    /// The recipients of what it gives, got now if need be: a passphrase is asked for, a command run. None of a plugin.
    ///
    /// # Errors
    /// What [`failure`](Self::failure) tells from then on.
    pub fn find_recipients(&self) -> Result<Vec<Recipient>, UseError> {
        let Key::Deferred(deferred) = &self.key else {
            return Ok(self.recipient().cloned().into_iter().collect());
        };
        if let Some(recipient) = &self.recipient {
            return Ok(vec![recipient.clone()]);
        }
        let Some(got) = deferred.get(&[], None) else {
            return deferred.failure().map_or(Ok(Vec::new()), Err);
        };
        let found: Result<Vec<_>, _> = got.iter().map(Self::find_recipients).collect();
        found.map(|found| found.concat())
    }

    /// Why it could not be used, when it was needed and could not: what to tell when nothing opens a file.
    pub fn failure(&self) -> Option<UseError> {
        match &self.key {
            Key::X25519(..) | Key::Ssh(_) => None,
            Key::Plugin(plugin) => plugin.failure(),
            Key::Deferred(deferred) => deferred
                .failure()
                .or_else(|| deferred.ready().iter().flat_map(|found| found.iter()).find_map(Self::failure)),
        }
    }

    /// The file key, where that needs nobody.
    pub(crate) fn unwrap_ready(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        match &self.key {
            Key::X25519(identity, _) => identity.unwrap_stanzas(stanzas),
            Key::Ssh(identity) => identity.unwrap_stanzas(stanzas),
            Key::Plugin(_) => None,
            Key::Deferred(deferred) => deferred
                .ready()
                .iter()
                .find_map(|found| found.iter().find_map(|identity| identity.unwrap_ready(stanzas))),
        }
    }

    /// The file key, whatever must be asked or started for it. Where that fails, [`failure`](Self::failure) says why.
    pub(crate) fn unwrap_asking(
        &self,
        stanzas: &[Stanza],
        recipient: Option<&str>,
    ) -> Option<Result<FileKey, DecryptError>> {
        match &self.key {
            Key::X25519(..) | Key::Ssh(_) => None,
            Key::Plugin(plugin) => plugin.unwrap(stanzas).map(Ok),
            Key::Deferred(deferred) => {
                let found: Arc<Vec<Self>> = deferred.get(stanzas, recipient)?;
                let ready = found.iter().find_map(|identity| identity.unwrap_ready(stanzas));
                ready.or_else(|| found.iter().find_map(|identity| identity.unwrap_asking(stanzas, recipient)))
            }
        }
    }

    fn from_x25519(key: x25519::Identity) -> Self {
        Self { key: Key::X25519(key, Box::default()), recipient: None, name: String::new() }
    }

    fn from_plugin(plugin: Plugin, origin: Origin<'_>) -> Self {
        let name = format!("an identity of the age plugin `{}` in {}", plugin.name(), origin.place);
        Self { key: Key::Plugin(Box::new(plugin)), recipient: None, name }
    }

    /// Text that is no age file.
    fn parse_from(text: &Secret, origin: Origin<'_>) -> Result<Vec<Self>, IdentityError> {
        let text = text.expose_text().map_err(|_| IdentityError::NotText)?;
        let start = text.trim_start();
        if start.starts_with("-----BEGIN ") {
            return Ok(vec![Self::parse_ssh(start, origin)?]);
        }
        let mut identities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with('#') {
                for word in line.split_whitespace() {
                    identities.push(Self::parse_word(word, index + 1, origin)?);
                }
            }
        }
        if identities.is_empty() { Err(IdentityError::Empty) } else { Ok(identities) }
    }

    fn parse_word(word: &str, line: usize, origin: Origin<'_>) -> Result<Self, IdentityError> {
        let damaged = || IdentityError::Age { line };
        if word.starts_with("AGE-SECRET-KEY-PQ-1") {
            let plugin = Plugin::of_post_quantum(word, origin).ok_or_else(damaged)?;
            return Ok(Self::from_plugin(plugin, origin));
        }
        if word.starts_with("AGE-PLUGIN-") {
            let plugin = Plugin::parse(word, origin).ok_or_else(damaged)?;
            return Ok(Self::from_plugin(plugin, origin));
        }
        if !word.starts_with("AGE-SECRET-KEY-1") {
            return Err(IdentityError::Line { line });
        }
        word.parse().map(Self::from_x25519).map_err(|_| damaged())
    }

    fn parse_ssh(text: &str, origin: Origin<'_>) -> Result<Self, IdentityError> {
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(IdentityError::EncryptedPem);
        }
        if text.starts_with("-----BEGIN PRIVATE KEY-----") {
            return Err(IdentityError::Pkcs8);
        }
        if !text.starts_with(ssh::OPENSSH_BEGIN) && !text.starts_with("-----BEGIN RSA PRIVATE KEY-----") {
            return Err(IdentityError::Pem);
        }
        if text.starts_with(ssh::OPENSSH_BEGIN) {
            // The strict decoder goes first: the one of the age crate indexes into malformed integers.
            let (kind, key) = decode_openssh(text)?;
            if key.is_encrypted() {
                let line = key.public_key().to_openssh().map_err(|_| IdentityError::Ssh)?;
                let recipient: Recipient = line.parse().map_err(|_| IdentityError::Ssh)?;
                let key = Key::Deferred(Box::new(locked::ssh(key, &kind, origin)?));
                return Ok(Self { key, name: recipient.key().to_owned(), recipient: Some(recipient) });
            }
        }
        Self::parse_open_ssh(text)
    }

    /// An SSH private key without a passphrase, which the strict decoder took where it is in OpenSSH's form.
    fn parse_open_ssh(text: &str) -> Result<Self, IdentityError> {
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
                return Err(IdentityError::EncryptedPem);
            }
            age::ssh::Identity::Unsupported(UnsupportedKey::Hardware(kind) | UnsupportedKey::Type(kind)) => {
                return Err(IdentityError::SshKind { kind: kind.clone() });
            }
        }
        let public = age::ssh::Recipient::try_from(identity.clone()).map_err(|_| IdentityError::Ssh)?;
        let recipient: Recipient = public.to_string().parse().map_err(|_| IdentityError::Ssh)?;
        Ok(Self {
            key: Key::Ssh(Box::new(identity)),
            name: recipient.to_string(),
            recipient: Some(recipient),
        })
    }
}

/// Whether a text is an age file, binary or armored. Source: C2SP age.md, "Header" and "ASCII armor".
fn is_age_file(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.starts_with(b"age-encryption.org/") || start.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// The key and its kind.
fn decode_openssh(text: &str) -> Result<(String, PrivateKey), IdentityError> {
    let kind = ssh::private_file_kind(text).ok_or(IdentityError::Ssh)?;
    if kind != "ssh-ed25519" && kind != "ssh-rsa" {
        return Err(IdentityError::SshKind { kind });
    }
    let key = PrivateKey::from_openssh(text).map_err(|_| IdentityError::Ssh)?;
    Ok((kind, key))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {self})")
    }
}

/// A name for messages: the recipient, or where an identity is of which that is not known.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, self.recipient()) {
            (Key::X25519(..), Some(recipient)) => recipient.fmt(f),
            _ => f.write_str(&self.name),
        }
    }
}

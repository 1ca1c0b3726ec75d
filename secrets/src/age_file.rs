//! Plain age files, as agenix keeps them: the whole file sealed, nothing visible but to how many.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza};
use zeroize::Zeroizing;

use crate::identity::{Identity, missing_plugin, refused_plugin, said};
use crate::recipient::{Recipient, Sealer};
use crate::secret::Secret;

/// The most work that a passphrase may be made to cost: 2^22 rounds of scrypt and 4 GiB, as in age. `age -p` takes 2^18.
const MAX_WORK: u8 = 22;

/// The remedy for more than that.
pub(crate) const WORK: &str = "encrypt it anew with `age -p`, which takes 2^18";

/// How an age file is written. Every reader of age files takes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes, smaller.
    Binary,
    /// Text, for files that people look at in diffs and mails.
    Armored,
}

/// Why an age file could not be made or opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgeError {
    /// Nobody to seal to.
    NoRecipients,
    /// age refused to seal.
    Seal,
    /// A recipient whose plugin is not on PATH.
    NoPlugin {
        /// The plugin's name: `yubikey` of `age-plugin-yubikey`.
        name: String,
    },
    /// A recipient whose plugin refused to seal.
    Plugin {
        /// The plugin's name.
        name: String,
        /// What it said.
        said: String,
    },
    /// Recipients that may not share a file: a post-quantum one beside others.
    Mixed,
    /// None of the identities opens it.
    NoIdentity,
    /// It is encrypted with a passphrase, not to recipients.
    Passphrase,
    /// It is encrypted with another passphrase.
    WrongPassphrase,
    /// It is encrypted with a passphrase that takes more work to try than anybody asks for in earnest.
    Work,
    /// It is not an age file, or was cut off or changed.
    Damaged,
}

/// Seals `plaintext` to all of `recipients`. Those of plugins are sealed to by the programs `age-plugin-<name>` on PATH,
/// which find nobody to talk to.
///
/// # Errors
/// What stands first in [`AgeError`], down to [`AgeError::Mixed`].
pub fn encrypt(
    plaintext: &Secret,
    recipients: &[Recipient],
    encoding: Encoding,
) -> Result<Vec<u8>, AgeError> {
    if recipients.is_empty() {
        return Err(AgeError::NoRecipients);
    }
    let sealers = recipients.iter().map(Recipient::sealer).collect::<Result<Vec<_>, _>>()?;
    let encryptor = age::Encryptor::with_recipients(sealers.iter().map(Sealer::as_age)).map_err(|error| {
        let name = || recipients.iter().find_map(Recipient::plugin).unwrap_or_default().to_owned();
        match error {
            EncryptError::Plugin(errors) => AgeError::Plugin { name: name(), said: said(&errors) },
            EncryptError::Io(_) => {
                AgeError::Plugin { name: name(), said: "it ended without an answer".to_owned() }
            }
            EncryptError::IncompatibleRecipients { .. } => AgeError::Mixed,
            _ => AgeError::Seal,
        }
    })?;
    let format = match encoding {
        Encoding::Binary => Format::Binary,
        Encoding::Armored => Format::AsciiArmor,
    };
    let write = || -> std::io::Result<Vec<u8>> {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), format)?)?;
        writer.write_all(plaintext.expose_bytes())?;
        writer.finish()?.finish()
    };
    write().map_err(|_| AgeError::Seal)
}

/// Opens an age file, binary or armored. What asks a person or starts a program does so when no other identity opens
/// it; why such a one could not be used, [`Identity::failure`] tells.
///
/// # Errors
/// [`AgeError::NoIdentity`] when it is sealed to others, [`AgeError::Passphrase`] and [`AgeError::Damaged`].
pub fn decrypt(file: &[u8], identities: &[Identity]) -> Result<Secret, AgeError> {
    open(file, &Attempt { identities, recipient: None, asks: true })
}

/// The same where it is known whom the file is sealed to, by the text that stands beside it in the file around: a command
/// that prints identities is told, as by sops.
///
/// # Errors
/// As [`decrypt`].
pub fn decrypt_for(file: &[u8], recipient: &str, identities: &[Identity]) -> Result<Secret, AgeError> {
    open(file, &Attempt { identities, recipient: Some(recipient), asks: true })
}

/// The same with those identities that are ready, so that nobody is asked and nothing started. Where the content stands
/// in several age files, as in SOPS, each is tried like this before one is opened with more effort.
///
/// # Errors
/// As [`decrypt`].
pub fn decrypt_ready(file: &[u8], identities: &[Identity]) -> Result<Secret, AgeError> {
    open(file, &Attempt { identities, recipient: None, asks: false })
}

/// Opens an age file that is encrypted with a passphrase.
///
/// # Errors
/// [`AgeError::WrongPassphrase`], [`AgeError::NoIdentity`] when it is sealed to recipients, [`AgeError::Work`] and
/// [`AgeError::Damaged`].
pub fn decrypt_with_passphrase(file: &[u8], passphrase: &Secret) -> Result<Secret, AgeError> {
    let passphrase = passphrase.expose_text().map_err(|_| AgeError::WrongPassphrase)?;
    let file = without_armor(file)?;
    let decryptor = read_header(&file)?;
    if !decryptor.is_scrypt() {
        return Err(AgeError::NoIdentity);
    }
    let mut identity = age::scrypt::Identity::new(passphrase.into());
    identity.set_max_work_factor(MAX_WORK);
    read(decryptor, file.len(), &identity)
}

/// Whether an age file is encrypted with a passphrase, not to recipients.
///
/// # Errors
/// [`AgeError::Damaged`] when it is no age file.
pub fn has_passphrase(file: &[u8]) -> Result<bool, AgeError> {
    Ok(read_header(&without_armor(file)?)?.is_scrypt())
}

/// Whether a file may be sealed to exactly these, as far as its header tells anybody: of SSH keys it names each, of the
/// others there is one stanza for each and nobody knows whose.
///
/// # Errors
/// [`AgeError::Damaged`] when it is no age file.
pub fn may_be_for(file: &[u8], recipients: &[Recipient]) -> Result<bool, AgeError> {
    let header = Header::default();
    match read(read_header(&without_armor(file)?)?, 0, &header) {
        Err(AgeError::NoIdentity) => {}
        Err(error) => return Err(error),
        Ok(_) => return Err(AgeError::Damaged),
    }
    let (mut tags, others) = header.0.into_inner();
    let mut wanted: Vec<String> = recipients.iter().filter_map(Recipient::ssh_tag).collect();
    // How many stanzas a plugin writes is its own affair.
    let counts = recipients.iter().all(|recipient| recipient.plugin().is_none());
    tags.sort_unstable();
    wanted.sort_unstable();
    Ok(tags == wanted && (!counts || others == recipients.len() - wanted.len()))
}

/// Opens nothing: takes down the tags of SSH keys, and how many other recipients there are.
#[derive(Default)]
struct Header(RefCell<(Vec<String>, usize)>);

impl age::Identity for Header {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let mut found = self.0.borrow_mut();
        match (stanza.tag.as_str(), stanza.args.first()) {
            ("ssh-ed25519" | "ssh-rsa", Some(tag)) => found.0.push(tag.clone()),
            // Put there so that readers get used to what they do not know.
            (tag, _) if tag.ends_with("-grease") => {}
            _ => found.1 += 1,
        }
        None
    }
}

/// The bytes of a file that may be armored. White space may stand around an armor.
fn without_armor(file: &[u8]) -> Result<Cow<'_, [u8]>, AgeError> {
    if file.starts_with(b"age-encryption.org/") {
        return Ok(Cow::Borrowed(file));
    }
    let mut bytes = Vec::with_capacity(file.len());
    let read = ArmoredReader::new(file.trim_ascii()).read_to_end(&mut bytes);
    read.map_err(|_| AgeError::Damaged)?;
    Ok(Cow::Owned(bytes))
}

type Decryptor<'f> = age::Decryptor<&'f [u8]>;

fn read_header(file: &[u8]) -> Result<Decryptor<'_>, AgeError> {
    if !each_stanza_ends(file) {
        return Err(AgeError::Damaged);
    }
    age::Decryptor::new_buffered(file).map_err(|_| AgeError::Damaged)
}

/// Whether each stanza of the header ends with a line of less than 64 letters, if need be an empty one: an early version
/// of age left that one out, the format demands it, and the age crate takes both. Source: C2SP age.md, "Header".
fn each_stanza_ends(file: &[u8]) -> bool {
    let mut is_open = false;
    for line in file.split(|byte| *byte == b'\n').skip(1) {
        let begins_something = line.starts_with(b"-");
        if is_open && begins_something {
            return false;
        }
        if line.starts_with(b"---") {
            break;
        }
        is_open = begins_something || line.len() == 64;
    }
    true
}

fn open(file: &[u8], attempt: &Attempt<'_>) -> Result<Secret, AgeError> {
    let file = without_armor(file)?;
    let decryptor = read_header(&file)?;
    let has_passphrase = decryptor.is_scrypt();
    read(decryptor, file.len(), attempt).map_err(|error| match error {
        AgeError::NoIdentity if has_passphrase => AgeError::Passphrase,
        other => other,
    })
}

fn read(decryptor: Decryptor<'_>, length: usize, identity: &dyn age::Identity) -> Result<Secret, AgeError> {
    let has_passphrase = decryptor.is_scrypt();
    let mut reader = decryptor.decrypt(std::iter::once(identity)).map_err(|error| match error {
        DecryptError::NoMatchingKeys => AgeError::NoIdentity,
        DecryptError::DecryptionFailed if has_passphrase => AgeError::WrongPassphrase,
        DecryptError::ExcessiveWork { .. } => AgeError::Work,
        _ => AgeError::Damaged,
    })?;
    // A plaintext is never longer than its file, so the buffer never moves and leaves no copy.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(length));
    reader.read_to_end(&mut plaintext).map_err(|_| AgeError::Damaged)?;
    Ok(Secret::from_bytes(std::mem::take(&mut *plaintext)))
}

/// All identities as one, since the order in which they are tried depends on what they cost.
struct Attempt<'a> {
    identities: &'a [Identity],
    recipient: Option<&'a str>,
    asks: bool,
}

impl age::Identity for Attempt<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let ready = self.identities.iter().find_map(|identity| identity.unwrap_ready(stanzas));
        if ready.is_some() || !self.asks {
            return ready;
        }
        self.identities.iter().find_map(|identity| identity.unwrap_asking(stanzas, self.recipient))
    }
}

impl fmt::Display for AgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRecipients => "cannot seal an age file: no recipient is named",
            Self::Seal => "cannot seal an age file: a recipient could not be used",
            Self::NoPlugin { name } => {
                return write!(f, "cannot seal an age file: `age-plugin-{name}` is not on PATH");
            }
            Self::Plugin { name, said } => {
                return write!(f, "cannot seal an age file: `age-plugin-{name}` says: {said}");
            }
            Self::Mixed => "cannot seal an age file: a post-quantum recipient stands beside another one",
            Self::NoIdentity => "cannot open the age file: it is sealed to none of the identities tried",
            Self::Passphrase => {
                "cannot open the age file: it is encrypted with a passphrase, not to recipients"
            }
            Self::WrongPassphrase => "cannot open the age file: the passphrase does not fit",
            Self::Work => "cannot open the age file: its passphrase takes more than 2^22 rounds of scrypt",
            Self::Damaged => "cannot open the age file: it is no age file, or was cut off or changed",
        })
    }
}

impl AgeError {
    /// Why one recipient could not be sealed to, and what to do about it.
    pub(crate) fn of_recipient(&self) -> (String, &'static str) {
        match self {
            Self::NoPlugin { name } => (
                format!("`age-plugin-{name}` is not on PATH"),
                "install that plugin and put its folder on PATH",
            ),
            Self::Plugin { name, said } => (
                format!("`age-plugin-{name}` says: {said}"),
                "see that the plugin has what it needs, and that `age` itself can use it",
            ),
            _ => {
                ("the key does not work".to_owned(), "look at the recipient: it must be a working public key")
            }
        }
    }

    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> String {
        match self {
            Self::NoRecipients => "name at least one recipient",
            Self::Seal => "look at the recipients: each must be a working public key",
            Self::NoPlugin { name } => return missing_plugin(name),
            Self::Plugin { name, .. } => return refused_plugin(name),
            Self::Mixed => "seal to post-quantum recipients alone, or to none of them",
            Self::NoIdentity => "use the identity of one of its recipients",
            Self::Passphrase => "decrypt it with `age -d` and seal it to recipients",
            Self::WrongPassphrase => "run it again with the right passphrase",
            Self::Work => WORK,
            Self::Damaged => "restore the file from git",
        }
        .to_owned()
    }
}

impl std::error::Error for AgeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_file_is_for_is_seen_as_far_as_its_header_tells() {
        let ssh = |letter: &str| -> Recipient {
            crate::host_key::HostKey::generate(letter).unwrap().into_files().1.parse().unwrap()
        };
        let (cp1, cp2, cp3) = (ssh("a"), ssh("b"), ssh("c"));
        let ((_, anna), (_, berta)) = (Identity::generate(), Identity::generate());
        let readers = [anna.clone(), cp1.clone(), cp2.clone()];
        for encoding in [Encoding::Armored, Encoding::Binary] {
            let file = encrypt(&Secret::from("x"), &readers, encoding).unwrap();
            let is_for = |wanted: &[&Recipient]| {
                may_be_for(&file, &wanted.iter().map(|one| (*one).clone()).collect::<Vec<_>>()).unwrap()
            };
            assert!(is_for(&[&anna, &cp1, &cp2]) && is_for(&[&cp2, &anna, &cp1]));
            assert!(!is_for(&[&anna, &cp1]) && !is_for(&[&anna, &cp1, &cp3]));
            assert!(!is_for(&[&anna, &berta, &cp1, &cp2]) && !is_for(&[&cp1, &cp2]));
            assert!(is_for(&[&berta, &cp1, &cp2]), "X25519 hides whose a stanza is");
        }
        assert_eq!(may_be_for(b"no age file", &readers), Err(AgeError::Damaged));
    }

    #[test]
    fn a_file_with_a_passphrase_is_told_from_one_for_others() {
        let mut passphrase = age::scrypt::Recipient::new("throwaway".to_owned().into());
        passphrase.set_work_factor(2);
        let file = age::encrypt(&passphrase, b"content").unwrap();
        let (identity, _) = Identity::generate();
        let error = decrypt(&file, &Identity::parse_all(&identity).unwrap()).unwrap_err();
        assert_eq!(error, AgeError::Passphrase);
    }
}

//! Plain age files, as agenix keeps them: the whole file sealed, nothing visible but to how many.

use std::fmt;
use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::recipient::Recipient;
use crate::secret::Secret;

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
    /// None of the identities opens it.
    NoIdentity,
    /// It is encrypted with a passphrase, not to recipients.
    Passphrase,
    /// It is not an age file, or was cut off or changed.
    Damaged,
}

/// Seals `plaintext` to all of `recipients`.
///
/// # Errors
/// [`AgeError::NoRecipients`] or [`AgeError::Seal`].
pub fn encrypt(
    plaintext: &Secret,
    recipients: &[Recipient],
    encoding: Encoding,
) -> Result<Vec<u8>, AgeError> {
    if recipients.is_empty() {
        return Err(AgeError::NoRecipients);
    }
    let encryptor = age::Encryptor::with_recipients(recipients.iter().map(Recipient::as_age))
        .map_err(|_| AgeError::Seal)?;
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

/// Opens an age file, binary or armored.
///
/// # Errors
/// [`AgeError::NoIdentity`] when it is sealed to others, [`AgeError::Passphrase`] and [`AgeError::Damaged`].
pub fn decrypt(file: &[u8], identities: &[Identity]) -> Result<Secret, AgeError> {
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(file)).map_err(|_| AgeError::Damaged)?;
    if decryptor.is_scrypt() {
        return Err(AgeError::Passphrase);
    }
    let mut reader = match decryptor.decrypt(identities.iter().map(Identity::as_age)) {
        Ok(reader) => reader,
        Err(age::DecryptError::NoMatchingKeys) => return Err(AgeError::NoIdentity),
        Err(_) => return Err(AgeError::Damaged),
    };
    // A plaintext is never longer than its file, so the buffer never moves and leaves no copy.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut plaintext).map_err(|_| AgeError::Damaged)?;
    Ok(Secret::from_bytes(std::mem::take(&mut *plaintext)))
}

impl fmt::Display for AgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRecipients => "cannot seal an age file: no recipient is named",
            Self::Seal => "cannot seal an age file: a recipient could not be used",
            Self::NoIdentity => "cannot open the age file: it is sealed to none of the identities tried",
            Self::Passphrase => {
                "cannot open the age file: it is encrypted with a passphrase, not to recipients"
            }
            Self::Damaged => "cannot open the age file: it is no age file, or was cut off or changed",
        })
    }
}

impl AgeError {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoRecipients => "name at least one recipient",
            Self::Seal => "look at the recipients: each must be a working public key",
            Self::NoIdentity => "use the identity of one of its recipients",
            Self::Passphrase => "decrypt it with `age -d` and seal it to recipients",
            Self::Damaged => "restore the file from git",
        }
    }
}

impl std::error::Error for AgeError {}

#[cfg(test)]
mod tests {
    use super::*;

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

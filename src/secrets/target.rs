//! The file that a verb is about: found, read within bounds, opened.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{MAX_BYTES, Opened, Plaintext, SealedFile, SopsError, Store};

use super::cli::FileArgs;
use super::locked::open_regular;
use super::walk::refuse_certs;
use crate::error::Error;
use crate::identities::{Identities, Places};

/// A file and how it is laid out.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) store: Store,
}

impl Target {
    /// `db` is secrets/db.yaml, unless there is a file of that name here.
    pub(super) fn of(args: &FileArgs) -> Self {
        let named = &args.file;
        // Whoever writes a folder or an ending means that file.
        let is_word = !named.as_os_str().as_encoded_bytes().iter().any(|byte| b"./".contains(byte));
        let is_bare = is_word && named.as_os_str() != "-" && !named.exists();
        let path =
            if is_bare { Path::new("secrets").join(named).with_extension("yaml") } else { named.clone() };
        let store = args.input_type.unwrap_or_else(|| store_of(&path));
        Self { path, store }
    }

    /// Stdin can be read, and not be changed.
    pub(super) fn refuse_stdin(&self) -> Result<(), Error> {
        if self.path.as_os_str() == "-" {
            return Err(Error::Request {
                message: "cannot change stdin: it has no place to put the new content in".to_owned(),
                hint: "name a file, or use `encrypt` or `decrypt` without `-i`".to_owned(),
            });
        }
        Ok(())
    }

    /// That this is a file which stands there, and is ours to change.
    pub(super) fn may_be_changed(&self) -> Result<(), Error> {
        self.refuse_stdin()?;
        refuse_certs(&self.path)
    }

    /// A file by its name alone.
    pub(super) fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), store: store_of(path) }
    }

    /// An error about this file.
    pub(super) fn error(&self, error: SopsError) -> Error {
        Error::Secrets { path: self.path.clone(), error: Box::new(error), looked: Vec::new() }
    }

    /// An error about its plaintext, which a person wrote.
    pub(super) fn unread(&self, error: SopsError) -> Error {
        if error == SopsError::AlreadySealed {
            return self.error(error);
        }
        Error::Sealed {
            file: self.path.display().to_string(),
            cause: error.to_string(),
            hint: error.text_hint().to_owned(),
        }
    }

    /// Its bytes; `-` is stdin.
    pub(super) fn read(&self) -> Result<Vec<u8>, Error> {
        if self.path.as_os_str() == "-" {
            return read_all(io::stdin().lock(), &self.path, Vec::new());
        }
        let failed = Error::io("read", &self.path);
        // The shell's `<(...)`: what is open already, with who writes to it at the other end.
        let is_handed_over = self.path.starts_with("/dev/fd") || self.path == Path::new("/dev/stdin");
        let opened = if is_handed_over { File::open(&self.path) } else { open_regular(&self.path) };
        bounded(&opened.map_err(failed)?, &self.path)
    }

    /// Its sealed content, parsed.
    pub(super) fn parse(&self, bytes: impl Into<Vec<u8>>) -> Result<SealedFile, Error> {
        let text = String::from_utf8(bytes.into())
            .map_err(|error| self.error(SopsError::NotText { at: error.utf8_error().valid_up_to() }))?;
        // A sealed file whose end is missing has ciphertexts still.
        let is_open = !text.contains("ENC[AES256_GCM,");
        match SealedFile::from_text(text, self.store) {
            Err(SopsError::NotSealed) if is_open => Err(Error::Plaintext { path: self.path.clone() }),
            Err(_) if self.store == Store::Binary && is_open => {
                Err(Error::Plaintext { path: self.path.clone() })
            }
            parsed => parsed.map_err(|error| self.error(error)),
        }
    }

    /// Its sealed content, opened.
    pub(super) fn open(&self, sealed: &SealedFile, identities: &Identities) -> Result<Opened, Error> {
        sealed.open(&identities.all).map_err(|error| self.refused(error, identities))
    }

    /// What its sealed content says, to be looked at.
    pub(super) fn decrypt(&self, sealed: SealedFile, identities: &Identities) -> Result<Plaintext, Error> {
        sealed.decrypt(&identities.all).map_err(|error| self.refused(error, identities))
    }

    /// An error of opening. Where nobody here can, an identity that was asked for and failed is the reason; one that
    /// cannot be read stands among the places that were looked at, since it may be somebody else's affair.
    pub(super) fn refused(&self, error: SopsError, identities: &Identities) -> Error {
        if !matches!(error, SopsError::NoIdentity { .. }) {
            return self.error(error);
        }
        identities.failure().unwrap_or_else(|| {
            let looked = identities.looked.clone();
            Error::Secrets { path: self.path.clone(), error: Box::new(error), looked }
        })
    }
}

/// The identities that are here.
pub(super) fn identities() -> Identities {
    Places::from_env().load()
}

/// Reads, parses and opens a file, to look at what it says.
pub(super) fn decrypted(target: &Target) -> Result<Plaintext, Error> {
    let sealed = target.parse(target.read()?)?;
    target.decrypt(sealed, &identities())
}

fn store_of(path: &Path) -> Store {
    Store::of_path(&path.to_string_lossy())
}

/// All of an open file. One that is too large is not read at all.
pub(crate) fn bounded(file: &File, path: &Path) -> Result<Vec<u8>, Error> {
    let length = file.metadata().ok().filter(Metadata::is_file).map_or(0, |found| found.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_BYTES {
        return Err(too_large(path));
    }
    // One more than there is, so that the end is seen without more room: plaintext that moves leaves a copy behind.
    read_all(file, path, Vec::with_capacity(length + 1))
}

fn read_all(reader: impl io::Read, path: &Path, mut bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() > MAX_BYTES { Err(too_large(path)) } else { Ok(bytes) }
}

fn too_large(path: &Path) -> Error {
    Target::named(path).error(SopsError::TooLarge)
}

/// Plaintext from a file or stdin.
pub(super) fn plaintext(target: &Target) -> Result<Secret, Error> {
    target.read().map(Secret::from_bytes)
}

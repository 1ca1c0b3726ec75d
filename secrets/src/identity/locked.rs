//! Identities behind a passphrase: age files of identities, and SSH private keys.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use ssh_key::{LineEnding, PrivateKey};

use super::deferred::{Deferred, Worth};
use super::{Identity, IdentityError, Origin, Person, Question, UseError};
use crate::age_file::{self, AgeError};
use crate::secret::Secret;

/// As often as ssh asks.
const TRIES: usize = 3;

/// An age file that holds identities. It must be encrypted with a passphrase: nobody is there to open another.
pub(super) fn file(bytes: &[u8], origin: Origin<'_>) -> Result<Deferred, IdentityError> {
    match age_file::has_passphrase(bytes) {
        Ok(true) => {}
        Ok(false) => return Err(IdentityError::SealedFile),
        Err(_) => return Err(IdentityError::DamagedFile),
    }
    let sealed = bytes.to_vec();
    let (place, person) = (origin.place.to_owned(), origin.person.clone());
    Ok(Deferred::new(Worth::AnyFile, move |_| {
        let text = unlock(&place, &person, |passphrase| {
            match age_file::decrypt_with_passphrase(&sealed, passphrase) {
                Ok(text) => Ok(Some(text)),
                Err(AgeError::WrongPassphrase) => Ok(None),
                Err(error) => {
                    Err(UseError::Unusable { place: place.clone(), cause: IdentityError::Inside(error) })
                }
            }
        })?;
        let unusable = |cause| UseError::Unusable { place: place.clone(), cause };
        if super::is_age_file(text.expose_bytes()) {
            return Err(unusable(IdentityError::Nested));
        }
        Identity::parse_from(&text, Origin { place: &place, person: &person }).map_err(unusable)
    }))
}

/// An OpenSSH private key. Its public half is in clear, and says which files it is worth asking for.
pub(super) fn ssh(key: PrivateKey, kind: &str, origin: Origin<'_>) -> Result<Deferred, IdentityError> {
    let public = key.public_key().to_bytes().map_err(|_| IdentityError::Ssh)?;
    // Source: C2SP age.md, "ssh-ed25519 recipient stanza": the first four bytes of SHA-256 of the public key.
    let tag = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(&public).get(..4).unwrap_or_default());
    let (place, person) = (origin.place.to_owned(), origin.person.clone());
    Ok(Deferred::new(Worth::Stanza([kind.to_owned(), tag]), move |_| {
        let open = unlock(&place, &person, |passphrase| Ok(key.decrypt(passphrase.expose_bytes()).ok()))?;
        let unusable = |cause| UseError::Unusable { place: place.clone(), cause };
        let text = open.to_openssh(LineEnding::LF).map_err(|_| unusable(IdentityError::Ssh))?;
        Identity::parse_open_ssh(&text).map(|identity| vec![identity]).map_err(unusable)
    }))
}

/// Asks for the passphrase until it fits. `open` gives nothing for a wrong one.
fn unlock<T>(
    place: &str,
    person: &Person,
    open: impl Fn(&Secret) -> Result<Option<T>, UseError>,
) -> Result<T, UseError> {
    let _turn = person.turn();
    let mut question = format!("passphrase of {place}:");
    for _ in 0..TRIES {
        let passphrase = person.ask(Question::Passphrase(&question));
        let passphrase = passphrase.ok_or_else(|| UseError::Nobody { place: place.to_owned() })?;
        if let Some(opened) = open(&passphrase)? {
            return Ok(opened);
        }
        question = format!("that does not fit; passphrase of {place}:");
    }
    Err(UseError::Passphrase { place: place.to_owned() })
}

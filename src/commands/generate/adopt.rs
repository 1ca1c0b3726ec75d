//! `gen --adopt`: authorities that were made elsewhere, read from where they lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use quorate_pki::adopt::{Adopted, check, check_key_type, read_certificate, settled, strictures};
use quorate_pki::authority::Authority;
use quorate_pki::cluster::Cluster;
use quorate_pki::error::KeyError;
use quorate_pki::facts::CertFacts;
use quorate_pki::foreign_key;
use quorate_pki::state::State;
use quorate_secrets::age_file;
use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::SealedFile;
use secrecy::SecretString;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::cli::AdoptArg;
use crate::error::Error;
use crate::identities::{Identities, Places};
use crate::report;

/// A certificate or a key is a few KiB; a device that never ends is neither.
const MOST: u64 = 1 << 20;

/// Reads and judges the authorities that are to be taken over; those that this PKI has already are left out.
///
/// # Errors
/// A file that cannot be read, opened or understood; every attribute that will not do.
pub(super) fn read(
    arguments: &[AdoptArg],
    cluster: &Cluster,
    state: &State,
    places: &Places,
    identities: &mut Option<Identities>,
    now: OffsetDateTime,
) -> Result<BTreeMap<Authority, Adopted>, Error> {
    let mut adopted = BTreeMap::new();
    let mut faults = Vec::new();
    for argument in arguments {
        let authority = known(argument, cluster)?;
        let facts = read_certificate(&bytes(&argument.certificate)?)
            .map_err(|error| unusable(&argument.certificate, &error.to_string(), CERTIFICATE_HINT))?;
        match settled(state, authority, &facts) {
            Ok(false) => {}
            Ok(true) => {
                report::note(&format!("`{authority}` is adopted already: nothing of it is read again"));
                continue;
            }
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        }
        if let Err(fault) = check_key_type(authority, &facts) {
            faults.push(fault);
            continue;
        }
        let text = Sealed { authority, path: &argument.key, places }.open(identities)?;
        let key = match foreign_key::from_pem(&text, &facts.public_key) {
            Ok(key) => key,
            Err(cause) => return Err(key_error(argument, &cause)),
        };
        if adopted.insert(authority, Adopted { facts, key }).is_some() {
            return Err(Error::Request {
                message: format!("`--adopt {authority}=` is given twice"),
                hint: "name one certificate and one key for each authority".to_owned(),
            });
        }
    }
    if let Err(more) = check(cluster.policy().ca, &adopted, now) {
        faults.extend(more);
    }
    if !faults.is_empty() {
        return Err(Error::Adopt { faults });
    }
    for (authority, one) in &adopted {
        warn_of_strictures(*authority, &one.facts);
    }
    Ok(adopted)
}

fn warn_of_strictures(authority: Authority, facts: &CertFacts) {
    let held = strictures(facts);
    if held.is_empty() {
        return;
    }
    report::warning(&format!(
        "strict clients, Python 3.13 among them, will refuse what the adopted `{authority}` signs: {}",
        held.join(", ")
    ));
    report::hint(
        "its renewal by `pki gen` mends that; until then such clients need a root that is made anew",
    );
}

/// The authority that is meant, when the cluster has it.
fn known(argument: &AdoptArg, cluster: &Cluster) -> Result<Authority, Error> {
    let mode = cluster.policy().ca;
    let has = mode.authorities();
    let named = Authority::from_name(&argument.name).filter(|authority| has.contains(authority));
    named.ok_or_else(|| Error::Request {
        message: format!(
            "there is no authority `{name}` to adopt with `cluster.ca = \"{mode}\"`",
            name = argument.name
        ),
        hint: format!(
            "it has {}",
            has.iter().map(|authority| format!("`{authority}`")).collect::<Vec<_>>().join(", ")
        ),
    })
}

const CERTIFICATE_HINT: &str = "name a PEM file with the authority's certificate alone; \
                                `openssl x509 -inform der -in FILE` makes one out of DER";

fn unusable(path: &Path, cause: &str, hint: &str) -> Error {
    Error::Foreign { path: path.to_owned(), cause: cause.to_owned(), hint: hint.to_owned() }
}

fn key_error(argument: &AdoptArg, cause: &KeyError) -> Error {
    let AdoptArg { name, certificate, key } = argument;
    let (certificate, file) = (certificate.display(), key.display());
    let hint = match cause {
        KeyError::Encrypted => format!(
            "pass it on without a file in clear: `openssl pkey -in {file} | pki gen --adopt {name}={certificate},-`"
        ),
        KeyError::Foreign => format!(
            "name the key that belongs to {certificate}: `openssl pkey -in {file} -pubout` and `openssl x509 -in \
             {certificate} -noout -pubkey` print the same for the two"
        ),
        KeyError::Count(0) | KeyError::Pem => {
            "name a PEM file, or an age or SOPS file with the PEM in it; `openssl pkey -inform der -in FILE` makes one \
             out of DER"
                .to_owned()
        }
        KeyError::Count(_) => "name a file that holds the authority's key alone".to_owned(),
        _ => "an authority has an RSA key of 2048 to 4096 bits, P-256, P-384 or Ed25519: make another one".to_owned(),
    };
    unusable(key, &cause.to_string(), &hint)
}

/// A file's bytes, wiped when they go: a key may be among them. `-` is stdin.
fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 << 16));
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(Error::io("read", path))?;
    if u64::try_from(length).is_ok_and(|length| length <= MOST) {
        return Ok(bytes);
    }
    Err(unusable(path, "it is longer than 1 MiB", "name the certificate or the key itself"))
}

/// A file with a private key: in clear, or sealed with age or as a SOPS file.
struct Sealed<'a> {
    authority: Authority,
    path: &'a Path,
    places: &'a Places,
}

impl Sealed<'_> {
    fn open(&self, identities: &mut Option<Identities>) -> Result<SecretString, Error> {
        let bytes = bytes(self.path)?;
        let age = bytes.starts_with(b"age-encryption.org/")
            || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
        if age {
            let identities = identities.get_or_insert_with(|| self.places.load());
            let secret = age_file::decrypt(&bytes, &identities.all).map_err(|error| match error {
                age_file::AgeError::NoIdentity => self.nobody(Vec::new(), identities),
                other => unusable(self.path, &other.to_string(), other.hint()),
            })?;
            return self.text(&secret);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            unusable(self.path, "it is no text", "name a PEM file, an age file or a SOPS file")
        })?;
        match SealedFile::parse(text) {
            Ok(file) if !text.contains("PRIVATE KEY-----") => {
                let identities = identities.get_or_insert_with(|| self.places.load());
                self.entry(&file, &identities.all).map_err(|refused| {
                    refused.unwrap_or_else(|| {
                        self.nobody(file.recipients().map(ToOwned::to_owned).collect(), identities)
                    })
                })
            }
            _ => Ok(SecretString::from(text)),
        }
    }

    /// The key in a SOPS file: under the authority's name, or the only thing there. `None`: nobody here may open it.
    fn entry(&self, file: &SealedFile, identities: &[Identity]) -> Result<SecretString, Option<Error>> {
        use quorate_secrets::sops::SopsError;
        let opened = file.open(identities).map_err(|error| match error {
            SopsError::NoIdentity { .. } => None,
            other => Some(unusable(self.path, &other.to_string(), other.hint())),
        })?;
        let names: Vec<String> = file.keys().map(ToOwned::to_owned).collect();
        let name = match names.as_slice() {
            [only] => only.as_str(),
            _ => self.authority.name(),
        };
        let secret = opened.get(name).ok_or_else(|| {
            let cause = format!("it holds {}, and nothing called `{name}`", crate::words::list(&names, 5));
            unusable(self.path, &cause, "give the key the authority's name there, or a file of its own")
        })?;
        Ok(self.text(secret)?)
    }

    fn nobody(&self, recipients: Vec<String>, identities: &Identities) -> Error {
        Error::NoIdentity {
            files: vec![self.path.display().to_string()],
            recipients,
            looked: identities.looked.clone(),
        }
    }

    fn text(&self, secret: &Secret) -> Result<SecretString, Error> {
        let text = secret.expose_text();
        text.map(SecretString::from)
            .map_err(|_| unusable(self.path, "what is sealed in it is no text", "seal the key as PEM"))
    }
}

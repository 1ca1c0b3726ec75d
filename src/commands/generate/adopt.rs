//! `gen --adopt`: authorities that were made elsewhere, read from where they lie.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use quorate_pki::adopt::{
    AdoptFault, Adopted, Settled, check, left_out, read_certificate, settled, strictures, try_out,
};
use quorate_pki::authority::Authority;
use quorate_pki::cluster::Cluster;
use quorate_pki::error::KeyError;
use quorate_pki::facts::CertFacts;
use quorate_pki::foreign_key;
use quorate_pki::state::State;
use quorate_secrets::age_file::{self, AgeError};
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{self, SealedFile, SopsError};
use secrecy::SecretString;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::cli::Gen;
use crate::error::Error;
use crate::identities::{Identities, Places};
use crate::report;

/// How long a certificate may be: ten times what an authority's is, and no chain of TLS takes more of one.
const MOST_CERTIFICATE: u64 = 16 << 10;
/// How long a key may be. A sealed one has a stanza for every reader.
const MOST_KEY: u64 = 1 << 20;

/// One `--adopt NAME=CRT,KEY`, with what the files hold. Read before anything is locked or looked for: a pipe may take
/// its time, and nobody else may read it.
pub(super) struct Offer {
    name: String,
    certificate: Content,
    key: Content,
    /// The folder of the certificates, for messages.
    certs: PathBuf,
}

/// A file's bytes, wiped when they go.
struct Content {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

/// Reads every file that is named.
///
/// # Errors
/// A file that cannot be read or is too long; stdin twice.
pub(super) fn read_files(args: &Gen) -> Result<Vec<Offer>, Error> {
    let stdin = args.adopt.iter().flat_map(|one| [&one.certificate, &one.key]).filter(|path| is_stdin(path));
    if stdin.count() > 1 {
        return Err(Error::Request {
            message: "`-` stands for two files of `--adopt`, and stdin is read once".to_owned(),
            hint: "name the certificates as files, and at most one key as `-`".to_owned(),
        });
    }
    let mut offers: Vec<Offer> = Vec::new();
    for argument in &args.adopt {
        let name = argument.name.clone();
        if offers.iter().any(|offer| offer.name == name) {
            return Err(Error::Request {
                message: format!("`--adopt {name}=` is given twice"),
                hint: "name one certificate and one key for each authority".to_owned(),
            });
        }
        let certificate = Content::read(&argument.certificate, MOST_CERTIFICATE)?;
        let key = Content::read(&argument.key, MOST_KEY)?;
        offers.push(Offer { name, certificate, key, certs: args.certs.clone() });
    }
    Ok(offers)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

impl Content {
    fn read(path: &Path, most: u64) -> Result<Self, Error> {
        let path = path.to_owned();
        // One buffer that holds what a key is: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 << 16));
        let read = if is_stdin(&path) {
            io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
        } else {
            File::open(&path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        };
        let length = read.map_err(Error::io("read", &path))?;
        let content = Self { path, bytes };
        if u64::try_from(length).is_ok_and(|length| length <= most) {
            return Ok(content);
        }
        let cause = format!("it is longer than {} KiB", most >> 10);
        Err(content.unusable(&cause, "name the certificate or the key itself"))
    }

    fn unusable(&self, cause: &dyn Display, hint: impl Into<String>) -> Error {
        let name = if is_stdin(&self.path) { PathBuf::from("/dev/stdin") } else { self.path.clone() };
        Error::Foreign { path: name, cause: cause.to_string(), hint: hint.into() }
    }
}

/// Judges the authorities that are offered, opens their keys and tries them out. Those that this PKI has already are
/// left out.
///
/// # Errors
/// A file that cannot be opened or understood; every attribute that will not do.
pub(super) fn adopt(
    offers: &[Offer],
    cluster: &Cluster,
    state: &State,
    places: &Places,
    identities: &mut Option<Identities>,
    now: OffsetDateTime,
) -> Result<BTreeMap<Authority, Adopted>, Error> {
    let mode = cluster.policy().ca;
    let mut offered = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for offer in offers {
        let authority = offer.authority(cluster)?;
        let facts = read_certificate(&offer.certificate.bytes)
            .map_err(|error| offer.certificate.unusable(&error, CERTIFICATE_HINT))?;
        if is_settled(state, authority, &facts)? {
            continue;
        }
        offered.insert(authority, facts);
        keys.insert(authority, offer);
    }
    check(mode, &offered, now).map_err(refused)?;
    let mut adopted = BTreeMap::new();
    for (authority, facts) in offered {
        let Some(offer) = keys.get(&authority) else { continue };
        let text = offer.key_text(authority, places, identities)?;
        let key = foreign_key::from_pem(&text, &facts.public_key).map_err(|cause| offer.key_error(&cause))?;
        adopted.insert(authority, Adopted { facts, key });
    }
    try_out(mode, &adopted, now).map_err(refused)?;
    for (authority, one) in &adopted {
        warn(*authority, &one.facts);
    }
    Ok(adopted)
}

fn refused(faults: Vec<AdoptFault>) -> Error {
    Error::Adopt { faults }
}

/// Whether this PKI has it already; says so where it does.
fn is_settled(state: &State, authority: Authority, facts: &CertFacts) -> Result<bool, Error> {
    match settled(state, authority, facts).map_err(|fault| refused(vec![fault]))? {
        Settled::No => return Ok(false),
        Settled::Yes => {
            report::note(&format!("`{authority}` is this PKI's already: there is nothing to adopt"));
        }
        Settled::Renewed => {
            report::warning(&format!(
                "`{authority}` has that key here already, under another certificate than the one that ends on {}: that one \
                 is not taken",
                facts.not_after.date()
            ));
            report::hint("`pki gen` renews an adopted authority itself, with its key and its name");
        }
    }
    Ok(true)
}

fn warn(authority: Authority, facts: &CertFacts) {
    let held = strictures(facts);
    if !held.is_empty() {
        report::warning(&format!(
            "strict clients, Python 3.13 among them, will refuse what the adopted `{authority}` signs: {}",
            held.join(", ")
        ));
        report::hint(
            "its renewal by `pki gen` mends that; until then such clients need a root that is made anew",
        );
    }
    let left = left_out(facts);
    if !left.is_empty() {
        report::note(&format!("a renewal of the adopted `{authority}` will leave out: {}", left.join(", ")));
    }
}

const CERTIFICATE_HINT: &str = "name a PEM file with the authority's certificate alone; \
                                `openssl x509 -inform der -in FILE` makes one out of DER";

impl Offer {
    /// The authority that is meant, when the cluster has it.
    fn authority(&self, cluster: &Cluster) -> Result<Authority, Error> {
        let mode = cluster.policy().ca;
        let has = mode.authorities();
        let named = Authority::from_name(&self.name).filter(|authority| has.contains(authority));
        let list = || has.iter().map(|authority| format!("`{authority}`")).collect::<Vec<_>>().join(", ");
        named.ok_or_else(|| Error::Request {
            message: format!(
                "there is no authority `{name}` to adopt with `cluster.ca = \"{mode}\"`",
                name = self.name
            ),
            hint: format!("it has {}", list()),
        })
    }

    /// How to hand over what a command prints, without a file in clear.
    fn piped(&self, command: &str) -> String {
        format!(
            "`{command} | pki gen {certs} --adopt {name}={certificate},-`",
            certs = self.certs.display(),
            name = self.name,
            certificate = self.certificate.path.display()
        )
    }

    fn key_error(&self, cause: &KeyError) -> Error {
        let (certificate, key) = (self.certificate.path.display(), self.key.path.display());
        let hint = match cause {
            KeyError::Encrypted => {
                format!(
                    "pass it on without a file in clear: {}",
                    self.piped(&format!("openssl pkey -in {key}"))
                )
            }
            KeyError::Foreign => format!(
                "name the key that belongs to {certificate}: `openssl pkey -in {key} -pubout` and `openssl x509 -in \
                 {certificate} -noout -pubkey` print the same for the two"
            ),
            KeyError::Count(0) | KeyError::Pem => {
                "name a PEM file, or an age or SOPS file with the PEM in it".to_owned()
            }
            KeyError::Count(_) => "name a file that holds the authority's key alone".to_owned(),
            _ => format!(
                "openssl writes it in the usual form: {}",
                self.piped(&format!("openssl pkey -in {key}"))
            ),
        };
        self.key.unusable(cause, hint)
    }

    /// The key as PEM: in clear, or sealed with age or as a SOPS file.
    fn key_text(
        &self,
        authority: Authority,
        places: &Places,
        identities: &mut Option<Identities>,
    ) -> Result<SecretString, Error> {
        let bytes = self.key.bytes.as_slice();
        let key = self.key.path.display();
        if [AGE, AGE_ARMORED].iter().any(|mark| bytes.starts_with(mark)) {
            let identities = identities.get_or_insert_with(|| places.load());
            return self.open_age(identities);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let hint = format!(
                "of DER and PKCS#12 openssl makes PEM: {}, or `openssl pkcs12 -nocerts -noenc -in {key}` likewise",
                self.piped(&format!("openssl pkey -inform der -in {key}"))
            );
            return Err(self.key.unusable(&"it is no text", hint));
        };
        let is_pem =
            |line: &str| line.trim_end().ends_with("PRIVATE KEY-----") && line.contains("-----BEGIN ");
        if text.lines().any(is_pem) && !text.lines().any(|line| line.starts_with("sops:")) {
            return Ok(SecretString::from(text));
        }
        let is_json = text.trim_start().starts_with('{');
        let store = if is_json { sops::Store::Json } else { sops::Store::Yaml };
        let has_section = is_json || text.lines().any(|line| line.starts_with("sops:"));
        match SealedFile::parse(text, store) {
            Ok(file) => {
                let identities = identities.get_or_insert_with(|| places.load());
                self.open_sops(&file, authority, identities)
            }
            // No PEM and no SOPS file: the former is what is asked for.
            Err(SopsError::NotSealed) => Ok(SecretString::from(text)),
            Err(error) if has_section => Err(self.key.unusable(&error, error.hint())),
            Err(_) => Ok(SecretString::from(text)),
        }
    }

    fn open_age(&self, identities: &Identities) -> Result<SecretString, Error> {
        let opened = age_file::decrypt(&self.key.bytes, &identities.all);
        let secret = opened.map_err(|error| match error {
            AgeError::NoIdentity => self.nobody(Vec::new(), identities),
            other => self.key.unusable(&other, other.hint()),
        })?;
        self.text(&secret)
    }

    /// The key in a SOPS file: under the authority's name, or the only thing there.
    fn open_sops(
        &self,
        file: &SealedFile,
        authority: Authority,
        identities: &Identities,
    ) -> Result<SecretString, Error> {
        let opened = file.open(&identities.all).map_err(|error| match error {
            SopsError::NoIdentity { recipients, .. } => self.nobody(recipients, identities),
            other => self.key.unusable(&other, other.hint()),
        })?;
        let names: Vec<String> = file.keys().map(ToOwned::to_owned).collect();
        let name = if let [only] = names.as_slice() { only.as_str() } else { authority.name() };
        let secret = opened.get(name).ok_or_else(|| {
            let cause = format!("it holds {}, and no text called `{name}`", crate::words::list(&names, 5));
            self.key.unusable(&cause, "give the key the authority's name at the top, or a file of its own")
        })?;
        self.text(secret)
    }

    fn nobody(&self, recipients: Vec<String>, identities: &Identities) -> Error {
        Error::NoIdentity {
            files: vec![self.key.path.display().to_string()],
            recipients,
            looked: identities.looked.clone(),
        }
    }

    fn text(&self, secret: &Secret) -> Result<SecretString, Error> {
        let text = secret.expose_text();
        text.map(SecretString::from)
            .map_err(|_| self.key.unusable(&"what is sealed in it is no text", "seal the key as PEM"))
    }
}

/// How age files begin: age-encryption.org/v1, "Header" and "ASCII armor".
const AGE: &[u8] = b"age-encryption.org/";
const AGE_ARMORED: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

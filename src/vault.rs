//! Sealed files opened and sealed: the one place where the certificates' keys meet the sealing crate.

use std::collections::{BTreeMap, BTreeSet};

use quorate_pki::entries::Entry;
use quorate_pki::error::StateFault;
use quorate_pki::judge::Judged;
use quorate_pki::key::PrivateKey;
use quorate_pki::plan::{Content, EntryPlan, Format};
use quorate_pki::readers::{Readers, called};
use quorate_pki::sealing::{SealAction, SealChange, Source};
use quorate_secrets::age_file::{self, Encoding};
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{self, Opened, SealedFile, SopsError};
use rayon::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::identities::Identities;
use crate::store::{Sealed, Store, damaged};

/// The sealed files that a run had to open.
#[derive(Debug, Default)]
pub struct Vault {
    files: BTreeMap<String, OpenFile>,
    /// The keys of adopted authorities, by the place that they will be sealed at.
    lent: BTreeMap<Entry, Secret>,
}

#[derive(Debug)]
enum OpenFile {
    Sops(Box<Opened>),
    Age(String, Secret),
}

impl Vault {
    /// Opens the files, all of them or none.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] with every file that nobody here can open, [`Error::Sealed`] for a damaged one.
    pub fn open(store: &Store, files: &BTreeSet<String>, identities: &mut Identities) -> Result<Self, Error> {
        let outcomes: Vec<(String, Result<OpenFile, Refused>)> = files
            .par_iter()
            .filter_map(|path| {
                store.sealed.get(path).map(|sealed| (path.clone(), open_one(path, sealed, &identities.all)))
            })
            .collect();
        let mut vault = Self::default();
        let mut refused = Vec::new();
        let mut readers = Vec::new();
        for (path, outcome) in outcomes {
            match outcome {
                Ok(file) => {
                    vault.files.insert(path, file);
                }
                Err(Refused::Damaged { cause, hint }) => {
                    return Err(Error::Sealed { file: path, cause, hint });
                }
                Err(Refused::NoIdentity { recipients }) => {
                    if refused.is_empty() {
                        let manifest = store.state.manifest.as_ref();
                        let name = |recipient: &String| called(recipient, &Readers::default(), manifest);
                        readers = recipients.iter().map(name).collect();
                    }
                    refused.push(path);
                }
            }
        }
        if refused.is_empty() {
            return Ok(vault);
        }
        if let Some(broken) = identities.broken() {
            return Err(broken);
        }
        Err(Error::NoIdentity { files: refused, recipients: readers, looked: identities.looked.clone() })
    }

    /// Takes in the key of an authority that was made elsewhere, for the place that it will be sealed at.
    pub fn lend(&mut self, place: Entry, key: &PrivateKey) {
        self.lent.insert(place, secret(&key.expose_pem()));
    }

    fn secret(&self, entry: &Entry) -> Option<&Secret> {
        if let Some(lent) = self.lent.get(entry) {
            return Some(lent);
        }
        match self.files.get(&entry.file)? {
            OpenFile::Sops(opened) => opened.get(&entry.name),
            OpenFile::Age(name, secret) => (*name == entry.name).then_some(secret),
        }
    }

    /// One entry, as the core takes it.
    pub fn get(&self, entry: &Entry) -> Option<SecretString> {
        self.secret(entry)?.expose_text().ok().map(SecretString::from)
    }
}

enum Refused {
    NoIdentity { recipients: Vec<String> },
    Damaged { cause: String, hint: String },
}

fn open_one(path: &str, sealed: &Sealed, identities: &[Identity]) -> Result<OpenFile, Refused> {
    match sealed {
        Sealed::Sops(file) => match file.open(identities) {
            Ok(opened) => Ok(OpenFile::Sops(Box::new(opened))),
            Err(SopsError::NoIdentity { recipients, .. }) => Err(Refused::NoIdentity { recipients }),
            Err(error) => {
                Err(Refused::Damaged { cause: error.to_string(), hint: damaged(path, &error).hint })
            }
        },
        Sealed::Age(bytes) => match age_file::decrypt(bytes, identities) {
            Ok(secret) => {
                let stem =
                    path.rsplit('/').next().and_then(|name| name.strip_suffix(".age")).unwrap_or_default();
                Ok(OpenFile::Age(stem.to_owned(), secret))
            }
            Err(age_file::AgeError::NoIdentity) => Err(Refused::NoIdentity { recipients: Vec::new() }),
            Err(error) => {
                let hint = StateFault::damaged(path, "").hint;
                Err(Refused::Damaged { cause: error.to_string(), hint })
            }
        },
    }
}

/// Everything that a sealed file may be made from.
pub struct Sealer<'a> {
    /// What was opened.
    pub vault: &'a Vault,
    /// What was issued.
    pub judged: &'a Judged,
    /// Who reads what, and by which host keys.
    pub readers: &'a Readers,
    /// SHA-256 of the service-account public key that the manifest records.
    pub service_account: Option<&'a str>,
    /// The SSH host keys that were made, by machine.
    pub host_keys: &'a BTreeMap<String, Secret>,
    /// The time, in RFC 3339 and whole seconds of UTC.
    pub lastmodified: &'a str,
}

impl Sealer<'_> {
    /// Seals one file as its action says; `None` when there is nothing to write.
    ///
    /// # Errors
    /// [`Error::Sealed`], [`Error::Recipient`].
    pub fn seal(&self, action: &SealAction) -> Result<Option<(String, Vec<u8>)>, Error> {
        if matches!(action.change, SealChange::Keep | SealChange::Remove) {
            return Ok(None);
        }
        let recipients = recipients(&action.recipients, &action.path)?;
        let secrets: Vec<(&str, Secret)> = action
            .entries
            .iter()
            .map(|(entry, source)| Ok((entry.name.as_str(), self.content(action, entry, source)?)))
            .collect::<Result<_, Error>>()?;
        let failed = |cause: String, hint: &str| Error::Sealed {
            file: action.path.clone(),
            cause,
            hint: hint.to_owned(),
        };
        if action.format == Format::Age {
            let Some((_, secret)) = secrets.first() else { return Ok(None) };
            let bytes = age_file::encrypt(secret, &recipients, Encoding::Armored)
                .map_err(|error| failed(error.to_string(), &error.hint()))?;
            return Ok(Some((action.path.clone(), bytes)));
        }
        let entries: Vec<(&str, &Secret)> = secrets.iter().map(|(name, secret)| (*name, secret)).collect();
        let text = match (action.change, self.vault.files.get(&action.path)) {
            (SealChange::Rekey, Some(OpenFile::Sops(opened))) => {
                opened.rekey(&entries, &recipients, self.lastmodified)
            }
            (SealChange::Update, Some(OpenFile::Sops(opened))) => {
                opened.reseal(&entries, &recipients, self.lastmodified)
            }
            _ => sops::seal(&entries, &recipients, self.lastmodified),
        };
        let text = text.map_err(|error| failed(error.to_string(), error.hint()))?;
        // What is written must be readable by the next run: judged here, before the first write.
        SealedFile::parse(&text, sops::Store::Yaml)
            .map_err(|error| failed(error.to_string(), error.hint()))?;
        Ok(Some((action.path.clone(), text.into_bytes())))
    }

    fn content(&self, action: &SealAction, entry: &EntryPlan, source: &Source) -> Result<Secret, Error> {
        let made = || match &entry.content {
            Content::Key(id) => self.judged.issued.keys.get(id).map(|key| secret(&key.expose_pem())),
            Content::Shared(name) => self.judged.issued.shared.get(name).map(secret),
            Content::HostKey(machine) => self.host_keys.get(machine).map(Secret::duplicate),
        };
        let found = match source {
            Source::New => made(),
            Source::Sealed(from) => self.vault.secret(from).map(Secret::duplicate),
        };
        let missing = || Error::Sealed {
            file: action.path.clone(),
            cause: format!("its entry `{}` is nowhere to be had", entry.name),
            hint: StateFault::damaged(&action.path, "").hint,
        };
        let found = found.ok_or_else(missing)?;
        if let Source::Sealed(from) = source
            && !self.is_own(&entry.content, &found)
        {
            return Err(Error::Sealed {
                file: from.file.clone(),
                cause: format!("what it holds as `{}` is not the key that belongs there", from.name),
                hint: format!(
                    "somebody changed or exchanged it: bring it back with `git checkout -- certs/{}`",
                    from.file
                ),
            });
        }
        Ok(found)
    }

    /// Whether a secret that was sealed before is the private half of what is public. Of what has no public half there
    /// is nothing to compare.
    fn is_own(&self, content: &Content, secret: &Secret) -> bool {
        let key = || PrivateKey::from_pem(&SecretString::from(secret.expose_text().ok()?)).ok();
        match content {
            Content::Key(id) => match self.judged.issued.certs.get(id) {
                Some(facts) => key().is_some_and(|key| *key.public() == facts.public_key),
                None => true,
            },
            Content::Shared("service-account") => match self.service_account {
                Some(recorded) => key().is_some_and(|key| key.public().sha256() == recorded),
                None => true,
            },
            Content::Shared(_) => true,
            Content::HostKey(machine) => {
                let own = Identity::from_ssh_host_key(secret).ok();
                let known = self.readers.hosts.get(machine);
                own.zip(known)
                    .is_some_and(|(own, host)| own.recipient().is_some_and(|own| own.key() == host.age))
            }
        }
    }
}

fn secret(text: &SecretString) -> Secret {
    Secret::from(text.expose_secret())
}

/// Recipients out of their texts.
///
/// # Errors
/// [`Error::Recipient`], naming where it stands.
pub fn recipients(texts: &[String], place: &str) -> Result<Vec<Recipient>, Error> {
    texts
        .iter()
        .map(|text| {
            text.parse::<Recipient>().map_err(|error| Error::Recipient {
                place: format!("`{place}`"),
                cause: error.to_string(),
                hint: error.hint().to_owned(),
            })
        })
        .collect()
}

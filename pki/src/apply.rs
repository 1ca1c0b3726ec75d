//! The decided actions carried out in memory: keys made, certificates signed. Nothing is written here.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use rayon::prelude::*;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use time::OffsetDateTime;
use zeroize::{Zeroize as _, Zeroizing};

use crate::authority::Authority;
use crate::cluster::{Cluster, KeyType};
use crate::converge::{CertAction, Change, KeySource};
use crate::entries::{Entry, key_entry, service_account_entry};
use crate::error::{IssueError, KeyError};
use crate::facts::CertFacts;
use crate::issue::{Signer, issue, issue_self_signed};
use crate::key::PrivateKey;
use crate::kinds::{KINDS, Kind};
use crate::layout::SERVICE_ACCOUNT_PUBLIC;
use crate::plan::{CertId, CertPlan, Content, Holder, Plan};
use crate::sealing::{SealAction, SealChange, Source};
use crate::state::State;

/// What a run made, with what was kept.
#[derive(Debug)]
pub struct Issued {
    /// Every certificate of the plan, kept or made.
    pub certs: BTreeMap<CertId, CertFacts>,
    /// Those that were made in this run.
    pub made: BTreeSet<CertId>,
    /// The private keys that were made in this run, and those that were opened for it.
    pub keys: BTreeMap<CertId, PrivateKey>,
    /// The shared secrets that were made in this run, by name.
    pub shared: BTreeMap<&'static str, SecretString>,
}

/// Of every kind the first certificate, unless this run makes a key of that kind anyway: its key is opened too, so
/// that the judge can have every kind shake hands. Nobody when nothing is made.
fn witnesses<'a>(plan: &'a Plan, certs: &[CertAction]) -> BTreeSet<&'a CertId> {
    if certs.iter().all(|action| action.change == Change::Keep) {
        return BTreeSet::new();
    }
    let of = |kind: &Kind| {
        let mut own =
            plan.certs.iter().zip(certs).filter(|(cert, _)| cert.kind.is_some_and(|is| is.name == kind.name));
        let first = own.clone().next()?;
        own.all(|(_, action)| action.key != KeySource::New).then_some(&first.0.id)
    };
    KINDS.iter().filter_map(of).collect()
}

/// The sealed files that must be opened before the actions can be carried out: issuers that sign, whatever is sealed
/// again, and a key of every kind for the judge. Empty when everything is new or nothing is to do.
pub fn files_to_open(
    plan: &Plan,
    state: &State,
    certs: &[CertAction],
    sealed: &[SealAction],
) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let made: BTreeMap<&CertId, &CertAction> = certs.iter().map(|action| (&action.id, action)).collect();
    let new_key = |id: &CertId| made.get(id).is_some_and(|action| action.key.is_new());
    for (cert, action) in plan.certs.iter().zip(certs) {
        if action.change == Change::Keep {
            continue;
        }
        let signer = cert.issuer.map_or_else(|| cert.id.clone(), CertId::authority);
        if !new_key(&signer) {
            files.extend(key_entry(plan, state, &signer).map(|entry| entry.file));
        }
        if let KeySource::Sealed(entry) = &action.key {
            files.insert(entry.file.clone());
        }
    }
    if !state.files.contains_key(SERVICE_ACCOUNT_PUBLIC) {
        files.extend(service_account_entry(plan, state).map(|entry| entry.file));
    }
    let witnesses = witnesses(plan, certs).into_iter();
    files.extend(witnesses.filter_map(|id| key_entry(plan, state, id)).map(|entry| entry.file));
    for action in sealed {
        if matches!(action.change, SealChange::Update | SealChange::Rekey) {
            files.insert(action.path.clone());
        }
        if matches!(action.change, SealChange::Update | SealChange::Rekey | SealChange::Seal) {
            files.extend(action.entries.iter().filter_map(|(_, source)| match source {
                Source::Sealed(entry) => Some(entry.file.clone()),
                Source::New => None,
            }));
        }
    }
    files
}

/// Carries the actions out. `open` gives an entry of a sealed file that [`files_to_open`] named, and the key of an
/// adopted authority by the place it will have.
///
/// # Errors
/// [`IssueError`], naming the certificate.
pub fn apply(
    cluster: &Cluster,
    plan: &Plan,
    state: &State,
    actions: &[CertAction],
    sealed: &[SealAction],
    open: &(dyn Fn(&Entry) -> Option<SecretString> + Sync),
    now: OffsetDateTime,
) -> Result<Issued, IssueError> {
    let witnesses = witnesses(plan, actions);
    let run = Run { plan, state, open, key_type: cluster.policy().key_type, now, witnesses };
    let mut issued = Issued {
        certs: BTreeMap::new(),
        made: BTreeSet::new(),
        keys: BTreeMap::new(),
        shared: BTreeMap::new(),
    };
    let signing: BTreeSet<Authority> = plan
        .certs
        .iter()
        .zip(actions)
        .filter(|(_, action)| action.change != Change::Keep)
        .filter_map(|(cert, _)| cert.issuer)
        .collect();
    let mut signers = BTreeMap::new();
    let (authorities, leaves): (Vec<_>, Vec<_>) =
        plan.certs.iter().zip(actions).partition(|(cert, _)| cert.is_authority());
    for (cert, action) in authorities {
        let Holder::Authority(authority) = cert.holder else { continue };
        let (facts, key) = run.authority(cert, action, &signers, signing.contains(&authority))?;
        if action.change != Change::Keep {
            issued.made.insert(cert.id.clone());
        }
        if let Some(key) = key {
            if signing.contains(&authority) {
                signers.insert(authority, Signer::new(cert.id.as_str(), &facts, &key)?);
            }
            issued.keys.insert(cert.id.clone(), key);
        }
        issued.certs.insert(cert.id.clone(), facts);
    }
    let made: Vec<_> = leaves.par_iter().map(|(cert, action)| run.leaf(cert, action, &signers)).collect();
    // One by one: of several errors the first is told, however many threads there are.
    for ((cert, action), leaf) in leaves.into_iter().zip(made) {
        let (facts, key) = leaf?;
        if action.change != Change::Keep {
            issued.made.insert(cert.id.clone());
        }
        issued.certs.insert(cert.id.clone(), facts);
        issued.keys.extend(key.map(|key| (cert.id.clone(), key)));
    }
    issued.shared = shared_secrets(sealed)?;
    Ok(issued)
}

struct Run<'a> {
    plan: &'a Plan,
    state: &'a State,
    open: &'a (dyn Fn(&Entry) -> Option<SecretString> + Sync),
    key_type: KeyType,
    now: OffsetDateTime,
    witnesses: BTreeSet<&'a CertId>,
}

impl Run<'_> {
    fn opened(&self, id: &CertId) -> Result<PrivateKey, IssueError> {
        let unusable = |cause| IssueError::Key { id: id.to_string(), cause };
        let entry = key_entry(self.plan, self.state, id).ok_or_else(|| unusable(KeyError::Missing))?;
        let text = (self.open)(&entry).ok_or_else(|| unusable(KeyError::Missing))?;
        let key = PrivateKey::from_pem(&text).map_err(unusable)?;
        let recorded = self.state.manifest.as_ref().and_then(|manifest| manifest.certificate(id));
        let known = self.state.cert(id).map(|facts| facts.public_key.sha256());
        let known = known.or_else(|| recorded.map(|record| record.public_key.clone()));
        match known {
            Some(known) if known != key.public().sha256() => Err(unusable(KeyError::Foreign)),
            _ => Ok(key),
        }
    }

    /// The key of an authority that was made elsewhere, from where it will be sealed.
    fn adopted(&self, id: &CertId, home: &Entry) -> Result<PrivateKey, IssueError> {
        let unusable = |cause| IssueError::Key { id: id.to_string(), cause };
        let text = (self.open)(home).ok_or_else(|| unusable(KeyError::Missing))?;
        PrivateKey::from_pem(&text).map_err(unusable)
    }

    fn new_key(&self, id: &CertId) -> Result<PrivateKey, IssueError> {
        PrivateKey::generate(self.key_type).map_err(|cause| IssueError::Key { id: id.to_string(), cause })
    }

    fn kept(&self, id: &CertId) -> Result<CertFacts, IssueError> {
        let missing =
            || IssueError::Sign { id: id.to_string(), cause: "it is to be kept and is not there".to_owned() };
        self.state.cert(id).cloned().ok_or_else(missing)
    }

    /// An authority, with its key when it is new or has something to sign.
    fn authority(
        &self,
        cert: &CertPlan,
        action: &CertAction,
        signers: &BTreeMap<Authority, Signer>,
        signs: bool,
    ) -> Result<(CertFacts, Option<PrivateKey>), IssueError> {
        if action.change == Change::Keep {
            let key = if signs { Some(self.opened(&cert.id)?) } else { None };
            return Ok((self.kept(&cert.id)?, key));
        }
        let key = match &action.key {
            KeySource::New => self.new_key(&cert.id)?,
            KeySource::Same | KeySource::Sealed(_) => self.opened(&cert.id)?,
            KeySource::Adopted(home) => self.adopted(&cert.id, home)?,
        };
        if action.change == Change::Adopt {
            return Ok((self.kept(&cert.id)?, Some(key)));
        }
        let facts = match cert.issuer {
            None => issue_self_signed(cert, &key, self.now)?,
            Some(issuer) => issue(cert, key.public(), signer(cert, signers, issuer)?, self.now)?,
        };
        Ok((facts, Some(key)))
    }

    fn leaf(
        &self,
        cert: &CertPlan,
        action: &CertAction,
        signers: &BTreeMap<Authority, Signer>,
    ) -> Result<(CertFacts, Option<PrivateKey>), IssueError> {
        let witness = || self.witnesses.contains(&cert.id).then(|| self.opened(&cert.id)).transpose();
        if action.change == Change::Keep {
            return Ok((self.kept(&cert.id)?, witness()?));
        }
        let issuer = cert.issuer.unwrap_or(Authority::Root);
        let signer = signer(cert, signers, issuer)?;
        let (public, key) = match &action.key {
            KeySource::Same => (self.kept(&cert.id)?.public_key, witness()?),
            KeySource::Sealed(_) => {
                let key = self.opened(&cert.id)?;
                (key.public().clone(), Some(key))
            }
            KeySource::New => {
                let key = self.new_key(&cert.id)?;
                (key.public().clone(), Some(key))
            }
            KeySource::Adopted(_) => {
                let cause = "only authorities are adopted".to_owned();
                return Err(IssueError::Sign { id: cert.id.to_string(), cause });
            }
        };
        Ok((issue(cert, &public, signer, self.now)?, key))
    }
}

fn signer<'a>(
    cert: &CertPlan,
    signers: &'a BTreeMap<Authority, Signer>,
    issuer: Authority,
) -> Result<&'a Signer, IssueError> {
    let missing = || IssueError::Sign {
        id: cert.id.to_string(),
        cause: format!("its issuer `{issuer}` is not at hand"),
    };
    signers.get(&issuer).ok_or_else(missing)
}

/// The shared secrets that no file holds yet, each made once however many files will hold it.
fn shared_secrets(sealed: &[SealAction]) -> Result<BTreeMap<&'static str, SecretString>, IssueError> {
    let mut secrets = BTreeMap::new();
    let wanted =
        sealed.iter().flat_map(|action| &action.entries).filter_map(|(entry, source)| match entry.content {
            Content::Shared(name) if *source == Source::New => Some(name),
            _ => None,
        });
    for name in wanted {
        if !secrets.contains_key(name) {
            let secret = make_shared(name).map_err(|cause| IssueError::Key { id: name.to_owned(), cause })?;
            secrets.insert(name, secret);
        }
    }
    Ok(secrets)
}

fn make_shared(name: &str) -> Result<SecretString, KeyError> {
    match name {
        // Kubernetes signs tokens with ECDSA P-256 as ES256 and knows no Ed25519: pkg/serviceaccount/jwt.go.
        "service-account" => Ok(PrivateKey::generate(KeyType::P256)?.expose_pem()),
        _ => encryption_config(),
    }
}

/// An EncryptionConfiguration that encrypts Secrets with a 32-byte key for XSalsa20-Poly1305, and still reads what
/// was stored before.
///
/// Source: kubernetes.io, "Encrypting Confidential Data at Rest", "Understanding the encryption at rest
/// configuration".
fn encryption_config() -> Result<SecretString, KeyError> {
    let mut key = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(key.as_mut()).map_err(|_| KeyError::Generate)?;
    let mut secret = base64::engine::general_purpose::STANDARD.encode(key.as_ref());
    // One buffer that holds it all: a string that grows would leave copies behind.
    let mut text = String::with_capacity(512);
    text.push_str(
        "apiVersion: apiserver.config.k8s.io/v1\n\
         kind: EncryptionConfiguration\n\
         resources:\n\
         \x20 - resources:\n\
         \x20     - secrets\n\
         \x20   providers:\n\
         \x20     - secretbox:\n\
         \x20         keys:\n\
         \x20           - name: key1\n\
         \x20             secret: ",
    );
    text.push_str(&secret);
    text.push_str("\n      - identity: {}\n");
    secret.zeroize();
    Ok(SecretString::from(text))
}

//! Authorities that were made elsewhere, taken over with their keys: by cfssl, openssl, easy-rsa, kubeadm, k3s, step.
//! What would make a cluster of them that half of its members refuse is told here, before anything is signed.

mod checks;
mod strict;

use std::collections::BTreeMap;
use std::fmt;

use time::OffsetDateTime;

use checks::{Candidate, MAKE_ANOTHER, When, faults};

use crate::authority::Authority;
use crate::cluster::{CaMode, KeyType};
use crate::error::{FactsError, IssueError, StateFault};
use crate::facts::CertFacts;
use crate::issue::{Signer, issue};
use crate::judge::verify_server;
use crate::key::PrivateKey;
use crate::kinds::Usage;
use crate::layout::bundle_file;
use crate::plan::{CertId, CertPlan, Holder, Plan};
use crate::san::San;
use crate::state::State;

/// An authority that was made elsewhere: its certificate and its key.
#[derive(Debug)]
pub struct Adopted {
    /// The certificate.
    pub facts: CertFacts,
    /// Its private key.
    pub key: PrivateKey,
}

/// Why an authority cannot be taken over: which of its attributes, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptFault {
    /// Which authority.
    pub authority: Authority,
    /// The attribute.
    pub attribute: &'static str,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub expected: String,
    /// What to do.
    pub hint: &'static str,
}

impl fmt::Display for AdoptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, attribute, found, expected, .. } = self;
        write!(f, "`{authority}` cannot be adopted: {attribute}: found {found}, expected {expected}")
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Reads the certificate of an authority: PEM, and nothing else in it. Text around it, as easy-rsa and openssl write
/// it, is passed over.
///
/// # Errors
/// [`FactsError`].
pub fn read_certificate(text: &[u8]) -> Result<CertFacts, FactsError> {
    let begun = text.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    let mut chain = CertFacts::chain_from_pem(text)?;
    match (chain.pop(), chain.len()) {
        (Some(facts), 0) if begun == 1 => Ok(facts),
        (_, 0) => Err(FactsError::Pem { cause: "a second certificate in it is cut off".to_owned() }),
        (_, others) => Err(FactsError::Pem {
            cause: format!("it holds {} certificates where the authority's alone belongs", others + 1),
        }),
    }
}

/// Judges authorities that are to be taken over, before their keys are read.
///
/// # Errors
/// Every attribute of every one of them that will not do.
pub fn check(
    mode: CaMode,
    offered: &BTreeMap<Authority, CertFacts>,
    now: OffsetDateTime,
) -> Result<(), Vec<AdoptFault>> {
    let candidate = |(authority, facts): (&Authority, _)| Candidate {
        mode,
        authority: *authority,
        facts,
        all: offered,
        now,
    };
    let faults: Vec<AdoptFault> =
        offered.iter().map(candidate).flat_map(|candidate| faults(&candidate, |_| true)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What strict readers hold against an authority, although everybody else accepts it. Python is strict from 3.13 on,
/// `openssl verify` with `-x509_strict`; a renewal by us mends all of it.
///
/// Source: OpenSSL 3, crypto/x509/x509_vfy.c, `check_extensions`; Python 3.13, `ssl.create_default_context`.
pub fn strictures(facts: &CertFacts) -> Vec<&'static str> {
    let signs_itself = facts.raw_issuer == facts.raw_subject;
    let held = [
        (facts.constraints_critical, "its basic constraints are not critical"),
        (!facts.key_usages.is_empty(), "it has no key usage"),
        (facts.subject_key_id.is_some(), "it has no subject key identifier"),
        (signs_itself || facts.authority_key_id.is_some(), "it has no authority key identifier"),
    ];
    held.into_iter().filter_map(|(good, what)| (!good).then_some(what)).collect()
}

/// What a renewal by us will leave out: extensions that we do not write.
pub fn left_out(facts: &CertFacts) -> Vec<String> {
    let ours = [
        "basicConstraints",
        "keyUsage",
        "extendedKeyUsage",
        "subjectKeyIdentifier",
        "authorityKeyIdentifier",
    ];
    let mut names: Vec<String> =
        strict::extensions(&facts.der).into_iter().filter(|name| !ours.contains(&name.as_str())).collect();
    names.extend(facts.purposes.contains(&"others").then(|| "further extended key usages".to_owned()));
    names
}

/// Tries authorities out with their keys: each signs a certificate that nobody keeps, which has to name it to the byte
/// and is verified by webpki.
///
/// # Errors
/// What came of it where that is not the certificate it should be.
pub fn try_out(
    mode: CaMode,
    adopted: &BTreeMap<Authority, Adopted>,
    now: OffsetDateTime,
) -> Result<(), Vec<AdoptFault>> {
    let attempt = |(authority, one): (&Authority, &Adopted)| {
        let anchor = mode.parent(*authority).and_then(|parent| adopted.get(&parent)).unwrap_or(one);
        let (attribute, found) = match probe(*authority, one, now) {
            Err(IssueError::IssuerName { .. }) => ("subject", format!("`{}`", one.facts.subject)),
            Err(error) => ("certificate", format!("one to sign under which fails: {error}")),
            Ok(leaf) => {
                let verified = verify_server(&leaf, &one.facts, &anchor.facts, now);
                ("certificate", format!("one below which webpki finds {}", verified.err()?))
            }
        };
        let expected = "one that chains to what it signs".to_owned();
        Some(AdoptFault { authority: *authority, attribute, found, expected, hint: MAKE_ANOTHER })
    };
    let faults: Vec<AdoptFault> = adopted.iter().filter_map(attempt).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn probe(authority: Authority, adopted: &Adopted, now: OffsetDateTime) -> Result<CertFacts, IssueError> {
    let plan = CertPlan {
        id: CertId::user("probe"),
        holder: Holder::User,
        kind: None,
        issuer: Some(authority),
        common_name: "probe".to_owned(),
        organization: None,
        sans: vec![San::Dns("probe.invalid".to_owned())],
        usage: Some(Usage::Both),
        path_length: None,
        days: 1,
        adopted: None,
    };
    let signer = Signer::new(authority.name(), &adopted.facts, &adopted.key)?;
    let key = PrivateKey::generate(KeyType::P256)
        .map_err(|cause| IssueError::Key { id: plan.id.to_string(), cause })?;
    issue(&plan, key.public(), &signer, now)
}

/// Puts authorities that were found good where those stand that exist: the decision keeps them, and signs with them.
/// Only into a PKI that is yet to be made: nothing there trusts another one.
pub fn take(plan: &mut Plan, state: &mut State, adopted: &BTreeMap<Authority, Adopted>) {
    for (authority, one) in adopted {
        state.certs.insert(CertId::authority(*authority), vec![one.facts.clone()]);
    }
    let of = |cert: &CertPlan| match &cert.holder {
        Holder::Authority(authority) => adopted.get(authority),
        Holder::Machine(_) | Holder::User => None,
    };
    for cert in &mut plan.certs {
        if let Some(one) = of(cert) {
            cert.adopted = Some(Box::new(one.facts.clone()));
        }
    }
}

/// Plans the authorities that the manifest records as adopted after their own certificates. One that is lost is read
/// from its bundle, and then made again with its key, after its likeness.
///
/// # Errors
/// One that is not what can have been adopted. The manifest says so, but who can write to the repository can write
/// that.
pub fn recall(mode: CaMode, plan: &mut Plan, state: &State) -> Result<(), Vec<StateFault>> {
    let Some(manifest) = &state.manifest else { return Ok(()) };
    let all: BTreeMap<Authority, CertFacts> = mode
        .authorities()
        .iter()
        .filter_map(|authority| Some((*authority, known(state, *authority)?)))
        .collect();
    let mut found = Vec::new();
    for cert in &mut plan.certs {
        let Holder::Authority(authority) = cert.holder else { continue };
        let Some(facts) = all.get(&authority) else { continue };
        if !manifest.certificate(&cert.id).is_some_and(|record| record.adopted) {
            continue;
        }
        // Its dates are not asked for: `now` is any day.
        let candidate = Candidate { mode, authority, facts, all: &all, now: facts.not_before };
        found.extend(faults(&candidate, |when| when != When::Once).into_iter().map(|fault| {
            StateFault::damaged(
                &cert.id.file(),
                format!("it is recorded as adopted and could not have been: {fault}"),
            )
        }));
        cert.adopted = Some(Box::new(facts.clone()));
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// An authority's certificate, or what its bundle has of it.
fn known(state: &State, authority: Authority) -> Option<CertFacts> {
    let id = CertId::authority(authority);
    let from_bundle = || {
        let facts = read_certificate(state.files.get(&bundle_file(authority))?).ok()?;
        let record = state.manifest.as_ref()?.certificate(&id)?;
        (record.public_key == facts.public_key.sha256()).then_some(facts)
    };
    state.cert(&id).cloned().or_else(from_bundle)
}

/// What an existing PKI makes of an authority that is offered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The PKI is yet to be made.
    No,
    /// It is this PKI's authority.
    Yes,
    /// This PKI's authority has that key, and another certificate.
    Renewed,
}

/// Whether an existing PKI has this authority already.
///
/// # Errors
/// Another one stands in its place.
pub fn settled(state: &State, authority: Authority, facts: &CertFacts) -> Result<Settled, AdoptFault> {
    if state.manifest.is_none() {
        return Ok(Settled::No);
    }
    match known(state, authority) {
        Some(known) if known.der == facts.der => Ok(Settled::Yes),
        Some(known) if known.public_key == facts.public_key => Ok(Settled::Renewed),
        known => Err(AdoptFault {
            authority,
            attribute: "authority of this PKI",
            found: known.map_or("none of that name".to_owned(), |known| format!("`{}`", known.subject)),
            expected: "the one to adopt".to_owned(),
            hint: "all that trusts the present authority would refuse the cluster from one moment to the next: adopt into \
                   an empty folder",
        }),
    }
}

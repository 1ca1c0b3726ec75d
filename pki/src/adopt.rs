//! Authorities that were made elsewhere, taken over with their keys: by cfssl, openssl, easy-rsa, kubeadm, k3s, step.
//! What would make a cluster of them that half of its members refuse is told here, before anything is signed.

use std::collections::BTreeMap;
use std::fmt;

use time::OffsetDateTime;

use crate::authority::Authority;
use crate::cluster::{CaMode, KeyType};
use crate::error::{FactsError, IssueError, StateFault};
use crate::facts::CertFacts;
use crate::issue::{Signer, issue};
use crate::key::PrivateKey;
use crate::kinds::Usage;
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

/// Reads the certificate of an authority: PEM, and nothing else in it. Text around it, as easy-rsa and openssl write
/// it, is passed over.
///
/// # Errors
/// [`FactsError`].
pub fn read_certificate(text: &[u8]) -> Result<CertFacts, FactsError> {
    let mut chain = CertFacts::chain_from_pem(text)?;
    match (chain.pop(), chain.len()) {
        (Some(facts), 0) => Ok(facts),
        (_, others) => Err(FactsError::Pem {
            cause: format!("it holds {} certificates where the authority's alone belongs", others + 1),
        }),
    }
}

/// Judges the kind of key that an authority has, before the key itself is read. ring signs with these alone, and RSA
/// below 2048 bits nobody trusts.
///
/// # Errors
/// The fault.
pub fn check_key_type(authority: Authority, facts: &CertFacts) -> Result<(), AdoptFault> {
    let (good, found) = match (facts.rsa_bits, facts.key_type.as_str()) {
        (Some(bits), _) => ((2048..=4096).contains(&bits), format!("RSA of {bits} bits")),
        (None, name) => (["p256", "p384", "ed25519"].contains(&name), name.to_owned()),
    };
    if good {
        return Ok(());
    }
    let expected = "RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519".to_owned();
    Err(AdoptFault { authority, attribute: "key type", found, expected, hint: MAKE_ANOTHER })
}

/// The authorities that are to be taken over, and what they are judged by.
struct Candidate<'a> {
    mode: CaMode,
    authority: Authority,
    adopted: &'a Adopted,
    all: &'a BTreeMap<Authority, Adopted>,
    now: OffsetDateTime,
}

/// What an attribute is and what it should be; `None` when it will do.
type Finding = Option<(String, String)>;

/// An attribute of an authority that is looked at before it is taken over.
pub struct Check {
    /// The attribute, as messages name it.
    pub attribute: &'static str,
    judge: fn(&Candidate<'_>) -> Finding,
    /// What to do when it will not do.
    pub hint: &'static str,
}

const MAKE_ANOTHER: &str = "make another authority with the tool that made this one, or leave `--adopt` out and let \
                            `pki gen` make one";

/// Every attribute that is looked at, in the order in which faults are shown. RFC 5280 section 4.2.1 says what they
/// mean.
pub const CHECKS: &[Check] = &[
    Check {
        attribute: "basic constraints",
        judge: basic_constraints,
        hint: "name the certificate of the authority itself, not one that it signed",
    },
    Check { attribute: "key usage", judge: key_usage, hint: MAKE_ANOTHER },
    Check { attribute: "extended key usage", judge: extended_key_usage, hint: MAKE_ANOTHER },
    Check { attribute: "extensions", judge: limits, hint: MAKE_ANOTHER },
    Check {
        attribute: "validity",
        judge: life,
        hint: "renew it with the tool that made it, same key and name, and adopt that; or let `pki gen` make one",
    },
    Check {
        attribute: "path length",
        judge: path_length,
        hint: "with `cluster.ca = \"shared\"` the root signs three authorities: adopt a root that may, or set \
               `cluster.ca = \"single\"`, where it signs everything itself",
    },
    Check {
        attribute: "issuer",
        judge: issuer,
        hint: "with `cluster.ca = \"shared\"` the root is adopted as well, and signed the others; with \"separate\" and \
               \"single\" each signed itself",
    },
    Check {
        attribute: "not after",
        judge: end,
        hint: "nothing outlives its issuer: renew the root with the tool that made it, and adopt that",
    },
    Check {
        attribute: "subject",
        judge: subject,
        hint: "what it signs has to repeat it to the byte, or OpenSSL, Go and rustls find no chain: give it one attribute \
               of a kind, each in an element of its own",
    },
    Check {
        attribute: "key",
        judge: twice,
        hint: "authorities that are to be kept apart have keys of their own; one for everything is `cluster.ca = \"single\"`",
    },
];

/// Judges authorities that are to be taken over.
///
/// # Errors
/// Every attribute of every one of them that will not do.
pub fn check(
    mode: CaMode,
    adopted: &BTreeMap<Authority, Adopted>,
    now: OffsetDateTime,
) -> Result<(), Vec<AdoptFault>> {
    let mut faults = Vec::new();
    for (authority, one) in adopted {
        let candidate = Candidate { mode, authority: *authority, adopted: one, all: adopted, now };
        let own = CHECKS.iter().filter_map(|check| {
            let (found, expected) = (check.judge)(&candidate)?;
            let Check { attribute, hint, .. } = check;
            Some(AdoptFault { authority: *authority, attribute, found, expected, hint })
        });
        faults.extend(own);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What strict readers hold against an authority, although everybody else accepts it. Python is strict from 3.13 on,
/// `openssl verify` with `-x509_strict`; a renewal by us mends all of it.
///
/// Source: OpenSSL 3, crypto/x509/x509_vfy.c, `check_extensions`; Python 3.13, `ssl.create_default_context`.
pub fn strictures(facts: &CertFacts) -> Vec<&'static str> {
    let held = [
        (facts.constraints_critical, "its basic constraints are not critical"),
        (!facts.key_usages.is_empty(), "it has no key usage"),
        (facts.subject_key_id.is_some(), "it has no subject key identifier"),
    ];
    held.into_iter().filter_map(|(good, what)| (!good).then_some(what)).collect()
}

fn unless(good: bool, found: impl FnOnce() -> String, expected: &str) -> Finding {
    (!good).then(|| (found(), expected.to_owned()))
}

fn basic_constraints(it: &Candidate<'_>) -> Finding {
    unless(it.adopted.facts.is_ca, || "no authority".to_owned(), "CA:TRUE")
}

fn key_usage(it: &Candidate<'_>) -> Finding {
    let facts = &it.adopted.facts;
    let good = facts.key_usages.is_empty() || facts.key_usages.contains(&"keyCertSign");
    unless(good, || facts.key_usages.join(", "), "keyCertSign among it")
}

/// OpenSSL and Go hold an authority's purposes against all that is below it.
fn extended_key_usage(it: &Candidate<'_>) -> Finding {
    let purposes = &it.adopted.facts.purposes;
    let good = purposes.is_empty() || (purposes.contains(&"serverAuth") && purposes.contains(&"clientAuth"));
    unless(good, || purposes.join(", "), "none, or serverAuth and clientAuth among it")
}

/// A renewal would lose them, and machines that come later would be refused for what nobody remembers.
fn limits(it: &Candidate<'_>) -> Finding {
    let limits = &it.adopted.facts.limits;
    unless(
        limits.is_empty(),
        || limits.join(", "),
        "no name constraints and no critical extension of its own",
    )
}

fn life(it: &Candidate<'_>) -> Finding {
    let facts = &it.adopted.facts;
    let found = || format!("from {} to {}", facts.not_before.date(), facts.not_after.date());
    let good = facts.not_before <= it.now && it.now < facts.not_after;
    unless(good, found, &format!("one that holds {}", it.now.date()))
}

fn path_length(it: &Candidate<'_>) -> Finding {
    let least = u32::from(it.mode.path_length(it.authority));
    let found = it.adopted.facts.path_length.filter(|found| *found < least)?;
    Some((found.to_string(), format!("{least} or more, or none")))
}

fn issuer(it: &Candidate<'_>) -> Finding {
    let facts = &it.adopted.facts;
    let Some(parent) = it.mode.parent(it.authority) else {
        let found = || format!("`{}`", facts.issuer);
        return unless(facts.is_signed_by(facts), found, "the authority itself, with its signature");
    };
    let signed = it.all.get(&parent).is_some_and(|parent| facts.is_signed_by(&parent.facts));
    let expected =
        if it.all.contains_key(&parent) { "the adopted `root`" } else { "a `root` that is adopted too" };
    unless(signed, || format!("`{}`", facts.issuer), expected)
}

fn end(it: &Candidate<'_>) -> Finding {
    let parent = it.all.get(&it.mode.parent(it.authority)?)?;
    let (own, above) = (it.adopted.facts.not_after, parent.facts.not_after);
    unless(own <= above, || own.date().to_string(), &format!("none after its issuer's, {}", above.date()))
}

/// The name is tried: something is signed, and its issuer compared.
fn subject(it: &Candidate<'_>) -> Finding {
    let facts = &it.adopted.facts;
    let expected = "one that can be repeated to the byte";
    match facts.subject_elements() {
        Err(cause) => return Some((cause, expected.to_owned())),
        Ok(elements) if elements.is_empty() => return Some(("empty".to_owned(), "a name".to_owned())),
        Ok(_) => {}
    }
    // Of a key that is not its own, or a life that is over, the other checks speak.
    match probe(it) {
        Err(IssueError::IssuerName { .. }) => Some((format!("`{}`", facts.subject), expected.to_owned())),
        Err(IssueError::Sign { cause, .. }) => Some((
            format!("that of a certificate that nothing can be signed under: {cause}"),
            expected.to_owned(),
        )),
        _ => None,
    }
}

/// Signs a certificate that nobody keeps.
fn probe(it: &Candidate<'_>) -> Result<CertFacts, IssueError> {
    let plan = CertPlan {
        id: CertId::user("probe"),
        holder: Holder::User,
        kind: None,
        issuer: Some(it.authority),
        common_name: "probe".to_owned(),
        organization: None,
        sans: vec![San::Dns("probe.invalid".to_owned())],
        usage: Some(Usage::Both),
        path_length: None,
        days: 1,
        adopted: None,
    };
    let signer = Signer::new(it.authority.name(), &it.adopted.facts, &it.adopted.key)?;
    let key = PrivateKey::generate(KeyType::P256)
        .map_err(|cause| IssueError::Key { id: plan.id.to_string(), cause })?;
    issue(&plan, key.public(), &signer, it.now)
}

fn twice(it: &Candidate<'_>) -> Finding {
    let key = &it.adopted.facts.public_key;
    let other = it.all.iter().find(|(name, other)| **name != it.authority && other.facts.public_key == *key);
    other.map(|(name, _)| (format!("`{name}`'s too"), "one of its own".to_owned()))
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

/// Plans the authorities that the manifest records as adopted after their own certificates.
///
/// # Errors
/// One that is gone: it cannot be made again.
pub fn recall(plan: &mut Plan, state: &State) -> Result<(), StateFault> {
    let Some(manifest) = &state.manifest else { return Ok(()) };
    for cert in plan.certs.iter_mut().take_while(|cert| cert.is_authority()) {
        if !manifest.certificate(&cert.id).is_some_and(|record| record.adopted) {
            continue;
        }
        let Some(facts) = state.cert(&cert.id) else {
            let file = cert.id.file();
            return Err(StateFault {
                message: "it was made elsewhere and adopted, and is gone: it cannot be made again".to_owned(),
                hint: format!("bring it back with `git checkout -- certs/{file}`"),
                file,
            });
        };
        cert.adopted = Some(Box::new(facts.clone()));
    }
    Ok(())
}

/// Whether an existing PKI has this authority already, adopted or made: then there is nothing to adopt.
///
/// # Errors
/// Another one stands in its place.
pub fn settled(state: &State, authority: Authority, facts: &CertFacts) -> Result<bool, AdoptFault> {
    if state.manifest.is_none() {
        return Ok(false);
    }
    match state.cert(&CertId::authority(authority)) {
        // Its own renewals, made since it was adopted, have its key.
        Some(known) if known.public_key == facts.public_key => Ok(true),
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

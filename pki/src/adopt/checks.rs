//! The attributes of an authority that is to be adopted, each with what it should be and what to do.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{AdoptFault, strict};
use crate::authority::Authority;
use crate::cluster::CaMode;
use crate::facts::{CertFacts, Signature};

/// An authority that is to be taken over, and what it is judged by.
pub(super) struct Candidate<'a> {
    pub(super) mode: CaMode,
    pub(super) authority: Authority,
    pub(super) facts: &'a CertFacts,
    /// All that are offered together with it, and itself.
    pub(super) all: &'a BTreeMap<Authority, CertFacts>,
    pub(super) now: OffsetDateTime,
}

/// What an attribute is and what it should be; `None` when it will do.
type Finding = Option<(String, String)>;

/// An attribute of an authority that is looked at before it is taken over.
struct Check {
    /// The attribute, as messages name it.
    attribute: &'static str,
    judge: fn(&Candidate<'_>) -> Finding,
    /// When it counts.
    when: When,
    /// What to do when it will not do.
    hint: &'static str,
}

/// When a check counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// First, and where it fails nothing further can be said.
    First,
    /// At adoption, and on every later run: who can write to the repository can write `adopted` into the manifest.
    Always,
    /// At adoption alone: what changes with time is renewed later.
    Once,
}

pub(super) const MAKE_ANOTHER: &str = "make another authority with the tool that made this one, or leave `--adopt` out and let \
                            `pki gen` make one";

/// Every attribute that is looked at, in the order in which faults are shown. RFC 5280 section 4.2.1 says what they
/// mean.
const CHECKS: &[Check] = &[
    Check { attribute: "key type", judge: key_type, when: When::First, hint: MAKE_ANOTHER },
    Check { attribute: "form", judge: form, when: When::First, hint: MAKE_ANOTHER },
    Check {
        attribute: "basic constraints",
        judge: basic_constraints,
        when: When::Always,
        hint: "name the certificate of the authority itself, not one that it signed",
    },
    Check { attribute: "key usage", judge: key_usage, when: When::Always, hint: MAKE_ANOTHER },
    Check {
        attribute: "extended key usage",
        judge: extended_key_usage,
        when: When::Always,
        hint: MAKE_ANOTHER,
    },
    Check { attribute: "extensions", judge: limits, when: When::Always, hint: MAKE_ANOTHER },
    Check {
        attribute: "validity",
        judge: validity,
        when: When::Once,
        hint: "renew it with the tool that made it, same key and name, and adopt that; or let `pki gen` make one",
    },
    Check {
        attribute: "path length",
        judge: path_length,
        when: When::Always,
        hint: "with `cluster.ca = \"shared\"` the root signs three authorities: adopt a root that may, or set \
               `cluster.ca = \"single\"`, where it signs everything itself",
    },
    Check {
        attribute: "issuer",
        judge: issuer,
        when: When::Once,
        hint: "with `cluster.ca = \"shared\"` the root is adopted as well, and signed the others; with \"separate\" and \
               \"single\" each signed itself",
    },
    Check { attribute: "signature algorithm", judge: signature, when: When::Once, hint: MAKE_ANOTHER },
    Check {
        attribute: "authority key identifier",
        judge: issuer_key,
        when: When::Once,
        hint: "it was signed under another certificate of its issuer: sign it again under the present one",
    },
    Check {
        attribute: "not after",
        judge: not_after,
        when: When::Once,
        hint: "nothing outlives its issuer: sign it for a shorter time, or renew the root first",
    },
    Check {
        attribute: "subject",
        judge: subject,
        when: When::Always,
        hint: "what it signs has to repeat it to the byte, or OpenSSL, Go and rustls find no chain: give it a name of its \
               own, with one attribute of a kind, each in an element of its own",
    },
    Check {
        attribute: "key",
        judge: twice,
        when: When::Always,
        hint: "authorities that are to be kept apart have keys of their own; one for everything is `cluster.ca = \"single\"`",
    },
];

/// Every attribute that will not do, of the checks that count.
pub(super) fn faults(candidate: &Candidate<'_>, counts: impl Fn(When) -> bool) -> Vec<AdoptFault> {
    let fault = |check: &Check| {
        let (found, expected) = (check.judge)(candidate)?;
        let Check { attribute, hint, .. } = check;
        Some(AdoptFault { authority: candidate.authority, attribute, found, expected, hint })
    };
    let (first, others): (Vec<&Check>, Vec<&Check>) =
        CHECKS.iter().filter(|check| counts(check.when)).partition(|check| check.when == When::First);
    let found: Vec<AdoptFault> = first.into_iter().filter_map(fault).collect();
    if found.is_empty() { others.into_iter().filter_map(fault).collect() } else { found }
}

fn unless(good: bool, found: impl FnOnce() -> String, expected: &str) -> Finding {
    (!good).then(|| (found(), expected.to_owned()))
}

/// ring signs with these alone: its RSA keys have primes of a multiple of 512 bits. Go reads no exponent beyond 31 bits.
fn key_type(it: &Candidate<'_>) -> Finding {
    let expected = "RSA of 2048, 3072 or 4096 bits, P-256, P-384 or Ed25519";
    let kind = it.facts.key_type.as_str();
    let curves = ["p256", "p384", "ed25519"];
    match it.facts.rsa {
        Some((bits, _)) if ![2048, 3072, 4096].contains(&bits) => {
            Some((format!("RSA of {bits} bits"), expected.to_owned()))
        }
        Some((_, exponent)) if !(65_537..1 << 31).contains(&exponent) => {
            Some((format!("RSA with the public exponent {exponent}"), "65537".to_owned()))
        }
        None if !curves.contains(&kind) => Some((kind.to_owned(), expected.to_owned())),
        _ if !it.facts.public_key.is_usual() => Some((
            format!("{kind} in an unusual encoding"),
            "an uncompressed point, or RSA with NULL".to_owned(),
        )),
        _ => None,
    }
}

fn form(it: &Candidate<'_>) -> Finding {
    let found = strict::form(&it.facts.der);
    unless(found.is_empty(), || found.join(", "), "what OpenSSL and Go read, as RFC 5280 has it")
}

fn basic_constraints(it: &Candidate<'_>) -> Finding {
    unless(it.facts.is_ca, || "no authority".to_owned(), "CA:TRUE")
}

fn key_usage(it: &Candidate<'_>) -> Finding {
    let usages = &it.facts.key_usages;
    let good = usages.is_empty() || usages.contains(&"keyCertSign");
    unless(good, || usages.join(", "), "keyCertSign among it")
}

/// OpenSSL and Go hold an authority's purposes against all that is below it.
fn extended_key_usage(it: &Candidate<'_>) -> Finding {
    let purposes = &it.facts.purposes;
    let good = purposes.is_empty() || (purposes.contains(&"serverAuth") && purposes.contains(&"clientAuth"));
    unless(good, || purposes.join(", "), "none, or serverAuth and clientAuth among it")
}

/// A renewal would lose them, and machines that come later would be refused for what nobody remembers.
fn limits(it: &Candidate<'_>) -> Finding {
    let limits = &it.facts.limits;
    unless(
        limits.is_empty(),
        || limits.join(", "),
        "no constraints on names and no critical extension of its own",
    )
}

fn validity(it: &Candidate<'_>) -> Finding {
    let facts = it.facts;
    let found = || format!("{} to {}", facts.not_before.date(), facts.not_after.date());
    let good = facts.not_before <= it.now && it.now < facts.not_after;
    unless(good, found, &format!("one that holds {}", it.now.date()))
}

fn path_length(it: &Candidate<'_>) -> Finding {
    let least = u32::from(it.mode.path_length(it.authority));
    let found = it.facts.path_length.filter(|found| *found < least)?;
    Some((found.to_string(), format!("{least} or more, or none")))
}

/// Who signed it, as far as that is at hand: itself, or the root that is adopted with it.
fn signer<'a>(it: &Candidate<'a>) -> Option<&'a CertFacts> {
    match it.mode.parent(it.authority) {
        None => Some(it.facts),
        Some(parent) => it.all.get(&parent),
    }
}

fn issuer(it: &Candidate<'_>) -> Finding {
    let expected = match (it.mode.parent(it.authority), signer(it)) {
        (None, _) => "the authority itself, with its signature",
        (Some(_), None) => "a `root` that is adopted too",
        (Some(_), Some(_)) => "the adopted `root`, with its signature",
    };
    let found = || format!("`{}`", it.facts.issuer);
    let signature = signer(it).map(|signer| it.facts.signature_of(signer));
    unless(matches!(signature, Some(Signature::Holds | Signature::Unsupported(_))), found, expected)
}

fn signature(it: &Candidate<'_>) -> Finding {
    match it.facts.signature_of(signer(it)?) {
        Signature::Unsupported(name) => Some((
            name,
            "RSA with SHA-256, SHA-384 or SHA-512, ECDSA with SHA-256 or SHA-384, or Ed25519".to_owned(),
        )),
        _ => None,
    }
}

fn issuer_key(it: &Candidate<'_>) -> Finding {
    let issuer = signer(it)?;
    // Of another issuer's key the one above speaks.
    let good = it.facts.raw_issuer != issuer.raw_subject || strict::names_issuer(&it.facts.der, &issuer.der);
    unless(good, || "that of another certificate".to_owned(), "its issuer's key identifier and serial number")
}

fn not_after(it: &Candidate<'_>) -> Finding {
    let (own, above) = (it.facts.not_after, signer(it)?.not_after);
    unless(own <= above, || own.date().to_string(), &format!("none after its issuer's, {}", above.date()))
}

fn subject(it: &Candidate<'_>) -> Finding {
    let expected = "one that can be repeated to the byte";
    // Of one and the same authority the key speaks.
    let other = |facts: &CertFacts| {
        facts.raw_subject == it.facts.raw_subject && facts.public_key != it.facts.public_key
    };
    if let Some((name, _)) = it.all.iter().find(|(name, facts)| **name != it.authority && other(facts)) {
        return Some((format!("`{name}`'s too"), "one of its own".to_owned()));
    }
    match it.facts.subject_elements() {
        Err(cause) => Some((cause, expected.to_owned())),
        Ok(elements) => unless(!elements.is_empty(), || "empty".to_owned(), "a name"),
    }
}

fn twice(it: &Candidate<'_>) -> Finding {
    let key = &it.facts.public_key;
    let other = it.all.iter().find(|(name, other)| **name != it.authority && other.public_key == *key);
    other.map(|(name, _)| (format!("`{name}`'s too"), "one of its own".to_owned()))
}

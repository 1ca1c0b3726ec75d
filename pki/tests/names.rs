//! Names of authorities that were made elsewhere, as strange as DER allows.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod support;

use quorate_pki::adopt::check;
use quorate_pki::authority::Authority;
use quorate_pki::cluster::{CaMode, KeyType};
use quorate_pki::facts::CertFacts;
use quorate_pki::issue::{Signer, issue_self_signed};
use quorate_pki::key::PrivateKey;
use quorate_pki::plan::{CertId, CertPlan, Format, Plan};

/// What is wrong with the subject of a root whose certificate had `old` replaced by `new`, of the same length, wherever it stands.
fn refused(old: &[u8], new: &[u8]) -> String {
    let plan = Plan::new(&support::cluster(&support::example("shared")), Format::Sops);
    let root = root(&plan);
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let mut der = issue_self_signed(root, &key, support::now()).unwrap().der;
    let places: Vec<usize> = (0..der.len() - old.len()).filter(|at| der[*at..].starts_with(old)).collect();
    assert_eq!(places.len(), 2, "the subject and the issuer");
    for at in places {
        der[at..at + new.len()].copy_from_slice(new);
    }
    let facts = CertFacts::from_der(&der).unwrap();
    let found = facts.subject_elements().unwrap_err();
    // Nor is it adopted, or signed under.
    check(CaMode::Shared, &[(Authority::Root, facts.clone())].into(), support::now()).unwrap_err();
    assert!(Signer::new("ca/root", &facts, &key).is_err());
    found
}

#[test]
fn an_attribute_type_that_no_library_repeats_is_refused_by_name() {
    // `id-at-commonName` is 2.5.4.3, RFC 5280 appendix A.1; 2.40.4.3 is as long.
    let found = refused(&[0x06, 0x03, 0x55, 0x04, 0x03], &[0x06, 0x03, 0x78, 0x04, 0x03]);
    assert!(found.ends_with("a type that cannot be repeated"), "{found}");
}

#[test]
fn a_question_mark_in_a_printable_string_is_refused_by_name() {
    let name = plan_name();
    let utf8 = [&[0x0c, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let printable = [&[0x13, utf8[1], b'?'], &name.as_bytes()[1..]].concat();
    let found = refused(&utf8, &printable);
    assert!(found.starts_with("`CN` with a `?`"), "{found}");
}

/// The common name of the root.
fn plan_name() -> String {
    let plan = Plan::new(&support::cluster(&support::example("shared")), Format::Sops);
    root(&plan).common_name.clone()
}

fn root(plan: &Plan) -> &CertPlan {
    plan.certs.iter().find(|cert| cert.id == CertId::authority(Authority::Root)).unwrap()
}

//! Names of authorities that were made elsewhere, as strange as DER allows.

mod support;

use quorate_pki::adopt::{Adopted, check};
use quorate_pki::authority::Authority;
use quorate_pki::cluster::{CaMode, KeyType};
use quorate_pki::facts::CertFacts;
use quorate_pki::issue::issue_self_signed;
use quorate_pki::key::PrivateKey;
use quorate_pki::plan::{CertId, Format, Plan};

/// `id-at-commonName`, 2.5.4.3, as DER has it: RFC 5280 appendix A.1.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

#[test]
fn an_attribute_type_that_no_library_repeats_is_refused_by_name() {
    let plan = Plan::new(&support::cluster(&support::example("shared")), Format::Sops);
    let root = plan.cert(&CertId::authority(Authority::Root)).unwrap();
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let mut der = issue_self_signed(root, &key, support::now()).unwrap().der;
    // 2.40.4.3 is as long as 2.5.4.3.
    for at in 0..der.len() - COMMON_NAME.len() {
        if der[at..at + COMMON_NAME.len()] == COMMON_NAME {
            der[at + 2] = 0x78;
        }
    }
    let facts = CertFacts::from_der(&der).unwrap();
    let adopted = [(Authority::Root, Adopted { facts, key })].into();
    let faults = check(CaMode::Shared, &adopted, support::now()).unwrap_err();
    let subject = faults.iter().find(|fault| fault.attribute == "subject").unwrap();
    assert!(subject.found.ends_with("a type that cannot be repeated"), "{subject}");
}

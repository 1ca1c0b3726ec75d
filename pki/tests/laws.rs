//! What must hold for every cluster, whatever its inventory says.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quorate_pki::cluster::Cluster;
use quorate_pki::decision::decide;
use quorate_pki::plan::{Audience, CertId, Content, Format, Plan};
use quorate_pki::state::State;
use serde_json::{Value, json};
use support::{cluster, example, machine, now, readers, run, words};

#[test]
fn a_second_run_has_nothing_to_do_in_any_mode() {
    for mode in ["shared", "single", "separate"] {
        let cluster = cluster(&example(mode));
        let first = run(&cluster, &State::default(), None, now());
        assert!(!first.decision.is_nothing());
        let plan = Plan::new(&cluster, Format::Sops);
        let second = decide(&cluster, &plan, &first.state, &readers(&cluster), false, now()).unwrap();
        assert!(second.is_nothing(), "{mode}: {:?} {:?}", words(&second), second.files);
    }
}

#[test]
fn every_serial_number_is_another() {
    let first = run(&cluster(&example("shared")), &State::default(), None, now());
    let serials: BTreeSet<_> = first.judged.issued.certs.values().map(|facts| facts.serial.clone()).collect();
    assert_eq!(serials.len(), first.judged.issued.certs.len());
}

#[test]
fn a_machine_that_moves_changes_its_own_certificates_alone() {
    let before = cluster(&example("shared"));
    let first = run(&before, &State::default(), None, now());
    let mut moved = example("shared");
    moved["cp2"]["ip"] = "10.0.0.5".into();
    let second = run(&cluster(&moved), &first.state, Some(&first.judged.issued), now());
    let reason = "reissue: machine cp2 moved from 10.0.0.2 to 10.0.0.5";
    let expected: BTreeMap<String, String> = ["apiserver", "etcd-peer", "etcd-server", "kubelet-server"]
        .into_iter()
        .map(|kind| (format!("cp2/{kind}"), reason.to_owned()))
        .collect();
    assert_eq!(words(&second.decision), expected);
    for (id, facts) in &first.judged.issued.certs {
        assert_eq!(facts.public_key, second.judged.issued.certs[id].public_key, "{id} has another key");
    }
}

/// A cluster that somebody might have: its inventory as JSON.
fn inventories() -> impl Strategy<Value = Value> {
    let modes = prop_oneof![Just("shared"), Just("single"), Just("separate")];
    let keys = prop_oneof![4 => Just("p256"), 1 => Just("p384"), 1 => Just("ed25519")];
    let vips = prop_oneof![Just("bgp"), Just("arp"), Just("external")];
    let networks = prop_oneof![Just(false), Just(true)];
    (1_u8..=5, 0_u8..=4, modes, keys, vips, networks, "[a-z][a-z0-9]{0,8}", 3_u32..=400).prop_map(
        |(masters, workers, ca, key_type, vip, v6, name, cert_days)| {
            let address = |n: u8| if v6 { format!("fd00:1::{n:x}") } else { format!("10.0.0.{n}") };
            let mut inventory = json!({
                "kubeMaster": {
                    "ip": match (v6, vip == "bgp") {
                        (false, true) => "10.9.0.1".to_owned(),
                        (true, true) => "fd00:9::1".to_owned(),
                        (_, false) => address(250),
                    },
                    "gateway": address(254),
                    "mode": vip,
                },
                "cluster": {
                    "name": name, "ca": ca, "keyType": key_type, "certDays": cert_days,
                    "renewDays": cert_days / 3,
                    "cni": if v6 { "none" } else { "flannel" },
                    "nodeCidr": if v6 { "fd00:1::/64" } else { "10.0.0.0/24" },
                    "serviceCidr": if v6 { "fd00:2::/112" } else { "10.96.0.0/16" },
                    "podCidr": if v6 { "fd00:3::/48" } else { "10.244.0.0/16" },
                },
            });
            for n in 1..=masters {
                inventory[format!("cp{n}")] = machine(&address(n), true);
            }
            for n in 1..=workers {
                inventory[format!("w{n}")] = machine(&address(100 + n), false);
            }
            for name in inventory.as_object().unwrap().keys().cloned().collect::<Vec<_>>() {
                if name.starts_with("cp") || name.starts_with('w') {
                    inventory[&name]["interface"] = "ens18".into();
                }
            }
            inventory
        },
    )
}

/// Every text of an inventory, and what the documented constants add to it.
fn allowed_names(inventory: &Value, cluster: &Cluster) -> BTreeSet<String> {
    fn texts(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                into.insert(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
            Value::Object(entries) => entries.iter().for_each(|(name, value)| {
                into.insert(name.clone());
                texts(value, into);
            }),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    texts(inventory, &mut names);
    let fixed =
        ["localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    names.extend(fixed.map(ToOwned::to_owned));
    names.insert("kubernetes.default.svc.cluster.local".to_owned());
    names.extend(["etcd-peer", "etcd-client"].map(|prefix| format!("{prefix}.{}", cluster.name())));
    names.insert(cluster.networks().first_service_ip().to_string());
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_cluster_its_certificates_hold(inventory in inventories()) {
        let cluster = cluster(&inventory);
        let first = run(&cluster, &State::default(), None, now());
        let plan = Plan::new(&cluster, Format::Sops);

        // Run again it does nothing.
        let again = decide(&cluster, &plan, &first.state, &readers(&cluster), false, now()).unwrap();
        prop_assert!(again.is_nothing(), "{:?} {:?}", words(&again), again.files);

        let certs = &first.judged.issued.certs;
        let mut serials = BTreeSet::new();
        let allowed = allowed_names(&inventory, &cluster);
        for cert in &plan.certs {
            let facts = &certs[&cert.id];
            prop_assert!(serials.insert(&facts.serial), "{} shares its serial", cert.id);
            let issuer = cert.issuer.map_or(cert.id.clone(), CertId::authority);
            prop_assert!(facts.not_after <= certs[&issuer].not_after, "{} outlives {issuer}", cert.id);
            for other in plan.certs.iter().filter(|other| other.is_authority()) {
                let signed = facts.is_signed_by(&certs[&other.id]);
                prop_assert_eq!(signed, other.id == issuer, "{} under {}", cert.id, other.id);
            }
            for san in &facts.sans {
                prop_assert!(allowed.contains(&san.to_string()), "{san} of {} is from nowhere", cert.id);
            }
        }

        // No authority's key is in a file that a machine can open.
        for sealed in plan.sealed.iter().filter(|sealed| matches!(sealed.audience, Audience::Machine(_))) {
            for entry in &sealed.entries {
                let authority = matches!(&entry.content, Content::Key(id) if id.as_str().starts_with("ca/"));
                prop_assert!(!authority, "{} holds {}", sealed.path, entry.name);
            }
        }
    }

    #[test]
    fn whatever_the_day_a_renewal_keeps_every_key_and_is_done_once(days in 0_i64..800) {
        let cluster = cluster(&example("shared"));
        let first = run(&cluster, &State::default(), None, now());
        let later = now() + time::Duration::days(days);
        let second = run(&cluster, &first.state, Some(&first.judged.issued), later);
        for (id, facts) in &first.judged.issued.certs {
            prop_assert_eq!(&facts.public_key, &second.judged.issued.certs[id].public_key);
            let left = second.judged.issued.certs[id].not_after - later;
            prop_assert!(left.whole_days() >= 30, "{id} is left to expire in {left}");
        }
        let plan = Plan::new(&cluster, Format::Sops);
        let third = decide(&cluster, &plan, &second.state, &readers(&cluster), false, later).unwrap();
        prop_assert!(third.is_nothing(), "{:?}", words(&third));
    }
}

//! What holds of every inventory, however strange.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{APISERVER_PORT, RULES};
use super::{IpAddr, VipMode, parse};

/// Values of every kind, those that mean something more often.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => (0_u8..20).prop_map(|n| json!(format!("10.0.0.{n}"))),
        1 => (0_u8..4).prop_map(|n| json!(format!("fd00:10::{n}"))),
        2 => prop::sample::select(vec![
            "0.0.0.0", "", "10.0.1.1", "10.0.0.0/24", "10.96.0.0/16", "fd00::/48", "10.0.0.0/8", "::/0", "0.0.0.0/0",
            "255.255.255.255/32", "bgp", "arp", "keepalived", "external", "ens18", "/dev/sda", "age1qqqqqqqqq",
            "ssh-ed25519 AAAA", "cluster.local", "kubernetes", "x86_64-linux",
        ]).prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (0_i64..70_000).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(json!({ "enable": true })),
        1 => Just(json!(0.5)),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let known = [
        super::super::machine::ATTRIBUTES,
        super::super::endpoint::ATTRIBUTES,
        super::super::settings::ATTRIBUTES,
    ];
    let known: Vec<String> = known.concat().into_iter().map(str::to_owned).collect();
    prop_oneof![6 => prop::sample::select(known), 1 => any::<String>(), 1 => Just("x".repeat(100_000))]
}

/// A machine that is nearly right, so that whole clusters are not too rare.
fn machine() -> impl Strategy<Value = Value> {
    let attributes = prop::collection::vec((name(), value()), 0..2);
    (2_u8..120, any::<bool>(), attributes).prop_map(|(n, etcd, more)| {
        let mut machine = json!({ "ip": format!("10.0.0.{n}"), "kubernetes": { "enable": true },
                                  "etcd": { "enable": etcd }, "interface": "ens18" });
        if n % 3 == 0 {
            machine.as_object_mut().unwrap().extend(more);
        }
        machine
    })
}

fn inventory() -> impl Strategy<Value = Value> {
    let endpoint = prop_oneof![
        3 => Just(json!({ "ip": "10.0.1.1", "gateway": "10.0.0.1" })),
        1 => Just(json!({ "ip": "10.0.0.200", "mode": "arp" })),
        1 => value(),
        1 => prop::collection::vec((name(), value()), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
    ];
    let machines = prop::collection::vec(machine(), 1..6);
    let settings = prop_oneof![
        4 => Just(json!({ "nodeCidr": "10.0.0.0/24" })),
        2 => prop::collection::vec((name(), value()), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        1 => (1_u32..5000, 1_u32..5000).prop_map(|(cert, ca)| json!({ "certDays": cert, "caDays": ca, "rootDays": 4000 })),
    ];
    let odd = prop::option::weighted(0.2, (name(), value()));
    (machines, endpoint, prop::option::of(settings), odd).prop_map(|(machines, endpoint, settings, odd)| {
        let mut map: Map<String, Value> =
            machines.into_iter().enumerate().map(|(n, machine)| (format!("cp{n}"), machine)).collect();
        map.insert("kubeMaster".into(), endpoint);
        map.extend(settings.map(|settings| ("cluster".to_owned(), settings)));
        map.extend(odd);
        Value::Object(map)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_is_accepted_is_a_cluster_and_whatever_is_refused_has_a_reason(inventory in inventory()) {
        let (cluster, faults) = parse(&inventory);
        prop_assert_eq!(cluster.is_none(), faults.iter().any(crate::fault::Fault::is_error));
        for fault in &faults {
            prop_assert!(RULES.iter().any(|rule| rule.name == fault.rule && rule.level == fault.level));
            prop_assert!(!fault.message.contains(char::is_control) && fault.message.len() < 1000, "{}", fault.message);
        }
        let Some(cluster) = cluster else { return Ok(()) };

        prop_assert!(cluster.masters().count() > 0 && cluster.etcd_members().count() > 0);
        prop_assert!(!cluster.endpoint().ips().is_empty() && !cluster.networks().service.is_empty());
        let mut addresses = BTreeSet::new();
        for machine in cluster.machines() {
            let role = machine.kubernetes() || machine.etcd();
            prop_assert!(!role || (machine.node() && machine.ip().is_some()));
            prop_assert!(!machine.master() || machine.kubernetes());
            let local = machine.local_ip().filter(|ip| !machine.ips().contains(ip));
            for ip in machine.ips().iter().copied().chain(local) {
                prop_assert!(!ip.is_unspecified() && addresses.insert(ip), "{ip} twice or unspecified");
            }
        }
        let networks = cluster.networks();
        for range in networks.service.iter().chain(&networks.pod) {
            prop_assert!(!addresses.iter().any(|ip| range.contains(ip)), "{range}");
        }
        let inside = |ip: IpAddr| networks.service[0].contains(&ip) && ip != networks.service[0].network();
        prop_assert!(inside(networks.first_service_ip()) && inside(networks.dns_service_ip()));
        if let VipMode::Bgp(bgp) = cluster.endpoint().mode() {
            prop_assert!(!bgp.peers.is_empty() && bgp.asn > 0);
            prop_assert!(bgp.hold_time == 0 || (bgp.hold_time >= 3 && bgp.keepalive < bgp.hold_time));
        }
        if matches!(cluster.endpoint().mode(), VipMode::External) {
            prop_assert_eq!(cluster.apiserver_port(), APISERVER_PORT);
        } else {
            prop_assert!(cluster.endpoint().ips().iter().all(|ip| !addresses.contains(ip)));
        }
        let policy = cluster.policy();
        prop_assert!(policy.renew_days < policy.cert_days && policy.cert_days <= policy.ca_days);
        prop_assert!(policy.ca_days <= policy.root_days);
    }

    #[test]
    fn any_value_at_all_is_parsed_without_a_panic(value in value()) {
        let (cluster, faults) = parse(&value);
        prop_assert!(cluster.is_some() || !faults.is_empty());
    }
}

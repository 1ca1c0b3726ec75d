//! What parsing makes of good inventories. The bad ones are files with positions: `tests/inventory.rs`.

mod laws;

use serde_json::{Value, json};

use super::*;
use crate::fault::{Fault, Level};
use crate::inventory::{Attr, Data, Node};

/// An inventory without positions.
fn node(value: &Value) -> Node {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(value) => Data::Bool(*value),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Data::Float(number.as_f64().unwrap()), Data::Int)
        }
        Value::String(text) => Data::Str(text.clone()),
        Value::Array(items) => Data::List(items.iter().map(node).collect()),
        Value::Object(map) => Data::Attrs(
            map.iter()
                .map(|(name, value)| Attr { name: name.clone(), origin: None, value: node(value) })
                .collect(),
        ),
    };
    Node { data, origin: None }
}

fn parse(value: &Value) -> (Option<Cluster>, Vec<Fault>) {
    Cluster::parse(&node(value))
}

#[track_caller]
fn accept(value: &Value) -> Cluster {
    let (cluster, faults) = parse(value);
    cluster.unwrap_or_else(|| panic!("{faults:#?}"))
}

#[track_caller]
fn refused(value: &Value) -> Vec<&'static str> {
    let (cluster, faults) = parse(value);
    assert!(cluster.is_none(), "accepted: {value}");
    faults.iter().filter(|fault| fault.level == Level::Error).map(|fault| fault.rule).collect()
}

fn warned(value: &Value) -> Vec<&'static str> {
    let (cluster, faults) = parse(value);
    assert!(cluster.is_some(), "{faults:#?}");
    faults.iter().map(|fault| fault.rule).collect()
}

fn master(ip: &str) -> Value {
    json!({ "ip": ip, "kubernetes": { "enable": true }, "etcd": { "enable": true },
            "interface": "ens18", "disk": "/dev/disk/by-id/nvme-1" })
}

fn three() -> Value {
    json!({
        "cp1": master("10.13.13.2"), "cp2": master("10.13.13.3"), "cp3": master("10.13.13.4"),
        "kubeMaster": { "ip": "10.13.14.10", "gateway": "10.13.13.1" },
        "cluster": { "nodeCidr": "10.13.13.0/24" },
    })
}

/// `three` with the value at a JSON pointer replaced or added.
fn three_with(pointer: &str, value: Value) -> Value {
    let mut inventory = three();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    inventory.pointer_mut(parent).unwrap()[name] = value;
    inventory
}

#[test]
fn three_masters_get_every_default() {
    assert_eq!(warned(&three()), Vec::<&str>::new());
    let cluster = accept(&three());
    assert_eq!((cluster.name(), cluster.domain()), ("kubernetes", "cluster.local"));
    assert_eq!(cluster.endpoint().port(), 6443);
    assert_eq!(cluster.endpoint().name(), "kubernetes");
    let bgp = Bgp {
        asn: 64513,
        peers: vec![BgpPeer { ip: "10.13.13.1".parse().unwrap(), asn: 64512 }],
        hold_time: 9,
        keepalive: 3,
        bfd: false,
        password: false,
    };
    assert_eq!(*cluster.endpoint().mode(), VipMode::Bgp(bgp));
    assert_eq!(cluster.networks().service, ["10.96.0.0/16".parse().unwrap()]);
    assert_eq!(cluster.networks().pod, ["10.244.0.0/16".parse().unwrap()]);
    assert_eq!(cluster.networks().first_service_ip(), "10.96.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(cluster.networks().dns_service_ip(), "10.96.0.10".parse::<IpAddr>().unwrap());
    let policy = cluster.policy();
    assert_eq!((policy.ca, policy.key_type), (CaMode::Shared, KeyType::P256));
    assert_eq!(
        (policy.root_days, policy.ca_days, policy.cert_days, policy.renew_days),
        (7300, 3650, 365, 30)
    );
    let cp1 = cluster.machine("cp1").unwrap();
    assert_eq!((cp1.ssh_user(), cp1.system()), ("root", "x86_64-linux"));
    assert_eq!(cp1.local_ip(), cp1.ip());
    assert!(cp1.master() && cp1.etcd() && cp1.node() && !cp1.worker());
}

#[test]
fn roles_count_by_value_and_never_by_presence() {
    let mut inventory = three();
    inventory["w1"] = json!({ "ip": "10.13.13.5", "kubernetes": { "enable": true }, "master": false });
    inventory["off"] =
        json!({ "ip": "10.13.13.6", "kubernetes": { "enable": false }, "etcd": { "enable": false } });
    inventory["router"] = json!({ "ip": "10.13.13.1", "node": false });
    inventory["store"] = json!({ "ip": "10.13.13.7", "node": true });
    let cluster = accept(&inventory);
    let names =
        |machines: Vec<&Machine>| machines.iter().map(|m| m.name().to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(cluster.masters().collect()), "cp1 cp2 cp3");
    assert_eq!(names(cluster.etcd_members().collect()), "cp1 cp2 cp3");
    assert_eq!(names(cluster.workers().collect()), "w1");
    assert_eq!(names(cluster.kubernetes_nodes().collect()), "cp1 cp2 cp3 w1");
    assert_eq!(names(cluster.nodes().collect()), "cp1 cp2 cp3 store w1");
    assert_eq!(cluster.machines().len(), 7);
}

#[test]
fn a_ghost_and_a_machine_without_address_have_no_role() {
    let mut inventory = three();
    inventory["gaspard"] = json!({ "ip": "10.13.13.9", "node": false, "etcd": { "enable": true } });
    inventory["cp4"] = master("0.0.0.0");
    assert_eq!(warned(&inventory), ["ghost-member", "placeholder-address"]);
    let cluster = accept(&inventory);
    assert_eq!(cluster.etcd_members().count(), 3);
    let cp4 = cluster.machine("cp4").unwrap();
    assert_eq!((cp4.ips(), cp4.ip(), cp4.local_ip()), (&[][..], None, None));
    assert!(!cp4.kubernetes() && !cp4.etcd() && !cp4.master() && cp4.node());
    assert!(!cluster.machine("gaspard").unwrap().etcd());
}

#[test]
fn a_placeholder_is_never_an_address_of_a_machine() {
    for placeholder in ["0.0.0.0", "::", ""] {
        let inventory = three_with("/cp1/localIp", placeholder.into());
        assert_eq!(warned(&inventory), ["placeholder-address"], "{placeholder}");
        let cluster = accept(&inventory);
        assert_eq!(cluster.machine("cp1").unwrap().local_ip(), None);
    }
    let cluster = accept(&three_with("/cp1/ip", json!(["10.13.13.2", "0.0.0.0"])));
    assert_eq!(cluster.machine("cp1").unwrap().ips(), ["10.13.13.2".parse::<IpAddr>().unwrap()]);
}

#[test]
fn a_master_alone_is_its_own_endpoint_and_several_need_one() {
    let cluster = accept(&json!({ "cp1": master("10.0.0.1") }));
    assert_eq!(cluster.endpoint().ips(), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(*cluster.endpoint().mode(), VipMode::External);
    let two = json!({ "cp1": master("10.0.0.1"), "cp2": master("10.0.0.2") });
    assert_eq!(refused(&two), ["endpoint-missing"]);
}

#[test]
fn keepalived_has_a_front_port_and_the_api_servers_keep_theirs() {
    let cluster = accept(&three_with("/kubeMaster", json!({ "ip": "10.13.13.10", "mode": "keepalived" })));
    assert_eq!((cluster.endpoint().port(), cluster.apiserver_port()), (8443, 6443));
    let cluster =
        accept(&three_with("/kubeMaster", json!({ "ip": "10.13.13.10", "mode": "arp", "port": 7443 })));
    assert_eq!((cluster.endpoint().port(), cluster.apiserver_port()), (7443, 7443));
    let cluster = accept(&three_with("/kubeMaster/port", json!(7443)));
    assert_eq!((cluster.endpoint().port(), cluster.apiserver_port()), (7443, 7443));
}

#[test]
fn keepalive_follows_the_hold_time() {
    for (hold, keepalive) in [(9, 3), (30, 10), (3, 1)] {
        let cluster = accept(&three_with("/kubeMaster/bgp", json!({ "holdTime": hold })));
        let VipMode::Bgp(bgp) = cluster.endpoint().mode() else { panic!("not bgp") };
        assert_eq!((bgp.hold_time, bgp.keepalive), (hold, keepalive));
    }
}

#[test]
fn ipv6_and_dual_stack_clusters_are_clusters() {
    let six = |n: u8| master(&format!("fd00:13::{n}"));
    let cluster = accept(&json!({
        "cp1": six(2), "cp2": six(3), "cp3": six(4),
        "kubeMaster": { "ip": "fd00:14::10", "gateway": "fd00:13::1" },
        "cluster": { "nodeCidr": "fd00:13::/64", "serviceCidr": "fd00:96::/112", "podCidr": "fd00:244::/48" },
    }));
    assert_eq!(cluster.networks().first_service_ip(), "fd00:96::1".parse::<IpAddr>().unwrap());
    assert_eq!(cluster.networks().dns_service_ip(), "fd00:96::a".parse::<IpAddr>().unwrap());

    let dual = |n: u8| {
        let mut machine = master("10.13.13.1");
        machine["ip"] = json!([format!("10.13.13.{n}"), format!("fd00:13::{n}")]);
        machine
    };
    let inventory = json!({
        "cp1": dual(2), "cp2": dual(3), "cp3": dual(4),
        "kubeMaster": { "ip": ["10.13.14.10", "fd00:14::10"], "gateway": "10.13.13.1" },
        "cluster": { "nodeCidr": ["10.13.13.0/24", "fd00:13::/64"],
                     "serviceCidr": ["10.96.0.0/16", "fd00:96::/112"],
                     "podCidr": ["10.244.0.0/16", "fd00:244::/48"] },
    });
    assert_eq!(warned(&inventory), Vec::<&str>::new());
    assert_eq!(accept(&inventory).machine("cp2").unwrap().ips().len(), 2);
}

#[test]
fn every_fault_is_said_at_once() {
    let mut inventory = three();
    inventory["cp1"]["ip"] = json!("10.13.13.300");
    inventory["cp2"]["sshUser"] = json!("-oProxyCommand=x");
    inventory["kubeMaster"]["porte"] = json!(6443);
    inventory["cluster"]["certDays"] = json!(0);
    let mut found = refused(&inventory);
    found.sort_unstable();
    assert_eq!(found, ["bad-address", "bad-value", "out-of-range", "unknown-attribute"]);
}

#[test]
fn null_reads_as_absent() {
    let mut inventory = three();
    inventory["cp1"]["localIp"] = Value::Null;
    inventory["cluster"]["admins"] = Value::Null;
    assert_eq!(warned(&inventory), Vec::<&str>::new());
}

#[test]
fn a_password_or_private_key_is_never_repeated_in_a_message() {
    let mut inventory = three();
    inventory["kubeMaster"]["bgp"] = json!({ "password": "hunter2" });
    inventory["cluster"]["admins"] = json!(["AGE-SECRET-KEY-1QQQQQQQQQQ"]);
    inventory["cluster"]["domain"] = json!("AGE-SECRET-KEY-1QQQQQQQQQQ");
    let (_, faults) = parse(&inventory);
    let said = format!("{faults:?}");
    assert!(!said.contains("hunter2") && !said.contains("QQQQ"), "{said}");
    assert_eq!(refused(&inventory).iter().filter(|rule| **rule == "secret-in-inventory").count(), 2);
}

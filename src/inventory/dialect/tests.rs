//! Each dialect as its own tools write it, down to the cluster it describes.

use quorate_pki::cluster::{Cluster, Machine, VipMode};
use serde_json::json;

use super::*;
use crate::inventory::json;

fn read(value: &serde_json::Value) -> Node {
    json::parse(&serde_json::to_string_pretty(value).unwrap(), 0).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn cluster(value: &serde_json::Value, vip: Option<IpAddr>) -> Cluster {
    let (node, faults) = translate(read(value), vip);
    let (cluster, more) = Cluster::parse(&node.unwrap_or_else(|| panic!("{faults:#?}")));
    cluster.unwrap_or_else(|| panic!("{more:#?}"))
}

fn names<'m>(machines: impl Iterator<Item = &'m Machine>) -> String {
    machines.map(Machine::name).collect::<Vec<_>>().join(" ")
}

fn nico() -> serde_json::Value {
    json!({
        "name": "alpha",
        "controlPlane": [ { "name": "m1", "ip": "10.0.0.11" }, { "name": "m2", "ip": "10.0.0.12" },
                          { "name": "m3", "ip": "10.0.0.13" } ],
        "workers": [ { "name": "w1", "ip": "10.0.0.21" } ],
    })
}

#[test]
fn nico_in_both_shapes_is_one_cluster() {
    let mut documented = nico();
    documented["vip"] = json!("10.0.0.10");
    let generated = json!({ "cluster": nico() });
    let documented = cluster(&documented, None);
    assert_eq!(documented, cluster(&generated, Some(ip("10.0.0.10"))));
    assert_eq!(documented.name(), "alpha");
    assert_eq!(documented.endpoint().ips(), [ip("10.0.0.10")]);
    assert_eq!(*documented.endpoint().mode(), VipMode::External);
    assert_eq!(names(documented.masters()), "m1 m2 m3");
    assert_eq!(names(documented.etcd_members()), "m1 m2 m3");
    assert_eq!(names(documented.workers()), "w1");
}

#[test]
fn nico_without_a_vip_asks_for_one() {
    let (node, faults) = translate(read(&json!({ "cluster": nico() })), None);
    assert!(node.is_none());
    assert_eq!(faults.iter().map(|fault| fault.rule).collect::<Vec<_>>(), ["vip-missing"]);
    assert!(faults[0].hint.as_ref().unwrap().contains("--vip"));
}

#[test]
fn a_host_name_where_nico_has_no_address_is_a_placeholder() {
    let mut inventory = nico();
    inventory["vip"] = json!("10.0.0.10");
    for unknown in [json!("unknown"), json!("w1.lan"), json!(""), serde_json::Value::Null] {
        inventory["workers"][0]["ip"] = unknown;
        let cluster = cluster(&inventory, None);
        assert_eq!(cluster.machine("w1").unwrap().ips(), [] as [IpAddr; 0]);
    }
    inventory["workers"][0]["ip"] = json!(5);
    let (node, _) = translate(read(&inventory), None);
    let (_, faults) = Cluster::parse(&node.unwrap());
    assert!(faults.iter().any(|fault| fault.rule == "wrong-type"), "{faults:#?}");
}

#[test]
fn nico_token_in_clear_is_a_warning_that_does_not_repeat_it() {
    let mut inventory = nico();
    inventory["vip"] = json!("10.0.0.10");
    inventory["clusterToken"] = json!("hunter2");
    inventory["podCidr"] = json!("10.1.0.0/16");
    let (node, faults) = translate(read(&inventory), None);
    assert!(node.is_some());
    assert_eq!(
        faults.iter().map(|fault| fault.rule).collect::<Vec<_>>(),
        ["token-in-inventory", "not-translated"]
    );
    assert!(!format!("{faults:?}").contains("hunter2"));
}

#[test]
fn a_name_in_both_lists_of_nico_is_an_error_and_so_is_one_missing() {
    let mut inventory = nico();
    inventory["vip"] = json!("10.0.0.10");
    inventory["workers"] = json!([ { "name": "m1", "ip": "10.0.0.21" }, { "ip": "10.0.0.22" } ]);
    let (node, faults) = translate(read(&inventory), None);
    assert!(node.is_none());
    assert_eq!(
        faults.iter().map(|fault| fault.rule).collect::<Vec<_>>(),
        ["duplicate-name", "missing-attribute"]
    );
    assert!(faults.iter().all(|fault| fault.at.is_some()));
}

fn machine(ip: &str) -> serde_json::Value {
    json!({ "ip": ip, "kubernetes": { "enable": true }, "etcd": { "enable": true } })
}

fn output(value: &serde_json::Value) -> serde_json::Value {
    json!({ "sensitive": false, "type": "string", "value": value })
}

#[test]
fn terraform_outputs_are_machines_in_three_forms() {
    let one =
        json!({ "machines": output(&json!({ "cp1": machine("10.0.0.1") })), "note": output(&json!("hi")) });
    let map =
        json!({ "masters": output(&json!({ "cp1": machine("10.0.0.1") })), "note": output(&json!("hi")) });
    let each = json!({ "cp1": output(&machine("10.0.0.1")), "note": output(&json!("hi")) });
    for inventory in [one, map, each] {
        assert_eq!(Dialect::of(&read(&inventory)), Dialect::TerraformOutput);
        assert_eq!(names(cluster(&inventory, None).masters()), "cp1", "{inventory}");
    }
}

#[test]
fn terraform_outputs_may_hold_the_settings_too() {
    let inventory = json!({
        "machines": output(&json!({ "cp1": machine("10.0.0.1"), "cp2": machine("10.0.0.2"), "cp3": machine("10.0.0.3") })),
        "cluster": output(&json!({ "name": "tf" })),
    });
    let cluster = cluster(&inventory, Some(ip("10.0.0.9")));
    assert_eq!((cluster.name(), cluster.endpoint().ips()), ("tf", &[ip("10.0.0.9")][..]));
    let (node, faults) = translate(read(&json!({ "note": output(&json!("hi")) })), None);
    assert!(node.is_none() && faults[0].message.contains("`machines`"), "{faults:?}");
}

#[test]
fn a_libvirt_state_gives_roles_by_name() {
    let domain = |name: &str, ip: &str| {
        json!({ "type": "libvirt_domain", "name": "vm", "values": {
            "name": name, "network_interface": [ { "addresses": [ip] } ] } })
    };
    let inventory = json!({
        "format_version": "1.0",
        "values": { "root_module": {
            "resources": [ domain("loadbalancer1", "10.0.0.5"), { "type": "libvirt_volume", "values": { "name": "etcd-disk" } } ],
            "child_modules": [
                { "resources": [ domain("etcd1", "10.0.0.1"), domain("etcd2", "10.0.0.2"), domain("etcd3", "10.0.0.3") ] },
                { "child_modules": [ { "resources": [ domain("controlplane1", "10.0.0.6"), domain("worker1", "10.0.0.7") ] } ] },
            ],
        } },
    });
    let cluster = cluster(&inventory, Some(ip("10.0.0.9")));
    assert_eq!(names(cluster.etcd_members()), "etcd1 etcd2 etcd3");
    assert_eq!(names(cluster.masters()), "controlplane1");
    assert_eq!(names(cluster.workers()), "worker1");
    assert!(!cluster.machine("loadbalancer1").unwrap().node());
    assert!(cluster.machine("etcd-disk").is_none());
}

#[test]
fn machines_json_is_our_own_dialect_and_says_the_vip_itself() {
    let inventory = json!({ "cp1": machine("10.0.0.1") });
    assert_eq!(Dialect::of(&read(&inventory)), Dialect::Machines);
    assert_eq!(names(cluster(&inventory, None).masters()), "cp1");
    let (node, faults) = translate(read(&inventory), Some(ip("10.0.0.9")));
    assert!(node.is_none());
    assert_eq!(faults[0].rule, "vip-twice");
}

#[test]
fn nothing_is_recognised_in_nonsense_and_nothing_panics() {
    for value in [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!({ "values": 3 }),
        json!({ "cluster": [] }),
        json!({ "values": { "root_module": null } }),
        json!({ "controlPlane": [ 1, null, {} ] }),
        json!({ "a": { "value": 1, "sensitive": true } }),
    ] {
        let (node, _) = translate(read(&value), None);
        if let Some(node) = node {
            assert!(Cluster::parse(&node).0.is_none(), "{value}");
        }
    }
}

//! What a user's own module makes of the emitted ones: it adds, or it overrides, as in any NixOS configuration.

use serde_json::{Value as Json, json};

use crate::facts::{Found, On, holds, same, strings};
use crate::machines;
use crate::rig::{NixOs, Staged, cases};

/// A user's module, and what it must come to on a master.
struct Wish {
    says: &'static str,
    module: &'static str,
    /// Given the machine without it and with it.
    comes_true: fn(On<'_>, On<'_>) -> Found,
}

const WISHES: &[Wish] = &[
    Wish {
        says: "one more setting of etcd stands beside ours",
        module: "{ services.etcd.extraConf.MAX_TXN_OPS = \"1024\"; }",
        comes_true: |before, after| {
            let mut expected = before.unit("etcd")?["environment"].clone();
            expected["ETCD_MAX_TXN_OPS"] = json!("1024");
            same("etcd's settings", &after.unit("etcd")?["environment"], &expected)
        },
    },
    Wish {
        says: "a setting of etcd of ours is overridden by a plain one",
        module: "{ services.etcd.extraConf.QUOTA_BACKEND_BYTES = \"4294967296\"; }",
        comes_true: |before, after| {
            let mut expected = before.unit("etcd")?["environment"].clone();
            expected["ETCD_QUOTA_BACKEND_BYTES"] = json!("4294967296");
            same("etcd's settings", &after.unit("etcd")?["environment"], &expected)
        },
    },
    Wish {
        says: "one more open port stands beside ours",
        module: "{ networking.firewall.allowedTCPPorts = [ 9100 ]; }",
        comes_true: |before, after| {
            let ports =
                |on: On<'_>| on.facts["firewall"]["allowedTCPPorts"].as_array().cloned().unwrap_or_default();
            let mut expected = ports(before);
            expected.push(json!(9100));
            expected.sort_by_key(Json::as_u64);
            same("open ports", &ports(after), &expected)
        },
    },
    Wish {
        says: "one more static pod stands beside ours",
        module: "{ services.kubernetes.kubelet.manifests.mine = { kind = \"Pod\"; apiVersion = \"v1\"; }; }",
        comes_true: |before, after| {
            let manifests = |on: On<'_>| on.facts["kubernetes"]["kubelet"]["manifests"].clone();
            let mut expected = manifests(before);
            expected["mine"] = json!({ "kind": "Pod", "apiVersion": "v1" });
            same("manifests", &manifests(after), &expected)?;
            let file = &after.facts["etc"]["kubernetes/manifests/mine.json"];
            holds(!file.is_null(), || "it is not in the folder of the kubelet".to_owned())
        },
    },
    Wish {
        says: "a port of ours is overridden by a plain one",
        module: "{ services.kubernetes.scheduler.port = 10999; }",
        comes_true: |_, after| after.flag_is("kube-scheduler", "secure-port", "10999"),
    },
    Wish {
        says: "a list of ours is overridden, not added to, by a plain one",
        module: "{ services.kubernetes.apiserver.etcd.servers = [ \"https://etcd.example:2379\" ]; }",
        comes_true: |_, after| after.flag_is("kube-apiserver", "etcd-servers", "https://etcd.example:2379"),
    },
    Wish {
        says: "one more flag of the API server stands beside ours",
        module: "{ services.kubernetes.apiserver.extraOpts = \"--audit-log-path=-\"; }",
        comes_true: |before, after| {
            let mut expected = before.words("kube-apiserver")?;
            expected.push("--audit-log-path=-".to_owned());
            expected.sort_unstable();
            let mut found = after.words("kube-apiserver")?;
            found.sort_unstable();
            same("flags", &found, &expected)
        },
    },
    Wish {
        says: "one more unit that a unit of ours waits for stands beside ours",
        module: "{ systemd.services.kube-apiserver.after = [ \"time-sync.target\" ]; }",
        comes_true: |before, after| {
            let units = |on: On<'_>| strings(&on.facts["services"]["kube-apiserver"]["after"]);
            let mut expected = units(before);
            expected.push("time-sync.target".to_owned());
            expected.sort_unstable();
            let mut found = units(after);
            found.sort_unstable();
            same("waits for", &found, &expected)
        },
    },
];

#[test]
fn what_a_users_own_module_adds_or_overrides_comes_true() {
    let Some(nixos) = NixOs::find() else { return };
    let cases = cases();
    let stacked = |case: &&crate::Case| case.cluster.masters().all(quorate_pki::cluster::Machine::etcd);
    let case = cases.iter().find(stacked).expect("a golden whose masters are etcd's members");
    let staged = Staged::new(case);
    let before = nixos.evaluate(&staged, None).unwrap();
    for wish in WISHES {
        let user = staged.user(wish.module);
        let after =
            nixos.evaluate(&staged, Some(&user)).unwrap_or_else(|error| panic!("{}: {error}", wish.says));
        let pairs = machines(case, &before).zip(machines(case, &after)).filter(|(on, _)| on.machine.master());
        for (before, after) in pairs {
            assert_eq!(after.facts["assertions"], json!([]), "{}", wish.says);
            (wish.comes_true)(before, after).unwrap_or_else(|why| panic!("{}: {why}", wish.says));
        }
    }
}

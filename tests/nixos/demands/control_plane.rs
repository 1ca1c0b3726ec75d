//! API server, controller manager and scheduler: their command lines.

use std::collections::BTreeMap;

use quorate_pki::authority::Authority;

use super::{Demand, everywhere, has_key, logs_in, on_masters, shows, source, trusts};
use crate::facts::{Found, On, bracketed, holds, same};

const API: &str = "kube-apiserver";
const MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";

pub(super) const DEMANDS: &[Demand] = &[
    Demand {
        says: "the control plane runs on masters and nowhere else",
        concerns: everywhere,
        check: |on| {
            [API, MANAGER, SCHEDULER]
                .iter()
                .try_for_each(|unit| same(unit, &on.has_unit(unit), &on.machine.master()))
        },
    },
    Demand {
        says: "no flag of the control plane stands twice",
        concerns: on_masters,
        check: |on| {
            for unit in [API, MANAGER, SCHEDULER] {
                let mut times: BTreeMap<String, u8> = BTreeMap::new();
                for word in on.words(unit)? {
                    let name = word.split('=').next().unwrap_or_default().to_owned();
                    *times.entry(name).or_default() += 1;
                }
                times.retain(|_, times| *times > 1);
                holds(times.is_empty(), || format!("{unit} has {times:?}"))?;
            }
            Ok(())
        },
    },
    Demand {
        says: "they run as kubernetes",
        concerns: on_masters,
        check: |on| {
            [API, MANAGER, SCHEDULER].iter().try_for_each(|unit| same(unit, &on.user(unit)?, &"kubernetes"))
        },
    },
    Demand {
        says: "the API server asks every member of etcd, and no machine that is none",
        concerns: on_masters,
        check: |on| {
            let ips = on.cluster.etcd_members().filter_map(quorate_pki::cluster::Machine::ip);
            let urls: Vec<String> = ips.map(|ip| format!("https://{}:2379", bracketed(ip))).collect();
            on.flag_is(API, "etcd-servers", &urls.join(","))
        },
    },
    Demand {
        says: "it speaks to etcd as a client of etcd's own authority",
        concerns: on_masters,
        check: |on| {
            trusts(on, "etcd", &on.flag(API, "etcd-cafile")?, Authority::Etcd)?;
            pair(on, "etcd-certfile", "etcd-keyfile", "apiserver-etcd-client")
        },
    },
    Demand {
        says: "it serves with its certificate and judges clients by the issuer of clients",
        concerns: on_masters,
        check: |on| {
            trusts(on, "clients", &on.flag(API, "client-ca-file")?, Authority::Kubernetes)?;
            pair(on, "tls-cert-file", "tls-private-key-file", "apiserver")
        },
    },
    Demand {
        says: "it reaches kubelets with a certificate, and believes theirs",
        concerns: on_masters,
        check: |on| {
            trusts(on, "kubelets", &on.flag(API, "kubelet-certificate-authority")?, Authority::Kubernetes)?;
            pair(on, "kubelet-client-certificate", "kubelet-client-key", "apiserver-kubelet-client")
        },
    },
    Demand {
        says: "it aggregates other API servers, with an authority of its own for that",
        concerns: on_masters,
        check: aggregation,
    },
    Demand {
        says: "it signs tokens with the key that every master has, and verifies with its public half",
        concerns: on_masters,
        check: |on| {
            let key = on.flag(API, "service-account-signing-key-file")?;
            has_key(on, "tokens", &key, "service-account")?;
            let public = source(on, &on.flag(API, "service-account-key-file")?)?;
            holds(public.ends_with("/certs/service-account.pub"), || format!("verifies with {public}"))?;
            on.flag_is(API, "service-account-issuer", "https://kubernetes.default.svc")?;
            on.flag_is(MANAGER, "service-account-private-key-file", &key)
        },
    },
    Demand {
        says: "it encrypts Secrets in etcd",
        concerns: on_masters,
        check: |on| {
            has_key(on, "encryption", &on.flag(API, "encryption-provider-config")?, "encryption-config")
        },
    },
    Demand {
        says: "it advertises its own address, never the virtual one, on the port that everybody dials",
        concerns: on_masters,
        check: |on| {
            on.flag_is(API, "advertise-address", &on.ip())?;
            on.flag_is(API, "secure-port", &on.cluster.apiserver_port().to_string())
        },
    },
    Demand {
        says: "it authorizes nodes and roles, restricts nodes, and lets flannel and kube-proxy be privileged",
        concerns: on_masters,
        check: |on| {
            let modes = on.flag(API, "authorization-mode")?;
            holds(modes == "Node,RBAC" || modes == "RBAC,Node", || format!("modes are {modes}"))?;
            let plugins = on.flag(API, "enable-admission-plugins")?;
            holds(plugins.split(',').any(|plugin| plugin == "NodeRestriction"), || {
                format!("plugins are {plugins}")
            })?;
            on.flag_is(API, "allow-privileged", "true")
        },
    },
    Demand {
        says: "it gives out the service addresses of machines.nix",
        concerns: on_masters,
        check: |on| {
            let ranges: Vec<String> = on.cluster.networks().service.iter().map(ToString::to_string).collect();
            on.flag_is(API, "service-cluster-ip-range", &ranges.join(","))
        },
    },
    Demand {
        says: "the controller manager tells pods the root, gives out the pod addresses, signs no certificates",
        concerns: on_masters,
        check: |on| {
            trusts(on, "pods", &on.flag(MANAGER, "root-ca-file")?, Authority::Root)?;
            let ranges: Vec<String> = on.cluster.networks().pod.iter().map(ToString::to_string).collect();
            on.flag_is(MANAGER, "cluster-cidr", &ranges.join(","))?;
            on.flag_is(MANAGER, "leader-elect", "true")?;
            let signing = on.words(MANAGER)?.iter().any(|word| word.starts_with("--cluster-signing"));
            holds(!signing, || "it has a key to sign with".to_owned())
        },
    },
    Demand {
        says: "controller manager and scheduler answer on upstream's ports, on loopback",
        concerns: on_masters,
        check: |on| {
            for (unit, port) in [(MANAGER, "10257"), (SCHEDULER, "10259")] {
                on.flag_is(unit, "secure-port", port)?;
                on.flag_is(unit, "bind-address", "127.0.0.1")?;
            }
            Ok(())
        },
    },
    Demand {
        says: "controller manager and scheduler log in to the API server beside them, each as itself",
        concerns: on_masters,
        check: |on| {
            for (unit, kind) in [(MANAGER, "controller-manager"), (SCHEDULER, "scheduler")] {
                logs_in(on, unit, &on.file_of_flag(unit, "kubeconfig")?, kind)?;
            }
            Ok(())
        },
    },
];

/// That two flags of the API server name this machine's certificate of a kind, and its key.
fn pair(on: On<'_>, certificate: &str, key: &str, kind: &str) -> Found {
    shows(on, certificate, &on.flag(API, certificate)?, kind)?;
    has_key(on, key, &on.flag(API, key)?, kind)
}

fn aggregation(on: On<'_>) -> Found {
    trusts(on, "aggregation", &on.flag(API, "requestheader-client-ca-file")?, Authority::FrontProxy)?;
    for (flag, value) in [
        ("requestheader-allowed-names", "front-proxy-client"),
        ("requestheader-username-headers", "X-Remote-User"),
        ("requestheader-group-headers", "X-Remote-Group"),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
    ] {
        on.flag_is(API, flag, value)?;
    }
    pair(on, "proxy-client-cert-file", "proxy-client-key-file", "front-proxy-client")
}

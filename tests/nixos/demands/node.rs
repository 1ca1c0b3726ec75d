//! kubelet, kube-proxy, flannel, containerd, and what NixOS' module for Kubernetes does by itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use quorate_pki::authority::Authority;
use quorate_pki::cluster::Cni;
use serde_json::json;

use super::{Demand, etcd, everywhere, has_key, logs_in, on_nodes, shows, trusts};
use crate::facts::{Found, On, holds, parsed, same};

pub(super) const DEMANDS: &[Demand] = &[
    Demand {
        says: "NixOS makes no certificates, guesses no roles, and runs no addon manager",
        concerns: everywhere,
        check: |on| {
            let kubernetes = &on.facts["kubernetes"];
            for (name, expected) in [
                ("easyCerts", json!(false)),
                ("pki", json!(false)),
                ("addonManager", json!(false)),
                ("caFile", json!(null)),
                ("roles", json!([])),
            ] {
                same(name, &kubernetes[name], &expected)?;
            }
            if on.machine.kubernetes() { same("dns", &kubernetes["dns"], &json!(false)) } else { Ok(()) }
        },
    },
    Demand {
        says: "a machine that asks for nothing of Kubernetes gets no kubelet",
        concerns: everywhere,
        check: |on| {
            let units = ["kubelet", "kube-proxy"];
            units.iter().try_for_each(|unit| same(unit, &on.has_unit(unit), &on.machine.kubernetes()))
        },
    },
    Demand {
        says: "kubelet, proxy and flannel know the node by one name, its own",
        concerns: on_nodes,
        check: names,
    },
    Demand {
        says: "the kubelet serves with its own certificate and asks the API about whoever comes",
        concerns: on_nodes,
        check: |on| {
            let kubelet = on.kubelet()?;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("nothing").to_owned();
            shows(on, "kubelet", &text(&kubelet["tlsCertFile"]), "kubelet-server")?;
            has_key(on, "kubelet", &text(&kubelet["tlsPrivateKeyFile"]), "kubelet-server")?;
            let authentication = &kubelet["authentication"];
            trusts(on, "kubelet", &text(&authentication["x509"]["clientCAFile"]), Authority::Kubernetes)?;
            same("webhook", &authentication["webhook"]["enabled"], &json!(true))?;
            same("authorization", &kubelet["authorization"]["mode"], &json!("Webhook"))
        },
    },
    Demand {
        says: "kubelet and kube-proxy log in, each as itself: a master's beside it, a worker's by the virtual IP",
        concerns: on_nodes,
        check: |on| {
            for (unit, kind) in [("kubelet", "kubelet-client"), ("kube-proxy", "kube-proxy")] {
                logs_in(on, unit, &on.file_of_flag(unit, "kubeconfig")?, kind)?;
            }
            Ok(())
        },
    },
    Demand {
        says: "pods ask CoreDNS at the address and for the domain of machines.nix",
        concerns: on_nodes,
        check: |on| {
            let kubelet = on.kubelet()?;
            let dns = on.cluster.networks().dns_service_ip().to_string();
            same("address", &kubelet["clusterDNS"], &json!([dns]))?;
            same("domain", &kubelet["clusterDomain"], &json!(on.cluster.domain()))
        },
    },
    Demand {
        says: "pods may run: masters keep them off only where there are workers",
        concerns: on_nodes,
        check: taints,
    },
    Demand {
        says: "the node is known by its cluster addresses",
        concerns: on_nodes,
        check: |on| {
            // A kubelet takes one address, or one of each family.
            let flag = on.flag("kubelet", "node-ip")?;
            let ips: Vec<IpAddr> = flag.split(',').filter_map(|ip| ip.parse().ok()).collect();
            holds(ips.first() == on.machine.ips().first(), || format!("its first address is not {flag}"))?;
            holds(ips.iter().all(|ip| on.machine.ips().contains(ip)), || {
                format!("an address of nobody's: {flag}")
            })?;
            let families = on.machine.ips().iter().map(IpAddr::is_ipv4).collect::<BTreeSet<bool>>();
            holds(ips.len() == families.len(), || format!("one of each family, found {flag}"))
        },
    },
    Demand {
        says: "the image that holds a pod's namespaces has the name that garbage collection spares",
        concerns: on_nodes,
        check: |on| {
            let image = &on.facts["containerd"]["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"];
            same("sandbox image", image, &json!("docker.io/library/pause:latest"))
        },
    },
    Demand {
        says: "kube-proxy knows the pod addresses",
        concerns: on_nodes,
        check: |on| {
            let ranges: Vec<String> = on.cluster.networks().pod.iter().map(ToString::to_string).collect();
            on.flag_is("kube-proxy", "cluster-cidr", &ranges.join(","))
        },
    },
    Demand {
        says: "flannel logs in as itself, and stands aside where somebody else connects the pods",
        concerns: on_nodes,
        check: flannel,
    },
    Demand {
        says: "who reaches the network between pods is a node",
        concerns: on_nodes,
        check: |on| {
            let open = on.facts["firewall"]["allowedUDPPorts"].to_string();
            holds(!open.contains("8472") && !open.contains("8285"), || format!("open to all: {open}"))?;
            if on.cluster.cni() == Cni::None {
                return Ok(());
            }
            let rules = etcd::rules(on);
            for node in on.cluster.kubernetes_nodes().filter_map(quorate_pki::cluster::Machine::ip) {
                let reaches = rules.iter().any(|rule| rule.contains("dport 8472") && etcd::names(rule, node));
                holds(reaches, || format!("{node} does not reach 8472"))?;
            }
            Ok(())
        },
    },
    Demand {
        says: "packets between pods are passed on, in each family that pods have",
        concerns: on_nodes,
        check: |on| {
            for range in &on.cluster.networks().pod {
                let v4 = range.addr().is_ipv4();
                let name = if v4 { "net.ipv4.ip_forward" } else { "net.ipv6.conf.all.forwarding" };
                same(name, &on.facts["sysctl"][name], &json!(1))?;
            }
            Ok(())
        },
    },
    Demand {
        says: "the API server reaches the kubelet",
        concerns: on_nodes,
        check: |on| {
            let open = on.facts["firewall"]["allowedTCPPorts"].to_string();
            let narrow = etcd::rules(on).iter().any(|rule| rule.contains("dport 10250"));
            holds(open.contains("10250") || narrow, || format!("open: {open}"))
        },
    },
    Demand {
        says: "an answer may go back another way than the question came",
        concerns: everywhere,
        check: |on| same("checkReversePath", &on.facts["firewall"]["checkReversePath"], &json!("loose")),
    },
];

fn names(on: On<'_>) -> Found {
    let name = on.machine.name();
    same("lower case", &name, &name.to_lowercase().as_str())?;
    same("host name", &on.facts["hostName"], &json!(name))?;
    on.flag_is("kubelet", "hostname-override", name)?;
    on.flag_is("kube-proxy", "hostname-override", name)?;
    if on.has_unit("flannel") {
        same("flannel", &on.variable("flannel", "NODE_NAME")?, &name)
    } else {
        Ok(())
    }
}

fn taints(on: On<'_>) -> Found {
    let flag = on.words("kubelet")?.into_iter().find(|word| word.starts_with("--register-with-taints="));
    let kept_off = on.machine.master() && on.cluster.workers().next().is_some();
    let expected = "--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule";
    same("taints", &flag.as_deref(), &kept_off.then_some(expected))
}

fn flannel(on: On<'_>) -> Found {
    if on.cluster.cni() == Cni::None {
        holds(!on.has_unit("flannel"), || "flannel runs".to_owned())?;
        return holds(on.facts["etc"]["cni/net.d"].is_null(), || "/etc/cni/net.d is NixOS'".to_owned());
    }
    let path = on.variable("flannel", "FLANNELD_KUBECONFIG_FILE")?;
    let config = parsed(path).or_else(|| {
        let file = &on.facts["etc"][path.strip_prefix("/etc/")?];
        serde_json::from_str(file["text"].as_str()?).ok()
    });
    let config = config.ok_or_else(|| format!("flannel's kubeconfig is {path}"))?;
    logs_in(on, "flannel", &config, "flannel")?;
    same("by the API", &on.variable("flannel", "FLANNELD_KUBE_SUBNET_MGR")?, &"true")?;
    let network = &on.facts["etc"]["kube-flannel/net-conf.json"]["source"];
    let network = parsed(network.as_str().unwrap_or_default()).ok_or("flannel has no net-conf.json")?;
    let range =
        on.cluster.networks().pod.iter().find(|range| range.addr().is_ipv4()).map(ToString::to_string);
    same("flannel's range", &network["Network"], &json!(range))
}

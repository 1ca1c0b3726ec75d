//! etcd: the ETCD_ variables of its unit, how it starts, and that no switch restarts it.

use std::net::IpAddr;

use quorate_pki::authority::Authority;
use quorate_pki::cluster::{CaMode, Machine};
use quorate_pki::san;

use super::{Demand, everywhere, has_key, on_members, shows, trusts};
use crate::facts::{Found, On, holds, same};

pub(super) const DEMANDS: &[Demand] = &[
    Demand {
        says: "etcd runs on its members and nowhere else",
        concerns: everywhere,
        check: |on| same("etcd runs", &on.has_unit("etcd"), &on.machine.etcd()),
    },
    Demand { says: "a member's name and URLs are its own and no other's", concerns: on_members, check: urls },
    Demand {
        says: "who speaks to a member shows a certificate, client and peer",
        concerns: on_members,
        check: |on| {
            same("clients", &variable(on, "CLIENT_CERT_AUTH")?, &"1")?;
            same("peers", &variable(on, "PEER_CLIENT_CERT_AUTH")?, &"1")
        },
    },
    Demand {
        says: "server and peer have certificates of their own, and etcd's authority judges both",
        concerns: on_members,
        check: |on| {
            trusts(on, "clients", variable(on, "TRUSTED_CA_FILE")?, Authority::Etcd)?;
            trusts(on, "peers", variable(on, "PEER_TRUSTED_CA_FILE")?, Authority::Etcd)?;
            shows(on, "server", variable(on, "CERT_FILE")?, "etcd-server")?;
            has_key(on, "server", variable(on, "KEY_FILE")?, "etcd-server")?;
            shows(on, "peer", variable(on, "PEER_CERT_FILE")?, "etcd-peer")?;
            has_key(on, "peer", variable(on, "PEER_KEY_FILE")?, "etcd-peer")
        },
    },
    Demand {
        says: "a peer bears the one name that peers bear",
        concerns: on_members,
        check: |on| {
            let name = san::etcd_peer_name(on.cluster);
            same("allowed peers", &variable(on, "PEER_CERT_ALLOWED_HOSTNAME")?, &name.as_str())
        },
    },
    Demand {
        says: "where one authority signs everything a client bears the one name that clients bear, and no gateway asks",
        concerns: on_members,
        check: |on| {
            let single = on.cluster.policy().ca == CaMode::Single;
            let name = if single { san::etcd_client_name(on.cluster) } else { String::new() };
            same("allowed clients", &variable(on, "CLIENT_CERT_ALLOWED_HOSTNAME")?, &name.as_str())?;
            same("gateway", &variable(on, "ENABLE_GRPC_GATEWAY")?, &if single { "false" } else { "" })
        },
    },
    Demand {
        says: "history is compacted, the quota is 8 GiB, TLS is 1.3, corruption is looked for",
        concerns: on_members,
        check: |on| {
            same("compaction", &variable(on, "AUTO_COMPACTION_MODE")?, &"periodic")?;
            holds(!variable(on, "AUTO_COMPACTION_RETENTION")?.is_empty(), || "no retention".to_owned())?;
            same("quota", &variable(on, "QUOTA_BACKEND_BYTES")?, &"8589934592")?;
            same("TLS", &variable(on, "TLS_MIN_VERSION")?, &"TLS1.3")?;
            let gates = variable(on, "FEATURE_GATES")?;
            holds(gates.contains("InitialCorruptCheck=true"), || format!("feature gates are {gates}"))
        },
    },
    Demand {
        says: "health is answered without TLS on loopback alone",
        concerns: on_members,
        check: |on| same("metrics", &variable(on, "LISTEN_METRICS_URLS")?, &"http://127.0.0.1:2381"),
    },
    Demand {
        says: "a member without data never founds a cluster by itself, and its unit names no other member",
        concerns: on_members,
        check: |on| {
            same("state", &variable(on, "INITIAL_CLUSTER_STATE")?, &"existing")?;
            same("members", &variable(on, "INITIAL_CLUSTER")?, &"")?;
            let unit = on.unit("etcd")?.to_string();
            let others = on.cluster.etcd_members().filter(|member| member.name() != on.machine.name());
            for ip in others.filter_map(Machine::ip) {
                holds(!unit.contains(&format!("//{ip}:")), || format!("the unit names {ip}"))?;
            }
            let unit = on.unit("etcd")?;
            holds(!unit["serviceConfig"]["ExecStartPre"].is_null(), || {
                "nothing decides before the start".to_owned()
            })?;
            holds(!unit["serviceConfig"]["EnvironmentFile"].is_null(), || "nothing is read of it".to_owned())
        },
    },
    Demand { says: "nothing but a deploy restarts etcd", concerns: on_members, check: left_alone },
    Demand {
        says: "a first member may wait for the second longer than systemd's 90 s",
        concerns: on_members,
        check: |on| {
            let limit = &on.unit("etcd")?["serviceConfig"]["TimeoutStartSec"];
            holds(!limit.is_null(), || "no TimeoutStartSec".to_owned())
        },
    },
    Demand {
        says: "the data are etcd's alone",
        concerns: on_members,
        check: |on| {
            let folder = variable(on, "DATA_DIR")?;
            let mode = &on.facts["tmpfiles"]["settings"]["10-etcd"][folder]["d"]["mode"];
            same("mode", &mode.as_str(), &Some("0700"))
        },
    },
    Demand {
        says: "etcd's ports are open to those alone who need them",
        concerns: on_members,
        check: |on| {
            let open = on.facts["firewall"]["allowedTCPPorts"].to_string();
            holds(!open.contains("2379") && !open.contains("2380"), || format!("open to all: {open}"))?;
            let rules = rules(on);
            let reaches =
                |port: &str, ip: IpAddr| rules.iter().any(|rule| rule.contains(port) && names(rule, ip));
            for machine in on.cluster.machines() {
                let Some(ip) = machine.ip() else { continue };
                let client = machine.etcd() || machine.master();
                same(&format!("{} reaches 2379", machine.name()), &reaches("dport 2379", ip), &client)?;
                same(
                    &format!("{} reaches 2380", machine.name()),
                    &reaches("dport 2380", ip),
                    &machine.etcd(),
                )?;
            }
            Ok(())
        },
    },
];

fn variable<'a>(on: On<'a>, name: &str) -> Result<&'a str, String> {
    on.variable("etcd", &format!("ETCD_{name}"))
}

fn urls(on: On<'_>) -> Found {
    let host = on.host();
    same("name", &variable(on, "NAME")?, &on.machine.name())?;
    let clients = format!("https://{host}:2379,https://127.0.0.1:2379");
    same("listens to clients", &variable(on, "LISTEN_CLIENT_URLS")?, &clients.as_str())?;
    for name in ["LISTEN_PEER_URLS", "INITIAL_ADVERTISE_PEER_URLS"] {
        same(name, &variable(on, name)?, &format!("https://{host}:2380").as_str())?;
    }
    same("advertises", &variable(on, "ADVERTISE_CLIENT_URLS")?, &format!("https://{host}:2379").as_str())
}

fn left_alone(on: On<'_>) -> Found {
    let unit = on.unit("etcd")?;
    same("restartIfChanged", &unit["restartIfChanged"].as_bool(), &Some(false))?;
    same("restartTriggers", &unit["restartTriggers"].to_string().as_str(), &"[]")?;
    for list in ["requires", "partOf", "bindsTo"] {
        same(list, &unit[list].to_string().as_str(), &"[]")?;
    }
    for (name, secret) in on.facts["secrets"].as_object().into_iter().flatten() {
        let units = format!("{}{}", secret["restartUnits"], secret["reloadUnits"]);
        holds(!units.contains("etcd.service"), || format!("{name} restarts it"))?;
    }
    Ok(())
}

/// Whether this machine's firewall is nftables.
fn nftables(on: On<'_>) -> bool {
    on.facts["firewall"]["nftables"] == true
}

/// Whether a rule names an address.
pub(super) fn names(rule: &str, ip: IpAddr) -> bool {
    rule.split([' ', ',']).any(|word| word == ip.to_string())
}

/// The machine's own rules, line by line.
pub(super) fn rules(on: On<'_>) -> Vec<&str> {
    let rules = if nftables(on) { "extraInputRules" } else { "extraCommands" };
    on.facts["firewall"][rules].as_str().unwrap_or_default().lines().collect()
}

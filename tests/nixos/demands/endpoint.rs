//! The virtual IP: kube-vip by BGP or ARP, keepalived with HAProxy, or something outside.

use std::net::{IpAddr, Ipv4Addr};

use quorate_pki::authority::Authority;
use quorate_pki::cluster::{Bgp, VipMode};
use serde_json::{Value as Json, json};

use super::{Demand, etcd, everywhere, on_masters, trusts};
use crate::facts::{Found, On, bracketed, holds, same};

pub(super) const DEMANDS: &[Demand] = &[
    Demand {
        says: "the API's name resolves to the virtual IP",
        concerns: everywhere,
        check: |on| {
            let endpoint = on.cluster.endpoint();
            for ip in endpoint.ips() {
                let names = &on.facts["hosts"][ip.to_string()];
                holds(names.to_string().contains(endpoint.name()), || format!("{ip} is {names}"))?;
            }
            Ok(())
        },
    },
    Demand {
        says: "the port that everybody dials is open",
        concerns: on_masters,
        check: |on| {
            let open = on.facts["firewall"]["allowedTCPPorts"].as_array().cloned().unwrap_or_default();
            for port in [on.cluster.endpoint().port(), on.cluster.apiserver_port()] {
                holds(open.contains(&json!(port)), || format!("{port} is not among {open:?}"))?;
            }
            Ok(())
        },
    },
    Demand {
        says: "whoever brings the virtual IP is there, and nobody else",
        concerns: everywhere,
        check: |on| {
            let mode = on.cluster.endpoint().mode();
            let master = on.machine.master();
            let pod = master && matches!(mode, VipMode::Bgp(_) | VipMode::Arp);
            let vrrp = master && matches!(mode, VipMode::Keepalived { .. });
            same("kube-vip", &on.kube_vip().is_ok(), &pod)?;
            same("keepalived", &on.has_unit("keepalived"), &vrrp)?;
            same("haproxy", &on.has_unit("haproxy"), &vrrp)
        },
    },
    Demand { says: "kube-vip announces a living API server alone", concerns: with_bgp, check: bgp },
    Demand { says: "kube-vip is elected within five seconds", concerns: with_arp, check: arp },
    Demand {
        says: "kube-vip's pod starts before there is an API, from files that are there",
        concerns: with_pod,
        check: pod,
    },
    Demand {
        says: "kube-vip logs in as itself where it elects, and as nobody where it asks nothing of the API",
        concerns: with_pod,
        check: login,
    },
    Demand {
        says: "a router's BFD reaches the masters, and nobody else's",
        concerns: |on| matches!(mode(on), VipMode::Bgp(bgp) if bgp.bfd) && on.machine.master(),
        check: |on| {
            let VipMode::Bgp(bgp) = mode(on) else { return Ok(()) };
            let open = on.facts["firewall"]["allowedUDPPorts"].to_string();
            holds(!open.contains("3784"), || format!("open to all: {open}"))?;
            let rules = etcd::rules(on);
            let reaches = |ip| rules.iter().any(|rule| rule.contains("dport 3784") && etcd::names(rule, ip));
            bgp.peers.iter().try_for_each(|peer| holds(reaches(peer.ip), || format!("{} does not", peer.ip)))
        },
    },
    Demand {
        says: "a worker reaches an announced virtual IP by the gateway",
        concerns: |on| on.machine.worker() && matches!(mode(on), VipMode::Bgp(_)),
        check: route,
    },
    Demand {
        says: "keepalived gives the address to a living API server, and says its secret to nobody",
        concerns: with_vrrp,
        check: vrrp,
    },
    Demand { says: "HAProxy asks every API server whether it is ready", concerns: with_vrrp, check: haproxy },
];

fn mode(on: On<'_>) -> &VipMode {
    on.cluster.endpoint().mode()
}

fn with_bgp(on: On<'_>) -> bool {
    on.machine.master() && matches!(mode(on), VipMode::Bgp(_))
}

fn with_arp(on: On<'_>) -> bool {
    on.machine.master() && *mode(on) == VipMode::Arp
}

fn with_pod(on: On<'_>) -> bool {
    with_bgp(on) || with_arp(on)
}

fn with_vrrp(on: On<'_>) -> bool {
    on.machine.master() && matches!(mode(on), VipMode::Keepalived { .. })
}

fn login(on: On<'_>) -> Found {
    let variable = on.kube_vip_variable("k8s_config_file")?.unwrap_or("/etc/kubernetes/admin.conf");
    let path = host_path(on.kube_vip()?, variable).ok_or_else(|| format!("{variable} is in no volume"))?;
    let written: String = renderers(on, &path).map(|(_, unit)| unit.to_string()).collect();
    holds(written.contains("apiVersion: v1"), || format!("nothing writes {path}"))?;
    // An election asks the API, the announcement of a route does not.
    let elects = *mode(on) == VipMode::Arp;
    same("a key", &written.contains("client-key"), &elects)?;
    same("the key of kube-vip", &written.contains("/quorate/kube-vip "), &elects)
}

/// The units that name the folder of a file, and so put it there.
fn renderers<'a>(on: On<'a>, path: &str) -> impl Iterator<Item = (&'a String, &'a Json)> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let units = on.facts["services"].as_object().into_iter().flatten();
    units.filter(move |(_, unit)| unit.to_string().contains(&folder))
}

fn route(on: On<'_>) -> Found {
    let endpoint = on.cluster.endpoint();
    let gateway = endpoint.gateway().ok_or("no gateway")?;
    let interface = on.machine.interface().ok_or("no interface")?;
    for ip in endpoint.ips().iter().filter(|ip| ip.is_ipv4() == gateway.is_ipv4()) {
        let (family, length) = if ip.is_ipv4() { ("ipv4", 32) } else { ("ipv6", 128) };
        let routes =
            on.facts["interfaces"][interface][family]["routes"].as_array().cloned().unwrap_or_default();
        let there = routes.iter().any(|route| {
            route["address"] == ip.to_string()
                && route["prefixLength"] == length
                && route["via"] == gateway.to_string()
        });
        holds(there, || format!("routes are {routes:?}"))?;
    }
    Ok(())
}

/// That kube-vip's variables are these.
fn variables(on: On<'_>, expected: &[(&str, String)]) -> Found {
    expected.iter().try_for_each(|(name, value)| {
        same(name, &on.kube_vip_variable(name)?.map(str::to_owned).as_ref(), &Some(value))
    })
}

fn bgp(on: On<'_>) -> Found {
    let VipMode::Bgp(Bgp { asn, peers, hold_time, keepalive, bfd, .. }) = mode(on) else { return Ok(()) };
    let endpoint = on.cluster.endpoint();
    let ips: Vec<String> = endpoint.ips().iter().map(ToString::to_string).collect();
    let lengths: Vec<&str> =
        endpoint.ips().iter().map(|ip| if ip.is_ipv4() { "32" } else { "128" }).collect();
    let router = on.kube_vip_variable("bgp_routerid")?.unwrap_or_default();
    match on.machine.ip() {
        Some(IpAddr::V4(ip)) => same("router id", &router, &ip.to_string().as_str())?,
        _ => holds(router.parse::<Ipv4Addr>().is_ok(), || format!("router id is {router}"))?,
    }
    let text = ToString::to_string;
    variables(
        on,
        &[
            ("vip_arp", text("false")),
            ("bgp_enable", text("true")),
            ("cp_enable", text("true")),
            ("svc_enable", text("false")),
            ("vip_leaderelection", text("false")),
            ("vip_interface", text("lo")),
            ("vip_subnet", lengths.join(",")),
            ("address", ips.join(",")),
            ("port", endpoint.port().to_string()),
            ("bgp_as", asn.to_string()),
            ("bgp_hold_time", hold_time.to_string()),
            ("bgp_keepalive_interval", keepalive.to_string()),
        ],
    )?;
    let port = on.cluster.apiserver_port();
    let health = on.kube_vip_variable("control_plane_health_check_address")?.unwrap_or("nothing");
    same("health check", &health, &format!("https://127.0.0.1:{port}/readyz").as_str())?;
    for name in ["period_seconds", "timeout_seconds", "failure_threshold", "ca_path"] {
        let name = format!("control_plane_health_check_{name}");
        holds(on.kube_vip_variable(&name)?.is_some_and(|value| !value.is_empty()), || format!("no {name}"))?;
    }
    // Sessions come from the machine's own address; where the routers are of two families there is no such one.
    let mixed = peers.iter().any(|peer| peer.ip.is_ipv4()) && peers.iter().any(|peer| peer.ip.is_ipv6());
    let own = on.ip();
    same("source", &on.kube_vip_variable("bgp_sourceip")?, &(!mixed).then_some(own.as_str()))?;
    same("source", &on.kube_vip_variable("bgp_sourceif")?, &None)?;
    // A password makes the peers be rendered at run time.
    if let Some(found) = on.kube_vip_variable("bgp_peers")? {
        for peer in peers {
            let begins = format!("{}:{}:", bracketed(peer.ip), peer.asn);
            holds(found.split(',').any(|one| one.starts_with(&begins)), || format!("peers are {found}"))?;
        }
        same("peers", &found.split(',').count(), &peers.len())?;
        same("BFD", &found.contains("true;"), bfd)?;
    }
    Ok(())
}

fn arp(on: On<'_>) -> Found {
    let ip = on.cluster.endpoint().ips().first().ok_or("no virtual IP")?;
    let text = ToString::to_string;
    variables(
        on,
        &[
            ("vip_arp", text("true")),
            ("cp_enable", text("true")),
            ("svc_enable", text("false")),
            ("vip_interface", text(on.machine.interface().unwrap_or_default())),
            ("vip_leaderelection", text("true")),
            ("vip_leasename", text("plndr-cp-lock")),
            ("vip_leaseduration", text("5")),
            ("vip_renewdeadline", text("3")),
            ("vip_retryperiod", text("1")),
            ("address", ip.to_string()),
        ],
    )?;
    same("BGP", &on.kube_vip_variable("bgp_enable")?.unwrap_or("false"), &"false")
}

fn pod(on: On<'_>) -> Found {
    let pod = on.kube_vip()?;
    let container = &pod["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap_or_default();
    let version = image.strip_prefix("ghcr.io/kube-vip/kube-vip:v").unwrap_or_default();
    let version = version.split('@').next().unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').filter_map(|number| number.parse().ok()).collect();
    holds(numbers.as_slice() >= [1, 2, 3].as_slice(), || {
        format!("the image is {image}, expected 1.2.3 or newer")
    })?;
    same("pull policy", &container["imagePullPolicy"], &json!("IfNotPresent"))?;
    same("network", &pod["spec"]["hostNetwork"], &json!(true))?;
    same("priority", &pod["spec"]["priorityClassName"], &json!("system-node-critical"))?;
    let capabilities = &container["securityContext"]["capabilities"];
    same("capabilities", &capabilities["drop"], &json!(["ALL"]))?;
    for name in ["NET_ADMIN", "NET_RAW"] {
        holds(capabilities["add"].to_string().contains(name), || format!("no {name}"))?;
    }
    // An empty variable is none to kube-vip, and then it opens its port for metrics.
    let closed = container["args"].to_string().contains("\"--prometheusHTTPServer=\"");
    holds(closed, || format!("metrics are open to all: {}", container["args"]))?;
    let api = format!("https://127.0.0.1:{}", on.cluster.apiserver_port());
    same("API", &on.kube_vip_variable("kubernetes_addr")?, &Some(api.as_str()))?;
    let flag = on.flag("kubelet", "pod-manifest-path")?;
    same("manifests", &flag.as_str(), &"/etc/kubernetes/manifests")?;
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        let path = volume["hostPath"]["path"].as_str().unwrap_or_default();
        // What is missing must not become a folder of that name.
        let kind = &volume["hostPath"]["type"];
        holds(*kind == "File" || *kind == "Directory", || {
            format!("{path} may be missing: its type is {kind}")
        })?;
        holds(!path.starts_with("/run/secrets"), || format!("{path} goes away with the next generation"))?;
        let rendered = on.facts["services"].as_object().into_iter().flatten().any(|(name, unit)| {
            name != "kubelet"
                && unit["before"].to_string().contains("kubelet.service")
                && unit.to_string().contains(path)
        });
        let there = !on.facts["etc"][path.trim_start_matches("/etc/")].is_null();
        holds(there || rendered, || format!("nothing puts {path} there before the kubelet starts"))?;
    }
    // The health check's CA, as the host has it.
    let Some(inside) = on.kube_vip_variable("control_plane_health_check_ca_path")? else { return Ok(()) };
    let path = host_path(pod, inside).ok_or_else(|| format!("{inside} is in no volume"))?;
    if path.starts_with("/etc/quorate/pki/") {
        return trusts(on, "health check", &path, Authority::Root);
    }
    // Or a unit puts it there, from the trust file.
    let from = renderers(on, &path).flat_map(|(name, _)| on.paths_of(name, "/etc/quorate/pki/"));
    let from: Vec<String> = from.filter(|path| trusts(on, "", path, Authority::Root).is_ok()).collect();
    holds(!from.is_empty(), || format!("{path} is not made from the root"))
}

/// The file of the host at a path of a pod's container.
fn host_path(pod: &Json, inside: &str) -> Option<String> {
    let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_array()?;
    mounts.iter().find_map(|mount| {
        let rest = inside.strip_prefix(mount["mountPath"].as_str()?)?;
        let volume =
            pod["spec"]["volumes"].as_array()?.iter().find(|volume| volume["name"] == mount["name"])?;
        Some(format!("{}{rest}", volume["hostPath"]["path"].as_str()?))
    })
}

fn vrrp(on: On<'_>) -> Found {
    let unit = on.unit("keepalived")?.to_string();
    for word in ["vrrp_instance", "track_script", "virtual_router_id"] {
        holds(unit.contains(word), || format!("no {word}"))?;
    }
    let VipMode::Keepalived { virtual_router_id, .. } = mode(on) else { return Ok(()) };
    holds(unit.contains(&format!("virtual_router_id {virtual_router_id}\\n")), || {
        "another router id".to_owned()
    })?;
    holds(unit.contains("/readyz"), || "nothing asks whether the API is ready".to_owned())?;
    for ip in on.cluster.endpoint().ips() {
        holds(unit.contains(&ip.to_string()), || format!("not for {ip}"))?;
    }
    holds(!unit.contains("user keepalived_script"), || {
        "its script runs as a user that is not there".to_owned()
    })?;
    let firewall = &on.facts["firewall"];
    let rules = format!("{}{}", firewall["extraCommands"], firewall["extraInputRules"]);
    // By its name, or by the number that IANA gave it.
    let open = ["-p vrrp", "-p 112 ", "l4proto vrrp", "l4proto 112 "].iter().any(|rule| rules.contains(rule));
    holds(open, || format!("the firewall lets no VRRP in: {rules}"))
}

fn haproxy(on: On<'_>) -> Found {
    let config = on.facts["etc"]["haproxy.cfg"]["source"].as_str().ok_or("no haproxy.cfg")?;
    let port = on.cluster.apiserver_port();
    holds(config.contains("/readyz"), || "nothing asks whether an API server is ready".to_owned())?;
    holds(config.contains(&format!(":{}", on.cluster.endpoint().port())), || {
        "another front port".to_owned()
    })?;
    for ip in on.cluster.masters().filter_map(quorate_pki::cluster::Machine::ip) {
        let server = format!("{}:{port}", bracketed(ip));
        holds(config.contains(&server), || format!("no {server}"))?;
    }
    holds(!config.contains("verify none"), || "it believes anybody".to_owned())
}

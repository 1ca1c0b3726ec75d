//! What a machine must have so that a highly available cluster comes up, point by point: a table for each part, and
//! which machines a row concerns. The points are those that NixOS' own modules leave to whoever uses them.

mod control_plane;
mod endpoint;
mod etcd;
mod keys;
mod node;
mod upkeep;

use quorate_pki::authority::Authority;

use crate::facts::{Found, On};

/// One demand.
pub(crate) struct Demand {
    /// What must hold.
    pub(crate) says: &'static str,
    /// Whether it concerns a machine.
    concerns: fn(On<'_>) -> bool,
    /// Whether it holds there.
    check: fn(On<'_>) -> Found,
}

/// Every demand.
pub(crate) fn all() -> impl Iterator<Item = &'static Demand> {
    [etcd::DEMANDS, control_plane::DEMANDS, node::DEMANDS, keys::DEMANDS, endpoint::DEMANDS, upkeep::DEMANDS]
        .into_iter()
        .flatten()
}

/// What a machine lacks.
pub(crate) fn unmet(on: On<'_>) -> Vec<String> {
    let concerning = all().filter(|demand| (demand.concerns)(on));
    let failed = concerning.filter_map(|demand| Some((demand, (demand.check)(on).err()?)));
    failed.map(|(demand, why)| format!("{}: {}: {why}", on.machine.name(), demand.says)).collect()
}

fn everywhere(_: On<'_>) -> bool {
    true
}

fn on_members(on: On<'_>) -> bool {
    on.machine.etcd()
}

fn on_masters(on: On<'_>) -> bool {
    on.machine.master()
}

fn on_nodes(on: On<'_>) -> bool {
    on.machine.kubernetes()
}

/// The file in certs/ or secrets/ that stands at a path below /etc.
fn source<'a>(on: On<'a>, path: &str) -> Result<&'a str, String> {
    let entry = path.strip_prefix("/etc/").ok_or_else(|| format!("{path} is not below /etc"))?;
    on.facts["etc"][entry]["source"].as_str().ok_or_else(|| format!("nothing puts {path} there"))
}

/// That a path holds the trust file of a purpose.
fn trusts(on: On<'_>, what: &str, path: &str, purpose: Authority) -> Found {
    let serving = on.cluster.policy().ca.serving(purpose);
    holds(on, what, path, &format!("certs/ca/{}.bundle.crt", serving.name()))
}

/// That a path holds this machine's certificate of a kind.
fn shows(on: On<'_>, what: &str, path: &str, kind: &str) -> Found {
    holds(on, what, path, &format!("certs/{}/{kind}.crt", on.machine.name()))
}

fn holds(on: On<'_>, what: &str, path: &str, file: &str) -> Found {
    let source = source(on, path)?;
    if source.ends_with(&format!("/{file}")) {
        Ok(())
    } else {
        Err(format!("{what} {path} is {source}, expected {file}"))
    }
}

/// That a path holds this machine's key of a kind.
fn has_key(on: On<'_>, what: &str, path: &str, kind: &str) -> Found {
    let at_path = |secret: &&serde_json::Value| secret["path"] == path;
    let sops = on.facts["secrets"].as_object().into_iter().flat_map(|all| all.values()).find(at_path);
    let age = on.facts["agenix"].as_object().into_iter().flat_map(|all| all.values()).find(at_path);
    let machine = on.machine.name();
    let ends = |secret: &serde_json::Value, field: &str, file: String| {
        secret[field].as_str().is_some_and(|found| found.ends_with(&file))
    };
    let fits = match (sops, age) {
        (Some(secret), None) => {
            secret["key"] == kind && ends(secret, "sopsFile", format!("/certs/{machine}/keys.yaml"))
        }
        (None, Some(secret)) => ends(secret, "file", format!("/certs/{machine}/{kind}.age")),
        _ => return Err(format!("{what}: {path} is no secret, or two")),
    };
    if fits { Ok(()) } else { Err(format!("{what}: {path} is not this machine's {kind}: {sops:?} {age:?}")) }
}

/// How a component logs in: to which server, and as whom; the kubeconfig as nixpkgs or we write it.
fn logs_in(on: On<'_>, who: &str, config: &serde_json::Value, kind: &str) -> Found {
    let cluster = &config["clusters"][0]["cluster"];
    let user = &config["users"][0]["user"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("nothing").to_owned();
    crate::facts::same(&format!("{who}: server"), &text(&cluster["server"]), &server(on))?;
    trusts(on, who, &text(&cluster["certificate-authority"]), Authority::Root)?;
    shows(on, who, &text(&user["client-certificate"]), kind)?;
    has_key(on, who, &text(&user["client-key"]), kind)
}

/// Where a machine's components reach the API: a master's beside them, a worker's by the virtual IP.
fn server(on: On<'_>) -> String {
    let cluster = on.cluster;
    if on.machine.master() {
        return format!("https://127.0.0.1:{}", cluster.apiserver_port());
    }
    let endpoint = cluster.endpoint();
    let host =
        endpoint.ips().first().map_or_else(|| endpoint.name().to_owned(), |ip| crate::facts::bracketed(*ip));
    format!("https://{host}:{}", endpoint.port())
}

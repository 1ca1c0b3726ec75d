//! A run of the core in memory: what the shell does with disk and identities, without either.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test target uses its part"
)]

use std::collections::BTreeMap;

use quorate_pki::apply::{Issued, apply};
use quorate_pki::cluster::Cluster;
use quorate_pki::converge::Change;
use quorate_pki::decision::{Decision, decide};
use quorate_pki::inventory::{Attr, Data, Node};
use quorate_pki::judge::{Judged, judge};
use quorate_pki::outcome::public_files;
use quorate_pki::plan::{Format, Plan};
use quorate_pki::readers::{Host, Readers};
use quorate_pki::state::{SealedFacts, State};
use serde_json::{Value, json};
use time::OffsetDateTime;

pub fn node(value: &Value) -> Node {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(value) => Data::Bool(*value),
        Value::Number(number) => Data::Int(number.as_i64().unwrap()),
        Value::String(text) => Data::Str(text.clone()),
        Value::Array(items) => Data::List(items.iter().map(node).collect()),
        Value::Object(entries) => Data::Attrs(
            entries
                .iter()
                .map(|(name, value)| Attr { name: name.clone(), origin: None, value: node(value) })
                .collect(),
        ),
    };
    Node { data, origin: None }
}

pub fn cluster(inventory: &Value) -> Cluster {
    let (cluster, faults) = Cluster::parse(&node(inventory));
    cluster.unwrap_or_else(|| panic!("{faults:#?}"))
}

pub fn machine(ip: &str, master: bool) -> Value {
    json!({ "ip": ip, "kubernetes": { "enable": true }, "etcd": { "enable": master }, "master": master })
}

pub fn example(ca: &str) -> Value {
    json!({
        "cp1": machine("10.0.0.1", true),
        "cp2": machine("10.0.0.2", true),
        "cp3": machine("10.0.0.3", true),
        "w1": machine("10.0.0.4", false),
        "kubeMaster": { "ip": "10.9.0.1", "gateway": "10.0.0.254" },
        "cluster": { "name": "magi", "ca": ca, "nodeCidr": "10.0.0.0/24" },
    })
}

pub fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

pub fn readers(cluster: &Cluster) -> Readers {
    let host = |name: &str| Host { ssh: format!("ssh-ed25519 {name}"), age: format!("age1{name}") };
    let hosts = cluster.nodes().map(|machine| (machine.name().to_owned(), host(machine.name())));
    Readers { admins: vec!["age1admin".to_owned()], root_admins: Vec::new(), hosts: hosts.collect() }
}

pub struct Run {
    pub decision: Decision,
    pub judged: Judged,
    pub state: State,
}

/// A whole run in memory: what is sealed is taken for granted, as its names and readers.
pub fn run(cluster: &Cluster, before: &State, opened: Option<&Issued>, now: OffsetDateTime) -> Run {
    let plan = Plan::new(cluster, Format::Sops);
    let readers = readers(cluster);
    let decision = decide(cluster, &plan, before, &readers, false, now).unwrap();
    let open = |entry: &quorate_pki::entries::Entry| {
        let folder = entry.file.split('/').next()?;
        let key = opened?.keys.iter().find(|(id, _)| id.as_str() == format!("{folder}/{}", entry.name))?.1;
        Some(key.expose_pem())
    };
    let issued = apply(cluster, &plan, before, &decision.certs, &decision.sealed, &open, now).unwrap();
    let judged = judge(cluster, &plan, issued, now).unwrap();
    let secret = judged.issued.shared.get("service-account");
    let public = secret.and_then(quorate_pki::outcome::service_account_public);
    let mut files = before.files.clone();
    files.extend(before.certs.iter().map(|(id, chain)| {
        (id.file(), chain.iter().map(quorate_pki::facts::CertFacts::pem).collect::<String>().into_bytes())
    }));
    files.extend(public_files(
        cluster,
        &plan,
        before,
        &readers,
        &decision,
        &judged,
        public.as_ref(),
        &BTreeMap::new(),
    ));
    let sealed = decision.sealed.iter().map(|action| {
        let keys = action.entries.iter().map(|(entry, _)| entry.name.clone()).collect();
        let facts = SealedFacts {
            format: Format::Sops,
            keys,
            recipients: Some(action.recipients.clone()),
            sha256: String::new(),
        };
        (action.path.clone(), facts)
    });
    let state = State::read(files, sealed.collect()).unwrap();
    Run { decision, judged, state }
}

pub fn words(decision: &Decision) -> BTreeMap<String, String> {
    let changed = decision.certs.iter().filter(|action| action.change != Change::Keep);
    changed
        .map(|action| {
            let reasons: Vec<String> = action.reasons.iter().map(ToString::to_string).collect();
            (action.id.to_string(), format!("{}: {}", action.change.word(), reasons.join("; ")))
        })
        .collect()
}

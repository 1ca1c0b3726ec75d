//! What no run brings about: no random numbers, a full disk, a library that refuses, a fault of quorate's own. The
//! errors themselves are told, as `pki` would.

use std::io::{self, ErrorKind};

use quorate::error::Error;
use quorate_pki::cluster::Cluster;
use quorate_pki::drift::compare;
use quorate_pki::edges::SERVERS;
use quorate_pki::error::{IssueError, KeyError};
use quorate_pki::facts::CertFacts;
use quorate_pki::judge::Misjudged;
use quorate_pki::plan::{Format, Plan};
use quorate_pki::tls::Refusal;
use quorate_secrets::age_file::AgeError;
use quorate_secrets::host_key::HostKeyError;
use quorate_secrets::rules::RulesError;
use quorate_secrets::sops::SopsError;

use crate::case::{Case, case, generated, value};

/// The system.
pub(crate) fn system() -> Vec<Case> {
    let io = |what: &str, kind: ErrorKind| {
        value(what, move || Error::io("write", "certs/.gen-new/tree/cp1/keys.yaml")(io::Error::from(kind)))
    };
    let host = |what: &str, error: HostKeyError| {
        value(what, move || Error::Sealed {
            file: "cp1/host.yaml".to_owned(),
            cause: error.to_string(),
            hint: error.hint().to_owned(),
        })
    };
    vec![
        io("a full disk", ErrorKind::StorageFull),
        io("a file of somebody else", ErrorKind::PermissionDenied),
        io("a disk that is read-only", ErrorKind::ReadOnlyFilesystem),
        io("an error that nobody foresaw", ErrorKind::TimedOut),
        host("no random numbers for a host key", HostKeyError::Random),
        host("a comment that is none", HostKeyError::Comment),
        host("a host key that does not encode", HostKeyError::Encode),
    ]
}

/// The sealing crate.
pub(crate) fn sealing() -> Vec<Case> {
    let key = || "etcd-peer".to_owned();
    let admin = || "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg".to_owned();
    let errors = [
        SopsError::NoRecipients,
        SopsError::RecipientLeft { recipient: admin() },
        SopsError::DuplicateEntry { key: key() },
        SopsError::ReservedKey { key: "sops".to_owned() },
        SopsError::ClearKey { key: key(), rule: "unencrypted_suffix: peer".to_owned() },
        SopsError::BadTime { found: "yesterday".to_owned() },
        SopsError::Wrap { recipient: admin(), cause: Box::new(AgeError::Seal) },
        SopsError::Random,
        SopsError::NotFlat { key: key(), found: "a map" },
        SopsError::CannotKeep { what: "every YAML document but one".to_owned() },
        SopsError::CannotKeep { what: "the recipient `age1yubikey1...`".to_owned() },
        SopsError::CannotKeep { what: "a comment that does not open".to_owned() },
    ];
    let ages = [AgeError::NoRecipients, AgeError::Seal, AgeError::Passphrase];
    let rules = [
        RulesError::NoRecipients { path_regex: "^secrets/all/.*$".to_owned() },
        RulesError::Contradiction { path: "secrets/all/example.yaml".to_owned() },
    ];
    let sealed = |(file, cause, hint): (&'static str, String, String)| {
        value("a sealed file", move || Error::Sealed {
            file: file.to_owned(),
            cause: cause.clone(),
            hint: hint.clone(),
        })
    };
    let sops = errors.iter().map(|error| ("cp1/keys.yaml", error.to_string(), error.hint().to_owned()));
    let age = ages.iter().map(|error| ("cp1/etcd-peer.age", error.to_string(), error.hint()));
    let of_rules = rules.into_iter().map(|error| {
        value("`.sops.yaml`", move || Error::Rules {
            path: ".sops.yaml".into(),
            cause: error.to_string(),
            hint: error.hint().to_owned(),
        })
    });
    sops.chain(age).map(sealed).chain(of_rules).collect()
}

/// Certificates that could not be issued, or were and do not hold.
pub(crate) fn issuing() -> Vec<Case> {
    let id = || "cp1/apiserver".to_owned();
    let sign = |cause: &str| IssueError::Sign { id: id(), cause: cause.to_owned() };
    let errors = vec![
        IssueError::Key { id: id(), cause: KeyError::Generate },
        IssueError::Key { id: id(), cause: KeyError::Foreign },
        IssueError::Key { id: id(), cause: KeyError::Missing },
        IssueError::Name { id: id(), name: "köln.example".to_owned() },
        IssueError::Lifetime {
            id: id(),
            issuer: "kubernetes-ca".to_owned(),
            not_after: "2026-11-21".to_owned(),
        },
        IssueError::IssuerName { id: id(), issuer: "CN=kubernetes-ca".to_owned() },
        sign("it is to be kept and is not there"),
        sign("its issuer `kubernetes-ca` is not at hand"),
        sign("only authorities are adopted"),
    ];
    let mut cases: Vec<Case> = errors
        .into_iter()
        .map(|error| value("a certificate to issue", move || error.clone().into()))
        .collect();
    let refused = Refusal::ByServer("it does not bear the name `etcd-peer.magi`".to_owned()).to_string();
    let misjudged = [
        ("cp1/apiserver", "no certificate", "one"),
        ("cp1/apiserver", "serial 4711 a second time", "a serial of its own"),
        ("ca/etcd", "no authority", "basicConstraints CA and keyCertSign"),
        ("ca/etcd", "another signature", "the signature of `kubernetes-root-ca`"),
        ("ca/etcd", "a life from 2027-01-01 to 2028-01-01", "one that has begun and goes on"),
        ("ca/etcd", "an end on 2050-01-01", "none after its issuer's, 2040-01-01"),
        ("cp1/apiserver as a client under etcd-ca", "accepted", "refused"),
        ("cp1/apiserver", "not valid for `10.0.0.1`", "valid for every name it bears"),
        ("cp1/apiserver", "valid for `stranger.invalid`", "valid for its own names alone"),
        ("etcd-server to etcd peer port", &refused, "accepted"),
        (
            "etcd-server to aggregated apiserver",
            "the server refused the client: its common name is not `front-proxy-client`",
            "accepted",
        ),
        ("kubelet-client to kubelet", "the client refused the server: the handshake did not end", "accepted"),
        ("kubelet", "the certificate has no names", "a server that starts"),
        (
            "aggregated apiserver",
            "the operating system gave no random numbers",
            "a certificate to stand in for it",
        ),
    ];
    cases.extend(misjudged.map(|(what, found, expected)| {
        let error =
            Misjudged { what: what.to_owned(), found: found.to_owned(), expected: expected.to_owned() };
        value("a certificate to judge", move || error.clone().into())
    }));
    cases.extend(SERVERS.iter().map(|server| {
        let error = Misjudged {
            what: format!("kube-proxy to {}", server.name),
            found: "accepted".to_owned(),
            expected: "refused".to_owned(),
        };
        value("a pair to judge", move || error.clone().into())
    }));
    cases.push(case("certificates that another release would make otherwise", otherwise));
    cases
}

/// Reasons that follow from another table of kinds alone: the plan of one certificate against the facts of another.
fn otherwise() -> String {
    let project = generated();
    let facts = |name: &str| {
        CertFacts::chain_from_pem(project.read(&format!("certs/{name}.crt")).as_bytes()).unwrap().remove(0)
    };
    let inventory = serde_json::json!({
        "cp1": { "ip": "10.13.13.11", "kubernetes": { "enable": true }, "etcd": { "enable": true } },
    });
    let node = quorate::inventory::json::parse(&inventory.to_string(), 0).unwrap();
    let plan = Plan::new(&Cluster::parse(&node).0.unwrap(), Format::Sops);
    let planned = |id: &str| plan.certs.iter().find(|cert| cert.id.as_str() == id).unwrap();
    let endless = CertFacts { path_length: None, ..facts("ca/root") };
    let mut reasons = compare(planned("cp1/scheduler"), &endless);
    reasons.extend(compare(planned("ca/root"), &facts("cp1/scheduler")));
    reasons.extend(compare(planned("ca/etcd"), &facts("ca/root")));
    let lines: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    format!("(no run)\n{}\n", lines.join("\n"))
}

//! The judge, shown what it must not let pass.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault ends the test")]

mod support;

use quorate_pki::apply::{Issued, apply};
use quorate_pki::authority::Authority;
use quorate_pki::cluster::Cluster;
use quorate_pki::decision::decide;
use quorate_pki::judge::{Misjudged, judge};
use quorate_pki::kinds::Usage;
use quorate_pki::plan::{CertId, CertPlan, Format, Plan};
use quorate_pki::san::San;
use quorate_pki::state::State;
use support::{cluster, example, now, readers};
use time::Duration;

/// Issues a cluster by a plan in which `change` has altered one certificate, and has it judged by the true plan.
fn judged(mode: &str, id: &str, change: impl Fn(&mut CertPlan)) -> Result<(), Misjudged> {
    let cluster = cluster(&example(mode));
    let (plan, issued) = issued(&cluster, |cert| {
        if cert.id.as_str() == id {
            change(cert);
        }
    });
    judge(&cluster, &plan, issued, now()).map(|_| ())
}

fn issued(cluster: &Cluster, change: impl Fn(&mut CertPlan)) -> (Plan, Issued) {
    let plan = Plan::new(cluster, Format::Sops);
    let state = State::default();
    let decision = decide(cluster, &plan, &state, &readers(cluster), false, now()).unwrap();
    let mut altered = plan.clone();
    altered.certs.iter_mut().for_each(change);
    let issued =
        apply(cluster, &altered, &state, &decision.certs, &decision.sealed, &|_| None, now()).unwrap();
    (plan, issued)
}

#[track_caller]
fn refused(outcome: Result<(), Misjudged>, what: &str) {
    let Err(misjudged) = outcome else { panic!("it was let pass") };
    assert!(misjudged.to_string().contains(what), "{misjudged}");
}

#[test]
fn what_is_as_planned_passes_in_every_mode() {
    for mode in ["shared", "single", "separate"] {
        judged(mode, "", |_| ()).unwrap();
    }
}

#[test]
fn a_kubelet_signed_by_etcds_authority_is_not_let_pass() {
    let outcome = judged("shared", "cp1/kubelet-client", |cert| cert.issuer = Some(Authority::Etcd));
    refused(outcome, "cp1/kubelet-client as a client under");
}

#[test]
fn a_client_that_may_also_serve_is_not_let_pass() {
    let outcome = judged("shared", "cp1/scheduler", |cert| cert.usage = Some(Usage::Both));
    refused(outcome, "cp1/scheduler as a server");
}

#[test]
fn a_server_that_may_not_serve_is_not_let_pass() {
    let outcome = judged("shared", "cp1/apiserver", |cert| cert.usage = Some(Usage::Client));
    refused(outcome, "cp1/apiserver as a server");
}

#[test]
fn a_server_without_one_of_its_names_is_not_let_pass() {
    let outcome = judged("shared", "cp2/apiserver", |cert| {
        cert.sans.retain(|san| *san != San::Ip("10.96.0.1".parse().unwrap()));
    });
    refused(outcome, "not valid for `10.96.0.1`");
}

#[test]
fn a_peer_without_the_peers_name_does_not_get_through_the_peer_port() {
    let outcome = judged("shared", "cp1/etcd-peer", |cert| {
        cert.sans.retain(|san| *san != San::Dns("etcd-peer.magi".to_owned()));
    });
    refused(outcome, "etcd-peer");
}

#[test]
fn in_single_a_kubelet_with_the_name_of_etcds_clients_is_not_let_pass() {
    let outcome = judged("single", "cp1/kubelet-client", |cert| {
        cert.sans.push(San::Dns("etcd-client.magi".to_owned()));
    });
    refused(outcome, "kubelet-client to etcd client port");
}

#[test]
fn another_certificate_in_the_front_proxys_name_is_not_let_pass() {
    let outcome =
        judged("single", "cp1/scheduler", |cert| cert.common_name = "front-proxy-client".to_owned());
    refused(outcome, "scheduler to aggregated apiserver");
}

#[test]
fn an_authority_that_is_none_is_not_let_pass() {
    let outcome = judged("separate", "ca/etcd", |cert| cert.usage = Some(Usage::Both));
    refused(outcome, "no authority");
}

#[test]
fn an_authority_at_its_end_is_not_let_pass_although_webpki_would() {
    let cluster = cluster(&example("shared"));
    let (plan, issued) = issued(&cluster, |_| ());
    let later = now() + Duration::days(21 * 365);
    refused(judge(&cluster, &plan, issued, later).map(|_| ()), "`ca/root`");
}

#[test]
fn a_serial_number_used_twice_is_not_let_pass() {
    let cluster = cluster(&example("shared"));
    let (plan, mut issued) = issued(&cluster, |_| ());
    let serial = issued.certs[&CertId::machine("cp1", "apiserver")].serial.clone();
    issued.certs.get_mut(&CertId::machine("cp2", "apiserver")).unwrap().serial = serial;
    refused(judge(&cluster, &plan, issued, now()).map(|_| ()), "a second time");
}

#[test]
fn one_machines_certificate_in_place_of_anothers_is_not_let_pass() {
    let cluster = cluster(&example("shared"));
    let (plan, mut issued) = issued(&cluster, |_| ());
    let stranger = issued.certs.remove(&CertId::machine("cp2", "kubelet-server")).unwrap();
    issued.certs.insert(CertId::machine("cp1", "kubelet-server"), stranger.clone());
    issued.certs.insert(CertId::machine("cp2", "kubelet-server"), stranger);
    refused(judge(&cluster, &plan, issued, now()).map(|_| ()), "a second time");
}

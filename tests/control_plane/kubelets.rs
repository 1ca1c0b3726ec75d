//! Kubelets as the API server meets them. A server of ours stands in for one: it answers with a pair that it is given,
//! serves the API's clients alone, and says who called.

use quorate_pki::authority::Authority;
use quorate_pki::cluster::CaMode;
use serde_json::Value;

use crate::cluster::api::Answer;
use crate::cluster::files::Pair;
use crate::cluster::kubernetes::{Daemon, stand_in};
use crate::cluster::throwaway::{Leaf, Throwaway};
use crate::cluster::wait_for;
use crate::plane::ControlPlane;
use crate::workloads::CONTROLLED_WITHIN;

/// Where a kubelet answers.
pub(crate) const PORT: u16 = 10250;

/// What goes through the API server to the kubelet of w1 alone.
const PROXIED: &str = "/api/v1/nodes/w1/proxy/healthz";

/// A server in the place of w1's kubelet, with this pair.
pub(crate) fn kubelet(plane: &ControlPlane, pair: &Pair) -> Daemon {
    let (host, clients) = (plane.network.host("w1"), plane.trust("w1", Authority::Kubernetes));
    stand_in(&plane.verify, plane.port("w1", PORT), host, pair, clients, &plane.folder().join("kubelet"))
}

/// What the API server says of it, once it listens: an answer, or what is wrong with its certificate. A connection that
/// was kept open to the one before it says neither.
pub(crate) fn proxied(plane: &ControlPlane) -> Answer {
    let api = plane.super_admin();
    wait_for("the stand-in of a kubelet", CONTROLLED_WITHIN, || {
        let answer = api.get(PROXIED);
        let judged = answer.status < 500 || answer.body.to_string().contains("x509");
        if judged { Ok(answer) } else { Err(format!("{answer:?}")) }
    })
}

/// Panics unless the API server refuses to speak to a kubelet with this pair, for this reason.
fn refused(plane: &ControlPlane, pair: &Pair, reason: &str) {
    let _kubelet = kubelet(plane, pair);
    let answer = proxied(plane);
    let told = answer.body.to_string();
    assert!(answer.status >= 500 && told.contains(reason), "expected `{reason}`, found {answer:?}");
}

pub(crate) fn reached_by_their_own_certificate_alone(plane: &ControlPlane) {
    {
        let _kubelet = kubelet(plane, plane.machines["w1"].pair("kubelet-server"));
        let call = proxied(plane).ok();
        assert_eq!(call["caller"], "CN=system:kube-apiserver");
        assert_eq!(call["serial"], plane.deployment.serial("cp1/apiserver-kubelet-client"));
        let logs = plane.kubectl_ok("super-admin", &["logs", "deployment/pod"]);
        let call: Value = serde_json::from_str(&logs).expect("what the stand-in said");
        assert_eq!(call["caller"], "CN=system:kube-apiserver");
        assert!(call["path"].as_str().is_some_and(|path| path.starts_with("/containerLogs/default/pod-")));
    }
    // The certificate of another machine, and one with all that w1's has, from somebody who is no authority here.
    let another = plane.machines["cp1"].pair("kubelet-server");
    refused(plane, another, "x509: certificate is valid for 10.13.13.11, not 10.13.13.31");
    let foreign = Throwaway::new(&plane.folder().join("foreign-kubelet"), plane.mode, "foreign");
    foreign.add_foreign_authority();
    let leaf = Leaf { kind: "kubelet-server", usages: "serverAuth", names: "IP:10.13.13.31,DNS:w1" };
    foreign.issue("w1", "foreign", leaf);
    let unknown = "x509: certificate signed by unknown authority";
    refused(plane, foreign.files("w1").pair("kubelet-server"), unknown);
    // The same from the authority of etcd, which the cluster does trust, but not for this.
    if plane.mode != CaMode::Single {
        let admin = plane.deployment.project.identity_file();
        let opened = plane.deployment.open("ca/etcd.yaml", &admin).expect("an admin's file");
        foreign.adopt_authority("of-etcd", &plane.deployment.certs().join("ca/etcd.crt"), &opened["etcd"]);
        foreign.issue("w1-of-etcd", "of-etcd", leaf);
        refused(plane, foreign.files("w1-of-etcd").pair("kubelet-server"), unknown);
    }
}

//! An aggregated API server: the API server calls it, and says for whom.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_pki::authority::Authority;
use serde_json::json;

use crate::cluster::kubernetes::stand_in;
use crate::cluster::throwaway::{Leaf, Throwaway};
use crate::cluster::wait_for;
use crate::plane::ControlPlane;
use crate::workloads::CONTROLLED_WITHIN;

/// It brings a certificate of its own, as such servers do, and serves whoever the front proxy's authority vouches for.
pub(crate) fn told_the_user_by_the_front_proxy(plane: &ControlPlane) {
    let own = Throwaway::new(&plane.folder().join("aggregated"), plane.mode, "own");
    own.add_foreign_authority();
    own.issue("w1", "foreign", Leaf { kind: "own", usages: "serverAuth", names: "DNS:stand-in.default.svc" });
    let _server = stand_in(
        &plane.verify,
        plane.port("w1", 4443),
        plane.network.host("w1"),
        own.files("w1").pair("own"),
        plane.trust("w1", Authority::FrontProxy),
        &plane.folder().join("aggregated"),
    );
    let api = plane.super_admin();
    // There is no kube-proxy, so that no cluster address leads anywhere: by the machine's own.
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "stand-in" },
        "spec": { "type": "ExternalName", "externalName": "10.13.13.31", "ports": [{ "port": 4443 }] },
    });
    api.post("/api/v1/namespaces/default/services", &service).ok();
    let authority = fs::read(own.certificate("foreign")).expect("an authority");
    let registration = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": "v1.stand-in.test" },
        "spec": {
            "group": "stand-in.test", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 1,
            "service": { "namespace": "default", "name": "stand-in", "port": 4443 },
            "caBundle": STANDARD.encode(authority),
        },
    });
    api.post("/apis/apiregistration.k8s.io/v1/apiservices", &registration).ok();
    let path = "/apis/stand-in.test/v1/whoever";
    let call = wait_for("an aggregated API", CONTROLLED_WITHIN, || {
        let answer = api.get(path);
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{answer:?}")) }
    });
    assert_eq!(call["caller"], "CN=front-proxy-client");
    assert_eq!(call["serial"], plane.deployment.serial("cp1/front-proxy-client"));
    assert_eq!(call["user"], "kubernetes-super-admin");
    assert_eq!(call["groups"], json!(["system:masters", "system:authenticated"]));
    api.request("DELETE", "/apis/apiregistration.k8s.io/v1/apiservices/v1.stand-in.test", &[], None).ok();
}

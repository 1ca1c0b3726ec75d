//! What runs on a cluster meets of its keys: a place, the root, a token, Secrets.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quorate_pki::authority::Authority;
use serde_json::{Value, json};

use crate::cluster::api::{Login, User};
use crate::cluster::{run, wait_for};
use crate::plane::ControlPlane;

/// How long a controller may take: some begin 10 s after they are elected.
pub(crate) const CONTROLLED_WITHIN: Duration = Duration::from_mins(1);

/// A Deployment becomes a pod on the one worker, which takes the controller manager and the scheduler, and for the
/// pod's token its service account.
pub(crate) fn a_pod_is_made_and_bound(plane: &ControlPlane) {
    let api = plane.super_admin();
    for daemon in ["kube-controller-manager", "kube-scheduler"] {
        wait_for(&format!("the lease of {daemon}"), CONTROLLED_WITHIN, || {
            let answer =
                api.get(&format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{daemon}"));
            let holder = answer.body["spec"]["holderIdentity"].as_str().unwrap_or_default();
            if holder.is_empty() { Err(format!("{answer:?}")) } else { Ok(()) }
        });
    }
    for name in ["mounted", "other"] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": { "key": "c2VjcmV0" },
        });
        api.post("/api/v1/namespaces/default/secrets", &secret).ok();
    }
    let labels = json!({ "app": "pod" });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pod" },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "nodeSelector": { "kubernetes.io/hostname": "w1" },
                    "tolerations": [{ "operator": "Exists" }],
                    "containers": [{ "name": "main", "image": "nowhere/none" }],
                    "volumes": [{ "name": "mounted", "secret": { "secretName": "mounted" } }],
                },
            },
        },
    });
    let labelled = json!({ "metadata": { "labels": { "kubernetes.io/hostname": "w1" } } });
    plane.machine("w1", "kubelet-client").patch("/api/v1/nodes/w1", &labelled).ok();
    api.post("/apis/apps/v1/namespaces/default/deployments", &deployment).ok();
    let pod = wait_for("a pod on w1", CONTROLLED_WITHIN, || {
        let pods = api.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dpod").ok();
        let pod = pods["items"][0].clone();
        if pod["spec"]["nodeName"] == "w1" { Ok(pod) } else { Err(pods.to_string()) }
    });
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    let projected =
        volumes.iter().any(|volume| volume["projected"]["sources"][0]["serviceAccountToken"].is_object());
    assert!(projected, "no token for the pod: {pod}");
}

/// kube-root-ca.crt, which every pod verifies the API server with.
pub(crate) fn pods_trust_the_root(plane: &ControlPlane) {
    let api = plane.super_admin();
    let root = fs::read_to_string(plane.trust("cp1", Authority::Root)).expect("the root");
    for namespace in ["default", "people"] {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt");
        let published = wait_for(&path, CONTROLLED_WITHIN, || {
            let answer = api.get(&path);
            if answer.status == 200 { Ok(answer.body) } else { Err(format!("{answer:?}")) }
        });
        assert_eq!(published["data"], json!({ "ca.crt": root }), "{namespace}");
    }
}

/// Each master signs one, and each verifies all of them.
pub(crate) fn tokens_hold_on_every_master(plane: &ControlPlane) {
    let account = User::new(
        "system:serviceaccount:default:default",
        ["system:serviceaccounts", "system:serviceaccounts:default"],
    );
    let super_admin = Login::Certificate(plane.users.pair("super-admin"));
    for signer in 0..plane.masters.len() {
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
        let answer = plane.api("w1", super_admin, signer).post(path, &request).ok();
        let token = answer["status"]["token"].as_str().expect("a token").to_owned();
        let [header, claims] = [0, 1].map(|part| {
            let text = token.split('.').nth(part).expect("three parts");
            let json = URL_SAFE_NO_PAD.decode(text).expect("base64url");
            serde_json::from_slice::<Value>(&json).expect("JSON")
        });
        assert_eq!(header["alg"], "ES256", "{header}");
        assert_eq!(claims["iss"], "https://kubernetes.default.svc.cluster.local");
        for verifier in 0..plane.masters.len() {
            let api = plane.api("w1", Login::Token(&token), verifier);
            assert_eq!(api.user(&[]).as_ref(), Some(&account), "of master {signer} at master {verifier}");
        }
        // One letter of the signature is another one.
        let (before, after) = token.split_at(token.len() - 8);
        let letter = if after.starts_with('x') { "y" } else { "x" };
        let forged = format!("{before}{letter}{}", &after[1..]);
        assert_eq!(plane.api("w1", Login::Token(&forged), signer).user(&[]), None);
    }
}

/// As the raw value in etcd begins, of a Secret and of no other object.
pub(crate) fn secrets_are_sealed_in_etcd(plane: &ControlPlane) {
    let stored = |key: &str| run(plane.etcdctl().args(["get", "--print-value-only", key])).stdout;
    let secret = stored("/registry/secrets/default/mounted");
    assert!(secret.starts_with(b"k8s:enc:secretbox:v1:"), "{}", secret.escape_ascii());
    assert!(stored("/registry/configmaps/default/kube-root-ca.crt").starts_with(b"k8s\0"));
    let super_admin = Login::Certificate(plane.users.pair("super-admin"));
    for master in 0..plane.masters.len() {
        let read =
            plane.api("w1", super_admin, master).get("/api/v1/namespaces/default/secrets/mounted").ok();
        assert_eq!(read["data"]["key"], "c2VjcmV0", "master {master}");
    }
}

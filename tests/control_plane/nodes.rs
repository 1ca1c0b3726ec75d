//! Nodes: what a kubelet may do with its certificate.

use serde_json::json;

use crate::cluster::wait_for;
use crate::plane::ControlPlane;
use crate::workloads::CONTROLLED_WITHIN;

/// A Node as its kubelet registers it, with the addresses that a real one tells.
fn node(name: &str, address: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "status": {
            "addresses": [
                { "type": "Hostname", "address": name },
                { "type": "InternalIP", "address": address },
            ],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": crate::kubelets::PORT } },
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }],
            "capacity": { "cpu": "2", "memory": "2Gi", "pods": "10" },
            "allocatable": { "cpu": "2", "memory": "2Gi", "pods": "10" },
        },
    })
}

/// By NodeRestriction and the Node authorizer, which know a node by the name and the group of its certificate.
pub(crate) fn a_node_has_itself_and_no_other(plane: &ControlPlane) {
    let (w1, cp1) = (plane.machine("w1", "kubelet-client"), plane.machine("cp1", "kubelet-client"));
    let stranger = w1.post("/api/v1/nodes", &node("cp1", "10.13.13.31"));
    assert_eq!(stranger.status, 403, "{stranger:?}");
    w1.post("/api/v1/nodes", &node("w1", "10.13.13.31")).ok();
    cp1.post("/api/v1/nodes", &node("cp1", "10.13.13.11")).ok();

    let annotated = json!({ "metadata": { "annotations": { "seen": "yes" } } });
    let status = json!({ "status": { "nodeInfo": { "kubeletVersion": "v0.0.0" } } });
    for (own, other, api) in [("w1", "cp1", &w1), ("cp1", "w1", &cp1)] {
        assert_eq!(api.get(&format!("/api/v1/nodes/{own}")).ok()["metadata"]["name"], own);
        api.patch(&format!("/api/v1/nodes/{own}"), &annotated).ok();
        api.patch(&format!("/api/v1/nodes/{own}/status"), &status).ok();
        for answer in [
            api.get(&format!("/api/v1/nodes/{other}")),
            api.patch(&format!("/api/v1/nodes/{other}"), &annotated),
            api.patch(&format!("/api/v1/nodes/{other}/status"), &status),
            api.get("/api/v1/nodes"),
            api.get("/api/v1/secrets"),
            api.get("/api/v1/namespaces/kube-system/secrets"),
        ] {
            assert_eq!(answer.status, 403, "{own}: {answer:?}");
        }
    }
}

/// The pod on w1 mounts one Secret of two.
pub(crate) fn a_node_reads_the_secrets_of_its_pods(plane: &ControlPlane) {
    let (w1, cp1) = (plane.machine("w1", "kubelet-client"), plane.machine("cp1", "kubelet-client"));
    let mounted = "/api/v1/namespaces/default/secrets/mounted";
    // The authorizer hears of the pod by a watch.
    let read = wait_for("the Secret of a pod", CONTROLLED_WITHIN, || {
        let answer = w1.get(mounted);
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{answer:?}")) }
    });
    assert_eq!(read["data"]["key"], "c2VjcmV0");
    for answer in [cp1.get(mounted), w1.get("/api/v1/namespaces/default/secrets/other")] {
        assert_eq!(answer.status, 403, "{answer:?}");
    }
}

//! Leaves renewed while everything runs.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_pki::authority::Authority;

use crate::cluster::client::Caller;
use crate::cluster::wait_for;
use crate::kubelets::{kubelet, proxied};
use crate::plane::{ControlPlane, MACHINES};
use crate::workloads::CONTROLLED_WITHIN;

/// An API server looks at its files when they change, and once in a minute.
const SERVED_WITHIN: Duration = Duration::from_mins(2);

/// The kubelet of w1 asks every master for its own Node, by a new connection each time, and its own certificate is
/// renewed on the way.
pub(crate) fn no_request_fails(plane: &ControlPlane) {
    let serial = |master: usize| plane.deployment.serial(&format!("cp{}/apiserver", master + 1));
    let masters = 0..plane.masters.len();
    let old: Vec<_> = masters.clone().map(serial).collect();
    let leads = ["kube-controller-manager", "kube-scheduler"].map(|daemon| lease(plane, daemon));
    let caller = Caller {
        verify: &plane.verify,
        host: plane.network.host("w1"),
        trust: plane.trust("w1", Authority::Root),
        client: Some(plane.machines["w1"].pair("kubelet-client")),
    };
    let folder = plane.deployment.project.root();
    let loops: Vec<_> = plane
        .masters
        .iter()
        .map(|master| caller.request_loop(master.address(), "/api/v1/nodes/w1", "10ms", 100, folder))
        .collect();
    plane.deployment.renew_every_leaf(&MACHINES.map(|(machine, _)| machine));
    let new: Vec<_> = masters.map(serial).collect();
    for (master, new) in plane.masters.iter().zip(&new) {
        wait_for("a renewed leaf", SERVED_WITHIN, || {
            let served = caller.once(master.address()).served;
            if served.contains_key(new) { Ok(()) } else { Err(format!("not `{new}`: {served:?}")) }
        });
    }
    for (requests, serials) in loops.into_iter().zip(old.into_iter().zip(new)) {
        let seen = requests.finish();
        assert!(seen.failures.is_empty(), "{:?}", seen.failures);
        let leaves: BTreeSet<_> = seen.served.into_keys().collect();
        assert_eq!(leaves, BTreeSet::from([serials.0, serials.1]), "the old leaf, then the new one");
    }

    for (daemon, (holder, renewed)) in ["kube-controller-manager", "kube-scheduler"].into_iter().zip(leads) {
        wait_for(&format!("{daemon} renews its lease"), CONTROLLED_WITHIN, || {
            let now = lease(plane, daemon);
            assert_eq!(now.0, holder, "{daemon} lost its lead");
            if now.1 > renewed { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }
    // The API server calls with what it has now.
    let _kubelet = kubelet(plane, plane.machines["w1"].pair("kubelet-server"));
    assert_eq!(proxied(plane).ok()["serial"], plane.deployment.serial("cp1/apiserver-kubelet-client"));
    plane.kubectl_ok("admin", &["create", "namespace", "renewed"]);
}

/// Who leads, and since when it has said so.
fn lease(plane: &ControlPlane, daemon: &str) -> (String, String) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{daemon}");
    let spec = plane.super_admin().get(&path).ok()["spec"].take();
    let text = |field: &str| spec[field].as_str().expect("a lease that is held").to_owned();
    (text("holderIdentity"), text("renewTime"))
}

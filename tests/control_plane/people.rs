//! People: `kubectl` with what `pki kubeconfig` prints.

use crate::cluster::wait_for;
use crate::plane::ControlPlane;
use crate::workloads::CONTROLLED_WITHIN;

/// super-admin needs no binding and has everything; admin has nothing until its group is bound, and then the same.
pub(crate) fn super_admin_and_admin(plane: &ControlPlane) {
    let whoami = plane.kubectl_ok("super-admin", &["auth", "whoami", "-o", "json"]);
    for name in ["kubernetes-super-admin", "system:masters"] {
        assert!(whoami.contains(&format!("\"{name}\"")), "{whoami}");
    }
    assert_eq!(plane.kubectl_ok("super-admin", &["auth", "can-i", "*", "*", "-A"]).trim(), "yes");
    plane.kubectl_ok("super-admin", &["create", "namespace", "people"]);

    let read = ["-n", "people", "get", "secrets"];
    let refused = plane.kubectl_refused("admin", &read);
    assert!(refused.contains("(Forbidden)") && refused.contains("\"kubernetes-admin\""), "{refused}");
    let bind = [
        "create",
        "clusterrolebinding",
        "kubeadm:cluster-admins",
        "--clusterrole=cluster-admin",
        "--group=kubeadm:cluster-admins",
    ];
    let refused = plane.kubectl_refused("admin", &bind);
    assert!(refused.contains("forbidden: User \"kubernetes-admin\" cannot create"), "{refused}");
    plane.kubectl_ok("super-admin", &bind);
    // The authorizer hears of the binding by a watch.
    wait_for("what admin is bound to", CONTROLLED_WITHIN, || {
        let output = plane.kubectl("admin", &["auth", "can-i", "*", "*", "-A"]);
        if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
    });
    plane.kubectl_ok("admin", &read);
}

//! What `pki modules` writes for the inside of a cluster, applied as its first line says.

use crate::plane::ControlPlane;

/// Who must be able to do what once it is applied: verb, resource, further words; and whether.
const RIGHTS: &[(&[&str], bool)] = &[
    (&["*", "*", "--as=somebody", "--as-group=kubeadm:cluster-admins"], true),
    (&["get", "nodes", "--subresource=proxy", "--as=system:kube-apiserver"], true),
    (&["patch", "nodes", "--subresource=status", "--as=flannel-client"], true),
    (&["delete", "nodes", "--as=flannel-client"], false),
    (&["update", "leases.coordination.k8s.io", "--namespace=kube-system", "--as=kube-vip"], true),
    (&["create", "leases.coordination.k8s.io", "--namespace=kube-system", "--as=kube-vip"], true),
    (&["update", "leases.coordination.k8s.io", "--namespace=default", "--as=kube-vip"], false),
    (&["get", "secrets", "--namespace=kube-system", "--as=kube-vip"], false),
    (&["watch", "endpointslices.discovery.k8s.io", "--as=system:serviceaccount:kube-system:coredns"], true),
    (&["get", "secrets", "--as=system:serviceaccount:kube-system:coredns"], false),
];

pub(crate) fn give_the_rights_that_certificates_name(plane: &ControlPlane) {
    let project = &plane.deployment.project;
    project.pki(["modules"]).expect(0);
    let file = project.path("modules/addons.yaml").display().to_string();
    let apply = ["apply", "--server-side", "-f", &file];
    plane.kubectl_ok("super-admin", &apply);
    // Twice, and nothing is different from what stands there.
    plane.kubectl_ok("super-admin", &apply);
    plane.kubectl_ok("super-admin", &["diff", "--server-side", "-f", &file]);
    for (words, may) in RIGHTS {
        let output = plane.kubectl("super-admin", &[&["auth", "can-i"], *words].concat());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim() == "yes", *may, "{words:?}: {said}");
    }
    let service =
        ["get", "service", "kube-dns", "--namespace=kube-system", "-o", "jsonpath={.spec.clusterIP}"];
    assert_eq!(plane.kubectl_ok("super-admin", &service), "10.96.0.10");
}

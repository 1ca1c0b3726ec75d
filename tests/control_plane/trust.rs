//! The trust settings of the processes that run here, against the table of who trusts what.

use std::path::Path;

use quorate_pki::authority::TRUST;

use crate::cluster::etcd::etcd_environment;
use crate::cluster::kubernetes::{apiserver_flags, controller_manager_flags};
use crate::plane::ControlPlane;

/// Rows whose daemon does not run here: clients of ours stand in for the first, a server of ours for the second, and
/// kubeconfigs are tried as files.
const NOT_HERE: &[&str] =
    &["kube-vip health check ca path", "kubelet clientCAFile", "kubeconfig certificate-authority"];

pub(crate) fn as_the_table_says(plane: &ControlPlane) {
    let files = &plane.machines["cp1"];
    let host = plane.network.host("cp1");
    let apiserver = apiserver_flags(plane.settings, files, host, &[host]);
    let manager = controller_manager_flags(plane.settings, files, Path::new("kubeconfig"));
    let etcd = etcd_environment(plane.mode, "magi", files, host, &[host]);
    for row in TRUST.iter().filter(|row| !NOT_HERE.contains(&row.setting)) {
        let (daemon, setting) = row.setting.split_once(' ').expect("a daemon and its setting");
        let named = match daemon {
            "kube-apiserver" => &apiserver[setting],
            "kube-controller-manager" => &manager[setting],
            _ => &etcd[&*format!("ETCD_{}", setting.to_uppercase().replace('-', "_"))],
        };
        let expected = plane.trust("cp1", row.purpose);
        assert_eq!(Path::new(named), expected, "{} in mode {}", row.setting, plane.mode);
    }
}

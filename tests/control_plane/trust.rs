//! The trust settings of the processes that run here, against the table of who trusts what.

use std::path::Path;

use quorate_pki::authority::{Authority, TRUST};
use quorate_pki::cluster::CaMode;

use crate::cluster::etcd::{client_url, etcd_environment};
use crate::cluster::kubernetes::{Daemon, apiserver_flags, controller_manager_flags, rendered, stand_in};
use crate::cluster::wait_for;
use crate::plane::ControlPlane;
use crate::workloads::CONTROLLED_WITHIN;

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

/// One more API server on cp1, which is sent to the worker for etcd. There answers a certificate for that very address,
/// of the issuer that signs for kubelets. Where one authority signs everything, it is as good as any.
pub(crate) fn a_kubelet_is_not_taken_for_etcd(plane: &ControlPlane) {
    if plane.mode == CaMode::Single {
        return;
    }
    let (w1, cp1) = (plane.network.host("w1"), plane.network.host("cp1"));
    let (pair, clients) = (plane.machines["w1"].pair("kubelet-server"), plane.trust("cp1", Authority::Etcd));
    let folder = plane.folder().join("sent-astray");
    let _etcd = stand_in(&plane.verify, plane.port("w1", 2379), w1, pair, clients, &folder);
    let mut flags = apiserver_flags(plane.settings, &plane.machines["cp1"], cp1, &[]);
    flags.insert("etcd-servers", client_url(w1.address));
    flags.insert("secure-port", "7443".into());
    let astray = Daemon::start(cp1, &plane.program("kube-apiserver"), &rendered(&flags), &folder);
    wait_for("an API server's word on what is not etcd", CONTROLLED_WITHIN, || {
        let refused = astray.log().contains("x509: certificate signed by unknown authority");
        if refused { Ok(()) } else { Err(astray.tail()) }
    });
}

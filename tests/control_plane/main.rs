//! A real control plane on the files that `pki gen` makes: kube-apiserver, kube-controller-manager and kube-scheduler
//! on every master, each with what its own machine can open, against etcd with TLS.
//!
//! To start one takes longer than to ask it everything. So there is one per `ca` mode and one per further type of key,
//! and each claim is a function that all of them are put to, one after the other until one does not hold.
#![expect(clippy::expect_used, clippy::panic, reason = "a fault ends the test with its text")]

#[path = "../cluster/mod.rs"]
mod cluster;
#[path = "../deployed/mod.rs"]
mod deployed;
#[path = "../project/mod.rs"]
mod project;

mod addons;
mod aggregated;
mod clients;
mod kubelets;
mod logins;
mod nodes;
mod people;
mod plane;
mod renewal;
mod trust;
mod workloads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use plane::ControlPlane;
use quorate_pki::cluster::CaMode;

/// What must hold, and the function that panics where it does not.
type Claim = (&'static str, fn(&ControlPlane));

/// In this order: a later claim may build on what an earlier one has made.
const CLAIMS: &[Claim] = &[
    ("each trust setting names the file that the table says", trust::as_the_table_says),
    ("an API server takes nobody else for etcd", trust::a_kubelet_is_not_taken_for_etcd),
    ("super-admin may do everything, admin what its group is bound to", people::super_admin_and_admin),
    (
        "each kind of certificate is the login that the table of edges says",
        logins::as_the_table_of_edges_says,
    ),
    (
        "front-proxy-client names another user, and nobody else does",
        logins::only_the_front_proxy_names_a_user,
    ),
    ("a node has itself and no other node", nodes::a_node_has_itself_and_no_other),
    ("controller managers and schedulers lead, and a pod finds its node", workloads::a_pod_is_made_and_bound),
    ("pods are given the root to trust, and nothing else", workloads::pods_trust_the_root),
    ("a token of one master is a login on all, signed with ES256", workloads::tokens_hold_on_every_master),
    ("Secrets are sealed in etcd and read by every master", workloads::secrets_are_sealed_in_etcd),
    ("a node reads the Secrets of its pods and no others", nodes::a_node_reads_the_secrets_of_its_pods),
    (
        "the API reaches a kubelet by its own certificate alone",
        kubelets::reached_by_their_own_certificate_alone,
    ),
    ("the API names its user to an aggregated API server", aggregated::told_the_user_by_the_front_proxy),
    ("who trusts the root alone reaches every master by every name", clients::by_the_root_alone),
    ("addons.yaml gives the rights that certificates name", addons::give_the_rights_that_certificates_name),
    ("leaves are renewed and no request fails", renewal::no_request_fails),
];

/// One control plane at a time: three of them want more memory and processors than a laptop has.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn accepts(mode: CaMode, key_type: &str, api_servers: usize) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut plane) = ControlPlane::start(mode, key_type, api_servers) else { return };
    for (name, claim) in CLAIMS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| claim(&plane))) {
            let said = panic.downcast_ref::<String>().map_or("as said above", String::as_str);
            panic!("in mode {mode} with {key_type} keys it does not hold that {name}: {said}");
        }
    }
    plane.assert_running();
}

#[test]
fn a_control_plane_accepts_the_files_of_mode_shared() {
    accepts(CaMode::Shared, "p256", 3);
}

#[test]
fn a_control_plane_accepts_the_files_of_mode_single() {
    accepts(CaMode::Single, "p256", 3);
}

#[test]
fn a_control_plane_accepts_the_files_of_mode_separate() {
    accepts(CaMode::Separate, "p256", 3);
}

#[test]
fn a_control_plane_accepts_p384_keys() {
    accepts(CaMode::Shared, "p384", 1);
}

#[test]
fn a_control_plane_accepts_ed25519_keys() {
    accepts(CaMode::Shared, "ed25519", 1);
}

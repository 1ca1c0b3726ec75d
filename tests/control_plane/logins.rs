//! Who is a login at the API server, and as whom.

use std::collections::BTreeSet;

use quorate_pki::cluster::CaMode;
use quorate_pki::edges::{SERVERS, Server};
use quorate_pki::kinds::{CommonName, KINDS, Kind, Scope};

use crate::cluster::api::{Login, User};
use crate::plane::ControlPlane;

/// Whom the API server must let in as a user that its rules know, written down a second time.
const USERS: &[(&str, &str, Option<&str>)] = &[
    ("apiserver-kubelet-client", "system:kube-apiserver", None),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("kube-vip", "kube-vip", None),
    ("kubelet-client", "system:node:NODE", Some("system:nodes")),
    ("kube-proxy", "system:kube-proxy", Some("system:node-proxier")),
    ("flannel", "flannel-client", None),
    ("admin", "kubernetes-admin", Some("kubeadm:cluster-admins")),
    ("super-admin", "kubernetes-super-admin", Some("system:masters")),
];

/// Where a certificate of this kind is, and who shows it: the machine it was made for, as a thief of its key would.
/// People stand on the worker.
fn presenters(kind: &Kind) -> &'static [&'static str] {
    match kind.scope {
        Scope::EtcdMember | Scope::Master => &["cp2"],
        Scope::Kubernetes => &["cp2", "w1"],
        Scope::User => &["w1"],
    }
}

impl ControlPlane {
    fn shown<'a>(&'a self, kind: &Kind, machine: &str) -> Login<'a> {
        let files = if kind.scope == Scope::User { &self.users } else { &self.machines[machine] };
        Login::Certificate(files.pair(kind.name))
    }
}

fn apiserver() -> &'static Server {
    SERVERS.iter().find(|server| server.name == "apiserver").expect("a row of the table")
}

/// As whom a certificate logs in where it does.
fn expected_user(kind: &Kind, machine: &str) -> User {
    let name = match kind.common_name {
        CommonName::Fixed(name) => name.to_owned(),
        CommonName::Machine(prefix) => format!("{prefix}{machine}"),
    };
    User::new(name, kind.organization)
}

pub(crate) fn as_the_table_of_edges_says(plane: &ControlPlane) {
    let mut tried = BTreeSet::new();
    for kind in KINDS {
        for machine in presenters(kind) {
            let api = plane.api(machine, plane.shown(kind, machine), 0);
            let found = api.user(&[]);
            let told = format!("`{}` of {machine} in mode {}", kind.name, plane.mode);
            let accepted = apiserver().accepts(kind.name, plane.mode);
            assert_eq!(found, accepted.then(|| expected_user(kind, machine)), "{told}");
            tried.insert(kind.name);

            // The same once more, from what is written in this file.
            if let Some((_, name, group)) = USERS.iter().find(|user| user.0 == kind.name) {
                assert_eq!(found, Some(User::new(name.replace("NODE", machine), *group)), "{told}");
            } else if plane.mode == CaMode::Single && kind.usage.is_client() {
                // A user like any other, whom no rule gives anything.
                assert_eq!(api.rights("kube-system"), [] as [serde_json::Value; 0], "{told}");
                let answer = api.get("/api/v1/namespaces/kube-system/secrets");
                let message = answer.body["message"].as_str().unwrap_or_default();
                let named = format!("User \"{}\" cannot list", expected_user(kind, machine).name);
                assert!(answer.status == 403 && message.contains(&named), "{told}: {answer:?}");
            } else {
                assert_eq!(found, None, "{told}");
                let answer = api.get("/api/v1/namespaces/kube-system/secrets");
                assert_eq!(answer.status, 401, "{told}: {answer:?}");
            }
        }
    }
    assert_eq!(tried.len(), KINDS.len(), "a kind was not tried: {tried:?}");
}

/// The headers by which a front proxy says for whom it asks: worth everything from front-proxy-client, nothing from
/// any other.
pub(crate) fn only_the_front_proxy_names_a_user(plane: &ControlPlane) {
    let headers = ["X-Remote-User: mallory", "X-Remote-Group: system:masters"];
    for kind in KINDS {
        for machine in presenters(kind) {
            let api = plane.api(machine, plane.shown(kind, machine), 0);
            let expected = match kind.name {
                "front-proxy-client" => Some(User::new("mallory", ["system:masters"])),
                _ => api.user(&[]),
            };
            assert_eq!(api.user(&headers), expected, "`{}` of {machine} in mode {}", kind.name, plane.mode);
        }
    }
    let nobody = plane.api("w1", Login::Nothing, 0);
    assert_eq!(nobody.get("/api/v1/namespaces/kube-system/secrets").status, 403);
    let answer = nobody.request("GET", "/api/v1/namespaces/kube-system/secrets", &headers, None);
    assert_eq!(answer.status, 403, "{answer:?}");
}

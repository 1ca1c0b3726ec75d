//! A running control plane, and who asks it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quorate_pki::authority::Authority;
use quorate_pki::cluster::CaMode;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::cluster::api::{Api, Login};
use crate::cluster::etcd::{Member, start_cluster};
use crate::cluster::files::{MachineFiles, Pair};
use crate::cluster::kubernetes::{self, Master, Settings, start_masters};
use crate::cluster::network::Network;
use crate::cluster::peer::{Peer, Programs};
use crate::deployed::{Deployment, inventory, peers, write_private};
use crate::project::Project;

pub(crate) const MACHINES: [(&str, &str); 4] =
    [("cp1", "10.13.13.11"), ("cp2", "10.13.13.12"), ("cp3", "10.13.13.13"), ("w1", "10.13.13.31")];
pub(crate) const MASTERS: [&str; 3] = ["cp1", "cp2", "cp3"];
/// Of the inventory; cp1 holds it.
pub(crate) const VIRTUAL_IP: &str = "10.13.13.10";
/// So long ago that the leaves of then, which live for 365 days, are valid and due for renewal.
const DUE: Duration = Duration::days(340);

/// etcd on three machines, and the daemons of Kubernetes on as many of them as asked for. What runs goes before the
/// network it runs on.
pub(crate) struct ControlPlane {
    pub(crate) mode: CaMode,
    pub(crate) settings: Settings,
    pub(crate) masters: Vec<Master>,
    pub(crate) members: Vec<Member>,
    pub(crate) network: Network,
    pub(crate) deployment: Deployment,
    pub(crate) machines: BTreeMap<&'static str, MachineFiles>,
    pub(crate) users: MachineFiles,
    pub(crate) etcd: Programs,
    pub(crate) verify: Programs,
    kubernetes: Programs,
}

impl ControlPlane {
    /// Generates as of 340 days ago, and starts everything. `None` when a peer is missing.
    pub(crate) fn start(mode: CaMode, key_type: &str, api_servers: usize) -> Option<Self> {
        let wanted = [
            Peer::Namespaces,
            Peer::Curl,
            Peer::Openssl,
            Peer::Python,
            Peer::Sops,
            Peer::GoVerify,
            Peer::Etcd36,
            Peer::Kubernetes,
        ];
        let [_, _, _, _, sops, verify, etcd, kubernetes] = peers(wanted)?;
        let project = Project::new(&inventory(3, &format!("ca = \"{mode}\"; keyType = \"{key_type}\";")));
        let at = (OffsetDateTime::now_utc() - DUE).format(&Rfc3339).expect("a time");
        project.pki(["gen", "certs", "--new-identity", "--at", &at]).expect(0);
        let deployment = Deployment::of(project, &sops, &verify);
        let network = Network::new(&MACHINES);
        network.host("cp1").hold(VIRTUAL_IP.parse().expect("an address"));
        let machines: BTreeMap<_, _> =
            MACHINES.iter().map(|(name, _)| (*name, deployment.machine(name))).collect();
        let hosts: Vec<_> = MASTERS.iter().map(|name| (network.host(name), &machines[name])).collect();
        let run = deployment.folder("run");
        let members = start_cluster(&etcd, mode, "magi", &hosts, &run);
        let settings =
            Settings { mode, domain: "cluster.local", services: "10.96.0.0/16", pods: "10.244.0.0/16" };
        let on: Vec<_> = hosts.iter().map(|(host, _)| *host).collect();
        let masters = start_masters(&kubernetes, settings, &hosts[..api_servers], &on, &run);
        let users = deployment.users();
        Some(Self {
            mode,
            settings,
            masters,
            members,
            network,
            deployment,
            machines,
            users,
            etcd,
            verify,
            kubernetes,
        })
    }

    /// One of Kubernetes' programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.kubernetes.path(name)
    }

    /// A folder for a claim's own files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.deployment.folder("run")
    }

    /// The bundle that a machine's settings of this purpose name.
    pub(crate) fn trust(&self, machine: &str, purpose: Authority) -> &Path {
        kubernetes::trust(self.mode, &self.machines[machine], purpose)
    }

    /// Somebody on a machine, who trusts the root and asks the API server of `masters[number]`.
    pub(crate) fn api<'a>(&'a self, machine: &str, login: Login<'a>, number: usize) -> Api<'a> {
        let server = self.masters[number].address();
        Api { host: self.network.host(machine), trust: self.trust(machine, Authority::Root), login, server }
    }

    /// A machine's own certificate of this kind, shown from there to the first master.
    pub(crate) fn machine<'a>(&'a self, machine: &str, kind: &str) -> Api<'a> {
        self.api(machine, Login::Certificate(self.machines[machine].pair(kind)), 0)
    }

    /// The super-admin at the worker, who asks the first master.
    pub(crate) fn super_admin(&self) -> Api<'_> {
        self.api("w1", Login::Certificate(self.users.pair("super-admin")), 0)
    }

    /// What `kubectl` says, run on the worker with the kubeconfig that `pki kubeconfig` prints for a person: the
    /// server is the virtual IP.
    pub(crate) fn kubectl(&self, user: &str, arguments: &[&str]) -> Output {
        let project = &self.deployment.project;
        let config = project.path(format!("home/{user}.kubeconfig"));
        if !config.exists() {
            let text = project.pki(["kubeconfig", user]).expect(0).stdout;
            write_private(&config, text.as_bytes());
        }
        let mut command = self.network.host("w1").command(&self.kubernetes.path("kubectl"));
        command.env("HOME", project.path("home")).arg("--kubeconfig").arg(config).args(arguments);
        command.output().expect("kubectl starts")
    }

    /// Its standard output, or panics when it fails.
    #[track_caller]
    pub(crate) fn kubectl_ok(&self, user: &str, arguments: &[&str]) -> String {
        let output = self.kubectl(user, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?} as {user}: {stderr}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Its standard error, or panics when it succeeds.
    #[track_caller]
    pub(crate) fn kubectl_refused(&self, user: &str, arguments: &[&str]) -> String {
        let output = self.kubectl(user, arguments);
        assert!(!output.status.success(), "kubectl {arguments:?} as {user} was done");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    /// `etcdctl` on cp1, as the API server there.
    pub(crate) fn etcdctl(&self) -> Command {
        let files = &self.machines["cp1"];
        let trust = self.trust("cp1", Authority::Etcd);
        let members: Vec<IpAddr> = self.members.iter().map(|member| member.host().address).collect();
        let client: &Pair = files.pair("apiserver-etcd-client");
        crate::cluster::client::etcdctl(&self.etcd, self.network.host("cp1"), trust, client, &members)
    }

    /// A port of a machine.
    pub(crate) fn port(&self, machine: &str, port: u16) -> SocketAddr {
        SocketAddr::new(self.network.host(machine).address, port)
    }

    /// Panics when a process has ended by itself: a controller manager does so when it loses its lead or its API
    /// server.
    pub(crate) fn assert_running(&mut self) {
        for daemon in self.masters.iter_mut().flat_map(Master::daemons) {
            daemon.assert_running();
        }
        for member in &mut self.members {
            assert_eq!(member.ended(), None, "{}", member.log().tail());
        }
    }
}

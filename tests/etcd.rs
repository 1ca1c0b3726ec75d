//! Real etcd, three members, on the files that `pki gen` makes: each member has what its own machine can open.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod deployed;
mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use cluster::client::{Caller, etcdctl};
use cluster::etcd::{Member, authority, start_cluster};
use cluster::files::MachineFiles;
use cluster::log::Reason;
use cluster::network::{Host, Network};
use cluster::peer::{Peer, Programs};
use cluster::run;
use deployed::{Deployment, MODES, inventory, peers};
use project::Project;
use quorate_pki::cluster::CaMode;
use quorate_pki::edges::{SERVERS, Server};
use quorate_pki::kinds::{KINDS, Kind, Scope};
use quorate_pki::san::San;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

const MACHINES: [(&str, &str); 4] =
    [("cp1", "10.13.13.11"), ("cp2", "10.13.13.12"), ("cp3", "10.13.13.13"), ("w1", "10.13.13.31")];
const MEMBERS: [&str; 3] = ["cp1", "cp2", "cp3"];
/// So long ago that the leaves of then, which live for 365 days, are valid and due for renewal.
const DUE: Duration = Duration::days(340);

/// The servers of etcd in the table of edges, and their ports.
fn ports() -> [(&'static Server, u16); 2] {
    let port = |name: &str| SERVERS.iter().find(|server| server.name == name).expect("a row of the table");
    [(port("etcd client port"), 2379), (port("etcd peer port"), 2380)]
}

/// Whom etcd must let in, written down a second time: nobody of Kubernetes, in no mode.
fn admitted(port: u16, mode: CaMode) -> &'static [&'static str] {
    match (port, mode) {
        (2380, _) => &["etcd-peer"],
        (_, CaMode::Single) => &["etcd-healthcheck-client", "apiserver-etcd-client"],
        (_, CaMode::Shared | CaMode::Separate) => {
            &["etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"]
        }
    }
}

/// A running cluster. The members go before the network they are on.
struct Running {
    mode: CaMode,
    etcd: Programs,
    verify: Programs,
    members: Vec<Member>,
    machines: BTreeMap<&'static str, MachineFiles>,
    network: Network,
    deployment: Deployment,
}

impl Running {
    /// Generates as of `age` ago, and starts a member on each master. `None` when a peer is missing.
    fn start(version: Peer, mode: CaMode, age: Duration) -> Option<Self> {
        Self::start_with(version, mode, "p256", age)
    }

    /// The same with another type of key.
    fn start_with(version: Peer, mode: CaMode, key_type: &str, age: Duration) -> Option<Self> {
        let [_, sops, verify, etcd] = peers([Peer::Namespaces, Peer::Sops, Peer::GoVerify, version])?;
        let project = Project::new(&inventory(3, &format!("ca = \"{mode}\"; keyType = \"{key_type}\";")));
        let at = (OffsetDateTime::now_utc() - age).format(&Rfc3339).expect("a time");
        project.pki(["gen", "certs", "--new-identity", "--at", &at]).expect(0);
        let deployment = Deployment::of(project, &sops, &verify);
        let network = Network::new(&MACHINES);
        let machines: BTreeMap<_, _> =
            MACHINES.iter().map(|(name, _)| (*name, deployment.machine(name))).collect();
        let hosts: Vec<_> = MEMBERS.iter().map(|name| (network.host(name), &machines[name])).collect();
        let members = start_cluster(&etcd, mode, "magi", &hosts, &deployment.folder("run"));
        Some(Self { mode, etcd, verify, members, machines, network, deployment })
    }

    /// Somebody on a machine, who trusts what etcd's clients there trust.
    fn caller<'a>(&'a self, machine: &str, files: &'a MachineFiles, kind: Option<&str>) -> Caller<'a> {
        let client = kind.map(|kind| files.pair(kind));
        let trust = files.trust(authority(self.mode));
        Caller { verify: &self.verify, host: self.network.host(machine), trust, client }
    }

    /// What the API server of `master` does with etcd on these members.
    fn api_server(&self, master: &str, members: &[&Host], request: &[&str]) -> String {
        let files = &self.machines[master];
        let addresses: Vec<IpAddr> = members.iter().map(|host| host.address).collect();
        let (trust, client) = (files.trust(authority(self.mode)), files.pair("apiserver-etcd-client"));
        let mut command = etcdctl(&self.etcd, self.network.host(master), trust, client, &addresses);
        let output = run(command.args(request)).stdout;
        String::from_utf8(output).expect("UTF-8").trim_end().to_owned()
    }

    /// Why a port must refuse a certificate of this kind, by the table of edges and what etcd looks at: the issuer
    /// first, then the usages, then the names. `None` when the table lets it in.
    fn refusal(&self, server: &Server, kind: &Kind, id: &str) -> Option<Reason> {
        if server.accepts(kind.name, self.mode) {
            return None;
        }
        if self.mode.serving(kind.issuer) != self.mode.serving(server.trusts) {
            return Some(Reason::UnknownAuthority);
        }
        if !kind.usage.is_client() {
            return Some(Reason::WrongUsage);
        }
        let manifest = self.deployment.manifest();
        let record = manifest.certificates.into_iter().find(|record| record.id.as_str() == id);
        let names =
            record.expect("a certificate of that name").sans.into_iter().filter_map(|san| match san {
                San::Dns(name) => Some(name),
                San::Ip(_) => None,
            });
        Some(Reason::NameNotAllowed { names: names.collect() })
    }
}

/// Every `ca` mode, and every type of key.
const CLUSTERS: [(CaMode, &str); 5] = [
    (CaMode::Shared, "p256"),
    (CaMode::Single, "p256"),
    (CaMode::Separate, "p256"),
    (CaMode::Shared, "p384"),
    (CaMode::Shared, "ed25519"),
];

fn what_an_api_server_writes_is_read_from_every_member(version: Peer) {
    for (mode, key_type) in CLUSTERS {
        let Some(running) = Running::start_with(version, mode, key_type, Duration::ZERO) else { return };
        let hosts: Vec<_> = running.members.iter().map(Member::host).collect();
        let value = format!("{version:?} {mode} {key_type}");
        running.api_server("cp1", &hosts, &["put", "quorum", &value]);
        for (member, master) in running.members.iter().zip(["cp2", "cp3", "cp1"]) {
            let read = running.api_server(master, &[member.host()], &["get", "quorum", "--print-value-only"]);
            assert_eq!(read, value);
            // Nor does etcd refuse itself or another member.
            let mut rejections = member.log().rejections();
            rejections.retain(|rejection| rejection.reason != Reason::HungUp);
            assert_eq!(rejections, [], "{mode} {key_type}");
        }
    }
}

#[test]
fn etcd_3_4_runs_on_what_each_machine_can_open_in_every_ca_mode_and_with_every_type_of_key() {
    what_an_api_server_writes_is_read_from_every_member(Peer::Etcd34);
}

#[test]
fn etcd_3_6_runs_on_what_each_machine_can_open_in_every_ca_mode_and_with_every_type_of_key() {
    what_an_api_server_writes_is_read_from_every_member(Peer::Etcd36);
}

/// Every kind against both ports. Whoever shows a certificate stands on the machine that it was made for, as a thief
/// of its key would at best: on its peer port etcd compares addresses too. People stand on the worker.
fn etcd_agrees_with_the_table_of_edges(version: Peer) {
    for mode in MODES {
        let Some(running) = Running::start(version, mode, Duration::ZERO) else { return };
        let users = running.deployment.users();
        let (master, worker) = (&running.machines["cp1"], &running.machines["w1"]);
        let target = &running.members[1];
        let mut tried = BTreeSet::new();
        for kind in KINDS {
            let presenters: &[(&str, &str, &MachineFiles)] = match kind.scope {
                Scope::EtcdMember | Scope::Master => &[("cp1", "cp1", master)],
                Scope::Kubernetes => &[("cp1", "cp1", master), ("w1", "w1", worker)],
                Scope::User => &[("w1", "users", &users)],
            };
            for (machine, folder, files) in presenters {
                for (server, port) in ports() {
                    let id = format!("{folder}/{}", kind.name);
                    let answer = running.caller(machine, files, Some(kind.name)).attempt(target, port);
                    let presented = if port == 2379 { "cp2/etcd-server" } else { "cp2/etcd-peer" };
                    let expected = running
                        .refusal(server, kind, &id)
                        .map_or_else(|| Ok(running.deployment.serial(presented)), Err);
                    assert_eq!(answer, expected, "{id} at the {} in mode {mode}", server.name);
                    assert_eq!(
                        answer.is_ok(),
                        admitted(port, mode).contains(&kind.name),
                        "{id} in mode {mode}"
                    );
                    tried.insert(kind.name);
                }
            }
        }
        assert_eq!(tried.len(), KINDS.len(), "a kind was not tried: {tried:?}");
        for (server, port) in ports() {
            let answer = running.caller("w1", worker, None).attempt(target, port);
            assert_eq!(answer, Err(Reason::NoCertificate), "{} in mode {mode}", server.name);
        }
    }
}

#[test]
fn etcd_3_4_takes_and_refuses_every_kind_as_the_table_of_edges_says() {
    etcd_agrees_with_the_table_of_edges(Peer::Etcd34);
}

#[test]
fn etcd_3_6_takes_and_refuses_every_kind_as_the_table_of_edges_says() {
    etcd_agrees_with_the_table_of_edges(Peer::Etcd36);
}

fn leaves_are_renewed_under_load(version: Peer) {
    for mode in MODES {
        let Some(mut running) = Running::start(version, mode, DUE) else { return };
        let serial = |id: &str| running.deployment.serial(id);
        let old = MEMBERS.map(|member| serial(&format!("{member}/etcd-server")));
        let ids: Vec<_> = running.members.iter().map(Member::id).collect();
        // The client is an API server, whose own certificate is renewed on the way.
        let caller = running.caller("cp1", &running.machines["cp1"], Some("apiserver-etcd-client"));
        let server = |member: &Member, port| SocketAddr::new(member.host().address, port);
        let loops: Vec<_> = running
            .members
            .iter()
            .map(|member| caller.connect_loop(server(member, 2379), 334, running.deployment.project.root()))
            .collect();
        running.deployment.renew_every_leaf(&MACHINES.map(|(machine, _)| machine));
        let new = MEMBERS.map(|member| serial(&format!("{member}/etcd-server")));
        for (member, new) in running.members.iter().zip(&new) {
            let now = caller.once(server(member, 2379));
            assert!(now.served.into_keys().eq([new.clone()]), "not `{new}`: {:?}", now.failures);
        }
        let mut connections = 0;
        for (running, serials) in loops.into_iter().zip(old.into_iter().zip(new)) {
            let seen = running.finish();
            assert!(seen.failures.is_empty(), "{:?}", seen.failures);
            connections += seen.served.values().sum::<u32>();
            let leaves: BTreeSet<_> = seen.served.into_keys().collect();
            assert_eq!(leaves, BTreeSet::from([serials.0, serials.1]), "the old leaf, then the new one");
        }
        assert!(connections >= 1000, "{connections}");

        let peer = running.caller("cp1", &running.machines["cp1"], Some("etcd-peer"));
        assert_eq!(peer.attempt(&running.members[1], 2380), Ok(serial("cp2/etcd-peer")));
        let hosts: Vec<_> = running.members.iter().map(Member::host).collect();
        running.api_server("cp3", &hosts, &["put", "quorum", "renewed"]);
        for (member, id) in running.members.iter_mut().zip(ids) {
            assert_eq!((member.id(), member.ended()), (id, None), "it was restarted or ended");
        }
    }
}

#[test]
fn etcd_3_4_serves_every_renewed_leaf_and_refuses_none_of_1000_connections() {
    leaves_are_renewed_under_load(Peer::Etcd34);
}

#[test]
fn etcd_3_6_serves_every_renewed_leaf_and_refuses_none_of_1000_connections() {
    leaves_are_renewed_under_load(Peer::Etcd36);
}

#[test]
fn a_members_folder_has_the_keys_that_were_sealed_for_its_machine_and_no_other() {
    let Some([sops, verify]) = peers([Peer::Sops, Peer::GoVerify]) else { return };
    for mode in MODES {
        let project = Project::generated(&inventory(3, &format!("ca = \"{mode}\";")));
        let deployment = Deployment::of(project, &sops, &verify);
        for (machine, _) in MACHINES {
            drop(deployment.machine(machine));
            let folder = std::fs::read_dir(deployment.folder(machine)).expect("a folder");
            let names =
                folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
            let found: BTreeSet<_> =
                names.filter_map(|name| Some(name.strip_suffix(".key")?.to_owned())).collect();
            let member = MEMBERS.contains(&machine);
            let own = KINDS.iter().filter(|kind| match kind.scope {
                Scope::EtcdMember | Scope::Master => member,
                Scope::Kubernetes => true,
                Scope::User => false,
            });
            let mut expected: BTreeSet<_> = own.map(|kind| kind.name.to_owned()).collect();
            if member {
                expected.extend(["service-account".into(), "encryption-config".into()]);
            }
            assert_eq!(found, expected, "{machine} in mode {mode}");
        }
    }
}

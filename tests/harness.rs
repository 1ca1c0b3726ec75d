//! The harness of tests/cluster proves itself here with throwaway certificates and real etcd: what it says of a
//! server or a client is so.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cluster::client::{Caller, Connections, etcdctl};
use cluster::etcd::{Member, authority, etcd_environment, start_cluster, wait_healthy};
use cluster::files::MachineFiles;
use cluster::kubernetes::stand_in;
use cluster::log::Reason;
use cluster::network::{Host, Network};
use cluster::peer::{self, Peer, Programs};
use cluster::throwaway::{Leaf, Throwaway};
use cluster::{chain, run, seal, wait_for};
use quorate_pki::cluster::CaMode;
use tempfile::TempDir;

const MODES: [CaMode; 3] = [CaMode::Shared, CaMode::Single, CaMode::Separate];
const MEMBERS: [(&str, &str); 3] = [("cp1", "10.13.13.2"), ("cp2", "10.13.13.3"), ("cp3", "10.13.13.4")];
/// A machine that is no member; its clients' addresses are in none of the certificates.
const OUTSIDE: (&str, &str) = ("outside", "10.13.13.100");
const GOOD: Leaf<'_> = Leaf { kind: "good", usages: "clientAuth", names: "DNS:etcd-client.magi" };

/// Three members' certificates, and those of clients outside.
struct Pki {
    mode: CaMode,
    issued: Throwaway,
    members: Vec<MachineFiles>,
    outside: MachineFiles,
    folder: TempDir,
}

impl Pki {
    fn new(mode: CaMode) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let issued = Throwaway::new(folder.path(), mode, "magi");
        issued.add_foreign_authority();
        for (machine, address) in MEMBERS {
            issued.issue_member(machine, address);
        }
        for leaf in [
            GOOD,
            Leaf { kind: "nameless", names: "", ..GOOD },
            Leaf { kind: "server-only", usages: "serverAuth", ..GOOD },
        ] {
            issued.issue(OUTSIDE.0, authority(mode), leaf);
        }
        issued.issue(OUTSIDE.0, "foreign", Leaf { kind: "foreign", ..GOOD });
        let members = MEMBERS.iter().map(|(machine, _)| issued.files(machine)).collect();
        let outside = issued.files(OUTSIDE.0);
        Self { mode, issued, members, outside, folder }
    }

    fn start(&self, network: &Network, etcd: &Programs) -> Vec<Member> {
        let hosts = MEMBERS.iter().map(|(machine, _)| network.host(machine));
        let machines: Vec<_> = hosts.zip(&self.members).collect();
        start_cluster(etcd, self.mode, "magi", &machines, &self.folder.path().join("run"))
    }

    fn trust(&self) -> &Path {
        self.outside.trust(authority(self.mode))
    }

    fn caller<'a>(&'a self, verify: &'a Programs, network: &'a Network, kind: Option<&str>) -> Caller<'a> {
        let client = kind.map(|kind| self.outside.pair(kind));
        Caller { verify, host: network.host(OUTSIDE.0), trust: self.trust(), client }
    }
}

fn network() -> Network {
    Network::new(&[MEMBERS[0], MEMBERS[1], MEMBERS[2], OUTSIDE])
}

fn put(pki: &Pki, etcd: &Programs, host: &Host, members: &[Member], value: &str) {
    let addresses: Vec<_> = members.iter().map(|member| member.host().address).collect();
    let mut command = etcdctl(etcd, host, pki.trust(), pki.outside.pair("good"), &addresses);
    run(command.args(["put", "quorum", value]));
}

fn get(pki: &Pki, etcd: &Programs, host: &Host, member: &Member) -> String {
    let mut command = etcdctl(etcd, host, pki.trust(), pki.outside.pair("good"), &[member.host().address]);
    let output = run(command.args(["get", "quorum", "--print-value-only"]));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

fn what_is_written_is_read_from_every_member(version: Peer) {
    let (true, Some(etcd)) = (peer::namespaces(), peer::find(version)) else { return };
    for mode in MODES {
        let pki = Pki::new(mode);
        let network = network();
        let members = pki.start(&network, &etcd);
        let outside = network.host(OUTSIDE.0);
        let value = format!("{version:?} {mode:?}");
        put(&pki, &etcd, outside, &members, &value);
        for member in &members {
            assert_eq!(get(&pki, &etcd, outside, member), value);
            // Nor does etcd refuse itself: its gateway is off where its own certificate would not be let in.
            let mut rejections = member.log().rejections();
            rejections.retain(|rejection| rejection.reason != Reason::HungUp);
            assert_eq!(rejections, [], "{mode:?}");
        }
    }
}

#[test]
fn three_members_of_etcd_3_4_hold_what_is_written_in_every_ca_mode() {
    what_is_written_is_read_from_every_member(Peer::Etcd34);
}

#[test]
fn three_members_of_etcd_3_6_hold_what_is_written_in_every_ca_mode() {
    what_is_written_is_read_from_every_member(Peer::Etcd36);
}

fn the_server_says_why_it_refuses(version: Peer) {
    let (true, Some(etcd), Some(verify)) =
        (peer::namespaces(), peer::find(version), peer::find(Peer::GoVerify))
    else {
        return;
    };
    let not_allowed = |names: &[&str]| {
        Some(Reason::NameNotAllowed { names: names.iter().map(|&name| name.to_owned()).collect() })
    };
    for mode in [CaMode::Shared, CaMode::Single] {
        let pki = Pki::new(mode);
        let network = network();
        let members = pki.start(&network, &etcd);
        let nameless_client = if mode == CaMode::Single { not_allowed(&[]) } else { None };
        let expected = [
            (2379, Some("good"), None),
            (2379, None, Some(Reason::NoCertificate)),
            (2379, Some("foreign"), Some(Reason::UnknownAuthority)),
            (2379, Some("server-only"), Some(Reason::WrongUsage)),
            (2379, Some("nameless"), nameless_client),
            (2380, Some("good"), not_allowed(&["etcd-client.magi"])),
            (2380, Some("nameless"), not_allowed(&[])),
            (2380, None, Some(Reason::NoCertificate)),
        ];
        for (port, client, refusal) in expected {
            let answer = pki.caller(&verify, &network, client).attempt(&members[1], port);
            assert_eq!(answer.err(), refusal, "{client:?} on port {port} in mode {mode:?}");
        }
    }
}

#[test]
fn etcd_3_4_refuses_clients_for_the_reasons_its_log_names() {
    the_server_says_why_it_refuses(Peer::Etcd34);
}

#[test]
fn etcd_3_6_refuses_clients_for_the_reasons_its_log_names() {
    the_server_says_why_it_refuses(Peer::Etcd36);
}

#[test]
fn a_stand_in_serves_the_clients_of_its_bundle_and_no_others() {
    let (true, Some(verify)) = (peer::namespaces(), peer::find(Peer::GoVerify)) else { return };
    let pki = Pki::new(CaMode::Shared);
    let network = network();
    let (host, pair) = (network.host("cp1"), pki.members[0].pair("etcd-server"));
    let server = SocketAddr::new(host.address, 10250);
    let mut stand_in = stand_in(&verify, server, host, pair, pki.trust(), pki.folder.path());
    wait_for("a stand-in", Duration::from_secs(20), || {
        stand_in.assert_running();
        let answer = pki.caller(&verify, &network, Some("good")).once(server);
        if answer.failures.is_empty() { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    for (client, refusal) in [
        (None, "certificate required"),
        (Some("foreign"), "unknown certificate authority"),
        (Some("server-only"), "bad certificate"),
    ] {
        let failures = pki.caller(&verify, &network, client).once(server).failures;
        assert!(failures.keys().all(|said| said.contains(refusal)) && failures.len() == 1, "{failures:?}");
    }
}

fn leaves_are_replaced_under_load(version: Peer) {
    let (true, Some(etcd), Some(verify)) =
        (peer::namespaces(), peer::find(version), peer::find(Peer::GoVerify))
    else {
        return;
    };
    let pki = Pki::new(CaMode::Shared);
    let network = network();
    let members = pki.start(&network, &etcd);
    let processes: Vec<_> = members.iter().map(Member::id).collect();
    let caller = pki.caller(&verify, &network, Some("good"));
    let server = |member: &Member| SocketAddr::new(member.host().address, 2379);
    let old: Vec<_> = members.iter().map(|member| caller.once(server(member)).served).collect();

    // The last loop has its count at once and sees new leaves only because nobody has ended it.
    let counts = [400, 400, 1];
    let start = |(member, count)| caller.connect_loop(server(member), count, pki.folder.path());
    let loops: Vec<_> = members.iter().zip(counts).map(start).collect();
    for (machine, address) in MEMBERS {
        pki.issued.issue_member(machine, address);
    }
    for (running, ((member, old), count)) in loops.into_iter().zip(members.iter().zip(old).zip(counts)) {
        let Connections { served, failures } = running.finish();
        assert!(failures.is_empty(), "{failures:?}");
        assert!(served.values().sum::<u32>() >= count, "{served:?}");
        assert_eq!(served.len(), 2, "the old leaf and the new one, and no third: {served:?}");
        let now: BTreeSet<_> = caller.once(server(member)).served.into_keys().collect();
        assert!(old.keys().all(|serial| served.contains_key(serial) && !now.contains(serial)), "{now:?}");
    }
    assert_eq!(members.iter().map(Member::id).collect::<Vec<_>>(), processes);
}

#[test]
fn etcd_3_4_serves_replaced_leaves_to_new_connections_and_refuses_none() {
    leaves_are_replaced_under_load(Peer::Etcd34);
}

#[test]
fn etcd_3_6_serves_replaced_leaves_to_new_connections_and_refuses_none() {
    leaves_are_replaced_under_load(Peer::Etcd36);
}

#[test]
fn a_killed_member_is_not_missed_and_returns_with_what_was_written_meanwhile() {
    let (true, Some(etcd)) = (peer::namespaces(), peer::find(Peer::Etcd36)) else { return };
    let pki = Pki::new(CaMode::Shared);
    let network = network();
    let mut members = pki.start(&network, &etcd);
    let outside = network.host(OUTSIDE.0);
    members[0].kill();
    assert!(members[0].ended().is_some());
    wait_for("a quorum of two", Duration::from_secs(20), || {
        let addresses: Vec<_> = members[1..].iter().map(|member| member.host().address).collect();
        let mut command = etcdctl(&etcd, outside, pki.trust(), pki.outside.pair("good"), &addresses);
        let output = command.args(["put", "quorum", "two of three"]).output().expect("etcdctl starts");
        if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
    });
    members[0].restart();
    wait_healthy(&mut members[0], pki.mode, &pki.members[0]);
    assert_eq!(get(&pki, &etcd, outside, &members[0]), "two of three");
}

#[test]
fn allowed_names_are_single_ones_and_only_a_single_ca_restricts_clients() {
    if !peer::namespaces() || peer::find(Peer::Openssl).is_none() {
        return;
    }
    let network = network();
    let hosts: Vec<_> = MEMBERS.iter().map(|(machine, _)| network.host(machine)).collect();
    for mode in MODES {
        let pki = Pki::new(mode);
        let settings = etcd_environment(mode, "magi", &pki.members[0], hosts[0], &hosts);
        let of = |name: &str| settings.get(name).map(String::as_str);
        let single = mode == CaMode::Single;
        assert_eq!(of("ETCD_PEER_CERT_ALLOWED_HOSTNAME"), Some("etcd-peer.magi"));
        assert_eq!(of("ETCD_CLIENT_CERT_ALLOWED_HOSTNAME"), single.then_some("etcd-client.magi"));
        assert_eq!(of("ETCD_ENABLE_GRPC_GATEWAY"), single.then_some("false"));
        for trust in ["ETCD_TRUSTED_CA_FILE", "ETCD_PEER_TRUSTED_CA_FILE"] {
            let file = if single { "ca/root.bundle.crt" } else { "ca/etcd.bundle.crt" };
            assert!(of(trust).is_some_and(|path| path.ends_with(file)), "{settings:?}");
        }
    }
}

#[test]
fn three_judges_accept_a_chain_with_the_root_alone_and_none_without_its_issuer() {
    let (Some(_), Some(_), Some(verify)) =
        (peer::find(Peer::Openssl), peer::find(Peer::Python), peer::find(Peer::GoVerify))
    else {
        return;
    };
    let pki = Pki::new(CaMode::Shared);
    let (root, whole) = (pki.outside.trust("root"), pki.members[0].pair("etcd-server").clone());
    let mut alone = whole.clone();
    alone.certificate = pki.folder.path().join("leaf-alone.crt");
    let text = fs::read_to_string(&whole.certificate).expect("a chain");
    let leaf = text.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a leaf");
    fs::write(&alone.certificate, leaf).expect("a file");

    for (pair, name, accepted) in
        [(&whole, "cp1", true), (&whole, "10.13.13.2", true), (&whole, "cp2", false), (&alone, "cp1", false)]
    {
        let verdicts = [
            chain::openssl(root, &pair.certificate, name),
            chain::go(&verify, root, &pair.certificate, name),
            chain::python(root, pair, name),
        ];
        assert!(verdicts.iter().all(|verdict| verdict.is_ok() == accepted), "{name}: {verdicts:?}");
    }
}

/// A host key, its identity and its recipient, by two conversions that know nothing of each other.
fn host_key(folder: &Path, machine: &str, verify: &Programs) -> (PathBuf, PathBuf, String) {
    let (key, identity) = (folder.join(machine), folder.join(format!("{machine}.identity")));
    seal::make_host_key(&key);
    seal::write_host_identity(verify, &key, &identity);
    let recipient = seal::host_recipient(&key.with_extension("pub"));
    let age_says = run(Command::new("age-keygen").arg("-y").arg(&identity)).stdout;
    assert_eq!(String::from_utf8(age_says).expect("UTF-8").trim_end(), recipient);
    (key, identity, recipient)
}

#[test]
fn sops_sops_nix_and_age_open_a_file_for_its_machine_and_for_no_other() {
    let wanted = [Peer::Age, Peer::Python, Peer::SshKeygen, Peer::Sops, Peer::GoVerify];
    let found: Vec<_> = wanted.into_iter().map(peer::find).collect();
    let [Some(_), Some(_), Some(_), Some(sops), Some(verify)] = &found[..] else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (plain, sealed, armored) =
        (folder.path().join("plain.yaml"), folder.path().join("sealed.yaml"), folder.path().join("key.age"));
    fs::write(&plain, "quorum: two of three\n").expect("a file");
    let (key, own, recipient) = host_key(folder.path(), "cp1", verify);
    let (other_key, other, _) = host_key(folder.path(), "cp2", verify);

    let mut command = Command::new(sops.path("sops"));
    command.args(["encrypt", "--age", &recipient, "--output"]).args([&sealed, &plain]);
    run(command.current_dir(folder.path()));
    assert_eq!(seal::sops(sops, &sealed, &own), Some(b"quorum: two of three\n".to_vec()));
    assert_eq!(seal::sops(sops, &sealed, &other), None);

    if let (Some(nix), true) = (peer::find(Peer::SopsNix), peer::namespaces()) {
        assert_eq!(seal::sops_nix(&nix, &sealed, "quorum", &key), Some(b"two of three".to_vec()));
        assert_eq!(seal::sops_nix(&nix, &sealed, "quorum", &other_key), None);
    }

    let mut command = Command::new("age");
    run(command.arg("-R").arg(key.with_extension("pub")).arg("-o").args([&armored, &plain]));
    assert_eq!(seal::age(&armored, &key), Some(b"quorum: two of three\n".to_vec()));
    assert_eq!(seal::age(&armored, &other_key), None);
}

#[test]
fn a_machines_folder_holds_what_its_identity_opens_and_no_more() {
    let wanted = [Peer::Openssl, Peer::Age, Peer::Python, Peer::SshKeygen, Peer::Sops, Peer::GoVerify];
    let found: Vec<_> = wanted.into_iter().map(peer::find).collect();
    let [Some(_), Some(_), Some(_), Some(_), Some(sops), Some(verify)] = &found[..] else { return };
    let pki = Pki::new(CaMode::Shared);
    let certs = pki.folder.path();
    let (_, identity, recipient) = host_key(certs, "host", verify);
    let own = pki.members[0].pair("etcd-server");
    let keys = serde_json::json!({ "etcd-server": fs::read_to_string(&own.key).expect("a key") });
    let (plain, sealed) = (certs.join("keys.json"), certs.join("cp1/keys.yaml"));
    fs::write(&plain, keys.to_string()).expect("a file");
    let mut command = Command::new(sops.path("sops"));
    command.args(["encrypt", "--age", &recipient, "--output-type", "yaml", "--output"]);
    run(command.args([&sealed, &plain]).current_dir(certs));

    let unsealed = MachineFiles::unseal(sops, certs, "cp1", &identity, &certs.join("unsealed"));
    let pair = unsealed.pair("etcd-server");
    for (there, here) in [(&pair.key, &own.key), (&pair.certificate, &own.certificate)] {
        assert_eq!(fs::read(there).expect("a file"), fs::read(here).expect("a file"));
    }
    assert!(unsealed.trust("etcd").starts_with(certs.join("unsealed")));
    // Its certificate is there, its key was not among the sealed ones.
    assert!(std::panic::catch_unwind(|| unsealed.pair("etcd-peer").clone()).is_err());
}

#[test]
fn a_damaged_file_does_not_pass_for_a_refusal() {
    let (Some(_), Some(_)) = (peer::find(Peer::Age), peer::find(Peer::SshKeygen)) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (key, file) = (folder.path().join("cp1"), folder.path().join("damaged.age"));
    seal::make_host_key(&key);
    fs::write(&file, "age-encryption.org/v1\n-> ").expect("a file");
    assert!(std::panic::catch_unwind(|| seal::age(&file, &key)).is_err());
}

fn namespaces_of(owner: &str) -> Vec<String> {
    let list = run(Command::new("ip").args(["netns", "list"])).stdout;
    let list = String::from_utf8(list).expect("UTF-8");
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| name.starts_with(&format!("quorate-{owner}-"))).map(str::to_owned).collect()
}

#[test]
fn namespaces_are_removed_when_their_network_or_their_owner_is_gone_and_not_before() {
    if !peer::namespaces() {
        return;
    }
    let mut owner = Command::new("true").spawn().expect("a process");
    owner.wait().expect("its end");
    let (dead, living) = (owner.id().to_string(), std::process::id().to_string());
    let earlier = Network::new(&[OUTSIDE]);
    let ours = namespaces_of(&living);
    run(Command::new("ip").args(["netns", "add", &format!("quorate-{dead}-0-cp1")]));
    drop(Network::new(&[OUTSIDE]));
    assert_eq!(namespaces_of(&dead), [""; 0]);
    // Other tests of this process come and go meanwhile; these are known to be in use.
    let still = namespaces_of(&living);
    let own: Vec<_> = ours.iter().filter(|name| name.starts_with(earlier.prefix())).collect();
    assert!(own.len() == 2 && own.iter().all(|name| still.contains(name)), "{own:?} in {still:?}");
    let prefix = earlier.prefix().to_owned();
    drop(earlier);
    assert!(namespaces_of(&living).iter().all(|name| !name.starts_with(&prefix)));
}

#[test]
fn a_process_on_a_machine_ends_with_the_thread_that_started_it() {
    if !peer::namespaces() {
        return;
    }
    let network = Network::new(&[OUTSIDE]);
    let host = network.host(OUTSIDE.0).clone();
    let spawn = move || {
        let mut command = host.command(Path::new("sleep"));
        let process = command.arg("60").stdout(Stdio::piped()).spawn().expect("it starts");
        // As itself, no longer as one of the wrappers in front of it.
        let name = format!("/proc/{}/comm", process.id());
        wait_for("sleep", Duration::from_secs(10), || match fs::read_to_string(&name) {
            Ok(name) if name.trim() == "sleep" => Ok(()),
            other => Err(format!("{other:?}")),
        });
        process
    };
    let mut process = std::thread::spawn(spawn).join().expect("the thread");
    wait_for("its end", Duration::from_secs(10), || {
        process.try_wait().expect("a child of ours").map(drop).ok_or("it still runs".into())
    });
}

//! etcd members as processes on the machines of a [`Network`](super::network::Network), with the settings that
//! the emitted NixOS modules give them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use quorate_pki::cluster::CaMode;

use super::client::etcdctl;
use super::files::MachineFiles;
use super::log::ServerLog;
use super::network::Host;
use super::peer::Programs;
use super::wait_for;

/// How long a cluster may take to become healthy: ten times the slowest start seen, since machines are shared.
const HEALTHY_WITHIN: Duration = Duration::from_secs(40);

/// The authority whose bundle etcd and its clients trust.
pub(crate) fn authority(mode: CaMode) -> &'static str {
    match mode {
        CaMode::Shared | CaMode::Separate => "etcd",
        CaMode::Single => "root",
    }
}

/// The URL that a member's clients use.
pub(crate) fn client_url(address: IpAddr) -> String {
    url(address, 2379)
}

/// The settings of one member as environment variables, for the bootstrap of a cluster called `cluster`:
/// addresses, certificates, trust, and who may connect. Where data lies and how it logs is the caller's affair.
///
/// The names in `*_ALLOWED_HOSTNAME` are single ones: etcd before 3.5.15 reads a comma list as one literal name.
pub(crate) fn etcd_environment(
    mode: CaMode,
    cluster: &str,
    files: &MachineFiles,
    member: &Host,
    members: &[&Host],
) -> BTreeMap<&'static str, String> {
    let (server, peer) = (files.pair("etcd-server"), files.pair("etcd-peer"));
    let trusted = text(files.trust(authority(mode)));
    let initial: Vec<_> = members.iter().map(|m| format!("{}={}", m.name, url(m.address, 2380))).collect();
    let mut settings = BTreeMap::from([
        ("ETCD_NAME", member.name.clone()),
        ("ETCD_LISTEN_CLIENT_URLS", format!("{},https://127.0.0.1:2379", client_url(member.address))),
        ("ETCD_ADVERTISE_CLIENT_URLS", client_url(member.address)),
        ("ETCD_LISTEN_PEER_URLS", url(member.address, 2380)),
        ("ETCD_INITIAL_ADVERTISE_PEER_URLS", url(member.address, 2380)),
        ("ETCD_INITIAL_CLUSTER", initial.join(",")),
        ("ETCD_INITIAL_CLUSTER_STATE", "new".into()),
        ("ETCD_INITIAL_CLUSTER_TOKEN", cluster.into()),
        ("ETCD_CERT_FILE", text(&server.certificate)),
        ("ETCD_KEY_FILE", text(&server.key)),
        ("ETCD_TRUSTED_CA_FILE", trusted.clone()),
        ("ETCD_CLIENT_CERT_AUTH", "true".into()),
        ("ETCD_PEER_CERT_FILE", text(&peer.certificate)),
        ("ETCD_PEER_KEY_FILE", text(&peer.key)),
        ("ETCD_PEER_TRUSTED_CA_FILE", trusted),
        ("ETCD_PEER_CLIENT_CERT_AUTH", "true".into()),
        ("ETCD_PEER_CERT_ALLOWED_HOSTNAME", format!("etcd-peer.{cluster}")),
    ]);
    if mode == CaMode::Single {
        settings.insert("ETCD_CLIENT_CERT_ALLOWED_HOSTNAME", format!("etcd-client.{cluster}"));
        // The gateway calls etcd with the server's certificate, which this name refuses.
        settings.insert("ETCD_ENABLE_GRPC_GATEWAY", "false".into());
    }
    settings
}

/// One etcd member. Dropping it kills the process by its own id.
#[derive(Debug)]
pub(crate) struct Member {
    host: Host,
    programs: Programs,
    settings: BTreeMap<&'static str, String>,
    folder: PathBuf,
    process: Child,
}

impl Member {
    /// Starts a member whose data and log lie in `folder`. Does not wait: a first member is not healthy alone.
    pub(crate) fn start(
        host: &Host,
        programs: &Programs,
        folder: &Path,
        settings: BTreeMap<&'static str, String>,
    ) -> Self {
        fs::create_dir_all(folder).expect("a folder for the member");
        let process = spawn(host, programs, folder, &settings);
        Self { host: host.clone(), programs: programs.clone(), settings, folder: folder.into(), process }
    }

    /// The machine it runs on.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Its process id; another one after [`restart`](Self::restart).
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged since its first start.
    pub(crate) fn log(&self) -> ServerLog {
        ServerLog::read(&log_path(&self.folder))
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        // Neither can fail in a way that matters: a process that has ended already is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills it if it runs and starts it again with the same data and settings.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.host, &self.programs, &self.folder, &self.settings);
    }

    /// The exit status, should it have ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.process.try_wait().expect("a child of ours").map(|status| status.to_string())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a member on each machine, `files` being in the same order, and waits until all are healthy.
pub(crate) fn start_cluster(
    programs: &Programs,
    mode: CaMode,
    cluster: &str,
    machines: &[(&Host, &MachineFiles)],
    folder: &Path,
) -> Vec<Member> {
    let hosts: Vec<_> = machines.iter().map(|(host, _)| *host).collect();
    let start = |(host, files): &(&Host, &MachineFiles)| {
        let settings = etcd_environment(mode, cluster, files, host, &hosts);
        Member::start(host, programs, &folder.join(&host.name), settings)
    };
    let mut members: Vec<_> = machines.iter().map(start).collect();
    let files: Vec<_> = machines.iter().map(|(_, files)| *files).collect();
    for (member, files) in members.iter_mut().zip(files) {
        wait_healthy(member, mode, files);
    }
    members
}

/// Waits until a member answers a linearizable read over TLS, asked by `etcdctl` with its healthcheck client.
/// Panics with the end of the log when it ends or takes too long.
pub(crate) fn wait_healthy(member: &mut Member, mode: CaMode, files: &MachineFiles) {
    let name = format!("etcd on {}", member.host.name);
    wait_for(&name, HEALTHY_WITHIN, || {
        if let Some(status) = member.ended() {
            panic!("{name} ended with {status}: {}", member.log().tail());
        }
        let client = files.pair("etcd-healthcheck-client");
        let trust = files.trust(authority(mode));
        let output = etcdctl(&member.programs, &member.host, trust, client, &[member.host.address])
            .args(["--command-timeout", "2s", "endpoint", "health"])
            .output()
            .expect("etcdctl starts");
        if output.status.success() { Ok(()) } else { Err(member.log().tail()) }
    });
}

fn spawn(
    host: &Host,
    programs: &Programs,
    folder: &Path,
    settings: &BTreeMap<&'static str, String>,
) -> Child {
    let log = File::options().create(true).append(true).open(log_path(folder)).expect("a log file");
    host.command(&programs.path("etcd"))
        .envs(settings)
        .env("ETCD_DATA_DIR", folder.join("data"))
        // JSON on both sides of 3.5, and the names on a refused certificate with it.
        .env("ETCD_LOGGER", "zap")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("etcd starts")
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn url(address: IpAddr, port: u16) -> String {
    format!("https://{}", std::net::SocketAddr::new(address, port))
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").into()
}

//! The three daemons of a Kubernetes master as processes on a machine of a [`Network`](super::network::Network), with
//! the flags that the emitted NixOS modules must give them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use quorate_pki::authority::Authority;
use quorate_pki::cluster::CaMode;
use serde_json::json;

use super::api::{Api, Login};
use super::etcd::client_url;
use super::files::{MachineFiles, Pair};
use super::log::ServerLog;
use super::network::Host;
use super::peer::Programs;
use super::wait_for;

/// How long an API server may take until it is ready: they take 5 s, and machines are shared.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The port of the API servers.
pub(crate) const PORT: u16 = 6443;

/// The flags of a daemon by name, without the dashes.
pub(crate) type Flags = BTreeMap<&'static str, String>;

/// What an inventory says that these daemons are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) mode: CaMode,
    /// `cluster.domain`.
    pub(crate) domain: &'static str,
    /// `cluster.serviceCidr`.
    pub(crate) services: &'static str,
    /// `cluster.podCidr`.
    pub(crate) pods: &'static str,
}

/// The bundle that a setting of this purpose names in this mode.
pub(crate) fn trust(mode: CaMode, files: &MachineFiles, purpose: Authority) -> &Path {
    files.trust(mode.serving(purpose).name())
}

/// The flags of the API server on `master`, all that its certificates and keys ask for: what it presents, whom it
/// believes, and by what it calls etcd, kubelets and aggregated API servers.
///
/// The one place where the tests say so. The emitted NixOS modules must say the same; nixpkgs' own module sets none of
/// `requestheader-*` and lets `caFile` stand for every trust file.
pub(crate) fn apiserver_flags(
    settings: Settings,
    files: &MachineFiles,
    master: &Host,
    members: &[&Host],
) -> Flags {
    let file = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let certificate = |kind| file(&files.pair(kind).certificate);
    let key = |kind| file(&files.pair(kind).key);
    let bundle = |purpose| file(trust(settings.mode, files, purpose));
    let etcd: Vec<_> = members.iter().map(|member| client_url(member.address)).collect();
    let service_account = files.shared("service-account");
    BTreeMap::from([
        ("advertise-address", master.address.to_string()),
        ("secure-port", PORT.to_string()),
        ("allow-privileged", "true".into()),
        ("service-cluster-ip-range", settings.services.into()),
        ("tls-cert-file", certificate("apiserver")),
        ("tls-private-key-file", key("apiserver")),
        // Who logs in, and with what right.
        ("client-ca-file", bundle(Authority::Kubernetes)),
        ("authorization-mode", "Node,RBAC".into()),
        ("enable-admission-plugins", "NodeRestriction".into()),
        ("service-account-issuer", format!("https://kubernetes.default.svc.{}", settings.domain)),
        ("service-account-key-file", file(&service_account.with_extension("pub"))),
        ("service-account-signing-key-file", file(service_account)),
        // Who may name another user. Without the names any certificate of that authority could, which in `single` is
        // every one: kube-apiserver 1.36 does not start then.
        ("requestheader-client-ca-file", bundle(Authority::FrontProxy)),
        ("requestheader-allowed-names", "front-proxy-client".into()),
        ("requestheader-username-headers", "X-Remote-User".into()),
        ("requestheader-group-headers", "X-Remote-Group".into()),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-".into()),
        ("proxy-client-cert-file", certificate("front-proxy-client")),
        ("proxy-client-key-file", key("front-proxy-client")),
        // Whom it calls.
        ("etcd-servers", etcd.join(",")),
        ("etcd-cafile", bundle(Authority::Etcd)),
        ("etcd-certfile", certificate("apiserver-etcd-client")),
        ("etcd-keyfile", key("apiserver-etcd-client")),
        ("encryption-provider-config", file(files.shared("encryption-config"))),
        ("kubelet-certificate-authority", bundle(Authority::Kubernetes)),
        ("kubelet-client-certificate", certificate("apiserver-kubelet-client")),
        ("kubelet-client-key", key("apiserver-kubelet-client")),
        // By address: a machine's name need not resolve on the masters.
        ("kubelet-preferred-address-types", "InternalIP,Hostname".into()),
    ])
}

/// The flags of the controller manager. It speaks to its own machine's API server alone, by `kubeconfig`.
pub(crate) fn controller_manager_flags(settings: Settings, files: &MachineFiles, kubeconfig: &Path) -> Flags {
    let file = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    BTreeMap::from([
        ("kubeconfig", file(kubeconfig)),
        ("bind-address", "127.0.0.1".into()),
        ("leader-elect", "true".into()),
        ("use-service-account-credentials", "true".into()),
        ("service-account-private-key-file", file(files.shared("service-account"))),
        ("root-ca-file", file(trust(settings.mode, files, Authority::Root))),
        ("allocate-node-cidrs", "true".into()),
        ("cluster-cidr", settings.pods.into()),
        ("service-cluster-ip-range", settings.services.into()),
    ])
}

/// The flags of the scheduler, likewise.
pub(crate) fn scheduler_flags(kubeconfig: &Path) -> Flags {
    BTreeMap::from([
        ("kubeconfig", kubeconfig.to_str().expect("a path in UTF-8").to_owned()),
        ("bind-address", "127.0.0.1".into()),
        ("leader-elect", "true".into()),
    ])
}

/// Writes a kubeconfig that names files, so that a renewed certificate needs no new one.
pub(crate) fn write_kubeconfig(path: &Path, server: &str, root: &Path, user: &Pair) {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": server, "certificate-authority": root } }],
        "users": [{ "name": "u", "user": { "client-certificate": user.certificate, "client-key": user.key } }],
        "contexts": [{ "name": "u@c", "context": { "cluster": "c", "user": "u" } }],
        "current-context": "u@c",
    });
    fs::write(path, config.to_string()).expect("a file");
}

/// One process. Dropping it kills it by its own id.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    log: PathBuf,
    process: Child,
}

impl Daemon {
    /// Starts a program; what it says goes to `folder/<program>.log`.
    pub(crate) fn start(host: &Host, program: &Path, arguments: &[String], folder: &Path) -> Self {
        let base = program.file_name().expect("a program").to_string_lossy();
        let log = folder.join(format!("{base}.log"));
        fs::create_dir_all(folder).expect("a folder for the log");
        let out = File::options().create(true).append(true).open(&log).expect("a log file");
        let process = host
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{base} does not start: {error}"));
        Self { name: format!("{base} on {}", host.name), log, process }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Panics with the end of its log should it have ended by itself.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.process.try_wait().expect("a child of ours") {
            panic!("{} ended with {status}: {}", self.name, self.tail());
        }
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| panic!("{}: {error}", self.log.display()))
    }

    /// The last lines of its log, for a person.
    pub(crate) fn tail(&self) -> String {
        ServerLog::read(&self.log).tail()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Neither can fail in a way that matters: a process that has ended already is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The daemons of one master.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) host: Host,
    pub(crate) apiserver: Daemon,
    pub(crate) controller_manager: Daemon,
    pub(crate) scheduler: Daemon,
}

impl Master {
    /// Where its API server answers.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host.address, PORT)
    }

    /// Its processes.
    pub(crate) fn daemons(&mut self) -> [&mut Daemon; 3] {
        [&mut self.apiserver, &mut self.controller_manager, &mut self.scheduler]
    }
}

/// Starts a server that says who called it, in the place of a kubelet or of an aggregated API server, with this pair
/// and for the clients of this bundle. `verify` is [`Peer::GoVerify`](super::peer::Peer::GoVerify).
pub(crate) fn stand_in(
    verify: &Programs,
    address: SocketAddr,
    host: &Host,
    pair: &Pair,
    clients: &Path,
    folder: &Path,
) -> Daemon {
    let file = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let mut arguments = vec!["stand-in".to_owned(), "-address".into(), address.to_string()];
    arguments.extend(["-cert".into(), file(&pair.certificate), "-key".into(), file(&pair.key)]);
    arguments.extend(["-clients".into(), file(clients)]);
    Daemon::start(host, &verify.path("go-verify"), &arguments, folder)
}

/// Starts the API servers of all masters side by side, and when all are ready their controller managers and
/// schedulers. Logs and kubeconfigs lie in `folder`.
pub(crate) fn start_masters(
    programs: &Programs,
    settings: Settings,
    masters: &[(&Host, &MachineFiles)],
    members: &[&Host],
    folder: &Path,
) -> Vec<Master> {
    let start_apiserver = |(host, files): &(&Host, &MachineFiles)| {
        let flags = apiserver_flags(settings, files, host, members);
        Daemon::start(host, &programs.path("kube-apiserver"), &rendered(&flags), &folder.join(&host.name))
    };
    let mut apiservers: Vec<_> = masters.iter().map(start_apiserver).collect();
    for ((host, files), apiserver) in masters.iter().zip(&mut apiservers) {
        wait_ready(apiserver, host, trust(settings.mode, files, Authority::Root));
    }
    let start_others = |((host, files), apiserver): (&(&Host, &MachineFiles), Daemon)| {
        let folder = folder.join(&host.name);
        let kubeconfig = |kind| {
            let path = folder.join(format!("{kind}.kubeconfig"));
            let root = trust(settings.mode, files, Authority::Root);
            write_kubeconfig(&path, &format!("https://127.0.0.1:{PORT}"), root, files.pair(kind));
            path
        };
        let start =
            |program: &str, flags| Daemon::start(host, &programs.path(program), &rendered(&flags), &folder);
        let manager = controller_manager_flags(settings, files, &kubeconfig("controller-manager"));
        Master {
            host: (*host).clone(),
            apiserver,
            controller_manager: start("kube-controller-manager", manager),
            scheduler: start("kube-scheduler", scheduler_flags(&kubeconfig("scheduler"))),
        }
    };
    masters.iter().zip(apiservers).map(start_others).collect()
}

/// As a command line has them.
pub(crate) fn rendered(flags: &Flags) -> Vec<String> {
    flags.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

/// Waits until an API server says itself that it is ready. Panics with the end of its log when it ends or takes too
/// long.
fn wait_ready(apiserver: &mut Daemon, host: &Host, root: &Path) {
    let server = SocketAddr::new(host.address, PORT);
    let name = apiserver.name.clone();
    wait_for(&name, READY_WITHIN, || {
        apiserver.assert_running();
        let api = Api { host, trust: root, login: Login::Nothing, server };
        match api.try_request("GET", "/readyz", &[], None) {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{answer:?}\n{}", apiserver.tail())),
            Err(error) => Err(format!("{error}\n{}", apiserver.tail())),
        }
    });
}

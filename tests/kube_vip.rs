//! kube-vip itself, with the environment and the files of the emitted modules, and a router with what `pki router`
//! prints: the virtual IP leads to the masters whose API server is ready, and to no other.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a fault ends the test with its text; `--nocapture` shows times"
)]

mod cluster;
mod deployed;
mod project;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cluster::network::{Host, Network};
use cluster::peer::{Peer, Programs};
use cluster::wait_for;
use deployed::{Deployment, inventory};
use project::Project;

const MACHINES: [(&str, &str); 4] =
    [("router", "10.13.13.1"), ("cp1", "10.13.13.11"), ("cp2", "10.13.13.12"), ("cp3", "10.13.13.13")];
const MASTERS: [&str; 3] = ["cp1", "cp2", "cp3"];
const VIRTUAL: &str = "10.13.14.10";
/// How long anything may take on a busy machine; what it takes is measured, not asserted.
const BOUND: Duration = Duration::from_mins(1);

/// An API server as far as kube-vip asks one: TLS, and `/readyz`.
const SERVER: &str = r#"
import http.server, os, ssl, sys
certificate, key, ready = sys.argv[1:]
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" and os.path.exists(ready) else 500)
        self.end_headers()
    def log_message(self, *_): pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 6443), Answer)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command, log: &Path) -> Running {
    let log = File::create(log).expect("a log");
    let errors = log.try_clone().expect("the same log");
    Running(command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("it starts"))
}

/// What stands between two texts.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect("both texts").0
}

/// The router, three masters with an API server each, and kube-vip on each of them.
struct Rig {
    network: Network,
    folder: PathBuf,
    _deployment: Deployment,
    servers: Vec<Running>,
    speakers: Vec<Running>,
    _router: Running,
}

impl Rig {
    fn new(settings: &str) -> Option<Self> {
        let wanted =
            [Peer::Namespaces, Peer::Sops, Peer::GoVerify, Peer::KubeVip, Peer::Routers, Peer::Python];
        let [_, sops, verify, kube_vip, routers, _] = deployed::peers(wanted)?;
        let endpoint = format!("ip = \"{VIRTUAL}\"; gateway = \"10.13.13.1\"; {settings}");
        let machines = inventory(3, "").replace("ip = \"10.13.13.10\"; mode = \"arp\";", &endpoint);
        let project = Project::new(&machines);
        project.pki(["gen", "certs", "--new-identity"]).expect(0);
        project.pki(["modules"]).expect(0);
        let password = settings.contains("password").then(|| {
            let told = project.secrets(["get", "secrets/masters/cluster.yaml", "bgp-password"]);
            told.expect(0).stdout.trim().to_owned()
        });
        let side = project.pki(["router", "bird"]).expect(0).stdout;
        let modules = project.path("modules");
        let deployment = Deployment::of(project, &sops, &verify);
        let folder = deployment.folder("run");
        fs::create_dir_all(&folder).expect("a folder");
        let network = Network::new(&MACHINES);
        let router = bird(&network, &routers, &folder, &side, password.as_deref());
        let (mut servers, mut speakers) = (Vec::new(), Vec::new());
        fs::write(folder.join("server.py"), SERVER).expect("a script");
        for name in MASTERS {
            let host = network.host(name);
            let files = deployment.machine(name);
            let own = folder.join(name);
            fs::create_dir_all(own.join("files")).expect("a folder");
            fs::write(own.join("ready"), "").expect("a file");
            if let Some(password) = &password {
                // As sops-nix writes it: without a line feed.
                fs::write(own.join("password"), password).expect("a file");
            }
            let pair = files.pair("apiserver");
            let mut python = host.command(Path::new("python3"));
            python.arg(folder.join("server.py")).arg(&pair.certificate).arg(&pair.key).arg(own.join("ready"));
            servers.push(start(&mut python, &own.join("server.log")));
            let text = |file: &str| fs::read_to_string(modules.join(file)).expect("a module");
            render(host, &text("shared/master.nix"), files.trust("root"), &own);
            speakers.push(speak(host, &kube_vip, &text(&format!("{name}.nix")), &own));
        }
        Some(Self { network, folder, _deployment: deployment, servers, speakers, _router: router })
    }

    /// The masters by which the router reaches the virtual IP.
    fn ways(&self) -> Vec<&'static str> {
        let mut ip = self.network.host("router").command(Path::new("ip"));
        let output = ip.args(["route", "show", VIRTUAL]).output().expect("ip starts");
        let routes = String::from_utf8_lossy(&output.stdout).into_owned();
        let leads_to = |name: &&&str| {
            let address = self.network.host(name).address;
            routes.split_whitespace().any(|word| word == address.to_string())
        };
        MASTERS.iter().filter(leads_to).copied().collect()
    }

    /// Waits until the router has these ways and no other, and says how long that took.
    fn expect(&self, what: &str, ways: &[&str]) {
        let begin = Instant::now();
        wait_for(what, BOUND, || {
            let found = self.ways();
            let logs = || {
                MASTERS.map(|name| {
                    fs::read_to_string(self.folder.join(name).join("kube-vip.log")).unwrap_or_default()
                })
            };
            if found == ways { Ok(()) } else { Err(format!("{found:?}\n{}", logs().join("\n"))) }
        });
        println!("{what}: {:.1} s", begin.elapsed().as_secs_f64());
    }

    fn ready(&self, name: &str, is_ready: bool) {
        let file = self.folder.join(name).join("ready");
        if is_ready { fs::write(file, "") } else { fs::remove_file(file) }.expect("a file");
    }
}

/// BIRD on the router, with the printed side; the password stands where it says that one belongs.
fn bird(network: &Network, routers: &Programs, folder: &Path, side: &str, password: Option<&str>) -> Running {
    let text = match password {
        Some(password) => side.replace("# password \"...\";", &format!("password \"{password}\";")),
        None => side.to_owned(),
    };
    assert!(!text.contains("\"...\""), "{text}");
    let file = folder.join("bird.conf");
    fs::write(&file, text).expect("a file");
    let mut bird = network.host("router").command(&routers.path("bird"));
    bird.arg("-f").arg("-c").arg(&file).arg("-s").arg(folder.join("bird.ctl"));
    start(&mut bird, &folder.join("bird.log"))
}

/// Runs the unit's script with the machine's own paths.
fn render(host: &Host, module: &str, root: &Path, own: &Path) {
    let unit = module.split_once("quorate-kube-vip = {").expect("the unit").1;
    let script = between(unit, "script = ''\n", "\n      '';").replace("''${", "${");
    let indent = script.len() - script.trim_start().len();
    let script: String =
        script.lines().map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect();
    let shown = |path: PathBuf| path.display().to_string();
    let script = script
        .replace("/etc/quorate/pki/trust/root.crt", &root.display().to_string())
        .replace("/run/secrets/quorate/bgp-password", &shown(own.join("password")))
        .replace("/run/quorate/kube-vip", &shown(own.join("files")))
        // The path inside of the pod; and kube-vip of another test is none of its business.
        .replace("/etc/kube-vip", &shown(own.join("files")))
        .replace("pkill --exact kube-vip", "true");
    let output = host.command(Path::new("bash")).args(["-e", "-c", &script]).output().expect("bash starts");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// kube-vip with the arguments and the environment of the pod.
fn speak(host: &Host, kube_vip: &Programs, module: &str, own: &Path) -> Running {
    let inside = |text: &str| text.replace("/etc/kube-vip", &own.join("files").display().to_string());
    let pod = module.split_once("manifests.kube-vip").expect("the pod").1;
    let args = between(pod, "args = [", "];").split_whitespace().map(|word| inside(word.trim_matches('"')));
    let env =
        between(pod, "lib.nameValuePair {", "};").lines().filter_map(|line| line.trim().split_once(" = "));
    let mut command = host.command(&kube_vip.path("kube-vip"));
    command.args(args);
    for (name, value) in env {
        command.env(name, inside(value.trim_matches([';', '"'])));
    }
    start(&mut command, &own.join("kube-vip.log"))
}

#[test]
fn the_router_has_a_way_to_each_master_that_is_ready_and_to_no_other() {
    let Some(mut rig) = Rig::new("") else { return };
    rig.expect("three masters announce the virtual IP", &MASTERS);
    rig.ready("cp1", false);
    rig.expect("an API server that says it is not ready loses its route", &["cp2", "cp3"]);
    rig.ready("cp1", true);
    rig.expect("and has it again once it is", &MASTERS);
    drop(rig.servers.remove(1));
    rig.expect("an API server that is dead loses its route", &["cp1", "cp3"]);
    drop(rig.speakers.remove(2));
    rig.expect("a kube-vip that is killed takes its route along", &["cp1"]);
}

#[test]
fn a_password_reaches_kube_vip_and_is_in_no_argument_or_variable() {
    let Some(rig) = Rig::new("bgp.password = true;") else { return };
    rig.expect("three masters announce the virtual IP to a router that asks for a password", &MASTERS);
    let password = fs::read_to_string(rig.folder.join("cp1/password")).expect("the password");
    assert_eq!(password.len(), 24, "a password of ours");
    for speaker in &rig.speakers {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{}/{file}", speaker.0.id())).expect("of a process of ours");
            assert!(!String::from_utf8_lossy(&text).contains(&password), "{file}");
        }
    }
    rig.ready("cp3", false);
    rig.expect("and an API server that is not ready loses its route", &["cp1", "cp2"]);
}

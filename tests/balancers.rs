//! The emitted configuration of HAProxy, read by HAProxy itself and run before three API servers: it passes on to those
//! that say they are ready, whose certificate it believes.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod deployed;
mod project;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cluster::files::MachineFiles;
use cluster::network::{Host, Network};
use cluster::peer::Peer;
use cluster::{run, wait_for};
use deployed::{Deployment, inventory};
use project::Project;

const MACHINES: [(&str, &str); 3] = [("cp1", "10.13.13.11"), ("cp2", "10.13.13.12"), ("cp3", "10.13.13.13")];

/// An API server as far as HAProxy knows one: TLS, `/readyz`, and its own name for everything else.
const SERVER: &str = r#"
import http.server, os, ssl, sys
address, certificate, key, name, ready = sys.argv[1:]
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path != "/readyz" or os.path.exists(ready)
        self.send_response(200 if ok else 500)
        self.end_headers()
        self.wfile.write(name.encode())
    def log_message(self, *_): pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer((address, 6443), Answer)
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

fn start(command: &mut Command) -> Running {
    Running(
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"),
    )
}

/// The text of `config` in an emitted module, without what it is indented by.
fn emitted(module: &str) -> String {
    let text = module.split_once("config = ''\n").expect("a configuration").1;
    let text = text.split_once("'';").expect("its end").0;
    let indent =
        text.lines().map(|line| line.len() - line.trim_start().len()).filter(|&n| n > 0).min().unwrap_or(0);
    text.lines().map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect()
}

/// Who answers behind HAProxy on `host`, asked as kubectl would: by the root alone.
fn answer(host: &Host, root: &Path, path: &str) -> Option<String> {
    let url = format!("https://127.0.0.1:8443{path}");
    let mut curl = host.command(Path::new("curl"));
    let output = curl.args(["-sf", "--max-time", "3", "--cacert"]).arg(root).arg(url).output().expect("curl");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn haproxy_passes_on_to_the_masters_that_are_ready_and_to_no_other() {
    let wanted = [Peer::Namespaces, Peer::Sops, Peer::GoVerify, Peer::Balancers, Peer::Python, Peer::Curl];
    let Some([_, sops, verify, balancers, ..]) = deployed::peers(wanted) else { return };
    let keepalived = inventory(3, "").replace("mode = \"arp\";", "mode = \"keepalived\";");
    let project = Project::new(&keepalived);
    project.pki(["gen", "certs", "--new-identity"]).expect(0);
    project.pki(["modules"]).expect(0);
    let config = emitted(&fs::read_to_string(project.path("modules/shared/master.nix")).expect("a module"));
    let deployment = Deployment::of(project, &sops, &verify);
    let folder = deployment.folder("run");
    fs::create_dir_all(&folder).expect("a folder");
    let network = Network::new(&MACHINES);
    let files: Vec<MachineFiles> = MACHINES.iter().map(|(name, _)| deployment.machine(name)).collect();
    let root = files[0].trust("root").to_owned();

    let path = folder.join("haproxy.cfg");
    fs::write(&path, config.replace("/etc/quorate/pki/trust/root.crt", &root.display().to_string()))
        .expect("a file");
    let host = network.host("cp1");
    let haproxy = balancers.path("haproxy");
    run(host.command(&haproxy).arg("-c").arg("-f").arg(&path));

    let script = folder.join("server.py");
    fs::write(&script, SERVER).expect("a script");
    let ready = |name: &str| folder.join(format!("{name}.ready"));
    let _servers: Vec<Running> = MACHINES
        .iter()
        .zip(&files)
        .map(|((name, address), files)| {
            fs::write(ready(name), "").expect("a file");
            // The third shows a certificate of another authority: etcd's.
            let pair = files.pair(if *name == "cp3" { "etcd-server" } else { "apiserver" });
            let mut python = network.host(name).command(Path::new("python3"));
            python.arg(&script).arg(address).arg(&pair.certificate).arg(&pair.key).arg(name).arg(ready(name));
            start(&mut python)
        })
        .collect();
    let _haproxy = start(host.command(&haproxy).arg("-db").arg("-f").arg(&path));

    let seen = |of: &[&str]| {
        wait_for(&format!("{of:?} behind HAProxy"), Duration::from_secs(30), || {
            let names: Vec<_> = (0..12).map(|_| answer(host, &root, "/")).collect();
            let only = names.iter().all(|name| name.as_deref().is_some_and(|name| of.contains(&name)));
            let all = of.iter().all(|one| names.iter().any(|name| name.as_deref() == Some(*one)));
            if only && all { Ok(()) } else { Err(format!("{names:?}")) }
        });
    };
    seen(&["cp1", "cp2"]);
    fs::remove_file(ready("cp1")).expect("a file");
    seen(&["cp2"]);
    assert_eq!(answer(host, &root, "/readyz").as_deref(), Some("cp2"), "the health check of keepalived");
    fs::write(ready("cp1"), "").expect("a file");
    seen(&["cp1", "cp2"]);
    fs::remove_file(ready("cp1")).expect("a file");
    fs::remove_file(ready("cp2")).expect("a file");
    wait_for("nobody is ready", Duration::from_secs(30), || match answer(host, &root, "/readyz") {
        None => Ok(()),
        Some(name) => Err(name),
    });
}

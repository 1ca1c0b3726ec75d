//! Clients of the servers under test: `etcdctl`, and loops of new TLS connections.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::etcd::{Member, client_url};
use super::files::Pair;
use super::log::Reason;
use super::network::Host;
use super::peer::Programs;
use super::{unique, wait_for};

/// `etcdctl` on a machine, with a client's pair; the caller adds the command.
pub(crate) fn etcdctl(
    programs: &Programs,
    host: &Host,
    trust: &Path,
    client: &Pair,
    members: &[IpAddr],
) -> Command {
    let endpoints: Vec<_> = members.iter().map(|address| client_url(*address)).collect();
    let mut command = host.command(&programs.path("etcdctl"));
    command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoints.join(",")]);
    command.arg("--cacert").arg(trust).arg("--cert").arg(&client.certificate).arg("--key").arg(&client.key);
    command
}

/// Who opens TLS connections from where: go-verify on a machine, with a client's pair or without any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) verify: &'a Programs,
    pub(crate) host: &'a Host,
    pub(crate) trust: &'a Path,
    pub(crate) client: Option<&'a Pair>,
}

/// What became of a number of connections.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Connections {
    /// Hexadecimal serial of the server's leaf, and how many connections it answered.
    pub(crate) served: BTreeMap<String, u32>,
    /// The client's error, and how many connections met it.
    pub(crate) failures: BTreeMap<String, u32>,
}

impl Caller<'_> {
    /// One connection and one request on it.
    pub(crate) fn once(&self, server: SocketAddr) -> Connections {
        judge(self.command(server).spawn().expect("go-verify starts"))
    }

    /// The same for a server that is asked for by this name, whatever its address.
    pub(crate) fn once_by_name(&self, server: SocketAddr, name: &str) -> Connections {
        judge(self.command(server).args(["-name", name]).spawn().expect("go-verify starts"))
    }

    /// Starts opening connections, one request on each, at most one every 2 ms: at least `count`, and on until
    /// [`ConnectLoop::finish`]. Returns after the first. `folder` takes the files that mark begin and end.
    pub(crate) fn connect_loop(&self, server: SocketAddr, count: u32, folder: &Path) -> ConnectLoop {
        self.request_loop(server, "/version", "2ms", count, folder)
    }

    /// The same with another path than `/version`, which must answer 200, and another pause, as Go writes it.
    pub(crate) fn request_loop(
        &self,
        server: SocketAddr,
        path: &str,
        pause: &str,
        count: u32,
        folder: &Path,
    ) -> ConnectLoop {
        let number = unique();
        let (begun, enough) =
            (folder.join(format!("begun-{number}")), folder.join(format!("enough-{number}")));
        let mut command = self.command(server);
        command.args(["-path", path, "-pause", pause, "-count", &count.to_string()]);
        command.arg("-begun").arg(&begun).arg("-until").arg(&enough);
        let started = ConnectLoop { process: Some(command.spawn().expect("go-verify starts")), enough };
        wait_for("the first connection of a loop", Duration::from_secs(20), || {
            if begun.exists() { Ok(()) } else { Err("go-verify is not that far".into()) }
        });
        started
    }

    /// One connection to a member's port, as the server saw it: `Ok` with the serial it served, or why it refused.
    /// Panics when the client failed and the server did not refuse. One attempt at a time from each machine.
    pub(crate) fn attempt(&self, member: &Member, port: u16) -> Result<String, Reason> {
        let refused = || {
            let mut all = member.log().rejections();
            all.retain(|rejection| rejection.from == self.host.address);
            all
        };
        let before = refused().len();
        let seen = self.once(SocketAddr::new(member.host().address, port));
        if let Some(serial) = seen.served.into_keys().next() {
            return Ok(serial);
        }
        let refusal = wait_for("the server's word on a refused client", Duration::from_secs(10), || {
            refused().into_iter().nth(before).ok_or_else(|| format!("only the client's: {:?}", seen.failures))
        });
        Err(refusal.reason)
    }

    fn command(&self, server: SocketAddr) -> Command {
        let mut command = self.host.command(&self.verify.path("go-verify"));
        command.args(["connect", "-address", &server.to_string(), "-trust"]).arg(self.trust);
        if let Some(pair) = self.client {
            command.arg("-cert").arg(&pair.certificate).arg("-key").arg(&pair.key);
        }
        command.stdout(Stdio::piped());
        command
    }
}

/// Connections that are still being opened. Dropped before its end, it is killed.
#[derive(Debug)]
pub(crate) struct ConnectLoop {
    process: Option<Child>,
    enough: PathBuf,
}

impl ConnectLoop {
    /// Ends the loop once it has made its count, and one connection after this call. Says what became of all.
    pub(crate) fn finish(mut self) -> Connections {
        fs::write(&self.enough, "").expect("the file that ends the loop");
        judge(self.process.take().expect("finished once"))
    }
}

impl Drop for ConnectLoop {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn judge(mut process: Child) -> Connections {
    let mut text = String::new();
    process.stdout.take().expect("a pipe").read_to_string(&mut text).expect("UTF-8");
    let status = process.wait().expect("a child of ours");
    assert!(status.success(), "go-verify failed with {status}");
    serde_json::from_str(&text).expect("the judgement of go-verify")
}

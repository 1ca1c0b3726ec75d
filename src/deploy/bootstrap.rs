//! What a person does by hand for a first cluster: a later release does it.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

use quorate_pki::cluster::{Cluster, Machine};

use crate::error::Error;

/// The marker that lets etcd begin, read by its unit before each start.
const MARKER: &str = "/var/lib/quorate-etcd/bootstrap";

/// Where members of etcd speak to each other.
/// Source: IANA, `etcd-server`.
const PEER_PORT: u16 = 2380;

/// What nobody else applies: the bindings and CoreDNS, by a login that is gone afterwards.
const ADDONS: [&str; 3] = [
    "(umask 077; pki kubeconfig super-admin >\"$XDG_RUNTIME_DIR/super-admin\")",
    "kubectl --kubeconfig \"$XDG_RUNTIME_DIR/super-admin\" apply -f modules/addons.yaml",
    "rm \"$XDG_RUNTIME_DIR/super-admin\"",
];

/// How many letters a token has, in hexadecimal.
const TOKEN_LENGTH: usize = 32;

/// The commands that make the members of etcd one new cluster, as a shell takes them, for whoever installed all of them.
/// `token` must be one that no cluster of these machines had before.
pub(super) fn commands(cluster: &Cluster, token: &str) -> String {
    let members: Vec<&Machine> = cluster.etcd_members().collect();
    let urls: Vec<String> = members
        .iter()
        .filter_map(|member| {
            Some(format!("{}=https://{}:{PEER_PORT}", member.name(), bracketed(member.ip()?)))
        })
        .collect();
    let urls = urls.join(",");
    let mut lines = Vec::new();
    for member in members {
        let Some(ip) = member.local_ip() else { continue };
        let user = member.ssh_user();
        let sudo = if user == "root" { "" } else { "sudo " };
        let place = format!("{sudo}install -D -o etcd -m 0600 /dev/stdin {MARKER}");
        let begin = format!("{sudo}systemctl restart --no-block etcd");
        lines.extend([
            format!("ssh {user}@{ip} '{place} && {begin}' <<'END'"),
            format!("ETCD_INITIAL_CLUSTER_TOKEN={token}"),
            format!("ETCD_INITIAL_CLUSTER={urls}"),
            "ETCD_INITIAL_CLUSTER_STATE=new".to_owned(),
            "END".to_owned(),
        ]);
    }
    lines.extend(ADDONS.map(str::to_owned));
    lines.join("\n") + "\n"
}

/// An address as it stands in a URL.
fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// A token that no cluster had before.
///
/// # Errors
/// [`Error::Io`] where the system gives no random bytes.
pub(super) fn token() -> Result<String, Error> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0_u8; size_of::<u128>()];
    let read = File::open(SOURCE).and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(Error::io("read", SOURCE))?;
    Ok(format!("{:0TOKEN_LENGTH$x}", u128::from_be_bytes(bytes)))
}

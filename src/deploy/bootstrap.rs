//! What a person does by hand for a first cluster: a later release does it.

use std::net::IpAddr;

use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::key::sha256;
use quorate_pki::manifest::Manifest;

use super::ask::Member;
use super::command::{KNOWN_HOSTS, quoted};
use super::ssh::strict;
use super::tree::Tree;

/// The marker that lets etcd begin, read by its unit before each start.
const MARKER: &str = "/var/lib/quorate-etcd/bootstrap";

/// Where members of etcd speak to each other.
/// Source: IANA, `etcd-server`.
const PEER_PORT: u16 = 2380;

/// The kind of certificate whose issuer is etcd's authority.
const ETCD_SERVER: &str = "etcd-server";

/// How many letters a token has, in hexadecimal.
const TOKEN_LENGTH: usize = 32;

/// The commands that make `members`, which are all of etcd's, one new cluster, and then give it what nobody else applies:
/// the bindings and CoreDNS, by a login that is gone afterwards. One subshell: a shell that reads what was pasted has read
/// all of it before the first command can, and ends at the first that fails.
///
/// The API is asked for at a master: the virtual IP may be one that somebody holds only once the bindings are there.
pub(super) fn commands(cluster: &Cluster, members: &[Member], token: &str, tree: &Tree) -> String {
    let urls: Vec<String> =
        cluster.etcd_members().filter_map(|member| Some(url(member.name(), member.ip()?))).collect();
    let urls = urls.join(",");
    let mut lines: Vec<String> = [
        "(",
        "set -eu",
        "admin=${XDG_RUNTIME_DIR:?}/super-admin known_hosts=$(mktemp)",
        "trap 'rm -f \"$admin\" \"$known_hosts\"' EXIT",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.extend(
        members.iter().map(|member| {
            format!("echo '{}' >>\"{KNOWN_HOSTS}\"", member.address.known_host(&member.public))
        }),
    );
    for member in members {
        lines.extend([
            format!("{} <<'END'", placing(member)),
            format!("ETCD_INITIAL_CLUSTER_TOKEN={token}"),
            format!("ETCD_INITIAL_CLUSTER={urls}"),
            "ETCD_INITIAL_CLUSTER_STATE=new".to_owned(),
            "END".to_owned(),
        ]);
    }
    lines.extend(addons(cluster, tree));
    lines.push(")".to_owned());
    lines.join("\n") + "\n"
}

/// ssh to a member and nobody else, which puts the marker there and lets etcd begin.
fn placing(member: &Member) -> String {
    let address = &member.address;
    let sudo = if address.user == "root" { "" } else { "sudo " };
    let place = format!("{sudo}install -D -o etcd -m 0600 /dev/stdin {MARKER}");
    let begin = format!("{sudo}systemctl restart --no-block etcd");
    let mut words = vec!["ssh".to_owned()];
    words.extend(strict(address, KNOWN_HOSTS, None).into_iter().flat_map(|option| ["-o".to_owned(), option]));
    words.extend(address.options.iter().cloned());
    words.extend([address.target(), format!("{place} && {begin}")]);
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// What is applied once an API server answers. The programs are the flake's.
fn addons(cluster: &Cluster, tree: &Tree) -> Vec<String> {
    let flake = &tree.flake;
    let server = cluster
        .masters()
        .find_map(Machine::local_ip)
        .map(|ip| format!("https://{}:{}", bracketed(ip), cluster.apiserver_port()));
    let Some(server) = server else { return Vec::new() };
    let path = |path: &std::path::Path| quoted(&path.display().to_string());
    let (certs, inventory) = (path(&tree.certs), path(&tree.inventory));
    let kubectl = format!("nix develop {} -c kubectl --kubeconfig \"$admin\"", quoted(flake));
    vec![
        format!(
            "(umask 077; nix run {} -- kubeconfig super-admin --certs {certs} --inventory {inventory} --server {server} >\"$admin\")",
            quoted(&format!("{flake}#pki"))
        ),
        format!("until {kubectl} get --raw /readyz; do sleep 2; done"),
        format!("{kubectl} apply --server-side -f {}", path(&tree.root.join("modules/addons.yaml"))),
    ]
}

fn url(name: &str, ip: IpAddr) -> String {
    format!("{name}=https://{}:{PEER_PORT}", bracketed(ip))
}

/// An address as it stands in a URL.
fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// The token of the cluster that these certificates are for: the same each time, so that it does not matter which of the
/// printed commands are run. It is no secret. `None` without an authority of etcd's.
pub(super) fn token(cluster: &Cluster, manifest: &Manifest) -> Option<String> {
    let member = manifest.certificates.iter().find(|record| record.kind == ETCD_SERVER)?;
    let authority = manifest
        .certificates
        .iter()
        .find(|record| record.id.as_str().strip_prefix("ca/") == Some(&member.issuer))?;
    let mut token = sha256(format!("{}\n{}\n", cluster.name(), authority.public_key).as_bytes());
    token.truncate(TOKEN_LENGTH);
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_has_brackets_in_a_url() {
        assert_eq!(url("cp1", "fd00::1".parse().unwrap()), "cp1=https://[fd00::1]:2380");
        assert_eq!(url("cp1", "10.0.0.1".parse().unwrap()), "cp1=https://10.0.0.1:2380");
    }
}

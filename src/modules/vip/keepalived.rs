//! keepalived moves the virtual IP between the masters by VRRP, and HAProxy on each of them spreads what comes to it
//! over all API servers that are ready.

use std::fmt::Write as _;
use std::net::IpAddr;

use quorate_pki::authority::Authority;
use quorate_pki::cluster::Machine;

use super::super::nix::{Nix, Settings, default, expr, lines, strings};
use super::super::units::{self, VRRP};
use super::super::{Site, host, keys, trust};
use super::READY;

/// The highest priority of a master. keepalived's own default is 100, and 255 is for the owner of an address.
const PRIORITY: usize = 150;

/// Where the password is for keepalived: in memory, as the line of an environment file.
const SECRET: &str = "/run/quorate/vrrp/env";

/// What all masters have alike.
pub(super) fn shared(site: &Site<'_>) -> Settings {
    let mut set = Settings::new();
    set.set("services.keepalived.enable", default(true));
    set.set("services.keepalived.secretFile", default(SECRET));
    let script = |option: &str| format!("services.keepalived.vrrpScripts.apiserver.{option}");
    set.comment(
        &script("script"),
        "By the front port: who has the address must be able to pass on what comes to it.",
    );
    set.set(&script("script"), default(expr(health(site))));
    set.set(&script("interval"), default(2_u16));
    set.set(&script("timeout"), default(3_u16));
    set.set(&script("fall"), default(3_u16));
    set.set(&script("rise"), default(2_u16));
    set.set(&script("user"), default("nobody"));
    set.set("services.haproxy.enable", default(true));
    set.set("services.haproxy.config", lines(&haproxy(site)));
    set.extend(password(site));
    set.extend(units::settings(site, &["haproxy"]));
    set
}

fn health(site: &Site<'_>) -> String {
    let port = site.cluster.endpoint().port();
    let root = trust(Authority::Root);
    format!(
        "\"${{pkgs.curl}}/bin/curl --silent --fail --output /dev/null --max-time 2 --cacert {root} \
         https://127.0.0.1:{port}{READY}\""
    )
}

/// The password, from its sealed file into the form that keepalived's unit reads.
fn password(site: &Site<'_>) -> Settings {
    let mut set = units::settings(site, &[VRRP]);
    let unit = |option: &str| format!("systemd.services.{VRRP}.{option}");
    set.set(&unit("description"), "The password of keepalived");
    set.set(&unit("before"), strings(["keepalived.service"]));
    let text = format!(
        "umask 077\npassword=$(<{})\nprintf 'VRRP_PASSWORD=%s\\n' \"$password\" >{SECRET}.new\nmv {SECRET}.new {SECRET}",
        keys::path(site, "vrrp-password")
    );
    set.set(&unit("script"), lines(&text));
    for (name, value) in [
        ("Type", Nix::from("oneshot")),
        ("RemainAfterExit", Nix::from(true)),
        ("Restart", Nix::from("on-failure")),
        ("RestartSec", Nix::from("10s")),
        ("RuntimeDirectory", Nix::from("quorate/vrrp")),
        ("RuntimeDirectoryMode", Nix::from("0700")),
    ] {
        set.set(&unit(&format!("serviceConfig.{name}")), value);
    }
    let service = format!("{VRRP}.service");
    // Its own timer starts it once; after a password that came late it is to start all the same.
    set.set("systemd.services.keepalived.wantedBy", strings([service.as_str()]));
    set.set("systemd.services.keepalived.requires", strings([service.as_str()]));
    set.set("systemd.services.keepalived.after", strings([service]));
    set
}

/// Every API server bears the name `kubernetes`; other certificates of the same root do not.
/// Source: HAProxy configuration manual, "option httpchk", "check-ssl", "verifyhost", "on-marked-down".
fn haproxy(site: &Site<'_>) -> String {
    let cluster = site.cluster;
    let port = cluster.endpoint().port();
    let masters = cluster.masters().flat_map(Machine::ips);
    let six = masters.chain(cluster.endpoint().ips()).any(IpAddr::is_ipv6);
    let bind = if six { format!(":::{port} v4v6") } else { format!("*:{port}") };
    let mut text = format!(
        "frontend quorate-api
  mode tcp
  bind {bind}
  timeout client 4h
  default_backend quorate-api

backend quorate-api
  mode tcp
  balance leastconn
  timeout connect 5s
  timeout server 4h
  option httpchk GET {READY}
  http-check expect status 200
  default-server inter 2s fall 3 rise 2 check check-ssl verify required verifyhost kubernetes ca-file {} on-marked-down shutdown-sessions
",
        trust(Authority::Root)
    );
    for master in cluster.masters() {
        if let Some(ip) = master.ip() {
            let _ = writeln!(text, "  server {} {}:{}", master.name(), host(ip), cluster.apiserver_port());
        }
    }
    text
}

/// What one master has of its own: its address, the others', and a priority that no other has.
pub(super) fn own(site: &Site<'_>, machine: &Machine, id: u8, interface: Option<&str>) -> Settings {
    let mut set = Settings::new();
    let (Some(ip), Some(interface)) = (machine.ip(), interface.or(machine.interface())) else { return set };
    let cluster = site.cluster;
    let others = cluster.masters().filter(|other| other.name() != machine.name());
    let peers = others.filter_map(|other| other.ips().iter().find(|of| of.is_ipv4() == ip.is_ipv4()));
    let place = cluster.masters().position(|other| other.name() == machine.name()).unwrap_or_default();
    let (first, rest): (Vec<&IpAddr>, Vec<&IpAddr>) =
        cluster.endpoint().ips().iter().partition(|vip| vip.is_ipv4() == ip.is_ipv4());
    let addresses = first.iter().map(|vip: &&IpAddr| {
        let mut set = Settings::new();
        set.set("addr", with_length(**vip));
        Nix::Set(set)
    });
    let vrrp = |option: &str| format!("services.keepalived.vrrpInstances.kubernetes.{option}");
    set.set(&vrrp("interface"), default(interface));
    set.set(&vrrp("state"), default("BACKUP"));
    set.set(&vrrp("noPreempt"), default(true));
    set.set(&vrrp("virtualRouterId"), default(u16::from(id)));
    let priority = u16::try_from(PRIORITY.saturating_sub(place).max(1)).unwrap_or(1);
    set.set(&vrrp("priority"), default(priority));
    set.set(&vrrp("unicastSrcIp"), default(ip.to_string()));
    set.set(&vrrp("unicastPeers"), default(strings(peers.map(ToString::to_string))));
    set.set(&vrrp("virtualIps"), default(Nix::List(addresses.collect())));
    set.set(&vrrp("trackScripts"), default(strings(["apiserver"])));
    let mut extra = "authentication {\n  auth_type PASS\n  auth_pass $VRRP_PASSWORD\n}\n".to_owned();
    if !rest.is_empty() {
        // One instance speaks one family; the other family's address moves with it.
        let rest: Vec<String> = rest.iter().map(|vip| with_length(**vip)).collect();
        let _ = write!(extra, "virtual_ipaddress_excluded {{\n  {}\n}}\n", rest.join("\n  "));
    }
    set.set(&vrrp("extraConfig"), lines(&extra));
    set
}

fn with_length(ip: IpAddr) -> String {
    format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })
}

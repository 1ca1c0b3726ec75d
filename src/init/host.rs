//! `hosts/<machine>.nix`: what a machine stands on before it is anything of Kubernetes.
//!
//! Values come from machines.nix when NixOS evaluates it, by the argument `inventory`: after a disk or an address was
//! changed there, nothing is stale here. What is decided when the file is written is its shape.

use std::net::IpAddr;

use quorate_pki::cluster::{Cluster, Machine};

use super::RELEASE;
use super::template::fill;

/// Words of Nix that are no name. Source: the Nix manual, "Keywords".
const KEYWORDS: [&str; 10] = ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"];

/// What a machine's file waits for: machines.nix names it not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// An address.
    Address,
    /// The network card that carries it.
    Interface,
    /// The disk to install on.
    Disk,
}

impl Waits {
    /// The attribute of machines.nix.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Address => "ip",
            Self::Interface => "interface",
            Self::Disk => "disk",
        }
    }
}

/// The text of `hosts/<machine>.nix`.
///
/// # Errors
/// What machines.nix does not name yet.
pub fn host(cluster: &Cluster, machine: &Machine) -> Result<String, Waits> {
    if machine.ips().is_empty() {
        return Err(Waits::Address);
    }
    if machine.interface().is_none() {
        return Err(Waits::Interface);
    }
    if machine.disk().is_none() {
        return Err(Waits::Disk);
    }
    let is_pc = machine.system() == "x86_64-linux";
    let (bios, boot) = if is_pc { (BIOS, GRUB) } else { ("", SYSTEMD_BOOT) };
    let known = machine.ips().iter().any(|ip| range_of(cluster, *ip).is_some());
    let user = match machine.ssh_user() {
        "root" => String::new(),
        user => fill(USER, &[("user", user)]),
    };
    let gateway = match cluster.endpoint().gateway() {
        Some(IpAddr::V4(_)) => fill(GATEWAY, &[("family", "")]),
        Some(IpAddr::V6(_)) => fill(GATEWAY, &[("family", "6")]),
        None => NO_GATEWAY.to_owned(),
    };
    Ok(fill(
        include_str!("files/host.nix"),
        &[
            ("name", machine.name()),
            ("attribute", &attribute(machine.name())),
            ("release", RELEASE),
            ("prefix", if known { PREFIX } else { "" }),
            ("bios", bios),
            ("boot", boot.trim_end()),
            ("addresses", &addresses(cluster, machine)),
            ("gateway", &gateway),
            ("user", &user),
        ],
    ))
}

/// A name as it follows a dot.
fn attribute(name: &str) -> String {
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase()) && !KEYWORDS.contains(&name);
    if is_name { name.to_owned() } else { format!("\"{name}\"") }
}

/// Which of the machines' networks an address lies in.
fn range_of(cluster: &Cluster, ip: IpAddr) -> Option<usize> {
    cluster.networks().node.iter().position(|range| range.contains(&ip))
}

/// An address of the network card, in Nix.
struct Address {
    ip: IpAddr,
    /// Why it is there, where that needs to be said.
    comment: &'static str,
    value: String,
}

/// The card's addresses: those of the cluster, and the one for ssh.
fn addresses(cluster: &Cluster, machine: &Machine) -> String {
    let own = machine.ips().iter().enumerate();
    let mut all: Vec<Address> =
        own.map(|(index, ip)| Address { ip: *ip, comment: "", value: format!("address {index}") }).collect();
    if let Some(ip) = machine.local_ip().filter(|local| !machine.ips().contains(local)) {
        let comment = LOCAL_IP;
        all.push(Address { ip, comment, value: "machine.localIp".to_owned() });
    }
    let families = [("ipv4", true), ("ipv6", false)].map(|(family, is_v4)| {
        let own = all.iter().filter(|one| one.ip.is_ipv4() == is_v4);
        let entries: String = own.map(|one| entry(cluster, one)).collect();
        let none = entries.is_empty();
        if none { String::new() } else { format!("      {family}.addresses = [\n{entries}      ];\n") }
    });
    format!("    interfaces.${{machine.interface}} = {{\n{}    }};\n", families.concat())
}

fn entry(cluster: &Cluster, address: &Address) -> String {
    let prefix = match (range_of(cluster, address.ip), address.ip) {
        (Some(index), _) => format!("prefix {index}"),
        // Nobody says; the networks that people have.
        (None, IpAddr::V4(_)) => "24".to_owned(),
        (None, IpAddr::V6(_)) => "64".to_owned(),
    };
    let values = [("comment", address.comment), ("address", &address.value), ("prefix", &prefix)];
    fill(ADDRESS, &values)
}

// Pieces of the file, as they stand in it.

const PREFIX: &str = r#"  ranges = lib.toList inventory.cluster.nodeCidr;
  prefix = index: lib.toInt (lib.last (lib.splitString "/" (lib.elemAt ranges index)));
"#;

const BIOS: &str = r#"        bios = {
          size = "1M";
          type = "EF02";
        };
"#;

const GRUB: &str = r"  # From a BIOS and from UEFI alike; disko tells GRUB the disk.
  boot.loader.grub = {
    enable = true;
    efiSupport = true;
    efiInstallAsRemovable = true;
  };
";

const SYSTEMD_BOOT: &str = r"  boot.loader.systemd-boot.enable = true;
";

const ADDRESS: &str = r"@comment@
        {
          address = @address@;
          prefixLength = @prefix@;
        }
";

const LOCAL_IP: &str = r"        # Where ssh reaches it. If another card carries this one, move it there.
";

const GATEWAY: &str = r"    defaultGateway@family@ = {
      address = inventory.kubeMaster.gateway;
      inherit (machine) interface;
    };
";

const NO_GATEWAY: &str = r"    # No gateway: machines.nix names none as kubeMaster.gateway.
";

const USER: &str = r#"
  # Who `deploy` logs in as (machines.nix: sshUser), with the right to change the system.
  users.users.@user@ = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = sshKeys;
  };
  security.sudo.wheelNeedsPassword = false;
  nix.settings.trusted-users = [ "@user@" ];
"#;

//! Reading one machine.

use std::net::IpAddr;

use super::Machine;
use super::read::{Placed, Refused, Section, name_place, place, quoted, wrong_type};
use super::rules::rule;
use super::settings::{is_openssh_key, secret_in};
use crate::fault::Fault;
use crate::inventory::{Attr, Data, Origin};

/// The attributes of a machine.
pub(super) const ATTRIBUTES: &[&str] = &[
    "ip",
    "localIp",
    "sshUser",
    "interface",
    "disk",
    "system",
    "kubernetes",
    "etcd",
    "master",
    "node",
    "hostKey",
];

/// The platforms NixOS is built for.
const SYSTEMS: &[(&str, &str)] = &[
    ("x86_64-linux", "x86_64-linux"),
    ("aarch64-linux", "aarch64-linux"),
    ("riscv64-linux", "riscv64-linux"),
    ("powerpc64le-linux", "powerpc64le-linux"),
    ("armv7l-linux", "armv7l-linux"),
    ("i686-linux", "i686-linux"),
];

/// What a message expects of an interface.
pub(super) const INTERFACE: &str = "the name of a network interface such as \"ens18\"";

/// One entry as it was read, before it is compared with the others.
pub(super) struct MachineDraft {
    pub(super) name: String,
    /// Where its name was written.
    pub(super) at: Option<Origin>,
    /// Its addresses without placeholders.
    pub(super) ips: Vec<Placed<IpAddr>>,
    /// A placeholder among its addresses.
    pub(super) ip_placeholder: Option<Placed<()>>,
    /// `Some` of `None` is a placeholder.
    pub(super) local_ip: Option<Placed<Option<IpAddr>>>,
    pub(super) interface: Result<Option<Placed<String>>, Refused>,
    pub(super) disk: Result<Option<Placed<String>>, Refused>,
    pub(super) kubernetes: Option<Placed<bool>>,
    pub(super) etcd: Option<Placed<bool>>,
    pub(super) master: Option<Placed<bool>>,
    pub(super) node: Option<Placed<bool>>,
    ssh_user: String,
    system: String,
    pub(super) host_key: Option<Placed<String>>,
}

impl MachineDraft {
    /// The entry, or `None` with a fault when it is no attribute set.
    pub(super) fn read(attr: &Attr, faults: &mut Vec<Fault>) -> Option<Self> {
        // Such a name is not repeated in every message about its machine.
        if attr.name.len() > 253 || attr.name.contains(char::is_control) {
            let message = format!("machine name {} is no DNS label", quoted(&attr.name));
            let fault = const { rule("bad-name") }.fault(name_place(attr), message);
            faults.push(fault.hint("name it as its host is named, `cp1` for instance"));
            return None;
        }
        if !matches!(attr.value.data, Data::Attrs(_)) {
            let hint = "every entry is a machine, save `kubeMaster` and `cluster`; settings belong in those";
            faults.push(wrong_type(&attr.name, &attr.value, place(attr), "an attribute set").hint(hint));
            return None;
        }
        let mut section = Section::open(attr, faults)?;
        section.suggest(ATTRIBUTES);
        let addresses = section.addresses("ip");
        if !section.has("ip") {
            let message = format!("machine `{}` has no `ip`, expected its cluster address", attr.name);
            let hint = "add `ip = \"10.0.0.1\"`, or \"0.0.0.0\" while it is not known";
            section.refuse(const { rule("missing-attribute") }, section.at, message, hint);
        }
        Some(Self {
            name: attr.name.clone(),
            at: name_place(attr),
            ips: addresses.iter().filter_map(|ip| ip.value.map(|value| ip.with(value))).collect(),
            ip_placeholder: addresses.iter().find(|ip| ip.value.is_none()).map(|ip| ip.with(())),
            local_ip: section.one_address("localIp"),
            interface: section.text_where("interface", is_interface, INTERFACE).map(owned),
            disk: section
                .text_where("disk", is_disk, "a device such as \"/dev/disk/by-id/nvme-...\"")
                .map(owned),
            kubernetes: section.service("kubernetes"),
            etcd: section.service("etcd"),
            master: section.flag("master"),
            node: section.flag("node"),
            ssh_user: section
                .text_where("sshUser", is_user, "the name of a user such as \"root\"")
                .ok()
                .flatten()
                .map_or_else(|| "root".into(), |found| found.value.to_owned()),
            system: section.word("system", SYSTEMS).map_or("x86_64-linux", |found| found.value).into(),
            host_key: host_key(&mut section),
        })
    }

    /// Whether a service is enabled on it, deployed or not.
    pub(super) fn wants_service(&self) -> bool {
        is_true(self.kubernetes) || is_true(self.etcd)
    }

    /// Whether it runs NixOS and can be deployed.
    pub(super) fn is_node(&self) -> bool {
        self.node.map_or(self.wants_service(), |node| node.value)
    }

    /// Whether what it enables counts: it is deployed, at an address that is known.
    fn counts(&self) -> bool {
        self.is_node() && !self.ips.is_empty()
    }

    /// Whether it runs a kubelet.
    pub(super) fn is_kubernetes(&self) -> bool {
        self.counts() && is_true(self.kubernetes)
    }

    /// Whether it is a member of etcd.
    pub(super) fn is_etcd(&self) -> bool {
        self.counts() && is_true(self.etcd)
    }

    /// Whether it runs an API server.
    pub(super) fn is_master(&self) -> bool {
        self.is_kubernetes() && self.master.is_none_or(|master| master.value)
    }

    /// The primary address.
    pub(super) fn ip(&self) -> Option<Placed<IpAddr>> {
        self.ips.first().copied()
    }

    /// What is left once everything is judged.
    pub(super) fn finish(&self) -> Machine {
        Machine {
            ips: self.ips.iter().map(|ip| ip.value).collect(),
            local_ip: self.local_ip.map_or_else(|| self.ip().map(|ip| ip.value), |found| found.value),
            ssh_user: self.ssh_user.clone(),
            interface: given(&self.interface).map(|found| found.value.clone()),
            disk: given(&self.disk).map(|found| found.value.clone()),
            system: self.system.clone(),
            kubernetes: self.is_kubernetes(),
            etcd: self.is_etcd(),
            master: self.is_master(),
            node: self.is_node(),
            host_key: self.host_key.as_ref().map(|found| found.value.clone()),
            name: self.name.clone(),
        }
    }
}

/// What was written and could be used.
pub(super) fn given(setting: &Result<Option<Placed<String>>, Refused>) -> Option<&Placed<String>> {
    setting.as_ref().ok()?.as_ref()
}

fn owned(found: Option<Placed<&str>>) -> Option<Placed<String>> {
    found.map(|found| found.with(found.value.to_owned()))
}

pub(super) fn is_true(flag: Option<Placed<bool>>) -> bool {
    flag.is_some_and(|flag| flag.value)
}

/// The SSH host key: Ed25519 alone, since only its public half has an age form that sops-nix can open with.
fn host_key(section: &mut Section<'_, '_>) -> Option<Placed<String>> {
    let found = section.text("hostKey").filter(|found| !found.value.is_empty())?;
    if secret_in(section, "hostKey", &found) {
        return None;
    }
    if found.value.starts_with("ssh-ed25519 ") && is_openssh_key(found.value) {
        return Some(found.with(found.value.trim().to_owned()));
    }
    let path = section.path_to("hostKey");
    let message = format!("`{path}` is {}, expected a line `ssh-ed25519 AAAA...`", quoted(found.value));
    let hint =
        "on the machine: `cat /etc/ssh/ssh_host_ed25519_key.pub`; without this attribute a key is made";
    section.refuse(const { rule("bad-recipient") }, found.at, message, hint);
    None
}

/// Source: Linux `net/core/dev.c`, `dev_valid_name`; at most 15 bytes (`IFNAMSIZ` with its end).
pub(super) fn is_interface(text: &str) -> bool {
    (1..16).contains(&text.len())
        && text != "."
        && text != ".."
        && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '"' | '$' | '\\'))
}

fn is_disk(text: &str) -> bool {
    is_path(text) && text.strip_prefix("/dev/").is_some_and(|rest| !rest.is_empty())
}

/// An absolute path of plain letters, with nothing in it that climbs.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
        && text.split('/').all(|part| part != "..")
}

/// A user name that OpenSSH cannot take for an option.
fn is_user(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

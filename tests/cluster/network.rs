//! Machines as network namespaces on one bridge, each with the address that its certificates name.
//!
//! Nothing is made in the host's own namespace, so no interface name can collide and nothing is left behind when
//! the namespaces go. Needs root.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use super::{run, unique};

/// The machines of one test. Dropping it removes them; keep it longer than the processes on them.
#[derive(Debug)]
pub(crate) struct Network {
    prefix: String,
    switch: String,
    hosts: Vec<Host>,
}

/// One machine.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// As the test calls it.
    pub(crate) name: String,
    /// Its address on the common segment.
    pub(crate) address: IpAddr,
    namespace: String,
}

impl Network {
    /// Machines by name and address; all share one /24 or /64. Removes what earlier test processes left first.
    pub(crate) fn new(machines: &[(&str, &str)]) -> Self {
        sweep();
        // The owner's process id is in the name, so that a later run can tell what nobody owns any more.
        let prefix = format!("quorate-{}-{}-", std::process::id(), unique());
        let mut network = Self { switch: format!("{prefix}switch"), hosts: Vec::new(), prefix };
        let switch = network.switch.clone();
        ip(&["netns", "add", &switch]);
        ip(&["-n", &switch, "link", "add", "bridge", "up", "type", "bridge"]);
        for (number, (name, address)) in machines.iter().enumerate() {
            let address: IpAddr = address.parse().expect("an address");
            let namespace = format!("{}{name}", network.prefix);
            // Known before it is made: a fault half way removes it all the same.
            network.hosts.push(Host { name: (*name).into(), address, namespace: namespace.clone() });
            let port = format!("port{number}");
            let width = if address.is_ipv4() { 24 } else { 64 };
            ip(&["netns", "add", &namespace]);
            ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "eth0", "netns", &namespace]);
            ip(&["-n", &switch, "link", "set", &port, "master", "bridge", "up"]);
            ip(&["-n", &namespace, "addr", "add", &format!("{address}/{width}"), "dev", "eth0", "nodad"]);
            ip(&["-n", &namespace, "link", "set", "lo", "up"]);
            ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        }
        network
    }

    /// Takes a machine out of the segment, and leaves its own link up: nobody is told that it is gone.
    pub(crate) fn cut(&self, name: &str) {
        let number = self.hosts.iter().position(|host| host.name == name);
        let port = format!("port{}", number.unwrap_or_else(|| panic!("no machine `{name}`")));
        ip(&["-n", &self.switch, "link", "set", &port, "nomaster"]);
    }

    /// What the names of its namespaces begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// One machine by its name.
    pub(crate) fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap_or_else(|| panic!("no machine `{name}`"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in self.hosts.iter().map(|host| &host.namespace).chain([&self.switch]) {
            remove(namespace);
        }
    }
}

impl Host {
    /// Gives it one more address on the segment, as the holder of a virtual IP has it.
    pub(crate) fn hold(&self, address: IpAddr) {
        ip(&["-n", &self.namespace, "addr", "add", &address.to_string(), "dev", "eth0", "nodad"]);
    }

    /// A command that will run on this machine. The process is the program itself (no shell or wrapper stays
    /// between), and the kernel kills it when the test thread that spawned it ends in whatever way.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.namespace]).arg(program);
        command
    }
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

/// A failure is not told: one that is gone already is what we want, and a drop must not panic.
fn remove(namespace: &str) {
    let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
}

/// Removes the namespaces whose owner was killed before it could.
fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("quorate-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

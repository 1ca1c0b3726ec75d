//! The NixOS modules of a cluster: from what machines.nix says, and the names of what stands in certs/, to texts.
//! Nothing here reads or writes; nothing here knows a serial number, a date or a secret, so that a text changes when
//! machines.nix changes and at no other time.
//!
//! `shared/common.nix` is every machine's, `shared/kubernetes.nix` every kubelet's, `master.nix`, `worker.nix` and
//! `etcd.nix` beside them are those of a role: what several machines have alike stands there once, and `<machine>.nix`
//! imports them and adds what is that machine's own. They have a folder of their own, so that any name is left to
//! machines. All are of the flavour "upstream": `services.kubernetes` and `services.etcd` of nixpkgs.
//! Another flavour, such as k3s, is another [`Flavour`].

pub mod addons;
mod etcd;
mod firewall;
mod keys;
mod kubernetes;
mod machine;
mod master;
pub mod nix;
mod units;
mod upkeep;
mod vip;
mod worker;

use std::fmt;
use std::net::IpAddr;

use quorate_pki::authority::Authority;
use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::plan::Format;

pub use keys::{Wired, WiredFormat};
use nix::Settings;
pub use upkeep::unusable_recipients;

/// What the modules of a cluster are made from.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// In which form its keys are sealed: for sops-nix or for agenix.
    pub format: Format,
    /// Who may open a backup: the admins' recipients.
    pub admins: &'a [String],
    /// certs/ as a Nix path relative to the modules, such as `../certs`.
    pub certs: &'a str,
    /// secrets/ likewise, such as `../secrets`.
    pub secrets: &'a str,
    /// People's own secrets that are wired as well.
    pub wired: &'a [Wired],
}

/// An emitted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Its path in the folder, at most one folder deep.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Whose modules run the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `services.kubernetes` and `services.etcd` of nixpkgs.
    Upstream,
}

/// A file that several machines share.
struct Shared {
    name: &'static str,
    about: &'static str,
    /// What it imports.
    imports: &'static [&'static str],
    /// Which machines have it.
    concerns: fn(&Machine) -> bool,
    /// What it sets.
    settings: fn(&Site<'_>) -> Settings,
}

impl Flavour {
    const fn shared(self) -> &'static [Shared] {
        match self {
            Self::Upstream => UPSTREAM,
        }
    }
}

/// The shared files of the flavour "upstream", each after those that it imports.
const UPSTREAM: &[Shared] = &[
    Shared {
        name: "common.nix",
        about: "What every machine of the cluster has.",
        imports: &[],
        concerns: |_| true,
        settings: machine::common,
    },
    Shared {
        name: "etcd.nix",
        about: "What every member of etcd has.",
        imports: &["common.nix"],
        concerns: Machine::etcd,
        settings: etcd::settings,
    },
    Shared {
        name: "kubernetes.nix",
        about: "What every machine with a kubelet has.",
        imports: &["common.nix"],
        concerns: Machine::kubernetes,
        settings: kubernetes::settings,
    },
    Shared {
        name: "master.nix",
        about: "What every master has.",
        imports: &["kubernetes.nix"],
        concerns: Machine::master,
        settings: master::settings,
    },
    Shared {
        name: "worker.nix",
        about: "What every worker has.",
        imports: &["kubernetes.nix"],
        concerns: Machine::worker,
        settings: worker::settings,
    },
];

/// The folder of what machines share. No machine has a name with a slash in it.
pub const SHARED: &str = "shared";

/// Where people are told that a file is not theirs to edit.
const ORIGIN: &str =
    "Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
a module of your own, where a plain value is stronger than one that is marked `default` here.";

/// The files of the modules: `default.nix`, which names the machines, one for each of them, what they share, and
/// `addons.yaml`, which somebody applies. In this order, and the same for the same site.
pub fn emit(site: &Site<'_>, flavour: Flavour) -> Vec<Emitted> {
    let machines: Vec<&Machine> = targets(site.cluster).collect();
    let mut files = vec![index(&machines)];
    let (certs, secrets) = (format!("../{}", site.certs), format!("../{}", site.secrets));
    let below = Site { certs: &certs, secrets: &secrets, ..*site };
    for shared in flavour.shared() {
        if machines.iter().any(|machine| (shared.concerns)(machine)) {
            let mut settings = Settings::new();
            import(&mut settings, shared.imports.iter().map(|name| format!("./{name}")));
            settings.extend((shared.settings)(&below));
            files.push(file(&format!("{SHARED}/{}", shared.name), shared.about, &settings));
        }
    }
    for machine in machines {
        files.push(of_machine(site, flavour, machine));
    }
    files.push(Emitted { name: "addons.yaml".to_owned(), text: addons::text(site.cluster) });
    files
}

/// The machines that get a module: those that are NixOS and run something of the cluster.
pub fn targets(cluster: &Cluster) -> impl Iterator<Item = &Machine> {
    cluster.nodes().filter(|machine| machine.kubernetes() || machine.etcd())
}

/// `default.nix`: which machines there are.
fn index(machines: &[&Machine]) -> Emitted {
    let mut settings = Settings::new();
    for machine in machines {
        settings.set(&format!("\"{}\".system", machine.name()), machine.system());
        settings
            .set(&format!("\"{}\".module", machine.name()), nix::expr(format!("./{}.nix", machine.name())));
    }
    let about = format!("The machines of the cluster, each with its platform and its module.\n{ORIGIN}");
    Emitted { name: "default.nix".to_owned(), text: nix::set(&about, &settings) }
}

fn of_machine(site: &Site<'_>, flavour: Flavour, machine: &Machine) -> Emitted {
    let concerned = flavour.shared().iter().filter(|shared| (shared.concerns)(machine));
    let names: Vec<&str> = concerned.clone().map(|shared| shared.name).collect();
    // What another one of them imports need not be named.
    let imported: Vec<&str> = concerned.flat_map(|shared| shared.imports.iter().copied()).collect();
    let mut settings = Settings::new();
    let names = names.into_iter().filter(|name| !imported.contains(name));
    import(&mut settings, names.map(|name| format!("./{SHARED}/{name}")));
    settings.extend(machine::settings(site, machine));
    file(&format!("{}.nix", machine.name()), &format!("{}: {}.", machine.name(), Role(machine)), &settings)
}

fn import(settings: &mut Settings, paths: impl Iterator<Item = String>) {
    let paths: Vec<_> = paths.map(nix::expr).collect();
    if !paths.is_empty() {
        settings.set("imports", nix::Nix::List(paths));
    }
}

fn file(name: &str, about: &str, settings: &Settings) -> Emitted {
    Emitted { name: name.to_owned(), text: nix::module(&format!("{about}\n{ORIGIN}"), settings) }
}

/// What a machine does, in words.
struct Role<'m>(&'m Machine);

impl fmt::Display for Role<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.0;
        let kubernetes = match (machine.master(), machine.worker()) {
            (true, _) => Some("master"),
            (_, true) => Some("worker"),
            _ => None,
        };
        let etcd = machine.etcd().then_some("member of etcd");
        let words: Vec<&str> = kubernetes.into_iter().chain(etcd).collect();
        f.write_str(&words.join(", "))
    }
}

/// A URL's host: IPv6 in brackets (RFC 3986 section 3.2.2).
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Where a machine's own certificate of that kind is on it.
fn certificate(kind: &str) -> String {
    format!("/etc/{}", certificate_entry(kind))
}

/// The same as an entry of `environment.etc`.
fn certificate_entry(kind: &str) -> String {
    format!("quorate/pki/{kind}.crt")
}

/// Where the trust file of a purpose is on every machine, whichever authority serves it.
fn trust(purpose: Authority) -> String {
    format!("/etc/{}", trust_entry(purpose))
}

fn trust_entry(purpose: Authority) -> String {
    format!("quorate/pki/trust/{purpose}.crt")
}

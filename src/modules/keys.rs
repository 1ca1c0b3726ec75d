//! The keys of a machine: which sealed file each comes from, who reads it, and where it is once it is open.
//! sops-nix and agenix are two columns of the same table.

use std::fmt::Write as _;

use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::kinds::{KINDS, SHARED, Scope};
use quorate_pki::password::PASSWORDS;
use quorate_pki::plan::Format;

use super::nix::{Settings, default, expr, strings};
use super::{Site, units};

/// Where a machine's own key is, that of its sshd: what its secrets are sealed to.
const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// A secret of people's own, below `secrets/`, that a machine may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wired {
    /// Whose it is: `masters`, `all` or a machine.
    pub folder: String,
    /// Its file, relative to `secrets/`.
    pub file: String,
    /// The name by which the machine has it, below `/run/secrets/`.
    pub name: String,
    /// The value within the file, as sops-nix names it; `None` for the file whole.
    pub key: Option<String>,
    /// What the file is.
    pub format: WiredFormat,
}

/// The stores of a SOPS file, as sops-nix names them, and agenix' files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WiredFormat {
    /// YAML, sops-nix' own default.
    Yaml,
    /// JSON.
    Json,
    /// dotenv: the file whole.
    Dotenv,
    /// INI: the file whole.
    Ini,
    /// Anything: the file whole.
    Binary,
    /// An age file, for agenix.
    Age,
}

impl WiredFormat {
    const fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary | Self::Age => "binary",
        }
    }
}

/// Where a key is once it is open.
pub(super) fn path(site: &Site<'_>, name: &str) -> String {
    match site.format {
        Format::Sops => format!("/run/secrets/quorate/{name}"),
        Format::Age => format!("/run/agenix/quorate/{name}"),
    }
}

/// The set of one secret's settings.
fn secret(site: &Site<'_>, name: &str) -> String {
    let all = match site.format {
        Format::Sops => "sops",
        Format::Age => "age",
    };
    format!("{all}.secrets.\"quorate/{name}\"")
}

/// How a machine opens what is sealed to it: with its SSH host key and nothing else.
pub(super) fn opening(site: &Site<'_>) -> Settings {
    let mut set = Settings::new();
    match site.format {
        Format::Sops => {
            set.set("sops.age.sshKeyPaths", default(strings([HOST_KEY])));
            set.comment(
                "sops.gnupg.sshKeyPaths",
                "Without this sops-nix looks for an RSA host key, and a first activation fails for want of it.",
            );
            set.set("sops.gnupg.sshKeyPaths", default(super::nix::Nix::List(Vec::new())));
        }
        Format::Age => set.set("age.identityPaths", default(strings([HOST_KEY]))),
    }
    set
}

/// What all machines of a scope have alike: the owners of their keys, and what starts again when one changes.
pub(super) fn of_scope(site: &Site<'_>, scope: Scope) -> Settings {
    let mut set = Settings::new();
    let kinds = KINDS.iter().filter(|kind| kind.scope == scope && (kind.needed)(site.cluster));
    for kind in kinds {
        describe(&mut set, site, kind.name, kind.owner);
    }
    if scope == Scope::Master {
        for shared in SHARED {
            describe(&mut set, site, shared.name, shared.owner);
        }
        for password in PASSWORDS.iter().filter(|password| (password.needed)(site.cluster)) {
            describe(&mut set, site, password.name, "root");
            let option = secret(site, password.name);
            match site.format {
                Format::Sops => {
                    set.set(
                        &format!("{option}.sopsFile"),
                        default(expr(format!("{}/masters/cluster.yaml", site.secrets))),
                    );
                }
                Format::Age => {
                    let file = format!("{}/masters/{}.age", site.secrets, password.name);
                    set.set(&format!("{option}.file"), default(expr(file)));
                }
            }
        }
    }
    set
}

fn describe(set: &mut Settings, site: &Site<'_>, name: &str, owner: &str) {
    let option = |option: &str| format!("{}.{option}", secret(site, name));
    set.set(&option("owner"), default(owner));
    set.set(&option("mode"), default("0400"));
    if site.format == Format::Sops {
        set.set(&option("key"), default(name));
        let units = units::restarted_by(site.cluster, name);
        if !units.is_empty() {
            set.set(&option("restartUnits"), strings(units));
        }
    }
}

/// Whether a password of that name is asked for.
pub(super) fn is_wired(cluster: &Cluster, name: &str) -> bool {
    let password = PASSWORDS.iter().any(|password| password.name == name && (password.needed)(cluster));
    password || SHARED.iter().any(|shared| shared.name == name)
}

/// Where a machine's own keys are sealed: one file, or one for each.
pub(super) fn of_machine(site: &Site<'_>, machine: &Machine) -> Settings {
    let mut set = Settings::new();
    let kinds = KINDS.iter().filter(|kind| kind.applies_to(machine) && (kind.needed)(site.cluster));
    let shared = SHARED.iter().filter(|_| machine.master()).map(|shared| shared.name);
    for name in kinds.map(|kind| kind.name).chain(shared) {
        let folder = format!("{}/{}", site.certs, machine.name());
        let (option, file) = match site.format {
            Format::Sops => ("sopsFile", format!("{folder}/keys.yaml")),
            Format::Age => ("file", format!("{folder}/{name}.age")),
        };
        set.set(&format!("{}.{option}", secret(site, name)), default(expr(file)));
    }
    set
}

/// People's own secrets in one folder. A name that Nix would read otherwise is quoted.
pub(super) fn wired(site: &Site<'_>, folder: &str) -> Settings {
    let mut set = Settings::new();
    for wired in site.wired.iter().filter(|wired| wired.folder == folder) {
        let file = path_literal(&format!("{}/{}", site.secrets, wired.file));
        let option = match wired.format {
            WiredFormat::Age => {
                set.set(&format!("age.secrets.\"{}\".file", wired.name), default(expr(file)));
                continue;
            }
            _ => |name: &str, option: &str| format!("sops.secrets.\"{name}\".{option}"),
        };
        set.set(&option(&wired.name, "sopsFile"), default(expr(file)));
        if wired.format != WiredFormat::Yaml {
            set.set(&option(&wired.name, "format"), default(wired.format.name()));
        }
        if wired.format != WiredFormat::Binary {
            set.set(&option(&wired.name, "key"), default(wired.key.clone().unwrap_or_default()));
        }
    }
    set
}

/// A path as Nix reads it, whatever it holds. Source: Nix manual, "Path literals".
pub(super) fn path_literal(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    if path.chars().all(plain) && path.contains('/') && !path.ends_with('/') {
        return path.to_owned();
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let mut literal = String::new();
    let _ = write!(literal, "{folder} + {}", super::nix::quoted(&format!("/{name}")));
    literal
}

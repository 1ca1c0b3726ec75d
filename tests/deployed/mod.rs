//! A user's cluster as its machines have it: what `pki gen` made for an inventory, each machine's part opened with
//! that machine's own identity. Real sops does all the opening, here and in the harness.
//!
//! A test target takes it in beside `mod cluster;` and `mod project;`.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_pki::cluster::CaMode;
use quorate_pki::manifest::Manifest;
use tempfile::TempDir;

use crate::cluster::files::MachineFiles;
use crate::cluster::peer::{self, Peer, Programs};
use crate::cluster::{run, seal};
use crate::project::{Project, changed};

pub const MODES: [CaMode; 3] = [CaMode::Shared, CaMode::Single, CaMode::Separate];

/// All of these peers, in this order; `None` when one is missing, which [`peer::find`] has said then.
pub fn peers<const N: usize>(wanted: [Peer; N]) -> Option<[Programs; N]> {
    let found: Vec<Programs> = wanted.into_iter().filter_map(peer::find).collect();
    found.try_into().ok()
}

/// Masters cp1 to cpN at 10.13.13.1N and the worker w1 at 10.13.13.31, by ssh at the same in 192.168.88.0/24, the API
/// at 10.13.13.10. With every kind of certificate that there is: kube-vip's belongs to ARP. `settings` are further
/// lines of `cluster`.
pub fn inventory(masters: usize, settings: &str) -> String {
    let node = |name: &str, last: usize, role: &str| {
        format!(
            "  {name} = {{ ip = \"10.13.13.{last}\"; localIp = \"192.168.88.{last}\"; interface = \"eth0\"; \
             kubernetes.enable = true; {role} }};\n"
        )
    };
    let mut text = String::from("{\n");
    for n in 1..=masters {
        text += &node(&format!("cp{n}"), 10 + n, "etcd.enable = true;");
    }
    text += &node("w1", 31, "master = false;");
    text += "  kubeMaster = { ip = \"10.13.13.10\"; mode = \"arp\"; };\n";
    text + &format!("  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; {settings} }};\n}}\n")
}

/// By what a machine opens its secrets.
#[derive(Debug)]
pub struct Identity {
    /// The SSH host key: agenix hands it to age, sops-nix converts it.
    pub host_key: PathBuf,
    /// The same key as an age identity, converted by Go.
    pub age: PathBuf,
}

/// The cluster: the repository it is made in, and the machines.
pub struct Deployment {
    pub project: Project,
    sops: Programs,
    identities: BTreeMap<String, Identity>,
    opened: TempDir,
}

impl Deployment {
    /// Opens each machine's SSH host key as the admin does who puts it on a new machine. `gen` has run in `project`
    /// with its own identity.
    pub fn of(project: Project, sops: &Programs, verify: &Programs) -> Self {
        let opened = tempfile::tempdir().expect("a temporary folder");
        let mut deployment = Self { project, sops: sops.clone(), identities: BTreeMap::new(), opened };
        for (machine, record) in deployment.manifest().machines {
            if record.host_key.is_none() {
                continue;
            }
            let folder = deployment.opened.path().join("identities").join(&machine);
            let (host_key, age) = (folder.join("ssh_host_ed25519_key"), folder.join("age"));
            let sealed = deployment.certs().join(&machine).join("host.yaml");
            let mut sops = deployment.sops(&["decrypt", "--extract", "[\"host\"]"]);
            write_private(&host_key, &run(sops.arg(sealed)).stdout);
            seal::write_host_identity(verify, &host_key, &age);
            deployment.identities.insert(machine, Identity { host_key, age });
        }
        deployment
    }

    pub fn certs(&self) -> PathBuf {
        self.project.path("certs")
    }

    pub fn manifest(&self) -> Manifest {
        Manifest::parse(self.project.read("certs/manifest.json").as_bytes()).expect("a manifest")
    }

    /// What the machines open their secrets by, by machine.
    pub fn identities(&self) -> &BTreeMap<String, Identity> {
        &self.identities
    }

    /// `sops` as the admin runs it in the repository.
    pub fn sops(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.sops.path("sops"));
        command.env_clear().env("HOME", self.project.path("home"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(self.project.root()).args(arguments);
        command
    }

    /// What a machine has: its certificates, the keys that its identity opens, the bundles. The same folder again
    /// when asked again.
    pub fn machine(&self, machine: &str) -> MachineFiles {
        let folder = self.folder(machine);
        MachineFiles::unseal(&self.sops, &self.certs(), machine, &self.identities[machine].age, &folder)
    }

    /// What the people of the cluster have, opened by the admin.
    pub fn users(&self) -> MachineFiles {
        let (from, into) = (self.certs().join("users"), self.folder("users"));
        for record in self.manifest().sealed.iter().filter(|record| record.file.starts_with("users/")) {
            for (name, key) in
                self.open(&record.file, &self.project.identity_file()).expect("an admin's file")
            {
                write_private(&into.join(format!("{name}.key")), key.as_bytes());
                fs::copy(from.join(format!("{name}.crt")), into.join(format!("{name}.crt"))).expect("a copy");
            }
        }
        MachineFiles::read(&into, &self.certs().join("ca"))
    }

    /// The entries of a SOPS file of `certs/`, when this identity opens it.
    pub fn open(&self, file: &str, identity: &Path) -> Option<BTreeMap<String, String>> {
        let opened = seal::sops_json(&self.sops, &self.certs().join(file), identity)?;
        Some(serde_json::from_slice(&opened).expect("text by name"))
    }

    /// Puts the certificates that `certs/` has now in place of those that a running machine has, each in one step.
    pub fn replace_certificates(&self, machine: &str) {
        for (path, text) in self.project.tree(&format!("certs/{machine}")) {
            if let Some(kind) = path.strip_suffix(".crt") {
                let place = self.folder(machine).join(format!("{kind}.crt"));
                let staged = place.with_extension("staged");
                fs::write(&staged, text).expect("a file");
                fs::rename(&staged, &place).expect("the same folder");
            }
        }
    }

    /// The second `gen`, of a cluster whose leaves are due, while it runs: nothing but the leaves changes, all of them,
    /// and their keys are kept. These machines have the new ones then.
    pub fn renew_every_leaf(&self, machines: &[&str]) {
        let before = self.project.tree("certs");
        self.project.pki(["gen"]).expect(0);
        let is_leaf = |path: &&String| path.strip_suffix(".crt").is_some_and(|name| !name.starts_with("ca/"));
        let mut expected: Vec<_> = before.keys().filter(is_leaf).cloned().collect();
        expected.push("manifest.json".into());
        expected.sort();
        assert_eq!(changed(&before, &self.project.tree("certs")), expected);
        for machine in machines {
            self.replace_certificates(machine);
        }
    }

    /// Where a machine's files lie once [`machine`](Self::machine) has opened them.
    pub fn folder(&self, machine: &str) -> PathBuf {
        self.opened.path().join("machines").join(machine)
    }

    /// The serial that the manifest has for a certificate, in hexadecimal without leading zeros.
    pub fn serial(&self, id: &str) -> String {
        let manifest = self.manifest();
        let record = manifest.certificates.iter().find(|record| record.id.as_str() == id);
        let serial = record.expect("a certificate of that name").serial.to_lowercase();
        serial.replace(':', "").trim_start_matches('0').to_owned()
    }
}

/// Writes a file that its owner alone may read, its folder with it.
pub fn write_private(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

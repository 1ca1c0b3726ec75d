//! Certificates made by openssl, to prove the harness itself and to be refused: laid out as `pki gen` lays them out, save that the
//! keys lie beside them in clear. They live for a day in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_pki::cluster::CaMode;

use super::etcd::authority;
use super::files::MachineFiles;
use super::run;

/// The folder of the certificates, and what all of them share.
#[derive(Debug)]
pub(crate) struct Throwaway {
    folder: PathBuf,
    mode: CaMode,
    cluster: String,
}

/// What a leaf says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    /// The file's name, and the common name.
    pub(crate) kind: &'a str,
    /// As openssl writes it: `serverAuth,clientAuth`.
    pub(crate) usages: &'a str,
    /// As openssl writes it, `IP:10.0.0.1,DNS:name`; empty for none.
    pub(crate) names: &'a str,
}

impl Throwaway {
    /// The authority that etcd trusts in this mode (and in `shared` the root above it), in `folder/ca`.
    pub(crate) fn new(folder: &Path, mode: CaMode, cluster: &str) -> Self {
        let throwaway = Self { folder: folder.into(), mode, cluster: cluster.into() };
        fs::create_dir_all(throwaway.ca()).expect("a folder");
        // openssl's own configuration would add extensions of its own.
        fs::write(throwaway.configuration(), "[req]\ndistinguished_name = dn\n[dn]\n").expect("a file");
        let above = (mode == CaMode::Shared).then(|| {
            throwaway.authority("root", None);
            "root"
        });
        throwaway.authority(authority(mode), above);
        throwaway
    }

    /// An authority that nobody in the cluster trusts.
    pub(crate) fn add_foreign_authority(&self) {
        self.authority("foreign", None);
    }

    /// An authority that somebody else made, both PEM, to see what a leaf of it is worth where nobody asked for one.
    pub(crate) fn adopt_authority(&self, name: &str, certificate: &Path, key: &str) {
        fs::copy(certificate, self.ca().join(format!("{name}.crt"))).expect("an authority");
        fs::write(self.ca().join(format!("{name}.key")), key).expect("its key");
    }

    /// The certificate of an authority, which is no bundle of the cluster.
    pub(crate) fn certificate(&self, authority: &str) -> PathBuf {
        self.ca().join(format!("{authority}.crt"))
    }

    /// What etcd needs on one member: `etcd-server`, `etcd-peer` and `etcd-healthcheck-client`.
    pub(crate) fn issue_member(&self, machine: &str, address: &str) {
        let (cluster, issuer) = (&self.cluster, authority(self.mode));
        let own = format!("IP:{address},IP:127.0.0.1,DNS:{machine},DNS:localhost");
        let both = "serverAuth,clientAuth";
        let peer = format!("{own},DNS:etcd-peer.{cluster}");
        let client = format!("DNS:etcd-client.{cluster}");
        let leaves = [
            Leaf { kind: "etcd-server", usages: both, names: &own },
            Leaf { kind: "etcd-peer", usages: both, names: &peer },
            Leaf { kind: "etcd-healthcheck-client", usages: "clientAuth", names: &client },
        ];
        for leaf in leaves {
            self.issue(machine, issuer, leaf);
        }
    }

    /// One leaf, its issuer behind it. A key that is there already is kept, as a renewal keeps it; the
    /// certificate takes its place in one step.
    pub(crate) fn issue(&self, machine: &str, issuer: &str, leaf: Leaf<'_>) {
        let folder = self.folder.join(machine);
        fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) =
            (folder.join(format!("{}.crt", leaf.kind)), folder.join(format!("{}.key", leaf.kind)));
        let staged = certificate.with_extension("staged");
        let mut extensions = vec![
            "basicConstraints=critical,CA:FALSE".to_owned(),
            "keyUsage=critical,digitalSignature".to_owned(),
            format!("extendedKeyUsage={}", leaf.usages),
        ];
        if !leaf.names.is_empty() {
            extensions.push(format!("subjectAltName={}", leaf.names));
        }
        self.certify(leaf.kind, &key, &staged, Some(issuer), &extensions);
        let chain = fs::read_to_string(&staged).expect("a leaf") + &self.read_ca(issuer);
        fs::write(&staged, chain).expect("a chain");
        fs::rename(&staged, &certificate).expect("the same folder");
    }

    /// What a machine holds, once everything is issued.
    pub(crate) fn files(&self, machine: &str) -> MachineFiles {
        MachineFiles::read(&self.folder.join(machine), &self.ca())
    }

    fn authority(&self, name: &str, issuer: Option<&str>) {
        let extensions =
            ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"].map(str::to_owned);
        let certificate = self.ca().join(format!("{name}.crt"));
        self.certify(name, &certificate.with_extension("key"), &certificate, issuer, &extensions);
        fs::copy(&certificate, self.ca().join(format!("{name}.bundle.crt"))).expect("a bundle");
    }

    fn certify(&self, name: &str, key: &Path, out: &Path, issuer: Option<&str>, extensions: &[String]) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-days", "1", "-subj", &format!("/CN={name}"), "-config"]);
        command.arg(self.configuration()).arg("-out").arg(out);
        if key.exists() {
            command.arg("-key").arg(key);
        } else {
            command
                .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout"])
                .arg(key);
        }
        if let Some(issuer) = issuer {
            let certificate = self.ca().join(format!("{issuer}.crt"));
            command.arg("-CA").arg(&certificate).arg("-CAkey").arg(certificate.with_extension("key"));
        }
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        run(&mut command);
    }

    fn read_ca(&self, name: &str) -> String {
        fs::read_to_string(self.ca().join(format!("{name}.crt"))).expect("an authority")
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("openssl.cnf")
    }
}

//! What one machine holds on its disk: its pairs by kind, what the masters share, and whom it trusts by authority.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::peer::Programs;
use super::seal;

/// A certificate file (leaf, then its issuer) and its key file, both PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// One machine's files.
#[derive(Debug, Clone, Default)]
pub(crate) struct MachineFiles {
    pairs: BTreeMap<String, Pair>,
    shared: BTreeMap<String, PathBuf>,
    trust: BTreeMap<String, PathBuf>,
}

impl MachineFiles {
    /// Finds `<kind>.crt` with `<kind>.key` in a machine's folder, keys without a certificate, and
    /// `<authority>.bundle.crt` in `ca`.
    pub(crate) fn read(machine: &Path, ca: &Path) -> Self {
        let pairs = named(machine, ".crt")
            .map(|(kind, certificate)| (kind, Pair { key: certificate.with_extension("key"), certificate }))
            .filter(|(_, pair)| pair.key.exists());
        let pairs: BTreeMap<_, _> = pairs.collect();
        let shared = named(machine, ".key").filter(|(name, _)| !pairs.contains_key(name)).collect();
        Self { pairs, shared, trust: named(ca, ".bundle.crt").collect() }
    }

    /// Makes in `into` what `machine` has once it runs, and nothing else: the certificates and keys that `identity`
    /// opens in the tree that `pki gen` wrote, and the bundles. Real sops does the opening.
    pub(crate) fn unseal(sops: &Programs, certs: &Path, machine: &str, identity: &Path, into: &Path) -> Self {
        let (from, ca) = (certs.join(machine), into.join("ca"));
        fs::create_dir_all(&ca).expect("a folder");
        let opened = seal::sops_json(sops, &from.join("keys.yaml"), identity);
        let opened = opened.unwrap_or_else(|| panic!("`{machine}` cannot open its own keys.yaml"));
        let keys: BTreeMap<String, String> = serde_json::from_slice(&opened).expect("text by kind");
        for (kind, key) in keys {
            fs::write(into.join(format!("{kind}.key")), key).expect("a key file");
            let public = format!("{kind}.pub");
            if certs.join(&public).exists() {
                fs::copy(certs.join(&public), into.join(&public)).expect("a public key");
            }
        }
        for (kind, certificate) in named(&from, ".crt") {
            fs::copy(certificate, into.join(format!("{kind}.crt"))).expect("a certificate");
        }
        for (authority, bundle) in named(&certs.join("ca"), ".bundle.crt") {
            fs::copy(bundle, ca.join(format!("{authority}.bundle.crt"))).expect("a bundle");
        }
        Self::read(into, &ca)
    }

    /// The pair of a kind, `etcd-server` for instance.
    pub(crate) fn pair(&self, kind: &str) -> &Pair {
        self.pairs.get(kind).unwrap_or_else(|| panic!("no `{kind}` among {:?}", self.pairs.keys()))
    }

    /// A secret that is no certificate's key, `encryption-config` for instance. A public half lies beside it
    /// with `.pub`.
    pub(crate) fn shared(&self, name: &str) -> &Path {
        self.shared.get(name).unwrap_or_else(|| panic!("no `{name}` among {:?}", self.shared.keys()))
    }

    /// The file that says to trust an authority, `etcd` for instance.
    pub(crate) fn trust(&self, authority: &str) -> &Path {
        self.trust.get(authority).unwrap_or_else(|| panic!("no `{authority}` among {:?}", self.trust.keys()))
    }
}

/// The files of a folder whose names end so, by what stands before the ending.
fn named(folder: &Path, ending: &'static str) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.filter_map(move |entry| {
        let path = entry.expect("a folder entry").path();
        let name = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
        Some((name, path))
    })
}

//! Chains and keys as others judge them: OpenSSL, Go and Python on every certificate that `pki gen` makes.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod deployed;
mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::files::{MachineFiles, Pair};
use cluster::peer::{Peer, Programs};
use cluster::{chain, run};
use deployed::{Deployment, MODES, inventory, peers};
use project::Project;
use quorate_pki::authority::Authority;
use quorate_pki::cluster::CaMode;
use quorate_pki::kinds::{KINDS, Kind};
use quorate_pki::manifest::CertRecord;
use rayon::prelude::*;

const DAY: u32 = 24 * 60 * 60;

/// Every `ca` mode, and every kind of key: masters, mode, key type.
const CLUSTERS: [(usize, CaMode, &str); 5] = [
    (3, CaMode::Shared, "p256"),
    (1, CaMode::Single, "p256"),
    (1, CaMode::Separate, "p256"),
    (1, CaMode::Shared, "p384"),
    (1, CaMode::Shared, "ed25519"),
];

/// A cluster opened on its machines, and who judges it.
struct Judged {
    mode: CaMode,
    deployment: Deployment,
    machines: BTreeMap<String, MachineFiles>,
    verify: Programs,
}

impl Judged {
    /// `None` when a peer is missing.
    fn new((masters, mode, key): (usize, CaMode, &str)) -> Option<Self> {
        let wanted = [Peer::Openssl, Peer::Python, Peer::Sops, Peer::GoVerify];
        let [_, _, sops, verify] = peers(wanted)?;
        let settings = format!("ca = \"{mode}\"; keyType = \"{key}\";");
        let project = Project::generated(&inventory(masters, &settings));
        let deployment = Deployment::of(project, &sops, &verify);
        let names: Vec<_> = deployment.identities().keys().cloned().collect();
        let mut machines: BTreeMap<_, _> =
            names.into_iter().map(|name| (name.clone(), deployment.machine(&name))).collect();
        machines.insert("users".into(), deployment.users());
        Some(Self { mode, deployment, machines, verify })
    }

    /// The self-signed authority at the top of what `authority` signs: in `separate` that is itself.
    fn root(&self, authority: Authority) -> PathBuf {
        let mut top = self.mode.serving(authority);
        while let Some(above) = self.mode.parent(top) {
            top = above;
        }
        self.authority_file(top)
    }

    fn authority_file(&self, authority: Authority) -> PathBuf {
        self.deployment.certs().join(format!("ca/{authority}.bundle.crt"))
    }

    /// Every leaf with its row of the table and its pair.
    fn leaves(&self) -> Vec<(CertRecord, &'static Kind, &Pair)> {
        let mut leaves = Vec::new();
        for record in self.deployment.manifest().certificates {
            if let Some(kind) = Kind::named(&record.kind) {
                let pair = self.machines[record.machine.as_deref().unwrap_or("users")].pair(kind.name);
                leaves.push((record, kind, pair));
            }
        }
        assert_eq!(leaves.iter().map(|leaf| leaf.1.name).collect::<BTreeSet<_>>().len(), KINDS.len());
        leaves
    }

    /// What the three say of a server that presents `pair`, for each name that it is asked for by.
    fn verdicts<'a>(&self, root: &Path, pair: &Pair, names: &[&'a str]) -> Vec<Verdict<'a>> {
        let mut verdicts = Vec::new();
        for (name, python) in names.iter().zip(chain::python_each(root, pair, names)) {
            verdicts.push(("Python", *name, python));
            verdicts.push(("OpenSSL", *name, chain::openssl(root, &pair.certificate, name)));
            verdicts.push(("Go", *name, chain::go(&self.verify, root, &pair.certificate, name)));
        }
        verdicts
    }
}

/// Who judges, the name that was asked for, and what was said.
type Verdict<'a> = (&'static str, &'a str, Result<(), String>);

/// Names and addresses in these clusters, and a stranger's: each server is asked for by all of them.
const NAMES: &str = "cp1 cp2 w1 10.13.13.11 10.13.13.12 10.13.13.31 10.13.13.10 192.168.88.11 192.168.88.31 \
                     localhost 127.0.0.1 ::1 10.96.0.1 kubernetes kubernetes.default kubernetes.default.svc \
                     kubernetes.default.svc.cluster.local etcd-peer.magi etcd-client.magi stranger.example";

/// What a server must be accepted by, written down here a second time.
fn own_names(kind: &str, machine: &str) -> Vec<String> {
    let last = if machine == "w1" { "31".to_owned() } else { machine.replace("cp", "1") };
    let mut names = vec![machine.to_owned(), format!("10.13.13.{last}")];
    if kind != "kubelet-server" {
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    }
    match kind {
        "etcd-peer" => names.push("etcd-peer.magi".into()),
        "apiserver" => {
            let service = "kubernetes.default.svc.cluster.local";
            let inside = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", service, "10.96.0.1"];
            names.extend(inside.map(str::to_owned));
            names.extend(["10.13.13.10".into(), format!("192.168.88.{last}")]);
        }
        _ => {}
    }
    names
}

#[test]
fn openssl_go_and_python_accept_every_server_by_each_of_its_names_with_the_root_alone_and_by_no_other() {
    for cluster in CLUSTERS {
        let Some(judged) = Judged::new(cluster) else { return };
        let servers: Vec<_> =
            judged.leaves().into_iter().filter(|(_, kind, _)| kind.usage.is_server()).collect();
        servers.par_iter().for_each(|(record, kind, pair)| {
            let own = own_names(kind.name, record.machine.as_deref().expect("a server is a machine's"));
            let asked: BTreeSet<&str> = own.iter().map(String::as_str).chain(NAMES.split(' ')).collect();
            let asked: Vec<&str> = asked.into_iter().collect();
            for (who, name, verdict) in judged.verdicts(&judged.root(kind.issuer), pair, &asked) {
                let (id, accepted) = (&record.id, own.iter().any(|own| own == name));
                assert_eq!(verdict.is_ok(), accepted, "{who} on {id} as `{name}`, {cluster:?}: {verdict:?}");
            }
        });
    }
}

#[test]
fn openssl_go_and_python_refuse_a_server_under_the_root_of_another_purpose_or_cluster() {
    for mode in MODES {
        let cluster = (1, mode, "p256");
        let (Some(judged), Some(other)) = (Judged::new(cluster), Judged::new(cluster)) else { return };
        let (etcd, api) =
            (judged.machines["cp1"].pair("etcd-server"), judged.machines["cp1"].pair("apiserver"));
        let mut questions =
            vec![(other.root(Authority::Etcd), etcd), (other.root(Authority::Kubernetes), api)];
        if mode == CaMode::Separate {
            questions.push((judged.root(Authority::Kubernetes), etcd));
            questions.push((judged.root(Authority::FrontProxy), api));
        }
        for (root, pair) in questions {
            for (who, _, verdict) in judged.verdicts(&root, pair, &["cp1"]) {
                assert!(
                    verdict.is_err(),
                    "{who} trusts {} for {}",
                    root.display(),
                    pair.certificate.display()
                );
            }
        }
    }
}

/// OpenSSL's strict verdict on a certificate file under the root alone, for a purpose.
fn openssl_strict(root: &Path, untrusted: &Path, file: &Path, purpose: &str) -> Result<(), String> {
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose, "-no-CApath", "-CAfile"]);
    let output =
        command.arg(root).arg("-untrusted").args([untrusted, file]).output().expect("openssl starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Whether a certificate still lives so many seconds from now.
fn lives(file: &Path, seconds: u32) -> bool {
    let mut command = Command::new("openssl");
    let output =
        command.args(["x509", "-noout", "-checkend", &seconds.to_string(), "-in"]).arg(file).output();
    output.expect("openssl starts").status.success()
}

#[test]
fn openssl_takes_every_leaf_strictly_for_its_usages_and_for_no_other() {
    for cluster in CLUSTERS {
        let Some(judged) = Judged::new(cluster) else { return };
        judged.leaves().par_iter().for_each(|(record, kind, pair)| {
            let root = judged.root(kind.issuer);
            for (purpose, wanted) in [
                ("sslserver", kind.usage.is_server()),
                ("sslclient", kind.usage.is_client()),
                ("smimesign", false),
            ] {
                let verdict = openssl_strict(&root, &pair.certificate, &pair.certificate, purpose);
                assert_eq!(verdict.is_ok(), wanted, "{} for {purpose}, {cluster:?}: {verdict:?}", record.id);
            }
        });
    }
}

#[test]
fn openssl_takes_every_authority_strictly_and_sees_how_deep_it_may_sign() {
    for cluster in CLUSTERS {
        let Some(judged) = Judged::new(cluster) else { return };
        for authority in judged.mode.authorities() {
            let (root, file) = (judged.root(*authority), judged.authority_file(*authority));
            let certificate = judged.deployment.certs().join(format!("ca/{authority}.crt"));
            assert_eq!(
                fs::read(&certificate).expect("a file"),
                fs::read(&file).expect("a bundle"),
                "{authority}"
            );
            assert_eq!(openssl_strict(&root, &root, &file, "any"), Ok(()), "{authority}, {cluster:?}");
            let text =
                run(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&file)).stdout;
            let text = String::from_utf8(text).expect("UTF-8");
            // Only the root of `shared` has authorities below it.
            let below = u8::from(cluster.1 == CaMode::Shared && *authority == Authority::Root);
            let constraint = format!("CA:TRUE, pathlen:{below}\n");
            for expected in [&constraint[..], "Certificate Sign, CRL Sign"] {
                assert!(text.contains(expected), "`{expected}` in {authority}, {cluster:?}: {text}");
            }
            assert!(!text.contains("Extended Key Usage"), "{authority}, {cluster:?}: {text}");
        }
    }
}

#[test]
fn openssl_finds_every_certificate_alive_for_as_long_as_its_setting_says() {
    for cluster in CLUSTERS {
        let Some(judged) = Judged::new(cluster) else { return };
        judged.deployment.manifest().certificates.par_iter().for_each(|record| {
            let days = match &record.id.to_string()[..] {
                "ca/root" => 7300,
                id if id.starts_with("ca/") => 3650,
                _ => 365,
            };
            let file = judged.deployment.certs().join(&record.file);
            assert!(lives(&file, 0) && lives(&file, (days - 1) * DAY), "{} ends too soon", record.id);
            assert!(!lives(&file, days * DAY), "{} lives too long", record.id);
        });
    }
}

#[test]
fn openssl_finds_in_the_sealed_files_the_key_of_each_certificate() {
    for cluster in CLUSTERS {
        let Some(judged) = Judged::new(cluster) else { return };
        let admin = judged.deployment.project.identity_file();
        let certs = judged.deployment.certs();
        let mut compared = BTreeSet::new();
        for record in judged.deployment.manifest().sealed {
            let folder = record.file.split('/').next().expect("a folder");
            for (name, key) in judged.deployment.open(&record.file, &admin).expect("an admin's file") {
                let id = format!("{folder}/{name}");
                let file = certs.join(format!("{id}.crt"));
                let public = match &name[..] {
                    "encryption-config" | "host" => continue,
                    "service-account" => judged.deployment.project.read("certs/service-account.pub"),
                    _ => text(Command::new("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(file)),
                };
                let private = judged.deployment.folder("pair.key");
                deployed::write_private(&private, key.as_bytes());
                let own = text(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&private));
                assert_eq!(own, public, "{id}, {cluster:?}");
                assert!(
                    name == "service-account" || is_of_type(&private, cluster.2),
                    "{id} is no {}",
                    cluster.2
                );
                compared.insert(id);
            }
        }
        for record in judged.deployment.manifest().certificates {
            assert!(compared.contains(record.id.as_str()), "{} has no sealed key", record.id);
        }
    }
}

#[test]
fn ssh_keygen_finds_in_the_sealed_files_the_key_of_each_host() {
    if peers([Peer::SshKeygen]).is_none() {
        return;
    }
    let Some(judged) = Judged::new(CLUSTERS[0]) else { return };
    for (machine, identity) in judged.deployment.identities() {
        let own = text(Command::new("ssh-keygen").arg("-y").arg("-f").arg(&identity.host_key));
        let public = judged.deployment.project.read(&format!("certs/{machine}/host.pub"));
        let words = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&own), words(&public), "{machine}");
    }
}

fn text(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).expect("UTF-8")
}

/// Whether openssl takes a key for one of `cluster.keyType`.
fn is_of_type(private: &Path, key_type: &str) -> bool {
    let said = text(Command::new("openssl").args(["pkey", "-noout", "-text", "-in"]).arg(private));
    said.contains(match key_type {
        "p256" => "NIST CURVE: P-256",
        "p384" => "NIST CURVE: P-384",
        _ => "ED25519 Private-Key",
    })
}

//! Authorities as others make them: by the programs that people have them from.
#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "each test target uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::peer::{Peer, Programs, find};
use crate::cluster::run;

/// An authority's certificate and its key, in clear.
#[derive(Debug, Clone)]
pub struct Made {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Made {
    /// `NAME=CRT,KEY`
    pub fn argument(&self, name: &str) -> String {
        format!("{name}={},{}", self.certificate.display(), self.key.display())
    }
}

/// A program that makes authorities.
pub struct Maker {
    pub name: &'static str,
    pub peer: Peer,
    /// Makes one in a folder of its own, called so.
    pub make: fn(&Programs, &Path, &str) -> Made,
}

/// Everybody whose authorities must be adoptable.
pub const MAKERS: [Maker; 6] = [
    Maker { name: "cfssl", peer: Peer::Cfssl, make: cfssl },
    Maker { name: "easy-rsa", peer: Peer::EasyRsa, make: easy_rsa },
    Maker { name: "k3s", peer: Peer::K3s, make: k3s },
    Maker { name: "kubeadm", peer: Peer::Kubernetes, make: kubeadm },
    Maker {
        name: "openssl",
        peer: Peer::Openssl,
        make: |_, folder, name| openssl(folder, name, &Wanted::default()),
    },
    Maker { name: "step", peer: Peer::Step, make: step },
];

impl Maker {
    /// Makes one. `None` when the program is missing, which has been said then.
    pub fn authority(&self, folder: &Path, name: &str) -> Option<Made> {
        let programs = find(self.peer)?;
        fs::create_dir_all(folder).expect("a folder");
        Some((self.make)(&programs, folder, name))
    }
}

fn made(folder: &Path, certificate: &str, key: &str) -> Made {
    Made { certificate: folder.join(certificate), key: folder.join(key) }
}

/// As the NixOS scripts of today call it: RSA, several attributes in the name.
fn cfssl(programs: &Programs, folder: &Path, name: &str) -> Made {
    let request = format!(
        "{{\"CN\":\"{name}\",\"key\":{{\"algo\":\"rsa\",\"size\":2048}},\"names\":[{{\"C\":\"DE\",\"L\":\"Berlin\",\
         \"O\":\"Magi\",\"OU\":\"Kubernetes\"}}]}}"
    );
    fs::write(folder.join("request.json"), request).expect("a file");
    let output = run(Command::new(programs.path("cfssl"))
        .args(["gencert", "-loglevel", "5", "-initca", "request.json"])
        .current_dir(folder));
    fs::write(folder.join("bundle.json"), output.stdout).expect("a file");
    run(Command::new(programs.path("cfssljson"))
        .args(["-f", "bundle.json", "-bare", "ca"])
        .current_dir(folder));
    made(folder, "ca.pem", "ca-key.pem")
}

/// Without a passphrase, as people who automate it have it. Its certificates begin with text.
fn easy_rsa(programs: &Programs, folder: &Path, name: &str) -> Made {
    let easyrsa = |arguments: &[&str]| {
        let mut command = Command::new(programs.path("easyrsa"));
        command.env("EASYRSA_PKI", folder.join("pki")).env("EASYRSA", programs.path(""));
        run(command.args(["--batch", &format!("--req-cn={name}")]).args(arguments).current_dir(folder));
    };
    easyrsa(&["init-pki"]);
    easyrsa(&["build-ca", "nopass"]);
    made(folder, "pki/ca.crt", "pki/private/ca.key")
}

fn k3s(programs: &Programs, folder: &Path, name: &str) -> Made {
    let made = made(folder, "ca.crt", "ca.key");
    run(Command::new(programs.path("k3s-ca"))
        .arg(format!("k3s-{name}"))
        .args([&made.certificate, &made.key])
        .current_dir(folder));
    made
}

/// The authority that kubeadm has for that purpose; any other name gives that of Kubernetes.
fn kubeadm(programs: &Programs, folder: &Path, name: &str) -> Made {
    let (phase, stem) = match name {
        "etcd" => ("etcd-ca", "etcd/ca"),
        "front-proxy" => ("front-proxy-ca", "front-proxy-ca"),
        _ => ("ca", "ca"),
    };
    run(Command::new(programs.path("kubeadm"))
        .args(["init", "phase", "certs", phase, "--kubernetes-version", "v1.36.0", "--cert-dir"])
        .arg(folder)
        .current_dir(folder));
    made(folder, &format!("{stem}.crt"), &format!("{stem}.key"))
}

fn step(programs: &Programs, folder: &Path, name: &str) -> Made {
    run(Command::new(programs.path("step"))
        .args(["certificate", "create", name, "ca.crt", "ca.key", "--profile", "root-ca"])
        .args(["--no-password", "--insecure"])
        .env("STEPPATH", folder.join("step"))
        .current_dir(folder));
    made(folder, "ca.crt", "ca.key")
}

/// What an authority of openssl's is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Arguments of `openssl genpkey`.
    pub key: &'a str,
    /// The subject, an element a line, as openssl's configuration has them; `+` in front joins it to the one before.
    pub subject: &'a [&'a str],
    /// Its extensions, as openssl's configuration has them.
    pub extensions: &'a [&'a str],
    /// Days that it lives.
    pub days: u32,
    /// Who signs it; itself when nobody.
    pub issuer: Option<&'a Made>,
}

/// What an authority says of itself when nothing is wrong with it.
pub const AUTHORITY: &[&str] = &[
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier=hash",
];
pub const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            key: P256,
            subject: &["O=Magi", "CN=Magi CA"],
            extensions: AUTHORITY,
            days: 3650,
            issuer: None,
        }
    }
}

/// An authority of openssl's, in `folder/<name>.crt` and `.key`.
pub fn openssl(folder: &Path, name: &str, wanted: &Wanted<'_>) -> Made {
    fs::create_dir_all(folder).expect("a folder");
    let made = made(folder, &format!("{name}.crt"), &format!("{name}.key"));
    run(Command::new("openssl").arg("genpkey").args(wanted.key.split(' ')).arg("-out").arg(&made.key));
    // openssl drops what stands before the first dot: attributes of one type need names of their own.
    let numbered: Vec<String> =
        wanted.subject.iter().enumerate().map(|(n, element)| format!("{n}.{element}")).collect();
    let numbered = numbered.join("\n");
    let configuration = format!(
        "[req]\nprompt=no\nstring_mask=utf8only\nutf8=yes\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n{numbered}\n[v3]\n{}\n",
        wanted.extensions.join("\n")
    );
    let file = folder.join(format!("{name}.cnf"));
    fs::write(&file, configuration).expect("a file");
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-new", "-days", &wanted.days.to_string(), "-config"]).arg(&file);
    command.arg("-key").arg(&made.key).arg("-out").arg(&made.certificate);
    if let Some(issuer) = wanted.issuer {
        command.arg("-CA").arg(&issuer.certificate).arg("-CAkey").arg(&issuer.key);
    }
    run(&mut command);
    made
}

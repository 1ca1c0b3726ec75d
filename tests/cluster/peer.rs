//! Which programs the tests ask for an opinion, how each is found and who installs it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A program that is not ours, or what the machine must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `age` and `age-keygen`.
    Age,
    /// Current `age`, `age-keygen`, `age-plugin-batchpass` and `age-plugin-pq`.
    Age13,
    /// Debian 12's `haproxy` and `keepalived`.
    Balancers,
    /// `cfssl` and `cfssljson`.
    Cfssl,
    /// `curl`.
    Curl,
    /// `easyrsa`.
    EasyRsa,
    /// Debian 12's `etcd` and `etcdctl`: the oldest in use.
    Etcd34,
    /// Current 3.6 `etcd`, `etcdctl` and `etcdutl`.
    Etcd36,
    /// Go's own certificate verification, in a program of ours: tests/peers/go-verify.
    GoVerify,
    /// `k3s-ca`: the library that k3s makes its authorities with, in a program of ours: tests/peers/k3s.
    K3s,
    /// `kube-vip`.
    KubeVip,
    /// `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `kubectl` and `kubeadm`.
    Kubernetes,
    /// Root, and a kernel that gives network namespaces to it.
    Namespaces,
    /// `nano`.
    Nano,
    /// `nix` and `nix-instantiate`.
    Nix,
    /// `openssl`.
    Openssl,
    /// `python3` with its `ssl` module.
    Python,
    /// `rage`: age in Rust, by other people than ours.
    Rage,
    /// Debian 12's `bird`, FRR's `zebra`, `bgpd`, `bfdd` and `vtysh`, and `gobgpd` for the other side.
    Routers,
    /// `sops`.
    Sops,
    /// sops' own packages, in a program of ours that takes thousands of texts: tests/peers/sops-diff.
    SopsDiff,
    /// `sops-install-secrets`, which opens a machine's secrets where sops-nix runs, or else `sops-nix-open`, a
    /// program of ours on the libraries that it calls.
    SopsNix,
    /// `ssh-keygen`.
    SshKeygen,
    /// `sshd`.
    Sshd,
    /// `step`.
    Step,
    /// `strace`.
    Strace,
    /// `vim`.
    Vim,
}

/// How a peer is found.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// This program is on PATH.
    OnPath(&'static str),
    /// The program at this path.
    At(&'static str),
    /// tests/peers/install unpacked it into this folder of the cache.
    Unpacked(&'static str),
    /// tests/peers/build makes it from this module, now if need be.
    Built(&'static str),
    /// A namespace can be made and removed.
    ByTrying,
}

/// Who brings a peer to a machine that lacks it.
#[derive(Debug, Clone, Copy)]
enum Remedy {
    /// The script does; in CI its absence is a failure.
    Install,
    /// The script does where Go is; in CI its absence is a failure.
    Go,
    /// The person does, by running as root; in CI its absence is a failure.
    Root,
}

struct Row {
    peer: Peer,
    name: &'static str,
    /// The ways to find it; the first that succeeds counts.
    found: &'static [Found],
    remedy: Remedy,
}

/// Every peer once, by name.
static PEERS: &[Row] = &[
    Row { peer: Peer::Age, name: "age", found: &[Found::OnPath("age")], remedy: Remedy::Install },
    Row { peer: Peer::Age13, name: "age 1.3", found: &[Found::Built("age")], remedy: Remedy::Go },
    Row {
        peer: Peer::Balancers,
        name: "balancers",
        found: &[Found::Unpacked("balancers/bin")],
        remedy: Remedy::Install,
    },
    Row { peer: Peer::Cfssl, name: "cfssl", found: &[Found::Built("cfssl")], remedy: Remedy::Go },
    Row { peer: Peer::Curl, name: "curl", found: &[Found::OnPath("curl")], remedy: Remedy::Install },
    // Debian keeps it beside its templates, not on PATH.
    Row {
        peer: Peer::EasyRsa,
        name: "easy-rsa",
        found: &[Found::At("/usr/share/easy-rsa/easyrsa")],
        remedy: Remedy::Install,
    },
    Row {
        peer: Peer::Etcd34,
        name: "etcd 3.4",
        found: &[Found::Unpacked("etcd-3.4/bin")],
        remedy: Remedy::Install,
    },
    Row { peer: Peer::Etcd36, name: "etcd 3.6", found: &[Found::Built("etcd")], remedy: Remedy::Go },
    Row { peer: Peer::GoVerify, name: "go-verify", found: &[Found::Built("go-verify")], remedy: Remedy::Go },
    Row { peer: Peer::K3s, name: "k3s", found: &[Found::Built("k3s")], remedy: Remedy::Go },
    Row { peer: Peer::KubeVip, name: "kube-vip", found: &[Found::Built("kube-vip")], remedy: Remedy::Go },
    Row {
        peer: Peer::Kubernetes,
        name: "kubernetes",
        found: &[Found::Built("kubernetes")],
        remedy: Remedy::Go,
    },
    Row {
        peer: Peer::Namespaces,
        name: "network namespaces",
        found: &[Found::ByTrying],
        remedy: Remedy::Root,
    },
    Row { peer: Peer::Nano, name: "nano", found: &[Found::OnPath("nano")], remedy: Remedy::Install },
    // NixOS has one on PATH and cannot run the script.
    Row {
        peer: Peer::Nix,
        name: "nix",
        found: &[Found::Unpacked("nix/bin"), Found::OnPath("nix")],
        remedy: Remedy::Install,
    },
    Row { peer: Peer::Openssl, name: "openssl", found: &[Found::OnPath("openssl")], remedy: Remedy::Install },
    Row { peer: Peer::Python, name: "python3", found: &[Found::OnPath("python3")], remedy: Remedy::Install },
    Row { peer: Peer::Rage, name: "rage", found: &[Found::Unpacked("rage/bin")], remedy: Remedy::Install },
    Row {
        peer: Peer::Routers,
        name: "bird, frr and gobgp",
        found: &[Found::Unpacked("routers/bin")],
        remedy: Remedy::Install,
    },
    Row { peer: Peer::Sops, name: "sops", found: &[Found::Built("sops")], remedy: Remedy::Go },
    Row { peer: Peer::SopsDiff, name: "sops-diff", found: &[Found::Built("sops-diff")], remedy: Remedy::Go },
    Row {
        peer: Peer::SopsNix,
        name: "sops-nix",
        found: &[Found::OnPath("sops-install-secrets"), Found::Built("sops-nix")],
        remedy: Remedy::Go,
    },
    Row {
        peer: Peer::SshKeygen,
        name: "ssh-keygen",
        found: &[Found::OnPath("ssh-keygen")],
        remedy: Remedy::Install,
    },
    Row { peer: Peer::Sshd, name: "sshd", found: &[Found::Unpacked("sshd/bin")], remedy: Remedy::Install },
    Row { peer: Peer::Step, name: "step", found: &[Found::Built("step")], remedy: Remedy::Go },
    Row { peer: Peer::Strace, name: "strace", found: &[Found::OnPath("strace")], remedy: Remedy::Install },
    Row { peer: Peer::Vim, name: "vim", found: &[Found::OnPath("vim")], remedy: Remedy::Install },
];

/// The folder that holds a peer's programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The path of one of them.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }
}

/// Where a peer's programs are. `None`, after a line that says so, when it is missing: the test then returns.
/// Panics instead when `CI` is set.
pub(crate) fn find(peer: Peer) -> Option<Programs> {
    let row = PEERS.iter().find(|row| row.peer == peer).expect("every peer has a row");
    let found = row.found.iter().find_map(|&found| search(found));
    if found.is_none() {
        let text = absence(row, std::env::var("CI").ok().as_deref()).unwrap_or_else(|text| panic!("{text}"));
        // Not eprintln: the test runner would keep it to itself, as the test passes.
        writeln!(std::io::stderr(), "{text}").expect("stderr takes a line");
    }
    found.map(Programs)
}

/// Whether this machine gives network namespaces, with the same consequences as [`find`].
pub(crate) fn namespaces() -> bool {
    find(Peer::Namespaces).is_some()
}

fn search(found: Found) -> Option<PathBuf> {
    match found {
        Found::OnPath(program) => {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).find(|folder| folder.join(program).is_file())
        }
        Found::At(program) => {
            let program = Path::new(program);
            program.is_file().then(|| program.parent().map(Path::to_owned)).flatten()
        }
        Found::Unpacked(folder) => {
            let cache = std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
            Some(cache.join("quorate/peers").join(folder)).filter(|folder| folder.is_dir())
        }
        Found::Built(module) => build(module),
        Found::ByTrying => namespace_can_be_made().then(|| PathBuf::from("/run/netns")),
    }
}

/// Tried once: tests side by side would find each other's attempt.
fn namespace_can_be_made() -> bool {
    static TRIED: OnceLock<bool> = OnceLock::new();
    *TRIED.get_or_init(|| {
        let name = format!("quorate-{}-try", std::process::id());
        ["add", "delete"].iter().all(|verb| {
            let tried = Command::new("ip").args(["netns", verb, &name]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        })
    })
}

/// `None` when there is no Go; panics when there is and the build fails, since nobody should take that for absence.
fn build(module: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/build");
    let output = Command::new(&script).arg(module).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {}: {error}", script.display()));
    match output.status.code() {
        Some(0) => Some(PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim_end())),
        Some(2) => None,
        _ => panic!("{} {module} failed with {}", script.display(), output.status),
    }
}

/// What to say of a missing peer: `Ok` skips, `Err` fails. `ci` is the variable `CI` as it is set.
fn absence(row: &Row, ci: Option<&str>) -> Result<String, String> {
    let name = row.name;
    let skipped = match row.remedy {
        Remedy::Install => format!("SKIPPED: {name} is not installed; run tests/peers/install"),
        Remedy::Go => {
            format!("SKIPPED: {name} is not installed; put `go` on PATH and run tests/peers/install")
        }
        Remedy::Root => format!("SKIPPED: {name} are not to be had; run the tests as root"),
    };
    let in_ci = ci.is_some_and(|value| !matches!(value, "" | "false" | "0"));
    if in_ci {
        return Err(skipped.replacen("SKIPPED", "missing in CI", 1));
    }
    Ok(skipped)
}

#[test]
fn a_missing_peer_fails_in_ci_and_is_skipped_elsewhere() {
    for row in PEERS {
        assert!(absence(row, Some("true")).is_err(), "{}", row.name);
        for laptop in [None, Some(""), Some("false"), Some("0")] {
            let text = absence(row, laptop).expect("a laptop skips");
            assert!(text.starts_with("SKIPPED: ") && text.contains(row.name), "{text}");
        }
    }
}

#[test]
fn every_peer_has_one_row_and_the_rows_are_sorted() {
    assert!(PEERS.is_sorted_by(|a, b| (a.peer as usize) < b.peer as usize));
}

//! Three implementations that are not ours judge what a server presents, trusting the root alone.

use std::path::Path;
use std::process::Command;

use super::files::Pair;
use super::peer::Programs;
use super::run;

/// OpenSSL's verdict on a chain file (leaf, then its issuers) for a server asked for by `name`, a DNS name or
/// an address.
///
/// # Errors
/// What OpenSSL said.
pub(crate) fn openssl(root: &Path, served: &Path, name: &str) -> Result<(), String> {
    let kind = if name.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    let output = Command::new("openssl")
        .args(["verify", "-purpose", "sslserver", kind, name, "-no-CApath", "-CAfile"])
        .arg(root)
        // Untrusted in the chain, judged as the leaf: one file serves as both.
        .arg("-untrusted")
        .args([served, served])
        .output()
        .expect("openssl starts");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Go's verdict, likewise. `verify` is [`Peer::GoVerify`](super::peer::Peer::GoVerify).
///
/// # Errors
/// What Go said.
pub(crate) fn go(verify: &Programs, root: &Path, served: &Path, name: &str) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Judgement {
        error: String,
    }
    let mut command = Command::new(verify.path("go-verify"));
    command.args(["chain", "-name", name, "-root"]).arg(root).arg("-served").arg(served);
    let judgement: Judgement = serde_json::from_slice(&run(&mut command).stdout).expect("a judgement");
    if judgement.error.is_empty() { Ok(()) } else { Err(judgement.error) }
}

/// Python's verdict in a whole handshake with a server that has the pair, in memory.
///
/// # Errors
/// What Python's `ssl` said.
pub(crate) fn python(root: &Path, served: &Pair, name: &str) -> Result<(), String> {
    python_each(root, served, &[name]).remove(0)
}

/// The same for each of these names, in one process: it takes longer to start than to judge.
pub(crate) fn python_each(root: &Path, served: &Pair, names: &[&str]) -> Vec<Result<(), String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/handshake.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(root).args([&served.certificate, &served.key]).args(names);
    let said = String::from_utf8(run(&mut command).stdout).expect("UTF-8");
    let verdicts: Vec<_> =
        said.lines().map(|line| if line == "accepted" { Ok(()) } else { Err(line.to_owned()) }).collect();
    assert_eq!(verdicts.len(), names.len(), "{said}");
    verdicts
}

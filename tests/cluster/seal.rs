//! Who can open a sealed file: real sops and real age, each with one identity and nothing else at hand.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::peer::Programs;
use super::run;

/// What is in a SOPS file, as `sops decrypt` prints it with the age identities of one file. `None` when none of
/// them is a recipient's. Panics when the file itself is at fault: damage must not pass for a refusal.
pub(crate) fn sops(sops: &Programs, file: &Path, identity: &Path) -> Option<Vec<u8>> {
    decrypt(sops, file, identity, &[])
}

/// The same as a JSON object, whatever the file's format.
pub(crate) fn sops_json(sops: &Programs, file: &Path, identity: &Path) -> Option<Vec<u8>> {
    decrypt(sops, file, identity, &["--output-type", "json"])
}

fn decrypt(sops: &Programs, file: &Path, identity: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new(sops.path("sops"));
    // sops adds every identity it can find: with no HOME and no variables it finds this one.
    command.env_clear().env("SOPS_AGE_KEY_FILE", identity).arg("decrypt").args(options).arg(file);
    // Source: sops, cmd/sops/codes/codes.go: CouldNotRetrieveKey.
    opened(&mut command, |output| output.status.code() == Some(128))
}

/// What is in an age file, as `age` prints it with one identity file (its own kind or an SSH private key).
/// `None` when it is not a recipient's. Panics when the file itself is at fault.
pub(crate) fn age(file: &Path, identity: &Path) -> Option<Vec<u8>> {
    let mut command = Command::new("age");
    command.arg("--decrypt").arg("-i").arg(identity).arg(file);
    opened(&mut command, |output| String::from_utf8_lossy(&output.stderr).contains("no identity matched"))
}

/// One value of a SOPS file as sops-nix gives it to a service: opened with the SSH host key. `None` when the host key
/// is no recipient's. Panics on any other failure. `nix` is [`Peer::SopsNix`](super::peer::Peer::SopsNix): the
/// installer of sops-nix where it is on PATH, and otherwise the same two libraries in a program of ours.
pub(crate) fn sops_nix(nix: &Programs, file: &Path, key: &str, host_key: &Path) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let installer = nix.path("sops-install-secrets");
    let mut command = if installer.is_file() {
        install_secret(&installer, folder.path(), file, key, host_key)
    } else {
        let mut command = Command::new(nix.path("sops-nix-open"));
        command.arg(file).arg(key).arg(host_key);
        command
    };
    // sops adds every identity it can find: with no HOME and no variables there is the host key's alone.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    opened(&mut command, |output| String::from_utf8_lossy(&output.stderr).contains("Error getting data key"))
}

/// The installer on a manifest with one secret. It mounts a ramfs, here in a mount namespace of its own.
fn install_secret(installer: &Path, folder: &Path, file: &Path, key: &str, host_key: &Path) -> Command {
    let (mounted, link) = (folder.join("secrets.d"), folder.join("secrets"));
    let manifest = serde_json::json!({
        "secrets": [{
            "name": key, "key": key, "path": link.join(key), "sopsFile": file, "format": "yaml", "mode": "0400",
        }],
        "secretsMountPoint": mounted,
        "symlinkPath": link,
        "keepGenerations": 1,
        "ageSshKeyPaths": [host_key],
    });
    let path = folder.join("manifest.json");
    fs::write(&path, manifest.to_string()).expect("a file");
    let mut command = Command::new("unshare");
    // What is mounted in there is to be seen from in there alone, so the value is read there too.
    command.args(["--mount", "sh", "-c", "\"$1\" -ignore-passwd \"$2\" >&2 && cat \"$3\"", "sh"]);
    command.arg(installer).arg(&path).arg(link.join(key));
    command
}

/// Makes an SSH host key in `folder` as `ssh-keygen` does; its public half lies beside it with `.pub`.
pub(crate) fn make_host_key(path: &Path) {
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path));
}

/// Writes the age identity of an SSH host key to a file, converted from the private half by Go. This is the
/// conversion that sops-nix makes of `sshKeyPaths` before it lets sops' code decrypt.
pub(crate) fn write_host_identity(verify: &Programs, host_key: &Path, identity: &Path) {
    let output = run(Command::new(verify.path("go-verify")).args(["identity", "-key"]).arg(host_key));
    fs::write(identity, output.stdout).expect("a file");
    fs::set_permissions(identity, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// The age recipient of an SSH host key, converted from the public half by Python.
pub(crate) fn host_recipient(public: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/recipient.py");
    let output = run(Command::new("python3").arg(script).arg(public));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

fn opened(command: &mut Command, refused: impl Fn(&Output) -> bool) -> Option<Vec<u8>> {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    if output.status.success() {
        return Some(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        refused(&output),
        "{command:?} failed with {}, but not for want of a key: {stderr}",
        output.status
    );
    None
}

//! A repository, its machines with real sshds, and a desk that `deploy` runs at. nixos-anywhere and nixos-rebuild are
//! stand-ins: they write down what they were given, and do to the machine what matters to a deploy.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::cluster::network::{Host, Network};
use crate::cluster::peer::{self, Peer, Programs};
use crate::cluster::{run, wait_for};
use crate::project::{Project, Run, machines};

/// How long a run may take before the test gives up.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

pub(crate) const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
pub(crate) const INSTALLER: &str = "ID=nixos\nVARIANT_ID=installer\n/etc/NIXOS\n";
pub(crate) const NIXOS: &str = "ID=nixos\nVERSION_ID=\"25.11\"\n/etc/NIXOS\n";

/// Writes down its arguments and what it is to copy; then the machine is one that was installed: it shows the key that
/// it was given. `hold` makes it wait, `fail` makes it fail. The desk's folder stands where `DESK` is.
const NIXOS_ANYWHERE: &str = r#"#!/bin/sh
tree= target=
{ echo "$(basename "$0")"; for word; do echo "  $word"; done; } >>DESK/record
while [ $# -gt 0 ]; do
    [ "$1" = --extra-files ] && tree=$2
    [ "$1" = --target-host ] && target=$2
    shift
done
echo "output of nixos-anywhere"
[ -d "$tree" ] || exit 0
(cd "$tree" && find . -printf '  %m %u:%g %y %P\n' | LC_ALL=C sort -k4) >>DESK/record
echo "  on $(stat -f -c %T "$tree")" >>DESK/record
ssh-keygen -y -f "$tree/etc/ssh/ssh_host_ed25519_key" >DESK/derived
cp "$tree/etc/ssh/ssh_host_ed25519_key.pub" DESK/given
echo $$ >DESK/running
while [ -e DESK/hold ]; do sleep 0.05; done
[ -e DESK/fail ] && exit 3
for machine in DESK/machines/*; do
    [ "$(cat "$machine/address")" = "${target#*@}" ] || continue
    cp "$tree/etc/ssh/ssh_host_ed25519_key" "$machine/host_key"
    [ -e DESK/lost ] || printf 'ID=nixos\n' >"$machine/os-release"
    kill -HUP "$(cat "$machine/pid")"
done
"#;

/// Writes down its arguments, and logs in as nix would.
const NIXOS_REBUILD: &str = r#"#!/bin/sh
target=
{ echo "$(basename "$0")"; for word; do echo "  $word"; done; echo "  NIX_SSHOPTS $NIX_SSHOPTS"; } >>DESK/record
while [ $# -gt 0 ]; do
    [ "$1" = --target-host ] && target=$2
    shift
done
echo "output of nixos-rebuild"
[ -e "DESK/fail-$target" ] && exit 4
ssh $NIX_SSHOPTS "$target" true >/dev/null
"#;

/// ssh with a key of the test's own, and nothing of whoever runs the test.
const SSH: &str = "#!/bin/sh\nexec /usr/bin/ssh -F none -i DESK/login \"$@\"\n";

/// The repository, the network, the machines.
pub(crate) struct Site {
    pub(crate) project: Project,
    network: Network,
    sshd: Programs,
    servers: Vec<Server>,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    /// The master cp1 and the worker w1, generated, with what `pki modules` and `pki init` leave. `None` where a peer is
    /// missing.
    pub(crate) fn new() -> Option<Self> {
        let (true, Some(sshd), Some(_)) =
            (peer::namespaces(), peer::find(Peer::Sshd), peer::find(Peer::SshKeygen))
        else {
            return None;
        };
        let project = Project::new(&machines(1, ""));
        project.pki(["gen", "certs", "--new-identity"]).expect(0);
        lay_out(&project, &["cp1", "w1"]);
        let desk = project.path("desk");
        fs::create_dir_all(desk.join("machines")).expect("a folder");
        fs::create_dir_all(desk.join("run")).expect("a folder");
        run(Command::new("ssh-keygen").args(["-qt", "ed25519", "-N", "", "-f"]).arg(desk.join("login")));
        for (name, text) in
            [("nixos-anywhere", NIXOS_ANYWHERE), ("nixos-rebuild", NIXOS_REBUILD), ("ssh", SSH)]
        {
            let name = format!("desk/bin/{name}");
            project.write(&name, text.replace("DESK", &desk.display().to_string()));
            fs::set_permissions(project.path(&name), fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        let network =
            Network::new(&[("cp1", "10.13.13.11"), ("w1", "10.13.13.31"), ("desk", "10.13.13.100")]);
        Some(Self { project, network, sshd, servers: Vec::new() })
    }

    /// Starts the sshd of a machine that runs this system; with a host key of its own, or one made elsewhere.
    pub(crate) fn start(&mut self, machine: &str, system: &str, own_key: bool) {
        let folder = self.machine(machine);
        fs::create_dir_all(&folder).expect("a folder");
        let (key, host) = (folder.join("host_key"), self.network.host(machine));
        if own_key {
            write_private(&key, self.host_key(machine).as_bytes());
        } else {
            run(Command::new("ssh-keygen").args(["-qt", "ed25519", "-N", "", "-f"]).arg(&key));
        }
        fs::write(folder.join("os-release"), system).expect("a file");
        // What a member is asked for: one that was here before has data.
        fs::write(folder.join("etcd"), if own_key { "etcd=0\n" } else { "etcd=1\n" }).expect("a file");
        fs::write(folder.join("address"), host.address.to_string()).expect("a file");
        fs::copy(self.project.path("desk/login.pub"), folder.join("authorized")).expect("a copy");
        let at = folder.display();
        let config = format!(
            "ListenAddress {address}\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/authorized\nPidFile {at}/pid\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             ForceCommand cat {at}/os-release {at}/etcd\n",
            address = host.address
        );
        fs::write(folder.join("config"), config).expect("a file");
        let child = sshd(host, &self.sshd, &folder);
        self.servers.push(Server(child));
        wait_for("sshd", Duration::from_secs(20), || {
            if folder.join("pid").exists() { Ok(()) } else { Err(self.log(machine)) }
        });
    }

    /// Puts another machine with another host key at that address.
    pub(crate) fn exchange(&self, machine: &str) {
        let (folder, other) = (self.machine(machine), self.machine(machine).join("other"));
        run(Command::new("ssh-keygen").args(["-qt", "ed25519", "-N", "", "-f"]).arg(&other));
        fs::rename(&other, folder.join("host_key")).expect("a key");
        let pid = fs::read_to_string(folder.join("pid")).expect("its id");
        run(Command::new("kill").args(["-HUP", pid.trim()]));
    }

    /// What a machine has on its disk.
    pub(crate) fn machine(&self, machine: &str) -> PathBuf {
        self.project.path(format!("desk/machines/{machine}"))
    }

    fn log(&self, machine: &str) -> String {
        fs::read_to_string(self.machine(machine).join("log")).unwrap_or_default()
    }

    /// A file at the desk that a stand-in looks at.
    pub(crate) fn desk(&self, name: &str) -> PathBuf {
        self.project.path(format!("desk/{name}"))
    }

    /// The private host key that `pki gen` made for a machine, as the admin opens it.
    pub(crate) fn host_key(&self, machine: &str) -> String {
        let file = format!("certs/{machine}/host.yaml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_secrets"));
        command.args(["get", &file, "host"]).current_dir(self.project.root()).env_clear();
        let output = run(command.env("HOME", self.project.path("home")));
        let text = String::from_utf8(output.stdout).expect("a key");
        if text.ends_with('\n') { text } else { text + "\n" }
    }

    /// `deploy` at the desk.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.network.host("desk").command(Path::new(env!("CARGO_BIN_EXE_deploy")));
        let path = std::env::var("PATH").expect("a PATH");
        command.args(arguments).current_dir(self.project.root()).env_clear();
        command.env("HOME", self.project.path("home")).env("XDG_RUNTIME_DIR", self.desk("run"));
        command.env("TMPDIR", self.desk("run")).env("PATH", format!("{}:{path}", self.desk("bin").display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same at the desk with other words: `change` gets the program and its arguments.
    pub(crate) fn command_with(
        &self,
        arguments: &[&str],
        change: impl FnOnce(Vec<OsString>) -> Vec<OsString>,
    ) -> Command {
        let plain = self.command(arguments);
        let words = std::iter::once(plain.get_program()).chain(plain.get_args()).map(ToOwned::to_owned);
        let words = change(words.collect());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.project.root()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A run of it to its end, within a bound.
    pub(crate) fn deploy(&self, arguments: &[&str]) -> Run {
        let child = self.command(arguments).spawn().expect("deploy starts");
        self.finish(child)
    }

    /// Waits for a run.
    pub(crate) fn finish(&self, mut child: Child) -> Run {
        wait_for("deploy", BOUND, || match child.try_wait().expect("a child") {
            Some(_) => Ok(()),
            None => Err("it runs".to_owned()),
        });
        let Output { status, stdout, stderr } = child.wait_with_output().expect("its output");
        let text = |bytes: Vec<u8>| self.tame(&String::from_utf8(bytes).expect("UTF-8"));
        Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What the stand-ins wrote down.
    pub(crate) fn record(&self) -> String {
        self.tame(&fs::read_to_string(self.desk("record")).unwrap_or_default())
    }

    /// What differs from run to run, at fixed names.
    pub(crate) fn tame(&self, text: &str) -> String {
        let mut out = Vec::new();
        for line in self.project.redact(text).lines() {
            let line = line.replace(env!("CARGO_BIN_EXE_deploy"), "deploy");
            let words = line.split(' ').map(|word| {
                if let Some((before, rest)) = word.split_once("[folder]/desk/run/quorate-edit-") {
                    return format!("{before}[staged]{}", &rest[rest.find('/').unwrap_or(rest.len())..]);
                }
                if let Some((before, rest)) = word.split_once("[folder]/desk/run/quorate-deploy-") {
                    return format!("{before}[known_hosts]{}", &rest[rest.find('/').unwrap_or(rest.len())..]);
                }
                match word.split_at_checked(68).filter(|(key, _)| key.starts_with("AAAA")) {
                    Some((_, rest)) => format!("AAAA...{rest}"),
                    None => word.to_owned(),
                }
            });
            out.push(words.collect::<Vec<_>>().join(" "));
        }
        out.join("\n") + "\n"
    }

    /// The places at the desk, and of this machine, where a file holds a line of this private key. What the machines
    /// have on their disks is theirs.
    pub(crate) fn places_of(&self, private: &str) -> Vec<PathBuf> {
        let marker = private.lines().nth(2).expect("a key of several lines");
        let mut found = Vec::new();
        for folder in [self.project.root(), Path::new("/dev/shm"), Path::new("/run/user")] {
            search(folder, &self.desk("machines"), marker.as_bytes(), &mut found);
        }
        found
    }
}

fn search(folder: &Path, aside: &Path, marker: &[u8], found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() && path != aside {
            search(&path, aside, marker, found);
        } else if meta.is_file() && meta.len() < 1 << 20 {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(marker.len()).any(|part| part == marker) {
                found.push(path);
            }
        }
    }
}

/// Modules, and a file for each of these machines as `pki init` leaves one, so far as `deploy` looks at it.
fn lay_out(project: &Project, machines: &[&str]) {
    project.pki(["modules", "modules"]).expect(0);
    for name in machines {
        project.write(
            &format!("hosts/{name}.nix"),
            "{ users.users.root.openssh.authorizedKeys.keys = [ \"me\" ]; }\n",
        );
    }
}

/// sshd wants a user of its own and a folder below /run, which this machine may lack: it sees its own.
fn sshd(host: &Host, sshd: &Programs, folder: &Path) -> Child {
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let own = if users.lines().any(|line| line.starts_with("sshd:")) {
        ""
    } else {
        "sshd:x:74:65534::/run/sshd:/bin/false\n"
    };
    fs::write(folder.join("passwd"), users + own).expect("a file");
    let script = r#"mount -t tmpfs none /run && mkdir /run/sshd && mount --bind "$1/passwd" /etc/passwd && exec "$2" -D -f "$1/config" -E "$1/log""#;
    let mut command = host.command(Path::new("unshare"));
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(folder).arg(sshd.path("sshd"));
    command.stdin(Stdio::null()).spawn().expect("sshd starts")
}

fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

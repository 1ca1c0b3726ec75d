//! What answers at a machine's address, asked by the program ssh: is it this machine, and what runs there?
//!
//! The host key is looked for under the machine's name (`HostKeyAlias`), so that neither an address nor a port nor
//! somebody's `~/.ssh/known_hosts` has a say in it. No shared connection of another ssh is used: nobody checks a host key
//! on one.

use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::identities::VARIABLES;

/// Seconds until a machine that does not answer is given up.
const CONNECT_SECONDS: u32 = 10;

/// How long a question may take in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of an answer is read.
const LONGEST: u64 = 64 << 10;

/// What tells one system from another. Two words that every shell knows, since nobody knows whose shell it is.
const QUESTION: &str = "cat /etc/os-release; ls -d /etc/NIXOS";

/// What tells a member of etcd that has begun, or did once, from one that never has. Its folders are its own.
const MEMBER: &str =
    "sh -c 'test -e /var/lib/etcd/member/wal || test -e /var/lib/quorate-etcd/used-tokens; echo etcd=$?'";

/// No file of known hosts is written but those that are named, nobody is asked for anything, and no connection is shared
/// with another ssh, which another known_hosts file let through.
const ALONE: [&str; 3] = ["UpdateHostKeys=no", "BatchMode=yes", "ControlPath=none"];

/// Where ssh finds a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The machine's name.
    pub(super) machine: String,
    /// Who logs in.
    pub(super) user: String,
    /// Where.
    pub(super) ip: IpAddr,
    /// What the user's own NIX_SSHOPTS say, behind all of ours: ssh takes the first of two.
    pub(super) options: Vec<String>,
}

impl Address {
    /// `user@address`. ssh wants an IPv6 address bare and nix wants it in brackets, so there it is the name, and
    /// [`Address::host_name`] says where that is.
    pub(super) fn target(&self) -> String {
        match self.ip {
            IpAddr::V4(ip) => format!("{}@{ip}", self.user),
            IpAddr::V6(_) => format!("{}@{}", self.user, self.machine),
        }
    }

    /// The option of ssh that goes with an IPv6 address.
    pub(super) fn host_name(&self) -> Option<String> {
        self.ip.is_ipv6().then(|| format!("HostName={}", self.ip))
    }

    /// The line of a known_hosts file for this machine with `key`, `ssh-ed25519 AAAA...`: by name, and by address for
    /// who does not ask by name.
    pub(super) fn known_host(&self, key: &str) -> String {
        format!("{},{} {key}", self.machine, self.ip)
    }
}

/// The options of ssh, `Name=value` each, with which nobody but the holder of the host key in `known_hosts` is let
/// through. With `others`, a known_hosts file of the user's, further hosts may be met on the way, whose keys are looked
/// for there; else the key is looked for under the machine's name alone.
pub(super) fn strict(address: &Address, known_hosts: &str, others: Option<&str>) -> Vec<String> {
    let mut options = vec![format!("UserKnownHostsFile={known_hosts}")];
    if let Some(others) = others {
        options.push(format!("GlobalKnownHostsFile={others}"));
    } else {
        options.push("GlobalKnownHostsFile=/dev/null".to_owned());
        options.push(format!("HostKeyAlias={}", address.machine));
        // It may have others as well, which nobody knows here.
        options.push("HostKeyAlgorithms=ssh-ed25519".to_owned());
    }
    options.extend(ALONE.map(str::to_owned));
    options.push("StrictHostKeyChecking=yes".to_owned());
    options.extend(address.host_name());
    options
}

/// The options for a machine that nobody knows yet. `checking` is `accept-new`, and whatever key it shows is noted in
/// `known_hosts`; or `yes`, and it must show that one.
fn lenient(address: &Address, known_hosts: &str, checking: &str) -> Vec<String> {
    let mut options = vec![
        format!("UserKnownHostsFile={known_hosts}"),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        format!("HostKeyAlias={}", address.machine),
        format!("StrictHostKeyChecking={checking}"),
        "HashKnownHosts=no".to_owned(),
    ];
    options.extend(ALONE.map(str::to_owned));
    options.extend(address.host_name());
    options
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A system, the login and all.
    System(System),
    /// The host key is right and the login was refused, in ssh's words.
    Denied(String),
    /// Somebody with another host key.
    OtherKey,
    /// Nobody, in ssh's words.
    Unreachable(String),
}

/// What runs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum System {
    /// NixOS from a disk.
    NixOs,
    /// The installer of NixOS, from a stick or by kexec.
    Installer,
    /// Anything else, as it calls itself.
    Other(String),
    /// Something that does not say what it is.
    Unknown,
}

/// Reads ssh's ending. `code` is its exit code, and none where it was given up; `known_hosts` the file that it looked into.
pub(super) fn read(
    address: &Address,
    known_hosts: &str,
    code: Option<i32>,
    stdout: &str,
    stderr: &str,
) -> Answer {
    // Source: ssh(1), "EXIT STATUS": 255 if an error occurred, else that of the remote command.
    if code.is_some_and(|code| code != 255) {
        return Answer::System(system(stdout));
    }
    // Messages of OpenSSH's client, which are never translated. A banner of the other side is not shown at this level.
    // A host on the way there says the same of its own key: what tells them apart is the name. Behind a ProxyCommand, as
    // a jump is one, there is no address.
    // Source: OpenSSH, sshconnect.c, `check_host_key`; packet.c, `sshpkt_vfatal` and `ssh_remote_ipaddr`.
    let (mut lines, ip) = (stderr.lines().map(str::trim), address.ip.to_string());
    let alias = format!(" for {} ", address.machine);
    let is_own_key = stderr.contains("Host key verification failed")
        && (stderr.contains(&alias) || stderr.contains(known_hosts));
    let is_own_type = lines.clone().any(|line| {
        let who = line.split_once("no matching host key type found").map(|(who, _)| who);
        who.is_some_and(|who| {
            [ip.as_str(), "UNKNOWN"].iter().any(|own| who.contains(&format!("with {own} ")))
        })
    });
    if is_own_key || is_own_type {
        return Answer::OtherKey;
    }
    // What follows such a line is that the connection is closed.
    let said =
        lines.clone().find(|line| line.contains("strict checking") || line.contains("no matching host key"));
    let said = said.or_else(|| lines.rfind(|line| !line.is_empty()));
    let said = said.unwrap_or("no answer in time").trim_end_matches('.').to_owned();
    if stderr.contains("Permission denied") { Answer::Denied(said) } else { Answer::Unreachable(said) }
}

/// Source: os-release(5); `VARIANT_ID=installer` is set by nixpkgs' installation-device.nix and asked for by
/// nixos-anywhere.
fn system(text: &str) -> System {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    let is_nixos = field("ID").as_deref() == Some("nixos") || text.lines().any(|line| line == "/etc/NIXOS");
    match (is_nixos, field("VARIANT_ID").as_deref()) {
        (true, Some("installer")) => System::Installer,
        (true, _) => System::NixOs,
        (false, _) => field("PRETTY_NAME").or_else(|| field("ID")).map_or(System::Unknown, System::Other),
    }
}

/// Asks the holder of the machine's own host key, as `known_hosts` has it.
pub(super) fn ask_own(address: &Address, known_hosts: &Path) -> Answer {
    ask(address, known_hosts, &strict(address, &known_hosts.display().to_string(), None))
}

/// Asks whoever answers, and notes the key in `known_hosts`.
pub(super) fn ask_anybody(address: &Address, known_hosts: &Path) -> Answer {
    ask(address, known_hosts, &lenient(address, &known_hosts.display().to_string(), "accept-new"))
}

/// Asks the holder of a key that `known_hosts` has, of whatever type.
pub(super) fn ask_noted(address: &Address, known_hosts: &Path) -> Answer {
    ask(address, known_hosts, &lenient(address, &known_hosts.display().to_string(), "yes"))
}

/// What a member of etcd has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// Data, or the sign that there was some; or it does not say.
    Some,
    /// None: it never began.
    None,
    /// It is not there, or not installed.
    Away,
}

/// Asks a member of etcd what it has.
pub(super) fn ask_member(address: &Address, known_hosts: &Path) -> Data {
    let sudo = if address.user == "root" { "" } else { "sudo -n " };
    let options = strict(address, &known_hosts.display().to_string(), None);
    let Ok(said) = say(address, &options, &format!("{QUESTION}; {sudo}{MEMBER}")) else { return Data::Away };
    match said.read(address, known_hosts) {
        Answer::System(System::NixOs) if said.stdout.lines().any(|line| line == "etcd=1") => Data::None,
        Answer::System(System::NixOs) => Data::Some,
        _ => Data::Away,
    }
}

fn ask(address: &Address, known_hosts: &Path, options: &[String]) -> Answer {
    match say(address, options, QUESTION) {
        Ok(said) => said.read(address, known_hosts),
        Err(cause) => Answer::Unreachable(format!("`ssh` did not start: {}", crate::error::plain(&cause))),
    }
}

/// How ssh ended.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn read(&self, address: &Address, known_hosts: &Path) -> Answer {
        read(address, &known_hosts.display().to_string(), self.code, &self.stdout, &self.stderr)
    }
}

fn say(address: &Address, options: &[String], question: &str) -> std::io::Result<Said> {
    let mut command = Command::new("ssh");
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.arg("-T").args(options.iter().flat_map(|option| ["-o", option]));
    let timeout = format!("ConnectTimeout={CONNECT_SECONDS}");
    command.args(["-o", &timeout, "-o", "LogLevel=ERROR"]);
    command.args(&address.options).args([&address.target(), question]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let out = child.stdout.take().map(|pipe| thread::spawn(|| text(pipe)));
    let err = child.stderr.take().map(|pipe| thread::spawn(|| text(pipe)));
    let code = bounded(&mut child).and_then(|status| status.code());
    let joined = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    Ok(Said { code, stdout: joined(out), stderr: joined(err) })
}

fn text(pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.take(LONGEST).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits so long and no longer; `None` where it had to be ended.
fn bounded(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The fingerprint of the key that was noted, as ssh shows it to people; `None` when there is none.
pub(super) fn fingerprint(known_hosts: &Path) -> Option<String> {
    let output =
        Command::new("ssh-keygen").arg("-lf").arg(known_hosts).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.lines().next()?.split_whitespace().collect();
    // `256 SHA256:... cp1 (ED25519)`
    Some(format!("{} {}", words.get(1)?, words.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ip: &str) -> Address {
        Address {
            machine: "cp1".to_owned(),
            user: "root".to_owned(),
            ip: ip.parse().unwrap(),
            options: Vec::new(),
        }
    }

    #[test]
    fn an_ipv6_address_is_an_option_since_ssh_and_nix_write_it_in_two_ways() {
        let (four, six) = (address("10.0.0.1"), address("fd00::1"));
        assert_eq!((four.target().as_str(), four.host_name()), ("root@10.0.0.1", None));
        assert_eq!(
            (six.target().as_str(), six.host_name()),
            ("root@cp1", Some("HostName=fd00::1".to_owned()))
        );
        assert_eq!(six.known_host("ssh-ed25519 A"), "cp1,fd00::1 ssh-ed25519 A");
    }

    #[test]
    fn systems_are_told_by_their_os_release() {
        let nixos = "ID=nixos\nPRETTY_NAME=\"NixOS 25.11 (Xantusia)\"\n";
        for (text, expected) in [
            (nixos, System::NixOs),
            ("/etc/NIXOS\n", System::NixOs),
            ("ID=nixos\nVARIANT_ID=installer\n/etc/NIXOS\n", System::Installer),
            ("ID=nixos\nVARIANT_ID=\"installer\"\n", System::Installer),
            (
                "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n",
                System::Other("Debian GNU/Linux 12".to_owned()),
            ),
            ("ID=debian\nID_LIKE=nixos\n", System::Other("debian".to_owned())),
            ("this account is not available\n", System::Unknown),
        ] {
            assert_eq!(
                read(&address("10.0.0.1"), "/k/cp1", Some(0), text, ""),
                Answer::System(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_ssh_says_is_a_wrong_key_a_refused_login_or_nobody() {
        let denied = "cp1: Permission denied (publickey).";
        for (code, stderr, expected) in [
            (
                Some(255),
                "@@@\r\nOffending ED25519 key in /k/cp1:1\r\nHost key verification failed.\r\n",
                Answer::OtherKey,
            ),
            (
                Some(255),
                "No ED25519 host key is known for cp1 and you have requested strict checking.\nHost key verification failed.\n",
                Answer::OtherKey,
            ),
            (
                Some(255),
                "No ED25519 host key is known for bastion and you have requested strict checking.\nHost key verification failed.\n\
                 Connection closed by UNKNOWN port 65535\n",
                Answer::Unreachable(
                    "No ED25519 host key is known for bastion and you have requested strict checking".to_owned(),
                ),
            ),
            (
                Some(255),
                "Unable to negotiate with 10.9.9.9 port 22: no matching host key type found. Their offer: ssh-dss\n\
                 Connection closed by UNKNOWN port 65535\n",
                Answer::Unreachable(
                    "Unable to negotiate with 10.9.9.9 port 22: no matching host key type found. Their offer: ssh-dss".to_owned(),
                ),
            ),
            (
                Some(255),
                "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: rsa-sha2-512",
                Answer::OtherKey,
            ),
            (Some(255), denied, Answer::Denied("cp1: Permission denied (publickey)".to_owned())),
            (
                Some(255),
                "ssh: connect to host x: No route to host\n",
                Answer::Unreachable("ssh: connect to host x: No route to host".to_owned()),
            ),
            (None, "", Answer::Unreachable("no answer in time".to_owned())),
        ] {
            assert_eq!(read(&address("10.0.0.1"), "/k/cp1", code, "", stderr), expected, "{stderr}");
        }
    }
}

//! The commands that change a machine, as data: what `--dry-run` prints is what runs.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::Refusal;
use super::decide::Action;
use super::ssh::{Address, strict};
use crate::identities::VARIABLES;

/// Where a printed command has the folder with the host key.
pub(super) const STAGED: &str = "$staged";
/// Where a printed command has the file with the public host key.
pub(super) const KNOWN_HOSTS: &str = "$known_hosts";

/// The variable by which nix and nixos-rebuild are told options of ssh, divided at blanks.
/// Source: nix.conf(5) and nixos-rebuild(8), `NIX_SSHOPTS`.
pub(super) const SSH_OPTIONS: &str = "NIX_SSHOPTS";

/// The options of nixos-anywhere that say what these options of ssh say: NIX_SSHOPTS it overwrites with its own, so that
/// without them another machine might be wiped than the one that was asked.
/// Source: nixos-anywhere.sh, `parseArgs` and `runKexec`, which puts the second port where the first one was: an address
/// and a port that are one machine's before kexec are nobody else's after it.
///
/// # Errors
/// The first word that is none of `-p`, `-i`, `-o`.
fn for_nixos_anywhere(options: &[String]) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let Some((flag, value)) = option.split_at_checked(2) else { return Err(option.clone()) };
        let value = if value.is_empty() { rest.next().map(String::as_str) } else { Some(value) };
        let Some(value) = value else { return Err(option.clone()) };
        let names: &[&str] = match flag {
            "-p" => &["--ssh-port", "--post-kexec-ssh-port"],
            "-i" => &["-i"],
            "-o" => &["--ssh-option"],
            _ => return Err(option.clone()),
        };
        words.extend(names.iter().flat_map(|name| [(*name).to_owned(), value.to_owned()]));
    }
    Ok(words)
}

/// What all commands of a run share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The flake, without the name of a machine.
    pub(super) flake: String,
    /// Where updates are built; none is here.
    pub(super) build_host: Option<String>,
    /// The user's own known_hosts file, for the build host.
    pub(super) user_known_hosts: Option<String>,
}

/// Paths of one machine's run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paths<'a> {
    /// The folder that holds what is copied to a new machine.
    pub(super) staged: &'a str,
    /// A known_hosts file with the machine's own key.
    pub(super) known_hosts: &'a str,
}

/// The paths as they are printed: shell variables.
pub(super) const PRINTED: Paths<'static> = Paths { staged: STAGED, known_hosts: KNOWN_HOSTS };

/// A program with its arguments, and what it finds in its environment beside all the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// NIX_SSHOPTS, where it is set.
    pub(super) ssh_options: Option<String>,
    /// The program and its arguments.
    pub(super) words: Vec<String>,
}

impl Line {
    /// The program.
    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words as a system call takes them.
    pub(super) fn os_words(&self) -> impl Iterator<Item = OsString> {
        self.words.iter().map(OsString::from)
    }

    /// The process, not started yet. What opens our secrets is not its business.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(self.words.iter().skip(1));
        for name in VARIABLES {
            command.env_remove(name);
        }
        if let Some(options) = &self.ssh_options {
            command.env(SSH_OPTIONS, options);
        }
        command
    }

    /// As a shell takes it.
    pub(super) fn quoted(&self) -> String {
        let options = self.ssh_options.iter().map(|options| format!("{SSH_OPTIONS}={}", quoted(options)));
        options.chain(self.words.iter().map(|word| quoted(word))).collect::<Vec<_>>().join(" ")
    }
}

/// The command for one machine.
///
/// # Errors
/// Options of the user's ssh that nixos-anywhere cannot be told.
pub(super) fn line(
    action: &Action,
    address: &Address,
    settings: &Settings,
    paths: Paths<'_>,
) -> Result<Line, Refusal> {
    let configuration = format!("{}#{}", settings.flake, address.machine);
    let mut words: Vec<String> = Vec::new();
    let mut push = |some: &[&str]| words.extend(some.iter().map(|word| (*word).to_owned()));
    match action {
        // Source: nixos-anywhere's `--help`: `--copy-host-keys` keeps the keys of the system that is there.
        Action::Install { keeps_key, .. } => {
            push(&["nixos-anywhere", "--flake", &configuration]);
            if *keeps_key {
                push(&["--copy-host-keys"]);
            } else {
                push(&["--extra-files", paths.staged]);
            }
            if let Some(option) = address.host_name() {
                push(&["--ssh-option", &option]);
            }
            let own = for_nixos_anywhere(&address.options).map_err(|option| {
                Refusal::new(
                    &address.machine,
                    format!("`{SSH_OPTIONS}` has `{option}`, which nixos-anywhere cannot be told, so it might reach another machine"),
                    "say it with `-p`, `-i` and `-o Name=value` alone, or in ~/.ssh/config",
                )
            })?;
            push(&own.iter().map(String::as_str).collect::<Vec<_>>());
            push(&["--target-host", &address.target()]);
            Ok(Line { ssh_options: None, words })
        }
        Action::Update => {
            push(&["nixos-rebuild", "switch", "--flake", &configuration, "--target-host", &address.target()]);
            if address.user != "root" {
                push(&["--sudo"]);
            }
            let mut others = None;
            if let Some(host) = &settings.build_host {
                push(&["--build-host", host]);
                // The machine itself is known by its name.
                others = settings.user_known_hosts.as_deref().filter(|_| *host != address.target());
            }
            let options = strict(address, paths.known_hosts, others);
            let ours = options.iter().map(|option| format!("-o {option}"));
            let all = ours.chain(address.options.iter().cloned()).collect::<Vec<_>>().join(" ");
            Ok(Line { ssh_options: Some(all), words })
        }
    }
}

/// A word for a shell; the two variables stay variables.
pub(super) fn quoted(word: &str) -> String {
    if !word.contains(STAGED) && !word.contains(KNOWN_HOSTS) {
        // Only a zero byte cannot be quoted, and no argument can have one.
        return shlex::try_quote(word).map_or_else(|_| String::new(), std::borrow::Cow::into_owned);
    }
    let mut out = String::from("\"");
    let mut rest = word;
    while let Some(letter) = rest.chars().next() {
        let variable = [STAGED, KNOWN_HOSTS].into_iter().find(|variable| rest.starts_with(variable));
        let (head, tail) = rest.split_at(variable.map_or(letter.len_utf8(), str::len));
        if variable.is_none() && matches!(letter, '"' | '$' | '`' | '\\') {
            out.push('\\');
        }
        out.push_str(head);
        rest = tail;
    }
    out.push('"');
    out
}

/// Whether a program is on PATH.
pub(super) fn is_on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    let runs = |file: &Path| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    std::env::split_paths(&path).any(|folder| runs(&folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { flake: ".".to_owned(), build_host: None, user_known_hosts: None }
    }

    fn address(user: &str, ip: &str) -> Address {
        Address {
            machine: "cp1".to_owned(),
            user: user.to_owned(),
            ip: ip.parse().unwrap(),
            options: Vec::new(),
        }
    }

    #[test]
    fn an_installation_hands_over_a_folder_or_keeps_the_keys_that_are_there() {
        let install = |keeps_key| Action::Install { over: "Debian".to_owned(), keeps_key };
        let told = |keeps_key, ip| {
            line(&install(keeps_key), &address("root", ip), &settings(), PRINTED).unwrap().quoted()
        };
        assert_eq!(
            told(false, "10.0.0.1"),
            "nixos-anywhere --flake '.#cp1' --extra-files \"$staged\" --target-host root@10.0.0.1"
        );
        assert_eq!(
            told(true, "fd00::1"),
            "nixos-anywhere --flake '.#cp1' --copy-host-keys --ssh-option 'HostName=fd00::1' --target-host root@cp1"
        );
    }

    #[test]
    fn an_installation_reaches_the_machine_that_was_asked_whatever_its_port() {
        let install = Action::Install { over: "Debian".to_owned(), keeps_key: true };
        let told = |options: &str| {
            let options = options.split_whitespace().map(str::to_owned).collect();
            let address = Address { options, ..address("root", "10.0.0.1") };
            line(&install, &address, &settings(), PRINTED).map(|line| line.words[4..].join(" "))
        };
        assert_eq!(
            told("-p 2222 -i~/key -o ProxyJump=bastion").unwrap(),
            "--ssh-port 2222 --post-kexec-ssh-port 2222 -i ~/key --ssh-option ProxyJump=bastion \
             --target-host root@10.0.0.1"
        );
        for options in ["-J bastion", "-o Port 2222", "-p", "2222", "é", "-4"] {
            assert!(told(options).unwrap_err().message.contains("might reach another machine"), "{options}");
        }
    }

    #[test]
    fn an_update_knows_the_machine_by_its_own_key_alone() {
        let told = line(&Action::Update, &address("ops", "10.0.0.1"), &settings(), PRINTED).unwrap().quoted();
        assert_eq!(
            told,
            "NIX_SSHOPTS=\"-o UserKnownHostsFile=$known_hosts -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=cp1 \
             -o HostKeyAlgorithms=ssh-ed25519 -o UpdateHostKeys=no -o BatchMode=yes -o ControlPath=none -o StrictHostKeyChecking=yes\" \
             nixos-rebuild switch --flake '.#cp1' --target-host ops@10.0.0.1 --sudo"
        );
    }

    #[test]
    fn a_build_host_is_known_by_the_keys_that_the_user_knows() {
        let settings = Settings {
            build_host: Some("big".to_owned()),
            user_known_hosts: Some("/home/me/.ssh/known_hosts".to_owned()),
            ..settings()
        };
        let address =
            Address { options: vec!["-p".to_owned(), "2222".to_owned()], ..address("root", "10.0.0.1") };
        let told = line(&Action::Update, &address, &settings, PRINTED).unwrap().quoted();
        assert!(told.contains("GlobalKnownHostsFile=/home/me/.ssh/known_hosts"), "{told}");
        assert!(!told.contains("HostKeyAlias"), "its key would be compared with the machine's: {told}");
        assert!(told.contains("-p 2222\"") && told.ends_with("--build-host big"), "{told}");
    }

    #[test]
    fn whatever_a_shell_would_obey_is_quoted() {
        assert_eq!(quoted("$staged`x`$y\""), "\"$staged\\`x\\`\\$y\\\"\"");
        assert_eq!(quoted("a b"), "'a b'");
    }
}

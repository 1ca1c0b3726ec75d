//! What is done to a machine, by what answers at its address.

use super::Refusal;
use super::ssh::{Answer, System};

/// What is done to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// NixOS is put on its disk, over what is there.
    Install {
        /// What is there, in words.
        over: String,
        /// Whether the key that it shows is the one it keeps.
        keeps_key: bool,
    },
    /// It gets another configuration.
    Update,
}

/// Where the private half of a machine's host key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKeyHome {
    /// Sealed in certs/: `pki gen` made it.
    Sealed,
    /// On the machine itself: machines.nix names the public half.
    Machine,
}

/// What a person must know to decide otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The machine.
    pub(super) machine: &'a str,
    /// `user@address`.
    pub(super) target: &'a str,
    /// Whether `--install` was given.
    pub(super) install: bool,
    /// Where its host key is.
    pub(super) home: HostKeyHome,
}

/// Decides. `own` is the answer to who asked for the machine's own host key, `anybody` to who asked whoever is there,
/// which is done only when somebody with another key answered.
///
/// # Errors
/// Why nothing is done to it, and what to do.
pub(super) fn decide(asked: Asked<'_>, own: &Answer, anybody: Option<&Answer>) -> Result<Action, Refusal> {
    let Asked { machine, target, install, home } = asked;
    let refuse = |message: String, hint: String| Err(Refusal::new(machine, message, hint));
    match (own, anybody) {
        // Whatever it is, it may be this very machine behind a shell of its own.
        (Answer::System(System::Unknown), _) | (Answer::OtherKey, Some(Answer::System(System::Unknown))) => {
            refuse(
                format!("`{target}` answers and does not say what runs there"),
                format!("`ssh {target} cat /etc/os-release` must print it: give that user an ordinary shell"),
            )
        }
        (Answer::System(System::NixOs), _) if !install => Ok(Action::Update),
        (Answer::System(system), _) => {
            Ok(Action::Install { over: called(system), keeps_key: home == HostKeyHome::Machine })
        }
        (Answer::OtherKey, Some(Answer::System(system))) => {
            if home == HostKeyHome::Machine {
                return refuse(
                    format!("`{target}` shows another host key than `{machine}.hostKey` of the inventory"),
                    format!(
                        "correct `{machine}.hostKey`, or remove it and run `pki gen`, which makes a key for the machine"
                    ),
                );
            }
            if *system == System::NixOs && !install {
                return refuse(
                    format!(
                        "`{target}` is a NixOS with another host key, expected that of certs/{machine}/host.pub"
                    ),
                    format!(
                        "is this another machine, or was it installed in another way? `--install` wipes its disk and installs it anew; \
                         or keep it as it is, name its key as `{machine}.hostKey` and run `pki gen`"
                    ),
                );
            }
            Ok(Action::Install { over: called(system), keeps_key: false })
        }
        (Answer::Denied(said), _) | (Answer::OtherKey, Some(Answer::Denied(said))) => refuse(
            format!("`{target}` answers and refuses the login: {said}"),
            format!(
                "`ssh {target}` must work without a password: put your key there, or load it with `ssh-add`"
            ),
        ),
        (Answer::Unreachable(said), _) | (Answer::OtherKey, Some(Answer::Unreachable(said))) => refuse(
            format!("`{target}` does not answer: {said}"),
            format!(
                "is it switched on, and `{machine}.localIp` where your ssh reaches it? a new machine is booted from the NixOS installer first"
            ),
        ),
        (Answer::OtherKey, _) => refuse(
            format!("`{target}` shows one host key, and then another"),
            "are two machines at one address? run this again when there is one".to_owned(),
        ),
    }
}

/// A system in words.
pub(super) fn called(system: &System) -> String {
    match system {
        System::NixOs => "NixOS".to_owned(),
        System::Installer => "the NixOS installer".to_owned(),
        System::Other(name) => name.clone(),
        System::Unknown => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(install: bool, home: HostKeyHome) -> Asked<'static> {
        Asked { machine: "cp1", target: "root@10.0.0.1", install, home }
    }

    fn system(system: System) -> Answer {
        Answer::System(system)
    }

    #[test]
    fn our_own_nixos_is_updated_and_wiped_only_when_asked() {
        let own = system(System::NixOs);
        assert_eq!(decide(asked(false, HostKeyHome::Sealed), &own, None), Ok(Action::Update));
        let wiped = Action::Install { over: "NixOS".to_owned(), keeps_key: false };
        assert_eq!(decide(asked(true, HostKeyHome::Sealed), &own, None), Ok(wiped));
    }

    #[test]
    fn another_system_is_installed_and_a_foreign_nixos_only_when_asked() {
        for (found, install, expected) in [
            (System::Installer, false, Some("the NixOS installer")),
            (System::Other("Debian".to_owned()), false, Some("Debian")),
            (System::NixOs, false, None),
            (System::NixOs, true, Some("NixOS")),
        ] {
            let action = decide(asked(install, HostKeyHome::Sealed), &Answer::OtherKey, Some(&system(found)));
            let expected = expected.map(|over| Action::Install { over: over.to_owned(), keeps_key: false });
            assert_eq!(action.ok(), expected);
        }
    }

    #[test]
    fn a_key_that_only_the_machine_has_is_kept_and_never_replaced() {
        let debian = system(System::Other("Debian".to_owned()));
        let kept = Action::Install { over: "Debian".to_owned(), keeps_key: true };
        assert_eq!(decide(asked(false, HostKeyHome::Machine), &debian, None), Ok(kept));
        for install in [false, true] {
            let refused = decide(asked(install, HostKeyHome::Machine), &Answer::OtherKey, Some(&debian));
            assert!(refused.unwrap_err().message.contains("hostKey"));
        }
    }

    #[test]
    fn what_does_not_say_what_it_is_is_never_wiped() {
        let unknown = system(System::Unknown);
        for install in [false, true] {
            assert!(decide(asked(install, HostKeyHome::Sealed), &unknown, None).is_err());
            assert!(decide(asked(install, HostKeyHome::Sealed), &Answer::OtherKey, Some(&unknown)).is_err());
        }
    }

    #[test]
    fn nothing_is_done_where_nobody_answers_or_lets_us_in() {
        for answer in [Answer::Unreachable("no route".to_owned()), Answer::Denied("no".to_owned())] {
            assert!(decide(asked(true, HostKeyHome::Sealed), &answer, None).is_err());
            assert!(decide(asked(true, HostKeyHome::Sealed), &Answer::OtherKey, Some(&answer)).is_err());
        }
        assert!(decide(asked(true, HostKeyHome::Sealed), &Answer::OtherKey, None).is_err());
    }
}

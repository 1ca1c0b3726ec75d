//! What a new machine is given: its own SSH host key, and nothing else, in a folder that lies in memory.
//!
//! The key is laid down as `secrets edit` lays down a text (`secrets/edit`): in a mount namespace of its own, on a ramfs
//! that is gone with the last process inside. nixos-anywhere runs in there. Between the two stands this program once
//! more, [`entry`]: it makes the tree of the key, looks at what the tree holds, and becomes nixos-anywhere.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use quorate_pki::entries::Entry;
use quorate_pki::kinds::HOST;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use secrecy::ExposeSecret as _;

use super::command::{Line, STAGED};
use crate::error::Error;
use crate::report;
use crate::secrets::edit::{self, EditError, Options};
use crate::vault::Vault;

/// The first argument of the process that makes the tree; the key's file, the public key, `--` and the command follow.
const STAGE: &str = "__stage-host-key";

/// What the process ends with when there is no tree: no program is run then.
pub(super) const NO_TREE: u8 = 125;

/// The name of the tree beside the key's file.
const TREE: &str = "tree";

/// Everything that a new machine is given: path, mode, and whether it is a folder. nixos-anywhere unpacks it as root's
/// over the new system, modes kept, the top's own included.
/// Source: nixos-anywhere, `nixosInstall`: `tar -C "$extraFiles" -cpf- . | tar -C /mnt -xf- --no-same-owner`.
const GIVEN: [(&str, u32, bool); 5] = [
    ("", 0o755, true),
    ("etc", 0o755, true),
    ("etc/ssh", 0o755, true),
    ("etc/ssh/ssh_host_ed25519_key", 0o600, false),
    ("etc/ssh/ssh_host_ed25519_key.pub", 0o644, false),
];

/// The files that a new machine is given.
pub(super) fn files() -> Vec<&'static str> {
    GIVEN.iter().filter(|(_, _, is_folder)| !is_folder).map(|(path, ..)| *path).collect()
}

/// A machine's host key, opened.
pub(super) struct HostKey {
    private: Secret,
    public: String,
}

impl HostKey {
    /// The key of `machine` out of what was opened. `public` is the line that its `host.pub` has.
    ///
    /// # Errors
    /// [`Error::Sealed`] when what was sealed there is no private half of `public`: an authority's key, or another
    /// machine's.
    pub(super) fn of(vault: &Vault, machine: &str, public: &str) -> Result<Self, Error> {
        let file = sealed_file(machine);
        let refused = |cause: String| Error::Sealed {
            file: file.clone(),
            cause,
            hint: format!(
                "somebody changed or exchanged it: bring it back with `git checkout -- certs/{file}`"
            ),
        };
        let text = vault
            .get(&Entry { file: file.clone(), name: HOST.to_owned() })
            .ok_or_else(|| refused(format!("it has no entry `{HOST}`")))?;
        let private = Secret::from(text.expose_secret());
        if !belongs(&private, public) {
            return Err(refused(format!(
                "what it holds is not the host key that certs/{machine}/host.pub names"
            )));
        }
        Ok(Self { private, public: public.to_owned() })
    }
}

/// The sealed file of a machine's host key, below certs/.
pub(super) fn sealed_file(machine: &str) -> String {
    format!("{machine}/{HOST}.yaml")
}

/// Whether a text is the private half of a public host key. No authority's key is one: those are no OpenSSH keys.
fn belongs(private: &Secret, public: &str) -> bool {
    let own = Identity::from_ssh_host_key(private).ok();
    let own = own.as_ref().and_then(|own| Some(own.recipient()?.key().to_owned()));
    let named = Recipient::from_ssh_host_key(public).ok();
    own.is_some() && own.as_deref() == named.as_ref().map(Recipient::key)
}

/// Runs a program beside the tree with `key`; [`STAGED`] in its line is where the tree is. Gives its exit code as a
/// shell says it, or [`NO_TREE`].
///
/// # Errors
/// [`EditError`], where there is no memory for it or a signal ended it; nothing is left then.
pub(super) fn run(key: &HostKey, line: &Line, allow_swap: bool) -> Result<u8, EditError> {
    let options = Options { no_namespace: hindrance(), ..Options::from_env(allow_swap) };
    let program = options.program.clone();
    let command = |file: &Path| {
        let tree = file.with_file_name(TREE);
        let mut words: Vec<OsString> = vec![program.into(), STAGE.into(), file.into()];
        words.extend([OsString::from(&key.public), "--".into()]);
        words.extend(line.os_words().map(|word| if word == STAGED { tree.clone().into() } else { word }));
        words
    };
    edit::run(&key.private, "host-key", command, &options)
}

/// Why ssh would not work in a user namespace: there a file that belongs to root is nobody's, and ssh takes no
/// configuration from nobody. Root needs no user namespace.
/// Source: OpenSSH, readconf.c, "Bad owner or permissions".
fn hindrance() -> Option<String> {
    let own = rustix::process::geteuid();
    let config = PathBuf::from(std::env::var_os("HOME")?).join(".ssh/config");
    let owner = fs::metadata(config).ok()?.uid();
    (!own.is_root() && owner != own.as_raw())
        .then(|| "in one, ssh would refuse `~/.ssh/config`, which belongs to another user".to_owned())
}

/// The hidden entry of the program: `None` where this process is an ordinary run.
pub(super) fn entry() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != STAGE {
        return None;
    }
    let (file, public) = (PathBuf::from(words.next()?), words.next()?.into_string().ok()?);
    let command: Vec<OsString> = words.skip_while(|word| word != "--").skip(1).collect();
    let failed = |cause: String| {
        report::note(&format!("the host key could not be laid down: {cause}"));
        Some(ExitCode::from(NO_TREE))
    };
    let tree = file.with_file_name(TREE);
    if let Err(cause) = make(&file, &tree, &public) {
        return failed(crate::error::plain(&cause));
    }
    match strangers(&tree) {
        Ok(found) if found.is_empty() => {}
        Ok(found) => return failed(format!("the folder holds what nobody put there: {}", found.join(", "))),
        Err(cause) => return failed(crate::error::plain(&cause)),
    }
    let (program, arguments) = command.split_first()?;
    let cause = Command::new(program).args(arguments).stdout(report::talk()).exec();
    report::note(&format!("`{}` did not start: {}", program.display(), crate::error::plain(&cause)));
    Some(ExitCode::from(if cause.kind() == io::ErrorKind::NotFound { 127 } else { 126 }))
}

/// Makes the tree out of the key's file, which is gone then.
fn make(file: &Path, tree: &Path, public: &str) -> io::Result<()> {
    let private = Secret::from_bytes(fs::read(file)?);
    for (path, mode, is_folder) in GIVEN {
        let path = tree.join(path);
        if is_folder {
            DirBuilder::new().mode(mode).create(&path)?;
        } else {
            let text =
                if mode == 0o600 { private.duplicate() } else { Secret::from_text(format!("{public}\n")) };
            let mut new = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            new.write_all(text.expose_bytes())?;
        }
        // Whatever the mask is.
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    fs::remove_file(file)?;
    if belongs(&private, public) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is not the private half of host.pub"))
    }
}

/// What a tree has that a new machine is not given, or has in another mode, and what it lacks.
fn strangers(tree: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    walk(tree, "", &mut found)?;
    let given: Vec<(String, u32, bool)> =
        GIVEN.iter().map(|(path, mode, is_folder)| ((*path).to_owned(), *mode, *is_folder)).collect();
    let differs = |a: &[(String, u32, bool)], b: &[(String, u32, bool)]| -> Vec<String> {
        a.iter()
            .filter(|entry| !b.contains(entry))
            .map(|(path, mode, _)| format!("`{path}` {mode:o}"))
            .collect()
    };
    Ok([differs(&found, &given), differs(&given, &found)].concat())
}

fn walk(folder: &Path, name: &str, found: &mut Vec<(String, u32, bool)>) -> io::Result<()> {
    let meta = fs::symlink_metadata(folder)?;
    found.push((name.to_owned(), meta.permissions().mode() & 0o7777, meta.is_dir()));
    if !meta.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let below = entry.file_name().to_string_lossy().into_owned();
        let below = if name.is_empty() { below } else { format!("{name}/{below}") };
        walk(&entry.path(), &below, found)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_pki::cluster::KeyType;
    use quorate_pki::key::PrivateKey;

    use super::*;

    /// A key of OpenSSH's form, made for this run.
    fn key() -> (Secret, String) {
        let made = quorate_secrets::host_key::HostKey::generate("test").unwrap();
        let (private, public) = made.into_files();
        (private, quorate_pki::readers::key_only(&public))
    }

    #[test]
    fn the_tree_holds_the_key_its_public_half_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = key();
        let (file, tree) = (folder.path().join("host-key"), folder.path().join(TREE));
        fs::write(&file, private.expose_bytes()).unwrap();
        make(&file, &tree, &public).unwrap();
        assert!(!file.exists(), "there is one copy");
        assert_eq!(strangers(&tree).unwrap(), Vec::<String>::new());
        fs::write(tree.join("etc/ca.key"), "x").unwrap();
        fs::set_permissions(tree.join("etc/ssh"), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(
            strangers(&tree).unwrap().len(),
            3,
            "a stranger, and a mode that is not what it should be"
        );
    }

    #[test]
    fn an_authoritys_key_and_another_machines_are_no_host_key() {
        let folder = tempfile::tempdir().unwrap();
        let ((private, _), (_, other)) = (key(), key());
        let authority = PrivateKey::generate(KeyType::Ed25519).unwrap().expose_pem();
        let authority = Secret::from(authority.expose_secret());
        for (name, text, public) in [("a", private, other.clone()), ("b", authority, other)] {
            assert!(!belongs(&text, &public));
            let file = folder.path().join(name);
            fs::write(&file, text.expose_bytes()).unwrap();
            assert!(make(&file, &folder.path().join(format!("{name}-tree")), &public).is_err());
        }
    }
}

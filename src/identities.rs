//! Which age identities are here: the places that sops looks in, in its order. And the first one, made where there
//! is none.
//!
//! Source of the places: sops 3.13 `age/keysource.go`, `loadIdentities`.

pub mod terminal;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quorate_secrets::identity::{Identity, Person, UseError};
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Error;
use crate::store::commit::sync_parent;

/// The variables that hold identities, or lead to some: no program that we start needs them.
pub const VARIABLES: [&str; 5] = [
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
];

/// The environment, so far as it says where identities are.
#[derive(Debug, Clone, Default)]
pub struct Places {
    key: Option<OsString>,
    key_file: Option<PathBuf>,
    key_command: Option<String>,
    ssh_file: Option<PathBuf>,
    ssh_command: Option<String>,
    home: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// What was found.
#[derive(Debug)]
pub struct Identities {
    /// The identities, those that were named before those that were found by habit. What asks a person, a command or a
    /// plugin does so when none of the others opens a file.
    pub all: Vec<Identity>,
    /// The places, in words, with what was there.
    pub looked: Vec<String>,
    /// How many of `all` stand in age's own places; they come first.
    own: usize,
    /// Places that hold something that cannot be used. Said only when nothing else opens.
    broken: Vec<Error>,
    person: Person,
}

impl Places {
    /// Reads the environment.
    pub fn from_env() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = path("HOME");
        // As Go's os.UserConfigDir, and XDG first on macOS too.
        let config = path("XDG_CONFIG_HOME").or_else(|| {
            let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
            home.as_ref().map(|home| home.join(below))
        });
        Self {
            key: std::env::var_os("SOPS_AGE_KEY").filter(|value| !value.is_empty()),
            key_file: path("SOPS_AGE_KEY_FILE"),
            key_command: text("SOPS_AGE_KEY_CMD"),
            ssh_file: path("SOPS_AGE_SSH_PRIVATE_KEY_FILE"),
            ssh_command: text("SOPS_AGE_SSH_PRIVATE_KEY_CMD"),
            home,
            config,
        }
    }

    /// Where a new identity goes: the file that was named, else age's own place below the configuration folder.
    pub fn new_file(&self) -> Option<PathBuf> {
        let default = self.config.as_ref().map(|config| config.join("sops/age/keys.txt"));
        self.key_file.clone().or(default)
    }

    /// Looks everywhere. Passphrases are asked for on the terminal, later and only when they are needed.
    pub fn load(&self) -> Identities {
        let mut found = Identities {
            all: Vec::new(),
            looked: Vec::new(),
            own: 0,
            broken: Vec::new(),
            person: terminal::person(),
        };
        if let Some(path) = &self.ssh_file {
            found.file(path, "SOPS_AGE_SSH_PRIVATE_KEY_FILE", true);
        }
        if let Some(command) = &self.ssh_command {
            found.command("SOPS_AGE_SSH_PRIVATE_KEY_CMD", command);
        }
        if let Some(text) = &self.key {
            let secret = Secret::from(text.to_string_lossy().as_ref());
            found.text("SOPS_AGE_KEY", &secret);
        }
        if let Some(path) = &self.key_file {
            found.file(path, "SOPS_AGE_KEY_FILE", true);
        }
        if let Some(command) = &self.key_command {
            found.command("SOPS_AGE_KEY_CMD", command);
        }
        if let Some(config) = &self.config {
            found.file(&config.join("sops/age/keys.txt"), "", false);
        }
        // A key for logging in may open what was sealed to it; nobody is made an admin by having one.
        found.own = found.all.len();
        for name in ["id_ed25519", "id_rsa"] {
            if let Some(home) = &self.home {
                found.file(&home.join(".ssh").join(name), "", false);
            }
        }
        found
    }
}

impl Identities {
    fn file(&mut self, path: &Path, variable: &str, named: bool) {
        let place = if named { format!("{variable}={}", path.display()) } else { path.display().to_string() };
        match fs::read(path) {
            Ok(bytes) => self.text(&place, &Secret::from_bytes(bytes)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && named => {
                self.looked.push(format!("{place} (no such file)"));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => self.looked.push(place),
            Err(cause) => {
                self.looked.push(format!("{place} ({})", crate::error::plain(&cause)));
                self.broken.push(Error::io("read", path)(cause));
            }
        }
    }

    fn text(&mut self, place: &str, text: &Secret) {
        match Identity::parse_all_at(text, place, &self.person) {
            Ok(identities) => {
                self.looked.push(format!("{place} ({})", crate::words::count(identities.len(), "identity")));
                self.all.extend(identities);
            }
            Err(error) => {
                let hint = error.hint().to_owned();
                self.looked.push(format!("{place} ({error}: {hint})"));
                self.broken.push(Error::Identity { place: place.to_owned(), cause: error.to_string(), hint });
            }
        }
    }

    /// A command that prints identities, run when nothing else opens a file.
    fn command(&mut self, variable: &str, command: &str) {
        self.looked.push(variable.to_owned());
        let command = command.to_owned();
        self.all.push(Identity::deferred(variable, &self.person, move |recipient| run(&command, recipient)));
    }

    /// Whom to seal to when nobody is named: the recipients of the identities in age's own places. A passphrase is asked
    /// for, or a command run, when no other identity there tells its recipient.
    pub fn own(&mut self) -> Vec<Recipient> {
        let own = self.all.get(..self.own).unwrap_or_default();
        let known: Vec<Recipient> = own.iter().filter_map(Identity::recipient).cloned().collect();
        if !known.is_empty() {
            return known;
        }
        let found = own.iter().filter_map(|identity| identity.find_recipients().ok());
        let found: Vec<Recipient> = found.flatten().collect();
        if let (true, Some(silent)) = (found.is_empty(), own.first()) {
            self.broken.push(Error::Request {
                message: format!("nobody to seal to: {silent} does not tell its recipient"),
                hint: "name its recipient in `cluster.admins` of machines.nix".to_owned(),
            });
        }
        found
    }

    /// Why an identity that was needed, and asked for, could not be used.
    pub fn failure(&self) -> Option<Error> {
        self.all.iter().find_map(Identity::failure).map(|why| unusable(&why))
    }

    /// What to say when nothing opens: why an identity that was needed could not be used, else the first place that
    /// holds something unusable.
    pub fn broken(&mut self) -> Option<Error> {
        if let Some(why) = self.failure() {
            return Some(why);
        }
        (!self.broken.is_empty()).then(|| self.broken.remove(0))
    }
}

fn unusable(why: &UseError) -> Error {
    Error::Identity { place: why.place().to_owned(), cause: why.to_string(), hint: why.hint() }
}

/// What a command prints. It learns the recipient as from sops.
fn run(command: &str, recipient: Option<&str>) -> Result<Secret, String> {
    let words = shlex::split(command).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        return Err("it is no command line, is a quote not closed?".to_owned());
    };
    let mut command = Command::new(program);
    if let Some(recipient) = recipient {
        command.env("SOPS_AGE_RECIPIENT", recipient);
    }
    // It may ask a person; a pipe belongs to us, and may hold a key.
    let stdin = if io::stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() };
    match command.args(arguments).stdin(stdin).stderr(Stdio::inherit()).output() {
        Ok(output) if output.status.success() => Ok(Secret::from_bytes(output.stdout)),
        Ok(output) => {
            let how = output
                .status
                .code()
                .map_or("by a signal".to_owned(), |code| format!("with exit code {code}"));
            Err(format!("`{program}` ended {how}"))
        }
        Err(cause) => Err(format!("`{program}` did not start: {}", crate::error::plain(&cause))),
    }
}

/// An identity that was made in this run and is not on disk yet.
#[derive(Debug)]
pub struct NewIdentity {
    path: PathBuf,
    text: Secret,
    /// Whom to seal to.
    pub recipient: Recipient,
}

impl NewIdentity {
    /// Makes one for the place where sops will look for it.
    ///
    /// # Errors
    /// [`Error::Request`] when there is no such place, or when git would take it.
    pub fn make(places: &Places) -> Result<Self, Error> {
        let path = places.new_file().ok_or_else(|| Error::Request {
            message: "could not place a new identity: neither SOPS_AGE_KEY_FILE nor XDG_CONFIG_HOME nor HOME is set".to_owned(),
            hint: "set SOPS_AGE_KEY_FILE to a file outside the repository".to_owned(),
        })?;
        Self::at(&path)
    }

    /// Makes one for a file.
    ///
    /// # Errors
    /// [`Error::Request`] when git would take it.
    pub fn at(path: &Path) -> Result<Self, Error> {
        // A link may lead into a work tree, and `..` out of one.
        let path = crate::rules::files::without_links(path)?;
        if let Some(tree) = crate::git::work_tree(&path) {
            return Err(Error::Request {
                message: format!(
                    "will not write a private identity to `{}`: it lies in the git work tree `{}`",
                    path.display(),
                    tree.display()
                ),
                hint: "name a file outside of it, in SOPS_AGE_KEY_FILE for one".to_owned(),
            });
        }
        let (text, recipient) = Identity::generate();
        Ok(Self { path, text, recipient })
    }

    /// Where it will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, durable, readable by its owner alone, never over another.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, now: OffsetDateTime) -> Result<(), Error> {
        let new_folders = self.path.ancestors().skip(1).take_while(|folder| !folder.exists());
        let unsynced: Vec<&Path> = std::iter::once(self.path.as_path()).chain(new_folders).collect();
        if let Some(folder) = self.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(Error::io("create", folder))?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(Error::io("create", &self.path))?;
        let made = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
        let head = format!("# created: {made}\n# public key: {}\n", self.recipient);
        let write = |file: &mut File| -> io::Result<()> {
            file.write_all(head.as_bytes())?;
            file.write_all(self.text.expose_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        };
        if let Err(cause) = write(&mut file) {
            // Half an identity would be in the way of the next one.
            let _ = fs::remove_file(&self.path);
            return Err(Error::io("write", &self.path)(cause));
        }
        // What is sealed to it must not outlive it: the folders that were made for it are durable as well.
        unsynced.into_iter().try_for_each(sync_parent)
    }
}

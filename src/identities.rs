//! Which age identities are here: the places that sops looks in, in its order. And the first one, made where there
//! is none.
//!
//! Source of the places: sops 3.13 `age/keysource.go`, `loadIdentities`.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Error;
use crate::store::commit::sync_parent;

/// The environment, so far as it says where identities are.
#[derive(Debug, Clone, Default)]
pub struct Places {
    key: Option<OsString>,
    key_file: Option<PathBuf>,
    key_command: Option<String>,
    ssh_file: Option<PathBuf>,
    home: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Identities {
    /// The identities, those that were named before those that were found by habit.
    pub all: Vec<Identity>,
    /// Whom to seal to when nobody is named: the recipients of the identities that stand in age's own places.
    pub own: Vec<Recipient>,
    /// The places, in words, with what was there.
    pub looked: Vec<String>,
    /// Places that hold something that cannot be used. Said only when nothing else opens.
    broken: Vec<Error>,
}

impl Places {
    /// Reads the environment.
    pub fn from_env() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        // As Go's os.UserConfigDir, and XDG first on macOS too.
        let config = path("XDG_CONFIG_HOME").or_else(|| {
            let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
            home.as_ref().map(|home| home.join(below))
        });
        Self {
            key: std::env::var_os("SOPS_AGE_KEY").filter(|value| !value.is_empty()),
            key_file: path("SOPS_AGE_KEY_FILE"),
            key_command: std::env::var("SOPS_AGE_KEY_CMD").ok().filter(|value| !value.is_empty()),
            ssh_file: path("SOPS_AGE_SSH_PRIVATE_KEY_FILE"),
            home,
            config,
        }
    }

    /// Where a new identity goes: the file that was named, else age's own place below the configuration folder.
    pub fn new_file(&self) -> Option<PathBuf> {
        let default = self.config.as_ref().map(|config| config.join("sops/age/keys.txt"));
        self.key_file.clone().or(default)
    }

    /// Looks everywhere.
    pub fn load(&self) -> Identities {
        let mut found = Identities::default();
        if let Some(path) = &self.ssh_file {
            found.file(path, "SOPS_AGE_SSH_PRIVATE_KEY_FILE", true, true);
        }
        if let Some(text) = &self.key {
            let secret = Secret::from(text.to_string_lossy().as_ref());
            found.text("SOPS_AGE_KEY", &secret, true);
        }
        if let Some(path) = &self.key_file {
            found.file(path, "SOPS_AGE_KEY_FILE", true, true);
        }
        if let Some(command) = &self.key_command {
            found.command(command);
        }
        if let Some(config) = &self.config {
            found.file(&config.join("sops/age/keys.txt"), "", false, true);
        }
        for name in ["id_ed25519", "id_rsa"] {
            if let Some(home) = &self.home {
                // A key for logging in may open what was sealed to it; nobody is made an admin by having one.
                found.file(&home.join(".ssh").join(name), "", false, false);
            }
        }
        found
    }
}

impl Identities {
    fn file(&mut self, path: &Path, variable: &str, named: bool, own: bool) {
        let place = if named { format!("{variable}={}", path.display()) } else { path.display().to_string() };
        match fs::read(path) {
            Ok(bytes) => self.text(&place, &Secret::from_bytes(bytes), own),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && named => {
                self.looked.push(format!("{place} (no such file)"));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => self.looked.push(place),
            Err(cause) => {
                self.broken.push(Error::io("read", path)(cause));
                self.looked.push(place);
            }
        }
    }

    fn text(&mut self, place: &str, text: &Secret, own: bool) {
        match Identity::parse_all(text) {
            Ok(identities) => {
                self.looked.push(format!("{place} ({})", crate::words::count(identities.len(), "identity")));
                if own {
                    self.own.extend(identities.iter().filter_map(Identity::recipient).cloned());
                }
                self.all.extend(identities);
            }
            Err(error) => {
                self.looked.push(place.to_owned());
                let hint = error.hint().to_owned();
                self.broken.push(Error::Identity { place: place.to_owned(), cause: error.to_string(), hint });
            }
        }
    }

    fn command(&mut self, command: &str) {
        let place = "SOPS_AGE_KEY_CMD";
        let failed = |cause: String| Error::Identity {
            place: place.to_owned(),
            cause,
            hint: "run the command by hand: it must print an age identity and exit with 0".to_owned(),
        };
        let words = shlex::split(command).unwrap_or_default();
        let Some((program, arguments)) = words.split_first() else {
            self.broken.push(failed("it is no command line, is a quote not closed?".to_owned()));
            return;
        };
        // It may ask a person; a pipe belongs to us, and may hold a key.
        let stdin = if io::stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() };
        match Command::new(program).args(arguments).stdin(stdin).stderr(Stdio::inherit()).output() {
            Ok(output) if output.status.success() => {
                self.text(place, &Secret::from_bytes(output.stdout), true);
            }
            Ok(output) => {
                let how = output
                    .status
                    .code()
                    .map_or("by a signal".to_owned(), |code| format!("with exit code {code}"));
                self.broken.push(failed(format!("`{program}` ended {how}")));
            }
            Err(cause) => {
                self.broken
                    .push(failed(format!("`{program}` did not start: {}", crate::error::plain(&cause))));
            }
        }
        self.looked.push(place.to_owned());
    }

    /// The first place that holds something unusable, as an error: what to say when nothing opens.
    pub fn broken(&mut self) -> Option<Error> {
        (!self.broken.is_empty()).then(|| self.broken.remove(0))
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
        let path = std::path::absolute(path).map_err(Error::io("find", path))?;
        if let Some(tree) = crate::git::work_tree(&path) {
            return Err(Error::Request {
                message: format!(
                    "will not write a private identity to `{}`: it lies in the git work tree `{}`",
                    path.display(),
                    tree.display()
                ),
                hint: "set SOPS_AGE_KEY_FILE to a file outside of it".to_owned(),
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
        write(&mut file).map_err(Error::io("write", &self.path))?;
        // What is sealed to it must not outlive it: the folders that were made for it are durable as well.
        self.path.ancestors().take(4).filter(|path| path.parent().is_some()).try_for_each(sync_parent)
    }
}

//! Why a command could not do its work: what was attempted on which thing, what was found, what to do. Every
//! message of the shell stands here or comes with its thing from one of the core crates.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;

use quorate_pki::adopt::AdoptFault;
use quorate_pki::error::{IssueError, KeyError, StateFault};
use quorate_pki::judge::Misjudged;
use quorate_secrets::sops::SopsError;

use crate::deploy::Refusal;

/// A command that could not do its work. Exit code 2.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system refused something.
    Io {
        /// What was attempted: `read`, `create`...
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The inventory cannot be used; every fault of it, rendered with its lines.
    Inventory {
        /// The text to show.
        rendered: String,
        /// How many errors it shows.
        count: usize,
    },
    /// Files in `certs/` that cannot be believed.
    State {
        /// The folder.
        folder: PathBuf,
        /// Each of them.
        faults: Vec<StateFault>,
    },
    /// Another run holds the folder.
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A run was interrupted and its rest cannot be finished.
    Unfinished {
        /// The folder.
        folder: PathBuf,
        /// What is in the way.
        cause: String,
    },
    /// Nobody to seal to.
    NoAdmin {
        /// Where a key would be looked for.
        looked: Vec<String>,
    },
    /// A recipient that is none.
    Recipient {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// An identity that cannot be read.
    Identity {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// Something must be opened and nobody here can.
    NoIdentity {
        /// Which files.
        files: Vec<String>,
        /// Whom the first of them is sealed to.
        recipients: Vec<String>,
        /// Where identities were looked for, and how many were found there.
        looked: Vec<String>,
    },
    /// A sealed file that cannot be opened or sealed.
    Sealed {
        /// Which.
        file: String,
        /// What is wrong with it.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// A file of secrets that cannot be opened, changed or sealed.
    Secrets {
        /// Which, as it was named.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<SopsError>,
        /// Where identities were looked for, where none fits.
        looked: Vec<String>,
    },
    /// Plaintext where a sealed file was expected.
    Plaintext {
        /// The file.
        path: PathBuf,
    },
    /// Nothing was changed, where that is no success.
    Unchanged {
        /// The file.
        path: PathBuf,
    },
    /// The process was told to end by this signal, and does once all is cleaned up.
    Signal(i32),
    /// A file that was named on the command line and cannot be used.
    Foreign {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// Authorities that cannot be taken over.
    Adopt {
        /// Each of their attributes that will not do.
        faults: Vec<AdoptFault>,
    },
    /// `.sops.yaml` and our rules do not go together.
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// A certificate could not be made.
    Issue(IssueError),
    /// A certificate was made and does not hold.
    Misjudged(Misjudged),
    /// A name or file that is not there.
    NotFound {
        /// What was asked for: "user `grandma`".
        wanted: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Machines that are not deployed as things stand. Nothing was touched.
    Refused {
        /// Everything that is in the way.
        faults: Vec<Refusal>,
    },
    /// A request that makes no sense as it stands.
    Request {
        /// What is wrong with it.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// An [`Error::Io`], as a closure for `map_err`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { action, path, cause }
    }

    /// What to do about it, when one thing can be said for all of it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { cause, .. } => Some(io_hint(cause.kind())),
            Self::Inventory { .. } | Self::State { .. } | Self::Adopt { .. } | Self::Unchanged { .. } | Self::Refused { .. } | Self::Signal(_) => None,
            Self::Secrets { error, .. } => Some(error.hint().to_owned()),
            Self::Plaintext { path } => Some(format!(
                "seal it with `secrets encrypt -i {path}`; if it was ever committed, replace what is in it",
                path = path.display()
            )),
            Self::Locked { .. } => Some("wait for the other run to end, or look for it with `ps`".to_owned()),
            Self::Unfinished { .. } => Some(
                "free what is in the way and run `pki gen` again; or give that run up: bring the folder back from git and \
                 remove its `.gen-commit`"
                    .to_owned(),
            ),
            Self::NoAdmin { .. } => Some(
                "name your recipient in machines.nix, `cluster.admins = [ \"age1...\" ]`, or let a new identity be \
                 made with `--new-identity`"
                    .to_owned(),
            ),
            Self::NoIdentity { .. } => Some(
                "put the identity of an admin into SOPS_AGE_KEY_FILE, or where sops looks for it, and run this again: \
                 nothing was written"
                    .to_owned(),
            ),
            Self::Recipient { hint, .. }
            | Self::Identity { hint, .. }
            | Self::Sealed { hint, .. }
            | Self::Rules { hint, .. }
            | Self::Foreign { hint, .. }
            | Self::Request { hint, .. } => Some(hint.clone()),
            Self::Issue(IssueError::Key { cause, .. }) if *cause != KeyError::Generate => Some(
                "somebody changed the sealed file that holds it: bring that back from git; nothing was written".to_owned(),
            ),
            Self::Issue(IssueError::Key { .. }) => {
                Some("try again, and look at the system's random generator: nothing was written".to_owned())
            }
            Self::Issue(_) | Self::Misjudged(_) => {
                Some("nothing was written; this is a fault of quorate's, please report it".to_owned())
            }
            Self::NotFound { known, .. } if known.is_empty() => {
                Some("there are no certificates yet: run `pki gen` first".to_owned())
            }
            Self::NotFound { known, .. } => Some(format!("there is {}", crate::words::list(known, 12))),
        }
    }
}

fn io_hint(kind: io::ErrorKind) -> String {
    let hint = match kind {
        io::ErrorKind::NotFound => "check the path, and the folder you are in",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "something else stands there: move it away, or name another folder"
        }
        io::ErrorKind::PermissionDenied => "check who owns it and its mode, with `ls -ld`",
        io::ErrorKind::IsADirectory => "a folder stands there: name a file in it",
        io::ErrorKind::StorageFull => "free some space and run this again",
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only: work on a copy, or remount it"
        }
        _ => "look at what stands there, with `ls -ld`",
    };
    hint.to_owned()
}

/// What the system said, without the error number that Rust adds.
pub(crate) fn plain(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, cause } => {
                write!(f, "could not {action} `{path}`: {cause}", path = path.display(), cause = plain(cause))
            }
            Self::Inventory { rendered, .. } => f.write_str(rendered.trim_end()),
            Self::State { folder, faults } => {
                let files: BTreeSet<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
                let count = crate::words::count(files.len(), "file");
                write!(f, "cannot go on with {count} in `{folder}`", folder = folder.display())
            }
            Self::Locked { folder } => {
                write!(f, "another `pki gen` is at work in `{folder}`", folder = folder.display())
            }
            Self::Unfinished { folder, cause } => write!(
                f,
                "an interrupted run in `{folder}` could not be finished: {cause}",
                folder = folder.display()
            ),
            Self::NoAdmin { looked } => write!(
                f,
                "nobody to seal to: `cluster.admins` is empty and no age identity was found (looked in {list})",
                list = looked.join(", ")
            ),
            Self::Recipient { place, cause, .. } => write!(f, "could not seal to {place}: {cause}"),
            Self::Identity { place, cause, .. } => {
                write!(f, "could not use the identity in {place}: {cause}")
            }
            Self::NoIdentity { files, recipients, looked } => {
                let files = crate::words::list(files, 3);
                let readers = match recipients.as_slice() {
                    [] => "others".to_owned(),
                    some => crate::words::plain(some, 3),
                };
                let looked = looked.join(", ");
                write!(
                    f,
                    "could not open {files}: sealed to {readers}, and no identity of theirs is here (looked in {looked})"
                )
            }
            Self::Sealed { file, cause, .. } => write!(f, "`{file}`: {cause}"),
            Self::Secrets { path, error, looked } => {
                write!(f, "`{path}`: {error}", path = path.display())?;
                match looked.as_slice() {
                    [] => Ok(()),
                    places => write!(f, " (looked in {places})", places = places.join(", ")),
                }
            }
            Self::Plaintext { path } => write!(f, "`{path}` is not sealed", path = path.display()),
            Self::Unchanged { path } => write!(f, "nothing was changed in `{path}`", path = path.display()),
            Self::Signal(signal) => write!(f, "ended by signal {signal}: the file is as it was"),
            Self::Foreign { path, cause, .. } => {
                write!(f, "could not use `{path}`: {cause}", path = path.display())
            }
            Self::Adopt { faults } => write!(
                f,
                "what was made elsewhere cannot be adopted as it is: {count}",
                count = crate::words::count(faults.len(), "fault"),
            ),
            Self::Rules { path, cause, .. } => write!(f, "`{path}`: {cause}", path = path.display()),
            Self::Issue(error) => error.fmt(f),
            Self::Misjudged(error) => error.fmt(f),
            Self::NotFound { wanted, .. } => write!(f, "there is no {wanted}"),
            Self::Refused { faults } => {
                write!(f, "nothing was deployed: {count}", count = crate::words::count(faults.len(), "fault"))
            }
            Self::Request { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl From<IssueError> for Error {
    fn from(error: IssueError) -> Self {
        Self::Issue(error)
    }
}

impl From<Misjudged> for Error {
    fn from(error: Misjudged) -> Self {
        Self::Misjudged(error)
    }
}

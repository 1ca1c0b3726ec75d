//! The folder of the modules: what of it is ours, what was changed by hand, and how it is written.
//!
//! `emitted.json` records each file with its SHA-256, so that a file that is gone from the cluster can be removed, and
//! one that somebody changed can be told from one that an older machines.nix made. While files are written it names both
//! what they were and what they will be: whoever is interrupted leaves files that the next run knows as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use quorate_pki::key::sha256;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::modules::{Emitted, SHARED};
use crate::words;

/// The name of the record.
const RECORD: &str = "emitted.json";
/// The form of the record.
const VERSION: u32 = 1;
/// The longest file that is compared: an addons.yaml that somebody made ten thousand times longer.
const LONGEST: u64 = 64 << 20;
/// Files named of which the same is to be said.
const MOST_NAMED: usize = 5;

/// The folder as it is.
pub(super) struct Folder {
    path: PathBuf,
    record: Record,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    /// SHA-256 of each file that was emitted, by its name.
    files: BTreeMap<String, String>,
    /// Likewise, before a run that has not ended yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, String>,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It is not there yet.
    New(String),
    /// It is, and says something else.
    Changed(String),
    /// It is of a machine, or of a role, that is gone.
    Removed(String),
}

impl Change {
    pub(super) fn name(&self) -> &str {
        let (Self::New(name) | Self::Changed(name) | Self::Removed(name)) = self;
        name
    }

    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Changed(_) => "change",
            Self::Removed(_) => "remove",
        }
    }
}

impl Folder {
    /// Reads the record. A folder that is not there yet is empty.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let record = path.join(RECORD);
        let record = match read(&record)? {
            Some(text) => Record::parse(&record, &text)?,
            None => Record { version: VERSION, ..Record::default() },
        };
        Ok(Self { path: path.to_owned(), record })
    }

    /// What is to be written and removed. Without `force`, a file that somebody changed, or that is not ours, is an
    /// error, and all of them are named at once.
    pub(super) fn compare(&self, files: &[Emitted], force: bool) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        let mut theirs = Vec::new();
        for file in files {
            let Some(old) = read(&self.path.join(&file.name))? else {
                changes.push(Change::New(file.name.clone()));
                continue;
            };
            if old == file.text.as_bytes() {
                continue;
            }
            if !self.is_ours(&file.name, &old) {
                theirs.push(file.name.clone());
            }
            changes.push(Change::Changed(file.name.clone()));
        }
        let recorded: BTreeSet<&String> = self.record.files.keys().chain(self.record.before.keys()).collect();
        for name in recorded.into_iter().filter(|name| !files.iter().any(|file| file.name == **name)) {
            let Some(old) = read(&self.path.join(name))? else { continue };
            if !self.is_ours(name, &old) {
                theirs.push(name.clone());
            }
            changes.push(Change::Removed(name.clone()));
        }
        if theirs.is_empty() || force {
            return Ok(changes);
        }
        let place = self.path.display();
        Err(Error::Request {
            message: format!(
                "{} in `{place}` would be written over, and {} not what `pki modules` wrote: {}",
                words::count(theirs.len(), "file"),
                if theirs.len() == 1 { "is" } else { "are" },
                words::list(&theirs, MOST_NAMED)
            ),
            hint: "move what is yours into a module of your own, such as hosts/<machine>.nix, where it is stronger; \
                   then `--force` writes the file anew"
                .to_owned(),
        })
    }

    fn is_ours(&self, name: &str, bytes: &[u8]) -> bool {
        let recorded =
            [&self.record.files, &self.record.before].into_iter().filter_map(|files| files.get(name));
        let found = sha256(bytes);
        recorded.into_iter().any(|recorded| *recorded == found)
    }

    /// Writes, removes, and records.
    pub(super) fn write(&self, files: &[Emitted], changes: &[Change]) -> Result<(), Error> {
        let all = files.iter().map(|file| (file.name.clone(), sha256(file.text.as_bytes())));
        let mut record = Record { version: VERSION, files: all.collect(), before: BTreeMap::new() };
        if changes.is_empty() && record == self.record {
            return Ok(());
        }
        let shared = self.path.join(SHARED);
        fs::create_dir_all(&shared).map_err(Error::io("create", &shared))?;
        record.before.clone_from(&self.record.files);
        self.record(&record)?;
        for change in changes {
            let path = self.path.join(change.name());
            match change {
                Change::Removed(_) => fs::remove_file(&path).map_err(Error::io("remove", &path))?,
                Change::New(name) | Change::Changed(name) => {
                    let Some(file) = files.iter().find(|file| file.name == *name) else { continue };
                    replace(&self.path, name, file.text.as_bytes())?;
                }
            }
        }
        for folder in [&shared, &self.path] {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))?;
        }
        record.before.clear();
        self.record(&record)
    }

    fn record(&self, record: &Record) -> Result<(), Error> {
        // A tree of strings always serializes.
        let mut text = serde_json::to_string_pretty(record).unwrap_or_default();
        text.push('\n');
        replace(&self.path, RECORD, text.as_bytes())?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", &self.path))
    }
}

impl Record {
    /// A name with a folder in it would be a file somewhere else: the record may come out of somebody's repository.
    fn parse(path: &Path, text: &[u8]) -> Result<Self, Error> {
        let damaged = |cause: String| Error::Foreign {
            path: path.to_owned(),
            cause,
            hint: "bring it back from git; or remove it, and `pki modules --force` writes everything anew"
                .to_owned(),
        };
        let record: Self = serde_json::from_slice(text)
            .map_err(|error| damaged(format!("it is no record of emitted files: {error}")))?;
        if record.version > VERSION {
            return Err(damaged(format!(
                "it has version {}, this release reads up to {VERSION}",
                record.version
            )));
        }
        let is_name = |name: &&String| {
            let name = name.strip_prefix(SHARED).and_then(|name| name.strip_prefix('/')).unwrap_or(name);
            let ending = name.rsplit_once('.').map(|(_, ending)| ending);
            !name.contains(['/', '\\', '\0'])
                && !name.starts_with('.')
                && matches!(ending, Some("nix" | "yaml"))
        };
        match record.files.keys().chain(record.before.keys()).find(|name| !is_name(name)) {
            Some(name) => {
                Err(damaged(format!("it names `{}`, which is no file of modules", name.escape_debug())))
            }
            None => Ok(record),
        }
    }
}

/// A regular file's bytes; `None` where nothing is. No link is followed, nor one to the folder that it stands in.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if let Some(shared) = path.parent().filter(|parent| parent.ends_with(SHARED) && is_link(parent)) {
        return Err(no_file(shared));
    }
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if !found.is_file() || found.len() > LONGEST {
        return Err(no_file(path));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(LONGEST).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}

fn no_file(path: &Path) -> Error {
    Error::Foreign {
        path: path.to_owned(),
        cause: "it is no file that `pki modules` would have written".to_owned(),
        hint: "move it out of the way".to_owned(),
    }
}

/// The whole new file or the whole old one, whenever this ends.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(folder);
        let mut file = tempfile::Builder::new().prefix(".emitted-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(Error::io("write", &path))
}

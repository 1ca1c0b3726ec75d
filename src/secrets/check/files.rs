//! What `check` looks at: files as they stand, or as git has them staged.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use quorate_secrets::scan::{self, Scanner, scan};
use quorate_secrets::sops::MAX_BYTES;
use rayon::prelude::*;

use crate::error::{Error, plain};
use crate::git;

/// One file, read.
pub(super) struct Looked {
    pub(super) path: PathBuf,
    /// Its content; none for one that is too large to be a file of secrets, or cannot be read.
    pub(super) bytes: Option<Vec<u8>>,
    /// The keys that lie in it in the open.
    pub(super) leaks: Vec<scan::Finding>,
    /// Why it could not be read.
    pub(super) refused: Option<String>,
}

impl Looked {
    fn content(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, leaks: scan(&bytes), bytes: Some(bytes), refused: None }
    }

    /// A file as it stands. Links are not followed: what they lead to is looked at where it stands.
    fn read(path: PathBuf) -> Option<Self> {
        let found = fs::symlink_metadata(&path).ok().filter(|found| found.is_symlink() || !found.is_file());
        if found.is_some() {
            return None;
        }
        let outcome = (|| {
            let mut file = File::open(&path)?;
            if file.metadata()?.len() <= MAX_BYTES as u64 {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                return Ok((Some(bytes), Vec::new()));
            }
            let mut scanner = Scanner::new();
            let mut piece = vec![0; 1 << 20];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok((None, scanner.finish())),
                    length => scanner.feed(piece.get(..length).unwrap_or_default()),
                }
            }
        })();
        Some(match outcome {
            Ok((Some(bytes), _)) => Self::content(path, bytes),
            Ok((None, leaks)) => Self { path, bytes: None, leaks, refused: None },
            Err(cause) => {
                let cause: std::io::Error = cause;
                Self {
                    path,
                    bytes: None,
                    leaks: Vec::new(),
                    refused: Some(format!("it could not be read: {}", plain(&cause))),
                }
            }
        })
    }
}

/// What was named, what is staged, or the whole tree.
pub(super) fn looked(named: &[PathBuf], all: bool) -> Result<Vec<Looked>, Error> {
    if !named.is_empty() {
        let mut paths = Vec::new();
        for path in named {
            fs::metadata(path).map_err(Error::io("read", path))?;
            below(path, &mut paths);
        }
        return Ok(read(paths));
    }
    let here = std::env::current_dir().map_err(Error::io("find", "."))?;
    match git::work_tree(&here.join("here")) {
        Some(tree) if all => Ok(read(git::listed(&tree)?)),
        Some(tree) => {
            let staged = git::staged(&tree)?;
            Ok(staged
                .into_par_iter()
                .map(|file| Looked::content(tree.join(file.path), file.content))
                .collect())
        }
        None => {
            let mut paths = Vec::new();
            below(Path::new("."), &mut paths);
            Ok(read(paths))
        }
    }
}

fn read(paths: Vec<PathBuf>) -> Vec<Looked> {
    paths.into_par_iter().filter_map(Looked::read).collect()
}

/// A file, or every file below a folder but git's own. What cannot be listed is left to who runs it to read.
fn below(path: &Path, paths: &mut Vec<PathBuf>) {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    if !is_folder {
        paths.push(path.to_owned());
        return;
    }
    let mut names: Vec<PathBuf> =
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    names.sort();
    names.iter().filter(|name| !name.ends_with(".git")).for_each(|name| below(name, paths));
}

//! What `check` looks at: files as they stand, or as git has them staged.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use quorate_secrets::scan::{self, Scanner, scan};
use quorate_secrets::sops::MAX_BYTES;
use rayon::prelude::*;

use crate::error::{Error, plain};
use crate::git;
use crate::secrets::locked::open_regular;

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

/// What was read of a file.
enum Content {
    Whole(Vec<u8>),
    /// Too large to be a file of secrets: only the keys in it.
    Leaks(Vec<scan::Finding>),
}

impl Content {
    /// Reads a file of about this length, in bounded memory.
    fn read(mut file: impl Read, length: u64) -> io::Result<Self> {
        let mut bytes = Vec::new();
        if length <= MAX_BYTES as u64 {
            // It may grow while it is read.
            file.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.len() <= MAX_BYTES {
                return Ok(Self::Whole(bytes));
            }
        }
        let mut scanner = Scanner::new();
        scanner.feed(&bytes);
        let mut piece = vec![0; 1 << 20];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Self::Leaks(scanner.finish())),
                length => scanner.feed(piece.get(..length).unwrap_or_default()),
            }
        }
    }
}

impl Looked {
    fn content(path: PathBuf, content: Content) -> Self {
        match content {
            Content::Whole(bytes) => Self { path, leaks: scan(&bytes), bytes: Some(bytes), refused: None },
            Content::Leaks(leaks) => Self { path, leaks, bytes: None, refused: None },
        }
    }

    fn refused(path: PathBuf, cause: &io::Error) -> Self {
        let refused = Some(format!("it could not be read: {}", plain(cause)));
        Self { path, bytes: None, leaks: Vec::new(), refused }
    }

    /// A file as it stands. A link that a person named is followed, and what else they named is refused when it is no
    /// file. What is met below a folder is passed by then: what a link leads to is looked at where it stands.
    fn read(place: Place) -> Option<Self> {
        let Place { path, is_named, unlisted } = place;
        if let Some(cause) = unlisted {
            return Some(Self::refused(path, &cause));
        }
        let is_gone = |cause: &io::Error| {
            matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        let read = || {
            if !is_named && !fs::symlink_metadata(&path)?.is_file() {
                return Ok(None);
            }
            let file = open_regular(&path)?;
            let length = file.metadata()?.len();
            Content::read(file, length).map(Some)
        };
        match read() {
            Ok(content) => content.map(|content| Self::content(path, content)),
            // git knows it still, and nobody can commit what is in it.
            Err(cause) if !is_named && is_gone(&cause) => None,
            Err(cause) => Some(Self::refused(path, &cause)),
        }
    }
}

/// Where to look.
struct Place {
    path: PathBuf,
    /// By a person, on the command line.
    is_named: bool,
    /// Why a folder's files are not known.
    unlisted: Option<io::Error>,
}

impl Place {
    /// A file that nobody named.
    fn met(path: PathBuf) -> Self {
        Self { path, is_named: false, unlisted: None }
    }
}

/// What was named, what is staged, or the whole tree.
pub(super) fn looked(named: &[PathBuf], all: bool) -> Result<Vec<Looked>, Error> {
    if !named.is_empty() {
        let mut places = Vec::new();
        for path in named {
            if fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
                below(path, &mut places);
            } else {
                places.push(Place { path: path.clone(), is_named: true, unlisted: None });
            }
        }
        return Ok(read(places));
    }
    let here = std::env::current_dir().map_err(Error::io("find", "."))?;
    match git::work_tree(&here.join("here")) {
        Some(tree) if all => Ok(read(git::listed(&tree)?.into_iter().map(Place::met).collect())),
        Some(tree) => {
            let staged = git::staged(&tree, |path, length, content| {
                Content::read(content, length).map(|content| (path, content))
            })?;
            Ok(staged
                .into_par_iter()
                .map(|(path, content)| Looked::content(tree.join(path), content))
                .collect())
        }
        None => {
            let mut places = Vec::new();
            below(Path::new("."), &mut places);
            Ok(read(places))
        }
    }
}

fn read(places: Vec<Place>) -> Vec<Looked> {
    places.into_par_iter().filter_map(Looked::read).collect()
}

/// Every file below a folder but git's own, and the folders that cannot be listed.
fn below(folder: &Path, places: &mut Vec<Place>) {
    let listed = fs::read_dir(folder).and_then(|entries| {
        let entry = |entry: fs::DirEntry| Ok((entry.path(), entry.file_type()?.is_dir()));
        entries.map(|found| found.and_then(entry)).collect::<io::Result<Vec<_>>>()
    });
    let mut listed = match listed {
        Ok(listed) => listed,
        Err(cause) => {
            return places.push(Place { path: folder.to_owned(), is_named: false, unlisted: Some(cause) });
        }
    };
    listed.sort();
    for (path, is_folder) in listed {
        match is_folder {
            true if path.ends_with(".git") => {}
            true => below(&path, places),
            false => places.push(Place::met(path)),
        }
    }
}

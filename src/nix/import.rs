//! Reading files: the inventory, and what it imports from its own folder or below.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ErrorKind;
use super::error::{Eval, Fail};
use super::eval::Machine;
use super::expr::{Expr, Name};
use super::lower::{Lowering, Scope};
use super::sources::{Sources, Span};
use super::value::{Thunk, ThunkId, Value};
use super::{builtins, mistakes, paths, scan, syntax};

/// The files of an evaluation.
pub(super) struct Files {
    /// Every file read so far.
    pub(super) sources: Sources,
    /// The inventory, as the user named it.
    given: PathBuf,
    /// The inventory's folder: as paths in it are written, and with every symlink resolved.
    folder: PathBuf,
    real_folder: PathBuf,
    /// By real path: a file is evaluated once.
    loaded: HashMap<PathBuf, ThunkId>,
}

impl Files {
    /// Nothing is read yet but the folder's name.
    pub(super) fn new(given: &Path) -> Self {
        let absolute = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        let absolute = follow_links(PathBuf::from(paths::absolute(&absolute.to_string_lossy())));
        let folder = absolute.parent().map_or_else(|| "/".into(), Path::to_owned);
        let real_folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        Self {
            sources: Sources::default(),
            given: given.to_owned(),
            folder,
            real_folder,
            loaded: HashMap::new(),
        }
    }
}

impl Machine {
    /// The expression of the inventory itself.
    pub(super) fn load_inventory(&mut self) -> Eval<ThunkId> {
        let given = self.files.given.clone();
        let folder = self.files.folder.clone();
        let thunk = self.load(&given, given.clone(), &folder)?;
        if let Ok(real) = given.canonicalize() {
            self.files.loaded.insert(real, thunk);
        }
        Ok(thunk)
    }

    /// The value of another file; a folder means its `default.nix`.
    pub(super) fn import(&mut self, path: &str) -> Eval<Value> {
        if !path.starts_with('/') {
            return Err(Fail::wrong(format!("`import` of `{path}`: a string must be an absolute path"))
                .hint("write the path without quotes: ./file.nix"));
        }
        let mut path = self.inside_folder(PathBuf::from(paths::absolute(path)))?;
        if path.is_dir() {
            path = self.inside_folder(path.join("default.nix"))?;
        }
        let real = path.canonicalize().map_err(|error| cannot_read(&self.shown(&path), &error))?;
        if !real.starts_with(&self.files.real_folder) {
            return Err(self.outside(&path));
        }
        let thunk = match self.files.loaded.get(&real) {
            Some(thunk) if matches!(self.heap.get(*thunk), Thunk::Running) => {
                let name = self.shown(&path);
                let message =
                    format!("`{}` imports itself, directly or by way of another file", name.display());
                return Err(Fail::wrong(message).hint("move what both need into a third file"));
            }
            Some(thunk) => *thunk,
            None => {
                let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
                let thunk = self.load(&path, self.shown(&path), &folder)?;
                self.files.loaded.insert(real, thunk);
                thunk
            }
        };
        self.force(thunk)
    }

    /// What a path in the inventory's folder or below points to, which must lie there too. Each step is judged by its
    /// spelling first: the disk is never asked about a path that is spelt outside.
    fn inside_folder(&self, mut path: PathBuf) -> Eval<PathBuf> {
        for _ in 0..MAX_LINKS {
            if !path.starts_with(&self.files.folder) && !path.starts_with(&self.files.real_folder) {
                return Err(self.outside(&path));
            }
            let Some(target) = link_target(&path) else { break };
            path = target;
        }
        Ok(path)
    }

    fn outside(&self, path: &Path) -> Fail {
        let (path, folder) = (path.display(), self.files.folder.display());
        let message = format!("`import` of `{path}`, which is outside the inventory's folder `{folder}`");
        Fail::new(ErrorKind::Read, message)
            .hint("an inventory may read files beside it and below; copy or move the file there")
    }

    /// A path as the user would write it: relative to where the inventory was given.
    fn shown(&self, path: &Path) -> PathBuf {
        let below =
            path.strip_prefix(&self.files.folder).or_else(|_| path.strip_prefix(&self.files.real_folder));
        let beside = self.files.given.parent().unwrap_or(Path::new(""));
        below.map_or_else(|_| path.to_owned(), |below| beside.join(below))
    }

    /// The expression that stands in `text`, which is to become the inventory and is no file yet.
    pub(super) fn take_inventory(&mut self, text: String) -> Eval<ThunkId> {
        let (given, folder) = (self.files.given.clone(), self.files.folder.clone());
        self.take(text, given, &folder)
    }

    /// Reads a file.
    fn load(&mut self, path: &Path, shown: PathBuf, folder: &Path) -> Eval<ThunkId> {
        let text = read(path, &shown)?;
        self.take(text, shown, folder)
    }

    /// Scans, parses and lowers a text.
    fn take(&mut self, text: String, shown: PathBuf, folder: &Path) -> Eval<ThunkId> {
        self.heap.take(text.len())?;
        let file = self.files.sources.add(shown, text);
        let source = self.files.sources.iter().nth(file);
        let text = source.map(|source| source.text.as_str()).unwrap_or_default();
        let names = builtins::global_names();
        let expr = parse(text, Some(file), folder, names)?;
        let span = expr.span;
        self.heap.thunk(Thunk::Delayed(expr, self.globals), span)
    }
}

/// The expression that `text` is.
pub(super) fn parse(text: &str, file: Option<usize>, folder: &Path, names: Vec<Name>) -> Eval<Rc<Expr>> {
    if text.starts_with('\u{feff}') {
        return Err(Fail::new(ErrorKind::Syntax, "the file begins with a byte order mark, which is not Nix")
            .hint("save it as UTF-8 without one")
            .at(Span::new(file, 0, 0)));
    }
    scan::check(text).map_err(|excess| {
        Fail::new(ErrorKind::Limit, excess.message)
            .hint(excess.hint)
            .at(Span::new(file, excess.at, excess.at))
    })?;
    let refuse = |not_nix: mistakes::NotNix| {
        Fail::new(ErrorKind::Syntax, not_nix.message).hint(not_nix.hint).at(Span::new(file, 0, 0))
    };
    if let Some(nothing) = mistakes::nothing(text) {
        return Err(refuse(nothing));
    }
    let parsed = rnix::Root::parse(text);
    let mut faults = syntax::faults(parsed.errors(), text, file);
    let mut lowering =
        Lowering { file, folder, scopes: vec![Scope::Names(names)], withs: None, faults: Vec::new() };
    let expr = lowering.root(&parsed.tree());
    // Behind a parse error the tree has holes, and what is said of them would repeat it.
    if faults.is_empty() {
        faults = lowering.faults;
    }
    if faults.is_empty() {
        return Ok(expr);
    }
    if let Some(other) = mistakes::other_language(text) {
        return Err(refuse(other));
    }
    faults.sort_by_key(|fault| fault.at);
    Err(Fail { kind: ErrorKind::Syntax, faults, catchable: false })
}

/// The text of a file, never more than the scanner would take.
pub(super) fn read(path: &Path, shown: &Path) -> Eval<String> {
    let fail =
        |what: String| Fail::new(ErrorKind::Read, format!("cannot read `{}`: {what}", shown.display()));
    let io = |error| cannot_read(shown, &error);
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(fail("it is not a regular file".to_owned()).hint("put the file itself there"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(scan::MAX_BYTES).unwrap_or(u64::MAX) + 1;
    File::open(path).map_err(io)?.take(limit).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > scan::MAX_BYTES {
        let message =
            format!("cannot read `{}`: it is larger than 1 MiB, the limit for an inventory", shown.display());
        return Err(
            Fail::new(ErrorKind::Limit, message).hint("split it, or is this another file than you meant?")
        );
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        fail(format!("it is not UTF-8 text (byte {at})")).hint("save it as UTF-8")
    })
}

fn cannot_read(shown: &Path, error: &std::io::Error) -> Fail {
    let (what, hint) = match error.kind() {
        std::io::ErrorKind::NotFound => {
            ("there is no such file".to_owned(), "check the path: it counts from the file that names it")
        }
        _ => (crate::error::plain(error), "check who owns it and its mode, with `ls -ld`"),
    };
    Fail::new(ErrorKind::Read, format!("cannot read `{}`: {what}", shown.display())).hint(hint)
}

/// Symlinks in a row that are followed: as many as Linux follows.
const MAX_LINKS: usize = 40;

/// As Nix does before it takes a file's folder: when the last step is a symlink, what that points to.
fn follow_links(mut path: PathBuf) -> PathBuf {
    for _ in 0..MAX_LINKS {
        let Some(target) = link_target(&path) else { break };
        path = target;
    }
    path
}

/// What a symlink points to, absolute.
fn link_target(path: &Path) -> Option<PathBuf> {
    let target = fs::read_link(path).ok()?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    Some(PathBuf::from(paths::absolute(&folder.join(target).to_string_lossy())))
}

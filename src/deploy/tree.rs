//! The files that are judged, and that they are those which are deployed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::cli::Cli;
use crate::error::Error;
use crate::git;

/// The folder of the certificates, beside the inventory.
const CERTS: &str = "certs";

/// What a flake has of ours beside certificates and inventory.
const FILES: [&str; 3] = ["modules", "hosts", "flake.nix"];

/// The folder of people's own secrets, beside the inventory.
pub(super) const SECRETS: &str = "secrets";

/// A repository as a run looks at it.
#[derive(Debug)]
pub(super) struct Tree {
    /// The folder of the inventory; the empty path for this one.
    pub(super) root: PathBuf,
    /// The folder of the certificates.
    pub(super) certs: PathBuf,
    /// The flake, as nix is told of it.
    pub(super) flake: String,
    /// The inventory.
    pub(super) inventory: PathBuf,
}

impl Tree {
    /// What the command line says, and beside the inventory what it does not say.
    ///
    /// # Errors
    /// [`Error::Request`] for a flake that is not in the inventory's folder: what is judged would not be what is deployed.
    pub(super) fn of(args: &Cli) -> Result<Self, Error> {
        let inventory = args.inventory.file.clone();
        let root = inventory.parent().unwrap_or(Path::new("")).to_owned();
        let flake = match &args.flake {
            Some(flake) => judged(flake, &root, &inventory)?.to_owned(),
            None => reference(&root),
        };
        let certs = args.certs.clone().unwrap_or_else(|| root.join(CERTS));
        Ok(Self { root, certs, flake, inventory })
    }

    /// The files that git does not know, so that no build sees them; below the top of its work tree. None outside of a
    /// work tree, and none where nix takes the folder as it is.
    ///
    /// # Errors
    /// [`Error::Request`] when git cannot be asked.
    pub(super) fn unseen(&self) -> Result<Vec<String>, Error> {
        let root = real(&self.root)?;
        let Some(top) = git::work_tree(&root.join("flake.nix")).filter(|_| !self.flake.starts_with("path:"))
        else {
            return Ok(Vec::new());
        };
        let given = [&self.certs, &self.inventory].map(|path| fs::canonicalize(path).unwrap_or_default());
        let mut paths: Vec<PathBuf> = given.into_iter().filter(|path| path.starts_with(&top)).collect();
        paths.extend(FILES.map(|name| root.join(name)));
        let unseen = git::unknown(&top, &paths, true)
            // What is ignored there may be a plaintext of somebody's.
            .and_then(|files| Ok([files, git::unknown(&top, &[root.join(SECRETS)], false)?].concat()));
        let mut unseen: Vec<String> = unseen
            .map_err(|error| Error::Request {
                message: format!("git does not say which files a build sees: {error}"),
                hint: "make `git` work here; or take all files as they are with `--flake path:.`".to_owned(),
            })?
            .into_iter()
            .filter(|path| !is_left_by_a_program(path))
            .map(|path| path.display().to_string())
            .collect();
        unseen.sort();
        unseen.dedup();
        Ok(unseen)
    }
}

/// Locks, swap files and backup copies of editors.
fn is_left_by_a_program(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with('.') || name.ends_with('~')
}

/// A folder as a reference of a flake: a bare name would be looked up in a registry.
fn reference(root: &Path) -> String {
    let text = root.display().to_string();
    if text.is_empty() {
        return ".".to_owned();
    }
    if text.starts_with(['.', '/']) { text } else { format!("./{text}") }
}

/// A flake that was named, where it is in the inventory's folder or in one above.
fn judged<'f>(flake: &'f str, root: &Path, inventory: &Path) -> Result<&'f str, Error> {
    if flake.contains('#') {
        return Err(Error::Request {
            message: format!("`--flake {flake}` names a part of a flake, expected the flake alone"),
            hint: "the machine's name is added to it: give `.`, or where the flake is".to_owned(),
        });
    }
    let bare = ["path:", "git+file://"].iter().find_map(|scheme| flake.strip_prefix(scheme));
    let folder = bare.or_else(|| Some(flake).filter(|flake| flake.starts_with(['.', '/'])));
    let folder = folder.and_then(|folder| fs::canonicalize(folder).ok());
    if folder.is_some_and(|folder| real(root).is_ok_and(|root| root.starts_with(folder))) {
        return Ok(flake);
    }
    Err(Error::Request {
        message: format!(
            "`--flake {flake}` is not the folder that `{inventory}` lies in, so what is deployed would not be what was judged",
            inventory = inventory.display()
        ),
        hint: "leave `--flake` out: in a checkout of that flake, or with `--inventory` in its folder"
            .to_owned(),
    })
}

/// A folder without links.
fn real(folder: &Path) -> Result<PathBuf, Error> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::canonicalize(folder).map_err(Error::io("find", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flake_of_another_tree_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("root/lab"), folder.path().join("other"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&other).unwrap();
        let shown = |path: &Path| path.display().to_string();
        let judge = |flake: String| judged(&flake, &root, &root.join("machines.nix")).is_ok();
        for own in [shown(&root), format!("path:{}", shown(&root)), format!("git+file://{}", shown(&root))] {
            assert!(judge(own.clone()), "{own}");
        }
        assert!(judge(shown(root.parent().unwrap())), "its root may be a folder of the flake");
        for theirs in
            ["", "github:me/lab", "lab", "/no/such", &shown(&other), &format!("{}#cp1", shown(&root))]
        {
            assert!(!judge(theirs.to_owned()), "{theirs}");
        }
        assert!(!judge(format!("git+file://{}?rev=1", shown(&root))), "another time of it");
    }

    #[test]
    fn a_folder_is_a_path_and_no_name_of_a_registry() {
        for (root, expected) in [("", "."), ("lab", "./lab"), ("../lab", "../lab"), ("/lab", "/lab")] {
            assert_eq!(reference(Path::new(root)), expected);
        }
    }
}

//! git, so far as secrets meet it: where a work tree begins, and what is staged.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The top of the git work tree that a path lies in; `None` outside of any. The path is absolute; it need not exist.
pub fn work_tree(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// A file as it is staged for the next commit.
#[derive(Debug)]
pub struct Staged {
    /// Its path below the top of the work tree.
    pub path: String,
    /// Its content in the index, which may differ from the file's.
    pub content: Vec<u8>,
}

/// Every file that the next commit adds or changes.
///
/// # Errors
/// [`Error::Request`] when git cannot be run or refuses.
pub fn staged(tree: &Path) -> Result<Vec<Staged>, Error> {
    let names = git(tree, &["diff", "--cached", "--name-only", "-z", "--no-renames", "--diff-filter=ACMT"])?;
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let path = String::from_utf8_lossy(name).into_owned();
            let content = git(tree, &["cat-file", "blob", &format!(":{path}")])?;
            Ok(Staged { path, content })
        })
        .collect()
}

fn git(tree: &Path, arguments: &[&str]) -> Result<Vec<u8>, Error> {
    let failed = |cause: String| Error::Request {
        message: format!("could not ask git about `{}`: {cause}", tree.display()),
        hint: "name the files to check, or use `--all`".to_owned(),
    };
    let output = Command::new("git")
        .arg("-C")
        .arg(tree)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| failed(crate::error::plain(&cause)))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.lines().next().unwrap_or("it failed").to_owned()))
}

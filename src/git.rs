//! git, so far as secrets meet it: where a work tree begins, and what is staged.

use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
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
    let options = ["diff", "--cached", "--raw", "--no-abbrev", "-z", "--no-renames", "--diff-filter=ACMT"];
    let listed = git(tree, &options, b"")?;
    let mut fields = listed.split(|byte| *byte == 0);
    let mut files = Vec::new();
    // `:100644 100644 <old> <new> M`, then the path.
    while let (Some(record), Some(path)) = (fields.next(), fields.next()) {
        let record = String::from_utf8_lossy(record).into_owned();
        let mut words = record.split(' ');
        let (mode, blob) = (words.nth(1), words.nth(1));
        // A submodule and a link have no content of their own here.
        if let (Some("100644" | "100755"), Some(blob)) = (mode, blob) {
            files.push((String::from_utf8_lossy(path).into_owned(), blob.to_owned()));
        }
    }
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<&str> = files.iter().map(|(_, blob)| blob.as_str()).collect();
    let asked = asked.join("\n") + "\n";
    let output = git(tree, &["cat-file", "--batch"], asked.as_bytes())?;
    let mut rest = output.as_slice();
    let mut staged = Vec::with_capacity(files.len());
    for (path, _) in files {
        let Some((content, behind)) = blob(rest) else { break };
        staged.push(Staged { path, content: content.to_owned() });
        rest = behind;
    }
    Ok(staged)
}

/// `<name> blob <length>`, the content, a line feed; and what follows.
fn blob(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(output.get(..end)?).ok()?;
    let length: usize = head.rsplit_once(' ')?.1.parse().ok()?;
    let content = output.get(end + 1..)?;
    Some((content.get(..length)?, content.get(length + 1..)?))
}

/// Every file of a work tree that git has or would take: what it ignores is left out.
///
/// # Errors
/// As [`staged`].
pub fn listed(tree: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = git(tree, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"], b"")?;
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| tree.join(std::ffi::OsStr::from_bytes(name))).collect())
}

fn git(tree: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |cause: String| Error::Request {
        message: format!("could not ask git about `{}`: {cause}", tree.display()),
        hint: "name the files to check".to_owned(),
    };
    let system = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => failed("there is no program `git` on PATH".to_owned()),
        _ => failed(crate::error::plain(&cause)),
    };
    let mut child = Command::new("git")
        .arg("-C")
        .arg(tree)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(system)?;
    let pipe = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // It answers while it is asked: both at a time, or both pipes fill up.
        scope.spawn(|| pipe.map(|mut pipe| pipe.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(system)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.lines().next().unwrap_or("it failed, and did not say why").to_owned()))
}

//! git, so far as secrets meet it: where a work tree begins, and what is staged.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::identities::VARIABLES;

/// The longest line that is read before a blob: its name, its type, its length.
const LONGEST_HEAD: u64 = 1 << 10;

/// The top of the git work tree that a path lies in; `None` outside of any. The path is absolute; it need not exist.
pub fn work_tree(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// A file as it is staged for the next commit: its path below the top of the work tree, and its blob.
type Staged = (PathBuf, String);

/// What `look` makes of every file that the next commit adds or changes. It gets the file's path below the top of the
/// work tree, the length of its content in the index, which may differ from the file's, and that content.
///
/// # Errors
/// [`Error::Request`] when git cannot be run or refuses, and when it lacks one of the files.
pub fn staged<T>(
    tree: &Path,
    look: impl FnMut(PathBuf, u64, &mut dyn Read) -> io::Result<T>,
) -> Result<Vec<T>, Error> {
    let options = ["diff", "--cached", "--raw", "--no-abbrev", "-z", "--no-renames", "--diff-filter=ACMT"];
    let listed = git(tree, &options)?;
    let mut fields = listed.split(|byte| *byte == 0);
    let mut files = Vec::new();
    // `:100644 100644 <old> <new> M`, then the path.
    while let (Some(record), Some(path)) = (fields.next(), fields.next()) {
        let record = String::from_utf8_lossy(record);
        let mut words = record.split(' ');
        let (mode, blob) = (words.nth(1), words.nth(1));
        // A submodule and a link have no content of their own here.
        if let (Some("100644" | "100755"), Some(blob)) = (mode, blob) {
            files.push((PathBuf::from(OsStr::from_bytes(path)), blob.to_owned()));
        }
    }
    if files.is_empty() { Ok(Vec::new()) } else { blobs(tree, files, look) }
}

/// The content of each blob, one after the other: none is held in memory here.
fn blobs<T>(
    tree: &Path,
    files: Vec<Staged>,
    mut look: impl FnMut(PathBuf, u64, &mut dyn Read) -> io::Result<T>,
) -> Result<Vec<T>, Error> {
    let asked: Vec<&str> = files.iter().map(|(_, blob)| blob.as_str()).collect();
    let asked = asked.join("\n") + "\n";
    let mut command = command(tree, &["cat-file", "--batch"]);
    // Nobody reads what it says there while it answers.
    let mut child = command.stderr(Stdio::null()).spawn().map_err(|cause| system(tree, &cause))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let looked = std::thread::scope(|scope| {
        // It answers while it is asked: both at a time, or both pipes fill up.
        scope.spawn(|| input.map(|mut pipe| pipe.write_all(asked.as_bytes())));
        let mut output =
            BufReader::new(output.ok_or_else(|| system(tree, &io::ErrorKind::BrokenPipe.into()))?);
        let each = files.into_iter().map(|(path, blob)| {
            let length = length(&mut output, &blob).map_err(|cause| system(tree, &cause))?;
            let length = length
                .ok_or_else(|| failed(tree, &format!("it lacks what is staged as `{}`", path.display())))?;
            let mut content = (&mut output).take(length);
            let made = look(path, length, &mut content);
            // What was left of it, and a line feed.
            let rest = made.and_then(|made| io::copy(&mut content, &mut io::sink()).map(|_| made));
            let made = rest.and_then(|made| output.read_exact(&mut [0]).map(|()| made));
            made.map_err(|cause| system(tree, &cause))
        });
        each.collect::<Result<Vec<T>, Error>>()
    });
    // Its answers tell how it went; who does not read them to their end does not wait for it either.
    if looked.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    looked
}

/// Reads `<name> blob <length>`; `None` for anything else, as `<name> missing`.
fn length(output: &mut impl BufRead, blob: &str) -> io::Result<Option<u64>> {
    let mut head = String::new();
    output.take(LONGEST_HEAD).read_line(&mut head)?;
    let words: Vec<&str> = head.trim_end().split(' ').collect();
    Ok(match words[..] {
        [name, "blob", length] if name == blob => length.parse().ok(),
        _ => None,
    })
}

/// Every file of a work tree that git has or would take: what it ignores is left out.
///
/// # Errors
/// As [`staged`].
pub fn listed(tree: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = git(tree, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| tree.join(OsStr::from_bytes(name))).collect())
}

/// The files at and below these paths that git does not have in its index; below the top of the work tree. With
/// `ignored` those too that it is told to leave alone.
///
/// # Errors
/// As [`staged`].
pub fn unknown(tree: &Path, paths: &[PathBuf], ignored: bool) -> Result<Vec<PathBuf>, Error> {
    let mut command = command(tree, &["ls-files", "-z", "--others"]);
    if !ignored {
        command.arg("--exclude-standard");
    }
    let names = output(tree, command.arg("--").args(paths))?;
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
}

/// Makes a folder a repository. `false` where there is no git.
///
/// # Errors
/// As [`staged`], when git refuses.
pub fn init(folder: &Path) -> Result<bool, Error> {
    // The name of the first branch is the user's setting, or git's.
    let output = command(folder, &["init", "--quiet"]).stdin(Stdio::null()).output();
    match output {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(system(folder, &cause)),
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().find(|line| !line.starts_with("hint:")).unwrap_or_default();
            Err(Error::Request {
                message: format!("could not make `{}` a repository of git: {said}", folder.display()),
                hint: "run `git init` there: everything else is written".to_owned(),
            })
        }
    }
}

fn command(tree: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    for name in VARIABLES {
        // It runs the filters and monitors of the repository's own configuration.
        command.env_remove(name);
    }
    command.arg("-C").arg(tree).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn git(tree: &Path, arguments: &[&str]) -> Result<Vec<u8>, Error> {
    output(tree, &mut command(tree, arguments))
}

fn output(tree: &Path, command: &mut Command) -> Result<Vec<u8>, Error> {
    let output = command.stdin(Stdio::null()).output().map_err(|cause| system(tree, &cause))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(tree, said.lines().next().unwrap_or("it failed, and did not say why")))
}

fn failed(tree: &Path, cause: &str) -> Error {
    Error::Request {
        message: format!("could not ask git about `{}`: {cause}", tree.display()),
        hint: "name the files to check".to_owned(),
    }
}

fn system(tree: &Path, cause: &io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::NotFound => failed(tree, "there is no program `git` on PATH"),
        _ => failed(tree, &crate::error::plain(cause)),
    }
}

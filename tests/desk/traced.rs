//! A command under strace, and what it wrote where.

use std::fs;
use std::path::Path;

use super::peer::{self, Peer};

/// strace, with every call that can carry bytes out of a process, whole strings, and the path behind a descriptor.
const CALLS: &str = "trace=execve,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice,tee,\
    vmsplice,copy_file_range,symlink,symlinkat,link,linkat,rename,renameat,renameat2,mkdir,mkdirat,open,openat,creat,\
    setxattr,fsetxattr,lsetxattr,mount";

/// The words in front of a command line. It runs as the user that `as_user` makes of it; strace itself stays what it
/// is, since it could not look at descriptors of a process that is not dumpable otherwise.
pub fn strace(log: &Path) -> Vec<String> {
    let words = ["strace", "-f", "-y", "-v", "-qq", "-s", "1000000", "-e", CALLS, "-e", "signal=none", "-o"];
    words.iter().map(|word| (*word).to_owned()).chain([log.display().to_string()]).collect()
}

pub fn is_here() -> bool {
    peer::find(Peer::Strace).is_some()
}

/// The calls of a log that hand `marker` to anything but a pipe, a socket, a terminal or a file in one of the `private`
/// folders: names are compared with what a path begins with.
pub fn leaks(log: &Path, marker: &str, private: &[String]) -> Vec<String> {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    assert!(text.lines().any(|line| line.contains("execve(")), "strace wrote no log");
    text.lines()
        .filter(|line| line.contains(marker) && !is_harmless(line, private))
        .map(str::to_owned)
        .collect()
}

fn is_harmless(line: &str, private: &[String]) -> bool {
    const WRITES: [&str; 7] = ["write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg"];
    // `4711  write(5</dev/pts/0>, "..."`; a call that was interrupted is resumed without its arguments.
    let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
    let Some((name, arguments)) = call.split_once('(') else { return false };
    let Some((_, rest)) = arguments.split_once('<').filter(|_| WRITES.contains(&name)) else { return false };
    let behind = rest.split(">,").next().unwrap_or_default();
    let no_disk = ["pipe:[", "socket:[", "UNIX", "/dev/pts/", "/dev/tty", "/dev/null", "/dev/ptmx"];
    no_disk.iter().copied().chain(private.iter().map(String::as_str)).any(|start| behind.starts_with(start))
}

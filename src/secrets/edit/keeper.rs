//! The process that keeps the plaintext while it is edited: this program, started again by itself.
//!
//! It is a process of its own because a mount namespace must be left for before there are threads, and because whoever
//! opens the sealed file may need what a namespace takes away: programs that change their user or group, agents, the
//! real tree. It never holds a key. Its standard input is the socket to the process that does; when that ends, however
//! it ends, the editor is ended and the text removed. When this one is killed, the system kills the editor, and the
//! namespace is gone with both.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::MAX_BYTES;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use zeroize::Zeroizing;

use super::signals::Signals;
use super::storage::{self, Kind};
use super::wire::{self, Answer, End, Request};
use crate::error::plain;
use crate::harden;

/// The first argument of the keeper; what the text lies on, the folder and the file's name follow.
pub(super) const KEEP: &str = "__keep-text";
/// The first argument of what becomes the editor, or another program; the keeper's process, settings of the
/// environment, `--` and the command line follow.
const RUN: &str = "__run-beside-text";

/// How long an editor that is asked to end may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// This program, wherever it was started from, even if that file was replaced meanwhile.
pub(super) fn own_program() -> PathBuf {
    let linux = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") { linux.to_owned() } else { env::current_exe().unwrap_or_default() }
}

/// The hidden entries of the program: call this before anything else. `None`: this process is an ordinary run.
pub fn entry() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    let first = words.next()?;
    if first == KEEP {
        let (mode, folder, name) = (words.next()?, words.next()?, words.next()?);
        // Nobody listens to an error here: what could be told was told through the socket.
        return Some(
            keep(&mode, Path::new(&folder), &name).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        );
    }
    (first == RUN).then(|| become_program(words))
}

/// Ends with its parent, then is the program. Returns when that does not start, with the shell's number for it.
fn become_program(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let keeper = words.next();
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        // It may have ended before that was set.
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
        if keeper.as_deref() != parent.as_deref().map(OsStr::new) {
            return ExitCode::FAILURE;
        }
    }
    let settings: Vec<OsString> = words.by_ref().take_while(|word| word != "--").collect();
    let Some(program) = words.next() else { return ExitCode::FAILURE };
    let mut command = Command::new(program);
    command.args(words);
    for setting in &settings {
        let mut parts = setting.as_bytes().splitn(2, |byte| *byte == b'=').map(OsStr::from_bytes);
        if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            command.env(name, value);
        }
    }
    let refused = command.exec();
    ExitCode::from(if refused.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// The keeper's life.
fn keep(mode: &OsStr, folder: &Path, name: &OsStr) -> io::Result<()> {
    harden::forbid_cores();
    // In a user namespace the right to do so looks as if it were there.
    harden::lock_memory();
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let signals = Signals::take()?;
    let input = wire::take_over(&socket)?;
    let _held = storage::hold(folder)?;
    if !storage::is_ours(folder) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let private = mode == Kind::Namespace.name();
    if private && let Err(why) = enter(folder) {
        return wire::answer(&socket, &Answer::Refused(why));
    }
    harden::hide();
    let kept = Keeper { socket, signals, input, file: folder.join(name) };
    let served = wire::answer(&kept.socket, &Answer::Ready).and_then(|()| kept.serve());
    if private {
        leave(folder);
    } else {
        let _ = fs::remove_dir_all(folder);
    }
    served
}

#[cfg(target_os = "linux")]
use super::namespace::{enter, leave_empty as leave};

#[cfg(not(target_os = "linux"))]
fn enter(_: &Path) -> Result<(), String> {
    Err("this system has no mount namespaces".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn leave(_: &Path) {}

struct Keeper {
    socket: UnixStream,
    signals: Signals,
    input: OwnedFd,
    file: PathBuf,
}

impl Keeper {
    /// Answers until the other process closes the socket or a signal asks for an end.
    fn serve(&self) -> io::Result<()> {
        loop {
            if !self.wait_for_request()? {
                return Ok(());
            }
            match wire::asked(&self.socket) {
                Ok(Request::Text(text)) => {
                    if let Err(cause) = write_private(&self.file, &text) {
                        let why = format!("the text could not be laid down: {}", plain(&cause));
                        return wire::answer(&self.socket, &Answer::Failed(why));
                    }
                }
                Ok(Request::Open(words)) => {
                    let Some(answer) = self.run(&words, || self.text()) else { return Ok(()) };
                    wire::answer(&self.socket, &answer)?;
                }
                Ok(Request::Run(words)) => {
                    let well = || Answer::Ended(End::Code(0));
                    let Some(answer) = self.run(&words, well) else { return Ok(()) };
                    wire::answer(&self.socket, &answer)?;
                }
                // The other process ended.
                Err(_) => return Ok(()),
            }
        }
    }

    fn wait_for_request(&self) -> io::Result<bool> {
        loop {
            self.signals.drain();
            if self.signals.end().is_some() {
                return Ok(false);
            }
            if self.wait()? {
                return Ok(true);
            }
        }
    }

    /// Waits for the socket or a signal, and gives whether it is the socket.
    fn wait(&self) -> io::Result<bool> {
        let mut both = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        match poll(&mut both, None) {
            Ok(_) => Ok(!both[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Runs a program, and gives what is answered when it ends well, or how else it ended; `None` when it had to be
    /// ended.
    fn run(&self, words: &[OsString], well: impl FnOnce() -> Answer) -> Option<Answer> {
        let ended = self.spawn(words).and_then(|mut child| self.wait_for(&mut child));
        Some(match ended {
            Ok(None) => return None,
            Ok(Some(status)) if status.success() => well(),
            Ok(Some(status)) => Answer::Ended(
                status.signal().map_or(End::Code(status.code().unwrap_or_default()), End::Signal),
            ),
            Err(cause) => Answer::Failed(format!("it could not be run: {}", plain(&cause))),
        })
    }

    /// What the editor left.
    fn text(&self) -> Answer {
        match read_whole(&self.file) {
            Ok(text) => Answer::Text(text),
            Err(cause) => Answer::Failed(format!("the editor left no readable file: {}", plain(&cause))),
        }
    }

    fn spawn(&self, words: &[OsString]) -> io::Result<Child> {
        let input = Stdio::from(self.input.try_clone()?);
        Command::new(own_program())
            .arg(RUN)
            .arg(std::process::id().to_string())
            .args(words)
            .stdin(input)
            .spawn()
    }

    fn wait_for(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        loop {
            self.signals.drain();
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            // Nothing is asked while it runs: what comes then is the end of the other process.
            if self.signals.end().is_some() || self.wait()? {
                end(child);
                return Ok(None);
            }
        }
    }
}

/// Asks a process to end, and after a while does not ask.
fn end(child: &mut Child) {
    let until = Instant::now() + PATIENCE;
    let pid = Pid::from_child(child);
    let _ = kill_process(pid, Signal::TERM);
    // It may be stopped, and would not hear.
    let _ = kill_process(pid, Signal::CONT);
    while Instant::now() < until {
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn write_private(path: &Path, text: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.expose_bytes())
}

/// The file as it is, read into one buffer that wipes itself. What an editor left there may be anything: a pipe would
/// be waited for without end, a link leads to a file that is not the text.
fn read_whole(path: &Path) -> io::Result<Secret> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    // A byte more than is taken, for the complaint that it is too large.
    let length = usize::try_from(found.len()).unwrap_or(usize::MAX).min(MAX_BYTES + 1);
    let mut text = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut text)?;
    Ok(Secret::from_bytes(std::mem::take(&mut *text)))
}

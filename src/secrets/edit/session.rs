//! The side of an edit that holds the keys: it starts the keeper, asks it, and waits.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use quorate_secrets::secret::Secret;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr};

use super::Options;
use super::editors::Chosen;
use super::error::EditError;
use super::keeper;
use super::ram_disk::RamDisk;
use super::signals::Signals;
use super::storage::{self, Folder, Kind, NoFolder};
use super::wire::{self, Answer, End, Request};
use crate::error::plain;
use crate::identities::VARIABLES;

/// How long the keeper may take to end its editor and itself: several times what it gives the editor.
const PATIENCE: Duration = Duration::from_secs(5);

/// A text that lies ready to be edited. Gone when this is dropped: the editor first, then the text.
pub(super) struct Session<'a> {
    socket: UnixStream,
    keeper: Child,
    // Unmounted before the folder below it goes.
    _disk: Option<RamDisk>,
    folder: Folder,
    name: String,
    signals: &'a Signals,
    terminal: Option<Terminal>,
}

enum Started<'a> {
    Ready(Session<'a>),
    Refused(String),
}

impl<'a> Session<'a> {
    /// Lays the text down where nobody writes it to a disk.
    pub(super) fn start(
        text: &Secret,
        name: &str,
        options: &Options,
        signals: &'a Signals,
    ) -> Result<Self, EditError> {
        let private = match &options.no_namespace {
            Some(why) => why.clone(),
            None => match Self::attempt(Kind::PRIVATE, &options.places, name, options, signals)? {
                Started::Ready(session) => return session.lay_down(text),
                Started::Refused(why) => why,
            },
        };
        let places: Vec<(PathBuf, bool)> =
            options.places.iter().map(|place| (place.clone(), storage::is_in_memory(place))).collect();
        let swaps = std::fs::read_to_string("/proc/swaps").ok();
        let refused = |folder: String, swap: bool| {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/sys/{file}")).ok();
            let setting = storage::refusing_setting(read);
            EditError::NoStorage { private: private.clone(), setting, folder, swap }
        };
        let places =
            storage::without_namespace(&places, swaps.as_deref(), options.allow_swap).map_err(|none| {
                match none {
                    NoFolder::NoTmpfs => refused("no tmpfs here to write to".to_owned(), false),
                    NoFolder::Swap(space) => {
                        refused(format!("what is on a tmpfs may be swapped out ({space})"), true)
                    }
                }
            })?;
        match Self::attempt(Kind::Folder, &places, name, options, signals)? {
            Started::Ready(session) => session.lay_down(text),
            Started::Refused(why) => Err(EditError::Keeper(why)),
        }
    }

    fn attempt(
        kind: Kind,
        places: &[PathBuf],
        name: &str,
        options: &Options,
        signals: &'a Signals,
    ) -> Result<Started<'a>, EditError> {
        let failed = |cause: io::Error| EditError::Keeper(plain(&cause));
        let folder = Folder::make(places).map_err(|cause| {
            EditError::Keeper(format!("no folder for it could be made: {}", plain(&cause)))
        })?;
        let disk = match (kind == Kind::Disk).then(|| RamDisk::mount(folder.path())).transpose() {
            Ok(disk) => disk,
            Err(why) => return Ok(Started::Refused(why)),
        };
        let (socket, theirs) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(&options.program);
        command.arg(keeper::KEEP).arg(kind.name()).arg(folder.path()).arg(name);
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        let keeper = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn().map_err(failed)?;
        // Its end of the socket is its alone: when it ends we hear of it.
        drop(command);
        let terminal = Terminal::remember();
        let session =
            Session { socket, keeper, _disk: disk, folder, name: name.to_owned(), signals, terminal };
        wire::hand_over(&session.socket, io::stdin().as_fd()).map_err(|cause| lost(&cause))?;
        match session.answered()? {
            Answer::Ready => Ok(Started::Ready(session)),
            Answer::Refused(why) => Ok(Started::Refused(why)),
            _ => Err(no_sense()),
        }
    }

    fn lay_down(self, text: &Secret) -> Result<Self, EditError> {
        wire::ask(&self.socket, &Request::Text(text.duplicate())).map_err(|cause| lost(&cause))?;
        Ok(self)
    }

    /// Lets the person edit the text as it lies there, and gives what it is then.
    pub(super) fn open(&self, editor: &Chosen, line: Option<usize>) -> Result<Secret, EditError> {
        let words = editor.command(self.folder.path(), &self.name, line);
        let failed = |how: String| EditError::EditorFailed { editor: editor.name.clone(), how };
        match self.request(&Request::Open(words))? {
            Answer::Text(text) => Ok(text),
            // As git does: what ended the editor was meant for both.
            Answer::Ended(End::Signal(signal)) if is_from_keyboard(signal) => Err(EditError::Signal(signal)),
            Answer::Ended(End::Signal(signal)) => Err(failed(format!("by signal {signal}"))),
            Answer::Ended(End::Code(code)) => Err(failed(format!("with exit code {code}"))),
            _ => Err(no_sense()),
        }
    }

    /// Where the text lies.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Runs any program beside the text, and gives what it ended with as a shell would say it.
    pub(super) fn run(&self, command: Vec<OsString>) -> Result<u8, EditError> {
        // No setting of the environment stands before it.
        let words = std::iter::once(OsString::from("--")).chain(command).collect();
        match self.request(&Request::Run(words))? {
            Answer::Ended(End::Code(code)) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
            Answer::Ended(End::Signal(signal)) => Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
            _ => Err(no_sense()),
        }
    }

    fn request(&self, request: &Request) -> Result<Answer, EditError> {
        wire::ask(&self.socket, request).map_err(|cause| lost(&cause))?;
        let answer = self.answered();
        if !matches!(answer, Ok(Answer::Text(_) | Answer::Ended(End::Code(_)))) {
            // A program that was killed did not do so.
            self.terminal.as_ref().inspect(|terminal| terminal.restore());
        }
        match answer? {
            Answer::Failed(why) => Err(EditError::Keeper(why)),
            answer => Ok(answer),
        }
    }

    /// Waits for an answer or for a signal that ends all.
    fn answered(&self) -> Result<Answer, EditError> {
        loop {
            self.signals.drain();
            if let Some(signal) = self.signals.end() {
                return Err(EditError::Signal(signal));
            }
            let mut both =
                [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(self.signals, PollFlags::IN)];
            match poll(&mut both, None) {
                Ok(_) if !both[0].revents().is_empty() => {
                    return wire::answered(&self.socket).map_err(|cause| lost(&cause));
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(cause) => return Err(lost(&cause.into())),
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Its end of the socket reads as ended: it ends the editor, removes the text and ends itself.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let until = Instant::now() + PATIENCE;
        while !self.keeper.try_wait().is_ok_and(|status| status.is_some()) {
            if Instant::now() >= until {
                // The editor and the namespace go with it, and the folder by us.
                let _ = self.keeper.kill();
                let _ = self.keeper.wait();
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        if self.signals.end().is_some() {
            self.terminal.as_ref().inspect(|terminal| terminal.restore());
        }
    }
}

fn no_sense() -> EditError {
    EditError::Keeper("the process that kept it gave no answer that makes sense".to_owned())
}

/// SIGINT and SIGQUIT.
fn is_from_keyboard(signal: i32) -> bool {
    [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT].contains(&signal)
}

fn lost(cause: &io::Error) -> EditError {
    match cause.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            EditError::Keeper("the process that kept it was killed".to_owned())
        }
        _ => EditError::Keeper(plain(cause)),
    }
}

/// The terminal as it was before an editor changed its modes.
struct Terminal {
    descriptor: OwnedFd,
    modes: Termios,
}

impl Terminal {
    fn remember() -> Option<Self> {
        let remember = |descriptor: BorrowedFd<'_>| {
            let modes = tcgetattr(descriptor).ok().filter(|_| isatty(descriptor))?;
            Some(Self { descriptor: descriptor.try_clone_to_owned().ok()?, modes })
        };
        remember(io::stdin().as_fd())
    }

    fn restore(&self) {
        // Who is not in front would be stopped for it.
        if tcgetpgrp(&self.descriptor).is_ok_and(|front| front == rustix::process::getpgrp()) {
            let _ = tcsetattr(&self.descriptor, OptionalActions::Now, &self.modes);
        }
    }
}

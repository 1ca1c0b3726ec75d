//! A terminal for a test: a pseudo-terminal that is the controlling one of what runs on it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Terminal {
    keyboard: File,
    /// Held open, so that its modes can be looked at.
    line: Option<OwnedFd>,
    child: Child,
    seen: Vec<u8>,
    /// How much of it was waited for already.
    read: usize,
}

impl Terminal {
    /// The words in front of a command line that give it the terminal on its standard input.
    pub const IN_FRONT: [&str; 3] = ["setsid", "--ctty", "--wait"];

    /// Runs a command that begins with [`Self::IN_FRONT`].
    pub fn run(mut command: Command) -> Self {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line: OwnedFd = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        let size = rustix::termios::Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&line, size).unwrap();
        command.stdin(Stdio::from(line.try_clone().unwrap()));
        command.stdout(Stdio::from(line.try_clone().unwrap())).stderr(Stdio::from(line.try_clone().unwrap()));
        let child = command.spawn().unwrap();
        Self { keyboard: File::from(main), line: Some(line), child, seen: Vec::new(), read: 0 }
    }

    /// The process that was started: `setsid`, or what it became.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is shown, after all that was waited for before.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let rest = &self.seen[self.read..];
            if let Some(at) = rest.windows(text.len()).position(|part| part == text.as_bytes()) {
                self.read += at + text.len();
                return;
            }
            let open = self.look(until);
            assert!(open && Instant::now() < until, "waiting for {text:?}, shown was {}", self.shown());
        }
    }

    /// Types these keys, again every second, until this is shown: an editor that is still starting drops some.
    #[track_caller]
    pub fn type_until(&mut self, keys: &str, text: &str) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.type_in(keys);
            let soon = Instant::now() + Duration::from_secs(1);
            while Instant::now() < soon {
                if self.seen[self.read..].windows(text.len()).any(|part| part == text.as_bytes()) {
                    return self.wait_for(text);
                }
                self.look(soon);
            }
        }
        self.wait_for(text);
    }

    /// Takes what is shown now. `false` when nothing more can come.
    fn look(&mut self, until: Instant) -> bool {
        let mut ends = [PollFd::new(&self.keyboard, PollFlags::IN)];
        let left = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(100));
        let left = Timespec::try_from(left).unwrap();
        if poll(&mut ends, Some(&left)).unwrap() == 0 {
            return true;
        }
        let mut bytes = [0; 4096];
        // An error is how a pseudo-terminal says that nobody is there any more.
        match self.keyboard.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.seen.extend_from_slice(&bytes[..count]);
                true
            }
        }
    }

    /// How the terminal treats what is typed.
    pub fn modes(&self) -> LocalModes {
        tcgetattr(self.line.as_ref().unwrap()).unwrap().local_modes
    }

    /// Waits until the process that was started is gone, and gives the modes that it left.
    pub fn after_end(&mut self) -> LocalModes {
        while self.child.try_wait().unwrap().is_none() {
            self.look(Instant::now() + PATIENCE);
        }
        self.modes()
    }

    /// Types these keys, again every second, until it ends: an interrupt takes away what was typed behind it.
    #[track_caller]
    pub fn end_by(mut self, keys: &str) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() && Instant::now() < until {
            self.type_in(keys);
            let soon = Instant::now() + Duration::from_secs(1);
            while Instant::now() < soon && self.child.try_wait().unwrap().is_none() {
                self.look(soon);
            }
        }
        self.end()
    }

    /// Waits for the end, and gives everything that was shown.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        // Then with our end of the line goes the last one, unless the editor lives on.
        drop(self.line.take());
        while self.look(until) {
            assert!(Instant::now() < until, "it does not end, shown was {}", self.shown());
        }
        (self.child.wait().unwrap(), self.shown())
    }

    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

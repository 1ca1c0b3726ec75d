//! Signals while an editor has the terminal.
//!
//! `^C` and `^\` reach the whole foreground group, us included, and belong to the editor: git and sudoedit wait for
//! what the editor makes of them, and so do we. SIGTERM and SIGHUP end the edit: the editor is ended first, the text is
//! removed, then the process ends by that signal. Outside of an edit each signal does what it always does.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{flag, low_level};

/// Until this is dropped, `^C` and `^\` mean the program that was started and has the terminal: a pager, an editor.
pub(crate) struct Interrupts {
    /// Whether signals have their own effect.
    obeyed: Arc<AtomicBool>,
}

impl Interrupts {
    /// Leaves them to the program.
    pub(crate) fn leave() -> io::Result<Self> {
        Self::of(&[SIGINT, SIGQUIT])
    }

    /// Leaves undone, until this is dropped, all that would end this process in the middle of its work.
    pub(crate) fn hold() -> io::Result<Self> {
        Self::of(&[SIGTERM, SIGHUP, SIGINT, SIGQUIT])
    }

    fn of(signals: &[i32]) -> io::Result<Self> {
        let obeyed = Arc::new(AtomicBool::new(false));
        for signal in signals {
            // Stays registered: a handler, once there, is never removed, and must not swallow the signal for good.
            flag::register_conditional_default(*signal, Arc::clone(&obeyed))?;
        }
        Ok(Self { obeyed })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.obeyed.store(true, Ordering::SeqCst);
    }
}

/// Until this is dropped, signals are noted instead of obeyed.
pub(crate) struct Signals {
    /// The last of those that end the work, or 0.
    end: Arc<AtomicUsize>,
    effects: Interrupts,
    /// Readable after every signal.
    woken: UnixStream,
    registered: Vec<signal_hook::SigId>,
}

impl Signals {
    /// Takes the signals while an editor has the terminal.
    pub(super) fn take() -> io::Result<Self> {
        Self::of(&[SIGTERM, SIGHUP], &[SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGCHLD])
    }

    /// Takes the signals while a terminal is to be left as it was.
    pub(crate) fn take_ends() -> io::Result<Self> {
        let ends = [SIGTERM, SIGHUP, SIGINT, SIGQUIT];
        Self::of(&ends, &ends)
    }

    fn of(ends: &[i32], wake: &[i32]) -> io::Result<Self> {
        let (woken, wakes) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let end = Arc::new(AtomicUsize::new(0));
        let mut registered = Vec::new();
        for signal in ends {
            let number = usize::try_from(*signal).unwrap_or_default();
            registered.push(flag::register_usize(*signal, Arc::clone(&end), number)?);
        }
        let effects = Interrupts::of(&[SIGTERM, SIGHUP, SIGINT, SIGQUIT])?;
        for signal in wake {
            registered.push(low_level::pipe::register(*signal, wakes.try_clone()?)?);
        }
        Ok(Self { end, effects, woken, registered })
    }

    /// Lets a signal that came have its effect after all.
    pub(crate) fn obey(self) {
        if let Some(signal) = self.end() {
            let _ = low_level::emulate_default_handler(signal);
        }
    }

    /// The signal that ends the work, if one came.
    pub(crate) fn end(&self) -> Option<i32> {
        i32::try_from(self.end.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
    }

    /// Lets signals have their own effect while `work` runs: nothing but this process would have to be ended then.
    pub(super) fn obeyed<T>(&self, work: impl FnOnce() -> T) -> T {
        self.effects.obeyed.store(true, Ordering::SeqCst);
        let done = work();
        self.effects.obeyed.store(false, Ordering::SeqCst);
        done
    }

    /// Forgets that it was woken; call before looking at what a signal may have changed.
    pub(super) fn drain(&self) {
        let mut bytes = [0; 64];
        while (&self.woken).read(&mut bytes).is_ok_and(|read| read > 0) {}
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}

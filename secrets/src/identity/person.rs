//! The person in front of the program: asked for a passphrase, or by a plugin.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::secret::Secret;

/// What is said to the person. The texts may come from a plugin: whoever shows them takes out what steers a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// Shown; nothing is expected back, and the answer is not looked at.
    Say(&'a str),
    /// Asks for a line that may be seen while it is typed.
    Line(&'a str),
    /// Asks for a line that nobody may see.
    Passphrase(&'a str),
}

/// How the person is asked, given by whoever has a terminal. Copies ask the same person.
#[derive(Clone)]
pub struct Person {
    ask: Arc<Ask>,
    turn: Arc<Mutex<()>>,
}

type Ask = dyn Fn(Question<'_>) -> Option<Secret> + Send + Sync;

impl Person {
    /// `ask` gives the answer without its line end; `None` where nobody can be asked or nobody answers. It may be
    /// called from any thread, but never twice at a time.
    pub fn new(ask: impl Fn(Question<'_>) -> Option<Secret> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), turn: Arc::new(Mutex::new(())) }
    }

    /// Where there is no person.
    pub fn nobody() -> Self {
        Self::new(|_| None)
    }

    /// Begins a conversation; another thread's waits until this one is over.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One question of a conversation.
    pub(super) fn ask(&self, question: Question<'_>) -> Option<Secret> {
        (self.ask)(question)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(..)")
    }
}

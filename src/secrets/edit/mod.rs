//! A secret text in a person's editor, without a trace of it anywhere else.
//!
//! Two processes: the one that opened the sealed file and holds its key, and the keeper, which is this program started
//! again in a mount namespace of its own. They talk over a socket. The keeper lays the text down on a ramfs that only
//! it and the editor see, runs the editor with the person's terminal, and gives the text back.
//!
//! | who is killed | what becomes of the text |
//! |---|---|
//! | this process | the socket ends; the keeper ends the editor, removes the text, ends |
//! | the keeper | the system kills the editor; the namespace and its ramfs are gone with both; this process says so |
//! | all of them at once | the ramfs is gone; an empty folder is left, which the next edit removes |
//!
//! Without a namespace the text stands in a folder of a tmpfs, 0700; who kills both processes at once leaves it there
//! until the next edit or the end of the machine.
//!
//! Not claimed: what an editor keeps in its memory and what its plugins do; a process of the same user or root that
//! looks into the editor while it runs.

mod editors;
mod error;
mod keeper;
#[cfg(target_os = "linux")]
mod namespace;
mod ram_disk;
mod session;
mod signals;
mod storage;
mod wire;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use quorate_secrets::secret::Secret;

pub use error::EditError;
pub use keeper::entry;
pub(crate) use signals::{Interrupts, Signals};

use crate::error::plain;
use crate::report;
use session::Session;

/// No person reads a text in less.
const AT_ONCE: Duration = Duration::from_millis(300);

/// What is wrong with a text that came back from the editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// In one sentence, with the file and the line.
    pub message: String,
    /// What to do about it, if there is more to say.
    pub hint: Option<String>,
    /// The line, the first is 1: the editor opens there again.
    pub line: Option<usize>,
}

/// The environment, so far as an edit depends on it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the text may stand where it might be swapped out.
    pub allow_swap: bool,
    /// SOPS_EDITOR and EDITOR.
    pub sops_editor: Option<OsString>,
    /// See above.
    pub editor: Option<OsString>,
    /// PATH.
    pub path: Option<OsString>,
    /// Where a private folder may be made, the best first: $XDG_RUNTIME_DIR, /dev/shm, the folder for temporary files.
    pub places: Vec<PathBuf>,
    /// This program: it must call [`entry`] before anything else.
    pub program: PathBuf,
    /// Why a namespace of its own would not do for what is run, where it would not, in words.
    pub no_namespace: Option<String>,
}

impl Options {
    /// Reads the environment.
    pub fn from_env(allow_swap: bool) -> Self {
        let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|value| Path::new(value).is_absolute());
        let mut places: Vec<PathBuf> = runtime.map(PathBuf::from).into_iter().collect();
        places.push(PathBuf::from("/dev/shm"));
        places.extend(std::path::absolute(env::temp_dir()));
        Self {
            allow_swap,
            sops_editor: env::var_os("SOPS_EDITOR"),
            editor: env::var_os("EDITOR"),
            path: env::var_os("PATH"),
            places,
            program: keeper::own_program(),
            no_namespace: None,
        }
    }
}

/// Lets the person edit `plaintext` as a file called `file_name`, and gives the new text, or `None` when it was left
/// as it is. What `accept` complains of is said, and the editor opened again there, with the text as it was left,
/// until it is content or the person gives up: whoever saves the text does so in it.
///
/// While this runs, SIGINT and SIGQUIT belong to the editor. Call it from the main thread: the system ends the keeper's
/// editor with the thread that started it.
///
/// # Errors
/// [`EditError`]; the text is gone then. [`EditError::Signal`] must end in [`end_by_signal`].
pub fn edit(
    plaintext: &Secret,
    file_name: &str,
    accept: &mut dyn FnMut(&Secret) -> Result<(), Complaint>,
    options: &Options,
) -> Result<Option<Secret>, EditError> {
    let variables: [(&str, Option<&OsStr>); 2] =
        [("SOPS_EDITOR", options.sops_editor.as_deref()), ("EDITOR", options.editor.as_deref())];
    let editor = editors::choose(&variables, options.path.as_deref())?;
    if !editor.is_known() {
        let name = &editor.name;
        report::warning(&format!(
            "what `{name}` keeps of the text elsewhere is not known to us: see its manual"
        ));
    }
    let signals = Signals::take().map_err(|cause| EditError::Keeper(plain(&cause)))?;
    let session = Session::start(plaintext, &base_name(file_name), options, &signals)?;
    let mut line = None;
    loop {
        let started = Instant::now();
        let text = session.open(&editor, line)?;
        if text.same_as(plaintext) {
            if !editor.is_known() && started.elapsed() < AT_ONCE {
                let name = &editor.name;
                report::warning(&format!(
                    "`{name}` ended at once: did it leave the text to another process, which does not see it?"
                ));
            }
            return Ok(None);
        }
        let Err(complaint) = accept(&text) else { return Ok(Some(text)) };
        line = complaint.line;
        let again = signals.obeyed(|| report::ask_to_return(&complaint.message, complaint.hint.as_deref()));
        if !again {
            return Err(EditError::Invalid(complaint));
        }
    }
}

/// Runs a program that reads `plaintext` from a file called `file_name`, which nobody else sees: `command` is given its
/// path. The terminal and its signals are the program's. Gives its exit code, as a shell would say it.
///
/// # Errors
/// [`EditError::ProgramMissing`], otherwise as [`edit`].
pub fn run(
    plaintext: &Secret,
    file_name: &str,
    command: impl FnOnce(&Path) -> Vec<OsString>,
    options: &Options,
) -> Result<u8, EditError> {
    let signals = Signals::take().map_err(|cause| EditError::Keeper(plain(&cause)))?;
    let session = Session::start(plaintext, &base_name(file_name), options, &signals)?;
    let mut command = command(&session.file());
    if let Some(program) = command.first_mut() {
        let name = program.to_string_lossy().into_owned();
        let found = editors::find(&name, options.path.as_deref());
        *program = found.ok_or(EditError::ProgramMissing { program: name })?.into_os_string();
    }
    session.run(command)
}

/// The last part of a path.
fn base_name(file_name: &str) -> String {
    Path::new(file_name).file_name().unwrap_or(OsStr::new("secret")).to_string_lossy().into_owned()
}

/// Ends this process by a signal, as whoever started it expects of a process that was told to end. Returns an exit
/// code only where the system does not do so.
pub fn end_by_signal(signal: i32) -> ExitCode {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

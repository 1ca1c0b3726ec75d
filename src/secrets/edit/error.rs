//! Why an edit came to nothing. The sealed file is as it was after each of these.

use std::fmt;

use super::Complaint;
use crate::error::Error;

/// An edit that came to nothing.
#[derive(Debug)]
pub enum EditError {
    /// Nobody says which editor, and none that we would take is here.
    NoEditor,
    /// A variable that holds no command line.
    EditorLine {
        /// Its name.
        variable: &'static str,
    },
    /// An editor that is not there.
    EditorMissing {
        /// The variable that names it.
        variable: &'static str,
        /// How it is called there.
        editor: String,
    },
    /// A program to run that is not there.
    ProgramMissing {
        /// How it is called.
        program: String,
    },
    /// An editor that hands the file to another process.
    EditorElsewhere {
        /// Which.
        editor: String,
        /// What to use.
        instead: &'static str,
    },
    /// The editor did not end well.
    EditorFailed {
        /// Which.
        editor: String,
        /// How it ended, in words.
        how: String,
    },
    /// There is no memory to keep the text in that nobody writes to a disk.
    NoStorage {
        /// Why none that this user alone sees.
        private: String,
        /// The setting that refuses it, where it can be named.
        setting: Option<&'static str>,
        /// Why no tmpfs, in words.
        folder: String,
        /// Whether `--allow-swap` would help.
        swap: bool,
    },
    /// The text is not what it must be, and the person gave up or is not there.
    Invalid(Complaint),
    /// This signal asked for an end: [`super::end_by_signal`].
    Signal(i32),
    /// The process that kept the text could not do it, in words.
    Keeper(String),
}

impl EditError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoEditor => "set EDITOR to the editor you want, or install one of these".to_owned(),
            Self::EditorLine { .. } => "close the quotes, as a shell would want them".to_owned(),
            Self::EditorMissing { variable, .. } => {
                format!("install it, or set {variable} to an editor that is here")
            }
            Self::ProgramMissing { .. } => "name a program that is on PATH, or its path".to_owned(),
            Self::EditorElsewhere { instead, .. } => {
                format!("set SOPS_EDITOR to an editor that does the work itself, `{instead}` for one")
            }
            Self::EditorFailed { .. } => "the file is as it was; run this again to edit it".to_owned(),
            Self::NoStorage { setting, swap, .. } => {
                let mut ways = Vec::new();
                if let Some(setting) = setting {
                    ways.push(format!("change the setting `{setting}`"));
                }
                if *swap {
                    ways.push("turn swap off".to_owned());
                    ways.push("accept with `--allow-swap` that the text may be written there".to_owned());
                }
                ways.push("run this on another machine".to_owned());
                ways.join(", or ")
            }
            Self::Invalid(complaint) => complaint
                .hint
                .clone()
                .unwrap_or_else(|| "the file is as it was; run this again to edit it".to_owned()),
            Self::Signal(_) => "the file is as it was".to_owned(),
            Self::Keeper(_) => "the file is as it was; run this again".to_owned(),
        }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEditor => f.write_str(
                "no editor to run: neither SOPS_EDITOR nor EDITOR is set, and none of vim, nano and vi is on PATH",
            ),
            Self::EditorLine { variable } => {
                write!(f, "no editor to run: {variable} is no command line, as a quote in it is not closed or it is blank")
            }
            Self::EditorMissing { variable, editor } => {
                write!(f, "no editor to run: {variable} names `{editor}`, which is no program here")
            }
            Self::ProgramMissing { program } => write!(f, "could not run `{program}`: there is no such program"),
            Self::EditorElsewhere { editor, .. } => write!(
                f,
                "`{editor}` hands the text to a process that runs already, which sees no private storage"
            ),
            Self::EditorFailed { editor, how } => write!(f, "`{editor}` ended {how}: nothing was changed"),
            Self::NoStorage { private, folder, .. } => {
                write!(f, "will not lay the text down in clear: no memory of its own for it ({private}), and {folder}")
            }
            Self::Invalid(complaint) => f.write_str(&complaint.message),
            Self::Signal(signal) => write!(f, "the edit was ended by signal {signal}"),
            Self::Keeper(cause) => write!(f, "could not edit the text: {cause}"),
        }
    }
}

impl std::error::Error for EditError {}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        Self::Request { message: error.to_string(), hint: error.hint() }
    }
}

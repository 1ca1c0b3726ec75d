//! What a person, or a program, gets to see. The one file that prints.
//!
//! stdout is data: tables, PEM, JSON. stderr is talk: `error:`, `warning:`, `hint:`, progress; lower case, no full
//! stop, things in backticks. Colour only on a terminal, and never when NO_COLOR is set.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Error;
use crate::words;

/// Files named of which the same is to be said.
const MOST_FILES: usize = 5;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or nothing found: exit code 0.
    Clean,
    /// Something was found, or would be done: exit code 1.
    Findings,
    /// What a program that was run ended with.
    Ended(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::SUCCESS,
            Outcome::Findings => Self::from(1),
            Outcome::Ended(code) => Self::from(code),
        }
    }
}

/// Exit code 2: the command could not do its work.
pub fn fail(error: &Error) -> ExitCode {
    say(told(error).trim_end_matches('\n'));
    ExitCode::from(2)
}

/// An error as a person reads it: what went wrong, and a line on what to do.
pub fn told(error: &Error) -> String {
    let mut lines = Vec::new();
    if let Error::Inventory { .. } = error {
        // Rendered with its own `error:` lines.
        lines.push(error.to_string());
    } else {
        lines.push(format!("{} {}", label("error", Colour::Red), one_line(&error.to_string())));
    }
    if let Error::State { folder, faults } = error {
        // The core calls the folder `certs/`, as everybody does; here it has its own name.
        let named = |text: &str| {
            one_line(text)
                .replace("certs/", &format!("{}/", folder.display().to_string().trim_end_matches('/')))
        };
        // One thing may be wrong with every file, and is one line then.
        for alike in faults.chunk_by(|a, b| (&a.message, &a.hint) == (&b.message, &b.hint)) {
            let Some(fault) = alike.first() else { continue };
            let files: Vec<String> = alike.iter().map(|fault| fault.file.clone()).collect();
            let files = one_line(&words::list(&files, MOST_FILES));
            lines.push(format!("  {files}: {}", named(&fault.message)));
            lines.push(format!("    {} {}", label("hint", Colour::Cyan), named(&fault.hint)));
        }
    }
    if let Error::Adopt { faults } = error {
        for fault in faults {
            lines.push(format!("  {}", one_line(&fault.to_string())));
            lines.push(format!("    {} {}", label("hint", Colour::Cyan), fault.hint));
        }
    }
    if let Error::Refused { faults } = error {
        for alike in faults.chunk_by(|a, b| (&a.message, &a.hint) == (&b.message, &b.hint)) {
            let Some(fault) = alike.first() else { continue };
            let things: Vec<String> = alike.iter().map(|fault| fault.what.clone()).collect();
            let things = words::list(&things, MOST_FILES);
            lines.push(format!("  {}", one_line(&format!("{things}: {}", fault.message))));
            lines.push(format!("    {} {}", label("hint", Colour::Cyan), one_line(&fault.hint)));
        }
    }
    let hint = error.hint().map(|text| one_line(&text));
    lines.extend(hint.map(|text| format!("{} {text}", label("hint", Colour::Cyan))));
    lines.join("\n") + "\n"
}

/// A line to stderr. A reader that went away is none of our business.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", tame(line));
}

/// A message as one line, and what steers a terminal in it as `�`: whoever writes a certificate or a manifest must not
/// write on the screen of who looks at it, nor lines that look like ours.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if words::steers(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Lines that were rendered with their own labels, tamed but for those and the line breaks.
fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let colour = OURS.iter().find(|code| rest.starts_with(**code));
        let (head, tail) = rest.split_at(colour.map_or(letter.len_utf8(), |code| code.len()));
        let shown = colour.is_some() || letter == '\n' || !words::steers(letter);
        out.push_str(if shown { head } else { "\u{fffd}" });
        rest = tail;
    }
    out
}

/// All that [`label`] writes to steer the terminal.
const OURS: [&str; 4] = ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[0m"];

#[derive(Clone, Copy)]
enum Colour {
    Red,
    Yellow,
    Cyan,
}

/// Whether stderr takes colours.
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn label(word: &str, colour: Colour) -> String {
    if !colours() {
        return format!("{word}:");
    }
    let code = match colour {
        Colour::Red => 31,
        Colour::Yellow => 33,
        Colour::Cyan => 36,
    };
    format!("\x1b[1;{code}m{word}:\x1b[0m")
}

/// Something that will hurt later. Never changes an exit code.
pub fn warning(text: &str) {
    say(&format!("{} {}", label("warning", Colour::Yellow), one_line(text)));
}

/// What to do about what was just said.
pub fn hint(text: &str) {
    say(&format!("{} {}", label("hint", Colour::Cyan), one_line(text)));
}

/// A line of talk.
pub fn note(text: &str) {
    say(&one_line(text));
}

/// Text that was rendered with its own labels: the faults of an inventory.
pub fn rendered(text: &str) {
    say(text.trim_end_matches('\n'));
}

/// Why data did not arrive, the first time that it did not.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Data, to stdout. A reader that went away is none of our business; for anything else see [`delivered`].
pub fn data(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            // The first one is told.
            let _ = LOST.set(cause);
        }
        _ => {}
    }
}

/// Data, to stdout, one line feed behind it.
pub fn line(text: &str) {
    data(&format!("{text}\n"));
}

/// Whether all data arrived that was written to stdout: a program looks at it before it ends, since no command that
/// could not say what it was asked for went well.
///
/// # Errors
/// [`Error::Io`] where some did not, such as on a full disk.
pub fn delivered() -> Result<(), Error> {
    match LOST.get() {
        None => Ok(()),
        Some(cause) => {
            // The original is kept: it may be looked at again.
            let cause =
                cause.raw_os_error().map_or_else(|| cause.kind().into(), io::Error::from_raw_os_error);
            Err(Error::io("write", "stdout")(cause))
        }
    }
}

/// A value as indented JSON, to stdout.
pub fn json(value: &serde_json::Value) {
    // A tree of strings and numbers always serializes.
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A secret, to stdout: asked for by the one command whose work it is.
pub fn secret(text: &secrecy::SecretString) {
    use secrecy::ExposeSecret as _;
    data(text.expose_secret());
}

/// Plaintext, to stdout, byte for byte: asked for by the verb whose work it is.
///
/// # Errors
/// [`Error::Io`] where it did not all arrive, such as on a full disk; a reader that went away is none.
pub fn plaintext(content: &quorate_secrets::secret::Secret) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(content.expose_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("write", "stdout")(cause)),
        _ => Ok(()),
    }
}

/// Where the output of a program goes that is run on the way: to the talk, since data is ours alone.
pub fn talk() -> Stdio {
    Stdio::from(io::stderr())
}

/// What a person types on the terminal in answer to a question, and what an empty line means there, which is shown.
/// `None` when there is no terminal, and at the end of what is typed.
pub fn ask_for(question: &str, default: Option<&str>) -> Option<String> {
    if !has_terminal() {
        return None;
    }
    let default = default.map(|default| format!(" [{}]:", one_line(default))).unwrap_or_default();
    let _ = write!(io::stderr(), "{}{default} ", one_line(question));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok().filter(|read| *read > 0).map(|_| answer.trim().to_owned())
}

/// Whether there is a person to ask: at stdin, and looking at stderr.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether stdout is a terminal: what is for people looks otherwise than what is for programs.
pub fn is_for_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Asks on the terminal; `false` when there is none.
pub fn ask(question: &str) -> bool {
    if !has_terminal() {
        return false;
    }
    let _ = write!(io::stderr(), "{} [y/N] ", one_line(question));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Says what is wrong with a text and asks on the terminal whether to go back to the editor, which any answer but a
/// `n` means: the text would be lost. `false` when there is no terminal, and nothing is said then.
pub fn ask_to_return(fault: &str, hint: Option<&str>) -> bool {
    if !has_terminal() {
        return false;
    }
    say(&format!("{} {}", label("error", Colour::Red), one_line(fault)));
    hint.inspect(|text| self::hint(text));
    let _ = write!(
        io::stderr(),
        "press enter to return to the editor, or type n to give up and lose the changes: "
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok_and(|read| read > 0)
        && !matches!(answer.trim(), "n" | "N" | "no" | "q")
}

/// Columns padded to their widest cell, two blanks between, nothing behind the last.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut out = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(&one_line(cell));
            out.push_str(&" ".repeat(width + 2 - cell.chars().count()));
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    data(&text);
}

/// A bar on stderr, for what takes longer than a second; before that, and off a terminal, nothing.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// For `steps` steps of `what`.
    pub fn new(what: &'static str, steps: usize) -> Self {
        let bar = ProgressBar::hidden();
        bar.set_length(steps as u64);
        bar.set_message(what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now() }
    }

    /// One step is done.
    pub fn step(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && self.started.elapsed() > Duration::from_secs(1) {
            // Draws on a terminal only.
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

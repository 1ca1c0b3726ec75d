//! Questions to the person at the terminal. `/dev/tty` and never stdin, which may be the data.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use quorate_secrets::identity::{Person, Question};
use quorate_secrets::secret::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::secrets::edit::Signals;
use crate::words;

/// What nobody types. More is refused, so that the buffer never moves and leaves no copy behind.
const LONGEST_LINE: usize = 1024;

/// Keys that the terminal handles itself, save while it is quiet.
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const KILL_LINE: u8 = 0x15;
const BACKSPACES: [u8; 2] = [0x08, 0x7f];

/// The person at the terminal of this process; nobody where it has none.
pub fn person() -> Person {
    Person::new(|question| ask(question).ok().flatten())
}

/// Asks for a line that nobody sees. `None` where there is no terminal, or nobody answers.
pub fn ask_hidden(question: &str) -> Option<Secret> {
    ask(Question::Passphrase(question)).ok().flatten()
}

fn ask(question: Question<'_>) -> io::Result<Option<Secret>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    match question {
        Question::Say(text) => {
            writeln!(terminal, "{}", tame(text))?;
            Ok(None)
        }
        Question::Line(text) => {
            write!(terminal, "{} ", tame(text))?;
            Ok(read_line(&mut terminal)?.line())
        }
        Question::Passphrase(text) => {
            let signals = Signals::take_ends()?;
            let quiet = Quiet::begin(&terminal)?;
            write!(&terminal, "{} ", tame(text))?;
            let mut keys = Keys { terminal: &terminal, signals: &signals };
            let typed = read_line(&mut keys).and_then(|typed| alone(typed, &terminal));
            // What is left of a paste goes with it: the shell must not take it for commands.
            drop(quiet);
            signals.obey();
            writeln!(terminal)?;
            if let Err(cause) = &typed {
                writeln!(terminal, "{cause}")?;
            }
            let typed = typed?;
            if matches!(typed, Typed::Interrupt) {
                // As the terminal would have done.
                kill_process(getpid(), Signal::INT)?;
            }
            Ok(typed.line())
        }
    }
}

/// What is typed, until a signal comes that ends this process: then nothing more is.
struct Keys<'t> {
    terminal: &'t File,
    signals: &'t Signals,
}

impl io::Read for Keys<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.signals.end().is_some() {
                return Ok(0);
            }
            let mut ends =
                [PollFd::new(self.terminal, PollFlags::IN), PollFd::new(self.signals, PollFlags::IN)];
            match poll(&mut ends, None) {
                Ok(_) if ends[0].revents().is_empty() => {}
                Ok(_) => return self.terminal.read(buffer),
                Err(Errno::INTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }
}

/// What a person did.
enum Typed {
    Line(Secret),
    Nothing,
    Interrupt,
}

impl Typed {
    fn line(self) -> Option<Secret> {
        match self {
            Self::Line(line) => Some(line),
            Self::Nothing | Self::Interrupt => None,
        }
    }
}

/// A line, byte by byte as it is typed. What a terminal does for a line that is shown is done here for the other ones.
fn read_line(terminal: &mut impl io::Read) -> io::Result<Typed> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
    let mut byte = Zeroizing::new([0_u8]);
    loop {
        if terminal.read(byte.as_mut())? == 0 {
            return Ok(Typed::Nothing);
        }
        match byte[0] {
            b'\n' | b'\r' => break,
            INTERRUPT => return Ok(Typed::Interrupt),
            END if line.is_empty() => return Ok(Typed::Nothing),
            END => break,
            KILL_LINE => line.clear(),
            // A letter goes as a whole: its first byte, and those that continue it.
            key if BACKSPACES.contains(&key) => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // An arrow key, or what was pasted is no text: a person who sees nothing would not know.
            key if key != b'\t' && key.is_ascii_control() => {
                return Err(refused("what was typed has a control character in it"));
            }
            letter if line.len() < LONGEST_LINE => line.push(letter),
            _ => return Err(refused("what was typed is longer than 1024 bytes")),
        }
    }
    Ok(Typed::Line(Secret::from_bytes(line.to_vec())))
}

/// The line, unless there is another one behind it already: that was pasted, and only its first line would be taken.
fn alone(typed: Typed, mut terminal: &File) -> io::Result<Typed> {
    if !matches!(typed, Typed::Line(_)) {
        return Ok(typed);
    }
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut byte = Zeroizing::new([0_u8]);
    while poll(&mut [PollFd::new(terminal, PollFlags::IN)], Some(&at_once))? > 0 {
        if terminal.read(byte.as_mut())? == 0 {
            break;
        }
        // A paste may end in more than one line feed.
        if !matches!(byte[0], b'\n' | b'\r') {
            return Err(refused("what was typed has more than one line"));
        }
    }
    Ok(typed)
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// A terminal that hands over every key and shows none, until this is dropped: also the key that would end this process
/// and leave the terminal quiet.
struct Quiet<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Quiet<'t> {
    fn begin(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// A plugin's words do not steer the terminal.
fn tame(text: &str) -> String {
    text.trim_end().chars().map(|letter| if words::steers(letter) { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<String> {
        let line = read_line(&mut &*keys).unwrap().line()?;
        Some(line.expose_text().unwrap().to_owned())
    }

    #[test]
    fn a_line_is_what_was_typed_and_not_taken_back() {
        assert_eq!(typed(b"open sesame\n").as_deref(), Some("open sesame"));
        assert_eq!(typed("ab\u{7f}\u{7f}\u{7f}c\u{e4}\u{8}d\r".as_bytes()).as_deref(), Some("cd"));
        assert_eq!(typed(b"wrong\x15right\n").as_deref(), Some("right"));
        assert_eq!(typed(b"right\x04").as_deref(), Some("right"));
        assert_eq!(typed(b"\n").as_deref(), Some(""));
    }

    #[test]
    fn who_ends_or_leaves_has_typed_nothing() {
        assert_eq!(typed(b"\x04"), None);
        assert_eq!(typed(b"half"), None);
        assert!(matches!(read_line(&mut &b"half\x03"[..]).unwrap(), Typed::Interrupt));
        assert!(read_line(&mut &[b'a'; 2000][..]).is_err());
        assert!(read_line(&mut &b"an arrow \x1b[A\n"[..]).is_err());
        assert_eq!(typed(b"a\tb\n").as_deref(), Some("a\tb"));
    }
}

//! Faults as people read them: what, where, the line itself with the place underlined, what to do.
//!
//! ```text
//! error: `cp2.ip` is 10.0.0.1, the address of `cp1`, expected one of its own
//!  --> machines.nix:3:16
//!   |
//! 3 |   cp2 = { ip = "10.0.0.1"; };
//!   |                ^^^^^^^^^^
//!  ::: machines.nix:2:16
//!   |
//! 2 |   cp1 = { ip = "10.0.0.1"; };
//!   |                ---------- `cp1.ip` has it first
//! hint: change one of them
//! ```
//!
//! Every line is at most as wide as asked for. A line that holds a secret is not shown.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use quorate_pki::fault::{Fault, Level};
use quorate_pki::inventory::Origin;

use crate::nix::MOST_FAULTS;
use crate::words;

/// One file that faults point into.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// How messages call it: its path as the user gave it.
    pub name: &'a str,
    /// Its text, in which the origins count bytes.
    pub text: &'a str,
}

/// Columns that a tab stands for.
const TAB: &str = "    ";

/// The narrowest width that is still laid out; below it lines grow wider than asked for.
const NARROWEST: usize = 40;

/// Related places shown with one fault: a thousand machines of one address are one mistake.
const RELATED: usize = 4;

/// Faults shown of one rule at one place: a function that makes every machine makes every fault as often.
const ALIKE: usize = 3;

/// Places of which faults are shown: nobody mends more in one go, and each costs time.
const MOST: usize = 50;

/// Characters of a message or a hint: a name in it may be as long as the file.
const LONGEST: usize = 4_000;

/// Renders faults in the order given, a blank line between two, a line break at the end.
///
/// `sources` gives the file of an [`Origin`]; a place in a file it does not know is left out. `width` is in columns.
pub fn render<'a>(faults: &[Fault], sources: impl Fn(usize) -> Option<Source<'a>>, width: usize) -> String {
    let page = Page {
        sources,
        width: width.max(NARROWEST),
        secrets: secrets(faults),
        starts: RefCell::default(),
        hidden: RefCell::default(),
    };
    let same = |a: &Fault, b: &Fault| a.at.is_some() && (a.rule, a.at) == (b.rule, b.at);
    let (shown, left): (Vec<_>, Vec<_>) =
        first_errors(faults.chunk_by(same).collect()).into_iter().partition(|(_, shown)| *shown);
    let mut blocks: Vec<_> = shown.into_iter().map(|(alike, _)| page.alike(alike)).collect();
    match left.iter().map(|(alike, _)| alike.len()).sum() {
        0 => {}
        // Whoever reads Nix stops counting there.
        more if faults.len() >= MOST_FAULTS => blocks.push(format!("... and at least {more} more\n")),
        more => blocks.push(format!("... and {more} more\n")),
    }
    blocks.join("\n")
}

/// Which groups of faults are shown: all, or else [`MOST`] of them, those with an error before those without.
fn first_errors(groups: Vec<&[Fault]>) -> Vec<(&[Fault], bool)> {
    let grave = |group: &&[Fault]| group.iter().any(Fault::is_error);
    let mut errors = groups.iter().filter(|group| grave(group)).count().min(MOST);
    let mut warnings = MOST - errors;
    let shown = |group: &&[Fault]| {
        let left = if grave(group) { &mut errors } else { &mut warnings };
        let shown = *left > 0;
        *left = left.saturating_sub(1);
        shown
    };
    let shown: Vec<bool> = groups.iter().map(shown).collect();
    groups.into_iter().zip(shown).collect()
}

/// Where secrets stand, as the faults themselves say.
fn secrets(faults: &[Fault]) -> Vec<Origin> {
    let is_secret = |fault: &&Fault| matches!(fault.rule, "secret-in-inventory" | "token-in-inventory");
    faults.iter().filter(is_secret).filter_map(|fault| fault.at).collect()
}

struct Page<F> {
    sources: F,
    width: usize,
    secrets: Vec<Origin>,
    /// By file: where its lines start. Counted once, not once for each fault.
    starts: RefCell<HashMap<usize, Rc<[usize]>>>,
    /// By file and number: whether a line holds a secret.
    hidden: RefCell<HashMap<(usize, usize), bool>>,
}

/// The line a place starts in.
struct Line<'a> {
    /// From 1.
    number: usize,
    /// From 1, in characters.
    column: usize,
    /// First byte of the line in its file.
    start: usize,
    text: &'a str,
}

impl<'a, F: Fn(usize) -> Option<Source<'a>>> Page<F> {
    /// Faults of one rule at one place.
    fn alike(&self, faults: &[Fault]) -> String {
        let shown: Vec<_> = faults.iter().take(ALIKE).map(|fault| self.fault(fault)).collect();
        let rest = match faults.len().saturating_sub(ALIKE) {
            0 => String::new(),
            more => self.wrap("", &format!("... and {more} more of the kind from the same place")),
        };
        shown.join("\n") + &rest
    }

    fn fault(&self, fault: &Fault) -> String {
        let label = match fault.level {
            Level::Error => "error: ",
            Level::Warning => "warning: ",
        };
        let mut out = self.wrap(label, &fault.message);
        let related = fault.related.iter().take(RELATED);
        let places: Vec<_> = fault
            .at
            .iter()
            .map(|at| ("-->", at, ""))
            .chain(related.map(|(at, word)| (":::", at, word.as_str())))
            .filter_map(|(arrow, at, word)| {
                self.locate(*at).map(|(source, line)| (arrow, *at, word, source, line))
            })
            .collect();
        let gutter = places.iter().map(|(.., line)| line.number.to_string().len()).max().unwrap_or(0);
        for (arrow, at, word, source, line) in places {
            let name = printable(source.name);
            let _ = writeln!(out, "{:gutter$}{arrow} {name}:{}:{}", "", line.number, line.column);
            self.excerpt(&mut out, gutter, at, &line, word);
        }
        if let Some(more) = fault.related.len().checked_sub(RELATED + 1) {
            let _ = writeln!(out, "{:gutter$} ... and {} more places", "", more + 1);
        }
        if let Some(hint) = &fault.hint {
            out.push_str(&self.wrap("hint: ", hint));
        }
        out
    }

    fn locate(&self, at: Origin) -> Option<(Source<'a>, Line<'a>)> {
        let source = (self.sources)(at.file)?;
        let offset = source.text.floor_char_boundary(at.start.min(source.text.len()));
        let starts = self.line_starts(at.file, source.text);
        let number = starts.partition_point(|start| *start <= offset);
        let start = starts.get(number.saturating_sub(1)).copied().unwrap_or_default();
        let end = starts.get(number).map_or(source.text.len(), |next| next - 1);
        let text = source.text.get(start..end).unwrap_or_default().trim_end_matches('\r');
        let column = source.text.get(start..offset).unwrap_or_default().chars().count() + 1;
        Some((source, Line { number, column, start, text }))
    }

    /// Where the lines of a file start; the first does at 0.
    fn line_starts(&self, file: usize, text: &str) -> Rc<[usize]> {
        let newlines = || text.match_indices('\n').map(|(newline, _)| newline + 1);
        let count = || std::iter::once(0).chain(newlines()).collect();
        self.starts.borrow_mut().entry(file).or_insert_with(count).clone()
    }

    /// The line, and under it a mark with its word.
    fn excerpt(&self, out: &mut String, gutter: usize, at: Origin, line: &Line<'_>, word: &str) {
        let _ = writeln!(out, "{:gutter$} |", "");
        if self.is_secret(at.file, line) {
            let _ = writeln!(out, "{:>gutter$} | (not shown, it holds a secret)", line.number);
            return;
        }
        let local =
            |byte: usize| line.text.floor_char_boundary(byte.saturating_sub(line.start).min(line.text.len()));
        let (start, end) = (local(at.start), local(at.end.max(at.start)));
        let room = self.width.saturating_sub(gutter + 3);
        // A line may be as long as the file: what cannot be shown anyway is neither measured nor cleaned.
        let reach = 2 * self.width;
        let [before, marked, after] = [
            ending(&line.text[..start], reach),
            beginning(&line.text[start..end], reach),
            beginning(&line.text[end..], reach),
        ]
        .map(printable);
        let (shown, indent, length) = window(&before, &marked, &after, room);
        let _ = writeln!(out, "{:>gutter$} | {shown}", line.number);
        let mark = if word.is_empty() { "^" } else { "-" }.repeat(length);
        let under = format!("{}{mark}", " ".repeat(indent));
        let word = if word.is_empty() { String::new() } else { format!(" {}", printable(word)) };
        if columns(&under) + columns(&word) <= room {
            let _ = writeln!(out, "{:gutter$} | {under}{word}", "");
        } else {
            let _ = writeln!(out, "{:gutter$} | {under}", "");
            let word = cut(word.trim_start(), room);
            let left = indent.min(room - columns(&word));
            let _ = writeln!(out, "{:gutter$} | {:left$}{word}", "", "");
        }
    }

    fn is_secret(&self, file: usize, line: &Line<'_>) -> bool {
        let end = line.start + line.text.len();
        let touched = |secret: &Origin| {
            secret.file == file && secret.start <= end && line.start <= secret.end.max(secret.start)
        };
        let holds = || {
            self.secrets.iter().any(touched)
                || line.text.contains("PRIVATE KEY")
                || line.text.to_ascii_uppercase().contains("AGE-SECRET-KEY-")
        };
        *self.hidden.borrow_mut().entry((file, line.number)).or_insert_with(holds)
    }

    /// `label` and `text`, broken between words, later lines indented as far as the label is long.
    fn wrap(&self, label: &str, text: &str) -> String {
        let (indent, mut out) = (label.len(), label.to_owned());
        let mut used = indent;
        let short = beginning(text, LONGEST);
        let more = if short.len() < text.len() { "…" } else { "" };
        for word in (printable(short) + more).split(' ') {
            let mut word = word;
            let needed = columns(word) + usize::from(used > indent);
            if used > indent && used + needed > self.width {
                let _ = write!(out, "\n{:indent$}", "");
                used = indent;
            } else if used > indent {
                out.push(' ');
                used += 1;
            }
            // A word wider than a line is broken where the line ends.
            while columns(word) > self.width - indent {
                let head = fitting(word, self.width - indent);
                let _ = write!(out, "{head}\n{:indent$}", "");
                word = &word[head.len()..];
            }
            out.push_str(word);
            used += columns(word);
        }
        out.push('\n');
        out
    }
}

/// As much of a line as fits into `room` columns around its marked part, then the mark's indent and its length.
fn window(before: &str, marked: &str, after: &str, room: usize) -> (String, usize, usize) {
    let whole = columns(before) + columns(marked) + columns(after);
    let length = columns(marked).max(1);
    // A mark behind the last letter takes a column of its own.
    if whole.max(columns(before) + length) <= room {
        return (format!("{before}{marked}{after}"), columns(before), length);
    }
    // A third of the room for what stands before, the rest from the mark on; an ellipsis where something is missing.
    let keep = columns(before).min(room / 3);
    let mut skip = columns(before) - keep;
    let head = before.trim_start_matches(|c| {
        let cut = skip > 0;
        skip = skip.saturating_sub(width_of(c));
        cut
    });
    let head = if head.len() < before.len() { format!("…{head}") } else { head.to_owned() };
    let rest = format!("{marked}{after}");
    let left = room.saturating_sub(columns(&head));
    let tail = cut(&rest, left);
    (format!("{head}{tail}"), columns(&head), length.min(left).max(1))
}

/// The text, or its beginning with an ellipsis, in at most `room` columns.
fn cut(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    format!("{}…", fitting(text, room.saturating_sub(1)))
}

/// The longest beginning of `text` in at most `room` columns, but at least one character.
fn fitting(text: &str, room: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find_map(|(index, c)| {
        used += width_of(c);
        (used > room && index > 0).then_some(index)
    });
    &text[..end.unwrap_or(text.len())]
}

/// At most the first `count` characters.
fn beginning(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// At most the last `count` characters.
fn ending(text: &str, count: usize) -> &str {
    let last = count.checked_sub(1).and_then(|last| text.char_indices().nth_back(last));
    last.map_or(text, |(start, _)| &text[start..])
}

/// The text as a terminal may have it: tabs as spaces, what steers the terminal or the direction of writing as `�`.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str(TAB),
            c if words::steers(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn columns(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Columns of a character: none for what combines with the one before, two for East Asian and pictographic ones.
/// Coarser than Unicode's tables: being wrong by a column moves a mark, no more.
fn width_of(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;

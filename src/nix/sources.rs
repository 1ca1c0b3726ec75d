//! The files that were read, and where in them things stand.

use std::path::PathBuf;

use quorate_pki::inventory::Origin;

/// The files an evaluation read, in the order it read them; [`Origin::file`] counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the user named it; an imported file is named relative to that.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

impl Sources {
    /// Adds a file and returns its number.
    pub(super) fn add(&mut self, path: PathBuf, text: String) -> usize {
        self.0.push(Source { path, text });
        self.0.len() - 1
    }

    /// The file that `origin` points into; `None` when it belongs to other sources than these.
    pub fn get(&self, origin: Origin) -> Option<&Source> {
        self.0.get(origin.file)
    }

    /// Every file, in the order they were read; the first is the inventory itself.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// Line and column of the first byte of `origin`, both counted from 1, the column in characters.
    pub fn line_column(&self, origin: Origin) -> Option<(usize, usize)> {
        let before = self.get(origin)?.text.get(..origin.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Some((line, before[line_start..].chars().count() + 1))
    }

    /// `machines.nix:3:7`, for the head of a message.
    pub fn describe(&self, origin: Origin) -> Option<String> {
        let path = self.get(origin)?.path.display();
        let (line, column) = self.line_column(origin)?;
        Some(format!("{path}:{line}:{column}"))
    }
}

/// A stretch of a source file in twelve bytes: every expression and every attribute carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    file: u32,
    start: u32,
    end: u32,
}

/// Marks what no file of the user's says: computed values, and our own library.
const NOWHERE: u32 = u32::MAX;

impl Span {
    /// What no file of the user's says.
    pub(super) const NONE: Self = Self { file: NOWHERE, start: 0, end: 0 };

    /// Bytes `start..end` of file number `file`. A file is at most a mebibyte (`scan`), so nothing is cut off;
    /// a number that does not fit is no position.
    pub(super) fn new(file: Option<usize>, start: usize, end: usize) -> Self {
        let narrow = |number: usize| u32::try_from(number).ok();
        match (file.and_then(narrow), narrow(start), narrow(end)) {
            (Some(file), Some(start), Some(end)) => Self { file, start, end },
            _ => Self::NONE,
        }
    }

    /// As the rest of the program knows it.
    pub(super) fn origin(self) -> Option<Origin> {
        let wide = |number: u32| usize::try_from(number).ok();
        if self.file == NOWHERE {
            return None;
        }
        Some(Origin { file: wide(self.file)?, start: wide(self.start)?, end: wide(self.end)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("m.nix".into(), "{\n  ä = x;\n}".to_owned());
        let at = |start| sources.line_column(Origin { file, start, end: start });
        assert_eq!(at(0), Some((1, 1)));
        assert_eq!(at(4), Some((2, 3)));
        assert_eq!(at(9), Some((2, 7)), "`x`, behind a letter of two bytes");
        assert_eq!(at(99), None);
        assert_eq!(sources.line_column(Origin { file: 7, start: 0, end: 0 }), None);
    }
}

//! A sealed file written into the text of the old one: lines that say the same stay as they are.

use std::collections::HashMap;

use super::super::buffer::Buffer;
use super::super::error::SopsError;
use super::super::store::{Parts, SECTION};
use super::bare;
use super::read::{File, Key, Section};
use super::write::{
    Draft, Line, check, sealed_drafts, width, write_comment, write_header, write_line, write_sealed,
    write_value,
};

/// Writes `parts` in the place of `old`, which was read from this store.
pub(crate) fn rewrite_sealed(old: &str, parts: &Parts) -> Result<String, SopsError> {
    let file = File::parse(old)?;
    let mut drafts = sealed_drafts(parts)?;
    let mut out = Buffer::with_capacity(old.len());
    let mut known: HashMap<&str, Vec<&Section>> = HashMap::new();
    for section in file.sections.iter().rev() {
        known.entry(&section.name).or_default().push(section);
    }
    for draft in &mut drafts {
        let section = known.get_mut(draft.name).and_then(Vec::pop);
        Rewrite { old, out: &mut out }.section(draft, section);
    }
    out.push_str(old.get(file.end..).unwrap_or_default());
    // Lines that stood well below their old neighbours may not do so below the new ones.
    match check(&drafts, out.as_str()) {
        Ok(()) => Ok(out.into_public()),
        Err(_) => write_sealed(parts),
    }
}

struct Rewrite<'r> {
    old: &'r str,
    out: &'r mut Buffer,
}

impl Rewrite<'_> {
    fn section(&mut self, draft: &mut Draft<'_>, old: Option<&Section>) {
        match old {
            Some(old) if bare(old.comment.as_str()) == draft.comment.unwrap_or_default() => {
                self.copy(old.span.start, old.span.end);
            }
            _ => {
                self.end_line();
                if !self.out.as_str().is_empty() && !self.out.as_str().ends_with("\n\n") {
                    self.out.push('\n');
                }
                write_comment(self.out, draft.comment);
                write_header(self.out, draft.name);
            }
        }
        let keys = old.map_or(&[][..], |old| &old.keys);
        let places: HashMap<&str, usize> =
            keys.iter().enumerate().map(|(index, key)| (key.name.as_str(), index)).collect();
        if draft.name == SECTION {
            // The fields of older releases stand in another order; a new one behind the one that it follows by name.
            let mut place = 0;
            draft.lines.sort_by_cached_key(|line| {
                place = places.get(line.name.as_str()).copied().unwrap_or(place);
                place
            });
        }
        let width = width(&draft.lines);
        for line in &draft.lines {
            let key = places.get(line.name.as_str()).and_then(|place| keys.get(*place));
            self.line(line, key, width);
        }
    }

    fn line(&mut self, line: &Line, old: Option<&Key>, width: usize) {
        self.end_line();
        let comment = line.comment.as_ref().and_then(|comment| comment.expose_text().ok());
        let old = old.filter(|old| bare(old.comment.as_str()) == comment.unwrap_or_default());
        match old.map(|old| (old, &old.value_span)) {
            Some((old, _)) if line.value.expose_bytes() == old.value.as_str().as_bytes() => {
                self.copy(old.span.start, old.span.end);
            }
            Some((old, Some(value))) => {
                self.copy(old.span.start, value.start);
                write_value(self.out, &line.value);
                self.copy(value.end, old.span.end);
            }
            _ => write_line(self.out, line, width),
        }
    }

    fn copy(&mut self, from: usize, to: usize) {
        self.out.push_str(self.old.get(from..to).unwrap_or_default());
    }

    /// The last line of a file may lack its end.
    fn end_line(&mut self) {
        if !self.out.as_str().is_empty() && !self.out.as_str().ends_with('\n') {
            self.out.push('\n');
        }
    }
}

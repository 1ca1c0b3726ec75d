//! Whether every sentence of the sources is told by some case.

use crate::literals::{Literal, one_blank, pieces, sentences};

/// Sentences that no case tells, each with the reason.
pub(crate) const NEVER_MET: &[(&str, &str)] = &[
];

/// What was told, a message a line: lines that were broken at the edge of the terminal are whole again.
pub(crate) fn lines(told: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut indent = 0;
    for line in told.lines() {
        let blanks = line.len() - line.trim_start_matches(' ').len();
        if let Some(last) = lines.last_mut().filter(|_| indent > 0 && blanks == indent && line.len() > blanks) {
            last.push(' ');
            last.push_str(&line[blanks..]);
            continue;
        }
        indent = ["error: ", "warning: ", "hint: "].iter().find(|label| line.starts_with(**label)).map_or(0, |label| label.len());
        lines.push(line.to_owned());
    }
    lines.iter().map(|line| one_blank(line)).collect()
}

/// Whether one of the lines has all pieces of a sentence in their order.
fn is_told(text: &str, lines: &[String]) -> bool {
    let pieces = pieces(text);
    let trimmed = |index: usize, piece: &str| {
        // The ends of a sentence may be a line's.
        let piece = if index == 0 { piece.trim_start() } else { piece };
        if index + 1 == pieces.len() { piece.trim_end().to_owned() } else { piece.to_owned() }
    };
    let pieces: Vec<String> = pieces.iter().enumerate().map(|(index, piece)| trimmed(index, piece)).collect();
    lines.iter().any(|line| {
        let mut rest = line.as_str();
        pieces.iter().all(|piece| {
            let found = rest.find(piece.as_str());
            rest = found.map_or("", |at| &rest[at + piece.len()..]);
            found.is_some()
        })
    })
}

/// What is wrong with the cases: sentences that none tells, and rows of [`NEVER_MET`] that are stale or told after all.
pub(crate) fn gaps(told: &str) -> Vec<String> {
    let lines = lines(told);
    let sentences = sentences();
    let excused = |text: &str| NEVER_MET.iter().any(|(row, _)| one_blank(row) == one_blank(text));
    let missing = sentences.iter().filter(|sentence| !excused(&sentence.text) && !is_told(&sentence.text, &lines));
    let mut gaps: Vec<String> =
        missing.map(|Literal { file, line, text }| format!("{file}:{line}: no case tells {text:?}")).collect();
    for (row, why) in NEVER_MET {
        let known = sentences.iter().any(|sentence| one_blank(&sentence.text) == one_blank(row));
        if !known {
            gaps.push(format!("NEVER_MET has {row:?}, which the sources do not"));
        } else if is_told(row, &lines) {
            gaps.push(format!("NEVER_MET has {row:?} ({why}), and a case tells it"));
        }
    }
    gaps
}

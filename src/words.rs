//! Counts, lists and durations as people say them.

use std::path::Path;
use std::time::Duration;

/// `1 file`, `3 files`, `2 identities`.
pub fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// Names in backticks, joined; those beyond `most` counted.
pub fn list(names: &[String], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| format!("`{name}`")).collect();
    let rest = names.len().saturating_sub(most);
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}

/// Names as they are, joined; those beyond `most` counted.
pub fn plain(names: &[String], most: usize) -> String {
    let shown = names.get(..most.min(names.len())).unwrap_or_default().join(", ");
    let rest = names.len().saturating_sub(most);
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

/// A duration as people say it: `31 ms`, `2.4 s`.
pub fn duration(time: Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds < 1000 { format!("{milliseconds} ms") } else { format!("{:.1} s", time.as_secs_f64()) }
}

/// Whether a terminal would obey a character rather than show it: controls, and what turns the direction of writing.
/// Names and texts come out of files that others wrote.
pub fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}'
        )
}

/// A path as a shell takes it: in quotes where it needs them.
pub fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), std::borrow::Cow::into_owned)
}

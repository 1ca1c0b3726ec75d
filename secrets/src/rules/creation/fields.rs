//! The fields of `.sops.yaml`, taken one by one out of a map, so that what remains is a mistake.

use super::super::read::{Mapping, Value};
use super::RuleFault;

/// What a map is called where another thing stands.
pub(super) const MAP: &str = "a map of settings";

/// A map whose fields are taken out by name.
pub(super) struct Fields {
    map: Mapping,
    /// What stands before a field's name in messages: `key_groups[1].` or nothing.
    within: String,
}

impl Fields {
    pub(super) fn new(value: Value, within: &str) -> Result<Self, RuleFault> {
        match value {
            Value::Mapping(map) => Ok(Self { map, within: within.to_owned() }),
            _ => Err(RuleFault::Type { field: within.trim_end_matches('.').to_owned(), expected: MAP }),
        }
    }

    /// The name as messages have it.
    pub(super) fn named(&self, field: &str) -> String {
        format!("{}{field}", self.within)
    }

    /// A field's value; null is none.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.map.shift_remove(field).filter(|value| !value.is_null())
    }

    /// A text; an empty one is none, as for sops.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, RuleFault> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(field, "a text")),
        }
    }

    pub(super) fn boolean(&mut self, field: &str) -> Result<bool, RuleFault> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(self.wrong(field, "`true` or `false`")),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        field: &str,
        bounds: std::ops::RangeInclusive<i64>,
        expected: &'static str,
    ) -> Result<Option<i64>, RuleFault> {
        match self.take(field) {
            None => Ok(None),
            Some(value) => match value.as_i64().filter(|number| bounds.contains(number)) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(field, expected)),
            },
        }
    }

    /// `"a, b"` or `["a", "b, c"]`.
    pub(super) fn texts(&mut self, field: &str) -> Result<Vec<String>, RuleFault> {
        let value = self.take(field).map(|value| match value {
            Value::String(text) => Value::Sequence(vec![Value::String(text)]),
            other => other,
        });
        self.split(field, value, "a text or a list of texts")
    }

    /// `["a", "b, c"]`; sops takes no bare text here.
    pub(super) fn list(&mut self, field: &str) -> Result<Vec<String>, RuleFault> {
        let value = self.take(field);
        self.split(field, value, "a list of texts")
    }

    fn split(
        &self,
        field: &str,
        value: Option<Value>,
        expected: &'static str,
    ) -> Result<Vec<String>, RuleFault> {
        let wrong = || self.wrong(field, expected);
        let Some(value) = value else { return Ok(Vec::new()) };
        let Value::Sequence(items) = value else { return Err(wrong()) };
        let mut texts = Vec::new();
        for item in &items {
            let text = item.as_str().ok_or_else(wrong)?;
            texts.extend(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned));
        }
        Ok(texts)
    }

    /// The maps in a list, each to be read on its own.
    pub(super) fn maps(&mut self, field: &str) -> Result<Vec<Self>, RuleFault> {
        let Some(value) = self.take(field) else { return Ok(Vec::new()) };
        let Value::Sequence(items) = value else { return Err(self.wrong(field, "a list")) };
        let numbered = items.into_iter().enumerate();
        numbered.map(|(at, item)| Self::new(item, &self.named(&format!("{field}[{}].", at + 1)))).collect()
    }

    /// Refuses what is left. `known` are all the names that there are.
    pub(super) fn end(self, known: &[&'static str]) -> Result<(), RuleFault> {
        let Some((name, _)) = self.map.iter().next() else { return Ok(()) };
        let Some(name) = name.as_str() else {
            let field = self.within.trim_end_matches('.').to_owned();
            return Err(RuleFault::Type { field, expected: "a map whose keys are all texts" });
        };
        Err(RuleFault::UnknownField { field: self.named(name), likely: likely(name, known) })
    }

    /// The first field that is left and looks like a slip of one of these names. The others may be the user's own.
    pub(super) fn slip(&self, known: &[&'static str]) -> Option<(String, &'static str)> {
        let names = self.map.keys().filter_map(Value::as_str);
        names.into_iter().find_map(|name| Some((name.to_owned(), likely(name, known)?)))
    }

    fn wrong(&self, field: &str, expected: &'static str) -> RuleFault {
        RuleFault::Type { field: self.named(field), expected }
    }
}

/// The name that was meant, where one is as near as two slips of the finger.
fn likely(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', ' '], "_");
    let word = plain(name);
    let slips = |known: &str| if known.len().max(word.len()) > 5 { 2 } else { 1 };
    let near = known.iter().map(|known| (distance(&word, known), *known));
    near.filter(|(edits, known)| *edits <= slips(known)).min().map(|(_, known)| known)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn `a` into `b`. Names that
/// differ in length by more than matters are not compared letter by letter.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let (mut before, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let pairs = |text: &str| -> Vec<(Option<u8>, u8)> {
        let before = std::iter::once(None).chain(text.bytes().map(Some));
        before.zip(text.bytes()).collect()
    };
    let columns = pairs(b);
    for (row, (left_before, left)) in pairs(a).into_iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, (right_before, right)) in columns.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, column) + usize::from(left != *right);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            if column > 0 && left_before == Some(*right) && *right_before == Some(left) {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["age", "path_regex", "encrypted_regex", "unencrypted_regex", "kms", "pgp"];
        for (name, meant) in [
            ("ages", Some("age")),
            ("aeg", Some("age")),
            ("Age", Some("age")),
            ("path-regex", Some("path_regex")),
            ("pathregex", Some("path_regex")),
            ("encryted_regex", Some("encrypted_regex")),
            ("encrypted_regexp", Some("encrypted_regex")),
            ("recipients", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(likely(name, &known), meant, "{name}");
        }
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "ac", 1),
            ("kms", "gms", 1),
            ("ab", "ba", 1),
            ("path", "apth", 1),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (edits, edits), "{a} {b}");
        }
    }
}

//! The rule that a path falls under, without trying every one of them: a cluster has rules by the thousand.

use std::collections::HashMap;

use regex_syntax::hir::{Hir, HirKind, Look};

use super::read::Rule;

/// Rules, each below the text that a path must begin with for it to match.
pub(super) struct Lookup<'r> {
    rules: &'r [Rule],
    /// The places of rules in their list, ascending.
    by_beginning: HashMap<Vec<u8>, Vec<usize>>,
}

impl<'r> Lookup<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> Self {
        let mut by_beginning: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, rule) in rules.iter().enumerate() {
            let beginning = rule.path_regex.as_deref().map(beginning).unwrap_or_default();
            by_beginning.entry(beginning).or_default().push(place);
        }
        Self { rules, by_beginning }
    }

    /// The first rule in the list that matches `path`.
    pub(super) fn first(&self, path: &str) -> Option<&'r Rule> {
        let beginnings = (0..=path.len()).filter_map(|end| path.as_bytes().get(..end));
        let places = beginnings.filter_map(|beginning| self.by_beginning.get(beginning));
        let first = |places: &Vec<usize>| {
            places.iter().copied().find(|place| self.rules.get(*place).is_some_and(|rule| rule.matches(path)))
        };
        places.filter_map(first).min().and_then(|place| self.rules.get(place))
    }
}

/// What every text begins with that `expression` matches: the letters behind a `^` at its very beginning. Nothing where
/// it begins otherwise.
fn beginning(expression: &str) -> Vec<u8> {
    let parsed = regex_syntax::parse(expression);
    match parsed.as_ref().map(Hir::kind) {
        Ok(HirKind::Concat(parts)) => match parts.as_slice() {
            [start, letters, ..] if matches!(start.kind(), HirKind::Look(Look::Start)) => {
                match letters.kind() {
                    HirKind::Literal(letters) => letters.0.to_vec(),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read;
    use super::*;

    #[test]
    fn letters_count_only_behind_a_beginning_that_nothing_can_pass() {
        for (expression, expected) in [
            (r"^certs/cp1/keys\.yaml$", "certs/cp1/keys.yaml"),
            (r"^secrets/cp1/.*\.(yaml|age)$", "secrets/cp1/"),
            ("^certs/(a|b)$", "certs/"),
            ("certs/", ""),
            ("^certs|x", ""),
            ("^ca?", "c"),
            ("^(?i)certs", ""),
            ("(?m)^certs", ""),
            ("^", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(beginning(expression)).unwrap(), expected, "{expression}");
        }
    }

    /// Expressions of a few signs that mean something, most of them near to each other.
    fn expressions() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "a", "b", "/", r"\.", ".", ".*", "a?", "b+", "(a|b)", "(a|^b)", "[ab]", "|", "(?i)", "(?m)", "^",
            "$",
        ]);
        (prop::bool::weighted(0.7), prop::collection::vec(pieces, 0..6))
            .prop_map(|(anchored, pieces)| if anchored { "^" } else { "" }.to_owned() + &pieces.concat())
    }

    proptest! {
        #[test]
        fn the_first_is_the_one_that_trying_all_would_find(
            expressions in prop::collection::vec(expressions(), 0..12),
            paths in prop::collection::vec("[abAB/.\n]{0,6}", 1..12),
        ) {
            let lines = expressions.iter().map(|regex| format!("  - path_regex: '{regex}'\n"));
            let text = format!("creation_rules:\n{}", lines.collect::<String>());
            let rules = read::rules(&text).unwrap();
            let lookup = Lookup::new(&rules);
            for path in &paths {
                let expected = rules.iter().find(|rule| rule.matches(path)).map(|rule| rule.number);
                prop_assert_eq!(lookup.first(path).map(|rule| rule.number), expected, "{} in {}", path, text);
            }
        }
    }
}

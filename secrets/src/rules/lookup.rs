//! Whether a path falls under a rule before its own, without trying every one of them: a cluster has rules by the
//! thousand.

use std::collections::HashMap;

use regex_syntax::hir::{Hir, HirKind, Look};

use super::read::Filter;

/// The rules of a list, each below the text that a path must begin with for it to match.
#[derive(Debug)]
pub(super) struct Lookup {
    /// The places of rules in their list, ascending.
    by_beginning: HashMap<Vec<u8>, Vec<usize>>,
}

impl Lookup {
    pub(super) fn new<'r>(filters: impl Iterator<Item = &'r Filter>) -> Self {
        let mut by_beginning: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, filter) in filters.enumerate() {
            by_beginning.entry(filter.beginning.clone()).or_default().push(place);
        }
        Self { by_beginning }
    }

    /// The place of the first rule that matches `path`, among those that stand `before` a place; `filter` gives the one
    /// at a place. Of the others none is compiled.
    pub(super) fn first<'r>(
        &self,
        path: &str,
        before: usize,
        filter: impl Fn(usize) -> Option<&'r Filter>,
    ) -> Option<usize> {
        let beginnings = (0..=path.len()).filter_map(|end| path.as_bytes().get(..end));
        let mut places: Vec<usize> = beginnings
            .filter_map(|beginning| self.by_beginning.get(beginning))
            .flatten()
            .copied()
            .filter(|place| *place < before)
            .collect();
        places.sort_unstable();
        places.into_iter().find(|place| filter(*place).is_some_and(|filter| filter.matches(path)))
    }
}

/// What every text begins with that an expression matches: the letters behind a `^` at its very beginning. Nothing
/// where it begins otherwise. And whether a `$` behind them ends it, so that it matches these letters alone.
pub(super) fn beginning(expression: &Hir) -> (Vec<u8>, bool) {
    let HirKind::Concat(parts) = expression.kind() else { return (Vec::new(), false) };
    let kinds: Vec<&HirKind> = parts.iter().map(Hir::kind).collect();
    match kinds.as_slice() {
        [HirKind::Look(Look::Start), HirKind::Literal(letters), rest @ ..] => {
            (letters.0.to_vec(), matches!(rest, [HirKind::Look(Look::End)]))
        }
        _ => (Vec::new(), false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::super::read;
    use super::*;

    #[test]
    fn letters_count_only_behind_a_beginning_that_nothing_can_pass() {
        for (expression, expected, whole) in [
            (r"^certs/cp1/keys\.yaml$", "certs/cp1/keys.yaml", true),
            (r"^secrets/cp1/.*\.(yaml|age)$", "secrets/cp1/", false),
            ("^certs/(a|b)$", "certs/", false),
            ("^certs/", "certs/", false),
            ("(?m)^certs$", "", false),
            ("^certs(?m)$", "certs", false),
            ("certs/", "", false),
            ("^certs|x", "", false),
            ("^ca?", "c", false),
            ("^(?i)certs", "", false),
            ("^", "", false),
            ("", "", false),
        ] {
            let parsed = regex_syntax::parse(expression).unwrap();
            let found = beginning(&parsed);
            assert_eq!(
                (String::from_utf8(found.0).unwrap().as_str(), found.1),
                (expected, whole),
                "{expression}"
            );
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
        fn the_first_rule_is_the_one_that_trying_all_of_them_finds(
            expressions in prop::collection::vec(expressions(), 0..12),
            paths in prop::collection::vec("[abAB/.\n]{0,6}", 1..12),
        ) {
            let lines = expressions.iter().map(|regex| format!("  - path_regex: '{regex}'\n"));
            let text = format!("creation_rules:\n{}", lines.collect::<String>());
            let rules = read::rules(&text).unwrap();
            let filters: Vec<&Filter> = rules.iter().map(|rule| &rule.filter).collect();
            let lookup = Lookup::new(filters.iter().copied());
            for path in &paths {
                for before in 0..=filters.len() {
                    let expected = filters.iter().take(before).position(|filter| {
                        Regex::new(filter.path_regex.as_deref().unwrap_or("")).unwrap().is_match(path)
                    });
                    let found = lookup.first(path, before, |place| filters.get(place).copied());
                    prop_assert_eq!(found, expected, "{} before {} in {}", path, before, text);
                }
            }
        }
    }
}

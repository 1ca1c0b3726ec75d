//! Whether a path falls under a rule before its own, without trying every one of them: a cluster has rules by the
//! thousand.

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
            by_beginning.entry(rule.beginning.clone()).or_default().push(place);
        }
        Self { rules, by_beginning }
    }

    /// Whether a rule before that place in the list matches `path`.
    pub(super) fn is_taken(&self, path: &str, before: usize) -> bool {
        let beginnings = (0..=path.len()).filter_map(|end| path.as_bytes().get(..end));
        let mut places = beginnings.filter_map(|beginning| self.by_beginning.get(beginning)).flatten();
        places.any(|place| *place < before && self.rules.get(*place).is_some_and(|rule| rule.matches(path)))
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
        fn a_path_is_taken_where_trying_all_rules_before_would_find_one(
            expressions in prop::collection::vec(expressions(), 0..12),
            paths in prop::collection::vec("[abAB/.\n]{0,6}", 1..12),
        ) {
            let lines = expressions.iter().map(|regex| format!("  - path_regex: '{regex}'\n"));
            let text = format!("creation_rules:\n{}", lines.collect::<String>());
            let rules = read::rules(&text).unwrap();
            let lookup = Lookup::new(&rules);
            for path in &paths {
                for before in 0..=rules.len() {
                    let matches = |rule: &Rule| {
                        Regex::new(rule.path_regex.as_deref().unwrap_or("")).unwrap().is_match(path)
                    };
                    let expected = rules.iter().take(before).any(matches);
                    prop_assert_eq!(lookup.is_taken(path, before), expected, "{} before {} in {}", path, before, text);
                }
            }
        }
    }
}

//! What `.sops.yaml` says, whoever wrote it.

use std::sync::OnceLock;

use granit_parser::Parser;
use rayon::prelude::*;
use regex::Regex;
use serde::Deserialize;
pub(super) use serde_yaml::{Mapping, Value};

use super::{RulesError, go, lookup};

/// The rule that a file's path falls under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Counted from 1.
    pub number: usize,
    /// Its expression; none matches every file.
    pub path_regex: Option<String>,
    /// Its age recipients, key groups included.
    pub recipients: Vec<String>,
}

/// One creation rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) filter: Filter,
    recipients: Vec<String>,
}

/// Which files a rule is for.
#[derive(Debug)]
pub(super) struct Filter {
    /// Of the rule, counted from 1.
    pub(super) number: usize,
    pub(super) path_regex: Option<String>,
    /// What every path begins with that falls under it.
    pub(super) beginning: Vec<u8>,
    /// Whether that is the whole path.
    whole: bool,
    /// Compiled when a path is held against it: that takes a hundred times as long as to parse it, and of the rules of a
    /// large cluster few are ever asked.
    regex: OnceLock<Option<Regex>>,
}

/// An expression that is no longer than this and counts no repetitions stays below the size that regex refuses to
/// compile, whatever classes it is made of: there is a test.
const SURELY_COMPILES: usize = 200;

impl Rule {
    /// Whether both say the same, wherever they stand.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.filter.path_regex == other.filter.path_regex && self.recipients == other.recipients
    }
}

impl Filter {
    /// # Errors
    /// [`RulesError::Regex`].
    pub(super) fn new(number: usize, path_regex: Option<String>) -> Result<Self, RulesError> {
        let path_regex = path_regex.filter(|text| !text.is_empty());
        let (mut beginning, mut whole) = (Vec::new(), false);
        let regex = OnceLock::new();
        if let Some(text) = &path_regex {
            let refused = || RulesError::Regex { number, path_regex: text.clone() };
            let ours = go::translate(text).ok_or_else(refused)?;
            (beginning, whole) = lookup::beginning(&regex_syntax::parse(&ours).map_err(|_| refused())?);
            if text.len() > SURELY_COMPILES || text.contains('{') {
                let compiled = go::compile(text).ok_or_else(refused)?;
                regex.get_or_init(|| Some(compiled));
            }
        }
        Ok(Self { number, path_regex, beginning, whole, regex })
    }

    /// Whether a file falls under it: anywhere in the path, unless the expression is anchored.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(text) = &self.path_regex else { return true };
        if self.whole {
            return path.as_bytes() == self.beginning;
        }
        // What does not compile was refused when it was read; were it not, it would be taken to capture everything.
        let regex = self.regex.get_or_init(|| go::compile(text));
        regex.as_ref().is_none_or(|regex| regex.is_match(path))
    }
}

/// The first rule of `text` that matches `path`, a path below the folder of `.sops.yaml` with `/` between names.
///
/// # Errors
/// [`RulesError::Yaml`] and [`RulesError::Regex`].
pub fn rule_for(text: &str, path: &str) -> Result<Option<Match>, RulesError> {
    let found = rules(text)?.into_iter().find(|rule| rule.filter.matches(path));
    Ok(found.map(|rule| Match {
        number: rule.filter.number,
        path_regex: rule.filter.path_regex,
        recipients: rule.recipients,
    }))
}

/// The whole file; null where it is empty.
pub(super) fn document(text: &str) -> Result<Value, RulesError> {
    let yaml = |error: serde_yaml::Error| RulesError::Yaml { why: error.to_string() };
    refuse_deep(text)?;
    let mut value: Value = serde_yaml::from_str(text).map_err(yaml)?;
    value.apply_merge().map_err(yaml)?;
    Ok(value)
}

/// Every creation rule in order. Fields that do not matter here are left to sops.
pub(super) fn rules(text: &str) -> Result<Vec<Rule>, RulesError> {
    let value = document(text)?;
    if value.is_null() {
        return Ok(Vec::new());
    }
    let yaml = |error: serde_yaml::Error| RulesError::Yaml { why: error.to_string() };
    let config: RawConfig = serde_yaml::from_value(value).map_err(yaml)?;
    let rules = config.creation_rules.unwrap_or_default();
    // Collected one by one: the first that does not compile is the one that is named.
    let checked: Vec<_> =
        rules.into_par_iter().enumerate().map(|(index, rule)| rule.check(index + 1)).collect();
    checked.into_iter().collect()
}

/// The scanner below serde takes quadratic time for brackets in brackets; this one has a limit.
fn refuse_deep(text: &str) -> Result<(), RulesError> {
    let options = granit_parser::options! { emit_comments: false };
    for event in Parser::new_from_str_with_options(text, options) {
        event.map_err(|error| RulesError::Yaml { why: error.to_string() })?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(expecting = "a map of settings")]
struct RawConfig {
    creation_rules: Option<Vec<RawRule>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a map, a creation rule")]
struct RawRule {
    path_regex: Option<String>,
    age: Option<Recipients>,
    key_groups: Option<Vec<RawGroup>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a map, a key group")]
struct RawGroup {
    age: Option<Recipients>,
}

/// `"a,b"` or `["a", "b"]`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "age recipients: a text with commas or a list of texts")]
enum Recipients {
    Text(String),
    List(Vec<String>),
}

impl Recipients {
    fn names(self) -> Vec<String> {
        let texts = match self {
            Self::Text(text) => vec![text],
            Self::List(texts) => texts,
        };
        let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

impl RawRule {
    fn check(self, number: usize) -> Result<Rule, RulesError> {
        let filter = Filter::new(number, self.path_regex)?;
        // Where there are key groups, sops ignores the keys beside them.
        let groups = self.key_groups.unwrap_or_default();
        let recipients = if groups.is_empty() {
            self.age.map(Recipients::names).unwrap_or_default()
        } else {
            groups.into_iter().filter_map(|group| group.age).flat_map(Recipients::names).collect()
        };
        Ok(Rule { filter, recipients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_late_compiles() {
        for class in [r"\w", r"\W", r"\D", r"\PL", r"[^\w]", r"(?i)\w", r"\pL*", "."] {
            let expression = class.repeat(SURELY_COMPILES / class.len());
            assert!(go::compile(&expression).is_some(), "{class}");
        }
    }
}

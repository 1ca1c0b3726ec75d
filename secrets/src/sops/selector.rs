//! Which values of a file are encrypted: all, unless one rule of its metadata says otherwise.

use regex::Regex;

use super::error::SopsError;
use crate::rules::go::compile;

/// A rule over the names on a value's path, or over the comments above it.
#[derive(Debug, Clone)]
pub struct Selector {
    rule: Rule,
    /// The suffix or the expression.
    text: String,
    /// The expression compiled, for the rules that have one.
    regex: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    UnencryptedSuffix,
    EncryptedSuffix,
    UnencryptedRegex,
    EncryptedRegex,
    UnencryptedCommentRegex,
    EncryptedCommentRegex,
}

impl Rule {
    const ALL: [(Self, &'static str); 6] = [
        (Self::UnencryptedSuffix, "unencrypted_suffix"),
        (Self::EncryptedSuffix, "encrypted_suffix"),
        (Self::UnencryptedRegex, "unencrypted_regex"),
        (Self::EncryptedRegex, "encrypted_regex"),
        (Self::UnencryptedCommentRegex, "unencrypted_comment_regex"),
        (Self::EncryptedCommentRegex, "encrypted_comment_regex"),
    ];
}

/// What sops writes, and assumes, where no rule is given. Source: sops.go, `DefaultUnencryptedSuffix`.
const DEFAULT_SUFFIX: &str = "_unencrypted";

impl Selector {
    /// The fields of a file, and of a creation rule, that say what is encrypted. At most one of them stands there.
    pub const FIELDS: [&'static str; Rule::ALL.len()] = {
        let [(_, a), (_, b), (_, c), (_, d), (_, e), (_, f)] = Rule::ALL;
        [a, b, c, d, e, f]
    };

    /// The rule of `field`, one of the six; none where the field is no such rule, and where the text is empty: no file
    /// can say so, sops takes that for no rule at all.
    ///
    /// # Errors
    /// [`SopsError::MetadataDamaged`] for an expression that does not compile.
    pub fn from_field(field: &str, text: &str) -> Result<Option<Self>, SopsError> {
        let found = Rule::ALL.into_iter().find(|(_, name)| *name == field && !text.is_empty());
        let Some((rule, _)) = found else { return Ok(None) };
        let regex = match rule {
            Rule::UnencryptedSuffix | Rule::EncryptedSuffix => None,
            _ => Some(compile(text).ok_or_else(|| SopsError::MetadataDamaged {
                field: field.to_owned(),
                why: "is no regular expression".to_owned(),
            })?),
        };
        Ok(Some(Self { rule, text: text.to_owned(), regex }))
    }

    /// Whether a field of this name is one of the six rules.
    pub fn is_field(name: &str) -> bool {
        Rule::ALL.iter().any(|(_, known)| *known == name)
    }

    /// The name of the field and its text.
    pub fn field(&self) -> (&'static str, &str) {
        let name = Rule::ALL.iter().find(|(rule, _)| *rule == self.rule).map_or("", |(_, name)| name);
        (name, &self.text)
    }

    /// Whether the rule is for a name. It is for a value when it is for any name on its path; list positions are no
    /// part of that.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self.rule {
            Rule::UnencryptedSuffix | Rule::EncryptedSuffix => name.ends_with(&self.text),
            Rule::UnencryptedRegex | Rule::EncryptedRegex => self.is_match(name),
            Rule::UnencryptedCommentRegex | Rule::EncryptedCommentRegex => false,
        }
    }

    /// Whether a value is encrypted: `hit` when the rule is for a name on its path, `marked` when a comment that stands
    /// above it matches.
    pub(crate) fn encrypts(&self, hit: bool, marked: bool) -> bool {
        match self.rule {
            Rule::UnencryptedSuffix | Rule::UnencryptedRegex => !hit,
            Rule::EncryptedSuffix | Rule::EncryptedRegex => hit,
            Rule::UnencryptedCommentRegex => !marked,
            Rule::EncryptedCommentRegex => marked,
        }
    }

    /// Whether a comment marks what stands below it.
    pub(crate) fn matches_comment(&self, text: &str) -> bool {
        matches!(self.rule, Rule::UnencryptedCommentRegex | Rule::EncryptedCommentRegex)
            && self.is_match(text)
    }

    /// Whether a comment that marks is itself under the rule: it stays in clear either way.
    pub(crate) fn leaves_marked(&self) -> bool {
        self.rule == Rule::UnencryptedCommentRegex
    }

    fn is_match(&self, text: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

impl Default for Selector {
    fn default() -> Self {
        Self { rule: Rule::UnencryptedSuffix, text: DEFAULT_SUFFIX.to_owned(), regex: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypts(field: &str, text: &str, path: &str) -> bool {
        let rule = Selector::from_field(field, text).unwrap().unwrap();
        rule.encrypts(path.split('.').any(|name| rule.matches(name)), false)
    }

    #[test]
    fn a_rule_looks_at_every_name_of_a_path() {
        assert!(!encrypts("unencrypted_suffix", "_clear", "a_clear.b"));
        assert!(encrypts("unencrypted_suffix", "_clear", "a_clearly.b"));
        assert!(encrypts("encrypted_suffix", "_s", "a.b_s"));
        assert!(!encrypts("encrypted_suffix", "_s", "a.b"));
        assert!(!encrypts("unencrypted_regex", "^kind$", "kind.b"));
        assert!(encrypts("encrypted_regex", "data", "metadata.b"));
        assert!(!encrypts("encrypted_regex", "^data$", "metadata.b"));
    }

    #[test]
    fn a_rule_on_comments_looks_at_nothing_else() {
        let rule = Selector::from_field("encrypted_comment_regex", "seal").unwrap().unwrap();
        assert!(rule.matches_comment(" seal this") && !rule.matches_comment(" leave this"));
        assert!(rule.encrypts(false, true) && !rule.matches("seal") && !rule.encrypts(true, false));
    }

    #[test]
    fn a_field_that_is_no_rule_is_none_and_a_bad_expression_an_error() {
        assert!(Selector::from_field("version", "3").unwrap().is_none());
        assert!(Selector::from_field("encrypted_regex", "").unwrap().is_none());
        assert!(Selector::from_field("encrypted_regex", "(").is_err());
    }
}

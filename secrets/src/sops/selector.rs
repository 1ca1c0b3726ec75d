//! Which values of a file are encrypted: all, unless one rule of its metadata says otherwise.

use regex::Regex;

use super::error::SopsError;

/// A rule over the names on a value's path.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    rule: Rule,
    /// The suffix or the expression.
    text: String,
    /// The expression compiled, for the two rules that have one.
    regex: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    UnencryptedSuffix,
    EncryptedSuffix,
    UnencryptedRegex,
    EncryptedRegex,
}

impl Rule {
    const ALL: [(Self, &'static str); 4] = [
        (Self::UnencryptedSuffix, "unencrypted_suffix"),
        (Self::EncryptedSuffix, "encrypted_suffix"),
        (Self::UnencryptedRegex, "unencrypted_regex"),
        (Self::EncryptedRegex, "encrypted_regex"),
    ];
}

/// What sops writes, and assumes, where no rule is given. Source: sops.go, `DefaultUnencryptedSuffix`.
const DEFAULT_SUFFIX: &str = "_unencrypted";

impl Selector {
    /// The rule of `field`; none where the field is no such rule.
    ///
    /// # Errors
    /// [`SopsError::MetadataDamaged`] for an expression that does not compile.
    pub(crate) fn from_field(field: &str, text: &str) -> Result<Option<Self>, SopsError> {
        let Some((rule, _)) = Rule::ALL.into_iter().find(|(_, name)| *name == field) else { return Ok(None) };
        let regex = match rule {
            Rule::UnencryptedSuffix | Rule::EncryptedSuffix => None,
            Rule::UnencryptedRegex | Rule::EncryptedRegex => {
                Some(Regex::new(text).map_err(|_| SopsError::MetadataDamaged {
                    field: field.to_owned(),
                    why: "is no regular expression".to_owned(),
                })?)
            }
        };
        Ok(Some(Self { rule, text: text.to_owned(), regex }))
    }

    /// The name of the field and its text.
    pub(crate) fn field(&self) -> (&'static str, &str) {
        let name = Rule::ALL.iter().find(|(rule, _)| *rule == self.rule).map_or("", |(_, name)| name);
        (name, &self.text)
    }

    /// Whether the value at `path` is encrypted. List positions are no part of a path.
    pub(crate) fn encrypts(&self, path: &[String]) -> bool {
        let suffix = || path.iter().any(|name| name.ends_with(&self.text));
        let matches =
            || self.regex.as_ref().is_some_and(|regex| path.iter().any(|name| regex.is_match(name)));
        match self.rule {
            Rule::UnencryptedSuffix => !suffix(),
            Rule::EncryptedSuffix => suffix(),
            Rule::UnencryptedRegex => !matches(),
            Rule::EncryptedRegex => matches(),
        }
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
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        Selector::from_field(field, text).unwrap().unwrap().encrypts(&path)
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
    fn a_field_that_is_no_rule_is_none_and_a_bad_expression_an_error() {
        assert!(Selector::from_field("version", "3").unwrap().is_none());
        assert!(Selector::from_field("encrypted_regex", "(").is_err());
    }
}

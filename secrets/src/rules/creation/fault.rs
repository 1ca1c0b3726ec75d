//! What can be wrong with a creation rule.

use std::fmt;

use crate::recipient::RecipientError;

/// What is wrong with one creation rule. A field within a key group is named `key_groups[1].age`, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFault {
    /// A field that sops does not know, and would ignore.
    UnknownField {
        /// Its name.
        field: String,
        /// The one that was probably meant.
        likely: Option<&'static str>,
    },
    /// A value of the wrong type.
    Type {
        /// Whose value.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// More than one of the six fields that say which values are encrypted.
    Selectors {
        /// Those that are there.
        fields: Vec<&'static str>,
    },
    /// Keys beside `key_groups`, which sops would ignore.
    BesideGroups {
        /// The field they stand in.
        field: &'static str,
    },
    /// An expression that does not compile.
    Regex {
        /// Whose value it is.
        field: &'static str,
        /// The expression.
        regex: String,
    },
    /// A text that is no recipient.
    Recipient {
        /// The field it stands in.
        field: String,
        /// What is wrong with it.
        cause: RecipientError,
    },
    /// No key at all, or none in one group.
    Nobody {
        /// The group, counted from 1; none where the rule has no groups.
        group: Option<usize>,
    },
    /// A threshold that the key groups cannot meet.
    Threshold {
        /// The threshold.
        found: usize,
        /// How many groups there are.
        groups: usize,
    },
    /// Keys of a service or of PGP, to which only sops can seal.
    Foreign {
        /// The field they stand in.
        field: String,
    },
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { field, likely: Some(likely) } => {
                write!(f, "`{field}` is no field of it, is `{likely}` meant?")
            }
            Self::UnknownField { field, likely: None } => write!(f, "`{field}` is no field of it"),
            Self::Type { field, expected } if field.is_empty() => write!(f, "it is not {expected}"),
            Self::Type { field, expected } => write!(f, "`{field}` is not {expected}"),
            Self::Selectors { fields } => {
                write!(f, "`{}` stand side by side, and only one may", fields.join("`, `"))
            }
            Self::BesideGroups { field } => {
                write!(f, "`{field}` stands beside `key_groups`, where it counts for nothing")
            }
            Self::Regex { field, regex } => write!(f, "`{field}` does not compile: `{regex}`"),
            Self::Recipient { field, cause } => write!(f, "`{field}` cannot be used: {cause}"),
            Self::Nobody { group: None } => f.write_str("it names nobody"),
            Self::Nobody { group: Some(group) } => write!(f, "`key_groups[{group}]` names nobody"),
            Self::Threshold { found, groups: 1 } => {
                write!(f, "`shamir_threshold` is {found}, and there is one group of keys")
            }
            Self::Threshold { found, groups } => {
                write!(f, "`shamir_threshold` is {found}, expected from 2 to the number of groups, {groups}")
            }
            Self::Foreign { field } => {
                write!(f, "`{field}` names keys that only sops itself can seal to")
            }
        }
    }
}

impl RuleFault {
    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownField { .. } => {
                "correct the name or remove the line: sops ignores it, and does not do what it says"
            }
            Self::Type { .. } => "write the value as sops documents it",
            Self::Selectors { .. } => "keep the one that says which values are encrypted",
            Self::BesideGroups { .. } => "move the keys into one of the groups",
            Self::Regex { .. } => "mend the expression; it is in Go's RE2 syntax",
            Self::Recipient { cause, .. } => cause.hint(),
            Self::Nobody { .. } => "name at least one age recipient",
            Self::Threshold { .. } => {
                "leave it out: a file then needs a key of every group, and of the one group any key"
            }
            Self::Foreign { .. } => "seal such files with sops, or take these keys out of the rule",
        }
    }
}

//! What can go wrong with a sealed file, each by its name.

use std::fmt;

/// Why a sealed file could not be read, opened or written. No variant bears a plaintext or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SopsError {
    /// The text is not YAML.
    Yaml {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Marks of an unfinished merge stand in the text.
    MergeConflict {
        /// Counted from 1.
        line: usize,
    },
    /// The document is a list or a single value.
    NotMap,
    /// No `sops` key: plaintext, or the end of the file is missing.
    NotSealed,
    /// The same key twice in one map.
    DuplicateKey {
        /// The key.
        key: String,
        /// Counted from 1.
        line: usize,
    },
    /// A key that is no string.
    NonStringKey {
        /// Counted from 1.
        line: usize,
    },
    /// YAML that sops never writes: an alias, a tag, an integer beyond 64 bits.
    Yaml11 {
        /// The construct.
        what: &'static str,
        /// Counted from 1.
        line: usize,
    },
    /// A field of the metadata is missing: the file was cut off or edited by hand.
    MetadataMissing {
        /// Its name, such as `mac` or `age[0].enc`.
        field: String,
    },
    /// A field of the metadata is not what it must be.
    MetadataDamaged {
        /// Its name.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file uses something that cannot be read yet.
    Unsupported {
        /// What.
        what: String,
    },
    /// A value that should be encrypted stands in clear.
    NotEncrypted {
        /// Its path, dotted.
        key: String,
    },
    /// A ciphertext is malformed, or was moved or changed.
    Damaged {
        /// Its path, dotted.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No identity opens the file.
    NoIdentity {
        /// Whom it is sealed to.
        recipients: Vec<String>,
        /// The recipients of the identities that were tried.
        tried: Vec<String>,
    },
    /// The wrapped data key of a recipient was changed or cut.
    StanzaDamaged {
        /// Whose.
        recipient: String,
    },
    /// The checksum over all values does not fit them.
    MacMismatch,
    /// The file holds something that a rewrite would lose.
    CannotKeep {
        /// What.
        what: String,
    },
    /// The file is not a flat map of values.
    NotFlat {
        /// The key of the first thing that is none.
        key: String,
        /// What it is.
        found: &'static str,
    },
    /// Nobody to seal to.
    NoRecipients,
    /// A recipient of the file is not among those to seal to: keeping the data key would keep them in.
    RecipientLeft {
        /// Who.
        recipient: String,
    },
    /// Two values under one key.
    DuplicateEntry {
        /// The key.
        key: String,
    },
    /// A key that the format keeps for itself, or that cannot be written.
    ReservedKey {
        /// The key.
        key: String,
    },
    /// A value that the file's own rules would leave in clear.
    ClearKey {
        /// Its key.
        key: String,
        /// The rule, as the metadata has it.
        rule: String,
    },
    /// A time that is not RFC 3339 in UTC with seconds, such as `2026-11-21T03:02:57Z`.
    BadTime {
        /// The time.
        found: String,
    },
    /// A recipient could not be sealed to.
    Wrap {
        /// Who.
        recipient: String,
    },
    /// The operating system gave no random bytes.
    Random,
}

impl fmt::Display for SopsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml { .. }
            | Self::MergeConflict { .. }
            | Self::NotMap
            | Self::NotSealed
            | Self::DuplicateKey { .. }
            | Self::NonStringKey { .. }
            | Self::Yaml11 { .. }
            | Self::MetadataMissing { .. }
            | Self::MetadataDamaged { .. }
            | Self::Unsupported { .. }
            | Self::NotEncrypted { .. } => self.fmt_reading(f),
            Self::Damaged { key, why } => write!(f, "cannot open the value of `{key}`: {why}"),
            Self::NoIdentity { recipients, tried } => {
                write!(f, "no identity opens the file: it is sealed to {}; tried ", list(recipients))?;
                if tried.is_empty() { f.write_str("none") } else { write!(f, "those of {}", list(tried)) }
            }
            Self::StanzaDamaged { recipient } => {
                write!(f, "the data key that is sealed to `{recipient}` was changed or cut off")
            }
            Self::MacMismatch => f.write_str(
                "the values do not fit the file's checksum (MAC): it was changed by hand or merged wrongly",
            ),
            Self::CannotKeep { what } => write!(f, "cannot rewrite the file: {what} would be lost"),
            Self::NotFlat { key, found } => {
                write!(f, "the file is not a flat map of values: `{key}` is {found}")
            }
            Self::NoRecipients => f.write_str("cannot seal: no recipient is named"),
            Self::RecipientLeft { recipient } => {
                write!(f, "cannot keep the data key: `{recipient}` has it and is no recipient any more")
            }
            Self::DuplicateEntry { key } => write!(f, "cannot seal: `{key}` is there twice"),
            Self::ReservedKey { key } => write!(f, "cannot seal: `{key}` cannot be a key of a sealed file"),
            Self::ClearKey { key, rule } => {
                write!(f, "cannot seal: `{key}` would stay in clear by the file's `{rule}`")
            }
            Self::BadTime { found } => {
                write!(f, "cannot seal: `{found}` is no time in UTC such as `2026-11-21T03:02:57Z`")
            }
            Self::Wrap { recipient } => write!(f, "cannot seal to `{recipient}`: the key does not work"),
            Self::Random => f.write_str("cannot seal: the operating system gave no random bytes"),
        }
    }
}

impl SopsError {
    /// The errors of reading, before any key is there.
    fn fmt_reading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml { line, column } => {
                write!(f, "the sealed file is not YAML: line {line}, column {column} cannot be read")
            }
            Self::MergeConflict { line } => write!(f, "line {line} is the mark of an unfinished merge"),
            Self::NotMap => f.write_str("the sealed file is not a map of keys to values"),
            Self::NotSealed => {
                f.write_str("the file has no `sops` section: it is not sealed, or its end is missing")
            }
            Self::DuplicateKey { key, line } => {
                write!(f, "the key `{key}` is there twice, again in line {line}")
            }
            Self::NonStringKey { line } => write!(f, "the key in line {line} is not a string"),
            Self::Yaml11 { what, line } => {
                write!(f, "line {line} has {what}, which a sealed file never has")
            }
            Self::MetadataMissing { field } => {
                write!(
                    f,
                    "`{field}` is missing in the file's `sops` section: it was cut off or edited by hand"
                )
            }
            Self::MetadataDamaged { field, why } => write!(f, "`{field}` in the file's `sops` section {why}"),
            Self::Unsupported { what } => write!(f, "the file uses {what}, which cannot be read yet"),
            Self::NotEncrypted { key } => {
                write!(f, "the value of `{key}` stands in clear, expected it encrypted")
            }
            _ => Ok(()),
        }
    }

    /// What to do about it, for the line after the message.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Yaml { .. }
            | Self::NotMap
            | Self::MetadataMissing { .. }
            | Self::MetadataDamaged { .. }
            | Self::Damaged { .. }
            | Self::StanzaDamaged { .. }
            | Self::DuplicateKey { .. }
            | Self::NonStringKey { .. } => {
                "restore the file from git; the last commit before the damage has it whole"
            }
            Self::MergeConflict { .. } => {
                "finish the merge: take one side of the file whole, then repeat the other change"
            }
            Self::NotSealed => {
                "restore the file from git; if it is plaintext that was committed, replace the secrets in it"
            }
            Self::Yaml11 { .. } => "let `sops` write the file again, or restore it from git",
            Self::Unsupported { .. } => "write the file again with `sops`, without it",
            Self::CannotKeep { .. } => "take that out of the file with `sops`, then run this again",
            Self::NotEncrypted { .. } => {
                "take the value for known if it was committed, and seal a new one; then restore the file from git"
            }
            Self::NoIdentity { .. } => {
                "use the identity of one of its recipients, or have one of them add you"
            }
            Self::MacMismatch => "restore the file from git, or take one side of the merge whole",
            Self::NotFlat { .. } => "keep nested values in a file of their own",
            Self::NoRecipients => "name at least one recipient",
            Self::RecipientLeft { .. } => "seal the file anew with a new data key",
            Self::DuplicateEntry { .. } | Self::ReservedKey { .. } | Self::ClearKey { .. } => {
                "give it another name"
            }
            Self::BadTime { .. } => "give the time in UTC with seconds and a `Z`",
            Self::Wrap { .. } => "look at the recipient: it must be a working public key",
            Self::Random => "look at the system's random generator",
        }
    }
}

/// "`a`, `b` and `c`".
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

impl std::error::Error for SopsError {}

impl From<super::cipher::NoRandom> for SopsError {
    fn from(_: super::cipher::NoRandom) -> Self {
        Self::Random
    }
}

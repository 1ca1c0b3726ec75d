//! What can go wrong with a sealed file, each by its name.

mod hint;

use std::fmt;

use crate::age_file::AgeError;

use super::store::MAX_BYTES;
use super::tree::MAX_DEPTH;

/// Why a sealed file could not be read, opened or written. No variant bears a plaintext or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SopsError {
    /// The text cannot be read in its store.
    Syntax {
        /// The store, such as `YAML`.
        store: &'static str,
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
    /// There is nothing in it but comments, if that.
    NoDocument,
    /// Several documents, where the store has one.
    Documents {
        /// The store's name.
        store: &'static str,
        /// How many there are.
        count: usize,
    },
    /// Not the one value under `data` that the binary store holds.
    NotBinary,
    /// Bytes that are no UTF-8, in a store of text.
    NotText {
        /// How many bytes are text before them.
        at: usize,
    },
    /// More than [`MAX_BYTES`] of it.
    TooLarge,
    /// Names on the path of a value that are too long together.
    LongPath {
        /// The beginning of the last of them.
        key: String,
        /// How many bytes they may have.
        most: usize,
    },
    /// Maps and lists nested deeper than anybody's.
    TooDeep {
        /// Counted from 1.
        line: usize,
    },
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
    /// YAML that has no end, no meaning, or loses something when sops reads it.
    Yaml {
        /// The construct.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
        /// Counted from 1.
        line: usize,
    },
    /// A number that would not be the same number when it is written again.
    LosesDigits {
        /// Counted from 1.
        line: usize,
    },
    /// A `#` or `;` where nobody can say whether it ends the value.
    UnclearComment {
        /// Counted from 1.
        line: usize,
    },
    /// A comment that belongs to nothing.
    LostComment {
        /// Counted from 1.
        line: usize,
    },
    /// A value or key that a store has no form for.
    CannotHold {
        /// The store's name.
        store: &'static str,
        /// The key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
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
        /// Of a key that is split among groups: how many of them opened, and how many it takes.
        groups: Option<(usize, usize)>,
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
    /// A data key cannot be split so.
    Threshold {
        /// How many groups it should take.
        threshold: usize,
        /// Of how many.
        groups: usize,
    },
    /// Plaintext with a `sops` section in it.
    AlreadySealed,
    /// A comment whose ciphertext the file's own rule on comments would take for a mark.
    CommentFound,
    /// Nothing stands at a path.
    NoSuchPath {
        /// The path.
        path: String,
        /// How far it leads; empty where not even its first step does.
        reached: String,
    },
    /// A path that is not a person's to write to.
    Reserved {
        /// The path.
        path: String,
    },
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
        /// Why.
        cause: Box<AgeError>,
    },
    /// The operating system gave no random bytes.
    Random,
}

impl fmt::Display for SopsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { .. }
            | Self::MergeConflict { .. }
            | Self::NotMap
            | Self::NoDocument
            | Self::Documents { .. }
            | Self::NotBinary
            | Self::NotText { .. }
            | Self::TooDeep { .. }
            | Self::TooLarge
            | Self::LongPath { .. }
            | Self::NotSealed
            | Self::DuplicateKey { .. }
            | Self::NonStringKey { .. }
            | Self::Yaml { .. }
            | Self::LosesDigits { .. }
            | Self::UnclearComment { .. }
            | Self::LostComment { .. }
            | Self::CannotHold { .. }
            | Self::MetadataMissing { .. }
            | Self::MetadataDamaged { .. }
            | Self::NotEncrypted { .. } => self.fmt_reading(f),
            Self::Damaged { key, why } => write!(f, "cannot open the value of `{key}`: {why}"),
            Self::NoIdentity { recipients, tried, groups } => {
                write!(f, "no identity opens the file: it is sealed to {}", list(recipients))?;
                if let Some((opened, threshold)) = groups {
                    write!(f, ", and it takes {threshold} of their groups (opened {opened})")?;
                }
                f.write_str("; tried ")?;
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
            Self::Threshold { threshold, groups } => {
                write!(f, "cannot split the data key: {threshold} of {groups} key groups should open it")
            }
            Self::AlreadySealed => f.write_str("the file has a `sops` section: it is sealed already"),
            Self::CommentFound => f.write_str(
                "cannot seal: the rule on comments matches the ciphertext of a comment, and the file could not be read again",
            ),
            Self::NoSuchPath { path, reached } if reached.is_empty() => {
                write!(f, "there is nothing at `{path}` in the file")
            }
            Self::NoSuchPath { path, reached } => {
                write!(f, "there is nothing at `{path}` in the file: it leads to `{reached}` and no further")
            }
            Self::Reserved { path } => write!(f, "cannot write to `{path}`: the section `sops` is the format's own"),
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
            Self::Wrap { recipient, cause } => {
                write!(f, "cannot seal to `{recipient}`: {why}", why = cause.of_recipient().0)
            }
            Self::Random => f.write_str("cannot seal: the operating system gave no random bytes"),
        }
    }
}

impl SopsError {
    /// The errors of reading, before any key is there.
    fn fmt_reading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { store, line, column } => {
                write!(f, "it is not {store}: line {line}, column {column} cannot be read")
            }
            Self::MergeConflict { line } => write!(f, "line {line} is the mark of an unfinished merge"),
            Self::NotMap => f.write_str("the file is not a map of keys to values"),
            Self::NoDocument => f.write_str("the file is empty"),
            Self::Documents { store, count } => {
                write!(f, "the file has {count} documents, and one of the `{store}` store has one")
            }
            Self::NotBinary => f.write_str("the file does not hold the one value `data` of the binary store"),
            Self::NotText { at } => write!(f, "the file is not text: byte {at} is not UTF-8"),
            Self::TooLarge => {
                write!(f, "the file is larger than {} MiB, which is the most that is read", MAX_BYTES >> 20)
            }
            Self::LongPath { key, most } => {
                write!(f, "the names down to `{key}...` are too long: together they may have {most} bytes")
            }
            Self::TooDeep { line } => {
                write!(
                    f,
                    "maps and lists are nested too deep in line {line}: found more than {MAX_DEPTH} of them"
                )
            }
            Self::NotSealed => {
                f.write_str("the file has no `sops` section: it is not sealed, or its end is missing")
            }
            Self::DuplicateKey { key, line } => {
                write!(f, "the key `{key}` is there twice, again in line {line}")
            }
            Self::NonStringKey { line } => write!(f, "the key in line {line} is not a string"),
            Self::Yaml { what, line, .. } => write!(f, "line {line} has {what}"),
            Self::LosesDigits { line } => write!(f, "the number in line {line} would lose digits"),
            Self::UnclearComment { line } => {
                write!(
                    f,
                    "a `#` or `;` in line {line} would cut the value off, as the beginning of a comment"
                )
            }
            Self::LostComment { line } => {
                write!(f, "the comment in line {line} stands above nothing, and would be lost")
            }
            Self::CannotHold { store, key, why } => {
                write!(f, "cannot write `{key}` in the `{store}` store: {why}")
            }
            Self::MetadataMissing { field } => {
                write!(
                    f,
                    "`{field}` is missing in the file's `sops` section: it was cut off or edited by hand"
                )
            }
            Self::MetadataDamaged { field, why } => write!(f, "`{field}` in the file's `sops` section {why}"),
            Self::NotEncrypted { key } => {
                write!(f, "the value of `{key}` stands in clear, expected it encrypted")
            }
            _ => Ok(()),
        }
    }

    /// The line that it is about, counted from 1, where it is about one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax { line, .. }
            | Self::MergeConflict { line }
            | Self::DuplicateKey { line, .. }
            | Self::NonStringKey { line }
            | Self::Yaml { line, .. }
            | Self::TooDeep { line } => Some(*line),
            _ => None,
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

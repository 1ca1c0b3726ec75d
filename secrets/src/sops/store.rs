//! The five layouts of text that a file may have, and the one place where they are told apart.
//!
//! A store turns text into the tree and the tree into text; what is encrypted, and for whom, it does not know.

use super::error::SopsError;
use super::tree::{Branch, Item, Node};
use super::value::Plain;
use super::{binary, dotenv, ini, json, yaml};
use crate::secret::Secret;

/// The key of the section that holds the metadata.
pub(crate) const SECTION: &str = "sops";

/// The most that is read as one file, in bytes: all of it is held in memory, several times over.
pub const MAX_BYTES: usize = 64 << 20;

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Store {
    /// Maps, lists, typed values, comments; several documents.
    Yaml,
    /// Maps, lists, typed values.
    Json,
    /// `KEY=value` lines: strings and comments.
    Dotenv,
    /// Sections of `key = value` lines: strings and comments.
    Ini,
    /// One value: the whole file, whatever bytes it has.
    Binary,
}

/// Spaces that nested blocks are indented by; `None` is the store's own habit: four in YAML, a tab in JSON.
pub type Indent = Option<u8>;

/// A sealed file, taken apart.
pub(crate) struct Parts {
    pub(crate) documents: Vec<Branch<Plain>>,
    /// The first document's `sops` section; removed from all of them. None where the file is not sealed.
    pub(crate) section: Option<Branch<Plain>>,
}

impl Store {
    /// Every store with the name that `--input-type` and its like take. Source: sops, cmd/sops/formats/formats.go.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Yaml, "yaml"),
        (Self::Json, "json"),
        (Self::Dotenv, "dotenv"),
        (Self::Ini, "ini"),
        (Self::Binary, "binary"),
    ];

    /// The store of a file, by the end of its name; what is not known is binary. Source: as for [`Self::ALL`].
    pub fn of_path(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::Binary,
        }
    }

    /// The store of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(store, _)| store)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(store, _)| *store == self).map_or("", |(_, name)| name)
    }

    /// Reads a sealed file.
    pub(crate) fn read_sealed(self, text: &str) -> Result<Parts, SopsError> {
        refuse_large(text.len())?;
        let mut documents = match self {
            Self::Yaml => yaml::read(text)?,
            Self::Json | Self::Binary => vec![json::read(text).map_err(|error| or_merge(error, text))?],
            Self::Dotenv => return dotenv::read_sealed(text).map_err(|error| or_merge(error, text)),
            Self::Ini => return ini::read_sealed(text).map_err(|error| or_merge(error, text)),
        };
        let mut section = None;
        for document in &mut documents {
            let at = document.iter().position(|item| matches!(item, Item::Pair(key, _) if key == SECTION));
            let removed = at.map(|at| document.remove(at));
            // sops reads the first, drops the others, and with them what is not its own.
            if let (Some(Item::Pair(_, first)), Some(Item::Pair(_, later))) = (&section, &removed)
                && !first.same_as(later)
            {
                let why =
                    "is another in a later document; a key of yours by that name would be lost".to_owned();
                return Err(SopsError::MetadataDamaged { field: SECTION.to_owned(), why });
            }
            section = section.or(removed);
        }
        let section = match section {
            None => None,
            Some(Item::Pair(_, Node::Map(section))) => Some(section),
            Some(_) => return Err(SopsError::NotSealed),
        };
        Ok(Parts { documents, section })
    }

    /// Writes a sealed file: each document with the section behind it.
    ///
    /// # Errors
    /// [`SopsError::TooLarge`] for one that could not be read again: sealed, values are several times as long.
    pub(crate) fn write_sealed(self, parts: &Parts, indent: Indent) -> Result<String, SopsError> {
        readable(self.write_any_sealed(parts, indent)?)
    }

    fn write_any_sealed(self, parts: &Parts, indent: Indent) -> Result<String, SopsError> {
        match self {
            Self::Yaml => Ok(yaml::write_sealed(parts, indent)),
            Self::Json | Self::Binary => json::write_sealed(parts, indent),
            Self::Dotenv => dotenv::write_sealed(parts),
            Self::Ini => ini::write_sealed(parts),
        }
    }

    /// Writes a sealed file in the place of `old`, whose lines stay as they are wherever they say the same.
    pub(crate) fn rewrite_sealed(self, old: &str, parts: &Parts) -> Result<String, SopsError> {
        readable(self.rewrite_any_sealed(old, parts)?)
    }

    fn rewrite_any_sealed(self, old: &str, parts: &Parts) -> Result<String, SopsError> {
        match self {
            Self::Yaml => Ok(yaml::rewrite_sealed(old, parts)),
            Self::Json | Self::Binary => json::rewrite_sealed(old, parts),
            Self::Dotenv => dotenv::rewrite_sealed(old, parts),
            Self::Ini => ini::rewrite_sealed(old, parts),
        }
    }

    /// Reads a file that is not sealed; `sops` in it is refused.
    pub(crate) fn read_plain(self, content: &Secret) -> Result<Vec<Branch<Plain>>, SopsError> {
        refuse_large(content.expose_bytes().len())?;
        if self == Self::Binary {
            return Ok(vec![binary::read(content)]);
        }
        let text = content.expose_text().map_err(|error| SopsError::NotText { at: error.valid_up_to() })?;
        let document = match self {
            Self::Yaml => return yaml::read(text),
            Self::Json | Self::Binary => json::read(text),
            Self::Dotenv => dotenv::read(text),
            Self::Ini => ini::read(text),
        };
        Ok(vec![document.map_err(|error| or_merge(error, text))?])
    }

    /// One value as the store shows it, without quotes: what `get` prints, and what an environment gets.
    pub(crate) fn value_text(self, plain: &Plain) -> Secret {
        match self {
            Self::Yaml => yaml::value_text(plain),
            Self::Dotenv => dotenv::value_text(plain),
            Self::Json | Self::Ini | Self::Binary => json::value_text(plain),
        }
    }

    /// A map or a list that is not the whole file.
    pub(crate) fn write_nested(self, node: &Node<Plain>) -> Result<Secret, SopsError> {
        match self {
            Self::Yaml => Ok(yaml::write_nested(node)),
            Self::Json | Self::Dotenv | Self::Ini | Self::Binary => json::write_nested(node),
        }
    }

    /// Writes opened documents as sops prints them.
    pub(crate) fn write_plain(
        self,
        documents: &[Branch<Plain>],
        indent: Indent,
    ) -> Result<Secret, SopsError> {
        match self {
            Self::Yaml => Ok(yaml::write(documents, indent)),
            Self::Json => json::write(only(documents, self.name())?, indent),
            Self::Dotenv => dotenv::write(only(documents, self.name())?),
            Self::Ini => ini::write(only(documents, self.name())?),
            Self::Binary => binary::write(only(documents, self.name())?),
        }
    }
}

fn readable(text: String) -> Result<String, SopsError> {
    refuse_large(text.len()).map(|()| text)
}

fn refuse_large(length: usize) -> Result<(), SopsError> {
    if length > MAX_BYTES { Err(SopsError::TooLarge) } else { Ok(()) }
}

/// Every store but YAML has one document.
pub(crate) fn only<'t>(
    documents: &'t [Branch<Plain>],
    store: &'static str,
) -> Result<&'t Branch<Plain>, SopsError> {
    match documents {
        [document] => Ok(document),
        _ => Err(SopsError::Documents { store, count: documents.len() }),
    }
}

/// What is wrong with a text that git left in the middle of a merge: its marks, whatever they made of the rest.
fn or_merge(error: SopsError, text: &str) -> SopsError {
    let is_mark = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
    text.lines().position(is_mark).map_or(error, |line| SopsError::MergeConflict { line: line + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that reads its vectors")]
    fn what_sops_wrote_is_written_back_byte_for_byte() {
        let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sops/other");
        for (name, store) in [
            ("d.enc.env", Store::Dotenv),
            ("f.enc.bin", Store::Binary),
            ("i.enc.ini", Store::Ini),
            ("j.enc.json", Store::Json),
        ] {
            let text = std::fs::read_to_string(vectors.join(name)).unwrap();
            let parts = store.read_sealed(&text).unwrap();
            assert_eq!(store.write_sealed(&parts, None).unwrap(), text, "{name}");
            assert_eq!(store.rewrite_sealed(&text, &parts).unwrap(), text, "{name}");
        }
    }
}

//! What exists in `certs/`: the files as bytes, read into facts, with everything that cannot be believed.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;

use crate::facts::CertFacts;
use crate::manifest::Manifest;
use crate::plan::{CertId, Format};

/// The name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// The clear half of a sealed file: what can be known without an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFacts {
    /// Its form.
    pub format: Format,
    /// The names of what it holds.
    pub keys: Vec<String>,
    /// Who may open it, where the form says so; a plain age file does not.
    pub recipients: Option<Vec<String>>,
}

/// Everything that exists.
#[derive(Debug, Default)]
pub struct State {
    /// The manifest, once there is one.
    pub manifest: Option<Manifest>,
    /// Every certificate file: the leaf first, then what follows it in the file.
    pub certs: BTreeMap<CertId, Vec<CertFacts>>,
    /// Every sealed file, by path.
    pub sealed: BTreeMap<String, SealedFacts>,
    /// Every other file, by path: bundles, public keys, and what is not ours.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A file in `certs/` that cannot be read or believed. Nothing is planned over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFault {
    /// The file, relative to `certs/`.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl StateFault {
    /// A file that was ours and is damaged: git has it whole. What can be made again may be removed instead.
    pub fn damaged(file: &str, message: impl Into<String>) -> Self {
        let authority = file.starts_with("ca/");
        let instead = match file.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "crt" => ", or remove it to have it made again",
            "yaml" if file.ends_with("/keys.yaml") => ", or remove it to have new keys made",
            "yaml" if file.starts_with("users/") => ", or remove it to have a new key made",
            "age" if !authority => ", or remove it to have a new key made",
            _ => "",
        };
        let hint = format!("bring it back with `git checkout -- certs/{file}`{instead}");
        Self { file: file.to_owned(), message: message.into(), hint }
    }
}

impl fmt::Display for StateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.file, self.message)
    }
}

impl State {
    /// Reads the files of `certs/`, given by path relative to it; sealed files come as their clear half, which
    /// the shell has from the sealing crate.
    ///
    /// # Errors
    /// Every file that cannot be read, at once.
    pub fn read(
        files: BTreeMap<String, Vec<u8>>,
        sealed: BTreeMap<String, SealedFacts>,
    ) -> Result<Self, Vec<StateFault>> {
        let mut state = Self { sealed, ..Self::default() };
        let mut faults = Vec::new();
        let (certs, mut others): (Vec<_>, BTreeMap<_, _>) = {
            let (certs, others): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|(path, _)| CertId::of_file(path).is_some());
            (certs, others.into_iter().collect())
        };
        if let Some(text) = others.remove(MANIFEST) {
            match Manifest::parse(&text) {
                Ok(manifest) => state.manifest = Some(manifest),
                Err(fault) => faults.push(fault),
            }
        }
        let read: Vec<_> = certs
            .into_par_iter()
            .map(|(path, text)| {
                let facts = CertFacts::chain_from_pem(&text);
                facts
                    .map_err(|error| StateFault::damaged(&path, error.to_string()))
                    .map(|facts| (path, facts))
            })
            .collect();
        for result in read {
            match result {
                Ok((path, facts)) => {
                    state.certs.extend(CertId::of_file(&path).map(|id| (id, facts)));
                }
                Err(fault) => faults.push(fault),
            }
        }
        state.files = others;
        if faults.is_empty() { Ok(state) } else { Err(faults) }
    }

    /// The certificate of that name, without what follows it in its file.
    pub fn cert(&self, id: &CertId) -> Option<&CertFacts> {
        self.certs.get(id).and_then(|chain| chain.first())
    }

    /// Whether there is nothing yet.
    pub fn is_empty(&self) -> bool {
        self.manifest.is_none() && self.certs.is_empty() && self.sealed.is_empty() && self.files.is_empty()
    }
}

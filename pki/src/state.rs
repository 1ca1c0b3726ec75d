//! What exists in `certs/`: the files as bytes, read into facts, with everything that cannot be believed.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::StateFault;
use crate::facts::CertFacts;
use crate::layout::MANIFEST;
use crate::manifest::Manifest;
use crate::plan::{CertId, Format};

/// The clear half of a sealed file: what can be known without an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFacts {
    /// Its form.
    pub format: Format,
    /// The names of what it holds.
    pub keys: Vec<String>,
    /// Who may open it, where the form says so; a plain age file does not.
    pub recipients: Option<Vec<String>>,
    /// SHA-256 of the file.
    pub sha256: String,
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

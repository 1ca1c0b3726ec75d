//! `certs/manifest.json`: what the repository's certificates are and who may open its sealed files, without an
//! identity. Nothing in it is secret; the NixOS modules, `check` and the next `gen` read it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::StateFault;
use crate::layout::MANIFEST;
use crate::listed::{Listed, Named};
use crate::plan::{CertId, Format};
use crate::san::San;

/// The version of the format that this release writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The whole file. Lists are sorted as the plan orders them, so that a diff shows what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The cluster's name, which its authorities bear.
    pub cluster: String,
    /// Which authorities there are: `shared`, `single` or `separate`.
    pub ca: String,
    /// In which form the machines' keys are sealed.
    pub format: Format,
    /// The admins' recipients: authoritative until machines.nix names others.
    pub admins: Vec<String>,
    /// The root key's own recipients, where it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_admins: Vec<String>,
    /// The machines that keys are sealed for.
    pub machines: BTreeMap<String, MachineRecord>,
    /// Every certificate, each after its issuer.
    pub certificates: Listed<CertRecord>,
    /// SHA-256 of the service-account public key's DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Every sealed file.
    pub sealed: Listed<SealedRecord>,
    /// Files we made once that nothing plans any more; `pki gen --prune` removes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
}

/// A machine as it was when its files were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineRecord {
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Its SSH host key, when it is a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// That key as an age recipient, as SOPS files name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertRecord {
    /// Its name.
    pub id: CertId,
    /// Its kind; for an authority, `authority`.
    pub kind: String,
    /// Whose it is; absent for authorities and people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The authority that signed it; its own name when it signed itself.
    pub issuer: String,
    /// Its subject.
    pub subject: String,
    /// Its subject alternative names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sans: Vec<San>,
    /// What it may be presented as: `server`, `client`, or `authority`.
    pub usages: Vec<String>,
    /// The last second of its life.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Its file, relative to `certs/`.
    pub file: String,
    /// The Unix user that reads its key on a machine; absent for authorities and people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// SHA-256 of the DER of its public key.
    pub public_key: String,
    /// Whether it is an authority that was made elsewhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// One sealed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedRecord {
    /// Its path, relative to `certs/`.
    pub file: String,
    /// The names of what it holds.
    pub keys: Vec<String>,
    /// Who may open it.
    pub recipients: Vec<String>,
    /// SHA-256 of the file: what was changed, cut off or exchanged since is seen without an identity.
    pub sha256: String,
}

impl Named for CertRecord {
    fn name(&self) -> &str {
        self.id.as_str()
    }
}

impl Named for SealedRecord {
    fn name(&self) -> &str {
        &self.file
    }
}

impl Manifest {
    /// Reads the file.
    ///
    /// # Errors
    /// The file as a fault: what is wrong with it, and what to do.
    pub fn parse(text: &[u8]) -> Result<Self, StateFault> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| {
            StateFault::damaged(MANIFEST, format!("it is no manifest, or was changed by hand: {error}"))
        };
        let Versioned { version } = serde_json::from_slice(text).map_err(damaged)?;
        if version > VERSION {
            return Err(StateFault {
                file: MANIFEST.to_owned(),
                message: format!("it has version {version}, this release reads up to {VERSION}"),
                hint: "use the release of quorate that wrote it, or a newer one".to_owned(),
            });
        }
        serde_json::from_slice(text).map_err(damaged)
    }

    /// The file's text: indented, one line feed at the end.
    pub fn text(&self) -> String {
        // A tree of strings and numbers always serializes.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The record of a certificate.
    pub fn certificate(&self, id: &CertId) -> Option<&CertRecord> {
        self.certificates.named(id.as_str())
    }

    /// The record of a sealed file.
    pub fn sealed(&self, file: &str) -> Option<&SealedRecord> {
        self.sealed.named(file)
    }
}

//! Whom everything is sealed to.

use std::path::PathBuf;

use quorate_pki::cluster::Cluster;
use quorate_pki::manifest::Manifest;

use crate::cli::Gen;
use crate::commands::{named_admins, normal};
use crate::error::Error;
use crate::identities::{Identities, NewIdentity, Places};
use crate::report;

/// The admins, and what was found or made on the way to them.
pub(super) struct Admins {
    /// Their recipients.
    pub(super) everyday: Vec<String>,
    /// Those of the root key; empty: the admins.
    pub(super) of_root: Vec<String>,
    /// The identities that are here, when they had to be looked for.
    pub(super) identities: Option<Identities>,
    /// The identity that this run makes.
    pub(super) new_identity: Option<NewIdentity>,
}

/// machines.nix says who; else the manifest, whatever identities lie around; else whoever is here; else an identity is
/// made, when that was asked for.
pub(super) fn admins(
    args: &Gen,
    cluster: &Cluster,
    manifest: Option<&Manifest>,
    places: &Places,
) -> Result<Admins, Error> {
    let (everyday, of_root) = named_admins(cluster, manifest)?;
    if !everyday.is_empty() {
        return Ok(Admins { everyday, of_root, identities: None, new_identity: None });
    }
    let mut identities = places.load();
    let own: Vec<String> = identities.own().iter().map(|recipient| recipient.key().to_owned()).collect();
    if !own.is_empty() {
        let everyday = normal(&own, "the identities found here")?;
        return Ok(Admins { everyday, of_root, identities: Some(identities), new_identity: None });
    }
    // An identity that is there and cannot be used is no reason to make another one beside it.
    if let Some(broken) = identities.broken() {
        return Err(broken);
    }
    let path = places.new_file().unwrap_or_else(|| PathBuf::from("keys.txt"));
    let question =
        format!("no admin is named and no age identity was found: make one in {}?", path.display());
    if !args.new_identity && !args.dry_run && !report::ask(&question) {
        return Err(Error::NoAdmin { looked: identities.looked });
    }
    let made = NewIdentity::make(places)?;
    let everyday = vec![made.recipient.key().to_owned()];
    Ok(Admins { everyday, of_root, identities: Some(identities), new_identity: Some(made) })
}

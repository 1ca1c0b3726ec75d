//! Secrets in git: who may read what, and the files that only they can read.
//!
//! * [`secret::Secret`]: what must not be seen.
//! * [`recipient::Recipient`] and [`identity::Identity`]: the public and the private half of who reads.
//! * [`sops`]: sealed files that sops and sops-nix read and write as well; each value sealed by itself.
//! * [`age_file`]: plain age files, as agenix keeps them.
//! * [`host_key`]: SSH host keys, the identities of machines.
//! * [`rules`]: `.sops.yaml`, where everybody else reads who may read what.
//! * [`scan`]: finds private keys that lie in the open.
//!
//! No IO and no clock: files come as text and leave as text, the time is an argument. The effects are the operating
//! system's random generator and the programs `age-plugin-<name>`, which age starts for recipients and identities that
//! are theirs; a person is asked through [`identity::Person`], which is an argument.

pub mod age_file;
pub mod host_key;
pub mod identity;
pub mod recipient;
pub mod rules;
pub mod scan;
pub mod secret;
pub mod sops;
mod ssh;

/// The example of the README, run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

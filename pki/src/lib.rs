//! What certificates a Kubernetes cluster needs, and whether the ones it has will do.
//!
//! The data flows one way, and so do the modules:
//!
//! ```text
//! inventory::Node ─ cluster ─► Cluster ─ kinds, plan ─► Plan
//! Plan × State ─ converge, sealing ─► actions, shown as they will be applied
//! actions ─ apply, issue ─► Issued ─ judge, edges, tls ─► Judged ─ outcome ─► files and what to seal
//! ```
//!
//! No IO and no clock: everything is an argument. The one effect is the operating system's random generator,
//! which rcgen, ring and rustls call themselves.

pub mod adopt;
pub mod apply;
pub mod authority;
pub mod cluster;
pub mod converge;
pub mod decision;
pub mod drift;
pub mod edges;
pub mod entries;
pub mod error;
pub mod facts;
pub mod fault;
pub mod foreign_key;
pub mod inventory;
pub mod issue;
pub mod judge;
pub mod key;
pub mod kinds;
pub mod kubeconfig;
pub mod layout;
pub mod listed;
pub mod manifest;
pub mod names;
pub mod outcome;
pub mod password;
pub mod plan;
pub mod readers;
pub mod records;
pub mod san;
pub mod sealing;
mod signatures;
pub mod state;
pub mod tls;
pub mod typo;

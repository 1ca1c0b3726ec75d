//! What certificates a Kubernetes cluster needs, and whether the ones it has will do.
//!
//! The data flows one way: an inventory is parsed into a [`cluster::Cluster`], the cluster is planned, the plan
//! is compared with what exists, the difference is issued and judged. No IO, no clock: everything is an
//! argument. The one effect is the operating system's random generator.

pub mod cluster;
pub mod fault;
pub mod inventory;
pub mod names;

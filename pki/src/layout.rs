//! Where everything stands below `certs/`.

use std::collections::BTreeSet;

use crate::authority::Authority;
use crate::kinds::HOST;
use crate::plan::{Holder, Plan};

/// The name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// The public half of the service-account pair; may hold several keys while one follows another.
pub const SERVICE_ACCOUNT_PUBLIC: &str = "service-account.pub";

/// A machine's public SSH host key.
pub fn host_file(machine: &str) -> String {
    format!("{machine}/{HOST}.pub")
}

/// The trust file of an authority: the only file of it that settings name, so that a rotation changes no setting.
pub fn bundle_file(authority: Authority) -> String {
    format!("ca/{authority}.bundle.crt")
}

/// Every path that a plan accounts for.
pub fn planned_files(plan: &Plan) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = plan.certs.iter().map(|cert| cert.id.file()).collect();
    files.extend(plan.sealed.iter().map(|sealed| sealed.path.clone()));
    for cert in &plan.certs {
        match &cert.holder {
            Holder::Authority(authority) => files.insert(bundle_file(*authority)),
            Holder::Machine(name) => files.insert(host_file(name)),
            Holder::User => false,
        };
    }
    let folders =
        plan.sealed.iter().filter_map(|sealed| sealed.path.strip_suffix("/host.yaml").map(ToOwned::to_owned));
    files.extend(folders.map(|machine| host_file(&machine)));
    files.extend([MANIFEST.to_owned(), SERVICE_ACCOUNT_PUBLIC.to_owned()]);
    files
}

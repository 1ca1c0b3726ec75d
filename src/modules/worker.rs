//! What every worker has: it reaches the API by the virtual IP.

use super::nix::{Settings, default};
use super::{Site, host};

/// Settings of all of them.
pub(super) fn settings(site: &Site<'_>) -> Settings {
    let endpoint = site.cluster.endpoint();
    let address = endpoint.ips().first().map_or_else(|| endpoint.name().to_owned(), |ip| host(*ip));
    let server = format!("https://{address}:{}", endpoint.port());
    let mut set = Settings::new();
    set.set("services.kubernetes.masterAddress", default(address));
    set.set("services.kubernetes.apiserverAddress", default(server));
    set
}

//! From an inventory to a cluster: read everything, compare everything, say everything.

use super::check;
use super::endpoint::{self, EndpointDraft};
use super::machine::{self, MachineDraft};
use super::read::{name_place, place, tame};
use super::rules::rule;
use super::settings::{self, SettingsDraft};
use super::{Cluster, Networks};
use crate::fault::Fault;
use crate::inventory::{Attr, Data, Node};
use crate::typo::nearest;

/// The entry that says where the API answers.
const ENDPOINT: &str = "kubeMaster";
/// The entry with the settings of the whole cluster.
const SETTINGS: &str = "cluster";

/// Everything as it was read.
pub(super) struct Draft {
    pub(super) machines: Vec<MachineDraft>,
    pub(super) endpoint: EndpointDraft,
    pub(super) settings: SettingsDraft,
}

impl Cluster {
    /// Parses an inventory in our own dialect.
    ///
    /// Gives every fault of the whole file, in file order (those that stand nowhere last), and the cluster unless
    /// one of them is an error: warnings never stand in the way. What comes out has every reference resolved and
    /// every value in range:
    ///
    /// - A machine with `node = false`, or without a known address, has no role, whatever it enables: it gets no
    ///   certificate and is no member of etcd. A warning says so.
    /// - A machine with a role has at least one address, no address is a placeholder, and no two machines share one.
    /// - Without `kubeMaster`, a single master is its own endpoint (mode `external`, port 6443). Several without
    ///   one are an error: nobody can guess an address that outlives each of them.
    /// - `kubeMaster.bgp.peers` left out means the gateway, in AS 64512.
    pub fn parse(root: &Node) -> (Option<Self>, Vec<Fault>) {
        let mut faults = Vec::new();
        let cluster = parse(root, &mut faults);
        // Stable: faults at one place keep the order in which they were found.
        faults.sort_by_key(|fault| (fault.at.is_none(), fault.at));
        let refused = faults.iter().any(Fault::is_error);
        (cluster.filter(|_| !refused), faults)
    }
}

fn parse(root: &Node, faults: &mut Vec<Fault>) -> Option<Cluster> {
    let Data::Attrs(attrs) = &root.data else {
        let message = format!("the inventory is {}, expected an attribute set of machines", root.kind());
        faults.push(const { rule("wrong-type") }.fault(root.origin, message).hint(
            "start with `{ cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; }; }`",
        ));
        return None;
    };
    let draft = read(attrs, faults);
    let machines_read = !faults.iter().any(Fault::is_error);
    if machines_read && draft.machines.is_empty() {
        let message = "the inventory has no machines, expected at least one";
        let hint = "add `cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; };`";
        faults.push(const { rule("no-machines") }.fault(root.origin, message).hint(hint));
        return None;
    }
    check::all(&draft, machines_read, faults);
    finish(&draft, faults)
}

fn read(attrs: &[Attr], faults: &mut Vec<Fault>) -> Draft {
    let find =
        |name: &str| attrs.iter().find(|attr| attr.name == name && !matches!(attr.value.data, Data::Null));
    let endpoint = find(ENDPOINT).map(|attr| EndpointDraft::read(attr, faults));
    let settings = find(SETTINGS).map(|attr| SettingsDraft::read(attr, faults));
    let mut machines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.name != ENDPOINT && attr.name != SETTINGS) {
        match misplaced(attr, endpoint.is_none(), settings.is_none()) {
            Some(fault) => faults.push(fault),
            None => machines.extend(MachineDraft::read(attr, faults)),
        }
    }
    Draft {
        machines,
        endpoint: endpoint.unwrap_or_else(EndpointDraft::missing),
        settings: settings.unwrap_or_else(SettingsDraft::missing),
    }
}

/// The fault of an entry that holds what `kubeMaster` or `cluster` should, under another name.
fn misplaced(attr: &Attr, no_endpoint: bool, no_settings: bool) -> Option<Fault> {
    let has = |name: &str| attr.value.attr(name).is_some();
    if has("kubernetes") || has("etcd") || has("node") {
        return None;
    }
    let peculiar = |known: &[&str]| known.iter().any(|name| has(name) && !machine::ATTRIBUTES.contains(name));
    let meant = match nearest(&attr.name, [ENDPOINT, SETTINGS]) {
        Some(ENDPOINT) if peculiar(endpoint::ATTRIBUTES) => ENDPOINT,
        Some(SETTINGS) if peculiar(settings::ATTRIBUTES) => SETTINGS,
        _ if no_endpoint && has("gateway") && has("port") => ENDPOINT,
        _ if no_settings && has("serviceCidr") && has("podCidr") => SETTINGS,
        _ => return None,
    };
    let message =
        format!("`{}` looks like settings and is read as a machine, expected `{meant}`", tame(&attr.name));
    let fault = const { rule("settings-as-machine") }.fault(name_place(attr).or(place(attr)), message);
    Some(
        fault.hint(format!(
            "rename it to `{meant}`, or say `node = false` if it is a machine that is not NixOS"
        )),
    )
}

fn finish(draft: &Draft, faults: &mut Vec<Fault>) -> Option<Cluster> {
    let endpoint = draft.endpoint.finish(&draft.machines, faults)?;
    let settings = &draft.settings;
    let mut machines: Vec<_> = draft.machines.iter().map(MachineDraft::finish).collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    Some(Cluster {
        name: settings.name.clone(),
        domain: settings.domain.clone(),
        machines,
        endpoint,
        networks: Networks {
            node: settings.node.iter().map(|range| range.value).collect(),
            service: settings.service.iter().map(|range| range.value).collect(),
            pod: settings.pod.iter().map(|range| range.value).collect(),
        },
        cni: settings.cni,
        admins: settings.admins.iter().map(|found| found.value.clone()).collect(),
        root_admins: settings.root_admins.iter().map(|found| found.value.clone()).collect(),
        ssh_keys: settings.ssh_keys.clone(),
        backup: settings.backup.clone(),
        policy: settings.policy.clone(),
    })
}

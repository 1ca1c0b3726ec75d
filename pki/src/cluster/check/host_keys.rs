//! SSH host keys: each opens what is sealed to its machine, so it must be that machine's alone.

use std::collections::BTreeMap;

use super::super::parse::Draft;
use super::super::read::Placed;
use super::super::rules::rule;
use crate::fault::Fault;

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    let settings = &draft.settings;
    let mut owners: BTreeMap<&str, (&Placed<String>, String)> = BTreeMap::new();
    for (list, name) in [(&settings.admins, "cluster.admins"), (&settings.root_admins, "cluster.rootAdmins")]
    {
        for admin in list {
            owners.entry(body(&admin.value)).or_insert_with(|| (admin, format!("a recipient in `{name}`")));
        }
    }
    for machine in &draft.machines {
        let Some(key) = &machine.host_key else { continue };
        let Some((first, owner)) = owners.get(body(&key.value)) else {
            owners.insert(body(&key.value), (key, format!("the host key of `{}`", machine.name)));
            continue;
        };
        let message =
            format!("`{}.hostKey` is also {owner}, expected a key of this machine alone", machine.name);
        let hint = "take `hostKey` out and a new key is made, or copy the right one from the machine";
        let fault = const { rule("shared-host-key") }.fault(key.at, message).hint(hint);
        faults.push(fault.related(first.at, "the same key"));
    }
}

/// The key itself, without its kind and the comment.
fn body(line: &str) -> &str {
    line.split(' ').filter(|word| !word.is_empty()).nth(1).unwrap_or(line)
}

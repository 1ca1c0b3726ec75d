//! Comparing what was read: the rules that look at more than one value.

mod addresses;
mod families;
mod host_keys;
mod install;
mod members;
mod names;
mod ranges;
mod vip;

use ipnet::IpNet;

use super::parse::Draft;
use super::read::some;
use crate::fault::Fault;

/// Judges everything. Who is a member is judged only when every machine could be read: a count over half of them
/// would be a fault that is none.
pub(super) fn all(draft: &Draft, machines_read: bool, faults: &mut Vec<Fault>) {
    names::check(draft, faults);
    if machines_read {
        members::check(draft, faults);
    }
    host_keys::check(draft, faults);
    addresses::check(draft, faults);
    ranges::check(draft, faults);
    families::check(draft, faults);
    vip::check(draft, faults);
    install::check(draft, faults);
}

/// Whether two ranges share an address: one of them lies in the other.
fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

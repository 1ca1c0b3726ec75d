//! The address ranges: large enough, small enough, apart from each other.

use ipnet::IpNet;

use super::super::access::DNS_SERVICE_INDEX;
use super::super::parse::Draft;
use super::super::read::Placed;
use super::super::rules::rule;
use super::overlap;
use crate::fault::Fault;

/// Most host bits of a service range. Source: kubernetes `cmd/kube-apiserver/app/options/validation.go`,
/// `maxCIDRBits`.
const SERVICE_BITS: u8 = 20;

/// What controller-manager cuts off the pod range for each node. Source: kubernetes.io, kube-controller-manager,
/// `--node-cidr-mask-size-ipv4` and `-ipv6`.
const NODE_PREFIX_V4: u8 = 24;
const NODE_PREFIX_V6: u8 = 64;

/// An IPv6 pod range holds at most 2 to the power of this node ranges. Source: kubernetes
/// `pkg/controller/nodeipam/ipam/cidrset/cidr_set.go`, `clusterSubnetMaxDiff`.
const POD_BITS_V6: u8 = 16;

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    for range in &draft.settings.service {
        service(range, faults);
    }
    let nodes = draft.machines.iter().filter(|machine| machine.is_kubernetes()).count();
    for range in &draft.settings.pod {
        pod(range, nodes, faults);
    }
    overlaps(draft, faults);
}

fn service(range: &Placed<IpNet>, faults: &mut Vec<Fault>) {
    let found = range.value;
    let bits = found.max_prefix_len() - found.prefix_len();
    if bits > SERVICE_BITS {
        let prefix = found.max_prefix_len() - SERVICE_BITS;
        let message = format!("`cluster.serviceCidr` {found} is too large, expected /{prefix} or longer");
        let hint = "a /16 (IPv6: /112) has room for 65,000 services";
        faults.push(const { rule("service-range-size") }.fault(range.at, message).hint(hint));
    } else if matches!(found, IpNet::V4(_)) && found.prefix_len() > 24 {
        let message =
            format!("`cluster.serviceCidr` {found} is smaller than NixOS takes, expected /24 or shorter");
        let hint = "NixOS derives `.1` and `.254` from the first three octets";
        faults.push(const { rule("service-range-boundary") }.fault(range.at, message).hint(hint));
    } else if 1_u32.checked_shl(bits.into()).is_some_and(|size| size <= DNS_SERVICE_INDEX.into()) {
        let message = format!(
            "`cluster.serviceCidr` {found} is too small, expected room for the tenth address, that of CoreDNS"
        );
        let hint = "a /112 has room for 65,000 services";
        faults.push(const { rule("service-range-size") }.fault(range.at, message).hint(hint));
    }
}

fn pod(range: &Placed<IpNet>, nodes: usize, faults: &mut Vec<Fault>) {
    let found = range.value;
    let each = if matches!(found, IpNet::V4(_)) { NODE_PREFIX_V4 } else { NODE_PREFIX_V6 };
    let bits = each.checked_sub(found.prefix_len());
    if each == NODE_PREFIX_V6 && bits.is_some_and(|bits| bits > POD_BITS_V6) {
        let shortest = NODE_PREFIX_V6 - POD_BITS_V6;
        let message = format!("`cluster.podCidr` {found} is too large, expected /{shortest} or longer");
        let hint = "kube-controller-manager refuses to cut more than 65,536 node ranges from it";
        faults.push(const { rule("pod-range-size") }.fault(range.at, message).hint(hint));
        return;
    }
    // A range of more node ranges than fit an integer has room for all.
    let room = bits.map_or(0, |bits| 1_usize.checked_shl(bits.into()).unwrap_or(usize::MAX));
    if room < nodes.max(1) {
        let message = format!(
            "`cluster.podCidr` {found} has room for {room} nodes at /{each} each, expected room for {}",
            nodes.max(1)
        );
        let hint = format!("a /{} has room for 256 nodes", each - 8);
        faults.push(const { rule("pod-range-size") }.fault(range.at, message).hint(hint));
    }
}

/// Every two ranges that share an address.
fn overlaps(draft: &Draft, faults: &mut Vec<Fault>) {
    let settings = &draft.settings;
    let named =
        |ranges: &[Placed<IpNet>], name| ranges.iter().map(|range| (*range, name)).collect::<Vec<_>>();
    let mut all = named(&settings.node, "nodeCidr");
    all.extend(named(&settings.service, "serviceCidr"));
    all.extend(named(&settings.pod, "podCidr"));
    for (index, (first, first_name)) in all.iter().enumerate() {
        for (second, second_name) in &all[index + 1..] {
            let (a, b) = (first.value, second.value);
            if !overlap(a, b) {
                continue;
            }
            let default = if second.at.is_none() { "the default of " } else { "" };
            let message = format!(
                "`cluster.{first_name}` {a} and {default}`cluster.{second_name}` {b} overlap, expected no address in both"
            );
            let at = second.at.max(first.at);
            let other = second.at.min(first.at).filter(|_| first.at.is_some() && second.at.is_some());
            let movable = if *second_name == "nodeCidr" { first_name } else { second_name };
            let fault = const { rule("ranges-overlap") }.fault(at, message);
            let hint = format!("set `cluster.{movable}` to a private range that nothing else uses");
            faults.push(fault.hint(hint).related(other, "the other range"));
        }
    }
}

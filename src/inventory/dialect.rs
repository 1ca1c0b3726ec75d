//! Other people's inventories, turned into ours.
//!
//! | dialect | recognised by |
//! |---|---|
//! | NICO's cluster.nix, plain or as a NixOS module | a list `controlPlane`, at the top or in `cluster` |
//! | `terraform output -json` | every value a set with `sensitive` and `value` |
//! | `terraform show -json` | `values.root_module` |
//! | ours, as machines.nix or machines.json | everything else |
//!
//! Every value keeps the place it came from, so that a fault found later points into the file as it is. Adding a
//! dialect touches this file alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quorate_pki::fault::{Fault, Level};
use quorate_pki::inventory::{Attr, Data, Node, Origin};

/// The shape of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Our own.
    Machines,
    /// NICO's `cluster.nix`: `{ name; vip; controlPlane = [ { name; ip; } ]; workers = [ ... ]; }`.
    Nico,
    /// `terraform output -json`.
    TerraformOutput,
    /// `terraform show -json`, with machines as `libvirt_domain`.
    TerraformShow,
}

impl Dialect {
    /// The dialect of an evaluated inventory.
    pub fn of(root: &Node) -> Self {
        if nico_cluster(root).is_some() {
            Self::Nico
        } else if root.get("values").is_some_and(|values| values.get("root_module").is_some()) {
            Self::TerraformShow
        } else if is_terraform_output(root) {
            Self::TerraformOutput
        } else {
            Self::Machines
        }
    }
}

/// Turns an inventory of any dialect into ours.
///
/// `vip` is the virtual IP where the inventory has none: NICO's generated file never has, and terraform seldom. It
/// becomes an external endpoint, since in those clusters something else moves it. One that the inventory names gives
/// way to `vip`. In our own dialect `kubeMaster.ip` is the only place for it: there a `vip` is an error.
///
/// The inventory is `None` when one of the faults is an error.
pub fn translate(root: Node, vip: Option<IpAddr>) -> (Option<Node>, Vec<Fault>) {
    let mut inventory = Inventory::default();
    match Dialect::of(&root) {
        Dialect::Machines => return own(root, vip),
        Dialect::Nico => nico(&root, vip.is_some(), &mut inventory),
        Dialect::TerraformOutput => terraform_output(&root, &mut inventory),
        Dialect::TerraformShow => terraform_show(&root, &mut inventory),
    }
    if let Some(vip) = vip {
        inventory
            .attrs
            .insert("kubeMaster".into(), attr("kubeMaster", None, external(text(&vip.to_string(), None))));
    }
    let refused = inventory.faults.iter().any(Fault::is_error);
    let node = Node { data: Data::Attrs(inventory.attrs.into_values().collect()), origin: root.origin };
    ((!refused).then_some(node), inventory.faults)
}

fn own(root: Node, vip: Option<IpAddr>) -> (Option<Node>, Vec<Fault>) {
    let Some(vip) = vip else { return (Some(root), Vec::new()) };
    let at = root.attr("kubeMaster").and_then(|attr| attr.origin);
    let message = format!("`--vip {vip}` is for inventories that cannot say it, and this one can");
    let fault =
        fault(Level::Error, "vip-twice", at, message).hint("set `kubeMaster.ip` in the inventory instead");
    (None, vec![fault])
}

/// What a translation has found so far.
#[derive(Default)]
struct Inventory {
    /// By name, as an attribute set has them.
    attrs: BTreeMap<String, Attr>,
    faults: Vec<Fault>,
}

impl Inventory {
    /// Adds an entry; two of one name are an error, since the second would silently replace the first.
    fn add(&mut self, name: &str, origin: Option<Origin>, value: Node) {
        let entry = attr(name, origin, value);
        let Some(first) = self.attrs.get(name) else {
            self.attrs.insert(name.to_owned(), entry);
            return;
        };
        let message = format!("two machines are named `{name}`, expected each name once");
        let fault = fault(Level::Error, "duplicate-name", origin, message).hint("rename one of them");
        self.faults.push(fault.related(first.origin, "the first"));
    }

    fn refuse(&mut self, rule: &'static str, at: Option<Origin>, message: impl Into<String>, hint: &str) {
        self.faults.push(fault(Level::Error, rule, at, message).hint(hint));
    }
}

/// NICO's cluster, wherever the file has it.
fn nico_cluster(root: &Node) -> Option<&Node> {
    let has_masters =
        |node: &&Node| matches!(node.get("controlPlane").map(|node| &node.data), Some(Data::List(_)));
    Some(root).filter(has_masters).or_else(|| root.get("cluster").filter(has_masters))
}

const NICO: [&str; 5] = ["name", "vip", "controlPlane", "workers", "clusterToken"];

fn nico(root: &Node, has_vip: bool, inventory: &mut Inventory) {
    let Some(cluster) = nico_cluster(root) else { return };
    let masters = nico_machines(cluster, "controlPlane", true, inventory);
    nico_machines(cluster, "workers", false, inventory);
    if let Some(name) = cluster.attr("name") {
        let settings = attrs([attr("name", name.origin, name.value.clone())]);
        inventory.attrs.insert("cluster".into(), attr("cluster", name.origin, settings));
    }
    match cluster.get("vip") {
        Some(vip) if !matches!(vip.data, Data::Null) => {
            let endpoint = attr("kubeMaster", vip.origin, external(vip.clone()));
            inventory.attrs.insert("kubeMaster".into(), endpoint);
        }
        _ if !has_vip && masters > 1 => {
            let at = cluster.attr("controlPlane").and_then(|attr| attr.origin);
            let message = format!("the cluster has {masters} control planes and no `vip`");
            inventory.refuse("vip-missing", at, message, "pass `--vip ADDRESS`, or add `vip` to the file");
        }
        _ => {}
    }
    if let Some(token) = cluster.attr("clusterToken") {
        let message = "`clusterToken` stands in the file in clear, and in the world-readable Nix store";
        let found = fault(Level::Warning, "token-in-inventory", token.origin, message);
        inventory
            .faults
            .push(found.hint("it is not read here; make a new one with `secrets generate` and take it out"));
    }
    if let Data::Attrs(found) = &cluster.data {
        for stranger in found.iter().filter(|attr| !NICO.contains(&attr.name.as_str())) {
            let message = format!("`{}` is not read from an inventory of NICO's", stranger.name);
            inventory.faults.push(fault(Level::Warning, "not-translated", stranger.origin, message));
        }
    }
}

/// The machines of a list, and how many: a control plane is a master and a member of etcd, a worker neither.
fn nico_machines(cluster: &Node, list: &str, master: bool, inventory: &mut Inventory) -> usize {
    let Some(node) = cluster.get(list) else { return 0 };
    let Data::List(items) = &node.data else {
        let message = format!("`{list}` is {}, expected a list of `{{ name; ip; }}`", node.kind());
        inventory.refuse(
            "wrong-type",
            node.origin,
            message,
            "write `[ { name = \"cp1\"; ip = \"10.0.0.1\"; } ]`",
        );
        return 0;
    };
    for (index, item) in items.iter().enumerate() {
        let at = item.origin.or(node.origin);
        let Some((name, origin)) = string(item, "name") else {
            let message = format!("`{list}[{index}]` has no `name`");
            inventory.refuse("missing-attribute", at, message, "add `name = \"cp1\"`");
            continue;
        };
        let mut found = vec![address(item.get("ip"), at), enabled("kubernetes", at)];
        if master {
            found.push(enabled("etcd", at));
        } else {
            found.push(attr("master", at, Node { data: Data::Bool(false), origin: at }));
        }
        inventory.add(name, origin, attrs(found));
    }
    items.len()
}

/// `ip` of a machine. NICO writes a host name or "unknown" where it has no address yet: that is our placeholder.
fn address(ip: Option<&Node>, at: Option<Origin>) -> Attr {
    let known = ip.filter(|node| match &node.data {
        Data::Str(text) => text.parse::<IpAddr>().is_ok(),
        Data::Null => false,
        // What is no string at all is the parser's to refuse.
        _ => true,
    });
    let origin = ip.and_then(|node| node.origin).or(at);
    attr("ip", origin, known.cloned().unwrap_or_else(|| text("0.0.0.0", origin)))
}

fn is_terraform_output(root: &Node) -> bool {
    let Data::Attrs(outputs) = &root.data else { return false };
    let is_output = |attr: &Attr| {
        attr.value.get("value").is_some()
            && matches!(attr.value.get("sensitive").map(|n| &n.data), Some(Data::Bool(_)))
    };
    !outputs.is_empty() && outputs.iter().all(is_output)
}

/// `kubeMaster` and `cluster` as they are; machines from the output `machines`, or without one from every output that
/// is a machine or a map of machines. Machines have our own attributes.
fn terraform_output(root: &Node, inventory: &mut Inventory) {
    let Data::Attrs(outputs) = &root.data else { return };
    let only = root.attr("machines");
    for output in outputs {
        let Some(value) = output.value.get("value") else { continue };
        if output.name == "kubeMaster" || output.name == "cluster" {
            inventory.add(&output.name, output.origin, value.clone());
        } else if only.is_some_and(|only| only.name != output.name) {
            // Outputs for other purposes.
        } else if is_machine(value) {
            inventory.add(&output.name, output.origin, value.clone());
        } else if let Data::Attrs(machines) = &value.data
            && (only.is_some() || machines.iter().all(|machine| is_machine(&machine.value)))
        {
            for machine in machines {
                inventory.add(&machine.name, machine.origin, machine.value.clone());
            }
        }
    }
    if inventory.attrs.keys().all(|name| name == "kubeMaster" || name == "cluster") {
        let message =
            "no terraform output has machines, expected one named `machines`: a map of name to attributes";
        let hint = "add `output \"machines\" { value = { cp1 = { ip = \"10.0.0.1\", ... } } }`";
        inventory.refuse("no-machines", root.origin, message, hint);
    }
}

fn is_machine(node: &Node) -> bool {
    node.get("ip").is_some()
}

/// The machines of a libvirt state; the role is the beginning of the name, as in the well-known NixOS examples.
fn terraform_show(root: &Node, inventory: &mut Inventory) {
    let Some(module) = root.get("values").and_then(|values| values.get("root_module")) else { return };
    // A stack of our own: modules nest as deep as the JSON does.
    let mut modules = vec![module];
    while let Some(module) = modules.pop() {
        modules.extend(list(module, "child_modules"));
        for resource in list(module, "resources") {
            if string(resource, "type").is_some_and(|(kind, _)| kind == "libvirt_domain")
                && let Some(values) = resource.get("values")
            {
                domain(values, inventory);
            }
        }
    }
    if inventory.attrs.is_empty() && inventory.faults.is_empty() {
        let message = "the terraform state has no `libvirt_domain`, expected the machines as such";
        let hint = "add an output `machines` and pass `terraform output -json` instead";
        inventory.refuse("no-machines", root.origin, message, hint);
    }
}

fn domain(values: &Node, inventory: &mut Inventory) {
    let Some((name, origin)) = string(values, "name") else { return };
    let interface = list(values, "network_interface").first().copied();
    let ip = interface.and_then(|interface| list(interface, "addresses").first().copied());
    let at = origin.or(values.origin);
    let off = |name: &str| attr(name, at, Node { data: Data::Bool(false), origin: at });
    let mut found = vec![address(ip, at)];
    if name.starts_with("etcd") {
        found.push(enabled("etcd", at));
    } else if name.starts_with("controlplane") {
        found.push(enabled("kubernetes", at));
    } else if name.starts_with("worker") {
        found.extend([enabled("kubernetes", at), off("master")]);
    } else {
        // A load balancer, or something that is not of the cluster.
        found.push(off("node"));
    }
    inventory.add(name, at, attrs(found));
}

fn list<'n>(node: &'n Node, name: &str) -> Vec<&'n Node> {
    match node.get(name).map(|node| &node.data) {
        Some(Data::List(items)) => items.iter().collect(),
        _ => Vec::new(),
    }
}

fn string<'n>(node: &'n Node, name: &str) -> Option<(&'n str, Option<Origin>)> {
    let found = node.get(name)?;
    match &found.data {
        Data::Str(text) => Some((text, found.origin)),
        _ => None,
    }
}

fn fault(level: Level, rule: &'static str, at: Option<Origin>, message: impl Into<String>) -> Fault {
    Fault { level, rule, at, message: message.into(), hint: None, related: Vec::new() }
}

fn attr(name: &str, origin: Option<Origin>, value: Node) -> Attr {
    Attr { name: name.to_owned(), origin, value }
}

/// A set that nobody wrote; its names sorted, as an attribute set has them.
fn attrs(found: impl IntoIterator<Item = Attr>) -> Node {
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Node { data: Data::Attrs(found), origin: None }
}

fn text(value: &str, origin: Option<Origin>) -> Node {
    Node { data: Data::Str(value.to_owned()), origin }
}

/// `kubernetes.enable = true`
fn enabled(service: &str, at: Option<Origin>) -> Attr {
    let on = attr("enable", at, Node { data: Data::Bool(true), origin: at });
    attr(service, at, attrs([on]))
}

/// `kubeMaster` of a virtual IP that something else moves.
fn external(ip: Node) -> Node {
    let at = ip.origin;
    attrs([attr("ip", at, ip), attr("mode", at, text("external", at))])
}

#[cfg(test)]
mod tests;

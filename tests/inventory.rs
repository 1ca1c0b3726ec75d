//! What a person sees whose inventory breaks a rule, and that every rule can be broken.
//!
//! `tests/inventories/bad/<rule>.nix` breaks the rule it is named after; a suffix (`port-taken-etcd.nix`) tells a second
//! way. Each goes through the built-in evaluator, the parser and the renderer, as a command does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test are the test")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use quorate::inventory::dialect::translate;
use quorate::inventory::excerpt::{Source, render};
use quorate::nix::{Evaluator, Sources, evaluate};
use quorate_pki::cluster::{Cluster, Machine, RULES, VipMode};
use quorate_pki::fault::Fault;

struct Judged {
    cluster: Option<Cluster>,
    faults: Vec<Fault>,
    sources: Sources,
}

impl Judged {
    /// The inventory at `path` below `tests/inventories`.
    fn of(path: &Path, vip: Option<IpAddr>) -> Self {
        let (node, sources) = evaluate(path, Evaluator::Builtin).unwrap_or_else(|error| panic!("{error}"));
        let (node, mut faults) = translate(node, vip);
        let (cluster, more) = node.map_or((None, Vec::new()), |node| Cluster::parse(&node));
        faults.extend(more);
        Self { cluster, faults, sources }
    }

    fn rules(&self) -> Vec<&'static str> {
        self.faults.iter().map(|fault| fault.rule).collect()
    }

    /// As a terminal of 100 columns shows it; files by name alone.
    fn shown(&self) -> String {
        let source = |file| {
            let source = self.sources.iter().nth(file)?;
            let name = source.path.file_name()?.to_str()?;
            Some(Source { name, text: &source.text })
        };
        render(&self.faults, source, 100)
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventories").join(name)
}

fn bad() -> Vec<(String, Judged)> {
    let mut found: Vec<_> = std::fs::read_dir(folder("bad"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nix"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), Judged::of(&path, None)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn good(name: &str) -> Judged {
    Judged::of(&folder("good").join(name), None)
}

/// The rule that an inventory is named after.
fn rule_of(name: &str) -> &'static str {
    RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|rule| name.starts_with(rule))
        .max_by_key(|rule| rule.len())
        .unwrap()
}

#[test]
fn every_bad_inventory_breaks_the_rule_it_is_named_after() {
    for (name, judged) in bad() {
        let rule = rule_of(&name);
        // What they say is in the snapshot of every message (messages.rs).
        assert!(judged.rules().contains(&rule), "{name}: {:?}", judged.rules());
    }
}

#[test]
fn every_rule_of_the_table_has_an_inventory_that_breaks_it() {
    let broken: BTreeSet<_> = bad().iter().map(|(name, _)| rule_of(name)).collect();
    let missing: Vec<_> = RULES.iter().map(|rule| rule.name).filter(|name| !broken.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_fault_has_the_level_of_its_rule_and_an_error_leaves_no_cluster() {
    for (name, judged) in bad() {
        for fault in &judged.faults {
            let rule = RULES.iter().find(|rule| rule.name == fault.rule).unwrap();
            assert_eq!(fault.level, rule.level, "{name}: {}", fault.rule);
        }
        assert_eq!(judged.cluster.is_none(), judged.faults.iter().any(Fault::is_error), "{name}");
    }
}

#[test]
fn every_fault_says_where_it_stands_and_what_to_do_in_the_house_style() {
    for (name, judged) in bad() {
        for fault in &judged.faults {
            let Fault { rule, message, hint, at, .. } = fault;
            assert!(at.is_some(), "{name}: {rule} stands nowhere");
            for text in [Some(message), hint.as_ref()].into_iter().flatten() {
                assert!(!text.ends_with('.') && !text.contains("  "), "{name}: {text}");
                assert!(
                    !text.starts_with(|c: char| c.is_uppercase())
                        || text.starts_with("BGP")
                        || text.starts_with("NixOS"),
                    "{name}: {text}"
                );
                assert_eq!(text.matches('`').count() % 2, 0, "{name}: {text}");
            }
            let has_bounds =
                ["out-of-range", "bad-value", "bad-address", "not-one-of", "bad-range", "wrong-type"];
            assert!(hint.is_some() || has_bounds.contains(rule), "{name}: {rule} has no hint");
        }
    }
}

#[test]
fn faults_stand_in_file_order() {
    for (name, judged) in bad() {
        assert!(judged.faults.is_sorted_by_key(|fault| (fault.at.is_none(), fault.at)), "{name}");
    }
}

#[test]
fn no_secret_of_an_inventory_is_shown() {
    let shown = Judged::of(&folder("bad/secret-in-inventory.nix"), None).shown();
    assert!(!shown.contains("hunter2") && !shown.contains("QQQQ"), "{shown}");
}

fn names<'m>(machines: impl Iterator<Item = &'m Machine>) -> String {
    machines.map(Machine::name).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_example_of_the_repository_has_nothing_to_complain_about() {
    let judged = Judged::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("machines.nix"), None);
    assert_eq!(judged.shown(), "");
    let cluster = judged.cluster.unwrap();
    assert_eq!(names(cluster.masters()), "cp1 cp2 cp3");
    assert_eq!(names(cluster.etcd_members()), "cp1 cp2 cp3");
    assert_eq!(names(cluster.workers()), "worker1 worker2");
    assert!(!cluster.machine("router").unwrap().node());
    assert_eq!(cluster.admins(), [] as [String; 0]);
    assert!(matches!(cluster.endpoint().mode(), VipMode::Bgp(_)));
}

#[test]
fn what_people_have_today_is_read_with_warnings_alone() {
    let judged = good("magi.nix");
    assert_eq!(judged.rules(), ["disk-not-by-id", "etcd-growing", "ghost-member", "node-range-unknown"]);
    let cluster = judged.cluster.unwrap();
    assert_eq!(names(cluster.masters()), "balthazar melchior");
    assert_eq!(names(cluster.nodes()), "balthazar melchior");
}

#[test]
fn clusters_of_every_mode_and_family_are_clean() {
    for (name, masters, members, workers) in
        [("dual-stack.nix", 3, 3, 20), ("ipv6.nix", 3, 3, 0), ("keepalived.nix", 2, 3, 0)]
    {
        let judged = good(name);
        assert_eq!(judged.shown(), "", "{name}");
        let cluster = judged.cluster.unwrap();
        let counts = (cluster.masters().count(), cluster.etcd_members().count(), cluster.workers().count());
        assert_eq!(counts, (masters, members, workers), "{name}");
    }
    assert_eq!(good("single.nix").rules(), ["etcd-single"]);
}

#[test]
fn a_module_of_nico_is_a_cluster_once_the_virtual_ip_is_given() {
    let path = folder("good").join("nico-module.nix");
    let refused = Judged::of(&path, None);
    assert_eq!(refused.rules(), ["vip-missing"]);
    let judged = Judged::of(&path, Some("10.0.0.9".parse().unwrap()));
    let cluster = judged.cluster.unwrap();
    assert_eq!((cluster.name(), names(cluster.masters()).as_str()), ("alpha", "m1 m2 m3"));
}

#[test]
fn the_example_as_json_is_the_same_cluster_and_its_faults_point_into_the_json() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines.nix");
    let (node, _) = evaluate(&path, Evaluator::Builtin).unwrap_or_else(|error| panic!("{error}"));
    let text = serde_json::to_string_pretty(&node.to_json()).unwrap();
    let judge = |text: &str| Cluster::parse(&quorate::inventory::json::parse(text, 0).unwrap());
    assert_eq!(judge(&text).0, Cluster::parse(&node).0);

    let broken = text.replace("\"10.13.13.12\"", "\"10.13.13.11\"");
    let shown = render(&judge(&broken).1, |_| Some(Source { name: "machines.json", text: &broken }), 100);
    insta::assert_snapshot!(shown, @r#"
    error: `cp2.ip` is 10.13.13.11, the address of `cp1`, expected one of its own
      --> machines.json:27:11
       |
    27 |     "ip": "10.13.13.11",
       |           ^^^^^^^^^^^^^
      ::: machines.json:15:11
       |
    15 |     "ip": "10.13.13.11",
       |           ------------- `cp1.ip` has it first
    hint: change one of them
    "#);
}

#[test]
fn a_token_that_stands_in_the_file_is_not_repeated_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.nix");
    let text =
        "{\n  controlPlane = [ { name = \"m1\"; ip = \"10.0.0.1\"; } ];\n  clusterToken = \"hunter2\";\n}\n";
    std::fs::write(&path, text).unwrap();
    let shown = Judged::of(&path, Some("10.0.0.9".parse().unwrap())).shown();
    assert!(shown.contains("`clusterToken` stands in the file") && !shown.contains("hunter2"), "{shown}");
}

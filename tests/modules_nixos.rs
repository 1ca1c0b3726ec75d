//! What `pki modules` emits, judged by `nix`: alone, against the list of NixOS' options, and over the real modules of
//! nixpkgs and sops-nix where a checkout of each is named (tests/nixos/README.md).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers"
)]

mod cluster;
#[path = "nixos/demands/mod.rs"]
mod demands;
#[path = "nixos/facts.rs"]
mod facts;
#[path = "nixos/options.rs"]
mod options;
#[path = "nix/peer.rs"]
mod peer;
#[path = "nixos/planted.rs"]
mod planted;
#[path = "nixos/programs.rs"]
mod programs;
#[path = "nixos/rig.rs"]
mod rig;
#[path = "nixos/scripts.rs"]
mod scripts;
#[path = "nixos/users.rs"]
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use quorate_pki::cluster::Machine;
use serde_json::Value as Json;

use facts::On;
use peer::skipped;
use rig::{Case, Nix, NixOs, Staged, cases, emitted_files};

/// Names the list of NixOS' options.
const OPTIONS: &str = "QUORATE_NIXOS_OPTIONS";

/// The machines that have a module, as the inventory has them.
fn targets(case: &Case) -> impl Iterator<Item = &Machine> {
    case.cluster.nodes().filter(|machine| machine.kubernetes() || machine.etcd())
}

/// Every machine of an evaluated golden.
fn machines<'a>(case: &'a Case, facts: &'a Json) -> impl Iterator<Item = On<'a>> {
    targets(case).map(|machine| {
        let facts = &facts[machine.name()];
        assert!(!facts.is_null(), "{}: no module for {}", case.name, machine.name());
        On { cluster: &case.cluster, machine, facts }
    })
}

/// Every golden without any nixpkgs; evaluated once for all tests.
fn emitted(nix: &Nix) -> &'static [(Case, Json)] {
    static EMITTED: OnceLock<Vec<(Case, Json)>> = OnceLock::new();
    EMITTED.get_or_init(|| {
        let evaluate = |case: Case| {
            let found =
                nix.alone(&Staged::new(&case)).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            (case, found)
        };
        cases().into_iter().map(evaluate).collect()
    })
}

/// Every golden over the real modules as it is; evaluated once for all tests.
fn evaluated(nixos: &NixOs) -> &'static [(Case, Json)] {
    static EVALUATED: OnceLock<Vec<(Case, Json)>> = OnceLock::new();
    EVALUATED.get_or_init(|| {
        let evaluate = |case: Case| {
            let found = nixos.evaluate(&Staged::new(&case), None);
            let found = found.unwrap_or_else(|error| panic!("{}: {error}", case.name));
            (case, found)
        };
        cases().into_iter().map(evaluate).collect()
    })
}

#[test]
fn every_emitted_file_is_nix_and_evaluates_to_settings() {
    let Some(nix) = Nix::find() else { return };
    for (case, found) in emitted(&nix) {
        let staged = Staged::new(case);
        for name in emitted_files(&case.modules) {
            let path = staged.modules().join(name);
            nix.parses(&path).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
        let named: Vec<&String> = found.as_object().unwrap().keys().collect();
        let mut expected: Vec<&str> = targets(case).map(Machine::name).collect();
        expected.sort_unstable();
        assert_eq!(named, expected, "{}", case.name);
        for machine in targets(case) {
            let found = &found[machine.name()];
            assert_eq!(found["system"], machine.system(), "{}", case.name);
            let files = found["files"].as_array().unwrap();
            let empty =
                files.iter().find(|file| file["settings"].as_object().is_none_or(serde_json::Map::is_empty));
            assert_eq!(empty, None, "{}", case.name);
        }
    }
}

#[test]
fn every_emitted_setting_is_an_option_of_nixos_and_fits_its_type() {
    let Some(nix) = Nix::find() else { return };
    let Some(list) = std::env::var_os(OPTIONS) else {
        return skipped(&format!("{OPTIONS} names no list of NixOS' options"));
    };
    let options = options::Options::read(&std::fs::read_to_string(list).unwrap());
    let mut faults: BTreeMap<String, String> = BTreeMap::new();
    for (case, found) in emitted(&nix) {
        let files =
            found.as_object().unwrap().values().flat_map(|machine| machine["files"].as_array().unwrap());
        for file in files {
            let place = format!("{} {}", case.name, file["file"]);
            faults.extend(options.faults(&file["settings"]).into_iter().map(|fault| (fault, place.clone())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn over_the_real_modules_each_machine_gets_all_it_needs_and_every_setting_of_ours() {
    let Some(nixos) = NixOs::find() else { return };
    let mut faults = BTreeSet::new();
    for (case, found) in evaluated(&nixos) {
        let staged = Staged::new(case);
        let user = staged.user("{ networking.nftables.enable = true; }");
        let nftables =
            nixos.evaluate(&staged, Some(&user)).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let of_case =
            [found, &nftables].into_iter().flat_map(|found| machines(case, found)).flat_map(planted::faults);
        faults.extend(of_case.map(|fault| format!("{} {fault}", case.name)));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_examples_machines_get_all_of_it_beside_what_their_own_files_say() {
    let Some(nixos) = NixOs::find() else { return };
    let (case, alone) = evaluated(&nixos).iter().find(|(case, _)| case.name == "example").unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = [("hosts", project.join("hosts")), ("inventory", project.join("machines.nix"))];
    let found = nixos.evaluate_with(&Staged::new(case), &beside).unwrap();
    for (on, alone) in machines(case, &found).zip(machines(case, alone)) {
        let faults: Vec<_> = planted::faults(on);
        // The example names nobody's key, and its machines say so.
        let expected = "names no key, so that nobody can log in";
        assert!(faults.iter().all(|fault| fault.ends_with(expected)), "{faults:#?}");
        let interface = &on.facts["interfaces"][on.machine.interface().unwrap()]["ipv4"];
        assert!(interface["addresses"].to_string().contains(&on.ip()), "{interface}");
        assert_eq!(interface["routes"], route_of(alone), "{}", on.machine.name());
        for (unit, before) in alone.facts["services"].as_object().unwrap() {
            assert_eq!(on.facts["services"][unit]["serviceConfig"], before["serviceConfig"], "{unit}");
        }
    }
}

/// The routes that our own modules give the machine's interface.
fn route_of(on: On<'_>) -> Json {
    let routes = &on.facts["interfaces"][on.machine.interface().unwrap()]["ipv4"]["routes"];
    if routes.is_null() { Json::Array(Vec::new()) } else { routes.clone() }
}

#[test]
fn what_differs_between_masters_differs_between_all_of_them() {
    let Some(nixos) = NixOs::find() else { return };
    for (case, found) in evaluated(&nixos) {
        for name in ["bgp_routerid", "priority"] {
            let mut seen = BTreeMap::new();
            for on in machines(case, found).filter(|on| on.machine.master()) {
                let value = match name {
                    "priority" => priority(on),
                    _ => on
                        .kube_vip()
                        .ok()
                        .and_then(|_| on.kube_vip_variable(name).unwrap().map(str::to_owned)),
                };
                if let Some(other) = value.clone().and_then(|value| seen.insert(value, on.machine.name())) {
                    panic!("{}: {name} of {other} and {} is {value:?}", case.name, on.machine.name());
                }
            }
        }
    }
}

/// The priority in keepalived's configuration.
fn priority(on: On<'_>) -> Option<String> {
    let unit = on.unit("keepalived").ok()?.to_string();
    let rest = unit.split_once("\\n  priority ")?.1;
    Some(rest.split("\\n").next()?.to_owned())
}

#[test]
fn the_rigs_own_nix_is_as_nixfmt_leaves_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nixos");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "nix")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(nixfmt_rs::format(&text).unwrap(), text, "{}", path.display());
    }
}

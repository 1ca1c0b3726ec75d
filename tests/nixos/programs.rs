//! Command lines and environments as NixOS' modules make them of ours, shown to the programs themselves: each flag and
//! each variable must be one that they know.

use std::process::Command;

use crate::cluster::peer::{Peer, find};
use crate::facts::On;
use crate::rig::NixOs;
use crate::{evaluated, machines};

/// What the words of a unit are to the program itself: after them comes the wish for help, which is granted when all of
/// them are flags that it knows, with values of their types.
fn understands(mut program: Command, words: &[String]) -> Result<(), String> {
    let output = program.args(words).arg("--help").output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(error.lines().last().unwrap_or_default().to_owned()) }
}

/// The machines of all goldens that have a unit.
fn with_unit(nixos: &NixOs, unit: &'static str) -> impl Iterator<Item = (&'static str, On<'static>)> {
    let all = evaluated(nixos).iter();
    let all = all.flat_map(|(case, found)| machines(case, found).map(|on| (case.name.as_str(), on)));
    all.filter(move |(_, on)| on.has_unit(unit))
}

#[test]
fn kubernetes_knows_each_flag_of_its_control_plane() {
    let Some(nixos) = NixOs::find() else { return };
    let Some(programs) = find(Peer::Kubernetes) else { return };
    for unit in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        let program = || Command::new(programs.path(unit));
        for (case, on) in with_unit(&nixos, unit) {
            let words = on.words(unit).unwrap();
            let known = understands(program(), &words[1..]);
            known.unwrap_or_else(|why| panic!("{case} {}: {unit}: {why}", on.machine.name()));
        }
        assert!(understands(program(), &["--requestheader-names=x".to_owned()]).is_err(), "{unit}");
    }
}

#[test]
fn etcd_knows_each_variable_of_its_environment() {
    let Some(nixos) = NixOs::find() else { return };
    let Some(programs) = find(Peer::Etcd36) else { return };
    // It says what it does not know, and then ends for want of its certificates.
    let said = |on: On<'_>, more: (&str, &str)| {
        let folder = tempfile::tempdir().unwrap();
        let environment = on.unit("etcd").unwrap()["environment"].as_object().unwrap();
        let variables = environment.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let mut etcd = Command::new(programs.path("etcd"));
        etcd.env_clear().envs(variables).env("ETCD_DATA_DIR", folder.path()).env(more.0, more.1);
        // What the unit reads of its own file.
        etcd.env(
            "ETCD_INITIAL_CLUSTER",
            format!("{}={}", on.machine.name(), environment["ETCD_LISTEN_PEER_URLS"]),
        );
        let output = etcd.output().expect("etcd starts");
        assert!(!output.status.success(), "there are no certificates");
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    let unknown = |text: &str| {
        let faults =
            ["unrecognized environment variable", "invalid value", "invalid feature", "unknown feature"];
        // NixOS' module sets this one, which is empty, for releases before 3.6.
        let mut lines = text.lines().filter(|line| !line.contains("ETCD_DISCOVERY=\""));
        lines.find(|line| faults.iter().any(|fault| line.contains(fault))).map(str::to_owned)
    };
    let mut members = 0;
    for (case, on) in with_unit(&nixos, "etcd") {
        let text = said(on, ("HOME", "/"));
        assert_eq!(unknown(&text), None, "{case} {}", on.machine.name());
        assert!(text.contains("etcd-peer.crt") || text.contains("etcd-server.crt"), "{case}: {text}");
        assert!(unknown(&said(on, ("ETCD_FEATURE_GATE", "x"))).is_some(), "{text}");
        members += 1;
    }
    assert!(members > 0);
}

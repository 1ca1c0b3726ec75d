//! What others wrote into a file is shown on a terminal and does not steer it.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod project;

use project::{Project, machines};
use quorate_pki::facts::CertFacts;

#[test]
fn a_line_break_in_a_name_makes_no_line_of_ours() {
    let project = Project::generated(&machines(1, ""));
    let mut der =
        CertFacts::chain_from_pem(project.read("certs/ca/root.crt").as_bytes()).unwrap().remove(0).der;
    // As long as it was, in its subject and in its issuer.
    let (name, forged) = (b"kubernetes-root-ca", b"k\nhint: run mallor");
    for at in 0..der.len() - name.len() {
        if der[at..].starts_with(name) {
            der[at..at + name.len()].copy_from_slice(forged);
        }
    }
    let forged = CertFacts::from_der(&der).unwrap().pem();
    project.write("foreign.crt", &forged);
    project.write("certs/ca/root.crt", &forged);
    let shown = project.pki(["show", "foreign.crt"]).expect(0).stdout;
    let told = project.pki(["gen", "certs"]).expect(2).stderr;
    for text in [shown, told] {
        assert!(!text.lines().any(|line| line.starts_with("hint: run mallor")), "{text}");
    }
}

/// Clears the line and colours what follows.
const STEERS: &str = "\u{1b}[2K\u{1b}[31m";

fn is_tame(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_control() && letter != '\n') && text.contains('\u{fffd}')
}

#[test]
fn a_certificate_with_escapes_in_its_name_is_shown_without_them() {
    let project = Project::generated(&machines(1, ""));
    let mut der =
        CertFacts::chain_from_pem(project.read("certs/ca/root.crt").as_bytes()).unwrap().remove(0).der;
    // Its subject and issuer end in `root`.
    for at in 0..der.len() - 4 {
        if der[at..].starts_with(b"root") {
            der[at..at + 4].copy_from_slice(b"\x1b[2K");
        }
    }
    project.write("foreign.crt", CertFacts::from_der(&der).unwrap().pem());
    let shown = project.pki(["show", "foreign.crt"]).expect(0).stdout;
    assert!(shown.contains("[2K") && is_tame(&shown), "{shown:?}");
}

#[test]
fn a_manifest_with_escapes_in_a_name_is_refused_without_them() {
    let project = Project::generated(&machines(1, ""));
    let manifest = project.read("certs/manifest.json").replacen("\"cluster\"", &format!("{STEERS:?}"), 1);
    project.write("certs/manifest.json", manifest.replace("\\u{1b}", "\\u001b"));
    let told = project.pki(["gen", "certs"]).expect(2).stderr;
    assert!(told.contains("[31m") && is_tame(&told), "{told:?}");
}

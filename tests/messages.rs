//! Every message that a user can meet, in one snapshot to be read aloud: the thing, what was found, what was expected,
//! what to do. Most are told by a run of `pki` or `secrets`; `(no run)` marks the few that no run can bring about.
//!
//! A sentence of the sources that no case tells fails the second test: add a row to the file of its section.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

#[path = "messages/admins.rs"]
mod admins;
#[path = "messages/adopt.rs"]
mod adopt;
#[path = "messages/case.rs"]
mod case;
#[path = "messages/certs.rs"]
mod certs;
#[path = "messages/cluster.rs"]
mod cluster;
#[path = "messages/coverage.rs"]
mod coverage;
#[path = "messages/creation.rs"]
mod creation;
#[path = "messages/deploy.rs"]
mod deploy;
#[path = "messages/edits.rs"]
mod edits;
#[path = "messages/evaluation.rs"]
mod evaluation;
#[path = "messages/init.rs"]
mod init;
#[path = "messages/keys.rs"]
mod keys;
#[path = "messages/literals.rs"]
mod literals;
#[path = "messages/modules.rs"]
mod modules;
#[path = "messages/people.rs"]
mod people;
mod project;
#[path = "messages/router.rs"]
mod router;
#[path = "messages/sealed.rs"]
mod sealed;
#[path = "messages/shell.rs"]
mod shell;
#[path = "messages/stores.rs"]
mod stores;
#[path = "messages/syntax.rs"]
mod syntax;
#[path = "messages/values.rs"]
mod values;
#[path = "messages/verbs.rs"]
mod verbs;

use std::sync::OnceLock;

use case::Case;
use rayon::prelude::*;

/// A title, and the rows below it.
type Section = (&'static str, fn() -> Vec<Case>);

/// By where a person meets them.
const SECTIONS: &[Section] = &[
    ("the inventory: what is no file to read", syntax::files),
    ("the inventory: what is not Nix", syntax::nix),
    ("the inventory: what is not JSON", syntax::json),
    ("the inventory: wrong expressions", evaluation::wrong),
    ("the inventory: what the built-in evaluator does not know", evaluation::unknown),
    ("the inventory: too much", evaluation::limits),
    ("the inventory: by the program nix", evaluation::program),
    ("the inventory: the rules of the cluster", cluster::rules),
    ("the inventory: more of the same rules", cluster::more_rules),
    ("the inventory: of other programs", cluster::dialects),
    ("certs/: certificates, manifest, public files", certs::certificates),
    ("certs/: host keys", certs::host_keys),
    ("authorities made elsewhere", adopt::attributes),
    ("authorities made elsewhere: what is rare", adopt::rare),
    ("authorities made elsewhere: their files", adopt::files),
    ("authorities made elsewhere: and a PKI", adopt::existing),
    ("sealed files: what anybody can see", sealed::read),
    ("sealed files: what is seen once they are opened", sealed::open),
    ("identities", people::identities),
    ("recipients", people::recipients),
    (".sops.yaml", people::sops_yaml),
    ("the disk, and runs that were interrupted", shell::disk),
    ("the command line", shell::command_line),
    ("a new repository", init::repository),
    ("what is done, and why", certs::reasons),
    ("what is done, and why: sealed files and time", certs::more_reasons),
    ("secrets: a text to be sealed", stores::plaintext),
    ("secrets: from one store to another", stores::conversions),
    ("secrets: sealed files, and paths in them", stores::sealed),
    ("secrets: the rules of .sops.yaml", creation::rules),
    ("secrets: passphrases", keys::passphrases),
    ("secrets: plugins", keys::plugins),
    ("secrets: groups of keys", keys::groups),
    ("secrets: editors", edits::editors),
    ("secrets: other programs", edits::programs),
    ("secrets: somebody else at work", edits::others),
    ("secrets: memory for the text", edits::storage),
    ("secrets: before a commit", verbs::check),
    ("secrets: a new identity", verbs::keygen),
    ("secrets: admins come and go", admins::come_and_go),
    ("secrets: sealed anew", admins::anew),
    ("deploy: which machines", deploy::which),
    ("deploy: what must stand in the repository", deploy::repository),
    ("deploy: what answers", deploy::answers),
    ("deploy: what becomes of it", deploy::runs),
    ("the router's side", router::router),
    ("passwords of BGP and VRRP", router::passwords),
    ("modules: what is written, and what is not", modules::modules),
    ("modules: the record", modules::records),
    ("modules: people's own secrets", modules::secrets),
    ("no run: the system", values::system),
    ("no run: sealing", values::sealing),
    ("no run: issuing and judging", values::issuing),
];

/// All of it, told once.
fn everything() -> &'static str {
    static TOLD: OnceLock<String> = OnceLock::new();
    TOLD.get_or_init(|| {
        let mut text = String::new();
        for (title, cases) in SECTIONS {
            let told: Vec<String> = cases()
                .par_iter()
                .map(|case| format!("# {}\n{}\n", case.what, (case.told)().trim_end()))
                .collect();
            let rule = "=".repeat(title.len());
            text += &[&rule, *title, &rule, "", &told.join("\n"), ""].join("\n");
        }
        text
    })
}

#[test]
fn every_message_names_the_thing_what_was_found_what_was_expected_and_what_to_do() {
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("every_message", everything());
    });
}

#[test]
fn no_message_repeats_a_value() {
    // What the cases have for a secret. What was typed is no message.
    let mut messages = everything().lines().filter(|line| !line.starts_with("$ "));
    assert_eq!(messages.find(|line| line.contains("hunter2")), None);
}

#[test]
fn every_message_is_in_the_house_style() {
    let faults = coverage::faults_of_style(everything());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_sentence_of_the_sources_is_told_by_a_case() {
    let gaps = coverage::gaps(everything());
    assert!(gaps.is_empty(), "{} gaps; add a row to tests/messages/\n{}", gaps.len(), gaps.join("\n"));
}

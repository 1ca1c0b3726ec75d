//! Creation rules held against sops: whom it seals a new file to, and how, is what we read in the same `.sops.yaml`.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod cluster;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::peer::{self, Peer, Programs};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quorate::rules::files::RuleFiles;
use quorate_secrets::rules::{Creation, RuleFault, RulesError, SELECTORS, creation_rule};
use serde_json::Value;

const READERS: [&str; 3] = [
    "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg",
    "age1m943dqxe0x9semctmjzdrhanjyl876dt0nyxjlcwwemzzhu2f4wq3fep6p",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKDhXZVvBswIiUlpxB2TajT8oHqIjG6lDgoJBXXKIkuc root@vm",
];

/// What can be seen of a rule in a file that was sealed by it.
#[derive(Debug, PartialEq, Eq)]
struct Sealing {
    groups: Vec<BTreeSet<String>>,
    threshold: Option<u64>,
    selector: Option<(String, String)>,
    mac_only_encrypted: bool,
    /// What a level of JSON begins with.
    indent: String,
}

impl Sealing {
    /// What sops does in this folder. `None` where it refuses.
    fn by_sops(sops: &Programs, folder: &Path, path: &str) -> Option<Self> {
        let mut command = Command::new(sops.path("sops"));
        command.args([
            "encrypt",
            "--input-type",
            "json",
            "--output-type",
            "json",
            "--filename-override",
            path,
        ]);
        let output =
            command.arg("plain.json").current_dir(folder).env_clear().env("HOME", folder).output().unwrap();
        if !output.status.success() {
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let sealed: Value = serde_json::from_str(&text).unwrap();
        let metadata = &sealed["sops"];
        let readers = |group: &Value| -> BTreeSet<String> {
            let stanzas = group["age"].as_array().cloned().unwrap_or_default();
            stanzas.iter().map(|stanza| stanza["recipient"].as_str().unwrap().to_owned()).collect()
        };
        let groups = match metadata["key_groups"].as_array() {
            Some(groups) => groups.iter().map(readers).collect(),
            None => vec![readers(metadata)],
        };
        // What sops writes where a rule names none.
        let default = ("unencrypted_suffix", "_unencrypted");
        let selectors = SELECTORS.iter().filter_map(|field| Some((*field, metadata[field].as_str()?)));
        let selector = selectors.into_iter().find(|selector| *selector != default);
        let line = text.lines().nth(1).unwrap();
        Some(Self {
            groups,
            threshold: metadata["shamir_threshold"].as_u64(),
            selector: selector.map(|(field, text)| (field.to_owned(), text.to_owned())),
            mac_only_encrypted: metadata["mac_only_encrypted"].as_bool().unwrap_or(false),
            indent: line.chars().take_while(|letter| letter.is_whitespace()).collect(),
        })
    }

    fn by_us(creation: &Creation, indent: Option<usize>) -> Self {
        let readers =
            |group: &quorate_secrets::rules::Group| group.age.iter().map(ToString::to_string).collect();
        let groups: Vec<BTreeSet<String>> = creation.groups.iter().map(readers).collect();
        // sops writes the number that it takes for none.
        let all = (groups.len() > 1).then_some(groups.len());
        Self {
            threshold: creation.threshold.or(all).map(|threshold| threshold as u64),
            groups,
            selector: creation.selector.clone().map(|(field, text)| (field.to_owned(), text)),
            mac_only_encrypted: creation.mac_only_encrypted,
            indent: indent.map_or("\t".to_owned(), |blanks| " ".repeat(blanks)),
        }
    }
}

/// Recipients as people write them: a text with commas or a list.
fn recipients(bare: bool) -> impl Strategy<Value = String> {
    (prop::collection::vec(0..READERS.len(), 1..4), 0..3).prop_map(move |(which, form)| {
        let names: Vec<&str> = which.iter().map(|which| READERS[*which]).collect();
        match form {
            0 if bare => format!("'{}'", names.join(",")),
            1 => format!("['{}']", names.join(" , ")),
            _ => format!("[{}]", names.join(", ")),
        }
    })
}

fn group() -> impl Strategy<Value = String> {
    let merge = prop::option::weighted(0.3, recipients(false));
    (prop::option::weighted(0.95, recipients(false)), merge).prop_map(|(age, merge)| {
        let fields = age.map(|age| format!("age: {age}")).into_iter();
        let merge = merge.map(|age| format!("merge: [{{age: {age}}}]"));
        format!("{{{}}}", fields.chain(merge).collect::<Vec<_>>().join(", "))
    })
}

fn rule() -> impl Strategy<Value = String> {
    let regex = prop::sample::select(vec![
        "",
        "^a",
        "a/.*\\.yaml$",
        "^a/b\\.yaml$",
        "(?i)B",
        "^/",
        "[ab]{2}",
        "x",
        "/a",
        "",
        "(",
        "^\\w+\\.yaml$",
        "\\W\\.",
        "\\bb",
    ]);
    let selector = prop::sample::select(SELECTORS.to_vec());
    let selectors =
        prop::collection::vec((selector, prop::sample::select(vec!["x$", "_s", "x", "_s$", "", "("])), 0..2);
    let keys = prop_oneof![
        8 => recipients(true).prop_map(|age| format!("  age: {age}\n")),
        8 => prop::collection::vec(group(), 1..4)
            .prop_map(|groups| format!("  key_groups: [{}]\n", groups.join(", "))),
        1 => Just("  age: ''\n".to_owned()),
        1 => Just("  age: age1nobody\n".to_owned()),
        1 => recipients(false).prop_map(|age| format!("  age: {age}\n  key_groups: [{{age: {age}}}]\n")),
    ];
    let threshold = prop::option::weighted(0.3, 0..4);
    (regex, keys, selectors, threshold, any::<bool>()).prop_map(|(regex, keys, selectors, threshold, mac)| {
        let mut text = format!("- path_regex: '{regex}'\n{keys}");
        for (field, value) in selectors {
            let _ = writeln!(text, "  {field}: '{value}'");
        }
        if let Some(threshold) = threshold {
            let _ = writeln!(text, "  shamir_threshold: {threshold}");
        }
        if mac {
            text += "  mac_only_encrypted: true\n";
        }
        text
    })
}

fn config() -> impl Strategy<Value = String> {
    let stores = prop::option::weighted(0.3, -1..5);
    (prop::collection::vec(rule(), 0..5), stores).prop_map(|(rules, stores)| {
        let stores = stores.map(|indent| format!("stores: {{json: {{indent: {indent}}}}}\n"));
        format!("{}creation_rules:\n{}", stores.unwrap_or_default(), rules.concat())
    })
}

/// Whether this is what we refuse and sops passes over.
fn is_stricter(error: &RulesError) -> bool {
    matches!(
        error,
        RulesError::Rule {
            fault: RuleFault::BesideGroups { .. }
                | RuleFault::Threshold { groups: 1, .. }
                | RuleFault::Nobody { group: Some(_) }
                | RuleFault::Selectors { .. }
                | RuleFault::Regex { .. },
            ..
        } | RulesError::Regex { .. }
    )
}

#[test]
fn a_new_file_is_sealed_as_sops_seals_it_by_the_same_rules() {
    let Some(sops) = peer::find(Peer::Sops) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plain.json"), "{\"x\": \"1\"}").unwrap();
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    let (agreed, refused, stricter) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |cell: &Cell<usize>| cell.set(cell.get() + 1);
    let paths = prop::sample::select(vec!["a/b.yaml", "b/a.yaml", "x", "a", "a/x.yaml", "ä.yaml", "äb.yaml"]);
    let outcome = runner.run(&(config(), paths), |(text, path)| {
        fs::write(folder.path().join(".sops.yaml"), &text).unwrap();
        let theirs = Sealing::by_sops(&sops, folder.path(), path);
        let governed =
            RuleFiles::default().governing(&folder.path().join(path)).map_err(|error| error.to_string());
        let error = creation_rule(&text, path).err();
        let ours = governed.ok().flatten().and_then(|governed| {
            let creation = governed.creation_to_seal().ok()?;
            Some(Sealing::by_us(creation, governed.rules.rules.indents.json))
        });
        match (&ours, &theirs) {
            (Some(ours), Some(theirs)) => {
                count(&agreed);
                prop_assert_eq!(ours, theirs, "{} in\n{}", path, text);
            }
            (None, None) => count(&refused),
            (None, Some(_)) => {
                count(&stricter);
                prop_assert!(
                    error.as_ref().is_some_and(is_stricter),
                    "{:?} for {} in\n{}",
                    error,
                    path,
                    text
                );
            }
            (Some(_), None) => prop_assert!(false, "sops refuses {} in\n{}", path, text),
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    let (agreed, refused, stricter) = (agreed.get(), refused.get(), stricter.get());
    assert!(
        agreed > 10 && refused > 10,
        "{agreed} agreed, {refused} refused, {stricter} refused by us alone"
    );
}

//! `.sops.yaml` as `secrets` follows it: rules that say nothing that can be done.

use crate::case::{Case, own_recipient, secrets, secrets_with};

/// Sealing a file below `secrets/` by these rules; `AGE` in them is the person's recipient.
fn sealing(what: &str, rules: &'static str) -> Case {
    secrets_with(what, &["encrypt", "--filename", "secrets/new.yaml", "-"], &[], "a: 1\n", move |project| {
        project.write(".sops.yaml", rules.replace("AGE", &own_recipient(project)));
    })
}

/// What is wrong with a file of rules, or with one of them.
pub(crate) fn rules() -> Vec<Case> {
    vec![
        sealing("no YAML", "creation_rules: [\n"),
        sealing("a list for the file", "- a\n"),
        sealing("a map for the rules", "creation_rules: {a: b}\n"),
        sealing("a text for a rule", "creation_rules: [text]\n"),
        sealing("a slip at the top", "creation_rule: []\n"),
        sealing("a slip in a rule", "creation_rules: [{path_regexp: x, age: AGE}]\n"),
        sealing("a field that is none", "creation_rules: [{age: AGE, zzz: 1}]\n"),
        sealing("a key that is no text", "creation_rules: [{age: AGE, [1]: 1}]\n"),
        sealing("a number for recipients", "creation_rules: [{age: 1}]\n"),
        sealing("a text for the recipients of a group", "creation_rules: [{key_groups: [{age: AGE}]}]\n"),
        sealing("a text for the groups", "creation_rules: [{key_groups: AGE}]\n"),
        sealing("a text for yes or no", "creation_rules: [{age: AGE, mac_only_encrypted: maybe}]\n"),
        sealing("a number for an expression", "creation_rules: [{path_regex: 1, age: AGE}]\n"),
        sealing("a text for a threshold", "creation_rules: [{age: AGE, shamir_threshold: two}]\n"),
        sealing("a threshold of one group", "creation_rules: [{age: AGE, shamir_threshold: 2}]\n"),
        sealing(
            "a threshold of three in two groups",
            "creation_rules: [{shamir_threshold: 3, key_groups: [{age: [AGE]}, {age: [AGE]}]}]\n",
        ),
        sealing(
            "two rules for values",
            "creation_rules: [{age: AGE, encrypted_regex: a, encrypted_suffix: b}]\n",
        ),
        sealing("keys beside groups", "creation_rules: [{age: AGE, key_groups: [{age: [AGE]}]}]\n"),
        sealing("an expression that does not compile", "creation_rules: [{path_regex: '(', age: AGE}]\n"),
        sealing("one of values that does not", "creation_rules: [{age: AGE, encrypted_regex: '('}]\n"),
        sealing("a recipient that is none", "creation_rules: [{age: age1typo}]\n"),
        sealing("a text for a recipient", "creation_rules: [{age: anna}]\n"),
        sealing(
            "a recipient of ECDSA",
            "creation_rules: [{age: ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY=}]\n",
        ),
        sealing("an identity for a recipient", "creation_rules: [{age: 'key age-secret-key-1abc'}]\n"),
        sealing("nobody", "creation_rules: [{path_regex: x}, {age: []}]\n"),
        sealing("nobody in a group", "creation_rules: [{key_groups: [{age: [AGE]}, {age: []}]}]\n"),
        sealing(
            "a key of PGP",
            "creation_rules: [{age: AGE, pgp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4}]\n",
        ),
        sealing("an indent of YAML that is none", "stores: {yaml: {indent: 40}}\n"),
        sealing("an indent of JSON that is none", "stores: {json: {indent: x}}\n"),
        sealing("an indent of binary files that is none", "stores: {json_binary: {indent: 40}}\n"),
        sealing("a rule for other files", "creation_rules: [{path_regex: ^other/, age: AGE}]\n"),
        sealing("a file without rules", "stores: {}\n"),
        secrets(
            "no rules at all",
            &["encrypt", "secrets/db.yaml", "--filename", "/nowhere/a.yaml"],
            |project| {
                project.write("secrets/db.yaml", "a: 1\n");
            },
        ),
        secrets("rules under another name", &["encrypt", "-i", "inner/a.yaml"], |project| {
            std::fs::rename(project.path(".sops.yaml"), project.path(".sops.yml")).unwrap();
            project.write("inner/a.yaml", "a: 1\n");
        }),
        secrets(
            "other rules under another name",
            &["encrypt", "a.yaml", "-o", "secrets/a.yaml"],
            |project| {
                project.write("secrets/.sops.yml", "creation_rules: []\n");
                project.write("a.yaml", "a: 1\n");
            },
        ),
        secrets(
            "rules that are not there",
            &["encrypt", "--config", "nowhere.yaml", "secrets/db.yaml"],
            |project| project.write("secrets/db.yaml", "a: 1\n"),
        ),
    ]
}

//! `.sops.yaml` as sops reads it: what a rule says of a file, and what is refused that sops passes over in silence.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;

use proptest::prelude::*;
use quorate_secrets::rules::{
    Creation, CreationRules, Indents, RuleFault, RulesError, creation_rule, rule_for,
};

const A: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";
const B: &str = "age1m943dqxe0x9semctmjzdrhanjyl876dt0nyxjlcwwemzzhu2f4wq3fep6p";
const SSH: &str = include_str!("vectors/sops/keys/sshk.pub");

/// A file of rules; `A` and `B` stand for recipients.
fn rules(text: &str) -> String {
    text.replace("<A>", A).replace("<B>", B).replace("<SSH>", SSH.trim())
}

/// The only rule's creation, for any path.
fn only(fields: &str) -> Result<Creation, RulesError> {
    let lines: String = fields.lines().fold(String::new(), |mut text, line| {
        writeln!(text, "    {line}").unwrap();
        text
    });
    creation_rule(&rules(&format!("creation_rules:\n  - path_regex: .*\n{lines}")), "a.yaml")
}

fn age(creation: &Creation) -> Vec<Vec<String>> {
    creation.groups.iter().map(|group| group.age.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn the_first_rule_that_matches_is_the_one() {
    let text = rules(
        "creation_rules:\n\
         - {path_regex: 'secrets/cp1/.*', age: <A>}\n\
         - {path_regex: '\\.env$', age: <B>, encrypted_regex: ^PASS}\n\
         - {age: '<A>, <B>,', mac_only_encrypted: true}\n\
         - {path_regex: '^never$', age: <A>}\n",
    );
    let parsed = CreationRules::parse(&text).unwrap();
    for (path, number, readers) in [
        ("secrets/cp1/a.env", 1, vec![A]),
        ("old/secrets/cp1/a.env", 1, vec![A]),
        ("a.env", 2, vec![B]),
        ("never", 3, vec![A, B]),
        ("/elsewhere/a.yaml", 3, vec![A, B]),
    ] {
        let found = parsed.for_path(path).unwrap();
        assert_eq!(
            (found.number, age(found).concat()),
            (number, readers.iter().map(ToString::to_string).collect())
        );
        assert_eq!(found, &creation_rule(&text, path).unwrap());
    }
    let env = parsed.for_path("a.env").unwrap();
    assert_eq!(env.selector, Some(("encrypted_regex", "^PASS".to_owned())));
    assert!(!env.mac_only_encrypted && parsed.for_path("x").unwrap().mac_only_encrypted);
    assert_eq!(env.path_regex.as_deref(), Some("\\.env$"));
}

#[test]
fn keys_are_a_text_with_commas_or_a_list_and_each_counts_once() {
    for (fields, expected) in [
        ("age: <A>,<B>", vec![vec![A, B]]),
        ("age: >-\n  <A>,\n  <B>", vec![vec![A, B]]),
        ("age: [<B>, '<A>,<B>']", vec![vec![B, A]]),
        ("age: [<SSH>]", vec![vec![SSH.trim()]]),
        ("key_groups: [{age: [<A>]}, {age: ['<B>,<A>']}]", vec![vec![A], vec![B, A]]),
        ("key_groups: [{merge: [{age: [<B>]}, {merge: [{age: [<A>]}]}], age: [<A>]}]", vec![vec![B, A]]),
        ("key_groups: []\nage: <A>", vec![vec![A]]),
        ("shamir_threshold: 0\nencrypted_regex: ''\nage: <A>", vec![vec![A]]),
    ] {
        let found = only(fields).unwrap();
        assert_eq!(age(&found), expected, "{fields}");
        assert_eq!((found.threshold, found.selector), (None, None), "{fields}");
    }
    let two = only("key_groups: [{age: [<A>]}, {age: [<B>]}, {age: [<SSH>]}]\nshamir_threshold: 2").unwrap();
    assert_eq!((two.threshold, two.groups.len()), (Some(2), 3));
}

#[test]
fn anchors_stand_where_people_put_them() {
    let text = rules(
        "keys:\n  - &admin <A>\n  - &hosts [<B>]\n.defaults: &defaults\n  mac_only_encrypted: true\n\
         creation_rules:\n  - <<: *defaults\n    age: [*admin]\n    path_regex: ^a$\n  - key_groups: [{age: [*admin]}]\n\
         destination_rules:\n  - whatever: [this, is]\n",
    );
    let parsed = CreationRules::parse(&text).unwrap();
    assert_eq!(age(parsed.for_path("a").unwrap()), [[A]]);
    assert!(parsed.for_path("a").unwrap().mac_only_encrypted);
    assert_eq!(age(parsed.for_path("b").unwrap()), [[A]]);
}

#[test]
fn foreign_keys_are_told_as_sops_names_them_and_refused_for_sealing() {
    let flat =
        only("age: <A>\npgp: 'FBC7, 85D7'\nkms: [arn:aws:kms:x]\nhc_vault_transit_uri: https://v/k").unwrap();
    let told: Vec<_> =
        flat.groups[0].foreign.iter().map(|key| (key.field.as_str(), key.text.as_str())).collect();
    let expected =
        [("pgp", "FBC7"), ("pgp", "85D7"), ("kms", "arn:aws:kms:x"), ("hc_vault_transit_uri", "https://v/k")];
    assert_eq!(told, expected);
    let error = flat.refuse_foreign().unwrap_err();
    assert_eq!(error, RulesError::Rule { number: 1, fault: RuleFault::Foreign { field: "pgp".to_owned() } });
    let groups = only(
        "key_groups:\n- age: [<A>]\n  pgp: [FBC7]\n- kms: [{arn: a, role: r, context: {x: y}}]\n  \
         azure_keyvault: [{vaultUrl: https://v, key: k, version: w}]\n  hc_vault: [https://v/k]\n  \
         gcp_kms: [{resource_id: projects/p}]\n  hckms: [{key_id: r:k}]",
    )
    .unwrap();
    let told: Vec<_> =
        groups.groups[1].foreign.iter().map(|key| format!("{} {}", key.field, key.text)).collect();
    let expected = [
        "key_groups[2].hc_vault https://v/k",
        "key_groups[2].kms[1] a+r",
        "key_groups[2].gcp_kms[1] projects/p",
        "key_groups[2].hckms[1] r:k",
        "key_groups[2].azure_keyvault[1] https://v/keys/k/w",
    ];
    assert_eq!(told, expected);
    assert!(only("age: <A>").unwrap().refuse_foreign().is_ok());
}

#[test]
fn stores_say_how_deep_a_level_is_indented() {
    let read = |stores: &str| CreationRules::parse(&format!("stores: {stores}")).map(|rules| rules.indents);
    let default = Indents { yaml: 4, json: None, json_binary: None };
    assert_eq!(CreationRules::parse("").unwrap().indents, default);
    for (stores, expected) in [
        ("{}", default),
        ("{yaml: {indent: 0}, json: {indent: -1}}", default),
        ("{yaml: {indent: 2}}", Indents { yaml: 2, ..default }),
        ("{yaml: {indent: 1}}", Indents { yaml: 2, ..default }),
        (
            "{json: {indent: 0}, json_binary: {indent: 8}}",
            Indents { json: Some(0), json_binary: Some(8), ..default },
        ),
    ] {
        assert_eq!(read(stores).unwrap(), expected, "{stores}");
    }
}

#[test]
fn a_file_without_rules_is_empty_and_has_none_for_any_path() {
    for text in ["", "# nothing\n", "stores: {}\n", "creation_rules: []\n", "destination_rules: []\n"] {
        let parsed = CreationRules::parse(text).unwrap();
        assert!(parsed.is_empty());
        assert_eq!(parsed.for_path("a").unwrap_err(), RulesError::NoRule { path: "a".to_owned() });
    }
}

#[test]
fn what_sops_would_pass_over_in_silence_is_named_with_a_remedy() {
    let mut said = String::new();
    for fields in [
        "aeg: <A>",
        "age: <A>\nencryted_regex: ^x",
        "age: <A>\nrecipients: <A>",
        "age: <A>\nage-recipients: 1",
        "age: <A>\n1: 2",
        "key_groups: [{age: [<A>], pgps: []}]",
        "key_groups: [{merge: [{age: [<A>], keys: [x]}]}]",
        "key_groups: [{kms: [{arn: a, profile: x}]}]",
        "age: {a: b}",
        "age: [1]",
        "age: <A>\nmac_only_encrypted: 'yes'",
        "age: <A>\nshamir_threshold: two",
        "age: <A>\nshamir_threshold: -1",
        "age: <A>\nencrypted_suffix: [x]",
        "key_groups: <A>",
        "key_groups: [<A>]",
        "key_groups: [{age: <A>}]",
        "age: <A>\nencrypted_suffix: _s\nencrypted_regex: s",
        "age: <A>\nkey_groups: [{age: [<B>]}]",
        "pgp: FBC7\nkey_groups: [{age: [<B>]}]",
        "age: <A>\nencrypted_regex: '('",
        "age: age1nobody",
        "age: AGE-SECRET-KEY-1ZZDVESZS9FL087KCAK0THYRUCP4EKNJ9ZP9G9RNY3TZEH5PES4PQHVANR5",
        "key_groups: [{age: [<A>]}, {age: [<A>, nobody@example.org]}]",
        "age: ''",
        "mac_only_encrypted: false",
        "key_groups: [{age: [<A>]}, {age: []}]",
        "key_groups: [{age: [<A>]}, {age: [<B>]}]\nshamir_threshold: 3",
        "key_groups: [{age: [<A>]}, {age: [<B>]}]\nshamir_threshold: 1",
        "age: <A>\nshamir_threshold: 2",
    ] {
        let error = only(fields).expect_err(fields);
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    for text in [
        "creation_rule: []",
        "Stores: {}",
        "creation_rules: {age: <A>}",
        "creation_rules: [<A>]",
        "creation_rules: [null]",
        "[]",
        "text",
        "creation_rules: [{path_regex: '(', age: <A>}]",
        "creation_rules: [{path_regex: 5, age: <A>}]",
        "creation_rules: [{path_regex: ^b, age: <A>}]",
        "creation_rules: [{age: <A>, age: <B>}]",
        "stores: {yaml: {indent: 10}}",
        "stores: {yaml: {indents: 2}}",
        "stores: {yml: {indent: 2}}",
        "stores: {json: {indent: -2}}",
        "creation_rules: [{age: <A>}",
    ] {
        let error = creation_rule(&rules(text), "a.yaml").expect_err(text);
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    assert!(!said.contains("ZZDVESZS9FL087K"), "a private key in a message");
    insta::assert_snapshot!(said);
}

#[test]
fn a_wrong_rule_stands_in_nobodys_way_but_its_own() {
    let text = rules("creation_rules:\n- {path_regex: ^a, age: nobody}\n- {path_regex: ^b}\n- {age: <A>}\n");
    let parsed = CreationRules::parse(&text).unwrap();
    assert!(parsed.for_path("a").is_err() && parsed.for_path("b").is_err());
    assert_eq!(age(parsed.for_path("c").unwrap()), [[A]]);
}

/// Rules of a few signs that mean something, each for some of two readers.
fn many_rules() -> impl Strategy<Value = Vec<(String, usize)>> {
    let regex =
        prop::sample::select(vec!["", "a", "^a", "^a/.*b$", "^a/b$", "b$", "^(a|b)", "(?i)A", "/", "x{2}"]);
    prop::collection::vec((regex.prop_map(str::to_owned), 1..4_usize), 0..12)
}

proptest! {
    #[test]
    fn of_many_rules_the_one_is_found_that_trying_them_in_order_finds(
        many in many_rules(),
        paths in prop::collection::vec("[ab/x]{1,4}", 1..6),
    ) {
        let readers = |which: usize| [A, B].iter().enumerate().filter(|(at, _)| which & (1 << at) != 0).map(|(_, r)| *r).collect::<Vec<_>>();
        let lines = many.iter().map(|(regex, which)| format!("- {{path_regex: '{regex}', age: '{}'}}\n", readers(*which).join(",")));
        let text = format!("creation_rules:\n{}", lines.collect::<String>());
        let parsed = CreationRules::parse(&text).unwrap();
        for path in &paths {
            let tried = many.iter().position(|(regex, _)| regex::Regex::new(regex).unwrap().is_match(path));
            let found = parsed.for_path(path).ok();
            prop_assert_eq!(found.map(|found| found.number), tried.map(|at| at + 1));
            prop_assert_eq!(found.map(|found| age(found).concat()), tried.map(|at| readers(many[at].1).iter().map(ToString::to_string).collect()));
            prop_assert_eq!(rule_for(&text, path).unwrap().map(|found| found.number), tried.map(|at| at + 1));
        }
    }

    #[test]
    fn whatever_stands_there_is_an_error_or_a_rule_with_somebody(
        text in "(creation_rules:\n)?(- |  )?((path_regex|age|key_groups|merge|stores|kms|pgp|encrypted_regex|x): ?[a-z0-9^$.\\[\\]{},' -]{0,12}\n(  |- )?){0,6}",
        path in "[a-z/.]{0,8}",
    ) {
        match creation_rule(&text, &path) {
            Ok(creation) => prop_assert!(creation.groups.iter().all(|group| !group.age.is_empty() || !group.foreign.is_empty())),
            Err(error) => prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
        }
    }
}

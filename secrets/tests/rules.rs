//! `.sops.yaml`: ours between markers, every other byte the user's.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;

use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::rules::{Rule, RulesError, below, edit_rules, exactly, rule_for};

const ADMIN: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";
const MACHINE: &str = "age1m943dqxe0x9semctmjzdrhanjyl876dt0nyxjlcwwemzzhu2f4wq3fep6p";

fn rule(path_regex: &str, recipients: &[&str], paths: &[&str]) -> Rule {
    Rule {
        path_regex: path_regex.to_owned(),
        recipients: recipients.iter().map(|text| text.parse().unwrap()).collect(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

fn first() -> Vec<Rule> {
    vec![
        rule(r"^certs/cp1/keys\.yaml$", &[ADMIN, MACHINE], &["certs/cp1/keys.yaml"]),
        rule(r"^secrets/admins/.*\.yaml$", &[ADMIN], &["secrets/admins/a.yaml"]),
    ]
}

fn last() -> Vec<Rule> {
    vec![rule(r"^secrets/.*\.yaml$", &[ADMIN], &["secrets/a.yaml", "secrets/b/b.yaml"])]
}

fn edit(old: &str) -> Result<String, RulesError> {
    let new = edit_rules(Some(old), &first(), &last())?;
    assert_eq!(edit_rules(Some(&new), &first(), &last()).as_deref(), Ok(new.as_str()), "not idempotent");
    Ok(new)
}

/// The lines outside of our blocks.
fn user_lines(text: &str) -> String {
    let mut ours = false;
    let mut lines = String::new();
    for line in text.split_inclusive('\n') {
        if line.contains("# quorate: begin of") {
            ours = true;
        }
        if !ours {
            lines.push_str(line);
        }
        if line.contains("# quorate: end of") {
            ours = false;
        }
    }
    lines
}

#[test]
fn a_new_file_holds_our_rules_alone() {
    let new = edit_rules(None, &first(), &last()).unwrap();
    insta::assert_snapshot!(new);
    assert_eq!(edit_rules(Some(&new), &first(), &last()).unwrap(), new);
}

#[test]
fn every_byte_outside_of_the_markers_stays_the_users() {
    for old in [
        "# mine\ncreation_rules:\n  - path_regex: x\n    age: a\n",
        "creation_rules: # why\n# first\n- path_regex: x\n  age: >-\n    a,\n    b\n\n\n# after\nstores:\n  yaml: {indent: 2}\n",
        "keys:\n  - &admin age1x\ncreation_rules:\n    -\n      path_regex: x\n      age: *admin\n      # inside\n    # trailing\n",
        "stores:\n  yaml:\n    indent: 2\ncreation_rules:\n",
        "creation_rules:\nstores:\n  yaml:\n    indent: 2\n",
        "creation_rules:\r\n  - path_regex: x\r\n    age: a\r\n",
        "creation_rules:\n  - path_regex: x\n    key_groups:\n      - age: [a, b]\n        pgp: [c]\n",
        "# nothing but a comment\n",
        "---\ncreation_rules:\n  - path_regex: x\n    age: |\n      a\n",
        "x: {creation_rules: [1]}\ncreation_rules:\n  - age: a\n    path_regex: creation_rules\n",
    ] {
        let new = edit(old).unwrap_or_else(|error| panic!("{old}: {error}"));
        let rest = user_lines(&new);
        assert!(rest == old || rest == format!("{old}creation_rules:\n"), "{old:?} became {rest:?}");
        assert_eq!(new.contains("\r\n"), old.contains("\r\n"));
        assert!(
            !new.replace("\r\n", "").contains('\r')
                && (!old.contains('\r') || !new.replace("\r\n", "").contains('\n'))
        );
        assert_eq!(rule_for(&new, "certs/cp1/keys.yaml").unwrap().unwrap().recipients, [ADMIN, MACHINE]);
        assert_eq!(rule_for(&new, "secrets/a.yaml").unwrap().unwrap().recipients, [ADMIN]);
    }
}

#[test]
fn the_last_line_without_a_line_feed_gets_one() {
    let new = edit("creation_rules:\n  - path_regex: x\n    age: a").unwrap();
    assert_eq!(user_lines(&new), "creation_rules:\n  - path_regex: x\n    age: a\n");
    assert_eq!(user_lines(&edit("creation_rules:").unwrap()), "creation_rules:\n");
}

#[test]
fn a_carriage_return_at_the_very_end_becomes_a_line_break_once() {
    for old in ["# a\r", "# a\r\r", "creation_rules: # a\r"] {
        let new = edit(old).unwrap();
        assert!(new.starts_with(old) && new.replace("\r\n", "").find('\n').is_none(), "{new:?}");
    }
}

#[test]
fn ours_come_first_and_the_rest_comes_last_where_nobody_claims_it() {
    let new = edit("creation_rules:\n  - path_regex: ^certs/\n    age: other\n").unwrap();
    let number = |path: &str| rule_for(&new, path).unwrap().map(|found| found.number);
    assert_eq!(number("certs/cp1/keys.yaml"), Some(1));
    assert_eq!(number("certs/else.yaml"), Some(3));
    assert_eq!(number("secrets/a.yaml"), Some(4));

    let claimed = edit("creation_rules:\n  - path_regex: secrets/.*\\.yaml\n    age: other\n").unwrap();
    assert!(!claimed.contains("last rules"));
    assert_eq!(rule_for(&claimed, "secrets/a.yaml").unwrap().unwrap().recipients, ["other"]);
}

#[test]
fn a_rule_added_behind_the_last_block_comes_before_it_on_the_next_run() {
    let new = edit("creation_rules:\n  - path_regex: x\n    age: a\n").unwrap();
    let grown = format!("{new}  - path_regex: ^secrets/k8s\n    age: b\n");
    let new = edit(&grown).unwrap();
    assert_eq!(rule_for(&new, "secrets/k8s.yaml").unwrap().unwrap().recipients, ["b"]);
    assert_eq!(rule_for(&new, "secrets/a.yaml").unwrap().unwrap().recipients, [ADMIN]);
}

#[test]
fn changed_rules_replace_the_old_ones_in_place() {
    let old = edit("creation_rules:\n  - path_regex: x\n    age: a\n").unwrap();
    let fewer = edit_rules(Some(&old), &first()[..1], &[]).unwrap();
    assert_eq!(rule_for(&fewer, "secrets/admins/a.yaml").unwrap(), None);
    assert_eq!(
        edit_rules(Some(&fewer), &[], &[]).unwrap(),
        "creation_rules:\n  - path_regex: x\n    age: a\n"
    );
}

#[test]
fn a_foreign_rule_before_ours_is_an_error_only_where_it_catches_a_file_of_ours() {
    let block = edit_rules(None, &first(), &[]).unwrap().replace("creation_rules:\n", "");
    let before = |rule: &str| format!("creation_rules:\n  - {rule}\n    age: x\n{block}");
    let harmless = before("path_regex: ^other/");
    assert_eq!(edit_rules(Some(&harmless), &first(), &[]).unwrap(), harmless);
    assert_eq!(
        edit_rules(Some(&before("path_regex: keys")), &first(), &[]),
        Err(RulesError::Captured {
            number: 1,
            path_regex: Some("keys".to_owned()),
            path: "certs/cp1/keys.yaml".to_owned()
        })
    );
    let all = edit_rules(Some(&before("pgp: abc")), &first(), &[]).unwrap_err();
    insta::assert_snapshot!(format!("{all}\n{}", all.hint()), @r"
    rule 1 (no path_regex, so every file) stands before ours and catches `certs/cp1/keys.yaml`
    move that rule behind ours, or narrow its path_regex
    ");
}

#[test]
fn what_lines_cannot_be_put_into_is_refused_with_a_remedy() {
    let good = edit("").unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let without =
        |marker: &str| lines.iter().filter(|line| !line.contains(marker)).copied().collect::<String>();
    let mut said = String::new();
    for old in [
        "creation_rules: []\n",
        "creation_rules: [{path_regex: x, age: a}]\n",
        "{creation_rules: null}\n",
        "- a\n",
        "text\n",
        "creation_rules:\n  a: b\n",
        "creation_rules: [\n",
        "x: &x\n  - age: a\ncreation_rules: *x\n",
        "creation_rules:\n  - path_regex: (\n",
        "a: 1\n---\nb: 2\n",
        &without("begin of rules"),
        &without("end of rules"),
        &without("end of last"),
        &format!("{good}{good}"),
        &format!("{}creation_rules:\n", good.replace("creation_rules:", "other:")),
        &good
            .replace("  # quorate: begin of rules", "  - path_regex: y\n  # quorate: begin of rules")
            .replace("    age: >-", "    a: >-"),
    ] {
        let error = edit(old).expect_err(old);
        writeln!(said, "{error}\n  {}\n", error.hint()).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[test]
fn expressions_for_paths_match_those_alone() {
    assert_eq!(exactly("certs/cp-1/keys.yaml"), r"^certs/cp-1/keys\.yaml$");
    assert_eq!(below("secrets/all/"), r"^secrets/all/.*\.(yaml|yml|json|env|ini|bin|age)$");
    let path = r"a.b/(c)+[d]{e}^$|f?*\g.yaml";
    let text = edit_rules(None, &[rule(&exactly(path), &[ADMIN], &[path])], &[]).unwrap();
    for (other, matches) in [(path, true), ("a_b/(c)+[d]{e}^$|f?*\\g.yaml", false), ("x/a.b", false)] {
        assert_eq!(rule_for(&text, other).unwrap().is_some(), matches, "{other}");
    }
    let text =
        edit_rules(None, &[rule(&below("secrets/all"), &[ADMIN], &["secrets/all/a/b.env"])], &[]).unwrap();
    for (other, matches) in [
        ("secrets/all/x.yaml", true),
        ("secrets/all/README.md", false),
        ("secrets/allx/a.yaml", false),
        ("x/secrets/all/x.yaml", false),
    ] {
        assert_eq!(rule_for(&text, other).unwrap().is_some(), matches, "{other}");
    }
}

#[test]
fn a_rule_without_recipients_or_that_misses_its_own_file_is_refused() {
    let empty = Rule { recipients: Vec::new(), ..first().remove(0) };
    assert!(matches!(edit_rules(None, &[empty], &[]), Err(RulesError::NoRecipients { .. })));
    let missing = rule("^a$", &[ADMIN], &["b"]);
    assert_eq!(edit_rules(None, &[missing], &[]), Err(RulesError::Contradiction { path: "b".to_owned() }));
}

#[test]
fn recipients_with_comments_are_written_without_them() {
    let host = quorate_secrets::host_key::HostKey::generate("root@a, b").unwrap();
    let ssh: Recipient = host.public_line().parse().unwrap();
    let (_, age) = Identity::generate();
    let rules = [Rule {
        path_regex: "^a$".to_owned(),
        recipients: vec![ssh.clone(), age.clone()],
        paths: Vec::new(),
    }];
    let new = edit_rules(None, &rules, &[]).unwrap();
    assert_eq!(rule_for(&new, "a").unwrap().unwrap().recipients, [ssh.key(), age.key()]);
}

#[test]
fn a_file_that_is_nothing_but_brackets_is_refused_at_once() {
    for bomb in ["[", "{", "- ", "? ", "&a ", "!", "\"", "a: {"] {
        let text = bomb.repeat(100_000);
        assert!(matches!(edit_rules(Some(&text), &first(), &last()), Err(RulesError::Yaml { .. })), "{bomb}");
    }
}

#[test]
fn the_first_match_wins_anywhere_in_the_path() {
    let text = "creation_rules:\n  - path_regex: b/c\n    age: x , y\n  - path_regex: ^b\n    age: [z]\n  - key_groups:\n      - age: [k]\n        pgp: p\n      - age: l\n    age: ignored\n";
    let found = |path: &str| rule_for(text, path).unwrap().unwrap();
    assert_eq!(found("a/b/c").recipients, ["x", "y"]);
    assert_eq!(found("b/d").number, 2);
    assert_eq!((found("a").path_regex, found("a").recipients), (None, vec!["k".to_owned(), "l".to_owned()]));
    assert_eq!(rule_for("", "a").unwrap(), None);
}

#[test]
fn rules_of_ours_that_stand_inside_of_a_foreign_one_are_refused_although_nothing_else_changed() {
    let good = edit("creation_rules:\n  - path_regex: zzz\n    age: a\n").unwrap();
    let begin = good.find("  # quorate: begin of rules").unwrap();
    let end = good.find("end of rules\n").unwrap() + "end of rules\n".len();
    let (before, own, after) = (&good[..begin], &good[begin..end], &good[end..]);
    let inside =
        format!("{before}  - path_regex: zzz\n{own}{}", after.replacen("  - path_regex: zzz\n", "", 1));
    let error = edit(&inside).unwrap_err();
    assert!(error.to_string().contains("does not stand between two rules"), "{error}");
}

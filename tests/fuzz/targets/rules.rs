//! `.sops.yaml`: our rules go in and come out again, and the rest stays the user's to the byte, or nothing is done.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_secrets::rules::{CreationRules, Rule, edit_rules, rule_for};

// The public half of a throwaway key: nobody has the other.
const RECIPIENT: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for path in ["certs/a", "secrets/a", ".sops.yaml"] {
        if let Err(error) = rule_for(text, path) {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        }
    }
    creation(text);
    let rule = |path_regex: &str, path: &str| Rule {
        path_regex: path_regex.to_owned(),
        recipients: vec![RECIPIENT.parse().expect("a recipient")],
        paths: vec![path.to_owned()],
    };
    let (first, last) = ([rule("^certs/a$", "certs/a")], [rule("^secrets/", "secrets/a")]);
    match edit_rules(Some(text), &first, &last) {
        Ok(new) => {
            let found = rule_for(&new, "certs/a").expect("our own text is read").expect("our rule is there");
            assert_eq!(found.path_regex.as_deref(), Some("^certs/a$"));
            assert_eq!(
                edit_rules(Some(&new), &first, &last).as_ref(),
                Ok(&new),
                "run twice, it changes nothing"
            );
            let without = edit_rules(Some(&new), &[], &[]).expect("our own rules are taken out");
            // What is left is the user's, but for a line feed at the end and the key that we added.
            if !text.contains("quorate: ") {
                let added = without.strip_prefix(text).map(|added| added.replace("\r\n", "\n"));
                let expected = ["", "\n", "creation_rules:\n", "\ncreation_rules:\n"];
                assert!(
                    added.is_some_and(|added| expected.contains(&added.as_str())),
                    "{text:?} became {without:?}"
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
});

/// What a rule says of a new file is an error, or what the rule that `gen` finds says.
fn creation(text: &str) {
    let parsed = match CreationRules::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    };
    for path in ["certs/a", "secrets/a", ".sops.yaml"] {
        match parsed.for_path(path) {
            Ok(creation) => {
                assert!(creation.groups.iter().all(|group| group.age.len() + group.foreign.len() > 0));
                if let Ok(found) = rule_for(text, path) {
                    assert_eq!(found.map(|found| found.number), Some(creation.number));
                }
            }
            Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
        }
    }
}

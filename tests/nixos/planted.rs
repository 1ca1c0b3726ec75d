//! Faults planted into emitted files: each must be found. Without that, a check that asks nothing would pass as well.

use crate::demands;
use crate::facts::On;
use crate::rig::{Nix, NixOs, Staged, cases};
use crate::{machines, options};

/// Everything that is wrong with a machine.
pub(crate) fn faults(on: On<'_>) -> Vec<String> {
    let name = on.machine.name();
    let mut faults = demands::unmet(on);
    for part in ["assertions", "warnings"] {
        faults.extend(crate::facts::strings(&on.facts[part]).iter().map(|text| format!("{name}: {part}: {text}")));
    }
    for astray in on.facts["astray"].as_array().into_iter().flatten() {
        faults.push(format!("{name}: not what the machine has: {astray}"));
    }
    faults
}

/// A change of the emitted text, and a word of what must be said of it.
struct Planted {
    /// What stands there; every place of it is changed.
    from: &'static str,
    to: &'static str,
    /// A part of what is found.
    found: &'static str,
}

const PLANTED: &[Planted] = &[];

#[test]
fn each_planted_fault_is_found() {
    let Some(nixos) = NixOs::find() else { return };
    let cases = cases();
    for planted in PLANTED {
        let mut changed = false;
        let mut found = Vec::new();
        for case in &cases {
            let here = std::cell::Cell::new(false);
            let staged = Staged::changed(case, |_, text| {
                here.set(here.get() || text.contains(planted.from));
                text.replace(planted.from, planted.to)
            });
            if !here.get() {
                continue;
            }
            changed = true;
            match nixos.evaluate(&staged, None) {
                Ok(facts) => found.extend(machines(case, &facts).flat_map(faults)),
                Err(error) => found.push(error),
            }
            break;
        }
        assert!(changed, "no golden has `{}`", planted.from);
        let said = found.iter().any(|fault| fault.contains(planted.found));
        assert!(said, "`{}` for `{}` is not found: {found:#?}", planted.to, planted.from);
    }
}

#[test]
fn an_option_that_is_none_and_a_value_that_does_not_fit_are_found() {
    let list = r#"{ "a.enable": { "type": "boolean" }, "a.files.<name>.mode": { "type": "string" },
        "a.files": { "type": "attribute set of (submodule)" }, "a.ports": { "type": "list of signed integer" } }"#;
    let options = options::Options::read(list);
    let faults = |text: &str| options.faults(&serde_json::from_str(text).unwrap());
    assert_eq!(faults(r#"{ "a": { "enable": true, "ports": [1], "files": { "x/y": { "mode": "1" } } } }"#), [""; 0]);
    assert_eq!(faults(r#"{ "a": { "enabled": true } }"#), ["a.enabled is no option"]);
    assert_eq!(faults(r#"{ "a": { "enable": "yes" } }"#), ["a.enable is \"yes\", expected boolean"]);
    assert_eq!(faults(r#"{ "a": { "ports": [1, "2"] } }"#), ["a.ports is [1,\"2\"], expected list of signed integer: \"2\""]);
    assert_eq!(faults(r#"{ "a": { "files": { "x": { "mod": "1" } } } }"#), ["a.files.x.mod is no option"]);
}

#[test]
fn a_file_that_is_no_nix_or_names_what_is_not_there_is_found() {
    let Some(nix) = Nix::find() else { return };
    let cases = cases();
    let case = cases.first().expect("a golden");
    for (plant, found) in [("}\n}", "syntax error"), ("nothing.there }", "undefined variable")] {
        let staged = Staged::changed(case, |name, text| {
            if name == "common.nix" { format!("{}{plant}", text.trim_end().trim_end_matches('}')) } else { text }
        });
        let error = nix.alone(&staged).expect_err("a fault");
        assert!(error.contains(found) || error.contains("syntax error"), "{plant}: {error}");
    }
}

//! Who gains and who loses access, before anything is written.

use std::collections::BTreeMap;

use serde_json::json;

use super::plan::{Change, Plan};
use crate::report;
use crate::secrets::walk::{Certs, Left, Names};
use crate::words;

/// Files of which the same is said that are named.
const MOST_FILES: usize = 6;
/// Files of which is told what somebody knows.
const MOST_TOLD: usize = 20;
/// Names of values in one line.
const MOST_KEYS: usize = 20;

/// Some of the recipients of a change.
type Who = fn(&Change) -> &[String];

/// A line for everybody who comes or goes, with the files that it is about.
pub(in crate::secrets) fn table(plan: &Plan, names: &Names) {
    let mut rows = Vec::new();
    let whose: [(&str, Who); 2] =
        [("gains", |change| &change.drift.missing), ("loses", |change| &change.drift.extra)];
    for (verb, whose) in whose {
        for (recipient, files) in by_recipient(&plan.changes, whose) {
            let paths: Vec<String> = files.iter().map(|change| change.path()).collect();
            rows.push(vec![names.of(recipient), verb.to_owned(), words::plain(&paths, MOST_FILES)]);
        }
    }
    for change in plan.changes.iter().filter(|change| change.drift.is_regrouped) {
        rows.push(vec!["everybody".to_owned(), "regroups".to_owned(), change.path()]);
    }
    report::table(&rows);
}

/// The files of each recipient, in the order of the files.
fn by_recipient(changes: &[Change], whose: Who) -> Vec<(&str, Vec<&Change>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all: Vec<(&str, Vec<&Change>)> = Vec::new();
    for change in changes {
        for recipient in whose(change) {
            let place = *places.entry(recipient).or_insert_with(|| {
                all.push((recipient, Vec::new()));
                all.len() - 1
            });
            if let Some((_, files)) = all.get_mut(place) {
                files.push(change);
            }
        }
    }
    all
}

/// What those who lose access have read, as far as anybody can tell.
pub(in crate::secrets) fn still_known(plan: &Plan, names: &Names) {
    let lost = by_recipient(&plan.changes, |change| &change.drift.extra);
    for (recipient, files) in &lost {
        let name = names.of(recipient);
        for change in files.iter().take(MOST_TOLD) {
            report::warning(&format!(
                "{name} could read `{}`, and still knows {}",
                change.path(),
                words::list(&change.keys(), MOST_KEYS)
            ));
        }
        if let Some(more) = files.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
            let more = words::count(more, "file");
            report::warning(&format!("{name} could read {more} besides: `--dry-run --json` has them all"));
        }
    }
    if !lost.is_empty() {
        report::hint(
            "what they knew stays known, in the history of the repository too: replace it where it matters",
        );
    }
}

/// The files that only `pki gen` may write.
pub(in crate::secrets) fn certs(certs: &[Certs]) {
    for certs in certs {
        let folder = certs.folder.display();
        let count = words::count(certs.manifest.sealed.iter().count(), "sealed file");
        report::note(&format!("{count} of `{folder}` passed by: `pki gen` sees to them"));
    }
}

/// The same for programs.
pub(in crate::secrets) fn to_json(plan: &Plan, names: &Names, left: &[Left]) -> serde_json::Value {
    let called = |recipients: &[String]| -> Vec<serde_json::Value> {
        let one = |text: &String| json!({ "recipient": text, "name": names.of(text) });
        recipients.iter().map(one).collect()
    };
    let changes = plan.changes.iter().map(|change| {
        let known = if change.drift.extra.is_empty() { Vec::new() } else { change.keys() };
        json!({
            "file": change.path(),
            "gains": called(&change.drift.missing),
            "loses": called(&change.drift.extra),
            "regrouped": change.drift.is_regrouped,
            "known": known,
        })
    });
    let left = left.iter().map(|left| {
        json!({ "file": left.path.display().to_string(), "error": left.error.to_string(), "hint": left.error.hint() })
    });
    json!({ "changes": changes.collect::<Vec<_>>(), "left": left.collect::<Vec<_>>(), "kept": plan.kept })
}

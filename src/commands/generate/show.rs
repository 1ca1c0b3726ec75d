//! What a run does, shown before it does it.

use quorate_pki::converge::Change;
use quorate_pki::decision::Decision;
use quorate_pki::sealing::SealChange;
use serde_json::json;

use crate::passwords::Passwords;
use crate::report;
use crate::rules::RulesFile;
use crate::words;

/// Orphans of one folder that are named.
const MOST_ORPHANS: usize = 6;

/// Letters of the names in one line of the table; more of them go on in the next.
const WIDEST: usize = 76;

/// Prints a decision: as a table, or as JSON.
pub(crate) fn show(decision: &Decision, rules: Option<&RulesFile>, passwords: &Passwords, as_json: bool) {
    let rules = rules.filter(|rules| rules.changes());
    if as_json {
        report::json(&to_json(decision, rules, passwords));
        return;
    }
    let mut lines = Lines::default();
    for action in decision.certs.iter().filter(|action| action.change != Change::Keep) {
        let reasons: Vec<String> = action.reasons.iter().map(ToString::to_string).collect();
        lines.add(action.change.word(), action.id.as_str(), &reasons.join("; "));
    }
    for action in decision.sealed.iter().filter(|action| action.change != SealChange::Keep) {
        lines.add(action.change.word(), &action.path, &action.reasons.join("; "));
    }
    for file in &decision.files {
        lines.add(if file.removed { "remove" } else { "write" }, &file.path, &file.reason);
    }
    if let Some(rules) = rules {
        lines.add("write", ".sops.yaml", rules_reason(rules));
    }
    for change in passwords.changes() {
        lines.add(change.verb, &change.file, &change.reasons.join("; "));
    }
    report::table(&lines.rows());
    let orphans: Vec<String> = decision.orphans.iter().map(ToString::to_string).collect();
    let folder = |orphan: &str| orphan.split_once('/').map_or(".", |(folder, _)| folder).to_owned();
    for own in orphans.chunk_by(|a, b| folder(a) == folder(b)) {
        let count = words::count(own.len(), "orphan");
        report::note(&format!("{count}: {}", words::plain(own, MOST_ORPHANS)));
    }
    if !decision.orphans.is_empty() {
        report::hint(
            "nothing plans an orphan any more: `pki gen --prune` removes it, with `--dry-run` it shows them all",
        );
    }
}

fn rules_reason(rules: &RulesFile) -> &'static str {
    if rules.old.is_some() { "its rules are not those of this cluster" } else { "new" }
}

/// What happens, a line for all that happens in one folder for one reason.
#[derive(Default)]
struct Lines(Vec<Line>);

struct Line {
    verb: &'static str,
    folder: String,
    names: Vec<String>,
    reason: String,
}

impl Lines {
    fn add(&mut self, verb: &'static str, path: &str, reason: &str) {
        let (folder, name) = path.split_once('/').unwrap_or((".", path));
        match self.0.last_mut() {
            Some(line) if line.verb == verb && line.folder == folder && line.reason == reason => {
                line.names.push(name.to_owned());
            }
            _ => self.0.push(Line {
                verb,
                folder: folder.to_owned(),
                names: vec![name.to_owned()],
                reason: reason.to_owned(),
            }),
        }
    }

    fn rows(self) -> Vec<Vec<String>> {
        let rows = |line: Line| {
            let mut lines = broken(&line.names);
            if let Some(last) = lines.last_mut() {
                last.push_str(" (");
                last.push_str(&line.reason);
                last.push(')');
            }
            lines.into_iter().enumerate().map(move |(index, text)| match index {
                0 => vec![line.verb.to_owned(), line.folder.clone(), text],
                _ => vec![String::new(), String::new(), text],
            })
        };
        self.0.into_iter().flat_map(rows).collect()
    }
}

/// Words in lines of at most [`WIDEST`] letters, or of one word.
fn broken(words: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= WIDEST) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}

fn to_json(decision: &Decision, rules: Option<&RulesFile>, passwords: &Passwords) -> serde_json::Value {
    let certificates = decision.certs.iter().filter(|action| action.change != Change::Keep).map(|action| {
        let reasons: Vec<String> = action.reasons.iter().map(ToString::to_string).collect();
        json!({ "id": action.id.as_str(), "change": action.change.word(), "reasons": reasons })
    });
    let sealed = decision.sealed.iter().filter(|action| action.change != SealChange::Keep).map(|action| {
        json!({
            "file": action.path,
            "change": action.change.word(),
            "reasons": action.reasons,
            "recipients": action.recipients,
            "left": action.left,
        })
    });
    let beside = rules
        .map(|rules| json!({ "file": ".sops.yaml", "change": "write", "reasons": [rules_reason(rules)] }));
    let passwords = passwords.changes().iter().map(
        |change| json!({ "file": change.file, "change": change.verb, "reasons": change.reasons, "left": change.left }),
    );
    let files = decision.files.iter().map(|file| {
        json!({ "file": file.path, "change": if file.removed { "remove" } else { "write" }, "reasons": [file.reason] })
    });
    json!({
        "certificates": certificates.collect::<Vec<_>>(),
        "sealed": sealed.collect::<Vec<_>>(),
        "files": files.chain(beside).chain(passwords).collect::<Vec<_>>(),
        "kept": decision.count(Change::Keep),
        "orphans": decision.orphans.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

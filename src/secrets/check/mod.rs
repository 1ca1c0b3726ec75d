//! `secrets check`: plaintext that git is about to take, and files that are not sealed to whom the rules name. Needs no
//! identity and changes nothing.

use std::path::Path;

use quorate_secrets::recipient::Recipient;
use quorate_secrets::rules::{Creation, RulesError};
use quorate_secrets::sops::{SealedFile, Store};
use rayon::prelude::*;
use serde_json::json;

mod files;

use files::Looked;

use super::cli;
use crate::error::Error;
use crate::report::{self, Outcome};
use crate::rules::files::{Governed, RuleFiles};
use crate::words;

/// One thing that was found.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// Counted from 1, where it is about one line.
    line: Option<usize>,
    text: String,
    hint: &'static str,
}

/// Runs the verb.
pub(super) fn run(args: &cli::Check, cli: &cli::Cli) -> Result<Outcome, Error> {
    let files = files::looked(&args.files, args.all)?;
    let mut rules = RuleFiles::new(cli.config.clone());
    let mut findings = Vec::new();
    let mut governed_files = Vec::with_capacity(files.len());
    for file in files {
        let rules = match rules.governing(&file.path) {
            Ok(None) => Rules::None,
            Ok(Some(governed)) => Rules::Of(governed),
            // The rules themselves are wrong: said once, for all that they are for.
            Err(error) => {
                findings.push(Finding::of_rules(&error));
                Rules::Wrong
            }
        };
        governed_files.push((file, rules));
    }
    findings.par_extend(governed_files.par_iter().flat_map_iter(|(file, rules)| judge(file, rules)));
    findings.sort();
    findings.dedup();
    print(&findings, governed_files.len(), args.json);
    Ok(if findings.is_empty() { Outcome::Clean } else { Outcome::Findings })
}

/// What speaks for a file.
enum Rules {
    Of(Governed),
    None,
    /// They cannot be followed, which is told with them.
    Wrong,
}

impl Rules {
    /// The rule for the file; `None` where the rules are told to be wrong.
    fn creation(&self) -> Option<Result<&Creation, RulesError>> {
        match self {
            Self::Of(governed) => Some(governed.rules.rules.for_path(&governed.path)),
            Self::None => Some(Err(RulesError::NoRule { path: String::new() })),
            Self::Wrong => None,
        }
    }
}

/// Everything that is wrong with one file.
fn judge(file: &Looked, rules: &Rules) -> Vec<Finding> {
    let name = shown(&file.path);
    let finding = |line, text: String, hint| Finding { file: name.clone(), line, text, hint };
    let mut findings: Vec<Finding> = file
        .leaks
        .iter()
        .filter(|found| found.kind.is_leak())
        .map(|found| finding(Some(found.line), format!("{} stands in clear", found.kind), LEAK))
        .collect();
    findings.extend(file.refused.iter().map(|why| finding(None, why.clone(), "look at it with `ls -l`")));
    let Some(bytes) = &file.bytes else { return findings };
    let creation = match (rules.creation(), rules) {
        (Some(Err(error)), Rules::Of(governed)) if !matches!(error, RulesError::NoRule { .. }) => {
            findings.push(Finding {
                file: shown(&governed.rules.path),
                line: None,
                text: error.to_string(),
                hint: error.hint(),
            });
            None
        }
        (creation, _) => creation,
    };
    let is_secret = creation.clone().is_some_and(|creation| must_be_sealed(creation, &name));
    let store = Store::of_path(&name);
    let sealed = std::str::from_utf8(bytes).ok().map(|text| (text, SealedFile::parse(text, store)));
    match (sealed, creation) {
        (Some((_, Ok(_))), None) => {}
        (Some((_, Ok(file))), Some(creation)) => {
            findings.extend(drift(&file, creation).map(|(text, hint)| finding(None, text, hint)));
        }
        (Some((text, Err(error))), _) if is_damaged(text, store, is_secret) => {
            findings.push(finding(error.line(), error.to_string(), error.hint()));
        }
        _ if is_secret && !is_age(bytes) => {
            let text = "it is not sealed, and a rule says that it is";
            findings.push(finding(None, text.to_owned(), LEAK_OF_FILE));
        }
        _ => {}
    }
    findings
}

const LEAK: &str = "seal it, or take it out of the commit; if it was ever pushed, replace it";
const LEAK_OF_FILE: &str = "seal it with `secrets encrypt -i`; if it was ever pushed, replace what is in it";
const REKEY: &str = "`secrets rekey` seals it to whom the rules name; `pki gen` does so for its own files";

/// A sealed file whose metadata is damaged is no plaintext. Where no rule is for it, and its name says nothing, a text
/// with a ciphertext is about sealed files, unless it begins as our binary files do.
fn is_damaged(text: &str, store: Store, is_secret: bool) -> bool {
    let is_likely = is_secret || store != Store::Binary || text.trim_ascii_start().starts_with('{');
    is_likely && text.contains("ENC[AES256_GCM,")
}

/// The files of agenix have no metadata to compare.
fn is_age(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/v1\n") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Whether a rule is for this file by its name. One without an expression is for every file, the README as well; and
/// rules of a folder name what is no secret there. The rules themselves are read in clear.
fn must_be_sealed(creation: Result<&Creation, RulesError>, name: &str) -> bool {
    let is_rules = [".sops.yaml", ".sops.yml"].iter().any(|rules| Path::new(name).ends_with(rules));
    let is_document =
        is_rules || [".md", ".nix", ".gitignore", ".gitattributes"].iter().any(|end| name.ends_with(end));
    !is_document && creation.is_ok_and(|creation| creation.path_regex.is_some())
}

/// How a sealed file differs from what its rule says.
fn drift(file: &SealedFile, creation: Result<&Creation, RulesError>) -> Option<(String, &'static str)> {
    let creation = match creation {
        Ok(creation) => creation,
        Err(error @ RulesError::NoRule { .. }) => {
            return Some(("it is sealed, and no rule is for it".to_owned(), error.hint()));
        }
        // Told with the rules.
        Err(_) => return None,
    };
    let groups: Vec<Vec<Recipient>> = creation.groups.iter().map(|group| group.age.clone()).collect();
    let foreign: Vec<&str> =
        creation.groups.iter().flat_map(|group| &group.foreign).map(|key| key.text.as_str()).collect();
    let drift = file.drift_from(&groups, &foreign);
    let mut said = Vec::new();
    if !drift.missing.is_empty() {
        said.push(format!("{} cannot open it and should", words::plain(&drift.missing, 3)));
    }
    if !drift.extra.is_empty() {
        said.push(format!("{} can open it and should not", words::plain(&drift.extra, 3)));
    }
    if drift.is_regrouped {
        said.push("its key is split among other groups than it should be".to_owned());
    }
    (!said.is_empty()).then(|| (said.join("; "), REKEY))
}

impl Finding {
    fn of_rules(error: &Error) -> Self {
        Self {
            file: ".sops.yaml".to_owned(),
            line: None,
            text: error.to_string(),
            hint: "mend the rules first",
        }
    }
}

/// As it is seen from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

fn print(findings: &[Finding], looked_at: usize, as_json: bool) {
    if as_json {
        let rows = findings.iter().map(|finding| {
            json!({ "file": finding.file, "line": finding.line, "finding": finding.text, "hint": finding.hint })
        });
        report::json(&rows.collect());
    } else {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|finding| {
                let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
                vec![format!("{}{line}", finding.file), finding.text.clone()]
            })
            .collect();
        report::table(&rows);
    }
    if findings.is_empty() {
        report::note(&format!("{} checked: clean", words::count(looked_at, "file")));
        return;
    }
    report::note(&words::count(findings.len(), "finding"));
    let mut hints: Vec<&str> = findings.iter().map(|finding| finding.hint).collect();
    hints.sort_unstable();
    hints.dedup();
    hints.into_iter().for_each(report::hint);
}

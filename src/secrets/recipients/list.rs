//! `secrets recipients list`: every sealed file below this folder, by who can open it.

use std::path::PathBuf;

use quorate_secrets::sops::SealedFile;
use serde_json::json;

use crate::error::Error;
use crate::report::{self, Outcome};
use crate::secrets::rekey::{ended, tell};
use crate::secrets::walk::{self, Found, Names};

/// A file and who can open it.
struct Row {
    file: String,
    /// By group; more than one where the key is split.
    groups: Vec<Vec<String>>,
    foreign: Vec<String>,
}

/// Runs the verb. Needs no identity: what is printed is what the files say.
pub(super) fn run(as_json: bool) -> Result<Outcome, Error> {
    let found = walk::find(&[PathBuf::from(".")])?;
    let names = Names::new(&found);
    let rows = rows(&found);
    if as_json {
        report::json(&to_json(&rows, &names));
    } else {
        print(&rows, &names);
    }
    if rows.is_empty() && found.left.is_empty() {
        report::note("there is no sealed file here");
    }
    tell(&found.left);
    Ok(ended(&found.left))
}

fn rows(found: &Found) -> Vec<Row> {
    let of_file = |file: &SealedFile| {
        let groups = file.groups().map(|group| group.into_iter().map(str::to_owned).collect());
        (groups.collect(), file.foreign().map(str::to_owned).collect())
    };
    let secrets = found.files.iter().map(|sealed| {
        let (groups, foreign) = of_file(&sealed.file);
        Row { file: sealed.target.path.display().to_string(), groups, foreign }
    });
    // An age file does not say whom it is sealed to; the manifest does.
    let certs = found.certs.iter().flat_map(|certs| {
        certs.manifest.sealed.iter().map(|record| Row {
            file: certs.folder.join(&record.file).display().to_string(),
            groups: vec![record.recipients.clone()],
            foreign: Vec::new(),
        })
    });
    let mut rows: Vec<Row> = secrets.chain(certs).collect();
    rows.sort_by(|a, b| a.file.cmp(&b.file));
    rows
}

/// Files of the same readers stand below these.
fn print(rows: &[Row], names: &Names) {
    let mut sets: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    for row in rows {
        let head = head(row, names);
        match sets.iter_mut().find(|(known, _)| *known == head) {
            Some((_, files)) => files.push(&row.file),
            None => sets.push((head, vec![&row.file])),
        }
    }
    let mut lines: Vec<Vec<String>> = Vec::new();
    for (head, files) in sets {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.extend(head.into_iter().map(|name| vec![name]));
        lines.extend(files.into_iter().map(|file| vec![format!("  {file}")]));
    }
    report::table(&lines);
}

/// The readers of a file, a line for each.
fn head(row: &Row, names: &Names) -> Vec<String> {
    let several = row.groups.len() > 1;
    let of_group = |(number, group): (usize, &Vec<String>)| -> Vec<String> {
        let mut group = names.all(group);
        group.sort();
        let within = if several { format!("group {}: ", number + 1) } else { String::new() };
        group.into_iter().map(|name| format!("{within}{name}")).collect()
    };
    let age = row.groups.iter().enumerate().flat_map(of_group);
    age.chain(row.foreign.iter().cloned()).collect()
}

fn to_json(rows: &[Row], names: &Names) -> serde_json::Value {
    let one = |text: &String| json!({ "recipient": text, "name": names.of(text) });
    let rows = rows.iter().map(|row| {
        let groups: Vec<Vec<_>> = row.groups.iter().map(|group| group.iter().map(one).collect()).collect();
        json!({ "file": row.file, "groups": groups, "foreign": row.foreign })
    });
    json!({ "files": rows.collect::<Vec<_>>() })
}

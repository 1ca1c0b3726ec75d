//! `secrets recipients --sheet`: how to get everything back, to be printed and kept. Nothing on it is secret.

use std::path::PathBuf;

use quorate_pki::manifest::Manifest;
use time::OffsetDateTime;

use crate::error::Error;
use crate::report::{self, Outcome};
use crate::secrets::walk::{self, Certs, Found};
use crate::words;

/// Columns of a line: what any printer puts on paper.
const WIDTH: usize = 80;

/// Runs the verb. Needs no identity.
pub(super) fn run(now: OffsetDateTime) -> Result<Outcome, Error> {
    let found = walk::find(&[PathBuf::from(".")])?;
    let Some(certs) = found.certs.first() else {
        return Err(Error::Request {
            message: "there is no cluster here to write a sheet for: no certs/manifest.json".to_owned(),
            hint: "go to the folder of machines.nix, and run `pki gen` if it was never run".to_owned(),
        });
    };
    let lines: Vec<Vec<String>> = sheet(certs, &found, now).into_iter().map(|line| vec![line]).collect();
    report::table(&lines);
    Ok(Outcome::Clean)
}

/// The lines.
fn sheet(certs: &Certs, found: &Found, now: OffsetDateTime) -> Vec<String> {
    let Certs { folder, manifest } = certs;
    let folder = folder.display();
    let mut lines = vec![
        format!("RECOVERY SHEET OF THE CLUSTER {}", manifest.cluster),
        format!("as of {}. Nothing on this sheet is secret.", now.date()),
    ];
    lines.extend(text(&["", "WHAT IT TAKES"]));
    lines.push("  1. The repository, from any copy of it:".to_owned());
    let sealed = words::count(manifest.sealed.iter().count(), "sealed file");
    lines.push(format!("       machines.nix, .sops.yaml, {folder}/ with {sealed}"));
    if !found.files.is_empty() {
        lines.push(format!("       and {} besides", words::count(found.files.len(), "sealed file")));
    }
    lines.push("  2. The identity of one admin: the file with the private half of a key below.".to_owned());
    lines.push("  3. The programs pki and secrets. Without them sops opens the same files.".to_owned());
    lines.extend(admins(manifest, &folder.to_string()));
    lines.extend(steps(&folder.to_string()));
    lines.extend(text(PLACES));
    lines.extend(text(AFTERWARDS));
    lines
}

/// Whom everything is sealed to, with room for where the other half lies.
fn admins(manifest: &Manifest, folder: &str) -> Vec<String> {
    let head = match manifest.admins.len() {
        1 => "THE ADMIN. Without this identity nobody can open anything.".to_owned(),
        count => format!("THE ADMINS. Any one of these {count} identities opens everything."),
    };
    let mut lines = vec![String::new(), head];
    for admin in &manifest.admins {
        lines.extend(wrapped(admin));
        lines.push("      its identity lies: ________________________________________".to_owned());
    }
    if !manifest.root_admins.is_empty() {
        lines.push(String::new());
        lines.push(format!("THE ROOT. {folder}/ca/root.yaml alone is sealed to others:"));
        lines.extend(manifest.root_admins.iter().flat_map(|admin| wrapped(admin)));
    }
    lines
}

/// A key in as many lines as it takes.
fn wrapped(key: &str) -> Vec<String> {
    let letters: Vec<char> = key.chars().collect();
    let lines = letters.chunks(WIDTH - 6).enumerate();
    let line = |(number, some): (usize, &[char])| {
        let indent = if number == 0 { "  * " } else { "    " };
        format!("{indent}{}", some.iter().collect::<String>())
    };
    lines.map(line).collect()
}

/// What to type. A test types it.
fn steps(folder: &str) -> Vec<String> {
    let mut lines = text(&[
        "",
        "STEPS, on a machine that has nothing yet",
        "  1. Get the repository, from wherever a copy of it is:",
        "       git clone ________________________________ cluster",
        "       cd cluster",
        "  2. Put the identity where it is looked for, readable by you alone:",
        "       mkdir -p -m 700 ~/.config/sops/age",
        "       install -m 600 /media/backup/keys.txt ~/.config/sops/age/keys.txt",
        "  3. See that it opens:",
    ]);
    lines.push(format!("       secrets decrypt {folder}/users/admin.yaml > /dev/null && echo open"));
    lines.extend(text(&[
        "  4. Reach the cluster:",
        "       (umask 077; pki kubeconfig admin > ~/admin.conf)",
        "       kubectl --kubeconfig ~/admin.conf get nodes",
        "  5. See what is about to expire, and make what is missing:",
        "       pki check",
        "       pki gen",
        "  6. See any other secret:",
        "       secrets recipients",
        "       secrets view FILE",
        "  With sops alone:",
    ]));
    lines.push(format!("       sops decrypt {folder}/users/admin.yaml"));
    lines
}

/// Source: the order of `identities`.
const PLACES: &[&str] = &[
    "",
    "WHERE IDENTITIES ARE LOOKED FOR, the first that fits opens",
    "  SOPS_AGE_SSH_PRIVATE_KEY_FILE   the path of an SSH private key",
    "  SOPS_AGE_SSH_PRIVATE_KEY_CMD    a command that prints one",
    "  SOPS_AGE_KEY                    identities, as text",
    "  SOPS_AGE_KEY_FILE               the path of a file with identities",
    "  SOPS_AGE_KEY_CMD                a command that prints some",
    "  ~/.config/sops/age/keys.txt     a file with identities; on macOS in",
    "                                  ~/Library/Application Support/sops/age/",
    "  ~/.ssh/id_ed25519, ~/.ssh/id_rsa",
];

const AFTERWARDS: &[&str] = &[
    "",
    "AFTERWARDS",
    "  Name a second admin, so that this sheet is not needed again:",
    "       secrets keygen -o /media/backup/keys.txt",
    "       secrets recipients add age1...",
    "  An identity that is lost, or in the wrong hands:",
    "       secrets recipients remove age1...",
    "  and replace what its owner has read: the command lists it.",
];

fn text(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

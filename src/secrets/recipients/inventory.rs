//! `cluster.admins` in machines.nix: read as it stands, changed in place, and evaluated before it counts.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_pki::cluster::Cluster;
use quorate_pki::manifest::Manifest;
use quorate_secrets::recipient::Recipient;

use super::change::Direction;
use crate::cli::InventoryArgs;
use crate::commands::normal;
use crate::error::Error;
use crate::inventory;
use crate::nix::{LiteralList, NotLiteral};
use crate::report;
use crate::secrets::locked::LockedFile;

/// Where the list stands.
const ADMINS: [&str; 2] = ["cluster", "admins"];

/// How long to wait for somebody who changes the inventory.
const WAIT: Duration = Duration::from_secs(30);

/// The inventory with the admins that it should have.
pub(super) struct Edited {
    /// The file, held against every other `secrets`.
    pub(super) file: LockedFile,
    /// The text that it should have.
    pub(super) new: String,
}

impl Edited {
    /// Whether it must be written.
    pub(super) fn changes(&self) -> bool {
        self.file.bytes() != self.new.as_bytes()
    }
}

/// Changes the list in memory, and evaluates the file that this makes: the cluster is what that comes to. `None` where the list cannot be changed in place:
/// what to write was said then.
///
/// # Errors
/// Whatever is wrong with the inventory, and whom it may not name.
pub(super) fn edit(
    args: &InventoryArgs,
    who: &Recipient,
    direction: Direction,
    manifest: &Manifest,
) -> Result<Option<(Edited, Cluster)>, Error> {
    let file = LockedFile::open(&args.file, WAIT)?;
    let text = std::str::from_utf8(file.bytes()).map_err(|_| Error::Request {
        message: format!("the inventory `{}` is not UTF-8 text", args.file.display()),
        hint: "save it as UTF-8".to_owned(),
    })?;
    let list = match LiteralList::find(text, &ADMINS) {
        Ok(list) if list.values().next().is_some() || manifest.admins.is_empty() => list,
        // An empty list, and the manifest says who they are.
        Ok(_) => return refuse(args, text, NotLiteral::Absent, who, direction, manifest),
        Err(why) => return refuse(args, text, why, who, direction, manifest),
    };
    let is_who = |value: &str| value.parse::<Recipient>().is_ok_and(|one| one == *who);
    let is_there = list.values().any(is_who);
    let new = match direction {
        Direction::Add if is_there => text.to_owned(),
        Direction::Add => list.with(&who.to_string()),
        Direction::Remove => list.without(is_who),
    };
    let left: Vec<String> = list.values().filter(|value| !is_who(value)).map(str::to_owned).collect();
    if direction == Direction::Remove && left.is_empty() {
        return Err(last_admin(who));
    }
    let cluster = if new == text { inventory::load(args)? } else { evaluate(args, &new)? };
    let mut expected = normal(&left, "cluster.admins")?;
    expected.extend((direction == Direction::Add).then(|| who.key().to_owned()));
    let mut found = normal(cluster.admins(), "cluster.admins")?;
    expected.sort();
    found.sort();
    if found != expected {
        // The list is there, and something else decides: another dialect has another place for them.
        return Err(Error::Request {
            message: format!(
                "`cluster.admins` stands in `{}`, and the admins of the cluster do not follow from it",
                args.file.display()
            ),
            hint: "change them where they come from, then run `pki gen` and `secrets rekey`: nothing was written"
                .to_owned(),
        });
    }
    Ok(Some((Edited { file, new }, cluster)))
}

fn last_admin(who: &Recipient) -> Error {
    Error::Request {
        message: format!("will not remove `{who}`: it is the last admin, and nobody could open anything"),
        hint: "add another one first, with `secrets recipients add`".to_owned(),
    }
}

/// Evaluates a text as if it stood in the inventory's place: beside it, so that it imports what that imports.
fn evaluate(args: &InventoryArgs, text: &str) -> Result<Cluster, Error> {
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    // One name, so that a run that was killed leaves nothing that the next one does not replace.
    let staged: PathBuf = folder.join(format!(".{name}.edited"));
    let _ = fs::remove_file(&staged);
    // Never through a link that stands there in its place.
    let written = File::create_new(&staged).and_then(|mut file| file.write_all(text.as_bytes()));
    let outcome = written.map_err(Error::io("write", &staged)).and_then(|()| {
        let args = InventoryArgs { file: staged.clone(), evaluator: args.evaluator, vip: args.vip.clone() };
        inventory::load(&args)
    });
    let _ = fs::remove_file(&staged);
    outcome
}

/// Says what to write where a program cannot.
fn refuse(
    args: &InventoryArgs,
    text: &str,
    why: NotLiteral,
    who: &Recipient,
    direction: Direction,
    manifest: &Manifest,
) -> Result<Option<(Edited, Cluster)>, Error> {
    let cluster = inventory::load(args)?;
    let named = normal(cluster.admins(), "cluster.admins")?;
    let mut wanted = if named.is_empty() { manifest.admins.clone() } else { named.clone() };
    wanted.retain(|one| one != who.key());
    match direction {
        Direction::Remove if wanted.is_empty() => return Err(last_admin(who)),
        Direction::Remove => {}
        Direction::Add => wanted.push(who.key().to_owned()),
    }
    let file = args.file.display();
    let wanted: Vec<String> = wanted.iter().map(|one| format!("\"{one}\"")).collect();
    match why {
        NotLiteral::Computed { at } | NotLiteral::Several { at } => {
            let number = text.get(..at).unwrap_or_default().matches('\n').count();
            let line = text.lines().nth(number).unwrap_or_default().trim();
            report::note(&format!(
                "{file}:{}: `cluster.admins` is no plain list of texts there: {line}",
                number + 1
            ));
        }
        NotLiteral::Absent | NotLiteral::Unreadable if named.is_empty() => {
            report::note(&format!("{file}: `cluster.admins` names nobody, and certs/manifest.json does"));
        }
        NotLiteral::Absent | NotLiteral::Unreadable => {
            report::note(&format!("{file}: `cluster.admins` does not stand there as it is"));
        }
    }
    report::hint("let it come to this, then run `pki gen` and `secrets rekey`; nothing was changed:");
    report::line(&format!("cluster.admins = [ {} ];", wanted.join(" ")));
    Ok(None)
}

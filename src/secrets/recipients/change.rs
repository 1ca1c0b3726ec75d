//! `secrets recipients add` and `remove`: machines.nix, `certs/`, `.sops.yaml` and every sealed file that our rules cover,
//! as one.
//!
//! Everything is opened, decided and sealed in memory before the first write: what cannot be opened stops it with nothing
//! touched. Then, in this order:
//!
//! 1. machines.nix, by a rename: from here on it says who the admins are, and whoever runs anything works towards that;
//! 2. `certs/`, by the commit of `pki gen`, one rename as well;
//! 3. `.sops.yaml`, by a rename: a new file is sealed to the new readers, by plain sops too;
//! 4. the sealed files, each by a rename under its lock.
//!
//! Who is stopped in between runs the same command again: it compares everything with machines.nix once more and does what
//! is left. Were machines.nix the last, a `pki gen` after an interruption would undo what was done, and give somebody who
//! was removed their access back. No file is ever sealed to fewer than the admins of before or after.

use quorate_pki::manifest::Manifest;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::{Recipient, RecipientError};
use time::OffsetDateTime;

use super::files::{self, Covered};
use super::inventory::{self, Edited};
use crate::cli::{Gen, InventoryArgs};
use crate::commands::generate::{self, Job};
use crate::error::Error;
use crate::passwords::{self, Write};
use crate::report::{self, Outcome};
use crate::rules::RulesFile;
use crate::secrets::cli;
use crate::secrets::lastmodified;
use crate::secrets::rekey::plan::Resealed;
use crate::secrets::rekey::{consent, show, tell, write};
use crate::store::commit::{ChangeSet, Lock};
use crate::words;

/// Whether somebody comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// An admin more.
    Add,
    /// An admin less.
    Remove,
}

/// Runs the verb.
pub(super) fn run(args: &cli::Admin, direction: Direction, now: OffsetDateTime) -> Result<Outcome, Error> {
    let who: Recipient = args.recipient.parse().map_err(|error: RecipientError| Error::Request {
        message: format!("nobody can be added or removed so: {error}"),
        hint: error.hint().to_owned(),
    })?;
    manifest(args)?;
    let args_of_gen = as_gen(args);
    let lock = Lock::take(&args.certs)?;
    generate::recover(&args_of_gen, &lock)?;
    let manifest = manifest(args)?;
    refuse_machine(&who, direction, &manifest)?;
    let Some((edited, cluster)) = inventory::edit(&args.inventory, &who, direction, &manifest)? else {
        return Ok(Outcome::Findings);
    };
    let mut job = Job::of(&args_of_gen, &cluster, now)?;
    let covered = files::plan(&args.inventory.file, job.rules.as_ref(), &who, manifest)?;
    if !edited.changes() && job.is_nothing() && covered.plan.changes.is_empty() {
        return nothing(&who, direction, cluster.admins());
    }
    if direction == Direction::Remove && !args.yes {
        refuse_to_lock_out(&who, cluster.admins(), &job.identities().all)?;
    }
    show_all(&edited, &job, &covered, direction, args);
    warn_of_root(&who, direction, cluster.root_admins());
    // All that is to be written, in memory.
    let changes = if job.decision.is_nothing() { None } else { Some(job.make(now)?.0) };
    let passwords = job.make_passwords(now)?;
    let Covered { plan, names, .. } = covered;
    let resealed = files::seal(plan.changes, job.identities(), &names, now)?;
    if !args.yes && !consent("do all of this?")? {
        report::note("nothing was written");
        return Ok(Outcome::Findings);
    }
    commit(&edited, &lock, (changes.as_ref(), &passwords), &mut job, &resealed, now)?;
    say_done(&who, direction);
    Ok(Outcome::Clean)
}

/// What `pki gen` recorded.
fn manifest(args: &cli::Admin) -> Result<Manifest, Error> {
    crate::store::read_manifest(&args.certs)?.ok_or_else(|| Error::Request {
        message: format!(
            "`{}` has no manifest.json, so there is no cluster to have admins",
            args.certs.display()
        ),
        hint: "run `pki gen` first; without a cluster, name readers in .sops.yaml and run `secrets rekey`"
            .to_owned(),
    })
}

/// A machine reads what is its own, and never all of it.
fn refuse_machine(who: &Recipient, direction: Direction, manifest: &Manifest) -> Result<(), Error> {
    let mut machines = manifest.machines.iter();
    let is = |text: Option<&String>| text.is_some_and(|text| text == who.key());
    let found = machines.find(|(_, record)| is(record.recipient.as_ref()) || is(record.host_key.as_ref()));
    match found {
        Some((machine, _)) if direction == Direction::Add => Err(Error::Request {
            message: format!(
                "will not make `{machine}` an admin: it would open the keys of every other machine"
            ),
            hint: format!("put what it is to read below `secrets/{machine}/`"),
        }),
        _ => Ok(()),
    }
}

fn as_gen(args: &cli::Admin) -> Gen {
    let InventoryArgs { file, evaluator, vip } = &args.inventory;
    Gen {
        certs: args.certs.clone(),
        inventory: InventoryArgs { file: file.clone(), evaluator: *evaluator, vip: vip.clone() },
        dry_run: false,
        prune: false,
        adopt: Vec::new(),
        format: None,
        new_identity: false,
        json: false,
    }
}

fn nothing(who: &Recipient, direction: Direction, admins: &[String]) -> Result<Outcome, Error> {
    if direction == Direction::Add {
        report::note(&format!("nothing to do: `{who}` is an admin already, everywhere"));
        return Ok(Outcome::Clean);
    }
    Err(Error::Request {
        message: format!("`{who}` is no admin, and nothing of the admins is sealed to it"),
        hint: format!("the admins are {}", words::list(admins, 12)),
    })
}

/// Who removes the last identity of theirs is left with nothing that opens.
fn refuse_to_lock_out(who: &Recipient, admins: &[String], identities: &[Identity]) -> Result<(), Error> {
    let own: Vec<&Recipient> = identities.iter().filter_map(Identity::recipient).collect();
    let stays: Vec<Recipient> = admins.iter().filter_map(|admin| admin.parse().ok()).collect();
    if own.contains(&who) && !own.iter().any(|one| stays.contains(one)) {
        return Err(Error::Request {
            message: format!(
                "`{who}` is the identity that is here: without it nothing could be opened from here"
            ),
            hint: "let another admin do it; or run it with `--yes`, if somebody else has an identity"
                .to_owned(),
        });
    }
    Ok(())
}

fn show_all(edited: &Edited, job: &Job<'_>, covered: &Covered, direction: Direction, args: &cli::Admin) {
    if edited.changes() {
        let inventory = args.inventory.file.display().to_string();
        let what = match direction {
            Direction::Add => "(one admin more)",
            Direction::Remove => "(one admin less)",
        };
        report::table(&[vec!["write".to_owned(), inventory, what.to_owned()]]);
    }
    generate::show::show(&job.decision, job.rules.as_ref(), &job.passwords, false);
    show::table(&covered.plan, &covered.names);
    tell(&covered.plan.left);
    job.say_known();
    show::still_known(&covered.plan, &covered.names);
    for file in &covered.strangers {
        report::warning(&format!("`{file}` stays open to them: no rule of ours is for it"));
    }
    if !covered.strangers.is_empty() {
        report::hint("change the rule that is for it in .sops.yaml, and run `secrets rekey`");
    }
}

/// The root may have readers of its own, in a list of its own.
fn warn_of_root(who: &Recipient, direction: Direction, root_admins: &[String]) {
    let mut named = root_admins.iter().filter_map(|one| one.parse::<Recipient>().ok());
    if direction == Direction::Remove && named.any(|one| one == *who) {
        report::warning(&format!(
            "`{who}` is named in `cluster.rootAdmins` too: the key of the root stays open to them"
        ));
        report::hint("take it out of that list as well, and run `pki gen`");
    }
}

/// The writes, in the order that the head of this file gives.
fn commit(
    edited: &Edited,
    lock: &Lock,
    (changes, passwords): (Option<&ChangeSet>, &[Write]),
    job: &mut Job<'_>,
    resealed: &[Resealed],
    now: OffsetDateTime,
) -> Result<(), Error> {
    if edited.changes() {
        edited.file.replace(edited.new.as_bytes())?;
    }
    // Age files alone, which no rule finds: all else is among the sealed files.
    passwords::write(passwords, true)?;
    if let Some(changes) = changes {
        lock.commit(changes)?;
    }
    if let Some(rules) = job.rules.as_ref().filter(|rules| rules.changes()) {
        RulesFile::write(rules)?;
    }
    let left = write::write(resealed, &job.identities().all, &lastmodified(now));
    tell(&left);
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::Request {
        message: format!("{} could not be sealed anew, all else is done", words::count(left.len(), "file")),
        hint: "mend that and run the same again: it does what is left".to_owned(),
    })
}

fn say_done(who: &Recipient, direction: Direction) {
    match direction {
        Direction::Add => report::note(&format!("`{who}` is an admin now, everywhere")),
        Direction::Remove => {
            report::note(&format!(
                "`{who}` is an admin no longer: nothing that is sealed from now on opens to them"
            ));
        }
    }
}

//! `secrets rekey`: every sealed file for those whom the rules name now.
//!
//! All files are compared, and those that differ sealed in memory, before the first is written. Somebody who comes costs
//! a file their copy of its data key; somebody who goes costs it a new data key, under which all of it is sealed anew.
//!
//! Exit code 1: a file was left as it is, because it is damaged, no rule covers it, or only sops can seal it. The others
//! are done all the same. With `--dry-run` also when there is something to do, and when the person said no. 2: nothing
//! could be done at all, for one reason.

pub(super) mod plan;
pub(super) mod show;
pub(super) mod write;

use time::OffsetDateTime;

use super::cli;
use super::lastmodified;
use super::readers::warn_of_ignored;
use super::target::identities;
use super::walk::{self, Certs, Left, Names};
use crate::error::Error;
use crate::report::{self, Outcome};
use crate::rules::files::RuleFiles;
use crate::words;
use plan::{Plan, plan, seal};

/// Runs the verb.
pub(super) fn run(args: &cli::Rekey, cli: &cli::Cli, now: OffsetDateTime) -> Result<Outcome, Error> {
    let mut found = walk::find(&args.files)?;
    let names = Names::new(&found);
    let mut rules = RuleFiles::new(cli.config.clone());
    let files = std::mem::take(&mut found.files);
    let mut plan = plan(files, &mut rules);
    let mut left = std::mem::take(&mut found.left);
    left.append(&mut plan.left);
    warn_of_ignored(&rules);
    if args.json {
        report::json(&show::to_json(&plan, &names, &left));
    } else {
        show::table(&plan, &names);
    }
    show::certs(&found.certs);
    tell(&left);
    if plan.changes.is_empty() {
        say_nothing(&plan, &left, &found.certs);
        return Ok(ended(&left));
    }
    show::still_known(&plan, &names);
    if args.dry_run {
        return Ok(Outcome::Findings);
    }
    carry_out(plan, left, &names, args.yes, now)
}

/// Seals in memory, asks, writes.
fn carry_out(
    plan: Plan,
    mut left: Vec<Left>,
    names: &Names,
    yes: bool,
    now: OffsetDateTime,
) -> Result<Outcome, Error> {
    let count = words::count(plan.changes.len(), "file");
    let mut identities = identities();
    let lastmodified = lastmodified(now);
    let files = plan.changes.into_iter().map(|change| (change.sealed, Some(change.readers))).collect();
    let (resealed, mut closed) = seal(files, &mut identities, names, &lastmodified);
    if resealed.is_empty() && closed.len() == 1 && left.is_empty() {
        return Err(closed.remove(0).error);
    }
    tell(&closed);
    left.append(&mut closed);
    if resealed.is_empty() {
        return Ok(Outcome::Findings);
    }
    if !yes && !consent(&format!("seal {} of {count} anew?", resealed.len()))? {
        report::note("nothing was written");
        return Ok(Outcome::Findings);
    }
    let failed = write::write(&resealed, &identities.all, &lastmodified);
    tell(&failed);
    let done = resealed.len() - failed.len();
    left.extend(failed);
    report::note(&format!("sealed {} anew", words::count(done, "file")));
    Ok(ended(&left))
}

/// Asks the person at the terminal.
///
/// # Errors
/// [`Error::Request`] where there is nobody to ask.
pub(super) fn consent(question: &str) -> Result<bool, Error> {
    if !report::has_terminal() {
        return Err(Error::Request {
            message:
                "will not change who can read files without being told to: there is no terminal to ask on"
                    .to_owned(),
            hint: "run it with `--yes`: nothing was written".to_owned(),
        });
    }
    Ok(report::ask(question))
}

/// Files of which it is said why they are left as they are.
const MOST_TOLD: usize = 20;

/// Says why files are left as they are.
pub(super) fn tell(left: &[Left]) {
    left.iter().take(MOST_TOLD).for_each(|left| report::rendered(&report::told(&left.error)));
    if let Some(more) = left.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        report::note(&format!(
            "{} more left as they are, for reasons like these",
            words::count(more, "file")
        ));
    }
}

pub(super) fn ended(left: &[Left]) -> Outcome {
    if left.is_empty() { Outcome::Clean } else { Outcome::Findings }
}

fn say_nothing(plan: &Plan, left: &[Left], certs: &[Certs]) {
    let kept = words::count(plan.kept, "file");
    match (plan.kept, left.is_empty()) {
        (0, true) => say_empty(certs),
        (0, false) => {}
        _ => report::note(&format!("nothing to do: {kept} sealed to those whom the rules name")),
    }
}

/// Says that no file is here, beside those of `pki gen`.
pub(super) fn say_empty(certs: &[Certs]) {
    report::note(if certs.is_empty() {
        "nothing to do: there is no sealed file here"
    } else {
        "nothing to do: there is no other sealed file here"
    });
}

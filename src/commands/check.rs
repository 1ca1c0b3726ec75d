//! `pki check`: what expires soon, and what is not what machines.nix asks for. Needs no identity and changes nothing.

use std::path::Path;

use quorate_pki::cluster::Cluster;
use quorate_pki::converge::Change;
use quorate_pki::decision::{Decision, decide};
use quorate_pki::drift::{Reason, days_left, expiry};
use quorate_pki::error::StateFault;
use quorate_pki::plan::Plan;
use quorate_pki::readers::Readers;
use quorate_pki::sealing::SealChange;
use serde_json::json;
use time::OffsetDateTime;

use super::{known_readers, named_admins, read_store};
use crate::cli::Check;
use crate::error::Error;
use crate::inventory;
use crate::passwords::{self, Asked, Passwords};
use crate::report::{self, Outcome};
use crate::rules::{RulesFile, folder_of, plan_rules};
use crate::store::Store;
use crate::store::commit::{Interrupted, interrupted};
use crate::words;

/// One thing that was found.
pub(crate) struct Finding {
    /// Whole days that are left, for what has an end; the most urgent come first, and drift before all.
    days: Option<i64>,
    /// Which certificate or file.
    pub(crate) what: String,
    /// What is the matter with it.
    pub(crate) text: String,
    /// Whether it was made once and nothing plans it any more, which is in nobody's way.
    pub(crate) is_left_over: bool,
}

/// Runs the verb.
///
/// # Errors
/// Whatever keeps it from judging; findings are no error.
pub fn run(args: &Check, now: OffsetDateTime) -> Result<Outcome, Error> {
    let cluster = inventory::load(&args.inventory)?;
    let mut findings = Vec::new();
    if let Some(left) = interrupted(&args.certs) {
        let what = args.certs.display().to_string();
        findings.push(Finding::drift(&what, "a run was interrupted and is not finished"));
        if left == Interrupted::Committed {
            // Half of the files are old and half are new: nothing true can be said of them.
            print(&findings, args);
            return Ok(Outcome::Findings);
        }
    }
    let (store, drifted) = compared(&args.certs, &args.inventory.file, &cluster, now)?;
    findings.extend(drifted);
    findings.extend(expiring(&cluster, &store, args.within, now));
    findings.sort_by_key(|finding| finding.days.unwrap_or(i64::MIN));
    print(&findings, args);
    Ok(if findings.is_empty() { Outcome::Clean } else { Outcome::Findings })
}

/// What stands in `certs`, and all of it that is not what `cluster`, read from `inventory`, asks for. Renewals are none
/// of that.
///
/// # Errors
/// Whatever keeps it from being compared.
pub(crate) fn compared(
    certs: &Path,
    inventory: &Path,
    cluster: &Cluster,
    now: OffsetDateTime,
) -> Result<(Store, Vec<Finding>), Error> {
    let (plan, store) = read_store(certs, cluster, None)?;
    let (admins, root_admins) = named_admins(cluster, store.state.manifest.as_ref())?;
    let mut findings = Vec::new();
    match known_readers(certs, cluster, &store, admins, root_admins) {
        Err(Error::State { faults, .. }) => findings.extend(faults.iter().map(Finding::fault)),
        Err(error) => return Err(error),
        Ok((readers, _)) => match decide(cluster, &plan, &store.state, &readers, false, now) {
            Err(faults) => findings.extend(faults.iter().map(Finding::fault)),
            Ok(decision) => {
                findings.extend(drift(&decision));
                // Without admins there is nothing yet, and nothing to seal to.
                if !readers.admins.is_empty() {
                    findings.extend(passwords_drift(inventory, cluster, &plan, &readers, &store)?);
                    let rules = plan_rules(inventory, certs, cluster, &plan, &readers)?;
                    if rules.as_ref().is_some_and(RulesFile::changes) {
                        findings
                            .push(Finding::drift(".sops.yaml", "its rules are not those of this cluster"));
                    }
                }
            }
        },
    }
    Ok((store, findings))
}

impl Finding {
    fn drift(what: &str, text: impl Into<String>) -> Self {
        Self { days: None, what: what.to_owned(), text: text.into(), is_left_over: false }
    }

    fn left_over(what: &str, text: impl Into<String>) -> Self {
        Self { is_left_over: true, ..Self::drift(what, text) }
    }

    fn fault(fault: &StateFault) -> Self {
        Self::drift(&fault.file, fault.message.clone())
    }
}

/// What `gen` would do beside renewing: expiry is judged by itself.
fn drift(decision: &Decision) -> Vec<Finding> {
    let certs = decision.certs.iter().filter(|action| !matches!(action.change, Change::Keep | Change::Renew));
    let certs = certs.map(|action| {
        let reasons = action.reasons.iter().map(|reason| match reason {
            Reason::New => "it does not exist yet".to_owned(),
            other => other.to_string(),
        });
        Finding::drift(action.id.as_str(), reasons.collect::<Vec<_>>().join("; "))
    });
    let sealed = decision.sealed.iter().filter(|action| action.change != SealChange::Keep).map(|action| {
        let text = if action.change == SealChange::Seal {
            "it does not exist yet".to_owned()
        } else {
            action.reasons.join("; ")
        };
        Finding::drift(&action.path, text)
    });
    let files = decision.files.iter().map(|file| {
        let text = if file.reason == "new" { "it does not exist yet" } else { &file.reason };
        Finding::drift(&file.path, text)
    });
    let orphans = decision.orphans.iter().map(|orphan| {
        Finding::left_over(&orphan.to_string(), "nothing plans it any more: `pki gen --prune`")
    });
    certs.chain(sealed).chain(files).chain(orphans).collect()
}

/// What `gen` would do about the passwords of BGP and VRRP.
fn passwords_drift(
    inventory: &Path,
    cluster: &Cluster,
    plan: &Plan,
    readers: &Readers,
    store: &Store,
) -> Result<Vec<Finding>, Error> {
    let planned = Passwords::plan(&Asked {
        folder: folder_of(inventory),
        cluster,
        format: plan.format,
        readers,
        manifest: store.state.manifest.as_ref(),
        prune: false,
    });
    let passwords = match planned {
        Ok(passwords) => passwords,
        // What stands in their place is a finding like any other.
        Err(error @ (Error::Plaintext { .. } | Error::Secrets { .. } | Error::Sealed { .. })) => {
            return Ok(vec![Finding::drift(passwords::FOLDER, error.to_string())]);
        }
        Err(error) => return Err(error),
    };
    let changes = passwords.changes().iter();
    let changes = changes.map(|change| Finding::drift(&change.file, change.reasons.join("; ")));
    let unused = passwords.unused().iter().map(|(name, file)| {
        Finding::left_over(file, format!("nothing asks for `{name}` any more: `pki gen --prune`"))
    });
    Ok(changes.chain(unused).collect())
}

/// Everything that ends within the window.
fn expiring(cluster: &Cluster, store: &Store, within: Option<u32>, now: OffsetDateTime) -> Vec<Finding> {
    let within = i64::from(within.unwrap_or(cluster.policy().renew_days));
    let leaves = store.state.certs.iter().filter_map(|(id, chain)| Some((id, chain.first()?)));
    leaves
        .filter_map(|(id, facts)| {
            let days = days_left(facts.not_after, now);
            let text = format!("{} ({})", expiry(days), facts.not_after.date());
            (days < within).then(|| Finding { days: Some(days), ..Finding::drift(id.as_str(), text) })
        })
        .collect()
}

fn print(findings: &[Finding], args: &Check) {
    if args.json {
        let rows = findings.iter().map(
            |finding| json!({ "what": finding.what, "finding": finding.text, "daysLeft": finding.days }),
        );
        report::json(&rows.collect());
    } else {
        report::table(&findings.iter().map(|f| vec![f.what.clone(), f.text.clone()]).collect::<Vec<_>>());
    }
    let certs = args.certs.display();
    if findings.is_empty() {
        report::note(&format!("{certs} is clean"));
    } else {
        report::note(&words::count(findings.len(), "finding"));
        report::hint(&format!(
            "`pki gen {certs}` mends what can be mended, `pki gen {certs} --dry-run` shows how"
        ));
    }
}

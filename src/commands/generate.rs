//! `pki gen`: machines.nix in, a sealed and judged PKI out. Run again, it does what has changed and nothing else.

mod admins;
mod show;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_pki::apply::{apply, files_to_open};
use quorate_pki::cluster::Cluster;
use quorate_pki::converge::Change;
use quorate_pki::decision::{Decision, decide};
use quorate_pki::entries::Entry;
use quorate_pki::judge::{Judged, judge};
use quorate_pki::layout::SERVICE_ACCOUNT_PUBLIC;
use quorate_pki::outcome::{public_files, service_account_public};
use quorate_pki::plan::{Format, Plan};
use quorate_pki::readers::{Readers, key_only};
use quorate_pki::sealing::SealChange;
use quorate_secrets::host_key::HostKey;
use quorate_secrets::secret::Secret;
use rayon::prelude::*;
use secrecy::SecretString;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::{host, known_readers, read_store};
use crate::cli::{FormatArg, Gen};
use crate::error::Error;
use crate::identities::{Identities, NewIdentity, Places};
use crate::inventory;
use crate::report::{self, Outcome, Progress};
use crate::rules::{RulesFile, plan_rules};
use crate::store::Store;
use crate::store::commit::{ChangeSet, Interrupted, Lock, interrupted};
use crate::vault::{Sealer, Vault};
use crate::words;

/// Runs the verb.
///
/// # Errors
/// Whatever keeps it from its work; nothing is written then.
pub fn run(args: &Gen, now: OffsetDateTime) -> Result<Outcome, Error> {
    let started = Instant::now();
    let cluster = inventory::load(&args.inventory)?;
    if args.dry_run {
        let left = interrupted(&args.certs);
        if let Some(left) = left {
            say_interrupted(&args.certs, left, false);
        }
        let job = Job::prepare(args, &cluster, now)?;
        show::show(&job.decision, job.rules.as_ref(), args.json);
        let something = left.is_some() || !job.is_nothing();
        return Ok(if something { Outcome::Findings } else { Outcome::Clean });
    }
    // A folder that does not exist is made only when there is something to put into it.
    let lock = args.certs.exists().then(|| Lock::take(&args.certs)).transpose()?;
    if let Some(lock) = &lock
        && let Some(left) = lock.recover()?
    {
        say_interrupted(&args.certs, left, true);
    }
    let mut job = Job::prepare(args, &cluster, now)?;
    show::show(&job.decision, job.rules.as_ref(), args.json);
    if job.is_nothing() {
        let inventory = args.inventory.file.display();
        report::note(&format!("nothing to do: {} is what {inventory} asks for", args.certs.display()));
        return Ok(Outcome::Clean);
    }
    let (changes, judged) = job.make(now)?;
    let lock = lock.map_or_else(|| Lock::take(&args.certs), Ok)?;
    if let Some(identity) = &job.new_identity {
        identity.write(now)?;
        say_new_identity(identity);
    }
    let taken = lock.commit(&changes)?;
    job.say_done(&judged, started.elapsed().saturating_sub(taken.durable), taken.durable);
    Ok(Outcome::Clean)
}

fn say_interrupted(folder: &Path, left: Interrupted, mended: bool) {
    let folder = folder.display();
    report::note(&match (left, mended) {
        (Interrupted::Committed, true) => format!("finished an interrupted run in {folder}"),
        (Interrupted::Staged, true) => {
            format!("dropped what an interrupted run left in {folder}: nothing of it was in place")
        }
        (Interrupted::Committed, false) => {
            format!("a run was interrupted in {folder}; `pki gen` will finish it first")
        }
        (Interrupted::Staged, false) => {
            format!("a run was interrupted in {folder}; `pki gen` will drop what it left")
        }
    });
}

fn say_new_identity(identity: &NewIdentity) {
    let path = identity.path().display();
    report::note(&format!("made an age identity in {path}: {}", identity.recipient));
    report::warning("it is the only one: whoever loses this file loses every key of the cluster");
    report::hint(&format!(
        "keep a copy elsewhere: `cp {path} /media/backup/`; or name a second admin in `cluster.admins`"
    ));
}

/// One run: what was read and what was decided.
struct Job<'a> {
    cluster: &'a Cluster,
    plan: Plan,
    store: Store,
    readers: Readers,
    decision: Decision,
    rules: Option<RulesFile>,
    host_keys: BTreeMap<String, Secret>,
    places: Places,
    identities: Option<Identities>,
    new_identity: Option<NewIdentity>,
}

impl<'a> Job<'a> {
    fn prepare(args: &Gen, cluster: &'a Cluster, now: OffsetDateTime) -> Result<Self, Error> {
        let format = args.format.map(|format| match format {
            FormatArg::Sops => Format::Sops,
            FormatArg::Age => Format::Age,
        });
        let (plan, store) = read_store(&args.certs, cluster, format)?;
        let places = Places::from_env();
        let admins = admins::admins(args, cluster, store.state.manifest.as_ref(), &places)?;
        let (mut readers, to_make) =
            known_readers(&args.certs, cluster, &store, admins.everyday, admins.of_root)?;
        let host_keys = make_host_keys(&to_make, &mut readers)?;
        let decision = decide(cluster, &plan, &store.state, &readers, args.prune, now)
            .map_err(|faults| Error::State { folder: args.certs.clone(), faults })?;
        let rules = plan_rules(&args.inventory.file, &args.certs, cluster, &plan, &readers)?;
        if readers.admins.len() == 1 && admins.new_identity.is_none() {
            report::warning(
                "a single admin can open these files: whoever loses that identity loses every key",
            );
            report::hint("keep a copy of it elsewhere, or name a second recipient in `cluster.admins`");
        }
        let (identities, new_identity) = (admins.identities, admins.new_identity);
        Ok(Self {
            cluster,
            plan,
            store,
            readers,
            decision,
            rules,
            host_keys,
            places,
            identities,
            new_identity,
        })
    }

    fn is_nothing(&self) -> bool {
        self.decision.is_nothing() && !self.rules.as_ref().is_some_and(RulesFile::changes)
    }

    /// Everything in memory: opened, issued, judged, sealed.
    fn make(&mut self, now: OffsetDateTime) -> Result<(ChangeSet, Judged), Error> {
        let state = &self.store.state;
        let mut files = files_to_open(&self.plan, state, &self.decision.certs, &self.decision.sealed);
        let public_is_gone = !state.files.contains_key(SERVICE_ACCOUNT_PUBLIC);
        let pair = Entry { file: "service-account.yaml".to_owned(), name: "service-account".to_owned() };
        if public_is_gone && self.store.sealed.contains_key(&pair.file) {
            files.insert(pair.file.clone());
        }
        let vault = if files.is_empty() {
            Vault::default()
        } else {
            let identities = self.identities.get_or_insert_with(|| self.places.load());
            Vault::open(&self.store, &files, identities)?
        };
        let Decision { certs, sealed, .. } = &self.decision;
        let issued = apply(self.cluster, &self.plan, state, certs, sealed, &|entry| vault.get(entry), now)?;
        let judged = judge(self.cluster, &self.plan, issued, now)?;
        let made = judged.issued.shared.get("service-account");
        let opened: Option<SecretString> =
            if public_is_gone && made.is_none() { vault.get(&pair) } else { None };
        let public = made.or(opened.as_ref()).and_then(service_account_public);
        let mut changes = self.seal(&vault, &judged, now)?;
        let clear = public_files(
            self.cluster,
            &self.plan,
            state,
            &self.readers,
            &self.decision,
            &judged,
            public.as_ref(),
        );
        changes.writes.extend(clear);
        changes
            .removes
            .extend(self.decision.files.iter().filter(|file| file.removed).map(|file| file.path.clone()));
        if let Some(rules) = self.rules.as_ref().filter(|rules| rules.changes()) {
            let path = std::path::absolute(&rules.path).map_err(Error::io("find", &rules.path))?;
            changes.beside = Some((path, rules.new.clone().into_bytes()));
        }
        Ok((changes, judged))
    }

    fn seal(&self, vault: &Vault, judged: &Judged, now: OffsetDateTime) -> Result<ChangeSet, Error> {
        let lastmodified = whole_seconds(now);
        let sealer = Sealer { vault, judged, host_keys: &self.host_keys, lastmodified: &lastmodified };
        let progress = Progress::new("sealing", self.decision.sealed.len());
        let written: Vec<Option<(String, Vec<u8>)>> = self
            .decision
            .sealed
            .par_iter()
            .map(|action| {
                let written = sealer.seal(action);
                progress.step();
                written
            })
            .collect::<Result<_, _>>()?;
        let removed = self.decision.sealed.iter().filter(|action| action.change == SealChange::Remove);
        Ok(ChangeSet {
            writes: written.into_iter().flatten().collect(),
            removes: removed.map(|action| action.path.clone()).collect(),
            beside: None,
        })
    }

    fn say_done(&self, judged: &Judged, work: Duration, durable: Duration) {
        let all = self.decision.certs.len();
        report::note(&format!(
            "{made} of {all} certificates made, {leaves} judged against every trust file, {handshakes} handshakes \
             tried; {work}, and {durable} for the disk",
            made = all - self.decision.count(Change::Keep),
            leaves = judged.leaves,
            handshakes = judged.handshakes,
            work = words::duration(work),
            durable = words::duration(durable),
        ));
        for action in self.decision.sealed.iter().filter(|action| !action.left.is_empty()) {
            let names: Vec<String> = action.entries.iter().map(|(entry, _)| entry.name.clone()).collect();
            report::warning(&format!(
                "{} could read `{}`, and still knows {}",
                words::list(&action.left, 3),
                action.path,
                words::list(&names, 20),
            ));
        }
    }
}

/// A time in RFC 3339, UTC and whole seconds: the one form that SOPS metadata has.
fn whole_seconds(now: OffsetDateTime) -> String {
    let now = now.to_offset(UtcOffset::UTC);
    // Year and offset are in range: the clock's, or parsed from RFC 3339.
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

fn make_host_keys(machines: &[String], readers: &mut Readers) -> Result<BTreeMap<String, Secret>, Error> {
    let mut keys = BTreeMap::new();
    for machine in machines {
        let failed = |error: quorate_secrets::host_key::HostKeyError| Error::Sealed {
            file: format!("{machine}/host.yaml"),
            cause: error.to_string(),
            hint: "try again: the operating system gave no random numbers".to_owned(),
        };
        let (private, public) = HostKey::generate(machine).map_err(failed)?.into_files();
        readers.hosts.insert(machine.clone(), host(machine, &key_only(&public))?);
        keys.insert(machine.clone(), private);
    }
    Ok(keys)
}

//! `pki gen`: machines.nix in, a sealed and judged PKI out. Run again, it does what has changed and nothing else.

mod admins;
mod adopt;
mod passwords;
pub(crate) mod show;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_pki::adopt::Adopted;
use quorate_pki::apply::{apply, files_to_open};
use quorate_pki::authority::Authority;
use quorate_pki::cluster::Cluster;
use quorate_pki::converge::{Change, KeySource};
use quorate_pki::decision::{Decision, decide};
use quorate_pki::entries::service_account_entry;
use quorate_pki::judge::{Judged, judge};
use quorate_pki::outcome::{public_files, service_account_public};
use quorate_pki::plan::{CertId, Format, Plan};
use quorate_pki::readers::{Host, Readers, called, key_only};
use quorate_pki::sealing::SealChange;
use quorate_secrets::host_key::HostKey;
use quorate_secrets::secret::Secret;
use rayon::prelude::*;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::{host, known_readers, read_store};
use crate::cli::{FormatArg, Gen};
use crate::error::Error;
use crate::identities::{Identities, NewIdentity, Places};
use crate::inventory;
use crate::passwords::{Asked, Passwords, write as write_passwords};
use crate::report::{self, Outcome, Progress};
use crate::rules::{RulesFile, folder_of, plan_rules};
use crate::store::Store;
use crate::store::commit::{ChangeSet, Interrupted, Lock, interrupted};
use crate::vault::{Sealer, Vault};
use crate::words;
use adopt::Offer;

/// Runs the verb.
///
/// # Errors
/// Whatever keeps it from its work; nothing is written then.
pub fn run(args: &Gen, now: OffsetDateTime) -> Result<Outcome, Error> {
    let started = Instant::now();
    let cluster = inventory::load(&args.inventory)?;
    let offers = adopt::read_files(args)?;
    if args.dry_run {
        return dry_run(args, &cluster, &offers, now);
    }
    let is_new = !args.certs.exists();
    let lock = Lock::take(&args.certs)?;
    let outcome = locked(args, &cluster, &offers, &lock, now, started);
    if is_new && outcome.is_err() {
        // What was made to be locked, and holds nothing.
        let _ = std::fs::remove_dir(&args.certs);
    }
    outcome
}

/// Everything but the last thought. Of a folder that a committed run has half moved into place, nothing can be said.
fn dry_run(args: &Gen, cluster: &Cluster, offers: &[Offer], now: OffsetDateTime) -> Result<Outcome, Error> {
    let left = interrupted(&args.certs);
    if let Some(left) = left {
        super::say_interrupted(&args.certs, left);
        if left == Interrupted::Committed {
            return Ok(Outcome::Findings);
        }
    }
    let job = Job::prepare(args, cluster, offers, now)?;
    show::show(&job.decision, job.rules.as_ref(), &job.passwords, args.json);
    job.say_passwords();
    if job.is_nothing() {
        say_nothing(args);
    }
    let something = left.is_some() || !job.is_nothing();
    Ok(if something { Outcome::Findings } else { Outcome::Clean })
}

fn locked(
    args: &Gen,
    cluster: &Cluster,
    offers: &[Offer],
    lock: &Lock,
    now: OffsetDateTime,
    started: Instant,
) -> Result<Outcome, Error> {
    recover(args, lock)?;
    let mut job = Job::prepare(args, cluster, offers, now)?;
    show::show(&job.decision, job.rules.as_ref(), &job.passwords, args.json);
    job.say_passwords();
    if job.is_nothing() {
        say_nothing(args);
        return Ok(Outcome::Clean);
    }
    let (changes, judged) = job.make(now)?;
    let passwords = job.make_passwords(now)?;
    if let Some(identity) = &job.new_identity {
        identity.write(now)?;
        say_new_identity(identity);
    }
    write_passwords(&passwords, true)?;
    let taken = lock.commit(&changes)?;
    if let Some(rules) = job.rules.as_ref().filter(|rules| rules.changes()) {
        rules.write()?;
    }
    write_passwords(&passwords, false)?;
    job.say_done(&judged, started.elapsed().saturating_sub(taken.durable), taken.durable);
    job.say_known();
    Ok(Outcome::Clean)
}

/// Finishes or drops what an interrupted run left, and says so.
pub(crate) fn recover(args: &Gen, lock: &Lock) -> Result<(), Error> {
    let certs = args.certs.display();
    match lock.recover()? {
        Some(Interrupted::Committed) => report::note(&format!("finished an interrupted run in {certs}")),
        Some(Interrupted::Staged) => report::note(&format!(
            "dropped what an interrupted run left in {certs}: nothing of it was in place"
        )),
        None => {}
    }
    Ok(())
}

fn say_nothing(args: &Gen) {
    let inventory = args.inventory.file.display();
    report::note(&format!("nothing to do: {} is what {inventory} asks for", args.certs.display()));
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
pub(crate) struct Job<'a> {
    cluster: &'a Cluster,
    plan: Plan,
    store: Store,
    readers: Readers,
    pub(crate) decision: Decision,
    pub(crate) rules: Option<RulesFile>,
    pub(crate) passwords: Passwords,
    host_keys: BTreeMap<String, Secret>,
    places: Places,
    identities: Option<Identities>,
    new_identity: Option<NewIdentity>,
    adopted: BTreeMap<Authority, Adopted>,
}

impl<'a> Job<'a> {
    fn prepare(
        args: &Gen,
        cluster: &'a Cluster,
        offers: &[Offer],
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let format = args.format.map(|format| match format {
            FormatArg::Sops => Format::Sops,
            FormatArg::Age => Format::Age,
        });
        let (mut plan, mut store) = read_store(&args.certs, cluster, format)?;
        let places = Places::from_env();
        let mut admins = admins::admins(args, cluster, store.state.manifest.as_ref(), &places)?;
        let adopted = adopt::adopt(offers, cluster, &store.state, &places, &mut admins.identities, now)?;
        quorate_pki::adopt::take(&mut plan, &mut store.state, &adopted);
        let (mut readers, to_make) =
            known_readers(&args.certs, cluster, &store, admins.everyday, admins.of_root)?;
        let host_keys = make_host_keys(&to_make, &mut readers)?;
        let decision = decide(cluster, &plan, &store.state, &readers, args.prune, now)
            .map_err(|faults| Error::State { folder: args.certs.clone(), faults })?;
        let rules = plan_rules(&args.inventory.file, &args.certs, cluster, &plan, &readers)?;
        let passwords = Passwords::plan(&Asked {
            folder: folder_of(&args.inventory.file),
            cluster,
            format: plan.format,
            readers: &readers,
            manifest: store.state.manifest.as_ref(),
            prune: args.prune,
        })?;
        if rules.is_none() {
            report::warning(&format!(
                "{} does not lie below the folder of {}: no .sops.yaml there can name its files, so plain sops would seal \
                 them to others",
                args.certs.display(),
                args.inventory.file.display()
            ));
        }
        if readers.admins.len() == 1 && admins.new_identity.is_none() {
            report::warning(
                "a single admin can open these files: whoever loses that identity loses every key",
            );
            let file = places.new_file().unwrap_or_default();
            report::hint(&format!(
                "keep a copy elsewhere: `cp {} /media/backup/`; or name a second recipient in `cluster.admins`",
                file.display()
            ));
        }
        let (identities, new_identity) = (admins.identities, admins.new_identity);
        Ok(Self {
            cluster,
            plan,
            store,
            readers,
            decision,
            rules,
            passwords,
            host_keys,
            places,
            identities,
            new_identity,
            adopted,
        })
    }

    /// What `pki gen` would do where `certs` exists: for a run that other files belong to as well.
    ///
    /// # Errors
    /// As `pki gen`.
    pub(crate) fn of(args: &Gen, cluster: &'a Cluster, now: OffsetDateTime) -> Result<Self, Error> {
        let mut job = Self::prepare(args, cluster, &[], now)?;
        job.passwords.keep_age_readers();
        Ok(job)
    }

    /// The identities that are here.
    pub(crate) fn identities(&mut self) -> &mut Identities {
        self.identities.get_or_insert_with(|| self.places.load())
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.decision.is_nothing()
            && !self.rules.as_ref().is_some_and(RulesFile::changes)
            && self.passwords.changes().is_empty()
    }

    /// Everything in memory: opened, issued, judged, sealed.
    pub(crate) fn make(&mut self, now: OffsetDateTime) -> Result<(ChangeSet, Judged), Error> {
        let state = &self.store.state;
        let files = files_to_open(&self.plan, state, &self.decision.certs, &self.decision.sealed);
        let mut vault = if files.is_empty() {
            Vault::default()
        } else {
            let identities = self.identities.get_or_insert_with(|| self.places.load());
            Vault::open(&self.store, &files, identities)?
        };
        let Decision { certs, sealed, .. } = &self.decision;
        for (authority, adopted) in &self.adopted {
            let action = certs.iter().find(|action| action.id == CertId::authority(*authority));
            if let Some(KeySource::Adopted(place)) = action.map(|action| &action.key) {
                vault.lend(place.clone(), &adopted.key);
            }
        }
        let issued = apply(self.cluster, &self.plan, state, certs, sealed, &|entry| vault.get(entry), now)?;
        let judged = judge(self.cluster, &self.plan, issued, now)?;
        let made = judged.issued.shared.get("service-account");
        let opened = service_account_entry(&self.plan, state).and_then(|entry| vault.get(&entry));
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
            &changes.writes,
        );
        changes.writes.extend(clear);
        changes
            .removes
            .extend(self.decision.files.iter().filter(|file| file.removed).map(|file| file.path.clone()));
        Ok((changes, judged))
    }

    fn seal(&self, vault: &Vault, judged: &Judged, now: OffsetDateTime) -> Result<ChangeSet, Error> {
        let lastmodified = whole_seconds(now);
        let manifest = self.store.state.manifest.as_ref();
        let sealer = Sealer {
            vault,
            judged,
            readers: &self.readers,
            service_account: manifest.and_then(|manifest| manifest.service_account.as_deref()),
            host_keys: &self.host_keys,
            lastmodified: &lastmodified,
        };
        let progress = Progress::new("sealing", self.decision.sealed.len());
        let outcomes: Vec<Result<_, Error>> = self
            .decision
            .sealed
            .par_iter()
            .map(|action| {
                let written = sealer.seal(action);
                progress.step();
                written
            })
            .collect();
        // One by one: of several errors the first is told, however many threads there are.
        let written: Vec<Option<(String, Vec<u8>)>> = outcomes.into_iter().collect::<Result<_, _>>()?;
        let removed = self.decision.sealed.iter().filter(|action| action.change == SealChange::Remove);
        Ok(ChangeSet {
            writes: written.into_iter().flatten().collect(),
            removes: removed.map(|action| action.path.clone()).collect(),
        })
    }

    fn named(&self, recipients: &[String]) -> Vec<String> {
        let manifest = self.store.state.manifest.as_ref();
        recipients.iter().map(|recipient| called(recipient, &self.readers, manifest)).collect()
    }

    pub(crate) fn say_done(&self, judged: &Judged, work: Duration, durable: Duration) {
        let all = self.decision.certs.len();
        report::note(&format!(
            "{made} of {all} certificates made, {leaves} judged against every trust file, {handshakes} handshakes \
             tried; {work}, and {durable} for the disk",
            made = all - self.decision.count(Change::Keep) - self.decision.count(Change::Adopt),
            leaves = judged.leaves,
            handshakes = judged.handshakes,
            work = words::duration(work),
            durable = words::duration(durable),
        ));
        for action in &self.decision.certs {
            if let KeySource::Adopted(place) = &action.key {
                report::note(&format!(
                    "the key of `{}` is sealed in {} now: keep no copy of it in clear",
                    action.id, place.file
                ));
            }
        }
    }

    /// What those who lose access know all the same.
    pub(crate) fn say_known(&self) {
        for action in self.decision.sealed.iter().filter(|action| !action.left.is_empty()) {
            let names: Vec<String> = action.entries.iter().map(|(entry, _)| entry.name.clone()).collect();
            report::warning(&format!(
                "{} could read `{}`, and still knows {}",
                words::plain(&self.named(&action.left), 3),
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
    let pairs: Vec<(Secret, Host)> =
        machines.par_iter().map(|machine| make_host_key(machine)).collect::<Result<_, _>>()?;
    let mut keys = BTreeMap::new();
    for (machine, (private, host)) in machines.iter().zip(pairs) {
        readers.hosts.insert(machine.clone(), host);
        keys.insert(machine.clone(), private);
    }
    Ok(keys)
}

fn make_host_key(machine: &str) -> Result<(Secret, Host), Error> {
    let failed = |error: quorate_secrets::host_key::HostKeyError| Error::Sealed {
        file: format!("{machine}/host.yaml"),
        cause: error.to_string(),
        hint: error.hint().to_owned(),
    };
    let (private, public) = HostKey::generate(machine).map_err(failed)?.into_files();
    Ok((private, host(machine, &key_only(&public))?))
}

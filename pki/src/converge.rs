//! The plan against what exists: what is kept, issued, renewed or issued again, and why. A value that is shown,
//! and the same value that is applied. Needs no private key to decide.

use std::collections::BTreeSet;

use rayon::prelude::*;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::cluster::Cluster;
use crate::drift::{Reason, compare, days_left};
use crate::entries::{Entry, key_entry};
use crate::error::StateFault;
use crate::facts::CertFacts;
use crate::manifest::Manifest;
use crate::plan::{CertId, CertPlan, Holder, Plan};
use crate::readers::Readers;
use crate::san::San;
use crate::state::State;

/// What happens to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Keep,
    /// It is made for the first time, or with a new key.
    Issue,
    /// Its life is prolonged: same key, same contents.
    Renew,
    /// It is made again with other contents: same key.
    Reissue,
    /// An authority that was made elsewhere is taken over as it is.
    Adopt,
}

impl Change {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Reissue => "reissue",
            Self::Adopt => "adopt",
        }
    }
}

/// Where the key of a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The public key of the certificate that exists: the private one need not be opened.
    Same,
    /// The private key is sealed here; its certificate is gone.
    Sealed(Entry),
    /// A new one.
    New,
    /// The one of an authority that was made elsewhere, and where it will be sealed.
    Adopted(Entry),
}

impl KeySource {
    /// Whether it is not sealed here yet.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New | Self::Adopted(_))
    }
}

/// What happens to one certificate, and why.
#[derive(Debug, Clone)]
pub struct CertAction {
    /// Which.
    pub id: CertId,
    /// What.
    pub change: Change,
    /// Why; empty for [`Change::Keep`].
    pub reasons: Vec<Reason>,
    /// With which key.
    pub key: KeySource,
}

/// Compares every planned certificate with the one that exists.
///
/// # Errors
/// Every certificate that is not what was once written there: nothing is planned over it.
pub fn certificates(
    cluster: &Cluster,
    plan: &Plan,
    state: &State,
    readers: &Readers,
    now: OffsetDateTime,
) -> Result<Vec<CertAction>, Vec<StateFault>> {
    let faults: Vec<StateFault> =
        plan.certs.par_iter().filter_map(|cert| integrity(cert, state, now).err()).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut actions: Vec<CertAction> = Vec::with_capacity(plan.certs.len());
    let mut faults = Vec::new();
    let mut changed = BTreeSet::new();
    for cert in &plan.certs {
        let context = Context { cluster, plan, state, readers, now };
        let issuer_changed = cert.issuer.is_some_and(|issuer| changed.contains(&CertId::authority(issuer)));
        match context.decide(cert, issuer_changed) {
            Ok(action) => {
                if action.change != Change::Keep {
                    changed.insert(action.id.clone());
                }
                actions.push(action);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(actions) } else { Err(faults) }
}

/// A time as messages have it, in UTC and whole seconds.
fn rfc3339(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

/// Whether the file that exists is one that we wrote: its public key is the manifest's, its issuer signed it, and
/// the chain behind the leaf is its issuer's.
fn integrity(cert: &CertPlan, state: &State, now: OffsetDateTime) -> Result<(), StateFault> {
    let Some(chain) = state.certs.get(&cert.id) else { return Ok(()) };
    let file = cert.id.file();
    let Some(facts) = chain.first() else { return Ok(()) };
    if let Some(manifest) = &state.manifest {
        let Some(record) = manifest.certificate(&cert.id) else {
            let message = "manifest.json does not know it: somebody else put it where one of ours belongs";
            return Err(StateFault {
                file,
                message: message.to_owned(),
                hint: "move it away and run `pki gen` again".to_owned(),
            });
        };
        if record.public_key != facts.public_key.sha256() {
            let message = "its public key is not the one that manifest.json records";
            return Err(StateFault::damaged(&file, message));
        }
    }
    if facts.not_before > now {
        return Err(StateFault {
            file,
            message: format!(
                "its life begins at {}, and it is {} now",
                rfc3339(facts.not_before),
                rfc3339(now)
            ),
            hint: "see with `date` whether the clock of this machine is right".to_owned(),
        });
    }
    let issuer = match cert.issuer {
        None => Some(facts),
        Some(authority) => state.cert(&CertId::authority(authority)),
    };
    // An issuer that is gone is made again from its sealed key; what it signed is signed anew then.
    let Some(issuer) = issuer else { return Ok(()) };
    if !facts.is_signed_by(issuer) {
        let message = format!("it was changed by hand: the signature of `{}` is not on it", issuer.subject);
        return Err(StateFault::damaged(&file, message));
    }
    let expected: &[&CertFacts] = if cert.is_authority() { &[] } else { &[issuer] };
    if !chain.iter().skip(1).eq(expected.iter().copied()) {
        let message =
            format!("behind the certificate it does not hold its issuer `{}` alone", issuer.subject);
        return Err(StateFault::damaged(&file, message));
    }
    Ok(())
}

struct Context<'a> {
    cluster: &'a Cluster,
    plan: &'a Plan,
    state: &'a State,
    readers: &'a Readers,
    now: OffsetDateTime,
}

impl Context<'_> {
    fn decide(&self, cert: &CertPlan, issuer_changed: bool) -> Result<CertAction, StateFault> {
        let sealed_key = key_entry(self.plan, self.state, &cert.id);
        let replaced = self.replaced_host(cert);
        let Some(facts) = self.state.cert(&cert.id) else {
            let record = self.state.manifest.as_ref().and_then(|manifest| manifest.certificate(&cert.id));
            let known = record.is_some();
            if known && cert.is_authority() && sealed_key.is_none() {
                return self.key_is_gone(cert);
            }
            if record.is_some_and(|record| record.adopted) && cert.adopted.is_none() {
                return Err(lost(cert));
            }
            // A key that is there already counts only for a certificate that we know of.
            return Ok(make(cert, sealed_key.filter(|_| known), replaced, known));
        };
        if let (None, Some(_), Some(home)) =
            (&self.state.manifest, &cert.adopted, self.plan.key_home(&cert.id))
        {
            return Ok(self.adopt(cert, facts, home));
        }
        if sealed_key.is_none() {
            return self.key_is_gone(cert);
        }
        // An adopted authority is as it is.
        let mut reasons = if cert.adopted.is_some() { Vec::new() } else { compare(cert, facts) };
        if cert.is_authority() && !reasons.is_empty() {
            return Err(authority_differs(cert, &reasons));
        }
        if let Some(machine) = replaced {
            let reasons = vec![Reason::HostKeyChanged { machine }];
            return Ok(CertAction {
                id: cert.id.clone(),
                change: Change::Issue,
                reasons,
                key: KeySource::New,
            });
        }
        if let (true, Some(issuer)) = (issuer_changed, cert.issuer) {
            reasons.push(Reason::IssuerRenewed { issuer: issuer.name().to_owned() });
        }
        let reasons = self.say_moved(cert, reasons);
        let left = days_left(facts.not_after, self.now);
        let due = left < i64::from(self.cluster.policy().renew_days);
        let (change, reasons) = match (reasons.is_empty(), due) {
            (false, _) => (Change::Reissue, reasons),
            (true, true) => (Change::Renew, vec![Reason::Expires { days: left }]),
            (true, false) => (Change::Keep, Vec::new()),
        };
        Ok(CertAction { id: cert.id.clone(), change, reasons, key: KeySource::Same })
    }

    /// An authority that was made elsewhere: taken over, and renewed at once when its end is near.
    fn adopt(&self, cert: &CertPlan, facts: &CertFacts, home: &Entry) -> CertAction {
        let left = days_left(facts.not_after, self.now);
        let due = left < i64::from(self.cluster.policy().renew_days);
        let mut reasons = vec![Reason::Adopted { subject: facts.subject.clone() }];
        reasons.extend(due.then_some(Reason::Expires { days: left }));
        let change = if due { Change::Renew } else { Change::Adopt };
        CertAction { id: cert.id.clone(), change, reasons, key: KeySource::Adopted(home.clone()) }
    }

    /// A certificate without its key. A leaf gets a new one; an authority cannot, without everything below it.
    fn key_is_gone(&self, cert: &CertPlan) -> Result<CertAction, StateFault> {
        let file = self.plan.key_home(&cert.id).map_or_else(String::new, |home| home.file.clone());
        if cert.is_authority() {
            let message = format!("it holds the key of authority `{}` and that key is gone", cert.id);
            let hint = format!(
                "bring it back with `git checkout -- certs/{file}`: without it nothing can be signed"
            );
            return Err(StateFault { file, message, hint });
        }
        let reasons = vec![Reason::KeyMissing { file }];
        Ok(CertAction { id: cert.id.clone(), change: Change::Issue, reasons, key: KeySource::New })
    }

    /// The machine of this certificate, when its keys are sealed to another host key than it has now.
    fn replaced_host(&self, cert: &CertPlan) -> Option<String> {
        let Holder::Machine(name) = &cert.holder else { return None };
        let then = self.state.manifest.as_ref()?.machines.get(name)?.host_key.as_ref()?;
        let now = &self.readers.hosts.get(name)?.ssh;
        (then != now).then(|| name.clone())
    }

    /// Says "machine moved" in place of the addresses one by one.
    fn say_moved(&self, cert: &CertPlan, reasons: Vec<Reason>) -> Vec<Reason> {
        let Holder::Machine(name) = &cert.holder else { return reasons };
        let then = self.state.manifest.as_ref().and_then(|manifest| manifest.machines.get(name));
        let (Some(then), Some(machine)) = (then, self.cluster.machine(name)) else { return reasons };
        let (then, now) = (&then.ips, machine.ips());
        let explained = |reason: &Reason| match reason {
            Reason::SanMissing(San::Ip(ip)) => now.contains(ip) && !then.contains(ip),
            Reason::SanExtra(San::Ip(ip)) => then.contains(ip) && !now.contains(ip),
            _ => false,
        };
        if !reasons.iter().any(explained) {
            return reasons;
        }
        let list =
            |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let moved = Reason::Moved { machine: name.clone(), from: list(then), to: list(now) };
        std::iter::once(moved).chain(reasons.into_iter().filter(|reason| !explained(reason))).collect()
    }
}

/// A certificate whose file does not exist: with its key where that one does, else with a new one.
fn make(cert: &CertPlan, sealed_key: Option<Entry>, replaced: Option<String>, known: bool) -> CertAction {
    let (reason, key) = match (replaced, sealed_key) {
        (Some(machine), _) => (Reason::HostKeyChanged { machine }, KeySource::New),
        (None, Some(entry)) => (Reason::FileMissing, KeySource::Sealed(entry)),
        (None, None) if known => (Reason::FileMissing, KeySource::New),
        (None, None) => (Reason::New, KeySource::New),
    };
    CertAction { id: cert.id.clone(), change: Change::Issue, reasons: vec![reason], key }
}

/// An adopted authority of which neither certificate nor bundle is left.
fn lost(cert: &CertPlan) -> StateFault {
    let file = cert.id.file();
    StateFault {
        message:
            "it was made elsewhere and adopted, and is gone with its bundle: its name is not known any more"
                .to_owned(),
        hint: format!("bring it back with `git checkout -- certs/{file}`"),
        file,
    }
}

fn authority_differs(cert: &CertPlan, reasons: &[Reason]) -> StateFault {
    let list: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    StateFault {
        file: cert.id.file(),
        message: format!("the authority is not the one that machines.nix describes: {}", list.join("; ")),
        hint: "an authority is not changed in place: everything that trusts it would have to change on the same \
               day; put `cluster.name` and `cluster.ca` back, or start a new PKI in an empty folder"
            .to_owned(),
    }
}

/// What the manifest says that machines.nix no longer does and that cannot be changed in place.
pub fn foundations(cluster: &Cluster, manifest: Option<&Manifest>) -> Vec<StateFault> {
    let Some(manifest) = manifest else { return Vec::new() };
    let mut faults = Vec::new();
    let mut differ = |attribute: &str, found: &str, expected: String| {
        if found != expected {
            faults.push(StateFault {
                file: crate::layout::MANIFEST.to_owned(),
                message: format!(
                    "these certificates were made for `cluster.{attribute} = \"{found}\"`, the inventory says \"{expected}\""
                ),
                hint: format!(
                    "every authority would change, and a running cluster would refuse half of itself: put \
                     `cluster.{attribute} = \"{found}\"` back, or start a new PKI in an empty folder"
                ),
            });
        }
    };
    differ("name", &manifest.cluster, cluster.name().to_owned());
    differ("ca", &manifest.ca, cluster.policy().ca.to_string());
    faults
}

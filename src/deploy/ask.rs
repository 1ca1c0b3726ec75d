//! Every machine is asked what it is, all at a time, and for each is decided what is done to it.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use quorate_pki::cluster::{Cluster, Machine};
use quorate_pki::layout::host_file;
use rayon::prelude::*;

use super::cli::Cli;
use super::command::{SSH_OPTIONS, is_on_path};
use super::decide::{Action, Asked, HostKeyHome, called, decide};
use super::run::missing;
use super::ssh::{self, Address, Answer, Data};
use super::{Refusal, facts};
use crate::error::Error;
use crate::report;
use crate::store::Store;
use crate::words;

/// How many machines are asked at a time.
const MOST_AT_ONCE: usize = 32;

/// What is done to one machine, and all that it needs.
pub(super) struct Job<'c> {
    pub(super) machine: &'c Machine,
    /// Where it answers now.
    pub(super) address: Address,
    /// Where it answers once it is installed.
    pub(super) home: Address,
    pub(super) action: Action,
    /// Its public host key.
    pub(super) public: String,
    /// A known_hosts file with that key.
    pub(super) known_hosts: PathBuf,
    /// The fingerprint of what answers there now, where that is not its own key.
    pub(super) fingerprint: Option<String>,
    /// A known_hosts file with the key that was shown: its own, or that one.
    shown: PathBuf,
}

/// A machine that is to be asked.
struct Candidate<'c> {
    machine: &'c Machine,
    address: Address,
    home: Address,
    public: String,
    known_hosts: PathBuf,
}

/// What is done to each of the machines; `folder` takes what ssh is told of their keys.
///
/// # Errors
/// [`Error::Refused`] with every machine to which nothing can be done, [`Error::Io`] on a full disk.
pub(super) fn jobs<'c>(
    args: &Cli,
    cluster: &Cluster,
    store: &Store,
    chosen: &[&'c Machine],
    folder: &Path,
) -> Result<Vec<Job<'c>>, Error> {
    if !is_on_path("ssh") {
        return Err(Error::Refused { faults: vec![missing("ssh")] });
    }
    if args.at_address.is_some() && chosen.len() != 1 {
        return Err(Error::Request {
            message: format!("`--at-address` is where one machine answers, and {} are meant", chosen.len()),
            hint: "install them one after the other".to_owned(),
        });
    }
    let candidates: Vec<Candidate<'c>> = chosen
        .iter()
        .map(|machine| Candidate::of(cluster, store, machine, folder, args.at_address))
        .collect::<Result<_, _>>()?;
    report::note(&format!("asking {} over ssh", words::count(chosen.len(), "machine")));
    let outcomes: Vec<Result<Job<'c>, Refusal>> = at_once(candidates.len(), || {
        candidates.into_par_iter().map(|candidate| candidate.ask(args)).collect()
    });
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(job) => jobs.push(job),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(jobs) } else { Err(Error::Refused { faults }) }
}

/// Runs it with a thread for each of so many machines: who does not answer is waited for, and that costs no processor.
fn at_once<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(MOST_AT_ONCE.min(count)).build() {
        Ok(threads) => threads.install(work),
        Err(_) => work(),
    }
}

impl<'c> Candidate<'c> {
    fn of(
        cluster: &Cluster,
        store: &Store,
        machine: &'c Machine,
        folder: &Path,
        at: Option<IpAddr>,
    ) -> Result<Self, Error> {
        let name = machine.name();
        // Both were judged before.
        let lost = |wanted: String| Error::NotFound { wanted: format!("`{wanted}`"), known: Vec::new() };
        let ip = machine.local_ip().ok_or_else(|| lost(format!("{name}.localIp")))?;
        let public = facts::public_host_key(cluster, store, name).ok_or_else(|| lost(host_file(name)))?;
        let (user, options) = (machine.ssh_user().to_owned(), own_options());
        let home = Address { machine: name.to_owned(), user, ip, options };
        let address = Address { ip: at.unwrap_or(ip), ..home.clone() };
        let known_hosts = folder.join(name);
        let line = format!("{}\n", address.known_host(&public));
        fs::write(&known_hosts, line).map_err(Error::io("write", &known_hosts))?;
        Ok(Self { machine, address, home, public, known_hosts })
    }

    /// What a member of etcd has; one that cannot be asked is away.
    fn ask_data(
        cluster: &Cluster,
        store: &Store,
        machine: &'c Machine,
        folder: &Path,
    ) -> (Data, Option<Self>) {
        let candidate = Self::of(cluster, store, machine, folder, None).ok();
        let data = candidate.as_ref().map_or(Data::Away, |it| ssh::ask_member(&it.address, &it.known_hosts));
        (data, candidate)
    }

    fn ask(self, args: &Cli) -> Result<Job<'c>, Refusal> {
        let Self { machine, address, home, public, known_hosts } = self;
        let name = machine.name();
        if args.build_host.is_some() && address.ip.is_ipv6() {
            return Err(Refusal::new(
                name,
                "it has an IPv6 address, by which ssh would look for the build host too",
                "build here, without `--build-host`",
            ));
        }
        let strangers = known_hosts.with_file_name(format!("{name}.stranger"));
        let own = ssh::ask_own(&address, &known_hosts);
        let anybody = (own == Answer::OtherKey).then(|| ssh::ask_anybody(&address, &strangers));
        let key_home = if machine.host_key().is_some() { HostKeyHome::Machine } else { HostKeyHome::Sealed };
        let asked = Asked { machine: name, target: &address.target(), install: args.install, home: key_home };
        let action = decide(asked, &own, anybody.as_ref())?;
        if args.at_address.is_some() && action == Action::Update {
            return Err(Refusal::new(
                name,
                format!(
                    "it is installed and answers at `{}` as itself, and `--at-address` is for an installation",
                    address.ip
                ),
                "leave `--at-address` out; where that is the address it keeps, name it as `localIp`",
            ));
        }
        let fingerprint = anybody.as_ref().and_then(|_| ssh::fingerprint(&strangers));
        let shown = if anybody.is_some() { strangers } else { known_hosts.clone() };
        Ok(Job { machine, address, home, action, public, known_hosts, fingerprint, shown })
    }
}

/// Asks once more, right before a disk is wiped: people take their time to answer, and the machines before this one took
/// theirs.
///
/// # Errors
/// [`Error::Request`] where what answers now is not what answered before.
pub(super) fn again(job: &Job<'_>) -> Result<(), Error> {
    let Action::Install { over, .. } = &job.action else { return Ok(()) };
    let (name, target) = (job.machine.name(), job.address.target());
    let found = match ssh::ask_noted(&job.address, &job.shown) {
        Answer::System(system) if called(&system) == *over => return Ok(()),
        Answer::System(system) => format!("{} runs there now, and {over} did before", called(&system)),
        Answer::OtherKey => "it shows another host key now".to_owned(),
        Answer::Denied(said) => format!("it refuses the login now: {said}"),
        Answer::Unreachable(said) => format!("it does not answer any more: {said}"),
    };
    Err(Error::Request {
        message: format!("`{name}` was not touched, since `{target}` is not what was asked before: {found}"),
        hint: "look at what is at that address, then run this again".to_owned(),
    })
}

/// A member of etcd, as ssh reaches it.
pub(super) struct Member {
    pub(super) address: Address,
    /// Its public host key.
    pub(super) public: String,
}

/// Where etcd stands, by what its members have.
pub(super) enum Etcd {
    /// Some member has data, or does not say that it has none: who lets one begin makes a second cluster.
    Begun,
    /// No member that answers has any, and these are not installed.
    Waits(Vec<String>),
    /// All of them are installed, and none has any.
    New(Vec<Member>),
}

/// Asks every member of etcd what it has. `folder` takes what ssh is told of their keys.
pub(super) fn etcd(cluster: &Cluster, store: &Store, folder: &Path) -> Etcd {
    let members: Vec<&Machine> = cluster.etcd_members().collect();
    let answers: Vec<(Data, Option<Candidate<'_>>)> = at_once(members.len(), || {
        members.par_iter().map(|machine| Candidate::ask_data(cluster, store, machine, folder)).collect()
    });
    if answers.iter().any(|(data, _)| *data == Data::Some) {
        return Etcd::Begun;
    }
    let each = members.iter().zip(&answers);
    let away =
        each.filter(|(_, (data, _))| *data == Data::Away).map(|(machine, _)| machine.name().to_owned());
    let away: Vec<String> = away.collect();
    if !away.is_empty() {
        return Etcd::Waits(away);
    }
    let there = answers.into_iter().filter_map(|(_, candidate)| candidate);
    Etcd::New(there.map(|it| Member { address: it.address, public: it.public }).collect())
}

/// The user's own options of ssh, divided as nix divides them.
fn own_options() -> Vec<String> {
    let given = std::env::var(SSH_OPTIONS).unwrap_or_default();
    given.split_whitespace().map(str::to_owned).collect()
}

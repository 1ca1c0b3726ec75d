//! A run: everything judged, then one machine after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use quorate_pki::cluster::{Cluster, Machine};
use rayon::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::cli::Cli;
use super::command::{self, KNOWN_HOSTS, Line, PRINTED, Paths, STAGED, Settings};
use super::decide::{Action, Asked, HostKeyHome, decide};
use super::ssh::{self, Address, Answer};
use super::stage::{self, HostKey};
use super::{Refusal, bootstrap, facts, preflight, targets};
use crate::error::{Error, plain};
use crate::identities::Places;
use crate::inventory;
use crate::report::{self, Outcome};
use crate::secrets::edit::{EditError, Interrupts};
use crate::store::Store;
use crate::vault::Vault;
use crate::words;

/// How often a machine that starts is asked whether it is there.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How often somebody who waits is told so.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// What is done to one machine, and all that it needs.
struct Job<'c> {
    machine: &'c Machine,
    address: Address,
    action: Action,
    /// Its public host key.
    public: String,
    /// A known_hosts file with that key.
    known_hosts: PathBuf,
    /// The fingerprint of what answers there now, where that is not its own key.
    fingerprint: Option<String>,
}

/// Where a machine stands at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Installed,
    Updated,
    Failed,
    Untouched,
}

impl Stand {
    fn word(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Updated => "updated",
            Self::Failed => "failed",
            Self::Untouched => "not touched",
        }
    }
}

/// Runs the program.
///
/// # Errors
/// [`Error::Refused`] with everything that is in the way, before anything was touched; the first machine that failed.
pub(super) fn run(args: &Cli, now: OffsetDateTime) -> Result<Outcome, Error> {
    let cluster = inventory::load(&args.inventory)?;
    let settings = settings(args)?;
    let (chosen, mut faults) = match targets::targets(&cluster, &args.targets, args.role) {
        Ok(chosen) => (chosen, Vec::new()),
        Err(faults) => (Vec::new(), faults),
    };
    let (facts, store) = facts::read(args, &cluster, now)?;
    faults.extend(preflight::judge(&chosen, &facts));
    let store = store.filter(|_| faults.is_empty()).ok_or(Error::Refused { faults })?;
    let folder = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let jobs = asked(args, &cluster, &store, &chosen, &folder)?;
    let lines: Vec<Line> =
        jobs.iter().map(|job| command::line(&job.action, &job.address, &settings, PRINTED)).collect();
    if args.dry_run {
        show(args, &jobs, &lines);
        return Ok(Outcome::Clean);
    }
    on_path(&lines)?;
    confirm(args, &jobs)?;
    let keys = opened(&store, &jobs)?;
    act(args, &cluster, &jobs, &settings, &keys)
}

fn settings(args: &Cli) -> Result<Settings, Error> {
    if args.flake.contains('#') {
        return Err(Error::Request {
            message: format!("`--flake {}` names a part of a flake, expected the flake alone", args.flake),
            hint: "the machine's name is added to it: give `.`, or where the flake is".to_owned(),
        });
    }
    let own = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    // nixos-rebuild divides its options at blanks, whatever quotes say.
    let known = own("HOME").map(|home| format!("{home}/.ssh/known_hosts"));
    Ok(Settings {
        flake: args.flake.clone(),
        build_host: args.build_host.clone(),
        user_known_hosts: known.filter(|path| !path.contains(char::is_whitespace)),
    })
}

/// Asks every machine what it is, all at a time, and decides what is done to each.
fn asked<'c>(
    args: &Cli,
    cluster: &Cluster,
    store: &Store,
    chosen: &[&'c Machine],
    folder: &TempDir,
) -> Result<Vec<Job<'c>>, Error> {
    if !command::is_on_path("ssh") {
        return Err(Error::Refused { faults: vec![missing("ssh")] });
    }
    report::note(&format!("asking {} over ssh", words::count(chosen.len(), "machine")));
    let outcomes: Vec<Result<Job<'c>, Refusal>> =
        chosen.par_iter().map(|machine| ask(args, cluster, store, machine, folder.path())).collect();
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(job) => jobs.push(job),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(jobs) } else { Err(Error::Refused { faults }) }
}

fn ask<'c>(
    args: &Cli,
    cluster: &Cluster,
    store: &Store,
    machine: &'c Machine,
    folder: &Path,
) -> Result<Job<'c>, Refusal> {
    let name = machine.name();
    let lost = |what: &str| {
        // Judged before, so nobody meets it.
        Refusal::new(name, format!("its {what} is not known"), "run `pki check`, and this again")
    };
    let ip = machine.local_ip().ok_or_else(|| lost("address"))?;
    let public = facts::public_host_key(cluster, store, name).ok_or_else(|| lost("host key"))?;
    let address =
        Address { machine: name.to_owned(), user: machine.ssh_user().to_owned(), ip, options: own_options() };
    if args.build_host.is_some() && ip.is_ipv6() {
        return Err(Refusal::new(
            name,
            "it has an IPv6 address, by which ssh would look for the build host too",
            "build here, without `--build-host`",
        ));
    }
    let (known_hosts, strangers) = (folder.join(name), folder.join(format!("{name}.stranger")));
    let line = format!("{}\n", address.known_host(&public));
    if let Err(cause) = std::fs::write(&known_hosts, line) {
        let message = format!("could not write `{}`: {}", known_hosts.display(), plain(&cause));
        return Err(Refusal::new(name, message, "free some space, or set TMPDIR to a folder with room"));
    }
    let own = ssh::ask_own(&address, &known_hosts);
    let anybody = (own == Answer::OtherKey).then(|| ssh::ask_anybody(&address, &strangers));
    let home = if machine.host_key().is_some() { HostKeyHome::Machine } else { HostKeyHome::Sealed };
    let asked = Asked { machine: name, target: &address.target(), install: args.install, home };
    let action = decide(asked, &own, anybody.as_ref())?;
    let fingerprint = ssh::fingerprint(&strangers);
    Ok(Job { machine, address, action, public, known_hosts, fingerprint })
}

/// The user's own options of ssh, divided as nix divides them.
fn own_options() -> Vec<String> {
    let given = std::env::var(command::SSH_OPTIONS).unwrap_or_default();
    given.split_whitespace().map(str::to_owned).collect()
}

fn missing(program: &str) -> Refusal {
    Refusal::new(
        program,
        "there is no such program on PATH",
        "`nix run .#deploy` brings all that is needed; or install it",
    )
}

/// Whether all programs are here that will be run.
fn on_path(lines: &[Line]) -> Result<(), Error> {
    let programs: BTreeSet<&str> = lines.iter().map(Line::program).collect();
    let faults: Vec<Refusal> =
        programs.into_iter().filter(|program| !command::is_on_path(program)).map(missing).collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Refused { faults }) }
}

/// What is done to a machine, in words.
fn described(job: &Job<'_>) -> String {
    let (name, target) = (job.machine.name(), job.address.target());
    match &job.action {
        Action::Update => format!("{name}: update, as {target}"),
        Action::Install { over, .. } => {
            let disk = job.machine.disk().unwrap_or("its disk");
            let shown = job.fingerprint.as_ref().map(|print| format!(", which shows the host key {print}"));
            format!("{name}: install over {over} at {target}{}; wipes {disk}", shown.unwrap_or_default())
        }
    }
}

fn show(args: &Cli, jobs: &[Job<'_>], lines: &[Line]) {
    if args.json {
        let rows = jobs.iter().zip(lines).map(|(job, line)| {
            json!({ "machine": job.machine.name(), "action": word(&job.action), "command": line.quoted() })
        });
        report::json(&rows.collect());
        return;
    }
    for (job, line) in jobs.iter().zip(lines) {
        // What answered may call itself anything.
        let title: String = described(job).chars().filter(|letter| !words::steers(*letter)).collect();
        report::line(&format!("# {title}"));
        if line.words.iter().any(|word| word == STAGED) {
            report::line(&format!(
                "# {STAGED} is a folder in memory: etc/ssh/ssh_host_ed25519_key of {}, its .pub, and nothing else",
                job.machine.name()
            ));
        } else if job.action == Action::Update {
            let variable = KNOWN_HOSTS.trim_start_matches('$');
            let entry = job.address.known_host(&job.public);
            report::line(&format!("{variable}=$(mktemp) && echo '{entry}' >\"{KNOWN_HOSTS}\""));
        }
        report::line(&line.quoted());
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Install { .. } => "install",
        Action::Update => "update",
    }
}

/// Lets a person agree to each disk that is wiped, by the name of its machine.
fn confirm(args: &Cli, jobs: &[Job<'_>]) -> Result<(), Error> {
    let wiped: Vec<&Job<'_>> =
        jobs.iter().filter(|job| matches!(job.action, Action::Install { .. })).collect();
    for job in &wiped {
        report::note(&described(job));
    }
    if args.yes {
        return Ok(());
    }
    for job in wiped {
        let name = job.machine.name();
        let question = format!("all that is on it is lost; type `{name}` to go on:");
        match report::ask_for(&question, None) {
            Some(typed) if typed == name => {}
            Some(_) => {
                return Err(Error::Request {
                    message: format!("`{name}` was not typed, so nothing was touched"),
                    hint: "run this again to decide anew".to_owned(),
                });
            }
            None => {
                return Err(Error::Request {
                    message: format!(
                        "`{name}` would be installed, which wipes its disk, and nobody is here to agree"
                    ),
                    hint: "run this on a terminal, or say `--yes`".to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// The host keys of the machines that are given one, all of them before the first machine is touched.
fn opened(store: &Store, jobs: &[Job<'_>]) -> Result<BTreeMap<String, HostKey>, Error> {
    let given = jobs.iter().filter(|job| matches!(job.action, Action::Install { keeps_key: false, .. }));
    let given: Vec<&Job<'_>> = given.collect();
    let files: BTreeSet<String> = given.iter().map(|job| stage::sealed_file(job.machine.name())).collect();
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let vault = Vault::open(store, &files, &mut Places::from_env().load())?;
    given
        .into_iter()
        .map(|job| {
            let name = job.machine.name();
            Ok((name.to_owned(), HostKey::of(&vault, name, &job.public)?))
        })
        .collect()
}

/// One machine after the other, up to the first that fails.
fn act(
    args: &Cli,
    cluster: &Cluster,
    jobs: &[Job<'_>],
    settings: &Settings,
    keys: &BTreeMap<String, HostKey>,
) -> Result<Outcome, Error> {
    let mut stands = Vec::new();
    let mut failure = None;
    for job in jobs {
        let started = Instant::now();
        if failure.is_some() {
            stands.push((Stand::Untouched, Duration::ZERO));
            continue;
        }
        report::note(&described(job));
        match one(args, job, settings, keys) {
            Ok(stand) => {
                let took = started.elapsed();
                report::note(&format!(
                    "{}: {} in {}",
                    job.machine.name(),
                    stand.word(),
                    words::duration(took)
                ));
                stands.push((stand, took));
            }
            Err(error) => {
                stands.push((Stand::Failed, started.elapsed()));
                failure = Some(error);
            }
        }
    }
    tell(args, jobs, &stands);
    let began =
        jobs.iter().zip(&stands).any(|(job, (stand, _))| job.machine.etcd() && *stand == Stand::Installed);
    if began {
        tell_next_steps(cluster)?;
    }
    failure.map_or(Ok(Outcome::Clean), Err)
}

fn tell(args: &Cli, jobs: &[Job<'_>], stands: &[(Stand, Duration)]) {
    let each = jobs.iter().zip(stands);
    if args.json {
        let rows = each.map(|(job, (stand, took))| {
            json!({
                "machine": job.machine.name(),
                "action": word(&job.action),
                "result": stand.word(),
                "seconds": took.as_secs(),
            })
        });
        report::json(&rows.collect());
        return;
    }
    let rows: Vec<Vec<String>> =
        each.map(|(job, (stand, _))| vec![job.machine.name().to_owned(), stand.word().to_owned()]).collect();
    report::table(&rows);
}

/// What is left for a person once members of etcd were installed.
fn tell_next_steps(cluster: &Cluster) -> Result<(), Error> {
    report::note(
        "is this a new cluster? once every member of etcd is installed, these commands let etcd begin and give the \
         cluster what nobody else applies; a machine that joins a cluster which runs must not get this marker",
    );
    report::rendered(&bootstrap::commands(cluster, &bootstrap::token()?));
    Ok(())
}

/// Does what was decided for one machine.
fn one(
    args: &Cli,
    job: &Job<'_>,
    settings: &Settings,
    keys: &BTreeMap<String, HostKey>,
) -> Result<Stand, Error> {
    let known_hosts = job.known_hosts.display().to_string();
    let paths = Paths { staged: STAGED, known_hosts: &known_hosts };
    let line = command::line(&job.action, &job.address, settings, paths);
    let code = match keys.get(job.machine.name()).filter(|_| job.action != Action::Update) {
        Some(key) => stage::run(key, &line, args.allow_swap).map_err(|error| match error {
            EditError::Signal(signal) => Error::Signal(signal),
            other => other.into(),
        })?,
        None => directly(&line)?,
    };
    if code != 0 {
        return Err(failed(job, &line, code));
    }
    if job.action == Action::Update {
        return Ok(Stand::Updated);
    }
    wait(job, Duration::from_secs(args.wait))?;
    Ok(Stand::Installed)
}

/// Runs a program that is given no key. `^C` is the program's, and what it makes of it ours.
fn directly(line: &Line) -> Result<u8, Error> {
    let _interrupts = Interrupts::leave().map_err(Error::io("run", line.program()))?;
    let status = line.command().stdout(report::talk()).status().map_err(Error::io("run", line.program()))?;
    let code = status.code().or_else(|| {
        use std::os::unix::process::ExitStatusExt as _;
        status.signal().map(|signal| 128 + signal)
    });
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn failed(job: &Job<'_>, line: &Line, code: u8) -> Error {
    let (name, program) = (job.machine.name(), line.program());
    if code == stage::NO_TREE {
        return Error::Request {
            message: format!("`{name}` was not touched: its host key could not be laid down for `{program}`"),
            hint: "why stands above; run this again".to_owned(),
        };
    }
    let message =
        format!("`{name}`: `{program}` ended with exit code {code}, and no machine after it was touched");
    let hint = match job.action {
        Action::Update => format!(
            "what it said stands above; `{name}` runs its old configuration or the new one: look at it, then run this again"
        ),
        Action::Install { .. } => format!(
            "what it said stands above; the disk of `{name}` may be wiped already: boot it from the NixOS installer where ssh does \
             not reach it any more, then run this again"
        ),
    };
    Error::Request { message, hint }
}

/// Waits until a machine that was installed answers with its own host key.
fn wait(job: &Job<'_>, bound: Duration) -> Result<(), Error> {
    let name = job.machine.name();
    report::note(&format!("{name}: waiting for its first boot, {} s at most", bound.as_secs()));
    let started = Instant::now();
    let mut told = started;
    loop {
        let answer = ssh::ask_own(&job.address, &job.known_hosts);
        if matches!(answer, Answer::System(ssh::System::NixOs)) {
            return Ok(());
        }
        if started.elapsed() >= bound {
            return Err(not_back(job, &answer, bound));
        }
        if told.elapsed() >= TELL_AGAIN {
            told = Instant::now();
            report::note(&format!("{name}: waiting for {} s", started.elapsed().as_secs()));
        }
        thread::sleep(ASK_AGAIN.min(bound));
    }
}

fn not_back(job: &Job<'_>, answer: &Answer, bound: Duration) -> Error {
    let (name, target) = (job.machine.name(), job.address.target());
    let found = match answer {
        Answer::System(_) => "another system answers with its host key".to_owned(),
        Answer::Denied(said) => format!("it refuses the login: {said}"),
        Answer::OtherKey => "somebody with another host key answers".to_owned(),
        Answer::Unreachable(said) => said.clone(),
    };
    let hint = match answer {
        Answer::Denied(_) => format!(
            "is your key among `cluster.sshKeys`, and does `{}` exist on it? what hosts/{name}.nix says counts",
            job.machine.ssh_user()
        ),
        Answer::OtherKey => format!(
            "does it boot from its disk, and not from the installer again? `ssh {target}` shows which"
        ),
        _ => format!(
            "look at its screen: address, gateway and boot loader are those of hosts/{name}.nix; then run this again"
        ),
    };
    Error::Request {
        message: format!(
            "`{name}` was installed and did not come back as itself within {} s: {found}",
            bound.as_secs()
        ),
        hint,
    }
}

//! A run: everything judged, then one machine after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use quorate_pki::cluster::Cluster;
use serde_json::json;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::ask::{self, Etcd, Job, jobs};
use super::cli::Cli;
use super::command::{self, KNOWN_HOSTS, Line, PRINTED, Paths, STAGED, Settings};
use super::decide::Action;
use super::preflight::Facts;
use super::ssh::{self, Answer};
use super::stage::{self, HostKey};
use super::tree::Tree;
use super::{Refusal, bootstrap, facts, preflight, targets};
use crate::error::Error;
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
            Self::Untouched => "untouched",
        }
    }
}

/// Runs the program.
///
/// # Errors
/// [`Error::Refused`] with everything that is in the way, before anything was touched; the first machine that failed.
pub(super) fn run(args: &Cli, now: OffsetDateTime) -> Result<Outcome, Error> {
    let cluster = inventory::load(&args.inventory)?;
    let tree = Tree::of(args)?;
    let settings = settings(args, &tree);
    let (chosen, mut faults) = targets::targets(&cluster, &args.targets, args.role);
    let (facts, store) = facts::read(args, &tree, &cluster, now)?;
    faults.extend(preflight::judge(&chosen, &facts));
    let store = store.filter(|_| faults.is_empty()).ok_or(Error::Refused { faults })?;
    let folder = folder()?;
    let jobs = jobs(args, &cluster, &store, &chosen, folder.path())?;
    let lines = lines(&jobs, &cluster, &facts, &settings)?;
    if args.dry_run {
        show(args, &jobs, &lines);
        return Ok(Outcome::Clean);
    }
    on_path(&lines)?;
    confirm(args, &jobs)?;
    let keys = opened(&store, &jobs)?;
    let outcome = act(args, &jobs, &settings, &keys);
    // Whatever was done to a member, now or in a run before: what its data says counts.
    if jobs.iter().any(|job| job.machine.etcd()) {
        tell_next_steps(&cluster, &store, &tree, folder.path());
    }
    outcome
}

/// The commands as they are printed.
///
/// # Errors
/// [`Error::Refused`] with every installation after which nobody could log in, or that nixos-anywhere cannot be told.
fn lines(
    jobs: &[Job<'_>],
    cluster: &Cluster,
    facts: &Facts,
    settings: &Settings,
) -> Result<Vec<Line>, Error> {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for job in jobs {
        if job.action != Action::Update {
            faults.extend(preflight::locked_out(job.machine.name(), cluster, facts));
        }
        match command::line(&job.action, &job.address, settings, PRINTED) {
            Ok(line) => lines.push(line),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(lines) } else { Err(Error::Refused { faults }) }
}

/// A folder for what ssh is told: public keys alone. nixos-rebuild divides options at blanks, so its path has none.
fn folder() -> Result<TempDir, Error> {
    let place = std::env::temp_dir();
    let has_blank = place.to_string_lossy().contains(char::is_whitespace);
    let place = if has_blank { PathBuf::from("/tmp") } else { place };
    tempfile::Builder::new().prefix("quorate-deploy-").tempdir_in(&place).map_err(Error::io("create", place))
}

fn settings(args: &Cli, tree: &Tree) -> Settings {
    let own = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    // nixos-rebuild divides its options at blanks, whatever quotes say.
    let known = own("HOME").map(|home| format!("{home}/.ssh/known_hosts"));
    Settings {
        flake: tree.flake.clone(),
        build_host: args.build_host.clone(),
        user_known_hosts: known.filter(|path| !path.contains(char::is_whitespace)),
    }
}

/// What a program that is not here is told as.
pub(super) fn missing(program: &str) -> Refusal {
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

/// That it begins, in words.
fn begun(job: &Job<'_>) -> String {
    let doing = if job.action == Action::Update { "updating" } else { "installing" };
    format!("{}: {doing} it, as {}", job.machine.name(), job.address.target())
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
            let is_update = job.action == Action::Update;
            let staged: Option<Vec<&str>> = line.words.iter().any(|word| word == STAGED).then(stage::files);
            json!({
                "machine": job.machine.name(),
                "action": word(&job.action),
                "command": line.quoted(),
                "knownHosts": is_update.then(|| job.address.known_host(&job.public)),
                "staged": staged,
            })
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
        report::note(&begun(job));
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

/// What is left for a person while etcd has not begun.
fn tell_next_steps(cluster: &Cluster, store: &Store, tree: &Tree, folder: &Path) {
    match ask::etcd(cluster, store, folder) {
        Etcd::Begun => {}
        Etcd::Waits(names) => report::note(&format!(
            "etcd has not begun on any member, and waits for {names}: what lets it begin is printed once each is installed",
            names = words::list(&names, names.len())
        )),
        Etcd::New(members) => {
            let manifest = store.state.manifest.as_ref();
            let Some(token) = manifest.and_then(|manifest| bootstrap::token(cluster, manifest)) else {
                return;
            };
            report::note(
                "every member of etcd is installed and none has begun: these commands let etcd begin, and give the cluster what \
                 nobody else applies; until they are run, each deploy of a member prints the same ones",
            );
            report::rendered(&bootstrap::commands(cluster, &members, &token, tree));
        }
    }
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
    let line = command::line(&job.action, &job.address, settings, paths)
        .map_err(|fault| Error::Refused { faults: vec![fault] })?;
    if job.action != Action::Update {
        ask::again(job)?;
    }
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
        let answer = ssh::ask_own(&job.home, &job.known_hosts);
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
    let (name, target) = (job.machine.name(), job.home.target());
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

//! `pki init`: an empty folder becomes a cluster's repository, and one that is gets what is missing in it.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use quorate_pki::cluster::{Cluster, Machine};

use crate::cli::{EvaluatorArg, Init, InventoryArgs, ModeArg};
use crate::error::Error;
use crate::init::{Given, Mode, NO_DISK, NO_INTERFACE, QUORATE, Settings, files, host, machines};
use crate::inventory;
use crate::report::{self, Outcome};
use crate::secrets::locked::{LockError, create_new};
use crate::store::commit::sync_parent;
use crate::{git, words};

/// Longest public key that is read from a file: one of RSA with 16,384 bits is a fifth of it.
const LONGEST_KEY: u64 = 16 << 10;

/// Runs the verb.
///
/// # Errors
/// Settings that make no cluster, and a file that cannot be written; what was written before it stays.
pub fn run(args: &Init) -> Result<Outcome, Error> {
    let inventory = if args.dir == Path::new(".") { PathBuf::new() } else { args.dir.clone() };
    let inventory = inventory.join("machines.nix");
    let plan = if exists(&inventory) { existing(args, inventory)? } else { new(args, &inventory)? };
    let is_there = |path: &str| exists(&args.dir.join(path));
    for (name, attribute) in plan.waiting.iter().filter(|(name, _)| !is_there(&format!("hosts/{name}.nix"))) {
        report::warning(&format!(
            "`{name}` has no `{attribute}` in machines.nix: hosts/{name}.nix waits for it, run `pki init` again then"
        ));
    }
    make_folder(&args.dir)?;
    let (mut rows, mut is_host_new) = (Vec::new(), false);
    for (path, text) in &plan.files {
        let is_new = write(&args.dir.join(path), text)?;
        if !is_new {
            say_what_stands(&args.dir.join(path));
        }
        is_host_new |= is_new && path.starts_with("hosts/");
        rows.push(vec![if is_new { "wrote" } else { "kept" }.to_owned(), path.clone()]);
    }
    if let Some(row) = repository(&args.dir)? {
        rows.push(row);
    }
    report::table(&rows);
    say_what_is_next(&args.dir, &plan.placeholders, is_host_new && plan.is_without_key);
    Ok(Outcome::Clean)
}

/// What is to stand in the folder.
struct Plan {
    /// Paths below it, and texts.
    files: Vec<(String, String)>,
    /// Machines without a file, and what machines.nix must name first.
    waiting: Vec<(String, &'static str)>,
    /// The attributes that machines.nix has placeholders for.
    placeholders: Vec<&'static str>,
    /// Whether nobody could log in.
    is_without_key: bool,
}

impl Plan {
    fn new(cluster: &Cluster, inventory: Option<String>, quorate: &str) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        all.extend(inventory.map(|text| ("machines.nix".to_owned(), text)));
        all.extend(files(cluster.name(), quorate).into_iter().map(|(path, text)| (path.to_owned(), text)));
        let mut waiting = Vec::new();
        for machine in cluster.nodes() {
            match host(cluster, machine) {
                Ok(text) => all.push((format!("hosts/{}.nix", machine.name()), text)),
                Err(waits) => waiting.push((machine.name().to_owned(), waits.attribute())),
            }
        }
        Self {
            files: all,
            waiting,
            placeholders: placeholders(cluster),
            is_without_key: cluster.ssh_keys().is_empty(),
        }
    }
}

/// The attributes of machines that nobody has named yet.
fn placeholders(cluster: &Cluster) -> Vec<&'static str> {
    let has = |is: fn(&Machine) -> bool| cluster.nodes().any(is);
    let interface = has(|machine| machine.interface() == Some(NO_INTERFACE)).then_some("`interface`");
    let disk = has(|machine| machine.disk() == Some(NO_DISK)).then_some("`disk`");
    interface.into_iter().chain(disk).collect()
}

/// A repository that has its machines.nix: nothing is asked, and nothing said about machines counts.
fn existing(args: &Init, file: PathBuf) -> Result<Plan, Error> {
    if let Some(flag) = shaping(args) {
        return Err(Error::Request {
            message: format!("`{flag}` is for a new machines.nix, and `{}` is there already", file.display()),
            hint: "change that file, then run `pki init` without it: nothing was written".to_owned(),
        });
    }
    let inventory = InventoryArgs { file, evaluator: EvaluatorArg::Auto, vip: None };
    let cluster = inventory::load(&inventory)?;
    Ok(Plan::new(&cluster, None, args.quorate.as_deref().unwrap_or(QUORATE)))
}

/// The first flag that says something about machines.nix.
fn shaping(args: &Init) -> Option<&'static str> {
    let flags = [
        ("--name", args.name.is_some()),
        ("--router", args.router.is_some()),
        ("--node-cidr", args.node_cidr.is_some()),
        ("--mode", args.mode.is_some()),
        ("--masters", args.masters.is_some()),
        ("--workers", args.workers.is_some()),
        ("--first-ip", args.first_ip.is_some()),
        ("--ip", !args.ip.is_empty()),
        ("--vip", args.vip.is_some()),
        ("--interface", args.interface.is_some()),
        ("--disk", args.disk.is_some()),
        ("--ssh-key", !args.ssh_key.is_empty()),
        ("--admin", !args.admin.is_empty()),
    ];
    flags.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
}

/// A new one: settled with whoever is there, and judged by the rules for inventories before anything is written.
fn new(args: &Init, file: &Path) -> Result<Plan, Error> {
    super::normal(&args.admin, "--admin")?;
    let given = Given {
        name: args.name.clone(),
        router: args.router,
        mode: args.mode.map(mode),
        masters: args.masters,
        workers: args.workers,
        virtual_ip: args.vip,
        node_range: args.node_cidr,
        first_ip: args.first_ip,
        ips: args.ip.clone(),
        interface: args.interface.clone(),
        disk: args.disk.clone(),
        ssh_keys: ssh_keys(&args.ssh_key)?,
        admins: args.admin.clone(),
        quorate: args.quorate.clone(),
    };
    let folder = std::path::absolute(&args.dir).map_err(Error::io("find", &args.dir))?;
    let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let settings = Settings::new(&given, folder.as_deref(), &mut ask)?;
    let text = machines(&settings);
    let cluster = inventory::load_text(file, &text)?;
    Ok(Plan::new(&cluster, Some(text), &settings.quorate))
}

fn mode(arg: ModeArg) -> Mode {
    match arg {
        ModeArg::Bgp => Mode::Bgp,
        ModeArg::Arp => Mode::Arp,
        ModeArg::Keepalived => Mode::Keepalived,
        ModeArg::External => Mode::External,
    }
}

/// Asks whoever is there.
fn ask(question: &str, default: &str, fault: Option<&str>) -> Result<Option<String>, Error> {
    if !report::has_terminal() {
        return Ok(None);
    }
    fault.inspect(|fault| report::note(fault));
    let answer = report::ask_for(question, Some(default));
    answer.map(Some).ok_or_else(|| Error::Request {
        message: format!("nobody answered: {question}"),
        hint: "run it again, or say it by a flag: nothing was written".to_owned(),
    })
}

/// The public keys that were named, by text or file; the usual one of this person where none was.
fn ssh_keys(named: &[String]) -> Result<Vec<String>, Error> {
    if !named.is_empty() {
        return named.iter().map(|named| ssh_key(named)).collect();
    }
    let usual = std::env::var_os("HOME").map(|home| Path::new(&home).join(".ssh/id_ed25519.pub"));
    let usual = usual.filter(|path| path.is_file());
    usual.map(|path| ssh_key(&path.to_string_lossy())).into_iter().collect()
}

/// A public key. Whatever a file holds that is none is not shown: it may be the private one beside it.
fn ssh_key(named: &str) -> Result<String, Error> {
    let is_key = |text: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|start| text.starts_with(start));
    if is_key(named) && named.contains(' ') {
        return Ok(named.trim().to_owned());
    }
    let path = Path::new(named);
    let file = crate::secrets::locked::open_regular(path).map_err(Error::io("read", path))?;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, LONGEST_KEY), &mut text)
        .map_err(Error::io("read", path))?;
    match text.trim() {
        key if is_key(key) && !key.contains('\n') => Ok(key.to_owned()),
        _ => Err(Error::Foreign {
            path: path.to_owned(),
            cause: "it is no public key of SSH, one line such as `ssh-ed25519 AAAA...`".to_owned(),
            hint: "name the file that ends in .pub: nothing was written".to_owned(),
        }),
    }
}

/// Whether anything stands there, a link to nowhere included.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes a folder and those above it that are missing, each durable.
fn make_folder(folder: &Path) -> Result<(), Error> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().create(folder) {
        Err(cause) if !folder.is_dir() => Err(Error::io("create", folder)(cause)),
        _ => sync_parent(folder),
    }
}

/// Writes a file that is not there, whole and durable. `false`: something stands there, and stays.
fn write(path: &Path, text: &str) -> Result<bool, Error> {
    if exists(path) {
        return Ok(false);
    }
    path.parent().map_or(Ok(()), make_folder)?;
    match create_new(path, text.as_bytes()) {
        Ok(()) => Ok(true),
        Err(LockError::Exists { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Says so where what was kept is not what the rest counts on.
fn say_what_stands(path: &Path) {
    let place = path.display();
    if let Some(to) = fs::read_link(path).ok().filter(|_| !path.exists()) {
        report::warning(&format!("`{place}` is a link to `{to}`, which does not exist", to = to.display()));
        report::hint(
            "remove it and run `pki init` again, which writes the file; or bring back what it points to",
        );
        return;
    }
    let is_without = || fs::read_to_string(path).is_ok_and(|found| !found.contains("quorate"));
    if path.ends_with("flake.nix") && is_without() {
        report::note(&format!(
            "`{place}` is yours and does not mention quorate: until it is among its inputs, and what `quorate.lib.cluster ./.` gives among its outputs, `deploy` finds no machine there"
        ));
    }
}

/// Makes the folder a repository of git where it lies in none: what git does not know, a flake does not see.
fn repository(folder: &Path) -> Result<Option<Vec<String>>, Error> {
    let inside = std::path::absolute(folder.join("machines.nix")).map_err(Error::io("find", folder))?;
    if git::work_tree(&inside).is_some() {
        return Ok(None);
    }
    match git::init(folder) {
        Ok(true) => return Ok(Some(vec!["made".to_owned(), "a repository of git".to_owned()])),
        Ok(false) => {
            report::warning(
                "there is no `git` on PATH: make this folder a repository, flakes see nothing else",
            );
        }
        // Everything else is written, and as it should be.
        Err(error) => {
            report::warning(&error.to_string());
            error.hint().inspect(|hint| report::hint(hint));
        }
    }
    Ok(None)
}

/// What is left to do, the commands last.
fn say_what_is_next(folder: &Path, placeholders: &[&str], is_without_key: bool) {
    if !placeholders.is_empty() {
        let attributes = placeholders.join(" and ");
        report::note(&format!(
            "look through machines.nix first: {attributes} of its machines is CHANGE-ME until you name it, and `deploy` refuses that"
        ));
    }
    if is_without_key {
        report::warning("`cluster.sshKeys` is empty: nobody can log in to a machine once it is installed");
        report::hint("name your public key in machines.nix, the line in ~/.ssh/id_ed25519.pub");
    }
    let into =
        if folder == Path::new(".") { String::new() } else { format!("cd {} && ", words::shell(folder)) };
    report::note("next:");
    // A flake of git is what git knows: `nix run .#deploy` saw nothing of this before.
    report::note(&format!("  {into}git add --all"));
    report::note("  pki gen certs/");
    report::note("  pki modules modules/");
    report::note("  git add --all && git commit");
}

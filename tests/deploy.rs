//! `deploy` at machines with real sshds, each at its own address; nixos-anywhere and nixos-rebuild are stand-ins that
//! write down what they were given. What no test here sees: disks, kexec, a boot.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod cluster;
mod project;
#[path = "deploy/site.rs"]
mod site;
#[allow(dead_code, unreachable_pub, reason = "a part of it is used here")]
#[path = "desk/terminal.rs"]
mod terminal;
#[allow(unreachable_pub, reason = "other test targets use it as well")]
#[path = "desk/traced.rs"]
mod traced;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use cluster::{peer, run, wait_for};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use site::{BOUND, DEBIAN, INSTALLER, NIXOS, Site};
use terminal::Terminal;

/// Everything that was written down in a run, and what it said.
fn told(site: &Site, run: &project::Run) -> String {
    format!("{}\n--- record\n{}", run.shown(), site.record())
}

/// Seconds and tokens, at fixed names.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        omit_expression => true,
        filters => vec![
            (r" in \d+(\.\d+)? m?s", " in [time]"),
            (r"TOKEN=[0-9a-f]{32}", "TOKEN=[token]"),
            (r"SHA256:\S+", "SHA256:[print]"),
        ],
    }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_new_machine_is_given_its_host_key_alone_and_is_waited_for() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    let run = site.deploy(&["cp1", "--yes"]).expect(0);
    snapshot("deploy_installs", &told(&site, &run));
    let public = fs::read_to_string(site.project.path("certs/cp1/host.pub")).unwrap();
    let (given, derived) = (site.desk("given"), site.desk("derived"));
    assert_eq!(fs::read_to_string(given).unwrap(), public);
    assert!(fs::read_to_string(derived).unwrap().starts_with(public.trim()), "the two halves are of one key");
    let key = site.host_key("cp1");
    assert_eq!(site.places_of(&key), Vec::<std::path::PathBuf>::new());
    fs::write(site.desk("run/copy"), &key).unwrap();
    assert_eq!(site.places_of(&key), [site.desk("run/copy")], "who looks finds one");
    let again = site.deploy(&["cp1"]).expect(0);
    assert!(again.stdout.contains("updated"), "it is itself now, and no disk is wiped: {}", again.stdout);
}

/// The commands that were printed for a first cluster.
fn printed(run: &project::Run) -> Option<&str> {
    let from = run.stderr.find("\n(\n")?;
    Some(run.stderr[from..].split_inclusive("\n)\n").next().expect("an end").trim_start())
}

#[test]
fn a_first_cluster_is_founded_by_what_is_printed_until_etcd_has_data_and_never_after() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    let first = site.deploy(&["cp1", "--yes"]).expect(0);
    let again = site.deploy(&["cp1"]).expect(0);
    let commands = printed(&first).unwrap_or_else(|| panic!("{}", first.shown()));
    assert_eq!(printed(&again), Some(commands), "a run after it says the same, token and all");
    fs::remove_file(site.desk("record")).unwrap();

    // As a person pastes them, into a shell whose input they are.
    let nix = site.desk("bin/nix");
    let stand_in = format!(
        "#!/bin/sh\necho \"nix $*\" >>{desk}/record\ncase \"$*\" in\n*super-admin\\ --certs*) echo config ;;\n\
         *readyz) [ -e {desk}/ready ] || {{ touch {desk}/ready; exit 1; }} ;;\n\
         *) stat -c %a \"$XDG_RUNTIME_DIR/super-admin\" >>{desk}/record ;;\nesac\n",
        desk = site.desk("").display().to_string().trim_end_matches('/')
    );
    fs::write(&nix, stand_in).unwrap();
    fs::set_permissions(&nix, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let key = fs::read_to_string(site.project.path("certs/cp1/host.pub")).unwrap();
    let key = key.split_whitespace().nth(1).unwrap();
    let script = site.desk("pasted");
    fs::write(&script, commands.replace("AAAA...", key)).unwrap();
    let paste = format!("sh <{}", script.display());
    run(&mut site.command_with(&[], |mut words| {
        let _deploy = words.pop();
        words.extend(["sh", "-ec", &paste].map(Into::into));
        words
    }));
    snapshot("deploy_founds", &site.record());
    assert!(!site.desk("run/super-admin").exists(), "it is gone whatever happened");

    fs::write(site.machine("cp1").join("etcd"), "etcd=0\n").unwrap();
    assert_eq!(printed(&site.deploy(&["cp1"]).expect(0)), None, "it has data");
    fs::write(site.machine("cp1").join("etcd"), "").unwrap();
    assert_eq!(printed(&site.deploy(&["cp1"]).expect(0)), None, "it does not say that it has none");
}

#[test]
fn a_machine_that_shows_its_own_key_is_updated_by_that_key() {
    let Some(mut site) = Site::new() else { return };
    site.start("w1", NIXOS, true);
    let run = site.deploy(&["w1"]).expect(0);
    snapshot("deploy_updates", &told(&site, &run));
}

#[test]
fn masters_go_first_and_what_fails_stops_the_rest() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", NIXOS, true);
    site.start("w1", NIXOS, true);
    fs::write(site.desk("fail-root@10.13.13.11"), "").unwrap();
    let run = site.deploy(&["all"]).expect(2);
    snapshot("deploy_stops", &told(&site, &run));
    fs::remove_file(site.desk("fail-root@10.13.13.11")).unwrap();
    fs::remove_file(site.desk("record")).unwrap();
    let rows: Value = serde_json::from_str(&site.deploy(&["all", "--json"]).expect(0).stdout).unwrap();
    let field = |row: usize, name: &str| rows[row][name].as_str().unwrap().to_owned();
    assert_eq!((field(0, "machine"), field(1, "machine")), ("cp1".into(), "w1".into()));
    assert_eq!((field(0, "action"), field(1, "result")), ("update".into(), "updated".into()));
    assert_eq!(site.record().matches("nixos-rebuild\n").count(), 2);
}

#[test]
fn the_commands_of_a_dry_run_are_those_that_run() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", INSTALLER, false);
    site.start("w1", NIXOS, true);
    let before = site.project.tree("certs");
    let identities = site.project.path("home/.config");
    fs::rename(&identities, site.project.path("away")).unwrap();
    let printed = site.command(&["all", "--dry-run"]).output().unwrap();
    assert_eq!(printed.status.code(), Some(0), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(site.record().trim(), "", "nothing ran");
    assert_eq!(project::changed(&before, &site.project.tree("certs")), Vec::<String>::new());
    fs::rename(site.project.path("away"), &identities).unwrap();
    snapshot("deploy_dry_run", &site.tame(&printed));

    let json = site.command(&["all", "--dry-run", "--json"]).output().unwrap();
    let rows: Value = serde_json::from_slice(&json.stdout).unwrap();
    let given = serde_json::json!(["etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub"]);
    assert_eq!((&rows[0]["staged"], &rows[0]["knownHosts"]), (&given, &Value::Null), "what $staged is");
    let line = rows[1]["knownHosts"].as_str().unwrap();
    assert!(printed.contains(&format!("echo '{line}' >\"$known_hosts\"")), "what $known_hosts is: {line}");
    assert_eq!(rows[1]["staged"], Value::Null);

    // As a person who copies them, with an empty folder for the one that is not printed.
    fs::create_dir_all(site.desk("run/quorate-edit-by-hand")).unwrap();
    let script = format!("staged={}/tree\n{printed}", site.desk("run/quorate-edit-by-hand").display());
    run(&mut site.command_with(&[], |mut words| {
        let _deploy = words.pop();
        words.extend(["sh", "-ec", &script].map(Into::into));
        words
    }));
    let by_hand = site.record();
    fs::remove_file(site.desk("record")).unwrap();
    site.deploy(&["all", "--yes"]).expect(0);
    let lines = |text: &str| -> Vec<String> {
        let is_command = |line: &&str| !line.starts_with("  on ") && !line.contains(" root:root ");
        // mktemp has another way with names.
        let tame = |line: &str| {
            let words = line.split(' ').map(|word| match word.split_once("UserKnownHostsFile=") {
                Some(_) => "UserKnownHostsFile=...",
                None => word,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        text.lines().filter(is_command).map(tame).collect()
    };
    assert_eq!(lines(&by_hand), lines(&site.record()));
}

#[test]
fn who_is_not_who_was_expected_is_left_alone() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", NIXOS, false);
    let run = site.deploy(&["all"]).expect(2);
    snapshot("deploy_strangers", &told(&site, &run));
    fs::write(site.machine("cp1").join("authorized"), "").unwrap();
    let run = site.deploy(&["cp1"]).expect(2);
    assert!(run.stderr.contains("refuses the login"), "{}", run.stderr);
    assert_eq!(site.record().trim(), "");
}

#[test]
fn nobody_is_wiped_without_a_word() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    let run = site.deploy(&["cp1"]).expect(2);
    assert!(run.stderr.contains("nobody is here to agree"), "{}", run.stderr);
    assert_eq!(site.record().trim(), "");
}

#[test]
fn a_person_agrees_by_typing_the_name() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    for (typed, code, told) in [("yes\n", 2, "nothing was touched"), ("cp1\n", 0, "installed in")] {
        let command = site
            .command_with(&["cp1"], |words| Terminal::IN_FRONT.iter().map(Into::into).chain(words).collect());
        let mut terminal = Terminal::run(command);
        terminal.wait_for("wipes /dev/disk/by-id/x");
        terminal.wait_for("type `cp1` to go on: ");
        terminal.type_in(typed);
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), Some(code), "{shown}");
        assert!(shown.contains(told), "{shown}");
        assert_eq!(site.record().contains("nixos-anywhere"), code == 0);
    }
}

#[test]
fn a_port_of_the_users_own_is_the_installers_too_and_what_it_cannot_be_told_is_refused() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    let deploy = |options: &str| {
        site.finish(site.command(&["cp1", "--yes"]).env("NIX_SSHOPTS", options).spawn().unwrap())
    };
    let refused = deploy("-4 -p 22").expect(2);
    assert!(refused.stderr.contains("`NIX_SSHOPTS` has `-4`"), "{}", refused.stderr);
    assert_eq!(site.record().trim(), "");
    let away = deploy("-p 2222").expect(2);
    assert!(away.stderr.contains("port 2222: Connection refused"), "{}", away.stderr);
    assert_eq!(site.record().trim(), "");
    deploy("-p 22").expect(0);
    let record = site.record();
    assert!(record.contains("  --ssh-port\n  22\n  --post-kexec-ssh-port\n  22\n"), "{record}");
}

#[test]
fn who_took_the_place_of_what_was_asked_about_is_not_wiped() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    let command =
        site.command_with(&["cp1"], |words| Terminal::IN_FRONT.iter().map(Into::into).chain(words).collect());
    let mut terminal = Terminal::run(command);
    terminal.wait_for("type `cp1` to go on: ");
    site.exchange("cp1");
    terminal.type_in("cp1\n");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(2), "{shown}");
    assert!(shown.contains("`cp1` was not touched"), "{shown}");
    assert_eq!(site.record().trim(), "");
}

#[test]
fn a_machine_is_installed_where_its_installer_answers_and_waited_for_at_home() {
    let Some(mut site) = Site::new() else { return };
    // At the address of another one, as by DHCP.
    site.start("w1", INSTALLER, false);
    let run = site.deploy(&["cp1", "--yes", "--at-address", "10.13.13.31", "--wait", "1"]).expect(2);
    assert!(run.stderr.contains("`cp1` was installed and did not come back as itself"), "{}", run.stderr);
    assert!(site.record().contains("  --target-host\n  root@10.13.13.31\n"), "{}", site.record());
    let key = site.host_key("cp1");
    assert_eq!(fs::read_to_string(site.machine("w1").join("host_key")).unwrap().trim(), key.trim());
}

#[test]
fn what_git_does_not_know_is_not_deployed() {
    let Some(mut site) = Site::new() else { return };
    site.start("w1", NIXOS, true);
    let git = |words: &[&str]| run(Command::new("git").arg("-C").arg(site.project.root()).args(words));
    git(&["init", "--quiet"]);
    let refused = site.deploy(&["w1"]).expect(2);
    assert!(refused.stderr.contains("`git`: it does not know"), "{}", refused.stderr);
    site.deploy(&["w1", "--flake", "path:."]).expect(0);
    site.project.write("flake.nix", "{ }\n");
    site.project.write(".gitignore", "certs/\n*.env\n");
    site.project.write("secrets/mine.env", "A=1\n");
    git(&["add", "flake.nix", "machines.nix", "hosts", "modules"]);
    let refused = site.deploy(&["w1"]).expect(2);
    assert!(refused.stderr.contains("`certs/"), "what is ignored is in no build: {}", refused.stderr);
    assert!(!refused.stderr.contains("mine.env"), "{}", refused.stderr);
    git(&["add", "--force", "certs"]);
    site.deploy(&["w1"]).expect(0);
}

#[test]
fn no_call_writes_the_key_anywhere_but_into_memory() {
    let Some(mut site) = Site::new() else { return };
    if !traced::is_here() {
        return;
    }
    site.start("cp1", DEBIAN, false);
    fs::write(site.desk("fail"), "").unwrap();
    let log = site.project.path("log");
    let mut command = site.command_with(&["cp1", "--yes"], |mut words| {
        let at = words.iter().position(|word| word.to_string_lossy().ends_with("/deploy")).unwrap();
        words.splice(at..at, traced::strace(&log).into_iter().map(Into::into));
        words
    });
    let run = site.finish(command.spawn().unwrap());
    assert!(run.stderr.contains("`nixos-anywhere` ended with exit code 3"), "{}", run.stderr);
    let key = site.host_key("cp1");
    let marker = key.lines().nth(2).unwrap();
    let staged = site.desk("run/quorate-edit-").display().to_string();
    let leaks = traced::leaks(&log, marker, std::slice::from_ref(&staged));
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(!traced::leaks(&log, marker, &[]).is_empty(), "the writes into memory were seen");
}

/// Somebody who is not root.
const USER: &str = "65534";

#[test]
fn an_ordinary_users_key_lies_in_memory_too() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    fs::write(site.desk("fail"), "").unwrap();
    // A program that everybody may reach.
    let program = site.desk("bin/deploy");
    fs::copy(env!("CARGO_BIN_EXE_deploy"), &program).unwrap();
    run(Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(site.project.root()));
    let config = site.project.path("home/.ssh/config");
    for (owner, lies_on) in [(None, "ramfs"), (Some(0), "tmpfs")] {
        if owner.is_some() {
            // As home-manager leaves it: a file of the store, which is root's.
            fs::create_dir_all(config.parent().unwrap()).unwrap();
            fs::write(&config, "").unwrap();
        }
        let mut command = site.command_with(&["cp1", "--yes", "--allow-swap"], |mut words| {
            let at = words.iter().position(|word| word.to_string_lossy().ends_with("/deploy")).unwrap();
            let user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"].map(Into::into);
            words.splice(at..=at, user.into_iter().chain([program.clone().into()]));
            words
        });
        let run = site.finish(command.spawn().unwrap());
        assert!(run.stderr.contains("`nixos-anywhere` ended with exit code 3"), "{}", run.stderr);
        let record = site.record();
        assert!(record.contains(&format!("  on {lies_on}\n")), "{record}");
        assert!(record.contains("  600 ") && !record.contains("  700 "), "{record}");
        let left = site.places_of(&site.host_key("cp1"));
        assert!(left.is_empty(), "{left:?}");
        fs::remove_file(site.desk("record")).unwrap();
    }
}

#[test]
fn a_machine_that_does_not_come_back_as_itself_is_a_failure() {
    let Some(mut site) = Site::new() else { return };
    site.start("cp1", DEBIAN, false);
    fs::write(site.desk("lost"), "").unwrap();
    let run = site.deploy(&["cp1", "--yes", "--wait", "1"]).expect(2);
    assert!(
        run.stderr.contains("was installed and did not come back as itself within 1 s"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("failed"), "{}", run.stdout);
}

/// What is left of the key after `signal` while nixos-anywhere has it; to the group, as `^C` goes, or to `deploy` alone.
fn interrupted(signal: Signal, group: bool) -> (Site, project::Run) {
    let mut site = Site::new().expect("the peers, as they were there before");
    site.start("cp1", DEBIAN, false);
    fs::write(site.desk("hold"), "").unwrap();
    let mut command = site.command(&["cp1", "--yes"]);
    let child = command.process_group(0).spawn().unwrap();
    wait_for("nixos-anywhere", BOUND, || {
        fs::read_to_string(site.desk("running")).map_err(|cause| cause.to_string())
    });
    let seen = site.places_of(&site.host_key("cp1"));
    assert!(seen.is_empty(), "nobody outside sees the key while it is there: {seen:?}");
    let pid = Pid::from_child(&child);
    if group {
        kill_process_group(pid, signal).unwrap();
    } else {
        kill_process(pid, signal).unwrap();
    }
    let run = site.finish(child);
    (site, run)
}

#[test]
fn whoever_ends_it_takes_the_key_along() {
    if Site::new().is_none() {
        return;
    }
    for (signal, group, code) in [
        (Signal::INT, true, 2),
        (Signal::TERM, false, -1),
        (Signal::KILL, false, -1),
        (Signal::KILL, true, -1),
    ] {
        let (site, run) = interrupted(signal, group);
        assert_eq!(run.code, code, "{signal:?} {group}: {}", run.stderr);
        let running = fs::read_to_string(site.desk("running")).unwrap();
        wait_for("the end of nixos-anywhere", BOUND, || {
            let ended = !std::path::Path::new("/proc").join(running.trim()).exists();
            if ended { Ok(()) } else { Err(format!("{} runs", running.trim())) }
        });
        assert_eq!(site.places_of(&site.host_key("cp1")), Vec::<std::path::PathBuf>::new(), "{signal:?}");
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains("quorate-edit-"), "nothing was mounted for others");
        fs::remove_file(site.desk("hold")).unwrap();
        site.deploy(&["cp1", "--yes"]).expect(0);
        let left: Vec<_> =
            fs::read_dir(site.desk("run")).unwrap().flatten().map(|entry| entry.path()).collect();
        let left: Vec<_> =
            left.iter().filter(|path| path.to_string_lossy().contains("quorate-edit")).collect();
        assert!(left.is_empty(), "the next run removes what was left: {left:?}");
    }
}

//! `pki init`: an empty folder becomes a cluster's repository, and nothing of a person's is ever overwritten.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fault ends the test")]

#[path = "desk/terminal.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test target uses its part")]
mod terminal;

mod project;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use project::{Project, Run, changed};
use terminal::Terminal;

/// A public key of nobody.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKrHCrxkcPoTHmPPpUEgEgoFBYDaWnVe3FZXYAiOhF me@desk";

/// A recipient of nobody.
const ADMIN: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";

/// A folder with a home in it and nothing else.
fn empty() -> Project {
    let project = Project::new("");
    fs::remove_file(project.path("machines.nix")).unwrap();
    project
}

/// `pki init` in `lab`, with a key so that there is nothing to be warned of.
fn init(project: &Project, more: &[&str]) -> Run {
    project.pki([&["init", "lab", "--ssh-key", KEY], more].concat())
}

fn repository(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every file below a folder of this repository.
fn committed(name: &str) -> Vec<(String, String)> {
    let (root, mut found, mut folders) = (repository(name), Vec::new(), vec![repository(name)]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_mode_and_number_of_masters_gives_an_inventory_without_a_warning() {
    for mode in ["bgp", "arp", "keepalived", "external"] {
        for (masters, workers) in [("1", "0"), ("3", "2"), ("5", "0"), ("9", "20")] {
            let project = empty();
            let run = init(&project, &["--mode", mode, "--masters", masters, "--workers", workers]).expect(0);
            let judged =
                project.pki(["gen", "lab/certs", "--inventory", "lab/machines.nix", "--dry-run"]).expect(1);
            if masters == "1" {
                // One member of etcd is what was asked for, and is said.
                assert_eq!(judged.stderr.matches("warning:").count(), 1, "{}", judged.stderr);
            } else {
                assert_eq!(judged.stderr, "", "{mode} {masters}");
                assert!(!run.stderr.contains("warning"), "{}", run.stderr);
            }
            let text = project.read("lab/machines.nix");
            assert!(text.contains(&format!("mode = \"{mode}\"")), "{text}");
            assert!(text.contains(&format!("  cp{masters} = {{")) && !text.contains("  cp10 ="), "{text}");
            assert!(!text.replace("me@desk", "").contains('@'), "every place is filled: {text}");
        }
    }
}

#[test]
fn what_is_said_by_flags_stands_in_the_inventory_and_leads_to_certificates() {
    let project = empty();
    let flags = "--name magi --mode arp --router 10.0.0.1 --node-cidr 10.0.0.0/16 --first-ip 10.0.1.1 --workers 1 \
                 --ip worker1=10.0.2.2 --vip 10.0.0.5 --interface enp1s0 --disk /dev/disk/by-id/nvme-eui.1";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let run = init(&project, &flags).expect(0);
    let text = project.read("lab/machines.nix");
    for line in [
        "ip = \"10.0.1.3\";",
        "ip = \"10.0.2.2\";",
        "ip = \"10.0.0.5\";",
        "gateway = \"10.0.0.1\";",
        "interface = \"enp1s0\";",
        "disk = \"/dev/disk/by-id/nvme-eui.1\";",
        "nodeCidr = \"10.0.0.0/16\";",
        "name = \"magi\";",
        &format!("\"{KEY}\""),
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!run.stderr.contains("CHANGE-ME"), "{}", run.stderr);
    let last: Vec<&str> = run.stderr.lines().rev().take(5).collect();
    assert_eq!(
        last,
        [
            "  git add --all && git commit",
            "  pki modules modules/",
            "  pki gen certs/",
            "  cd lab && git add --all",
            "next:"
        ]
    );
    let certs = ["gen", "lab/certs", "--inventory", "lab/machines.nix", "--new-identity"];
    project.pki(certs).expect(0);
    project.pki(["check", "lab/certs", "--inventory", "lab/machines.nix"]).expect(0);
}

#[test]
fn ranges_of_the_cluster_give_way_to_the_machines_network() {
    let project = empty();
    init(&project, &["--node-cidr", "10.0.0.0/8", "--mode", "arp"]).expect(0);
    let text = project.read("lab/machines.nix");
    assert!(
        text.contains("serviceCidr = \"172.30.0.0/16\"") && text.contains("podCidr = \"172.29.0.0/16\""),
        "{text}"
    );
}

#[test]
fn a_second_run_writes_nothing_and_whatever_stood_there_stands() {
    let project = empty();
    project.write("lab/README.md", "mine\n");
    project.write("lab/notes.txt", "mine too\n");
    symlink("nowhere", project.path("lab/.gitignore")).unwrap();
    let first = init(&project, &[]).expect(0).stdout;
    assert!(first.contains("kept   README.md") && first.contains("kept   .gitignore"), "{first}");
    assert!(first.contains("wrote  machines.nix") && first.contains("made   a repository of git"), "{first}");
    assert_eq!(project.read("lab/README.md"), "mine\n");
    assert_eq!(fs::read_link(project.path("lab/.gitignore")).unwrap(), Path::new("nowhere"));

    project.write("lab/hosts/cp1.nix", "mine\n");
    project.write("lab/flake.nix", "mine\n");
    let before = project.tree("lab");
    let second = project.pki(["init", "lab"]).expect(0).stdout;
    assert!(!second.contains("wrote") && !second.contains("made"), "{second}");
    assert_eq!(changed(&before, &project.tree("lab")), Vec::<String>::new());
}

#[test]
fn a_machine_that_is_new_gets_its_file_as_soon_as_it_has_what_stands_in_it() {
    let project = empty();
    init(&project, &[]).expect(0);
    let old = project.read("lab/machines.nix");
    let machine = "  worker1 = { ip = \"192.168.1.31\"; interface = \"ens18\"; DISK kubernetes.enable = true; master = false; };\n}\n";
    let with = |disk: &str| old.trim_end().trim_end_matches('}').to_owned() + &machine.replace("DISK", disk);
    project.write("lab/machines.nix", with(""));
    let before = project.tree("lab");
    let waits = project.pki(["init", "lab"]).expect(0).stderr;
    assert!(
        waits.contains("`worker1` has no `disk` in machines.nix: hosts/worker1.nix waits for it"),
        "{waits}"
    );
    assert_eq!(changed(&before, &project.tree("lab")), Vec::<String>::new());
    // Who has written one themselves is left alone.
    project.write("lab/hosts/worker1.nix", "mine\n");
    let quiet = project.pki(["init", "lab"]).expect(0).stderr;
    assert!(!quiet.contains("waits"), "{quiet}");
    fs::remove_file(project.path("lab/hosts/worker1.nix")).unwrap();

    project.write("lab/machines.nix", with("disk = \"/dev/disk/by-id/x\";"));
    let before = project.tree("lab");
    project.pki(["init", "lab"]).expect(0);
    assert_eq!(changed(&before, &project.tree("lab")), ["hosts/worker1.nix"]);
    let host = project.read("lab/hosts/worker1.nix");
    assert!(host.contains("machine = inventory.worker1;"), "{host}");
}

#[test]
fn an_inventory_that_is_there_is_not_shaped_by_flags() {
    let project = empty();
    init(&project, &[]).expect(0);
    let before = project.tree("");
    for flags in
        [&["--masters", "5"][..], &["--ip", "cp1=10.0.0.1"], &["--admin", "age1x"], &["--vip", "10.0.0.9"]]
    {
        let told = project.pki([&["init", "lab"], flags].concat()).expect(2).stderr;
        assert!(told.contains(&format!("`{}` is for a new machines.nix", flags[0])), "{told}");
    }
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());
}

#[test]
fn settings_that_make_no_cluster_are_refused_before_anything_is_written() {
    let project = empty();
    for (flags, told) in [
        (&["--vip", "192.168.1.12"][..], "virtual IP"),
        (&["--mode", "arp", "--vip", "10.0.0.1"], "outside of `cluster.nodeCidr`"),
        (&["--ip", "cp4=10.0.0.1"], "names no machine"),
        (&["--admin", "anna"], "--admin"),
        (&["--name", "Home Lab"], "cluster.name"),
        (&["--ssh-key", "nowhere.pub"], "nowhere.pub"),
    ] {
        let before = project.tree("");
        let run = project.pki([&["init", "lab"], flags].concat()).expect(2);
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new());
        assert!(!project.path("lab").exists(), "{flags:?}");
    }
    for flags in [["--masters", "4"], ["--masters", "11"], ["--router", "fd00::1"], ["--ip", "cp1"]] {
        project.pki([&["init", "lab"][..], &flags].concat()).expect(2);
    }
}

#[test]
fn the_usual_public_key_is_found_and_a_private_one_is_never_shown() {
    let project = empty();
    project.write("home/.ssh/id_ed25519.pub", format!("{KEY}\n"));
    project.pki(["init", "lab"]).expect(0);
    assert!(project.read("lab/machines.nix").contains(&format!("\"{KEY}\"")), "the key in ~/.ssh");

    // The beginning of one, and no key.
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n";
    project.write("private", private);
    let told = project.pki(["init", "other", "--ssh-key", "private"]).expect(2).stderr;
    assert!(told.contains("`private`: it is no public key of SSH") && !told.contains("b3Blbn"), "{told}");
    assert!(!project.path("other").exists());
}

#[test]
fn a_repository_of_git_is_made_where_there_is_none_and_not_inside_of_one() {
    let project = empty();
    init(&project, &[]).expect(0);
    assert!(project.path("lab/.git").is_dir());
    let inside = project.pki(["init", "lab/inner", "--ssh-key", KEY]).expect(0).stdout;
    assert!(!inside.contains("made") && !project.path("lab/inner/.git").exists(), "{inside}");
    // Nothing is committed: that is the user's.
    assert!(!project.path("lab/.git/refs/heads/main").exists() && !project.path("lab/.git/index").exists());

    let mut command = project.command(["init", "bare", "--ssh-key", KEY]);
    let output = command.env("PATH", project.path("bin")).output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("there is no `git` on PATH"), "{told}");
}

/// `pki init` at a terminal.
fn at_a_terminal(project: &Project, arguments: &[&str]) -> Terminal {
    let [setsid, front @ ..] = Terminal::IN_FRONT;
    let mut command = Command::new(setsid);
    command.args(front).arg(env!("CARGO_BIN_EXE_pki")).args(arguments);
    command.current_dir(project.root()).env_clear().env("HOME", project.path("home"));
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("NO_COLOR", "1");
    Terminal::run(command)
}

#[test]
fn what_no_flag_says_is_asked_for_with_the_default_shown() {
    let project = empty();
    let mut terminal = at_a_terminal(
        &project,
        &["init", "lab", "--ssh-key", KEY, "--workers", "0", "--disk", "/dev/disk/by-id/x"],
    );
    for (question, answer) in [
        ("name of the cluster [lab]: ", "\n"),
        ("address of the router [192.168.1.1]: ", "ten\n"),
        ("`ten` is not of the form 192.168.1.1", ""),
        ("address of the router [192.168.1.1]: ", "10.0.0.1\n"),
        ("network of the machines [10.0.0.0/24]: ", "\n"),
        ("bgp, arp, keepalived, external [bgp]: ", "arp\n"),
        ("number of masters, odd [3]: ", "2\n"),
        ("`2` is no odd number from 1 to 9", ""),
        ("number of masters, odd [3]: ", "5\n"),
        ("address of the first master [10.0.0.11]: ", "10.0.0.51\n"),
        ("virtual IP [10.0.0.10]: ", "\n"),
        ("network card of the machines, by `ip -br link` [CHANGE-ME]: ", "eno1\n"),
    ] {
        terminal.wait_for(question);
        terminal.type_in(answer);
    }
    let (status, shown) = terminal.end();
    assert!(status.success() && !shown.contains("number of workers"), "{shown}");
    let text = project.read("lab/machines.nix");
    assert!(text.contains("ip = \"10.0.0.55\";") && text.contains("mode = \"arp\""), "{text}");
    assert!(text.contains("interface = \"eno1\""), "{text}");
}

#[test]
fn who_ends_the_questions_has_written_nothing() {
    let project = empty();
    let mut terminal = at_a_terminal(&project, &["init", "lab"]);
    terminal.wait_for("name of the cluster [lab]: ");
    terminal.type_in("\u{4}");
    terminal.wait_for("nobody answered");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(2), "{shown}");
    assert!(!project.path("lab").exists());
}

#[test]
fn the_template_and_the_examples_hosts_are_what_init_writes() {
    let project = empty();
    project.pki(["init", "homelab"]).expect(0);
    let template = committed("templates/default");
    assert!(template.len() >= 9, "{template:?}");
    for (name, text) in &template {
        assert_eq!(*text, project.read(&format!("homelab/{name}")), "templates/default/{name}");
    }
    let written = project.tree("homelab");
    let written = written.keys().filter(|name| !name.starts_with(".git/")).count();
    assert_eq!(template.len(), written, "no more, no less");

    project.write("example/machines.nix", fs::read_to_string(repository("machines.nix")).unwrap());
    project.pki(["init", "example"]).expect(0);
    let hosts = committed("hosts");
    assert_eq!(hosts.len(), project.tree("example/hosts").len());
    for (name, text) in hosts {
        assert_eq!(text, project.read(&format!("example/hosts/{name}")), "hosts/{name}");
    }
}

#[test]
fn the_hooks_and_the_renewal_are_commands_that_go_well() {
    let project = empty();
    init(&project, &[]).expect(0);
    let renewal = project.read("lab/.github/workflows/renew.yml");
    let hooks = project.read("lab/.pre-commit-config.yaml");
    let ours = fs::read_to_string(repository(".pre-commit-hooks.yaml")).unwrap();
    // The renewal comes first here: it makes what the hooks look at.
    let lines = renewal.lines().chain(hooks.lines());
    let runs = lines.filter_map(|line| line.trim().split_once(": nix run .#"));
    let mut run = 0;
    for (_, command) in runs {
        let (program, arguments) = command.split_once(" -- ").unwrap();
        let binary = match program {
            "pki" => env!("CARGO_BIN_EXE_pki"),
            "secrets" => env!("CARGO_BIN_EXE_secrets"),
            other => panic!("{other}"),
        };
        let mut command = Command::new(binary);
        command.args(arguments.split(' ')).current_dir(project.path("lab")).env_clear();
        command.env("HOME", project.path("home")).env("PATH", std::env::var_os("PATH").unwrap());
        if arguments == "gen certs/" {
            command.arg("--new-identity");
        } else {
            assert!(ours.contains(&format!("entry: {program} {arguments}\n")), "{program} {arguments}");
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        run += 1;
    }
    assert_eq!(run, 3, "one renewal and two hooks");
}

#[test]
fn all_nix_that_init_writes_is_as_nixfmt_leaves_it() {
    let project = empty();
    for mode in ["bgp", "arp", "keepalived", "external"] {
        project
            .pki(["init", mode, "--mode", mode, "--workers", "1", "--ssh-key", KEY, "--admin", ADMIN])
            .expect(0);
    }
    project.pki(["init", "bare", "--masters", "5"]).expect(0);
    project.write(
        "shapes/machines.nix",
        r#"{
          a = { ip = [ "10.0.0.1" "fd00::1" ]; localIp = "10.1.0.1"; interface = "eth0"; disk = "/dev/disk/by-id/x";
                kubernetes.enable = true; etcd.enable = true; sshUser = "ops"; system = "aarch64-linux"; };
          kubeMaster = { ip = "10.0.9.9"; mode = "external"; };
          cluster.nodeCidr = [ "10.0.0.0/22" "fd00::/64" ];
        }"#,
    );
    project.pki(["init", "shapes"]).expect(0);
    let mut count = 0;
    for (name, text) in project.tree("") {
        let is_ours = Path::new(&name).extension().is_some_and(|ending| ending == "nix");
        if is_ours && name != "shapes/machines.nix" {
            let text = String::from_utf8(text).unwrap();
            assert_eq!(nixfmt_rs::format(&text).unwrap(), text, "{name}");
            count += 1;
        }
    }
    assert!(count >= 28, "{count} files");
    for name in ["flake.nix", "nix/cluster.nix", "nix/package.nix"] {
        let text = fs::read_to_string(repository(name)).unwrap();
        assert_eq!(nixfmt_rs::format(&text).unwrap(), text, "{name}");
    }
}

#[test]
fn deploy_refuses_what_init_left_for_a_person_to_say() {
    let project = empty();
    init(&project, &[]).expect(0);
    let deploy = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
        command.args(["cp1", "--dry-run"]).current_dir(project.path("lab"));
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let told = deploy();
    assert!(told.contains("it has no `disk`") && told.contains("it has no `interface`"), "{told}");
    let machines = project.read("lab/machines.nix");
    project.write("lab/machines.nix", machines.replace("by-id/CHANGE-ME", "by-id/nvme-1"));
    let told = deploy();
    assert!(!told.contains("`disk`") && told.contains("it has no `interface`"), "{told}");
    project.write("lab/machines.nix", machines.replace("\"CHANGE-ME\"", "\"eno1\""));
    let told = deploy();
    assert!(told.contains("it has no `disk`") && !told.contains("`interface`"), "{told}");
}

#[test]
fn ci_renews_with_an_identity_that_does_not_open_the_root() {
    let project = empty();
    let programs = [("pki", env!("CARGO_BIN_EXE_pki")), ("secrets", env!("CARGO_BIN_EXE_secrets"))];
    let run = |line: &str, key: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let (_, program) = programs.iter().find(|(program, _)| *program == name).unwrap();
        let mut command = Command::new(program);
        command.args(words).current_dir(project.root()).env_clear().env("HOME", project.path("home"));
        let output = command.env("SOPS_AGE_KEY", key).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let recipient =
        |file: &str| run(&format!("secrets keygen -o {file}"), "").expect(0).stdout.trim().to_owned();
    let (me, ci) = (recipient("me.txt"), recipient("ci.txt"));
    let key = |file: &str| project.read(file).lines().last().unwrap().to_owned();
    let (my_key, ci_key) = (key("me.txt"), key("ci.txt"));

    init(&project, &["--admin", &me, "--admin", &ci]).expect(0);
    let machines = project.read("lab/machines.nix");
    // As the comments in machines.nix and the recipe say.
    assert!(machines.contains("#   rootAdmins = [ \"age1...\" ];"), "{machines}");
    let named = machines.replace("#   rootAdmins = [ \"age1...\" ];", &format!("rootAdmins = [ \"{me}\" ];"));
    project.write("lab/machines.nix", named);
    let generate =
        |at: &str, key: &str| run(&format!("pki --at {at} gen lab/certs --inventory lab/machines.nix"), key);
    generate("2026-01-10T00:00:00Z", &my_key).expect(0);
    let before = project.read("lab/certs/cp1/apiserver.crt");
    let renewed = generate("2026-12-20T00:00:00Z", &ci_key).expect(0);
    assert!(renewed.stderr.contains("certificates"), "{}", renewed.stderr);
    assert_ne!(before, project.read("lab/certs/cp1/apiserver.crt"));
    run("pki --at 2026-12-21T00:00:00Z check lab/certs --inventory lab/machines.nix", "").expect(0);

    run("secrets view lab/certs/ca/kubernetes.yaml", &ci_key).expect(0);
    let root = run("secrets view lab/certs/ca/root.yaml", &ci_key);
    assert_ne!(root.code, 0, "the root's key is not for CI");
    run("secrets view lab/certs/ca/root.yaml", &my_key).expect(0);
}

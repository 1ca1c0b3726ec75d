//! flake.nix and what it gives to a user's repository, under the real `nix`, with stand-ins for its inputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers")]

mod cluster;
mod project;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::peer::{Peer, find};
use project::Project;
use serde_json::{Value as Json, json};

/// A public key of nobody.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKrHCrxkcPoTHmPPpUEgEgoFBYDaWnVe3FZXYAiOhF me@desk";

/// What of this repository its flake reads.
const OURS: &[&str] = &[
    "flake.nix",
    "flake.lock",
    "nix",
    "machines.nix",
    "hosts",
    "modules",
    "templates",
    "Cargo.toml",
    "Cargo.lock",
];

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The program, with a store of its own that goes with the project.
struct Nix {
    program: PathBuf,
    project: Project,
}

impl Nix {
    /// A folder with a copy of this flake, and an empty home. `None`, said on stderr, without nix.
    fn with_flake() -> Option<Self> {
        let program = find(Peer::Nix)?.path("nix");
        let project = Project::new("");
        fs::remove_file(project.path("machines.nix")).unwrap();
        fs::create_dir(project.path("flake")).unwrap();
        for name in OURS.iter().map(|name| (*name).to_owned()).chain(sources()) {
            let from = repository(&name);
            if from.exists() {
                copy(&from, &project.path("flake").join(&name));
            }
        }
        Some(Self { program, project })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--extra-experimental-features", "nix-command flakes"]).args(words);
        command.env("NIX_REMOTE", self.project.path("store")).env("NO_COLOR", "1");
        command
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        let output = self.command(words).output().expect("nix can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs a verb on a flake of the project whose inputs are the stand-ins: those of `quorate/` for a user's.
    #[track_caller]
    fn flake(&self, verb: &[&str], folder: &str, attribute: &str, inputs: &str) -> String {
        let flake = format!("path:{}{attribute}", self.project.path(folder).display());
        self.at(verb, flake, inputs).unwrap_or_else(|error| panic!("{verb:?} {folder}{attribute}: {error}"))
    }

    /// The same on whatever reference of a flake.
    fn at(&self, verb: &[&str], flake: String, inputs: &str) -> Result<String, String> {
        let mut words: Vec<String> = verb.iter().map(|word| (*word).to_owned()).collect();
        words.push("--no-write-lock-file".to_owned());
        for input in ["nixpkgs", "sops-nix", "disko", "nixos-anywhere"] {
            let stand_in = format!("path:{}", repository("tests/flake").join(input).display());
            words.extend(["--override-input".to_owned(), format!("{inputs}{input}"), stand_in]);
        }
        words.push(flake);
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[track_caller]
    fn json(&self, folder: &str, attribute: &str, inputs: &str) -> Json {
        serde_json::from_str(&self.flake(&["eval", "--json"], folder, attribute, inputs)).unwrap()
    }

    /// Makes `folder`'s certificates and modules, as its user would.
    fn fill(&self, folder: &str) {
        for words in [&["gen", "certs/", "--new-identity"][..], &["modules", "modules/"]] {
            let output = self.project.command(words).current_dir(self.project.path(folder)).output().unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// The paths that nix/package.nix hands to a build.
fn sources() -> Vec<String> {
    let text = fs::read_to_string(repository("nix/package.nix")).unwrap();
    let list = text.split_once("unions [").unwrap().1.split_once(']').unwrap().0;
    list.split_whitespace().map(|path| path.strip_prefix("../").unwrap().to_owned()).collect()
}

#[test]
fn the_lock_pins_a_release_and_all_that_flake_nix_names() {
    let lock: Json = serde_json::from_str(&fs::read_to_string(repository("flake.lock")).unwrap()).unwrap();
    let nodes = lock["nodes"].as_object().unwrap();
    for (name, node) in nodes.iter().filter(|(name, _)| *name != "root") {
        let locked = &node["locked"];
        let (rev, hash) = (locked["rev"].as_str().unwrap(), locked["narHash"].as_str().unwrap());
        assert!(rev.len() == 40 && hash.starts_with("sha256-") && hash.len() == 51, "{name}: {locked}");
    }
    assert_eq!(nodes["nixpkgs"]["original"]["ref"], format!("nixos-{}", quorate::init::RELEASE));
    // Without a network: nothing is left to be looked up.
    let Some(nix) = Nix::with_flake() else { return };
    let flake = format!("path:{}", nix.project.path("flake").display());
    let metadata = nix.run(&["flake", "metadata", "--json", "--no-update-lock-file", &flake]).unwrap();
    let metadata: Json = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["locks"], lock, "nix would have written the same");
}

#[test]
fn this_repositorys_flake_shows_and_checks() {
    let Some(nix) = Nix::with_flake() else { return };
    let shown = nix.flake(&["flake", "show", "--json", "--all-systems"], "flake", "", "");
    let shown: Json = serde_json::from_str(&shown).unwrap();
    for system in ["x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"] {
        for package in ["quorate", "default"] {
            assert_eq!(shown["packages"][system][package]["type"], "derivation", "{shown}");
        }
        for app in ["pki", "secrets", "deploy"] {
            assert_eq!(shown["apps"][system][app]["type"], "app", "{shown}");
        }
        assert_eq!(shown["devShells"][system]["default"]["type"], "derivation");
        assert!(shown["checks"][system].get("formatting").is_some());
        assert!(shown["formatter"].get(system).is_some());
    }
    assert_eq!(shown["overlays"]["default"]["type"], "nixpkgs-overlay");
    assert_eq!(shown["templates"]["default"]["type"], "template");
    // There are no certificates in it.
    assert_eq!(nix.json("flake", "#nixosConfigurations", ""), json!({}));
    nix.flake(&["flake", "check", "--no-build", "--all-systems"], "flake", "", "");
    let wrapper = nix.flake(&["eval", "--raw"], "flake", "#packages.x86_64-linux.quorate.postInstall", "");
    for program in ["nixos-rebuild", "nixos-anywhere", "git", "etcd", "kubectl", "openssh"] {
        assert!(wrapper.contains(&format!("-{program}/bin")), "deploy finds {program}: {wrapper}");
    }
}

#[test]
fn the_example_is_a_configuration_of_each_machine_once_it_has_certificates() {
    let Some(nix) = Nix::with_flake() else { return };
    nix.fill("flake");
    nix.flake(&["flake", "check", "--no-build", "--all-systems"], "flake", "", "");
    let shown = nix.flake(&["flake", "show", "--json"], "flake", "", "");
    let shown: Json = serde_json::from_str(&shown).unwrap();
    let names: Vec<&String> = shown["nixosConfigurations"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["cp1", "cp2", "cp3", "worker1", "worker2"]);
    assert!(shown["checks"]["x86_64-linux"].get("certificates").is_some());
    for (machine, interface, own, local) in [
        ("cp2", "ens18", "10.13.13.12", "192.168.88.12"),
        ("worker1", "enp3s0", "10.13.13.21", "192.168.88.21"),
    ] {
        let of = |option: &str| {
            nix.json("flake", &format!("#nixosConfigurations.{machine}.config.networking.{option}"), "")
        };
        assert_eq!(of("hostName"), machine);
        assert_eq!(of("defaultGateway"), json!({ "address": "10.13.13.1", "interface": interface }));
        let addresses = json!([
            { "address": own, "prefixLength": 24 },
            { "address": local, "prefixLength": 24 },
        ]);
        assert_eq!(of(&format!("interfaces.{interface}.ipv4.addresses")), addresses);
    }
    let disk = nix.json("flake", "#nixosConfigurations.cp1.config.disko.devices.disk.main", "");
    assert_eq!(disk["device"], "/dev/disk/by-id/nvme-WD_Red_SN700_1000GB_21310J800011");
    let types: Vec<&Json> =
        ["bios", "esp"].iter().map(|name| &disk["content"]["partitions"][name]["type"]).collect();
    assert_eq!(types, ["EF02", "EF00"], "both ways to boot");
    let warned = nix.json("flake", "#nixosConfigurations.cp1.config.warnings", "");
    assert!(warned[0].as_str().unwrap().contains("nobody can log in"), "the example names no key: {warned}");
}

#[test]
fn an_empty_folder_is_a_cluster_after_three_commands() {
    let Some(nix) = Nix::with_flake() else { return };
    let flake = format!("path:{}", nix.project.path("flake").display());
    nix.project.pki(["init", "lab", "--workers", "1", "--ssh-key", KEY, "--quorate", &flake]).expect(0);
    let empty = nix.flake(&["flake", "show", "--json"], "lab", "", "quorate/");
    let empty: Json = serde_json::from_str(&empty).unwrap();
    assert_eq!(
        empty["apps"]["x86_64-linux"]["deploy"]["type"], "app",
        "it can be looked at from the beginning"
    );
    nix.fill("lab");
    nix.flake(&["flake", "check", "--no-build", "--all-systems"], "lab", "", "quorate/");

    // What is changed in machines.nix is changed on the machine, without a word in hosts/.
    let machines = nix.project.read("lab/machines.nix").replace("192.168.1.12", "192.168.1.42");
    nix.project.write("lab/machines.nix", machines.replacen("by-id/CHANGE-ME", "by-id/nvme-1", 1));
    let of = |machine: &str, path: &str| {
        nix.json("lab", &format!("#nixosConfigurations.{machine}.config.{path}"), "quorate/")
    };
    assert_eq!(of("cp2", "networking.interfaces.CHANGE-ME.ipv4.addresses")[0]["address"], "192.168.1.42");
    assert_eq!(of("cp1", "disko.devices.disk.main.device"), "/dev/disk/by-id/nvme-1");
    assert_eq!(of("worker1", "users.users.root.openssh.authorizedKeys.keys"), json!([KEY]));
    assert_eq!(of("worker1", "services.openssh.settings.PermitRootLogin"), "prohibit-password");
    assert_eq!(of("worker1", "warnings"), json!([]));
    assert_eq!(of("worker1", "nixpkgs.hostPlatform"), "x86_64-linux");
    assert_eq!(of("cp1", "services.etcd.name"), "cp1", "the module of modules/ is among them");
}

#[test]
fn a_repository_is_a_flake_of_what_git_was_told_of() {
    let Some(nix) = Nix::with_flake() else { return };
    let flake = format!("path:{}", nix.project.path("flake").display());
    nix.project.pki(["init", "lab", "--masters", "1", "--ssh-key", KEY, "--quorate", &flake]).expect(0);
    let git =
        |words: &[&str]| cluster::run(Command::new("git").arg("-C").arg(nix.project.path("lab")).args(words));
    let machines = || {
        let flake = format!("git+file://{}#nixosConfigurations", nix.project.path("lab").display());
        let names = ["eval", "--json", "--apply", "builtins.attrNames"];
        nix.at(&names, flake, "quorate/").map(|text| serde_json::from_str::<Json>(&text).unwrap())
    };
    let unknown = machines().expect_err("git knows no flake.nix");
    assert!(unknown.contains("flake.nix"), "{unknown}");
    git(&["add", "--all"]);
    assert_eq!(machines(), Ok(json!([])), "`nix run .#pki` goes from here on, without a commit");
    nix.fill("lab");
    assert_eq!(machines(), Ok(json!([])), "what was made since is not seen");
    git(&["add", "--all"]);
    assert_eq!(machines(), Ok(json!(["cp1"])));
    for file in ["lab/README.md", "flake/flake.nix"] {
        let text = nix.project.read(file);
        let (add, run) = (text.find("git add --all").unwrap(), text.find("nix run").unwrap());
        assert!(add < run, "{file} says so before the first command");
    }
}

#[test]
fn an_inventory_may_be_a_function_and_a_user_may_add_modules() {
    let Some(nix) = Nix::with_flake() else { return };
    let flake = format!("path:{}", nix.project.path("flake").display());
    nix.project.pki(["init", "lab", "--masters", "1", "--ssh-key", KEY, "--quorate", &flake]).expect(0);
    let machines = nix.project.read("lab/machines.nix");
    nix.fill("lab");
    let outputs = nix.project.read("lab/flake.nix");
    let more = "quorate.lib.clusterWith {\n    root = ./.;\n    specialArgs = { colour = \"blue\"; };\n    modules = [ ({ colour, ... }: { users.motd = colour; }) ];\n  };";
    assert!(outputs.contains("quorate.lib.cluster ./.;"));
    nix.project.write("lab/flake.nix", outputs.replace("quorate.lib.cluster ./.;", more));
    for head in ["pkgs: with builtins; with pkgs.lib;", "{ lib, ... }:", "{ lib, colour ? 1 }:"] {
        nix.project.write("lab/machines.nix", machines.replacen("\n{\n", &format!("\n{head}\n{{\n"), 1));
        let disk =
            nix.json("lab", "#nixosConfigurations.cp1.config.disko.devices.disk.main.device", "quorate/");
        assert_eq!(disk, "/dev/disk/by-id/CHANGE-ME", "{head}");
        assert_eq!(nix.json("lab", "#nixosConfigurations.cp1.config.users.motd", "quorate/"), "blue");
    }
}

/// A line for each machine whose file has another shape than the usual one.
const SHAPES: &str = r#"{
  a = { ip = [ "10.0.0.1" "fd00::1" ]; interface = "eth0"; disk = "/dev/disk/by-id/x"; kubernetes.enable = true; etcd.enable = true; };
  "1b" = { ip = "10.0.0.2"; interface = "eth0.5"; disk = "/dev/disk/by-id/x"; kubernetes.enable = true; master = false; sshUser = "ops"; };
  in-c = { ip = [ "10.0.0.3" ]; localIp = "10.0.0.4"; interface = "eth0"; disk = "/dev/disk/by-id/x"; kubernetes.enable = true; master = false; system = "aarch64-linux"; };
  rec-d = { ip = "172.20.0.9"; interface = "eth0"; disk = "/dev/disk/by-id/x"; kubernetes.enable = true; master = false; };
  kubeMaster = { ip = "10.0.9.9"; mode = "external"; };
  cluster = { name = "shapes"; nodeCidr = [ "10.0.0.0/22" "fd00::/64" ]; sshKeys = [ ]; };
}
"#;

#[test]
fn hosts_of_every_shape_evaluate_to_what_machines_nix_says() {
    let Some(nix) = Nix::with_flake() else { return };
    let flake = format!("path:{}", nix.project.path("flake").display());
    nix.project.write("lab/machines.nix", SHAPES.replace("\n  \"1b\"", "\n  b1"));
    nix.project.pki(["init", "lab", "--quorate", &flake]).expect(0);
    nix.fill("lab");
    let of = |machine: &str, path: &str| {
        nix.json("lab", &format!("#nixosConfigurations.{machine}.config.{path}"), "quorate/")
    };
    let address = |ip: &str, prefix: u8| json!({ "address": ip, "prefixLength": prefix });
    let both = json!({
        "ipv4": { "addresses": [address("10.0.0.1", 22)] },
        "ipv6": { "addresses": [address("fd00::1", 64)] },
    });
    assert_eq!(of("a", "networking.interfaces.eth0"), both);
    assert!(nix.project.read("lab/hosts/a.nix").contains("# No gateway:"));
    let two = json!([address("10.0.0.3", 22), address("10.0.0.4", 22)]);
    assert_eq!(of("in-c", "networking.interfaces.eth0.ipv4.addresses"), two);
    assert_eq!(of("in-c", "boot.loader"), json!({ "systemd-boot": { "enable": true } }));
    assert_eq!(of("rec-d", "networking.interfaces.eth0.ipv4.addresses"), json!([address("172.20.0.9", 24)]));
    assert_eq!(of("b1", "users.users.ops.isNormalUser"), true);
    assert_eq!(of("b1", "nix.settings.trusted-users"), json!(["ops"]));
}

#[test]
fn all_that_init_writes_is_nix_that_nix_parses() {
    let Some(programs) = find(Peer::Nix) else { return };
    let project = Project::new("");
    fs::remove_file(project.path("machines.nix")).unwrap();
    for (folder, flags) in [
        ("bgp", &["--mode", "bgp"][..]),
        ("arp", &["--mode", "arp", "--masters", "1"]),
        ("keepalived", &["--mode", "keepalived", "--masters", "5", "--workers", "2"]),
        ("external", &["--mode", "external", "--interface", "a\"b${c}", "--ssh-key", KEY]),
    ] {
        project.pki([&["init", folder], flags].concat()).expect(if folder == "external" { 2 } else { 0 });
    }
    project.write("shapes/machines.nix", SHAPES);
    project.pki(["init", "shapes"]).expect(0);
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    for folder in ["bgp", "arp", "keepalived", "shapes"] {
        let nix = project.tree(folder).into_keys().map(|name| project.path(folder).join(name));
        files.extend(nix.filter(|path| path.extension().is_some_and(|ending| ending == "nix")));
    }
    assert!(files.len() >= 20, "{files:?}");
    let mut command = Command::new(programs.path("nix-instantiate"));
    command.arg("--parse").args(&files).env("NIX_REMOTE", "dummy://");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_a_build_is_handed_is_a_workspace_that_cargo_takes() {
    let project = Project::new("");
    for name in sources() {
        copy(&repository(&name), &project.path(&name));
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--offline", "--locked", "--format-version", "1", "--no-deps"]);
    let output = command.current_dir(project.root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let root = packages.iter().find(|package| package["name"] == "quorate").unwrap();
    let is_program = |target: &&Json| target["kind"][0] == "bin";
    let programs: Vec<&str> = root["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(is_program)
        .map(|bin| bin["name"].as_str().unwrap())
        .collect();
    assert_eq!(programs.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&"deploy", &"pki", &"secrets"]));
}

#[test]
fn a_renewal_is_put_up_on_one_branch_however_often_nobody_looks() {
    let project = Project::new("");
    fs::remove_file(project.path("machines.nix")).unwrap();
    project.pki(["init", "lab", "--ssh-key", KEY]).expect(0);
    let renewal = project.read("lab/.github/workflows/renew.yml");
    let script: String = renewal
        .split_once("GH_TOKEN")
        .unwrap()
        .1
        .lines()
        .skip(2)
        .fold(String::new(), |all, line| all + line.trim() + "\n");
    let gh =
        "#!/bin/sh\ncase $2 in list) grep -c create ../gh.log ;; *) echo $2 >>../gh.log ;; esac\nexit 0\n";
    project.write("bin/gh", gh);
    fs::set_permissions(project.path("bin/gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project.write("gh.log", "");
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(project.path("lab")).env("PATH", &path);
        cluster::run(
            command.env("GIT_AUTHOR_NAME", "me").env("GIT_COMMITTER_NAME", "me").env("EMAIL", "me@desk"),
        )
    };
    shell("git init -q --bare ../hub && git remote add origin ../hub && mkdir -p certs secrets/masters");
    shell(
        "touch .sops.yaml certs/a && git add --all && git commit -qm first && git branch -M main && git push -q origin main",
    );
    for week in ["one", "two"] {
        shell(&format!(
            "git switch -q main && mkdir -p secrets/masters && echo {week} | tee certs/a secrets/masters/cluster.yaml"
        ));
        shell(&script);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let branches = text(shell("git -C ../hub branch --format '%(refname:short)'").stdout);
    assert_eq!(branches.lines().collect::<Vec<_>>(), ["main", "renew-certificates"]);
    let passwords = text(shell("git -C ../hub show renew-certificates:secrets/masters/cluster.yaml").stdout);
    assert_eq!((passwords.as_str(), project.read("gh.log").as_str()), ("two\n", "create\n"));
}

#[test]
fn the_template_is_to_be_had_without_any_input() {
    let Some(nix) = Nix::with_flake() else { return };
    let flake = format!("path:{}", nix.project.path("flake").display());
    fs::create_dir(nix.project.path("new")).unwrap();
    let mut command = nix.command(&["flake", "init", "--template", &flake]);
    let output = command.current_dir(nix.project.path("new")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = nix.project.tree("new");
    assert_eq!(written, nix.project.tree("flake/templates/default"));
    assert!(written.contains_key("hosts/cp3.nix") && written.contains_key(".pre-commit-config.yaml"));
}

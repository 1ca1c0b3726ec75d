//! Scripts of units: bash can read each, and what decides how etcd starts and what renders passwords is run. Their
//! folders are moved below one of the test's own; nothing else of them is changed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};

use crate::emitted;
use crate::rig::Nix;

/// The options of a unit that hold a script.
const SCRIPTS: [&str; 5] = ["preStart", "script", "postStart", "preStop", "postStop"];

/// A unit as one file sets it.
struct Unit {
    /// The golden.
    case: String,
    name: String,
    settings: Json,
}

impl Unit {
    fn script(&self, option: &str) -> Option<&str> {
        self.settings[option].as_str()
    }
}

/// Every unit of every file of every golden.
fn units(nix: &Nix) -> Vec<Unit> {
    let mut units = Vec::new();
    for (case, found) in emitted(nix) {
        let files =
            found.as_object().unwrap().values().flat_map(|machine| machine["files"].as_array().unwrap());
        for services in files.filter_map(|file| file["settings"]["systemd"]["services"].as_object()) {
            let unit = |(name, settings): (&String, &Json)| Unit {
                case: case.name.clone(),
                name: name.clone(),
                settings: settings.clone(),
            };
            units.extend(services.iter().map(unit));
        }
    }
    units
}

/// Folders that scripts write and read, as they are on a machine.
const FOLDERS: [&str; 3] = ["/run/", "/var/lib/", "/etc/quorate/"];

/// A machine's folders, below one of the test's.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        // Nobody's processes are killed by a test.
        root.write("/bin/pkill", "#!/bin/sh\n");
        let pkill = root.path("/bin/pkill");
        fs::set_permissions(pkill, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs a unit's script as NixOS does: with bash, which ends at the first failure.
    fn run(&self, unit: &Unit, option: &str) -> Output {
        let mut script = unit.script(option).unwrap().to_owned();
        for folder in FOLDERS {
            script = script.replace(folder, &format!("{}{folder}", self.0.path().display()));
        }
        let programs = std::env::var_os("PATH").unwrap();
        let programs = std::iter::once(self.path("/bin")).chain(std::env::split_paths(&programs));
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", &script]).env("PATH", std::env::join_paths(programs).unwrap());
        // What systemd says of the folders that it makes.
        for (name, setting, folder) in [
            ("STATE_DIRECTORY", "StateDirectory", "/var/lib/"),
            ("RUNTIME_DIRECTORY", "RuntimeDirectory", "/run/"),
        ] {
            let below = unit.settings["serviceConfig"][setting].as_str();
            bash.envs(below.map(|below| (name, self.path(&format!("{folder}{below}")))));
        }
        // What NixOS' module says of etcd.
        bash.env("ETCD_NAME", "cp1").env("ETCD_INITIAL_ADVERTISE_PEER_URLS", "https://10.0.0.11:2380");
        bash.env("ETCD_DATA_DIR", self.path("/var/lib/etcd")).output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_script_of_a_unit_is_one_that_bash_can_read() {
    let Some(nix) = Nix::find() else { return };
    let mut read = 0;
    for unit in units(&nix) {
        for script in SCRIPTS.iter().filter_map(|option| unit.script(option)) {
            let place = format!("{} {}", unit.case, unit.name);
            bash_reads(script).unwrap_or_else(|why| panic!("{place}: {why}\n{script}"));
            read += 1;
        }
    }
    assert!(read > 0, "no unit has a script");
    assert!(bash_reads("if true; then").is_err());
}

fn bash_reads(script: &str) -> Result<(), String> {
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash starts");
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

#[test]
fn a_member_of_etcd_founds_or_joins_once_as_its_marker_says_and_else_goes_on_or_does_not_start() {
    let Some(nix) = Nix::find() else { return };
    let units = units(&nix);
    let etcd = units.iter().find(|unit| unit.name == "etcd" && unit.script("preStart").is_some());
    let etcd = etcd.expect("a golden with etcd");
    let marker = |how: &str, token: &str| {
        format!(
            "ETCD_NAME=\"cp1\"\nETCD_INITIAL_CLUSTER=\"cp1=https://10.0.0.11:2380\"\n\
             ETCD_INITIAL_CLUSTER_STATE={how}\nETCD_INITIAL_CLUSTER_TOKEN=\"{token}\"\n"
        )
    };
    let machine = || {
        let root = Root::new();
        for folder in ["/var/lib/etcd", "/var/lib/quorate-etcd", "/run/quorate-etcd"] {
            fs::create_dir_all(root.path(folder)).unwrap();
        }
        root
    };
    let before = |root: &Root| root.run(etcd, "preStart");
    let started = |root: &Root| root.read("/run/quorate-etcd/start.env");

    let root = machine();
    let output = before(&root);
    assert!(!output.status.success(), "no data and no marker");
    assert!(said(&output).contains("no marker"), "{}", said(&output));
    assert!(!root.path("/run/quorate-etcd/start.env").exists());

    root.write("/var/lib/quorate-etcd/bootstrap", &marker("\"new\"", "t1"));
    let output = before(&root);
    assert!(output.status.success(), "{}", said(&output));
    for line in
        ["ETCD_INITIAL_CLUSTER_STATE=new", "ETCD_INITIAL_CLUSTER_TOKEN=t1", "ETCD_INITIAL_CLUSTER=cp1=https"]
    {
        assert!(started(&root).lines().any(|found| found.starts_with(line)), "{line}: {}", started(&root));
    }
    // A start that failed before the member was one: the marker still stands, and counts.
    assert!(before(&root).status.success());
    let output = root.run(etcd, "postStart");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(root.read("/var/lib/quorate-etcd/used-tokens"), "t1\n");
    assert!(!root.path("/var/lib/quorate-etcd/bootstrap").exists());

    root.write("/var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal", "log");
    let output = before(&root);
    assert!(output.status.success(), "{}", said(&output));
    assert!(started(&root).contains("ETCD_INITIAL_CLUSTER_STATE=existing"), "{}", started(&root));

    fs::remove_dir_all(root.path("/var/lib/etcd/member")).unwrap();
    root.write("/var/lib/quorate-etcd/bootstrap", &marker("new", "t1"));
    let output = before(&root);
    assert!(!output.status.success(), "a lost disk and a used token");
    assert!(said(&output).contains("used before"), "{}", said(&output));

    root.write("/var/lib/quorate-etcd/bootstrap", &marker("existing", "t2"));
    assert!(before(&root).status.success());
    assert!(started(&root).contains("ETCD_INITIAL_CLUSTER_STATE=existing"), "{}", started(&root));

    root.write("/var/lib/quorate-etcd/bootstrap", &marker("maybe", "t3"));
    assert!(!before(&root).status.success(), "neither new nor existing");
}

#[test]
fn a_password_reaches_who_speaks_it_whether_or_not_its_file_ends_with_a_line_feed() {
    let Some(nix) = Nix::find() else { return };
    let units = units(&nix);
    for (name, folder) in [("vrrp-password", "/run/quorate/vrrp"), ("bgp-password", "/run/quorate/kube-vip")]
    {
        let secrets =
            ["/run/secrets/quorate/", "/run/agenix/quorate/"].map(|folder| format!("{folder}{name}"));
        let reads = |unit: &&Unit| unit.script("script").is_some_and(|script| script.contains(name));
        let unit = units.iter().find(reads).unwrap_or_else(|| panic!("no unit reads {name}"));
        assert_eq!(unit.settings["serviceConfig"]["RuntimeDirectoryMode"], json!("0700"));
        for ending in ["", "\n"] {
            let root = Root::new();
            for path in &secrets {
                root.write(path, &format!("S3cret99{ending}"));
            }
            root.write("/etc/quorate/pki/trust/root.crt", "root");
            fs::create_dir_all(root.path(folder)).unwrap();
            for _ in 0..2 {
                let output = root.run(unit, "script");
                assert!(output.status.success(), "{name} and {ending:?}: {}", said(&output));
                let holds =
                    files(&root.path(folder)).into_iter().filter(|text| text.contains("S3cret99")).count();
                assert_eq!(holds, 1, "{name} and {ending:?}");
            }
        }
    }
}

/// The texts of a folder's files.
fn files(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

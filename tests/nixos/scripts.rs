//! Scripts of units, run: what decides how etcd starts, and what renders passwords. Their folders are moved below one
//! of the test's own; nothing else of them is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::facts::{On, text_of};
use crate::rig::NixOs;
use crate::{evaluated, machines};

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
    fn run(&self, on: On<'_>, unit: &str, option: &str) -> Output {
        let config = &on.unit(unit).unwrap()["serviceConfig"];
        let value = &config[option];
        let path = value.as_str().or_else(|| value[0].as_str()).unwrap();
        let mut script = text_of(path).unwrap().to_owned();
        for folder in FOLDERS {
            script = script.replace(folder, &format!("{}{folder}", self.0.path().display()));
        }
        let environment = on.unit(unit).unwrap()["environment"].as_object().unwrap();
        let variables = environment.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let programs = std::env::join_paths(
            std::iter::once(self.path("/bin"))
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", &script]).envs(variables).env("PATH", programs.unwrap());
        // What systemd says of the folders that it makes.
        for (name, setting, folder) in [
            ("STATE_DIRECTORY", "StateDirectory", "/var/lib/"),
            ("RUNTIME_DIRECTORY", "RuntimeDirectory", "/run/"),
        ] {
            bash.envs(config[setting].as_str().map(|below| (name, self.path(&format!("{folder}{below}")))));
        }
        bash.env("ETCD_DATA_DIR", self.path("/var/lib/etcd")).output().unwrap()
    }
}

/// The first master of a golden that has a unit.
fn with_unit(nixos: &NixOs, unit: &str, fits: impl Fn(On<'static>) -> bool) -> On<'static> {
    let all = evaluated(nixos).iter().flat_map(|(case, found)| machines(case, found));
    let mut fitting = all.filter(|on| on.has_unit(unit) && fits(*on));
    fitting.next().unwrap_or_else(|| panic!("no golden has {unit}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_member_of_etcd_founds_or_joins_once_as_its_marker_says_and_else_goes_on_or_does_not_start() {
    let Some(nixos) = NixOs::find() else { return };
    let on = with_unit(&nixos, "etcd", |_| true);
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
    let before = |root: &Root| root.run(on, "etcd", "ExecStartPre");
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
    let output = root.run(on, "etcd", "ExecStartPost");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(root.read("/var/lib/quorate-etcd/used-tokens"), "t1\n");
    assert!(!root.path("/var/lib/quorate-etcd/bootstrap").exists());

    root.write("/var/lib/etcd/member/snap/db", "data");
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
    let Some(nixos) = NixOs::find() else { return };
    let secret = |name: &str| {
        ["/run/secrets/quorate/", "/run/agenix/quorate/"].map(|folder| format!("{folder}{name}"))
    };
    let asked = |on: On<'static>| on.unit("quorate-kube-vip").unwrap().to_string().contains("bgp-password");
    let units = [
        (with_unit(&nixos, "quorate-vrrp", |_| true), "quorate-vrrp", "vrrp-password", "/run/quorate/vrrp"),
        (
            with_unit(&nixos, "quorate-kube-vip", asked),
            "quorate-kube-vip",
            "bgp-password",
            "/run/quorate/kube-vip",
        ),
    ];
    for (on, unit, name, folder) in units {
        for ending in ["", "\n"] {
            let root = Root::new();
            for path in secret(name) {
                root.write(&path, &format!("S3cret99{ending}"));
            }
            root.write("/etc/quorate/pki/trust/root.crt", "root");
            fs::create_dir_all(root.path(folder)).unwrap();
            for _ in 0..2 {
                let output = root.run(on, unit, "ExecStart");
                assert!(output.status.success(), "{unit} on {ending:?}: {}", said(&output));
                let holds =
                    files(&root.path(folder)).into_iter().filter(|text| text.contains("S3cret99")).count();
                assert_eq!(holds, 1, "{unit} on {ending:?}");
            }
        }
    }
}

/// The texts of a folder's files.
fn files(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

//! The scripts that decide how a member of etcd starts, with real etcd: who founds, who joins, who goes on, and who does
//! not start at all.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cluster::network::{Host, Network};
use cluster::peer::{Peer, Programs, find};
use cluster::{run, wait_for};

const BEFORE: &str = include_str!("../src/modules/scripts/etcd-before.sh");
const AFTER: &str = include_str!("../src/modules/scripts/etcd-after.sh");
const MACHINES: [(&str, &str); 3] = [("cp1", "10.7.0.11"), ("cp2", "10.7.0.12"), ("cp3", "10.7.0.13")];
const FOUND: &str = "cp1=http://10.7.0.11:2380,cp2=http://10.7.0.12:2380,cp3=http://10.7.0.13:2380";

/// A machine with what systemd would give its unit: folders, environment, the scripts before and after.
struct Machine {
    host: Host,
    folder: PathBuf,
    programs: Programs,
    process: Option<Child>,
}

impl Machine {
    fn new(host: &Host, programs: &Programs, folder: &Path) -> Self {
        let folder = folder.join(&host.name);
        for below in ["state", "run", "data"] {
            fs::create_dir_all(folder.join(below)).expect("a folder");
        }
        Self { host: host.clone(), folder, programs: programs.clone(), process: None }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = self.host.command(program);
        let address = self.host.address;
        command
            .env("ETCD_NAME", &self.host.name)
            .env("ETCD_DATA_DIR", self.folder.join("data"))
            .env("ETCD_LISTEN_CLIENT_URLS", format!("http://{address}:2379"))
            .env("ETCD_ADVERTISE_CLIENT_URLS", format!("http://{address}:2379"))
            .env("ETCD_LISTEN_PEER_URLS", format!("http://{address}:2380"))
            .env("ETCD_INITIAL_ADVERTISE_PEER_URLS", format!("http://{address}:2380"))
            // What the unit has before its environment file.
            .env("ETCD_INITIAL_CLUSTER", "")
            .env("ETCD_INITIAL_CLUSTER_STATE", "existing")
            .env("STATE_DIRECTORY", self.folder.join("state"))
            .env("RUNTIME_DIRECTORY", self.folder.join("run"));
        command
    }

    /// The marker that a deploy would put there.
    fn mark(&self, lines: &str) {
        fs::write(self.folder.join("state/bootstrap"), lines).expect("a marker");
    }

    fn script(&self, text: &str) -> Result<(), String> {
        // As NixOS runs them: bash, ending at the first failure.
        let output = self.command(Path::new("bash")).args(["-e", "-c", text]).output().expect("bash starts");
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The unit's start: the script before, then etcd with what that wrote.
    fn start(&mut self) -> Result<(), String> {
        self.script(BEFORE)?;
        let written = fs::read_to_string(self.folder.join("run/start.env")).expect("the environment file");
        let pairs = written.lines().map(|line| line.split_once('=').expect("NAME=value"));
        let log = File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let mut etcd = self.command(&self.programs.path("etcd"));
        etcd.envs(pairs).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(etcd.spawn().expect("etcd starts"));
        Ok(())
    }

    /// Waits until etcd is ready, as systemd does, and runs the script after.
    fn ready(&mut self) {
        wait_for(&self.host.name, Duration::from_secs(40), || {
            let output = self.ctl(&["endpoint", "health"]).output().expect("etcdctl starts");
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if output.status.success() { Ok(()) } else { Err(log().lines().rev().take(3).collect()) }
        });
        self.script(AFTER).expect("the script after");
    }

    /// Waits until etcd has ended by itself.
    fn ended(&mut self) {
        let process = self.process.as_mut().expect("it was started");
        wait_for("etcd ends", Duration::from_secs(40), || {
            match process.try_wait().expect("a child of ours") {
                Some(_) => Ok(()),
                None => Err("it runs".to_owned()),
            }
        });
    }

    fn ctl(&self, words: &[&str]) -> Command {
        let mut command = self.host.command(&self.programs.path("etcdctl"));
        command.arg("--endpoints").arg(format!("http://{}:2379", self.host.address)).args(words);
        command
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn has(&self, file: &str) -> bool {
        self.folder.join("state").join(file).exists()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn founding(token: &str) -> String {
    format!(
        "ETCD_INITIAL_CLUSTER_TOKEN={token}\nETCD_INITIAL_CLUSTER={FOUND}\nETCD_INITIAL_CLUSTER_STATE=new\n"
    )
}

fn members(machine: &Machine) -> Vec<String> {
    let output = run(&mut machine.ctl(&["member", "list"]));
    String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect()
}

#[test]
fn three_members_found_once_go_on_by_themselves_and_a_wiped_one_comes_back_by_joining_alone() {
    let (Some(_), Some(programs)) = (find(Peer::Namespaces), find(Peer::Etcd36)) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::new(&MACHINES);
    let mut machines: Vec<Machine> =
        MACHINES.iter().map(|(name, _)| Machine::new(network.host(name), &programs, folder.path())).collect();

    // Without data and without a marker nobody starts.
    let refused = machines[0].start().expect_err("no marker");
    assert!(refused.contains("there is no marker"), "{refused}");

    for machine in &mut machines {
        machine.mark(&founding("token-one"));
        machine.start().expect("a marker");
    }
    machines.iter_mut().for_each(Machine::ready);
    run(&mut machines[0].ctl(&["put", "key", "value"]));
    for machine in &machines {
        assert!(!machine.has("bootstrap") && machine.has("used-tokens"), "{}", machine.host.name);
    }

    // Stopped and started: its data is enough.
    machines[1].stop();
    machines[1].start().expect("data");
    machines[1].ready();

    // Its disk is lost, and somebody left the old marker there: it must not found a second cluster.
    machines[2].stop();
    fs::remove_dir_all(machines[2].folder.join("data/member")).expect("data");
    let refused = machines[2].start().expect_err("neither data nor marker");
    assert!(refused.contains("there is no marker"), "{refused}");
    machines[2].mark(&founding("token-one"));
    let refused = machines[2].start().expect_err("a used token");
    assert!(refused.contains("was used before"), "{refused}");

    // A deploy removes the old member and adds a new one: what etcdctl prints is the marker, and a token beside it.
    let old = members(&machines[0]).into_iter().find(|line| line.contains("cp3")).expect("cp3 is a member");
    run(&mut machines[0].ctl(&["member", "remove", old.split(',').next().expect("an id")]));
    // etcd adds nobody while it has known a peer for less than five seconds.
    let printed = wait_for("member add", Duration::from_secs(40), || {
        let words = ["member", "add", "cp3", "--peer-urls=http://10.7.0.13:2380"];
        let output = machines[0].ctl(&words).output().expect("etcdctl starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    });
    assert!(printed.contains("ETCD_INITIAL_CLUSTER_STATE=\"existing\""), "{printed}");
    machines[2].mark(&format!("{printed}\nETCD_INITIAL_CLUSTER_TOKEN=\"token-two\"\n"));
    // Nobody answers yet: etcd ends, and leaves a folder without a log, which is no membership.
    machines[0].stop();
    machines[1].stop();
    machines[2].start().expect("a marker");
    machines[2].ended();
    assert!(machines[2].folder.join("data/member").exists());
    for other in [0, 1] {
        machines[other].start().expect("data");
    }
    machines[..2].iter_mut().for_each(Machine::ready);
    machines[2].start().expect("the marker still stands");
    machines[2].ready();
    assert_eq!(members(&machines[2]).iter().filter(|line| line.contains("started")).count(), 3);
    let value = run(&mut machines[2].ctl(&["get", "key", "--print-value-only"]));
    assert_eq!(String::from_utf8_lossy(&value.stdout).trim(), "value");
    let used = fs::read_to_string(machines[2].folder.join("state/used-tokens")).expect("the used tokens");
    assert_eq!(used, "token-one\ntoken-two\n");
}

#[test]
fn a_marker_that_says_too_little_is_refused_by_what_it_lacks() {
    let Some(programs) = find(Peer::Namespaces) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::new(&MACHINES[..1]);
    let machine = Machine::new(network.host("cp1"), &programs, folder.path());
    for (marker, wanted) in [
        ("", "expected new or existing"),
        ("ETCD_INITIAL_CLUSTER_STATE=new\nETCD_INITIAL_CLUSTER_TOKEN=t\n", "has no ETCD_INITIAL_CLUSTER"),
        (
            "ETCD_INITIAL_CLUSTER_STATE=new\nETCD_INITIAL_CLUSTER=cp1=http://x\n",
            "has no ETCD_INITIAL_CLUSTER_TOKEN",
        ),
        ("ETCD_INITIAL_CLUSTER_STATE=\"maybe\"\n", "ETCD_INITIAL_CLUSTER_STATE=maybe"),
    ] {
        machine.mark(marker);
        let Err(refused) = machine.script(BEFORE) else { panic!("{marker:?} was taken") };
        assert!(refused.contains(wanted), "{marker:?}: {refused}");
        assert!(!machine.folder.join("run/start.env").exists());
    }
}

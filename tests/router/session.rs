//! Three masters announce the virtual IP to a router that has been told what `pki router` prints, each on a machine of
//! its own. The masters are gobgpd, whose library kube-vip speaks with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::network::Network;
use crate::cluster::peer::{self, Peer, Programs};
use crate::cluster::wait_for;
use crate::parsers::{filled_in, for_bgpd};
use crate::{Inventory, named};

const PASSWORD: &str = "s3cretPassw0rd";
const MASTERS: [&str; 3] = ["cp1", "cp2", "cp3"];
/// How long a session may take to begin on a busy machine: the masters try again every five seconds.
const BEGIN: Duration = Duration::from_secs(40);

/// A daemon that ends with its owner.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The router and its masters. The daemons end before the machines go.
struct Rig {
    daemons: Vec<Daemon>,
    network: Network,
    programs: Programs,
    folder: tempfile::TempDir,
    is_v6: bool,
}

impl Rig {
    /// `None` when a peer is missing.
    fn new(language: &str, inventory: &Inventory, text: &str) -> Option<Self> {
        peer::find(Peer::Namespaces)?;
        let programs = peer::find(Peer::Routers)?;
        let is_v6 = inventory.families == [6];
        let address = |last: u8| if is_v6 { format!("fd00:13::{last}") } else { format!("10.13.13.{last}") };
        let addresses = [1, 11, 12, 13].map(address);
        let [router, cp1, cp2, cp3] = &addresses;
        let network = Network::new(&[("router", router), ("cp1", cp1), ("cp2", cp2), ("cp3", cp3)]);
        let folder = tempfile::tempdir().unwrap();
        let mut rig = Self { daemons: Vec::new(), network, programs, folder, is_v6 };
        if language == "bird" {
            rig.bird(text);
        } else {
            rig.frr(text);
        }
        let asn = if is_v6 { 4_200_000_000_u32 } else { 64_513 };
        let router_asn = if is_v6 { asn } else { 64_512 };
        for (name, id) in MASTERS.iter().zip(["10.0.0.11", "10.0.0.12", "10.0.0.13"]) {
            let own = rig.network.host(name).address;
            let password = if text.contains(PASSWORD) {
                format!("auth-password = \"{PASSWORD}\"\n")
            } else {
                String::new()
            };
            let config = format!(
                "[global.config]\nas = {asn}\nrouter-id = \"{id}\"\nport = -1\n[[neighbors]]\n[neighbors.config]\n\
                 neighbor-address = \"{router}\"\npeer-as = {router_asn}\n{password}[neighbors.timers.config]\n\
                 hold-time = 9\nkeepalive-interval = 3\nconnect-retry = 5\n[neighbors.transport.config]\n\
                 local-address = \"{own}\"\n"
            );
            let file = rig.file(&format!("{name}.toml"), &config);
            rig.start(
                name,
                "gobgpd",
                &["--pprof-disable", "--api-hosts", "127.0.0.1:50051", "-f", &shown(&file)],
            );
        }
        Some(rig)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn start(&mut self, machine: &str, program: &str, arguments: &[&str]) {
        let mut command = self.network.host(machine).command(&self.programs.path(program));
        let log = fs::File::create(self.folder.path().join(format!("{machine}-{program}.log"))).unwrap();
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push(Daemon(command.spawn().unwrap()));
    }

    fn bird(&mut self, text: &str) {
        let (file, socket) = (self.file("bird.conf", text), self.folder.path().join("bird.ctl"));
        self.start("router", "bird", &["-f", "-c", &shown(&file), "-s", &shown(&socket)]);
    }

    fn frr(&mut self, text: &str) {
        let folder = shown(self.folder.path());
        let socket = format!("{folder}/zserv");
        let whole = [("zebra", String::new()), ("bgpd", for_bgpd(text))];
        for (program, text) in whole {
            let file = shown(&self.file(&format!("{program}.conf"), &text));
            let pid = format!("{folder}/{program}.pid");
            let arguments = [
                "-u",
                "root",
                "-g",
                "root",
                "-P",
                "0",
                "--vty_socket",
                &folder,
                "-z",
                &socket,
                "-i",
                &pid,
                "-f",
                &file,
            ];
            self.start("router", program, &arguments);
            let vty = self.folder.path().join(format!("{program}.vty"));
            wait_for(program, BEGIN, || vty.exists().then_some(()).ok_or_else(|| self.logs()));
        }
    }

    fn gobgp(&self, machine: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.network.host(machine).command(&self.programs.path("gobgp"));
        let output = command.args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(text + &String::from_utf8_lossy(&output.stderr)) }
    }

    /// Every master announces the virtual IP, a default route and a network of its own.
    fn announce(&self) {
        let family = if self.is_v6 { "ipv6" } else { "ipv4" };
        for name in MASTERS {
            let own = self.network.host(name).address.to_string();
            for route in self.routes() {
                let words = ["global", "rib", "add", route, "nexthop", &own, "-a", family];
                wait_for(name, BEGIN, || self.gobgp(name, &words));
            }
        }
    }

    /// The virtual IP, and two that are no business of theirs.
    fn routes(&self) -> [&'static str; 3] {
        if self.is_v6 {
            ["fd00:14::10/128", "::/0", "fd00:14::11/128"]
        } else {
            ["10.13.14.10/32", "0.0.0.0/0", "10.13.14.11/32"]
        }
    }

    /// The ways that the router's kernel knows to a route.
    fn ways(&self, route: &str) -> usize {
        let family = if self.is_v6 { "-6" } else { "-4" };
        let mut command = self.network.host("router").command(Path::new("ip"));
        let output = command.args([family, "route", "show", route]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().matches("via ").count()
    }

    fn wait_for_ways(&self, wanted: usize) {
        let [vip, ..] = self.routes();
        wait_for("ways to the virtual IP", BEGIN, || match self.ways(vip) {
            found if found == wanted => Ok(()),
            found => Err(format!("{found} of {wanted}\n{}", self.logs())),
        });
    }

    /// How many routes the router told the masters; `None` while one of them does not speak with it. Who announced the
    /// best way is not told of it, so all are asked.
    fn told(&self) -> Option<usize> {
        let router = self.network.host("router").address.to_string();
        let family = if self.is_v6 { "ipv6" } else { "ipv4" };
        let asked = |name: &&str| {
            let json = self.gobgp(name, &["neighbor", &router, "adj-in", "-a", family, "-j"]).ok()?;
            let received = serde_json::from_str::<serde_json::Value>(&json).unwrap();
            Some(received.as_object().map_or(0, serde_json::Map::len))
        };
        MASTERS.iter().map(asked).sum()
    }

    fn logs(&self) -> String {
        let logs = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        let shown = |path: PathBuf| [shown(&path), fs::read_to_string(&path).unwrap_or_default()].join("\n");
        logs.map(shown).collect::<Vec<_>>().join("\n")
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A router of that language with what is printed for it knows three ways to the virtual IP and no other route, tells
/// nobody anything, and forgets a master within the hold time.
fn three_ways(language: &str, inventory: &str) {
    let inventory = named(inventory);
    let text = filled_in(&inventory.printed(language), PASSWORD);
    let Some(rig) = Rig::new(language, inventory, &text) else { return };
    rig.announce();
    rig.wait_for_ways(3);
    // What comes first in an update may come first into the kernel.
    std::thread::sleep(Duration::from_secs(1));
    let [_, rest @ ..] = rig.routes();
    for foreign in rest {
        assert_eq!(rig.ways(foreign), 0, "{language} took {foreign}");
    }
    assert_eq!(rig.told(), Some(0), "{language} told a master of a route");
    let began = Instant::now();
    rig.network.cut("cp2");
    rig.wait_for_ways(2);
    let took = began.elapsed();
    println!(
        "{language}, {}: a silent master is forgotten after {:.1} s",
        inventory.name,
        took.as_secs_f64()
    );
    assert!(took < Duration::from_secs(11), "{language} knew of a dead master for {took:?}, hold time 9 s");
    assert!(
        took > Duration::from_secs(3),
        "{language} lost a master at once: that was no silent loss, {took:?}"
    );
}

#[test]
fn bird_spreads_over_three_masters_and_takes_nothing_else() {
    three_ways("bird", "default");
}

#[test]
fn frr_spreads_over_three_masters_and_takes_nothing_else() {
    three_ways("frr", "default");
}

#[test]
fn bird_spreads_over_ipv6_within_one_as() {
    three_ways("bird", "IPv6 in one AS");
}

#[test]
fn frr_spreads_over_ipv6_within_one_as() {
    three_ways("frr", "IPv6 in one AS");
}

#[test]
fn bird_holds_sessions_with_a_password() {
    three_ways("bird", "password");
}

#[test]
fn frr_holds_sessions_with_a_password() {
    three_ways("frr", "password");
}

/// The faults that the tests above would find, planted.
fn faults_show(language: &str, faults: &[(&str, &str)]) {
    let inventory = named("default");
    let mut text = inventory.printed(language);
    for (from, to) in faults {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let Some(rig) = Rig::new(language, inventory, &text) else { return };
    rig.announce();
    let [vip, default, other] = rig.routes();
    wait_for("what is not wanted", BEGIN, || {
        let seen = (rig.ways(vip), rig.ways(default), rig.ways(other), rig.told() > Some(0));
        if seen == (1, 1, 1, true) { Ok(()) } else { Err(format!("{seen:?}\n{}", rig.logs())) }
    });
}

#[test]
fn bird_without_its_filters_and_merge_paths_is_found_out() {
    let faults = [
        ("import filter quorate_vip4;", "import all;"),
        ("export none;", "export all;"),
        ("  merge paths on limit 8;\n", ""),
    ];
    faults_show("bird", &faults);
}

#[test]
fn frr_without_its_filters_and_maximum_paths_is_found_out() {
    let faults = [
        (" match ip address prefix-list QUORATE-V4\n", ""),
        ("route-map QUORATE-OUT deny 10", "route-map QUORATE-OUT permit 10"),
        ("maximum-paths 8", "maximum-paths 1"),
    ];
    faults_show("frr", &faults);
}

#[test]
fn a_master_without_the_password_is_not_heard() {
    let inventory = named("password");
    for language in ["bird", "frr"] {
        // The router has it; the masters do not, since theirs is looked for in the text under its name.
        let text = filled_in(&inventory.printed(language), "an0therPassw0rd");
        let Some(rig) = Rig::new(language, inventory, &text) else { return };
        rig.announce();
        std::thread::sleep(Duration::from_secs(8));
        assert_eq!(rig.ways(rig.routes()[0]), 0, "{language} heard a master without a password");
    }
}

#[test]
fn gobgp_is_the_one_of_the_table() {
    let Some(programs) = peer::find(Peer::Routers) else { return };
    let output = Command::new(programs.path("gobgpd")).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("3.10"), "{output:?}");
}

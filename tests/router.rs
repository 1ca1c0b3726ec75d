//! `pki router`: what is printed for FRR and BIRD by their own parsers and in sessions with three masters, what is
//! printed for the others by a table of their documentation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a fault ends the test"
)]

mod cluster;
#[path = "router/documented.rs"]
mod documented;
#[path = "router/parsers.rs"]
mod parsers;
mod project;
#[path = "router/session.rs"]
mod session;

use project::Project;

const LANGUAGES: [&str; 4] = ["frr", "bird", "routeros", "vyos"];

/// An inventory whose masters speak BGP.
#[derive(Clone, Copy)]
struct Inventory {
    name: &'static str,
    masters: usize,
    /// The families of the machines, of services and pods.
    families: &'static [u8],
    /// `kubeMaster` without its `ip`.
    endpoint: &'static str,
    /// More of the command line.
    arguments: &'static [&'static str],
}

const DEFAULT: Inventory = Inventory {
    name: "default",
    masters: 3,
    families: &[4],
    endpoint: "gateway = \"10.13.13.1\";",
    arguments: &[],
};

/// What people have, each setting that shows on a router once at least.
const INVENTORIES: &[Inventory] = &[
    DEFAULT,
    Inventory {
        name: "bfd and other timers",
        endpoint: "gateway = \"10.13.13.1\"; bgp = { bfd = true; holdTime = 30; keepalive = 7; };",
        ..DEFAULT
    },
    Inventory { name: "no hold time", endpoint: "gateway = \"10.13.13.1\"; bgp.holdTime = 0;", ..DEFAULT },
    Inventory {
        name: "the longest hold time",
        endpoint: "gateway = \"10.13.13.1\"; bgp.holdTime = 65535;",
        ..DEFAULT
    },
    Inventory { name: "password", endpoint: "gateway = \"10.13.13.1\"; bgp.password = true;", ..DEFAULT },
    Inventory {
        name: "one AS",
        endpoint: "bgp = { as = 64512; peers = [ { ip = \"10.13.13.1\"; as = 64512; } ]; };",
        ..DEFAULT
    },
    Inventory {
        name: "both families",
        families: &[4, 6],
        endpoint: "bgp = { bfd = true; password = true; peers = [ { ip = \"10.13.13.1\"; } { ip = \"fd00:13::1\"; } ]; };",
        ..DEFAULT
    },
    Inventory {
        name: "IPv6 in one AS",
        families: &[6],
        endpoint: "bgp = { as = 4200000000; peers = [ { ip = \"fd00:13::1\"; as = 4200000000; } ]; };",
        ..DEFAULT
    },
    Inventory { name: "eleven masters", masters: 11, ..DEFAULT },
    Inventory {
        name: "one of several routers",
        endpoint: "bgp.peers = [ { ip = \"10.13.13.1\"; } { ip = \"10.13.13.2\"; as = 65001; } ];",
        arguments: &["--peer", "10.13.13.2"],
        ..DEFAULT
    },
];

impl Inventory {
    fn text(&self) -> String {
        let each = |v4: &str, v6: &str| {
            let of = |family: &u8| format!("\"{}\"", if *family == 4 { v4 } else { v6 });
            self.families.iter().map(of).collect::<Vec<_>>().join(" ")
        };
        let master = |n: usize| {
            let ip = each(&format!("10.13.13.{}", n + 10), &format!("fd00:13::{}", n + 10));
            format!(
                "cp{n} = {{ ip = [ {ip} ]; disk = \"/dev/disk/by-id/x\"; interface = \"ens18\"; kubernetes.enable = true; \
                 etcd.enable = true; }};"
            )
        };
        let masters: Vec<String> = (1..=self.masters).map(master).collect();
        let cni = if self.families == [4] { "flannel" } else { "none" };
        format!(
            "{{\n{}\nkubeMaster = {{ ip = [ {} ]; {} }};\ncluster = {{ name = \"magi\"; nodeCidr = [ {} ]; \
             serviceCidr = [ {} ]; podCidr = [ {} ]; cni = \"{cni}\"; }};\n}}\n",
            masters.join("\n"),
            each("10.13.14.10", "fd00:14::10"),
            self.endpoint,
            each("10.13.13.0/24", "fd00:13::/64"),
            each("10.96.0.0/16", "fd00:96::/112"),
            each("10.244.0.0/16", "fd00:244::/56"),
        )
    }

    fn printed(&self, language: &str) -> String {
        let project = Project::new(&self.text());
        let words = ["router", language].into_iter().chain(self.arguments.iter().copied());
        project.pki(words).expect(0).stdout
    }
}

fn named(name: &str) -> &'static Inventory {
    INVENTORIES.iter().find(|inventory| inventory.name == name).expect("an inventory")
}

#[test]
fn each_router_is_told_what_its_golden_says() {
    for language in LANGUAGES {
        let all: Vec<String> = INVENTORIES
            .iter()
            .map(|inventory| format!("===== {} =====\n{}", inventory.name, inventory.printed(language)))
            .collect();
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(format!("router_{language}"), all.join("\n"));
        });
    }
}

#[test]
fn no_password_is_printed_and_each_router_says_where_it_belongs() {
    for language in LANGUAGES {
        let project = Project::generated(&named("password").text());
        let run = project.pki(["router", language]).expect(0);
        assert!(
            run.stdout.contains("secrets get secrets/masters/cluster.yaml bgp-password"),
            "{}",
            run.stdout
        );
        let place =
            run.stdout.lines().filter(|line| line.contains("password ") || line.contains("tcp-md5-key="));
        let place: Vec<&str> = place.filter(|line| line.contains("...")).collect();
        assert!(!place.is_empty(), "{language} has no place for it");
        assert!(place.iter().all(|line| line.trim_start().starts_with(['!', '#'])), "{place:?}");
        assert!(!named("default").printed(language).contains("password"), "{language}");
    }
}

#[test]
fn the_command_that_tells_the_password_is_for_the_form_that_it_has() {
    let project = Project::new(&named("password").text());
    project.pki(["gen", "--new-identity", "--format", "age"]).expect(0);
    let run = project.pki(["router", "frr"]).expect(0);
    let command = "age -d -i ~/.config/sops/age/keys.txt secrets/masters/bgp-password.age";
    assert!(run.stdout.contains(command), "{}", run.stdout);
}

#[test]
fn what_is_no_router_of_the_masters_is_refused_with_what_to_do() {
    let refused = |endpoint: &'static str, arguments: &[&str], what: &str| {
        let project = Project::new(&Inventory { endpoint, ..DEFAULT }.text().replace("flannel", "none"));
        let run = project.pki(["router", "frr"].iter().chain(arguments)).expect(2);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains(what) && run.stderr.contains("hint: "), "{}", run.stderr);
    };
    let several = "bgp.peers = [ { ip = \"10.13.13.1\"; } { ip = \"10.13.13.2\"; } ];";
    refused("mode = \"external\";", &[], "`kubeMaster.mode` is `external`");
    refused(several, &[], "several routers: `10.13.13.1`, `10.13.13.2`");
    refused(several, &["--peer", "10.13.13.3"], "no router `10.13.13.3`");
    refused(several, &["--peer", "10.13.13.1", "--peer", "10.13.13.2"], "cannot be one router");
    for mode in ["arp", "keepalived"] {
        let text = DEFAULT.text().replace("10.13.14.10", "10.13.13.200");
        let project = Project::new(&text.replace("gateway =", &format!("mode = \"{mode}\"; gateway =")));
        let run = project.pki(["router", "bird"]).expect(2);
        assert!(run.stderr.contains(&format!("`kubeMaster.mode` is `{mode}`")), "{}", run.stderr);
    }
}

#[test]
fn a_family_in_which_nobody_announces_is_warned_about() {
    let v4_router = Inventory { endpoint: "gateway = \"10.13.13.1\";", ..*named("both families") };
    let run = Project::new(&v4_router.text()).pki(["router", "frr"]).expect(0);
    assert!(run.stderr.contains("no peer is an IPv6 address of this router"), "{}", run.stderr);
    assert!(run.stdout.contains("neighbor fd00:13::11 peer-group"), "both families are printed all the same");
}

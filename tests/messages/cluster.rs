//! The rules of the cluster: inventories that are read and judged, and those of other programs.

use std::fs;
use std::path::Path;

use crate::case::{Case, inventory, inventory_file};

/// Every inventory of `tests/inventories/bad`, as a person sees it.
pub(crate) fn rules() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventories/bad");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "nix"));
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        inventory(path.file_stem().unwrap().to_str().unwrap(), fs::read(path).unwrap())
    };
    paths.iter().map(case).collect()
}

/// What those files do not say.
#[expect(clippy::too_many_lines, reason = "a table: a row is a case")]
pub(crate) fn more_rules() -> Vec<Case> {
    let cp1 = "cp1 = { ip = \"10.0.0.1\"; interface = \"ens18\"; disk = \"/dev/disk/by-id/x\"; kubernetes.enable = true; etcd.enable = true; };";
    let with = |what: &str, more: &str| {
        inventory(what, format!("{{\n  {cp1}\n  cluster.nodeCidr = \"10.0.0.0/24\";\n  {more}\n}}\n"))
    };
    let in_cluster = |what: &str, more: &str| {
        inventory(what, format!("{{\n  {cp1}\n  cluster = {{ nodeCidr = \"10.0.0.0/24\"; {more} }};\n}}\n"))
    };
    vec![
        with("a machine named by the length of a novel", &format!("{} = {{ }};", "a".repeat(300))),
        with(
            "a machine of a name too long for its certificate",
            &format!("{} = {{ ip = \"10.0.0.2\"; }};", "a".repeat(60)),
        ),
        with("a machine that is a string", "cp2 = \"10.0.0.2\";"),
        with("`kubeMaster` as a string", "kubeMaster = \"10.0.1.1\";"),
        with("a name of letters that no DNS has", "\"__\" = { ip = \"10.0.0.2\"; };"),
        with(
            "addresses of every useless kind",
            "cp2.ip = [ \"127.0.0.1\" \"224.0.0.1\" \"169.254.0.1\" \"::ffff:10.0.0.2\" \"10.0.0.2/24\" \"cp2.lan\" ];",
        ),
        with("an address that is a number", "cp2.ip = 10;"),
        with("a list of numbers for addresses", "cp2.ip = [ 10 ];"),
        with(
            "a user, a disk and an interface that are none",
            "cp2 = { ip = \"10.0.0.2\"; sshUser = \"-o\"; disk = \"sda\"; interface = \"a very long interface\"; };",
        ),
        with(
            "a role that is no boolean",
            "cp2 = { ip = \"10.0.0.2\"; kubernetes.enable = \"yes\"; master = 1; };",
        ),
        with("a service that is a boolean", "cp2 = { ip = \"10.0.0.2\"; kubernetes = true; };"),
        with(
            "a placeholder for `localIp`",
            "cp2 = { ip = \"10.0.0.2\"; localIp = \"0.0.0.0\"; kubernetes.enable = true; master = false; };",
        ),
        with(
            "a placeholder beside an address",
            "cp2 = { ip = [ \"10.0.0.2\" \"0.0.0.0\" ]; kubernetes.enable = true; master = false; };",
        ),
        with("one address twice", "cp2.ip = [ \"10.0.0.2\" \"10.0.0.2\" ];"),
        with("a host key that is none", "cp2 = { ip = \"10.0.0.2\"; hostKey = \"ssh-rsa AAAA\"; };"),
        with(
            "one host key for machine and admin",
            "cp2 = { ip = \"10.0.0.2\"; hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5lLPGCQZKxIAtJdN3BDImWGMy6oxRhDZcN8pTbQ1Hi\"; };\n  cluster.admins = [ \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5lLPGCQZKxIAtJdN3BDImWGMy6oxRhDZcN8pTbQ1Hi\" ];",
        ),
        with(
            "placeholders at the endpoint",
            "kubeMaster = { ip = \"0.0.0.0\"; gateway = \"0.0.0.0\"; name = \"The API\"; };",
        ),
        with(
            "BGP with peers that are none",
            "kubeMaster = { ip = \"10.0.9.1\"; bgp = { holdTime = 2; keepalive = 0; password = \"hunter2\"; peers = [ { as = 1; } { ip = \"0.0.0.0\"; } { ip = \"10.0.0.254\"; as = 0; } ]; }; };",
        ),
        with(
            "a keepalive as long as the hold time",
            "kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; bgp = { holdTime = 9; keepalive = 9; }; };",
        ),
        with(
            "a hold time of ten minutes",
            "kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; bgp = { holdTime = 600; }; };",
        ),
        with(
            "a port that is text",
            "kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; port = \"6443\"; };",
        ),
        with(
            "an interface in mode bgp",
            "kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; interface = \"ens18\"; virtualRouterId = 5; };",
        ),
        with(
            "the virtual IP on the gateway's address",
            "kubeMaster = { ip = \"10.0.0.254\"; gateway = \"10.0.0.254\"; };",
        ),
        with(
            "the virtual IP on a peer's address",
            "kubeMaster = { ip = \"10.0.0.253\"; bgp.peers = [ { ip = \"10.0.0.253\"; } ]; };",
        ),
        with(
            "one name for a machine and the endpoint",
            "kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; name = \"cp1\"; };",
        ),
        with(
            "reserved names",
            "ca.ip = \"10.0.0.11\"; users.ip = \"10.0.0.12\"; admins.ip = \"10.0.0.13\"; masters.ip = \"10.0.0.14\"; all.ip = \"10.0.0.15\"; localhost.ip = \"10.0.0.16\"; plan.ip = \"10.0.0.17\"; nodes.ip = \"10.0.0.18\"; status.ip = \"10.0.0.19\"; default.ip = \"10.0.0.20\";",
        ),
        with(
            "six machines outside of the node range",
            "w1 = { ip = \"10.1.0.1\"; kubernetes.enable = true; master = false; };\n  w2 = { ip = \"10.1.0.2\"; kubernetes.enable = true; master = false; };\n  w3 = { ip = \"10.1.0.3\"; kubernetes.enable = true; master = false; };\n  w4 = { ip = \"10.1.0.4\"; kubernetes.enable = true; master = false; };\n  w5 = { ip = \"10.1.0.5\"; kubernetes.enable = true; master = false; };\n  w6 = { ip = \"10.1.0.6\"; kubernetes.enable = true; master = false; };\n  w7 = { ip = \"10.1.0.7\"; kubernetes.enable = true; master = false; };",
        ),
        inventory(
            "masters without an endpoint",
            "{\n  cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; };\n  cp2 = { ip = \"10.0.0.2\"; kubernetes.enable = true; };\n  kubeMaster.mode = \"external\";\n}\n",
        ),
        inventory(
            "masters without an endpoint at all",
            "{\n  cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; };\n  cp2 = { ip = \"10.0.0.2\"; kubernetes.enable = true; };\n}\n",
        ),
        inventory("machines that run nothing", "{\n  cp1.ip = \"10.0.0.1\";\n  cp2.ip = \"10.0.0.2\";\n}\n"),
        in_cluster(
            "names that are none",
            "name = \"My Cluster\"; domain = \"Cluster Local\"; cni = \"cilium\"; ca = \"share\";",
        ),
        in_cluster("a network plugin of one's own, misspelt", "cni = \"flanel\";"),
        in_cluster("an address for a range", "serviceCidr = \"10.96.0.1/16\"; podCidr = \"pods\";"),
        in_cluster(
            "lives that do not nest",
            "caDays = 100; rootDays = 50; renewDays = 400; certDays = 40000;",
        ),
        in_cluster("a backup to nowhere", "backup = { at = \"daily\"; };"),
        in_cluster(
            "a backup to a relative path at no time",
            "backup = { dir = \"backup\"; at = \"every\\nday\"; };",
        ),
        in_cluster(
            "recipients of every wrong kind",
            "admins = [ \"me@example.org\" \"age1\" \"AGE-SECRET-KEY-1QQQ\" ]; sshKeys = [ \"me\" ]; rootAdmins = [ 1 ];",
        ),
        in_cluster("a setting that is none", "colour = \"red\"; nodCidr = \"10.0.0.0/24\";"),
        in_cluster("services too many", "serviceCidr = \"10.0.0.0/8\"; podCidr = \"11.0.0.0/7\";"),
        in_cluster("services too few", "serviceCidr = \"10.96.0.0/28\"; podCidr = \"10.244.0.0/24\";"),
        in_cluster("services too few for NixOS", "serviceCidr = \"10.96.0.0/25\";"),
        in_cluster("too many IPv6 services", "serviceCidr = \"fd00:1::/64\"; podCidr = \"fd00:2::/32\";"),
        in_cluster("too few IPv6 services", "serviceCidr = \"fd00:1::/126\"; podCidr = \"fd00:2::/64\";"),
        in_cluster("ranges of two families", "serviceCidr = [ \"10.96.0.0/16\" \"fd00:1::/112\" ];"),
        in_cluster(
            "ranges of other families",
            "serviceCidr = [ \"10.96.0.0/16\" \"fd00:1::/112\" ]; podCidr = \"10.244.0.0/16\";",
        ),
        with(
            "a hold time of nothing",
            "kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; bgp.holdTime = 0; };",
        ),
        inventory(
            "machines in many networks, and no word on it",
            "{\n  cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; };\n  cp2 = { ip = \"192.168.0.1\"; kubernetes.enable = true; };\n  kubeMaster = { ip = \"10.0.9.1\"; gateway = \"10.0.0.254\"; };\n}\n",
        ),
        inventory(
            "masters without a virtual IP",
            "{\n  cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; };\n  cp2 = { ip = \"10.0.0.2\"; kubernetes.enable = true; };\n  kubeMaster.gateway = \"10.0.0.254\";\n}\n",
        ),
        in_cluster("two ranges of one family", "serviceCidr = [ \"10.96.0.0/16\" \"10.97.0.0/16\" ];"),
        inventory("three hundred and fifty faults", many_faults()),
        inventory("eleven machines of one address", same_address()),
        inventory(
            "eleven machines of one mistake",
            "builtins.listToAttrs (builtins.genList (n: { name = \"cp${toString n}\"; value = { ip = 1; }; }) 11)",
        ),
    ]
}

fn many_faults() -> String {
    let machine = |n: usize| format!("  cp{n} = {{ ip = adress{n}; }};\n");
    format!("{{\n{}}}\n", (0..350).map(machine).collect::<String>())
}

fn same_address() -> String {
    let machine = |n: usize| format!("  cp{n}.ip = \"10.0.0.1\";\n");
    format!("{{\n{}}}\n", (0..11).map(machine).collect::<String>())
}

/// Inventories of other programs.
pub(crate) fn dialects() -> Vec<Case> {
    let json = |what: &str, text: &str| inventory_file(what, "machines.json", text.as_bytes(), &[]);
    let vip = |what: &str, vip: &str, text: &str| {
        inventory_file(what, "machines.nix", text.as_bytes(), &["--vip", vip])
    };
    vec![
        vip("`--vip` for an inventory of our own", "10.0.0.9", "{ cp1.ip = \"10.0.0.1\"; }\n"),
        vip("`--vip` that is none", "nowhere", "{ cp1.ip = \"10.0.0.1\"; }\n"),
        inventory(
            "NICO without a virtual IP",
            "{\n  controlPlane = [\n    { name = \"m1\"; ip = \"10.0.0.1\"; }\n    { name = \"m1\"; ip = \"10.0.0.2\"; }\n    { ip = \"10.0.0.3\"; }\n  ];\n  workers = \"none\";\n  clusterToken = \"hunter2\";\n  colour = \"red\";\n}\n",
        ),
        vip(
            "NICO with a token",
            "10.0.0.9",
            "{\n  name = \"alpha\";\n  controlPlane = [ { name = \"m1\"; ip = \"10.0.0.1\"; } ];\n  clusterToken = \"hunter2\";\n  colour = \"red\";\n}\n",
        ),
        json(
            "terraform outputs without machines",
            "{ \"zone\": { \"sensitive\": false, \"type\": \"string\", \"value\": \"eu\" } }",
        ),
        json(
            "a terraform state without machines",
            "{ \"values\": { \"root_module\": { \"resources\": [ ] } } }",
        ),
    ]
}

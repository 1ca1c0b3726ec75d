//! `pki router`, and the passwords that `pki gen` makes for it.

use std::fs;

use crate::case::{Case, run, secrets_told};
use crate::project::{Project, machines};

/// The cluster of the copies with another `kubeMaster`, before anything is made of it anew.
fn speaking(endpoint: &'static str) -> impl Fn(&Project) + Send + Sync + 'static {
    move |project| {
        let text = machines(3, "").replace("gateway = \"10.13.13.1\";", endpoint);
        let text = if endpoint.contains("arp") || endpoint.contains("keepalived") {
            text.replace("10.13.14.10", "10.13.13.200")
        } else {
            text
        };
        project.write("machines.nix", text);
    }
}

const PASSWORD: &str = "gateway = \"10.13.13.1\"; bgp.password = true;";
const TWO: &str = "bgp.peers = [ { ip = \"10.13.13.1\"; } { ip = \"10.13.13.2\"; } ];";
/// A master of both families with these peers.
fn both_families(peers: &str) -> String {
    format!(
        "{{ cp1 = {{ ip = [ \"10.13.13.11\" \"fd00:13::11\" ]; interface = \"ens18\"; disk = \"/dev/disk/by-id/x\"; \
         kubernetes.enable = true; etcd.enable = true; }};\nkubeMaster = {{ ip = [ \"10.13.14.10\" \"fd00:14::10\" ]; \
         bgp.peers = [ {peers} ]; }};\ncluster = {{ name = \"magi\"; nodeCidr = [ \"10.13.13.0/24\" \"fd00:13::/64\" ]; \
         serviceCidr = [ \"10.96.0.0/16\" \"fd00:96::/112\" ]; podCidr = [ \"10.244.0.0/16\" \"fd00:244::/56\" ]; \
         cni = \"none\"; }};\n}}\n"
    )
}

const FILE: &str = "secrets/masters/cluster.yaml";

pub(crate) fn router() -> Vec<Case> {
    let arp = "gateway = \"10.13.13.1\"; mode = \"arp\";";
    vec![
        run("a mode that needs no router", &["router", "frr"], speaking(arp)),
        run("an endpoint that is somebody else's", &["router", "bird"], speaking("mode = \"external\";")),
        run("several routers", &["router", "frr"], speaking(TWO)),
        run("a router of nobody's", &["router", "vyos", "--peer", "10.13.13.9"], speaking(TWO)),
        run(
            "two routers as one",
            &["router", "routeros", "--peer", "10.13.13.1", "--peer", "10.13.13.2"],
            speaking(TWO),
        ),
        run("a family in which nobody reaches the router", &["router", "bird"], |project| {
            project.write("machines.nix", both_families("{ ip = \"10.13.13.1\"; }"));
        }),
    ]
}

/// One that is made, in a repository that has it then.
fn with_password(project: &Project) {
    speaking(PASSWORD)(project);
    project.pki(["gen"]).expect(0);
}

pub(crate) fn passwords() -> Vec<Case> {
    vec![
        run("a password that is to be made", &["gen", "--dry-run"], speaking(PASSWORD)),
        run("a password is made", &["gen"], speaking(PASSWORD)),
        run("nothing asks for it any more", &["gen"], |project| {
            with_password(project);
            project.write("machines.nix", machines(3, ""));
        }),
        run("check: nothing asks for it any more", &["check"], |project| {
            with_password(project);
            project.write("machines.nix", machines(3, ""));
        }),
        run("it is taken out", &["gen", "--prune"], |project| {
            with_password(project);
            project.write("machines.nix", machines(3, ""));
        }),
        run("another form takes it over", &["gen", "--format", "age"], with_password),
        run("the old form is taken out", &["gen", "--prune"], |project| {
            with_password(project);
            project.pki(["gen", "--format", "age"]).expect(0);
        }),
        run("a master less", &["gen"], |project| {
            with_password(project);
            let text = project.read("machines.nix");
            project.write("machines.nix", text.replace("  cp3 = {", "  cp3 = { master = false;"));
        }),
        run("nobody here can open it", &["gen"], |project| {
            with_password(project);
            let text = project.read("machines.nix");
            project.write("machines.nix", text.replace("  cp3 = {", "  cp3 = { master = false;"));
            fs::remove_file(project.identity_file()).unwrap();
        }),
        run("a plaintext in its place", &["gen"], |project| {
            speaking(PASSWORD)(project);
            project.write(FILE, "own: hunter2\n");
        }),
        run("a password that is no text", &["gen", "--format", "age"], |project| {
            with_password(project);
            let words = ["set", "--json", FILE, "bgp-password"];
            secrets_told(project, &words, &[], "{ \"deep\": \"hunter2\" }");
        }),
    ]
}

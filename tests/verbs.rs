//! `pki show`, `pki check` and `pki kubeconfig`, as people and programs use them.
#![allow(clippy::unwrap_used, reason = "a fault ends the test")]

mod project;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use project::{Project, machines};
use quorate_pki::facts::CertFacts;
use quorate_pki::key::PrivateKey;
use serde_json::Value;

fn settings(more: &str) -> String {
    format!("  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; {more} }};\n")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Every certificate of the first master, the first worker and the people, decoded: a line each.
fn decoded(project: &Project) -> String {
    let manifest = json(&project.read("certs/manifest.json"));
    let mut lines = Vec::new();
    for cert in manifest["certificates"].as_array().unwrap() {
        let id = cert["id"].as_str().unwrap();
        if ["cp2/", "cp3/"].iter().any(|folder| id.starts_with(folder)) {
            continue;
        }
        let shown = json(&project.pki(["show", id, "--json"]).expect(0).stdout);
        let leaf = &shown[0];
        let list = |value: &Value| {
            value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        lines.push(format!("{id}: {}", leaf["subject"].as_str().unwrap()));
        lines.push(format!("  issuer  {}", leaf["issuer"].as_str().unwrap()));
        lines.push(format!("  usages  {}", list(&leaf["usages"])));
        lines.push(format!("  names   {}", list(&leaf["sans"])).trim_end().to_owned());
        lines.push(format!("  chain of {}, owner {}", shown.as_array().unwrap().len(), cert["owner"]));
    }
    lines.join("\n")
}

#[test]
fn every_certificate_says_what_its_row_of_the_table_asks_in_each_mode() {
    for mode in ["shared", "single", "separate"] {
        let arp = machines(3, &settings(&format!("ca = \"{mode}\";")))
            .replace("ip = \"10.13.14.10\";", "ip = \"10.13.13.200\"; mode = \"arp\";");
        let project = Project::generated(&arp);
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(format!("certificates_in_{mode}"), decoded(&project));
        });
    }
}

#[test]
fn show_reads_a_file_from_anywhere_and_says_what_it_is_used_for() {
    let project = Project::generated(&machines(1, ""));
    let by_name = project.pki(["show", "cp1/apiserver"]).expect(0).stdout;
    assert!(by_name.contains("the API server answers with it"), "{by_name}");
    let by_file = project.pki(["show", "certs/cp1/apiserver.crt"]).expect(0).stdout;
    assert!(by_name.starts_with(by_file.lines().next().unwrap()), "{by_file}");
    project.write("letter.txt", "dear grandma");
    let refused = project.pki(["show", "letter.txt"]).expect(2).stderr;
    assert!(refused.contains("could not read `letter.txt`: it is no PEM file of certificates"), "{refused}");
}

#[test]
fn check_looks_as_far_ahead_as_it_is_told_and_puts_the_most_urgent_first() {
    let project = Project::generated(&machines(1, &settings("certDays = 100;")));
    project.pki(["check"]).expect(0);
    project.pki(["check", "--within", "99d"]).expect(0);
    let found = project.pki(["check", "--within", "101"]).expect(1).stdout;
    assert!(found.contains("cp1/apiserver") && found.contains("expires in 99 days"), "{found}");
    std::fs::remove_file(project.path("certs/w1/kubelet-server.crt")).unwrap();
    let findings = json(&project.pki(["check", "--within", "101d", "--json"]).expect(1).stdout);
    assert_eq!(
        findings[0]["what"], "w1/kubelet-server",
        "drift comes before what only ends soon: {findings}"
    );
    assert!(
        findings.as_array().unwrap().iter().skip(1).all(|finding| finding["daysLeft"] == 99),
        "{findings}"
    );
    project.pki(["check", "--within", "soon"]).expect(2);
}

#[test]
fn check_needs_no_identity_and_names_each_drift() {
    let project = Project::generated(&machines(3, ""));
    std::fs::remove_dir_all(project.path("home/.config")).unwrap();
    project.pki(["check"]).expect(0);
    project.write("machines.nix", machines(3, "").replace("10.13.13.12", "10.13.13.42"));
    std::fs::remove_file(project.path(".sops.yaml")).unwrap();
    let found = project.pki(["check"]).expect(1).stdout;
    assert!(found.contains("cp2/etcd-peer") && found.contains("machine cp2 moved"), "{found}");
    assert!(found.contains(".sops.yaml"), "{found}");
}

#[test]
fn a_kubeconfig_holds_the_root_a_chain_and_its_key_and_nothing_is_written() {
    let project = Project::generated(&machines(1, ""));
    let before = project.tree("");
    for (arguments, server) in [
        (&["kubeconfig"][..], "https://10.13.14.10:6443"),
        (&["kubeconfig", "super-admin", "--server", "https://10.13.13.11:6443"], "https://10.13.13.11:6443"),
    ] {
        let text = project.pki(arguments).expect(0).stdout;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: "))).unwrap();
            line.trim_matches('"').to_owned()
        };
        let data = |name: &str| STANDARD.decode(field(name)).unwrap();
        assert_eq!(field("server"), server);
        let root = CertFacts::chain_from_pem(&data("certificate-authority-data")).unwrap();
        let chain = CertFacts::chain_from_pem(&data("client-certificate-data")).unwrap();
        assert!(root[0].is_signed_by(&root[0]), "an anchor that signs itself");
        assert!(chain[0].is_signed_by(&chain[1]) && chain[1].is_signed_by(&root[0]));
        let key = String::from_utf8(data("client-key-data")).unwrap();
        assert_eq!(*PrivateKey::from_pem(&key.into()).unwrap().public(), chain[0].public_key);
    }
    assert_eq!(project::changed(&before, &project.tree("")), Vec::<String>::new());
}

#[test]
fn an_inventory_in_json_gives_the_same_certificates() {
    let project = Project::new("{ }");
    project.write(
        "machines.json",
        r#"{ "cp1": { "ip": "10.0.0.1", "kubernetes": { "enable": true }, "etcd": { "enable": true } },
             "cluster": { "name": "magi", "nodeCidr": "10.0.0.0/24" } }"#,
    );
    project.pki(["gen", "--inventory", "machines.json", "--new-identity"]).expect(0);
    let shown = project.pki(["show", "cp1/apiserver"]).expect(0).stdout;
    assert!(shown.contains("10.0.0.1"), "{shown}");
    let wrong = project.pki(["gen", "--inventory", "machines.json", "--vip", "nowhere"]).expect(2).stderr;
    assert!(wrong.contains("`--vip nowhere` is no IP address"), "{wrong}");
}

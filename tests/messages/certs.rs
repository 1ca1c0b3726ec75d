//! What stands in certs/ and is not what `pki gen` left there.

use std::fs;

use crate::case::{Case, NOW, case, generated, run, told};
use crate::project::{Project, machines};

fn remove(project: &Project, name: &str) {
    fs::remove_file(project.path("certs").join(name)).unwrap();
}

fn copy(project: &Project, from: &str, to: &str) {
    fs::copy(project.path("certs").join(from), project.path("certs").join(to)).unwrap();
}

/// The manifest, a value in it replaced.
fn manifest(project: &Project, change: impl FnOnce(&mut serde_json::Value)) {
    let mut manifest = serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
    change(&mut manifest);
    project.write("certs/manifest.json", serde_json::to_string_pretty(&manifest).unwrap());
}

fn settings(project: &Project, cluster: &str) {
    let text = format!("  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; {cluster} }};\n");
    project.write("machines.nix", machines(3, &text));
}

/// Certificates and the other public files.
pub(crate) fn certificates() -> Vec<Case> {
    let gen_ = &["gen"];
    vec![
        run("a folder of somebody else", gen_, |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
            project.write("certs/ca.pem", "-----BEGIN CERTIFICATE-----\n");
            project.write("certs/letters/to-grandma.txt", "dear grandma");
        }),
        run("a folder without its manifest", gen_, |project| remove(project, "manifest.json")),
        run("a manifest that is cut off", gen_, |project| {
            project.write("certs/manifest.json", "{ \"version\": 1, \"cluster\"");
        }),
        run("a manifest of a later release", gen_, |project| {
            manifest(project, |manifest| manifest["version"] = 99.into());
        }),
        run("a manifest without its cluster", gen_, |project| {
            manifest(project, |manifest| drop(manifest.as_object_mut().unwrap().remove("cluster")));
        }),
        run("another certificate in a certificate's place", gen_, |project| {
            copy(project, "w1/kubelet-server.crt", "cp1/kubelet-server.crt");
        }),
        run("a certificate with a letter changed", gen_, |project| {
            let text = project.read("certs/cp1/apiserver.crt");
            project.write("certs/cp1/apiserver.crt", text.replacen("MII", "QQQ", 1));
        }),
        run("a certificate that is cut off", gen_, |project| {
            let text = project.read("certs/cp1/apiserver.crt");
            project.write("certs/cp1/apiserver.crt", &text[..200]);
        }),
        run("an empty certificate", gen_, |project| project.write("certs/cp1/apiserver.crt", "")),
        run("a public key for a certificate", gen_, |project| {
            copy(project, "service-account.pub", "cp1/apiserver.crt");
        }),
        run("a certificate without its issuer behind it", gen_, |project| {
            let text = project.read("certs/cp1/apiserver.crt");
            let end = "-----END CERTIFICATE-----\n";
            project.write("certs/cp1/apiserver.crt", &text[..text.find(end).unwrap() + end.len()]);
        }),
        run("a certificate that another authority signed", gen_, |project| {
            // Recorded as it is, so that the signature alone is wrong.
            let own = project.read("certs/cp1/etcd-peer.crt");
            let facts = quorate_pki::facts::CertFacts::chain_from_pem(own.as_bytes()).unwrap();
            let key = facts[0].public_key.sha256();
            manifest(project, |manifest| {
                let certs = manifest["certificates"].as_array_mut().unwrap();
                let record = certs.iter_mut().find(|cert| cert["id"] == "cp1/scheduler").unwrap();
                record["publicKey"] = key.into();
            });
            project.write("certs/cp1/scheduler.crt", own);
        }),
        run("a certificate that the manifest does not know", gen_, |project| {
            manifest(project, |manifest| {
                let certs = manifest["certificates"].as_array_mut().unwrap();
                certs.retain(|cert| cert["id"] != "cp1/scheduler");
            });
        }),
        run("an authority whose key is gone", gen_, |project| remove(project, "ca/etcd.yaml")),
        run("an authority of which nothing is left", gen_, |project| {
            remove(project, "ca/etcd.yaml");
            remove(project, "ca/etcd.crt");
        }),
        run("another cluster and other authorities", gen_, |project| {
            let text = "  cluster = { name = \"casper\"; nodeCidr = \"10.13.13.0/24\"; ca = \"single\"; };\n";
            project.write("machines.nix", machines(3, text));
        }),
        run("an authority of another name", gen_, |project| {
            // By the manifest it is the same cluster.
            let text = "  cluster = { name = \"casper\"; nodeCidr = \"10.13.13.0/24\"; };\n";
            project.write("machines.nix", machines(3, text));
            manifest(project, |manifest| manifest["cluster"] = "casper".into());
        }),
        run("a file of a hundred megabytes", gen_, |project| {
            let file = fs::File::create(project.path("certs/cp1/apiserver.crt")).unwrap();
            file.set_len(100 << 20).unwrap();
        }),
        run("a folder for a file", gen_, |project| {
            remove(project, "cp1/apiserver.crt");
            fs::create_dir(project.path("certs/cp1/apiserver.crt")).unwrap();
        }),
        run("another public key for service accounts", gen_, |project| {
            copy(project, "ca/etcd.crt", "service-account.pub");
        }),
        case("a clock that is slow", || {
            let project = generated();
            let before = format!("2025{}", &NOW[4..]);
            let run = project.pki(["gen", "--at", &before]).expect(2);
            format!("$ pki gen --at {before} (exit code 2)\n{}", run.stderr)
        }),
        run("every secret of all masters gone", gen_, |project| {
            remove(project, "encryption-config.yaml");
            for machine in ["cp1", "cp2", "cp3"] {
                remove(project, &format!("{machine}/keys.yaml"));
            }
        }),
    ]
}

/// Host keys of the machines.
pub(crate) fn host_keys() -> Vec<Case> {
    let gen_ = &["gen"];
    vec![
        run("a private host key that is gone", gen_, |project| remove(project, "cp1/host.yaml")),
        run("the host key of another machine", gen_, |project| copy(project, "w1/host.pub", "cp1/host.pub")),
        run("a host key that is none", gen_, |project| {
            let text = "ssh-ed25519 AAAA";
            project.write("certs/cp1/host.pub", text);
            manifest(project, |manifest| manifest["machines"]["cp1"]["hostKey"] = text.into());
        }),
        run("an RSA host key", gen_, |project| {
            let text = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7";
            project.write("certs/cp1/host.pub", text);
            manifest(project, |manifest| manifest["machines"]["cp1"]["hostKey"] = text.into());
        }),
        run("a private host key that the manifest does not know", gen_, |project| {
            remove(project, "cp1/host.pub");
            manifest(project, |manifest| drop(manifest["machines"].as_object_mut().unwrap().remove("cp1")));
        }),
        run("a host key that machines.nix named and does no more", gen_, |project| {
            let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5lLPGCQZKxIAtJdN3BDImWGMy6oxRhDZcN8pTbQ1Hi";
            let given = machines(3, "").replacen(
                "10.13.13.12\";",
                &format!("10.13.13.12\"; hostKey = \"{key}\";"),
                1,
            );
            project.write("machines.nix", given);
            project.pki(["gen", "--at", NOW]).expect(0);
            project.write("machines.nix", machines(3, ""));
        }),
    ]
}

/// What `gen` shows before it does it, and `check` finds: every reason.
pub(crate) fn reasons() -> Vec<Case> {
    let dry = &["gen", "--dry-run"];
    let check = &["check"];
    vec![
        run("nothing to do", &["gen"], |_| {}),
        run("nothing found", check, |_| {}),
        run("files that are gone", dry, |project| {
            for name in [
                "cp1/apiserver.crt",
                "cp1/host.pub",
                "trust/etcd.crt",
                "service-account.pub",
                "cp2/keys.yaml",
            ] {
                let _ = fs::remove_file(project.path("certs").join(name));
            }
        }),
        run("files that are gone, by `check`", check, |project| {
            remove(project, "cp1/apiserver.crt");
            fs::remove_file(project.path(".sops.yaml")).unwrap();
        }),
        run("a file that differs", dry, |project| project.write(".sops.yaml", "creation_rules:\n")),
        run("a bundle that differs", dry, |project| {
            let tree = project.tree("certs");
            let bundle = tree.keys().find(|name| name.contains("trust") || name.contains("bundle")).cloned();
            project.write(&format!("certs/{}", bundle.unwrap_or_else(|| "ca/etcd.pem".to_owned())), "x");
        }),
        run("a machine that moved", dry, |project| {
            project.write("machines.nix", machines(3, "").replace("10.13.13.12", "10.13.13.42"));
        }),
        run("another virtual IP, of another name", dry, |project| {
            project.write(
                "machines.nix",
                machines(3, "").replace("10.13.14.10\";", "10.13.14.11\"; name = \"api\";"),
            );
        }),
        run("another virtual IP, by `check`", check, |project| {
            project.write("machines.nix", machines(3, "").replace("10.13.14.10", "10.13.14.11"));
        }),
        run("a machine with a host key of its own", dry, |project| {
            let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5lLPGCQZKxIAtJdN3BDImWGMy6oxRhDZcN8pTbQ1Hi";
            let given = machines(3, "").replacen(
                "10.13.13.31\";",
                &format!("10.13.13.31\"; hostKey = \"{key}\";"),
                1,
            );
            project.write("machines.nix", given);
        }),
        run("a worker that is a master now", dry, |project| {
            project.write("machines.nix", machines(3, "").replace("master = false; ", ""));
        }),
        run("a master that is a worker now", dry, |project| {
            project.write(
                "machines.nix",
                machines(3, "").replacen("etcd.enable = true", "master = false; etcd.enable = true", 1),
            );
        }),
        run("a machine that is gone", dry, |project| {
            let text = machines(3, "");
            let rest: Vec<&str> = text.lines().filter(|line| !line.contains("w1")).collect();
            project.write("machines.nix", rest.join("\n"));
        }),
        run("a machine that is gone, by `check`", check, |project| {
            let text = machines(3, "");
            let rest: Vec<&str> = text.lines().filter(|line| !line.contains("w1")).collect();
            project.write("machines.nix", rest.join("\n"));
        }),
        run("a machine that is gone, with `--prune`", &["gen", "--dry-run", "--prune"], |project| {
            let text = machines(3, "");
            let rest: Vec<&str> = text.lines().filter(|line| !line.contains("w1")).collect();
            project.write("machines.nix", rest.join("\n"));
        }),
        run("a master that is none, with `--prune`", &["gen", "--dry-run", "--prune"], |project| {
            project.write(
                "machines.nix",
                machines(3, "").replacen("etcd.enable = true", "master = false; etcd.enable = true", 1),
            );
        }),
    ]
}

/// The same for sealed files, and for what only time changes.
pub(crate) fn more_reasons() -> Vec<Case> {
    let dry = &["gen", "--dry-run"];
    let check = &["check"];
    vec![
        run("another admin", dry, |project| {
            settings(
                project,
                "admins = [ \"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\" ];",
            );
        }),
        run("another admin, by `check`", check, |project| {
            settings(
                project,
                "admins = [ \"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg\" ];",
            );
        }),
        run("files of age", &["gen", "--dry-run", "--format", "age"], |_| {}),
        run("a manifest that knows less", dry, |project| {
            manifest(project, |manifest| manifest["machines"]["cp1"]["recipient"] = serde_json::Value::Null);
        }),
        case("certificates that end", || {
            let project = generated();
            let days = ["2027-11-12T12:00:00Z", "2027-11-21T11:00:00Z", "2027-12-01T12:00:00Z"];
            let found = days.map(|at| {
                let run = project.pki(["check", "--at", at]).expect(1);
                let first = run.stdout.lines().next().unwrap_or_default();
                format!("$ pki check --at {at} (exit code 1)\n{first}\n...\n")
            });
            found.concat()
        }),
        case("authorities that end", || {
            let project = generated();
            let run = project.pki(["gen", "--dry-run", "--at", "2036-11-12T12:00:00Z"]).expect(1);
            format!(
                "$ pki gen --dry-run --at 2036-11-12T12:00:00Z (exit code 1)\n{}{}",
                run.stdout, run.stderr
            )
        }),
        run("keys of another machine, by `check`", check, |project| {
            copy(project, "cp2/keys.yaml", "cp1/keys.yaml");
        }),
        run("two more masters, by `check`", check, |project| project.write("machines.nix", machines(5, ""))),
        run("orphans that are pruned", &["gen", "--prune"], |project| {
            let text = machines(3, "");
            let rest: Vec<&str> = text.lines().filter(|line| !line.contains("w1")).collect();
            project.write("machines.nix", rest.join("\n"));
        }),
        case("an admin who goes", || {
            let project = generated();
            let own = project.read("home/.config/sops/age/keys.txt");
            let own = own.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
            let other = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
            settings(&project, &format!("admins = [ \"{own}\" \"{other}\" ];"));
            project.pki(["gen", "--at", NOW]).expect(0);
            settings(&project, &format!("admins = [ \"{own}\" ];"));
            let (line, out, err) = told(&project, &["gen"], &[]);
            format!("{line}\n{out}{err}")
        }),
    ]
}

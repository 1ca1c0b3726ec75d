//! `pki modules`: what is in the way of writing, and what is said of what is written.

use std::fs;

use crate::case::{Case, run};
use crate::project::{Project, machines};

fn written(project: &Project) {
    project.pki(["modules"]).expect(0);
}

fn sealed(project: &Project, path: &str, text: &str) {
    project.write(path, text);
    project.secrets(["encrypt", "-i", path]).expect(0);
}

pub(crate) fn modules() -> Vec<Case> {
    vec![
        run("modules are written", &["modules"], |_| ()),
        run("modules that would be written", &["modules", "--dry-run"], |_| ()),
        run("modules as they should be", &["modules"], written),
        run("modules of machines without certificates", &["modules"], |project| {
            fs::remove_dir_all(project.path("certs")).unwrap();
        }),
        run("modules of another machines.nix than certs/", &["modules"], |project| {
            project.write("machines.nix", machines(4, ""));
        }),
        run("a module that somebody changed", &["modules"], |project| {
            written(project);
            project.write("modules/cp1.nix", "{ }\n");
        }),
        run("a link where a module should be", &["modules"], |project| {
            written(project);
            fs::remove_file(project.path("modules/cp1.nix")).unwrap();
            std::os::unix::fs::symlink("/dev/null", project.path("modules/cp1.nix")).unwrap();
        }),
        run("a module for a machine without services", &["modules", "--only", "idle"], |project| {
            let text = machines(3, "").replacen('{', "{\n  idle = { ip = \"10.13.13.77\"; interface = \"eth0\"; disk = \"/dev/disk/by-id/nvme-0\"; node = true; };", 1);
            project.write("machines.nix", text);
            project.pki(["gen"]).expect(0);
        }),
        run("a module for a router", &["modules", "--only", "router"], |_| ()),
    ]
}

pub(crate) fn records() -> Vec<Case> {
    vec![
        run("a record that is none", &["modules"], |project| project.write("modules/emitted.json", "[]")),
        run("a record of a later release", &["modules"], |project| {
            project.write("modules/emitted.json", "{ \"version\": 9, \"files\": {} }");
        }),
        run("a record that names a file somewhere else", &["modules"], |project| {
            project.write("modules/emitted.json", "{ \"version\": 1, \"files\": { \"../x.nix\": \"\" } }");
        }),
        run(
            "a folder that Nix has no path for",
            &["modules", "--certs", "certs", "--secrets", "my secrets"],
            |_| (),
        ),
    ]
}

pub(crate) fn secrets() -> Vec<Case> {
    vec![
        run("secrets of people's own in the other form", &["modules"], |project| {
            project.write("secrets/all/x.age", "x");
        }),
        run("age files are for sops-nix what SOPS files are for agenix", &["modules"], |project| {
            sealed(project, "secrets/all/x.yaml", "a: b\n");
            project.pki(["gen", "--format", "age"]).expect(0);
        }),
        run("a name that Nix cannot have", &["modules"], |project| {
            sealed(project, "secrets/all/my wifi.yaml", "a: b\n");
        }),
        run("two secrets of one name", &["modules"], |project| {
            sealed(project, "secrets/all/app.yaml", "token: a\n");
            sealed(project, "secrets/cp1/app.yaml", "token: b\n");
        }),
        run("a secret with a name of ours", &["modules"], |project| {
            sealed(project, "secrets/cp1/quorate.yaml", "etcd-server: a\n");
        }),
        run("a secret in clear", &["modules"], |project| project.write("secrets/all/x.yaml", "a: b\n")),
    ]
}

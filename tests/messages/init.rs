//! `pki init`: what a repository is made of, and what is refused before there is one.

use std::fs;
use std::os::unix::fs::symlink;

use crate::case::{Case, case, generated, run, script, told};

/// A repository's beginnings, and flags that make none.
pub(crate) fn repository() -> Vec<Case> {
    vec![
        run("a repository without git, and nobody who could log in", &["init", "lab"], |_| {}),
        run("a repository of one's own", &["init", "lab"], |project| {
            script(project, "git", "exit 0");
            project.write("home/.ssh/id_ed25519.pub", format!("ssh-ed25519 AAAA{}\n", "a".repeat(64)));
        }),
        run("a git that refuses", &["init", "lab"], |project| {
            script(project, "git", "echo fatal: it is full >&2; exit 128");
            project.write("home/.ssh/id_ed25519.pub", format!("ssh-ed25519 AAAA{}\n", "a".repeat(64)));
        }),
        run("a machine whose disk nobody knows yet", &["init"], |project| {
            let machines = project.read("machines.nix").replacen("disk = \"/dev/disk/by-id/x\";", "", 1);
            project.write("machines.nix", machines);
        }),
        run("a link to nowhere, and a flake of one's own", &["init"], |project| {
            fs::create_dir(project.path("hosts")).unwrap();
            symlink("../elsewhere/cp1.nix", project.path("hosts/cp1.nix")).unwrap();
            project.write("flake.nix", "{ outputs = { self }: { }; }\n");
        }),
        run("flags beside an inventory that is there", &["init", "--masters", "5"], |_| {}),
        run("an address of no machine", &["init", "lab", "--ip", "cp9=10.0.0.9"], |_| {}),
        run("a virtual IP that is a machine's", &["init", "lab", "--vip", "192.168.1.11"], |_| {}),
        run("a recipient that is none", &["init", "lab", "--admin", "anna"], |_| {}),
        run("a private key for a public one", &["init", "lab", "--ssh-key", "id_ed25519"], |project| {
            project.write("id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n");
        }),
        case("numbers and addresses that are none", || {
            let project = generated();
            let typed = [["--masters", "4"], ["--ip", "cp1"]];
            let shown = typed.map(|[flag, value]| {
                let (line, _, text) = told(&project, &["init", "lab", flag, value], &[]);
                let first = text.lines().next().unwrap_or_default();
                format!("{line}\n{first}\n")
            });
            shown.concat()
        }),
    ]
}

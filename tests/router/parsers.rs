//! FRR and BIRD read what is printed for them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::cluster::peer::{self, Peer, Programs};
use crate::{INVENTORIES, named};

/// What a parser said against a text; nothing when it takes it.
fn faults(output: &Output) -> Option<String> {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    // Of bgpd the exit code tells nothing: it goes on behind a line that it does not know.
    let bad =
        |line: &&str| line.contains("No such command") || line.contains("% ") && !line.contains("vtysh.conf");
    let lines: Vec<&str> = said.lines().filter(bad).collect();
    (!output.status.success() || !lines.is_empty()).then_some(said)
}

/// bgpd's own share of FRR's file: `bfd` is for another daemon, and vtysh hands out the parts.
pub(crate) fn for_bgpd(text: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for line in text.lines() {
        inside |= line == "bfd";
        if !inside {
            out += line;
            out.push('\n');
        }
        inside &= line != "exit";
    }
    out
}

/// vtysh knows the commands of all daemons, bgpd obeys its own.
fn frr(programs: &Programs, folder: &Path, text: &str) -> Option<String> {
    let (whole, own) = (folder.join("frr.conf"), folder.join("bgpd.conf"));
    fs::write(&whole, text).unwrap();
    fs::write(&own, for_bgpd(text)).unwrap();
    let mut vtysh = Command::new(programs.path("vtysh"));
    vtysh.args(["-C", "-f"]).arg(&whole);
    let mut bgpd = Command::new(programs.path("bgpd"));
    bgpd.args(["-C", "-u", "root", "-g", "root", "-f"]).arg(&own);
    bgpd.arg("--vty_socket").arg(folder).arg("-i").arg(folder.join("pid"));
    faults(&vtysh.output().unwrap()).or_else(|| faults(&bgpd.output().unwrap()))
}

fn bird(programs: &Programs, folder: &Path, text: &str) -> Option<String> {
    let file = folder.join("bird.conf");
    fs::write(&file, text).unwrap();
    faults(&Command::new(programs.path("bird")).args(["-p", "-c"]).arg(&file).output().unwrap())
}

type Parser = fn(&Programs, &Path, &str) -> Option<String>;
const PARSERS: [(&str, Parser); 2] = [("frr", frr), ("bird", bird)];

fn programs() -> Option<Programs> {
    // bgpd needs a mount namespace of its own.
    peer::find(Peer::Namespaces).and_then(|_| peer::find(Peer::Routers))
}

#[test]
fn frr_and_bird_take_every_inventory_s_text() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    for inventory in INVENTORIES {
        for (language, parser) in PARSERS {
            let text = inventory.printed(language);
            let fault = parser(&programs, folder.path(), &text);
            assert_eq!(fault, None, "{language}, {}:\n{text}", inventory.name);
        }
    }
}

#[test]
fn frr_and_bird_take_it_with_the_password_filled_in() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (language, parser) in PARSERS {
        let text = filled_in(&named("both families").printed(language), "s3cretPassw0rd");
        assert_eq!(text.matches("s3cretPassw0rd").count(), 2, "once for each family: {text}");
        assert_eq!(parser(&programs, folder.path(), &text), None, "{text}");
    }
}

/// The text with a password where it says that one belongs.
pub(crate) fn filled_in(text: &str, password: &str) -> String {
    let fill = |line: &str| match line.trim_start().trim_start_matches(['!', '#']).trim() {
        frr if frr.starts_with("neighbor ") && frr.ends_with(" password ...") => frr.replace("...", password),
        "password \"...\";" => format!("password \"{password}\";"),
        _ => line.to_owned(),
    };
    text.lines().map(|line| fill(line) + "\n").collect()
}

#[test]
fn the_parsers_refuse_what_is_wrong() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let planted: [(usize, &str, &str); 6] = [
        (0, "maximum-paths 8", "maximum-pathes 8"),
        (0, "remote-as 64513", "remote-as masters"),
        (0, "10.13.14.10/32", "10.13.14.10/33"),
        (1, "export none;", "export nothing;"),
        (1, "hold time 9;", "hold time 2;"),
        (1, "if net = 10.13.14.10/32", "if net = 10.13.14.10/33"),
    ];
    for (index, from, to) in planted {
        let (language, parser) = PARSERS[index];
        let text = named("default").printed(language);
        assert!(text.contains(from), "{from}");
        assert!(
            parser(&programs, folder.path(), &text.replace(from, to)).is_some(),
            "{language} takes `{to}`"
        );
    }
}

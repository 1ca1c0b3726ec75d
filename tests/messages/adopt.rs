//! Authorities that were made elsewhere. Those of `tests/authorities` cannot be adopted, each for one reason.

use std::fs;
use std::path::Path;

use quorate::error::Error;
use quorate_pki::adopt::AdoptFault;
use quorate_pki::authority::Authority;
use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops;

use crate::case::{Case, case, generated, run, value};
use crate::project::{Project, machines};

/// A day of all of them; they were made after the other sections' day.
const THEN: &str = "2027-01-01T00:00:00Z";

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authorities").join(name)).unwrap()
}

/// The files of `tests/authorities` in a repository that has no certificates yet, and what is said of these arguments.
fn adopted(what: &str, mode: &'static str, arguments: &[&str], change: fn(&Project)) -> Case {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    case(what, move || {
        let project = generated();
        fs::remove_dir_all(project.path("certs")).unwrap();
        let cluster =
            format!("  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; ca = \"{mode}\"; }};\n");
        project.write("machines.nix", machines(1, &cluster));
        told(&project, &arguments, change)
    })
}

fn told(project: &Project, arguments: &[String], change: fn(&Project)) -> String {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authorities")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, project.path(path.file_name().unwrap())).unwrap();
    }
    change(project);
    let adopts = arguments.iter().flat_map(|argument| ["--adopt", argument]);
    let words: Vec<&str> = ["gen", "--dry-run"].into_iter().chain(adopts).chain(["--at", THEN]).collect();
    let (line, out, err) = crate::case::told(project, &words, &[]);
    // What would be made, other sections show.
    let shown = out.lines().filter(|line| line.contains("elsewhere"));
    let shown: String = shown.map(|line| format!("{line}\n")).collect();
    format!("{line}\n{shown}{err}")
}

fn nothing(_: &Project) {}

/// Whom a file of the project can be sealed to.
fn own(project: &Project) -> quorate_secrets::recipient::Recipient {
    let text = project.read("home/.config/sops/age/keys.txt");
    Identity::parse_all(&text.into()).unwrap()[0].recipient().clone()
}

fn seal(project: &Project, name: &str, entries: &[(&str, Secret)]) {
    let entries: Vec<(&str, &Secret)> = entries.iter().map(|(name, secret)| (*name, secret)).collect();
    project.write(name, sops::seal(&entries, &[own(project)], "2026-11-21T00:00:00Z").unwrap());
}

/// The attributes of a certificate.
pub(crate) fn attributes() -> Vec<Case> {
    let root = |what: &str, name: &str| {
        adopted(what, "shared", &[&format!("root={name}.crt,authority.key")], nothing)
    };
    let fault = |what: &str, attribute: &'static str, found: &str, expected: &str| {
        let (found, expected) = (found.to_owned(), expected.to_owned());
        value(what, move || Error::Adopt {
            faults: vec![AdoptFault {
                authority: Authority::Root,
                attribute,
                found: found.clone(),
                expected: expected.clone(),
                hint: "what it signs has to repeat it to the byte",
            }],
        })
    };
    let repeated = "one that can be repeated to the byte";
    vec![
        root("one that may be adopted", "fine"),
        root("one that strict clients refuse", "lax"),
        root("a leaf", "leaf"),
        root("one that may not sign", "usage"),
        root("one for servers alone", "purpose"),
        root("one for some names alone", "limited"),
        root("a root that may have no authority below it", "short"),
        root("two units", "units"),
        root("two attributes in one element", "joined"),
        root("a key on P-521", "p521"),
        adopted("one below a root that stays away", "shared", &["etcd=below.crt,other.key"], nothing),
        adopted(
            "one below a root, where each signs itself",
            "separate",
            &["etcd=below.crt,other.key"],
            nothing,
        ),
        adopted(
            "one that outlives its root",
            "shared",
            &["root=fine.crt,authority.key", "etcd=below.crt,other.key"],
            nothing,
        ),
        adopted(
            "one for two purposes",
            "separate",
            &["kubernetes=fine.crt,authority.key", "etcd=fine.crt,authority.key"],
            nothing,
        ),
        case("one that is over", || {
            let project = generated();
            fs::remove_dir_all(project.path("certs")).unwrap();
            let text = told(&project, &["root=fine.crt,authority.key".to_owned()], nothing);
            assert!(text.contains("exit code"), "{text}");
            let words = [
                "gen",
                "--dry-run",
                "--adopt",
                "root=fine.crt,authority.key",
                "--at",
                "2199-01-01T00:00:00Z",
            ];
            let (line, _, err) = crate::case::told(&project, &words, &[]);
            format!("{line}\n{err}")
        }),
        fault("an element without attributes", "subject", "an empty element", repeated),
        fault("letters that are none", "subject", "`CN` with bytes that are no text", repeated),
        fault(
            "one that rcgen refuses",
            "subject",
            "that of a certificate that nothing can be signed under: no name",
            repeated,
        ),
    ]
}

/// Files, keys, and a PKI that is there already.
pub(crate) fn files() -> Vec<Case> {
    let key =
        |what: &str, key: &str, change| adopted(what, "shared", &[&format!("root=fine.crt,{key}")], change);
    let certificate = |what: &str, name: &str, change| {
        adopted(what, "shared", &[&format!("root={name},authority.key")], change)
    };
    vec![
        certificate("no such file", "nowhere.crt", nothing),
        certificate("a key for the certificate", "authority.key", nothing),
        certificate("two certificates", "two.crt", |project| {
            project.write("two.crt", [file("fine.crt"), file("leaf.crt")].concat());
        }),
        certificate("a file of two megabytes", "long.crt", |project| {
            project.write("long.crt", " ".repeat(2 << 20))
        }),
        key("the key of another certificate", "other.key", nothing),
        key("a key with a passphrase", "passphrase.key", nothing),
        key("a certificate for the key", "fine.crt", nothing),
        key("two keys", "two.key", |project| {
            project.write("two.key", [file("authority.key"), file("other.key")].concat());
        }),
        key("bytes for a key", "bytes.key", |project| project.write("bytes.key", b"\xff\xfe")),
        key("half a key", "half.key", |project| {
            let pem = ["-----BEGIN PRIV", "ATE KEY-----\nMAA=\n-----END PRIV", "ATE KEY-----\n"].concat();
            project.write("half.key", pem);
        }),
        key("a SOPS file of several", "keys.yaml", |project| {
            seal(project, "keys.yaml", &[("one", "1".into()), ("two", "2".into())]);
        }),
        key("a SOPS file of bytes", "keys.yaml", |project| {
            seal(project, "keys.yaml", &[("root", Secret::from_bytes(vec![0xff]))]);
        }),
        adopted(
            "one authority twice",
            "separate",
            &["etcd=fine.crt,authority.key", "etcd=fine.crt,authority.key"],
            nothing,
        ),
        adopted("an authority that the mode has not", "single", &["etcd=fine.crt,authority.key"], nothing),
        adopted("an argument that is none", "single", &["fine.crt"], nothing),
        case("a PKI that is there already", || {
            told(&generated(), &["root=fine.crt,authority.key".to_owned()], nothing)
        }),
        case("a PKI that is there already, without that authority's certificate", || {
            told(&generated(), &["root=fine.crt,authority.key".to_owned()], |project| {
                fs::remove_file(project.path("certs/ca/root.crt")).unwrap();
            })
        }),
        run(
            "one that is adopted, and what follows",
            &["gen", "--adopt", "root=fine.crt,authority.key", "--at", THEN],
            |project| {
                adopt(project);
            },
        ),
        run("one that is adopted, and is gone", &["gen", "--at", THEN], |project| {
            adopt(project);
            fs::remove_file(project.path("certs/ca/root.crt")).unwrap();
        }),
        case("a key that is sealed now", || {
            let project = generated();
            let said = adopt(&project);
            let lines = said.lines().filter(|line| line.contains("sealed in")).collect::<Vec<_>>();
            format!("$ pki gen --adopt root=fine.crt,authority.key (exit code 0)\n{}\n", lines.join("\n"))
        }),
    ]
}

/// A PKI below the adopted root; gives what was said.
fn adopt(project: &Project) -> String {
    fs::remove_dir_all(project.path("certs")).unwrap();
    project.write("fine.crt", file("fine.crt"));
    project.write("authority.key", file("authority.key"));
    project.pki(["gen", "--adopt", "root=fine.crt,authority.key", "--at", THEN]).expect(0).stderr
}

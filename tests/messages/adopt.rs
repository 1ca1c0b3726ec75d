//! Authorities that were made elsewhere. Those of `tests/authorities` cannot be adopted, each for one reason.

use std::fs;
use std::path::Path;

use quorate::error::Error;
use quorate_pki::adopt::AdoptFault;
use quorate_pki::authority::Authority;
use quorate_pki::error::{IssueError, StateFault};
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
    let shown: Vec<&str> =
        out.lines().filter(|line| line.contains("elsewhere")).chain([err.as_str()]).collect();
    format!("{line}\n{}", shown.join("\n"))
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
        root("one with more than we write", "more"),
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

/// What none of these certificates has: an attribute, what is found there, what is expected.
const RARE: &[(&str, &str, &str)] = &[
    (
        "signature algorithm",
        "RSA with SHA-1",
        "RSA with SHA-256, SHA-384 or SHA-512, ECDSA with SHA-256 or SHA-384, or Ed25519",
    ),
    ("key type", "RSA with the public exponent 3", "65537"),
    ("key type", "a curve by explicit parameters", "a curve by its name"),
    ("key type", "P-256 in an unusual encoding", "an uncompressed point, or RSA with NULL"),
    ("encoding", "no strict DER (a length of two octets)", READABLE),
    ("encoding", "DER that is not written in the one way there is", READABLE),
    ("encoding", "an X.509 version before 3", READABLE),
    ("encoding", "unique identifiers", READABLE),
    ("encoding", "a negative serial number", READABLE),
    ("encoding", "a serial number of 21 octets", READABLE),
    ("encoding", "keyUsage with content that is damaged (a bit string)", READABLE),
    ("encoding", "subjectAltName with nothing in it", READABLE),
    ("encoding", "subjectAltName with an address of neither 4 nor 16 octets", READABLE),
    ("encoding", "subjectAltName with an empty name", READABLE),
    ("encoding", "cRLDistributionPoints with a URI in it", READABLE),
    ("issuer", "`CN=another`", "the adopted `root`, with its signature"),
    ("further extended key usages", "it has no authority key identifier", "none"),
    ("subject", "`CN`, a type that cannot be repeated", "one that can be repeated to the byte"),
    ("subject", "`CN` with a `?` as a PrintableString", "one that can be repeated to the byte"),
    ("subject", "one to sign under which fails: no name", "one that chains to what it signs"),
    ("subject", "one below which webpki finds an unknown issuer", "one that chains to what it signs"),
    ("authority of this PKI", "none of that name", "the one to adopt"),
];

const READABLE: &str = "what OpenSSL and Go read, as RFC 5280 has it";

/// [`RARE`], and what follows from a manifest that was changed.
pub(crate) fn rare() -> Vec<Case> {
    let fault = |(attribute, found, expected): &(&'static str, &'static str, &'static str)| AdoptFault {
        authority: Authority::Root,
        attribute,
        found: (*found).to_owned(),
        expected: (*expected).to_owned(),
        hint: "make another authority",
    };
    let mut cases: Vec<Case> = RARE
        .iter()
        .map(|row| {
            let fault = fault(row);
            value("a certificate of a rare kind", move || Error::Adopt { faults: vec![fault.clone()] })
        })
        .collect();
    let recorded = fault(&RARE[0]);
    cases.push(value("one that the manifest records, and that no check lets pass", move || {
        let message = format!("it is recorded as adopted and could not have been: {recorded}");
        let fault = StateFault::damaged("ca/root.crt", message);
        Error::State { folder: "certs".into(), faults: vec![fault] }
    }));
    cases.push(value("a leaf that is to be adopted", || {
        IssueError::Sign { id: "cp1/apiserver".to_owned(), cause: "only authorities are adopted".to_owned() }
            .into()
    }));
    cases
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
            project.write("long.crt", " ".repeat(2 << 20));
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
        key("a SOPS file in JSON", "keys.json", |project| project.write("keys.json", "{ \"sops\": { } }")),
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
            let _ = fs::remove_file(project.path("certs/ca/root.bundle.crt"));
        }),
        run(
            "another certificate of a key that is adopted",
            &["gen", "--adopt", "root=lax.crt,authority.key", "--at", THEN],
            |project| {
                adopt(project);
                project.write("lax.crt", file("lax.crt"));
            },
        ),
        adopted("standard input twice", "shared", &["root=-,-"], nothing),
        certificate("a certificate and half of another", "cut.crt", |project| {
            let leaf = file("leaf.crt");
            project.write("cut.crt", [file("fine.crt"), leaf[..leaf.len() / 2].to_vec()].concat());
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

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
    let shown: Vec<&str> =
        out.lines().filter(|line| line.contains("elsewhere")).chain([err.as_str()]).collect();
    format!("{line}\n{}", shown.join("\n"))
}

fn nothing(_: &Project) {}

/// Whom a file of the project can be sealed to.
fn own(project: &Project) -> quorate_secrets::recipient::Recipient {
    let text = project.read("home/.config/sops/age/keys.txt");
    Identity::parse_all(&text.into()).unwrap()[0].recipient().unwrap().clone()
}

fn seal(project: &Project, name: &str, entries: &[(&str, Secret)]) {
    let entries: Vec<(&str, &Secret)> = entries.iter().map(|(name, secret)| (*name, secret)).collect();
    project.write(name, sops::seal(&entries, &[own(project)], "2026-11-21T00:00:00Z").unwrap());
}

const KEYS: &str = "RSA of 2048, 3072 or 4096 bits, P-256, P-384 or Ed25519";
const CHAINS: &str = "one that chains to what it signs";

/// The attributes of a certificate.
pub(crate) fn attributes() -> Vec<Case> {
    let root = |what: &str, name: &str| {
        adopted(what, "shared", &[&format!("root={name}.crt,authority.key")], nothing)
    };
    vec![
        value("one below another certificate of its issuer", || Error::Adopt {
            faults: vec![AdoptFault {
                authority: Authority::Etcd,
                attribute: "authority key identifier",
                found: "that of another certificate".to_owned(),
                expected: "its issuer's key identifier and serial number".to_owned(),
                hint: "it was signed under another certificate of its issuer: sign it again under the present one",
            }],
        }),
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
        root("one that says more than a renewal will", "more"),
        root("one that Go may refuse", "uri"),
        root("one that OpenSSL and Go refuse", "policies"),
        adopted(
            "one that does not name the key of its root",
            "shared",
            &["root=fine.crt,authority.key", "etcd=bare.crt,other.key"],
            nothing,
        ),
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
    ]
}

/// What it takes bytes by hand to make: the attribute as it would be told.
pub(crate) fn rare() -> Vec<Case> {
    let fault = |what: &str, attribute: &'static str, found: &str, expected: &str| {
        let (found, expected) = (found.to_owned(), expected.to_owned());
        value(what, move || Error::Adopt {
            faults: vec![AdoptFault {
                authority: Authority::Root,
                attribute,
                found: found.clone(),
                expected: expected.clone(),
                hint: "make another authority with the tool that made this one, or leave `--adopt` out and let `pki gen` \
                       make one",
            }],
        })
    };
    let form =
        |what: &str, found: &str| fault(what, "form", found, "what OpenSSL and Go read, as RFC 5280 has it");
    let repeated = "one that can be repeated to the byte";
    vec![
        fault("an element without attributes", "subject", "an empty element", repeated),
        fault("letters that are none", "subject", "`CN` with bytes that are no text", repeated),
        fault("a type that is none", "subject", "`3.16.1`, a type that cannot be repeated", repeated),
        fault("a question mark", "subject", "`CN` with a `?` as a PrintableString", repeated),
        fault("a stranger by the root's name", "issuer", "`CN=CA`", "the adopted `root`, with its signature"),
        fault(
            "SHA-512 under P-256",
            "signature algorithm",
            "ecdsa-with-SHA512",
            "RSA with SHA-256, SHA-384 or SHA-512, ECDSA with SHA-256 or SHA-384, or Ed25519",
        ),
        fault(
            "one that was signed under an older certificate of its root",
            "authority key identifier",
            "that of another certificate",
            "its issuer's key identifier and serial number",
        ),
        fault("parameters in place of a curve", "key type", "a curve by explicit parameters", KEYS),
        fault("RSA of an odd length", "key type", "RSA of 2560 bits", KEYS),
        fault("RSA for small devices", "key type", "RSA with the public exponent 3", "65537"),
        fault(
            "a compressed point",
            "key type",
            "p256 in an unusual encoding",
            "an uncompressed point, or RSA with NULL",
        ),
        form("no DER", "no strict DER (unexpected end of ASN.1 DER encoding)"),
        form("two ways to write it", "DER that is not written in the one way there is"),
        form("the first version", "an X.509 version before 3"),
        form("unique identifiers", "unique identifiers"),
        form("a number below zero", "a negative serial number"),
        form("a long number", "a serial number of 21 octets"),
        form("an extension twice", "`keyUsage` twice"),
        form("an extension with nothing in it", "`keyUsage` with nothing in it"),
        form("an address that is none", "`subjectAltName` with an address of neither 4 nor 16 octets"),
        form("a name that is none", "`subjectAltName` with an empty name"),
        fault(
            "one that cannot be signed under",
            "certificate",
            "one to sign under which fails: could not sign `users/probe`: the key does not sign",
            CHAINS,
        ),
        fault("one that webpki refuses", "certificate", "one below which webpki finds BadDer", CHAINS),
    ]
}

/// Files and keys.
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
        certificate("a second certificate, cut off", "cut.crt", |project| {
            let fine = file("fine.crt");
            project.write("cut.crt", [fine.as_slice(), &fine[..fine.len() / 2]].concat());
        }),
        adopted("stdin twice", "separate", &["etcd=fine.crt,-", "kubernetes=fine.crt,-"], nothing),
        key("a SOPS file in JSON", "key.json", |project| {
            project.write("key.json", "{ \"data\": \"ENC[]\", \"sops\": {} }");
        }),
        key("a SOPS file that is damaged", "keys.yaml", |project| {
            seal(project, "keys.yaml", &[("root", "1".into())]);
            let text = project.read("keys.yaml").replace("ENC[AES256_GCM,data:", "ENC[AES256_GCM,date:");
            project.write("keys.yaml", text);
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
    ]
}

/// A PKI that is there already, or is made.
pub(crate) fn existing() -> Vec<Case> {
    vec![
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
                lose(project, "root");
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
        run("one that is adopted, and is gone with its bundle", &["gen", "--at", THEN], |project| {
            adopt(project);
            lose(project, "root");
        }),
        run(
            "one that is adopted, and another certificate with its key",
            &["gen", "--adopt", "root=more.crt,authority.key", "--at", THEN],
            |project| {
                adopt(project);
                project.write("more.crt", file("more.crt"));
            },
        ),
        run("one that is recorded as adopted, and is another authority's", &["check"], |project| {
            let kubernetes = project.read("certs/ca/kubernetes.crt");
            project.write("certs/ca/etcd.crt", &kubernetes);
            project.write("certs/ca/etcd.bundle.crt", &kubernetes);
            let mut manifest: serde_json::Value =
                serde_json::from_str(&project.read("certs/manifest.json")).unwrap();
            let records = manifest["certificates"].as_array_mut().unwrap();
            let key =
                records.iter().find(|record| record["id"] == "ca/kubernetes").unwrap()["publicKey"].clone();
            let etcd = records.iter_mut().find(|record| record["id"] == "ca/etcd").unwrap();
            etcd["publicKey"] = key;
            etcd["adopted"] = true.into();
            project.write("certs/manifest.json", manifest.to_string());
        }),
        case("a key that is sealed now", || {
            let project = generated();
            let said = adopt(&project);
            let lines = said.lines().filter(|line| line.contains("sealed in")).collect::<Vec<_>>();
            format!("$ pki gen --adopt root=fine.crt,authority.key (exit code 0)\n{}\n", lines.join("\n"))
        }),
    ]
}

/// Takes an authority's certificate and its bundle away.
fn lose(project: &Project, authority: &str) {
    for ending in ["crt", "bundle.crt"] {
        fs::remove_file(project.path(format!("certs/ca/{authority}.{ending}"))).unwrap();
    }
}

/// A PKI below the adopted root; gives what was said.
fn adopt(project: &Project) -> String {
    fs::remove_dir_all(project.path("certs")).unwrap();
    project.write("fine.crt", file("fine.crt"));
    project.write("authority.key", file("authority.key"));
    project.pki(["gen", "--adopt", "root=fine.crt,authority.key", "--at", THEN]).expect(0).stderr
}

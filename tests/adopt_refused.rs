//! Authorities that cannot be adopted: the attribute is named, and nothing is written.
#![allow(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod makers;
mod project;

use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::peer::{Peer, find};
use cluster::run;
use makers::{AUTHORITY, Made, P256, Wanted, openssl};
use project::{Project, changed, machines};

fn project(mode: &str) -> Project {
    Project::new(&machines(3, &format!("  cluster = {{ name = \"magi\"; ca = \"{mode}\"; }};\n")))
}

/// Adopts, which must fail and leave every file as it was; gives what was said.
#[track_caller]
fn refused(project: &Project, arguments: &[String]) -> String {
    let before = project.tree("");
    let mut line = vec!["gen", "certs", "--new-identity"];
    line.extend(arguments.iter().flat_map(|argument| ["--adopt", argument]));
    let said = project.pki(line).expect(2).stderr;
    assert_eq!(changed(&before, &project.tree("")), Vec::<String>::new(), "something was written");
    said
}

/// An authority that is wrong in one way: what it is, the attribute that must be named, and what is found there.
struct Wrong {
    wanted: Wanted<'static>,
    attribute: &'static str,
    found: &'static str,
}

const USAGE: &str = "keyUsage=critical,keyCertSign,cRLSign";
const CA: &str = "basicConstraints=critical,CA:TRUE";
const FINE: Wanted<'static> =
    Wanted { key: P256, subject: &["O=Magi", "CN=Magi CA"], extensions: AUTHORITY, days: 3650, issuer: None };

const WRONG: &[Wrong] = &[
    Wrong {
        wanted: Wanted { key: "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", ..FINE },
        attribute: "key type",
        found: "RSA of 1024 bits",
    },
    Wrong {
        wanted: Wanted { key: "-algorithm RSA -pkeyopt rsa_keygen_bits:4608", ..FINE },
        attribute: "key type",
        found: "RSA of 4608 bits",
    },
    Wrong {
        wanted: Wanted { key: "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", ..FINE },
        attribute: "key type",
        found: "P-521",
    },
    Wrong { wanted: Wanted { key: "-algorithm ED448", ..FINE }, attribute: "key type", found: "1.3.101.113" },
    Wrong {
        wanted: Wanted { key: "-algorithm RSA -pkeyopt rsa_keygen_bits:2560", ..FINE },
        attribute: "key type",
        found: "RSA of 2560 bits",
    },
    Wrong {
        wanted: Wanted {
            key: "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3",
            ..FINE
        },
        attribute: "key type",
        found: "RSA with the public exponent 3",
    },
    Wrong {
        wanted: Wanted {
            key: "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            ..FINE
        },
        attribute: "key type",
        found: "a curve by explicit parameters",
    },
    Wrong {
        wanted: Wanted { extensions: &["basicConstraints=critical,CA:FALSE", USAGE], ..FINE },
        attribute: "basic constraints",
        found: "no authority",
    },
    Wrong {
        wanted: Wanted { extensions: &[USAGE], ..FINE },
        attribute: "basic constraints",
        found: "no authority",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, "keyUsage=critical,digitalSignature,cRLSign"], ..FINE },
        attribute: "key usage",
        found: "cRLSign, digitalSignature",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, USAGE, "extendedKeyUsage=serverAuth"], ..FINE },
        attribute: "extended key usage",
        found: "serverAuth",
    },
    Wrong {
        wanted: Wanted {
            extensions: &[CA, USAGE, "nameConstraints=critical,permitted;DNS:magi.example"],
            ..FINE
        },
        attribute: "extensions",
        found: "nameConstraints",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, USAGE, "1.2.3.4=critical,ASN1:UTF8String:secret sauce"], ..FINE },
        attribute: "extensions",
        found: "1.2.3.4",
    },
    Wrong {
        wanted: Wanted { extensions: &["basicConstraints=critical,CA:TRUE,pathlen:0", USAGE], ..FINE },
        attribute: "path length",
        found: "0",
    },
    // Strict readers alone see these: Go the names and the number, OpenSSL the rest.
    Wrong {
        wanted: Wanted { extensions: &[CA, "keyUsage=critical,encipherOnly"], ..FINE },
        attribute: "key usage",
        found: "encipherOnly",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, USAGE, "2.5.29.17=ASN1:FORMAT:HEX,OCT:00"], ..FINE },
        attribute: "form",
        found: "`subjectAltName` with content that is damaged",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, USAGE, "subjectAltName=URI:http://[::1"], ..FINE },
        attribute: "form",
        found: "`subjectAltName` with a URI in it",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, USAGE, "certificatePolicies=DER:0500"], ..FINE },
        attribute: "form",
        found: "`certificatePolicies` with content that is damaged",
    },
    Wrong {
        wanted: Wanted { extensions: &["2.5.29.19=critical,DER:3003010101", USAGE], ..FINE },
        attribute: "form",
        found: "`basicConstraints` with content that is damaged",
    },
    Wrong {
        wanted: Wanted { extensions: &[CA, USAGE, "policyConstraints=requireExplicitPolicy:0"], ..FINE },
        attribute: "extensions",
        found: "policyConstraints",
    },
    Wrong {
        wanted: Wanted { subject: &["OU=one", "OU=two", "CN=Magi CA"], ..FINE },
        attribute: "subject",
        found: "more than one `OU`",
    },
    Wrong {
        wanted: Wanted { subject: &["O=Magi", "CN=Magi CA", "+serialNumber=1"], ..FINE },
        attribute: "subject",
        found: "one element of several attributes, `serialNumber+CN`",
    },
];

#[test]
fn an_authority_that_is_wrong_in_one_way_is_refused_with_that_attribute_and_no_other() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let project = project("shared");
    for (n, Wrong { wanted, attribute, found }) in WRONG.iter().enumerate() {
        let made = openssl(folder.path(), &format!("ca{n}"), wanted);
        let said = refused(&project, &[made.argument("root")]);
        let line = format!("  `root` cannot be adopted: {attribute}: found {found}");
        assert!(said.contains(&line), "expected {line}\n{said}");
        assert_eq!(said.matches("cannot be adopted: ").count(), 1, "{said}");
    }
}

/// What openssl makes of one and the same authority by further options, and what is in the way then.
const OPTIONS: &[(&[&str], &str)] = &[
    (&["-set_serial", "-5"], "form: found a negative serial number"),
    (
        &["-set_serial", "0x112233445566778899aabbccddeeff001122334455"],
        "form: found a serial number of 21 octets",
    ),
    (&["-sha512"], "signature algorithm: found ecdsa-with-SHA512"),
];

#[test]
fn what_only_strict_readers_refuse_is_refused_too() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path());
    for (options, expected) in OPTIONS {
        let certificate = folder.path().join("again.crt");
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-new", "-days", "100", "-config"]).arg(folder.path().join("good.cnf"));
        run(command.args(*options).arg("-key").arg(&made.key).arg("-out").arg(&certificate));
        let said = refused(&project("shared"), &[Made { certificate, ..made.clone() }.argument("root")]);
        says(&said, &[&format!("`root` cannot be adopted: {expected}")]);
    }
}

#[test]
fn an_authority_that_was_signed_under_another_certificate_of_its_issuer_is_refused() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let first = good(folder.path());
    let extensions = &[CA, USAGE, "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid,issuer:always"];
    let below = Wanted { subject: &["CN=below"], extensions, days: 100, issuer: Some(&first), ..FINE };
    let etcd = openssl(folder.path(), "etcd", &below);
    // The root renewed: same key and name, another serial number, which OpenSSL compares.
    let mut renew = Command::new("openssl");
    renew.args(["req", "-x509", "-new", "-days", "900", "-config"]).arg(folder.path().join("good.cnf"));
    let certificate = folder.path().join("renewed.crt");
    run(renew.arg("-key").arg(&first.key).arg("-out").arg(&certificate));
    let root = Made { certificate, ..first };
    let said = refused(&project("shared"), &[root.argument("root"), etcd.argument("etcd")]);
    says(&said, &["`etcd` cannot be adopted: authority key identifier: found that of another certificate"]);
}

#[test]
fn stdin_is_ours_alone() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path());
    let argument = Made { key: "-".into(), ..made.clone() }.argument("root");
    let said = refused(&project("shared"), &[argument.clone(), argument.replace("root=", "etcd=")]);
    says(&said, &["`-` stands for two files"]);
    // A command for identities, which would pass on what it finds there.
    let project = project("shared");
    let stolen = folder.path().join("stolen");
    let mut command = project.command(["gen", "certs", "--new-identity", "--adopt", &argument]);
    command.env("SOPS_AGE_KEY_CMD", format!("tee {}", stolen.display()));
    command.stdin(fs::File::open(&made.key).expect("a key"));
    let output = command.output().expect("pki starts");
    assert!(output.status.success() || !output.stderr.is_empty());
    assert_eq!(fs::read(&stolen).expect("the command ran"), b"");
}

/// The good authority that the other tests start from.
fn good(folder: &Path) -> Made {
    openssl(folder, "good", &FINE)
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "expected {part}\n{said}");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let other = openssl(folder.path(), "other", &FINE);
    let made = Made { key: other.key, ..good(folder.path()) };
    says(
        &refused(&project("shared"), &[made.argument("root")]),
        &["other.key", "not the key of the certificate"],
    );
    // Nor does one that leaves its public half out pass for the certificate's.
    let bare = folder.path().join("bare.key");
    run(Command::new("openssl").args(["ec", "-no_public", "-in"]).arg(&made.key).arg("-out").arg(&bare));
    let made = Made { key: bare, ..made };
    says(
        &refused(&project("shared"), &[made.argument("root")]),
        &["bare.key", "not the key of the certificate"],
    );
}

#[test]
fn an_authority_out_of_its_life_is_refused() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path()).argument("root");
    for year in [2020, 2060] {
        let project = project("shared");
        let at = format!("{year}-01-01T00:00:00Z");
        let said =
            project.pki(["gen", "certs", "--new-identity", "--adopt", &made, "--at", &at]).expect(2).stderr;
        says(&said, &["`root` cannot be adopted: validity: found ", &format!("one that holds {year}-01-01")]);
        assert!(!project.path("certs").exists());
    }
}

#[test]
fn who_signed_an_authority_must_fit_the_mode() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let root = good(folder.path());
    let below = |name: &str, days: u32| {
        let wanted = Wanted { subject: &["CN=below"], days, issuer: Some(&root), ..FINE };
        openssl(folder.path(), name, &wanted)
    };
    let etcd = below("etcd", 100);
    // The root is not adopted with it; it did not sign itself; it outlives what signed it.
    let said = refused(&project("shared"), &[etcd.argument("etcd")]);
    says(&said, &["issuer: found `O=Magi, CN=Magi CA`, expected a `root` that is adopted too"]);
    let said = refused(&project("separate"), &[etcd.argument("etcd")]);
    says(&said, &["issuer: found `O=Magi, CN=Magi CA`, expected the authority itself"]);
    let long = below("long", 9000);
    let said = refused(&project("shared"), &[root.argument("root"), long.argument("etcd")]);
    says(&said, &["`etcd` cannot be adopted: not after: found "]);
    // A stranger by the root's name.
    let stranger = openssl(folder.path(), "stranger", &FINE);
    let said = refused(&project("shared"), &[stranger.argument("root"), etcd.argument("etcd")]);
    says(&said, &["`etcd` cannot be adopted: issuer: found", "expected the adopted `root`"]);
}

#[test]
fn one_authority_is_not_adopted_for_two_purposes() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path());
    let said = refused(&project("separate"), &[made.argument("kubernetes"), made.argument("etcd")]);
    says(&said, &["`kubernetes` cannot be adopted: key: found `etcd`'s too", "expected one of its own"]);
    let said = refused(&project("separate"), &[made.argument("etcd"), made.argument("etcd")]);
    says(&said, &["`--adopt etcd=` is given twice"]);
}

#[test]
fn an_authority_that_the_mode_does_not_have_is_named_with_those_that_it_has() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path());
    let said = refused(&project("single"), &[made.argument("etcd")]);
    says(&said, &["no authority `etcd` to adopt with `cluster.ca = \"single\"`", "it has `root`"]);
    let said = refused(&project("separate"), &[made.argument("kubernets")]);
    says(&said, &["no authority `kubernets`", "`kubernetes`, `etcd`, `front-proxy`"]);
}

#[test]
fn a_cluster_that_exists_keeps_its_authorities() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path());
    let project = project("shared");
    project.pki(["gen", "certs", "--new-identity"]).expect(0);
    let said = refused(&project, &[made.argument("root")]);
    says(
        &said,
        &["authority of this PKI: found `O=magi, CN=kubernetes-root-ca`", "adopt into an empty folder"],
    );
}

#[test]
fn a_file_that_is_no_certificate_or_no_key_is_named_with_what_makes_one_of_it() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = good(folder.path());
    let (certificate, key) =
        (fs::read(&made.certificate).expect("a file"), fs::read(&made.key).expect("a file"));
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        path
    };
    let openssl = |arguments: &[&str], input: &Path| {
        run(Command::new("openssl").args(arguments).arg("-in").arg(input)).stdout
    };
    let der = openssl(&["x509", "-outform", "der"], &made.certificate);
    let made_text = certificate.clone();
    let twice = [certificate.clone(), certificate].concat();
    for (path, part) in [
        (file("ca.der", &der), "openssl x509 -inform der"),
        (file("chain.crt", &twice), "it holds 2 certificates where the authority's alone belongs"),
        (file("key.crt", &key), "it holds a `PRIVATE KEY` where a certificate belongs"),
        (file("empty.crt", b""), "no `BEGIN CERTIFICATE`"),
        (
            file("cut.crt", &[made_text.as_slice(), &made_text[..made_text.len() / 2]].concat()),
            "a second certificate in it is cut off",
        ),
        (Path::new("/dev/zero").to_owned(), "longer than 16 KiB"),
        (folder.path().join("nowhere.crt"), "could not read"),
        (folder.path().to_owned(), "could not read"),
    ] {
        let said = refused(
            &project("shared"),
            &[Made { certificate: path.clone(), ..made.clone() }.argument("root")],
        );
        says(&said, &[&path.display().to_string(), part]);
    }
    let encrypt = ["pkey", "-aes256", "-passout", "pass:xyzzy"];
    let traditional = ["ec", "-aes256", "-passout", "pass:xyzzy"];
    let dsa = ["genpkey", "-algorithm", "X25519"];
    for (path, part) in [
        (file("sealed.key", &openssl(&encrypt, &made.key)), "it is protected by a passphrase"),
        (file("old.key", &openssl(&traditional, &made.key)), "it is protected by a passphrase"),
        (file("key.der", &openssl(&["pkey", "-outform", "der"], &made.key)), "it is no text"),
        (file("two.key", &[key.clone(), key.clone()].concat()), "it holds more than one private key"),
        (
            file("none.key", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "no private key",
        ),
        (file("half.key", &key[..key.len() / 2]), "it holds no private key"),
        (file("x25519.key", &run(Command::new("openssl").args(dsa)).stdout), "no key of a supported type"),
        (file("notes.yaml", b"a: b\n"), "no private key"),
        (folder.path().join("nowhere.key"), "could not read"),
        (Path::new("/dev/zero").to_owned(), "longer than 1024 KiB"),
    ] {
        let said =
            refused(&project("shared"), &[Made { key: path.clone(), ..made.clone() }.argument("root")]);
        says(&said, &[&path.display().to_string(), part, "hint"]);
        assert!(!said.contains("xyzzy") && !said.contains("-----BEGIN"), "{said}");
    }
    // The remedy that is given for a passphrase does it.
    let mut command = Command::new("sh");
    let pki = env!("CARGO_BIN_EXE_pki");
    let line = format!(
        "openssl pkey -passin pass:xyzzy -in {key} | {pki} gen certs --new-identity --adopt root={certificate},-",
        key = folder.path().join("sealed.key").display(),
        certificate = made.certificate.display()
    );
    let project = project("shared");
    run(command.args(["-c", &line]).current_dir(project.root()).env("HOME", project.path("home")));
    assert!(project.path("certs/ca/root.crt").exists());
}

//! Authorities that people have already, adopted: made by the programs they have them from, in every form of key, and
//! judged by OpenSSL, Go, rustls and etcd.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod deployed;
mod makers;
mod project;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cluster::etcd::start_cluster;
use cluster::network::Network;
use cluster::peer::{Peer, Programs, find};
use cluster::{chain, run};
use deployed::{Deployment, inventory, peers};
use makers::{AUTHORITY, MAKERS, Made, P256, Wanted, openssl};
use project::{Project, changed};
use quorate_pki::adopt::strictures;
use quorate_pki::cluster::CaMode;
use quorate_pki::facts::CertFacts;
use quorate_pki::manifest::{CertRecord, Manifest};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// One master and a worker below authorities of a mode.
fn project(mode: &str) -> Project {
    Project::new(&inventory(1, &format!("ca = \"{mode}\";")))
}

/// Adopts, and gives the project.
fn adopted(mode: &str, arguments: &[String]) -> Project {
    let project = project(mode);
    let mut line = vec!["gen", "certs", "--new-identity"];
    line.extend(arguments.iter().flat_map(|argument| ["--adopt", argument]));
    project.pki(line).expect(0);
    project
}

fn manifest(project: &Project) -> Manifest {
    Manifest::parse(project.read("certs/manifest.json").as_bytes()).expect("a manifest")
}

fn facts(path: &Path) -> Vec<CertFacts> {
    CertFacts::chain_from_pem(&fs::read(path).expect("a file")).expect("certificates")
}

/// The certificate of `made` stands in certs/ unchanged, and everything that it signed there names it to the byte and
/// is accepted by OpenSSL, Go, Python and rustls, which have the root alone.
///
/// Whether OpenSSL is to be strict is what `gen` said of the authority.
fn holds(project: &Project, verify: &Programs, name: &str, made: &Made) {
    holds_at(project, verify, name, made, None);
}

/// The same as of some day; Go is not asked then, which knows today alone.
fn holds_at(project: &Project, verify: &Programs, name: &str, made: &Made, at: Option<time::OffsetDateTime>) {
    let own = facts(&made.certificate).remove(0);
    let certs = project.path("certs");
    assert_eq!(facts(&certs.join(format!("ca/{name}.crt"))), vec![own.clone()]);
    let root = certs
        .join(format!("ca/{}.bundle.crt", if manifest(project).ca == "separate" { name } else { "root" }));
    let mut signed = 0;
    for record in
        manifest(project).certificates.iter().filter(|record| record.issuer == name && !record.adopted)
    {
        let file = certs.join(&record.file);
        assert_eq!(facts(&file)[0].raw_issuer, own.raw_subject, "{}", record.id);
        signed += 1;
        if record.kind == "authority" {
            continue;
        }
        rustls_accepts(&root, &file, record, at);
        let day = at.map_or_else(Vec::new, |at| vec!["-attime".to_owned(), at.unix_timestamp().to_string()]);
        let mut options: Vec<&str> = day.iter().map(String::as_str).collect();
        assert!(openssl_accepts(&root, &file, record, &options), "{}: OpenSSL", record.id);
        options.push("-x509_strict");
        let strict = strictures(&facts(&root)[0]).is_empty() && strictures(&own).is_empty();
        assert_eq!(openssl_accepts(&root, &file, record, &options), strict, "{}: strict OpenSSL", record.id);
        if at.is_none() && record.usages.iter().any(|usage| usage == "server") {
            let san = record.sans.last().expect("a server has a name").to_string();
            let san = san.trim_start_matches("IP:").trim_start_matches("DNS:");
            let said = chain::go(verify, &root, &file, san);
            assert_eq!(said, Ok(()), "{}: Go", record.id);
        }
    }
    assert!(signed > 0, "{name} signed nothing");
}

fn rustls_accepts(root: &Path, file: &Path, record: &CertRecord, at: Option<time::OffsetDateTime>) {
    let at = at.and_then(|at| u64::try_from(at.unix_timestamp()).ok());
    let now =
        at.map_or_else(UnixTime::now, |at| UnixTime::since_unix_epoch(std::time::Duration::from_secs(at)));
    let chain: Vec<CertificateDer<'static>> =
        facts(file).into_iter().map(|facts| CertificateDer::from(facts.der)).collect();
    let root = CertificateDer::from(facts(root).remove(0).der);
    let anchors = [anchor_from_trusted_cert(&root).expect("an anchor")];
    let leaf = EndEntityCert::try_from(&chain[0]).expect("a leaf");
    let usage = if record.usages[0] == "server" { KeyUsage::server_auth() } else { KeyUsage::client_auth() };
    let said = leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &chain[1..], now, usage, None, None);
    assert!(said.is_ok(), "{}: rustls: {:?}", record.id, said.err());
}

fn openssl_accepts(root: &Path, file: &Path, record: &CertRecord, options: &[&str]) -> bool {
    let purpose = if record.usages[0] == "server" { "sslserver" } else { "sslclient" };
    let mut command = Command::new("openssl");
    command.args(["verify", "-purpose", purpose, "-no-CApath", "-CAfile"]).arg(root).args(options);
    command.arg("-untrusted").args([file, file]).output().expect("openssl starts").status.success()
}

#[test]
fn an_authority_of_every_maker_signs_a_cluster_that_everybody_accepts() {
    let Some([verify, _]) = peers([Peer::GoVerify, Peer::Openssl]) else { return };
    for maker in MAKERS {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(made) = maker.authority(folder.path(), "root") else { continue };
        let project = adopted("single", &[made.argument("root")]);
        holds(&project, &verify, "root", &made);
        // And again there is nothing to do, with the option and without.
        let before = project.tree("certs");
        project.pki(["gen", "certs"]).expect(0);
        project.pki(["gen", "certs", "--adopt", &made.argument("root")]).expect(0);
        assert_eq!(changed(&before, &project.tree("certs")), Vec::<String>::new(), "{}", maker.name);
    }
}

#[test]
fn a_whole_pki_of_kubeadm_or_k3s_is_adopted_into_separate() {
    let Some([verify, _]) = peers([Peer::GoVerify, Peer::Openssl]) else { return };
    for maker in MAKERS.iter().filter(|maker| ["k3s", "kubeadm"].contains(&maker.name)) {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["kubernetes", "etcd", "front-proxy"];
        let made: Option<Vec<Made>> =
            names.iter().map(|name| maker.authority(&folder.path().join(name), name)).collect();
        let Some(made) = made else { continue };
        let arguments: Vec<String> =
            names.iter().zip(&made).map(|(name, made)| made.argument(name)).collect();
        let project = adopted("separate", &arguments);
        for (name, made) in names.iter().zip(&made) {
            holds(&project, &verify, name, made);
        }
    }
}

#[test]
fn a_root_of_ones_own_signs_the_issuing_authorities_or_is_adopted_with_them() {
    let Some([verify, _]) = peers([Peer::GoVerify, Peer::Openssl]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let root = openssl(folder.path(), "root", &Wanted::default());
    let project = adopted("shared", &[root.argument("root")]);
    holds(&project, &verify, "root", &root);
    let below =
        Wanted { subject: &["CN=etcd of ours"], days: 1000, issuer: Some(&root), ..Wanted::default() };
    let etcd = openssl(folder.path(), "etcd", &below);
    let project = adopted("shared", &[root.argument("root"), etcd.argument("etcd")]);
    holds(&project, &verify, "root", &root);
    holds(&project, &verify, "etcd", &etcd);
}

/// What programs write: how the key is made, and what turns it into that form; nothing leaves it as PKCS#8.
const FORMS: &[(&str, &str, &str)] = &[
    ("RSA 2048, PKCS#1", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "rsa -traditional"),
    ("RSA 2048, PKCS#8", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", ""),
    ("RSA 3072, PKCS#1", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072", "rsa -traditional"),
    ("RSA 4096, PKCS#8", "-algorithm RSA -pkeyopt rsa_keygen_bits:4096", ""),
    ("P-256, SEC1", P256, "ec"),
    ("P-256, SEC1 without its public half", P256, "ec -no_public"),
    ("P-256, PKCS#8", P256, ""),
    ("P-384, SEC1", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "ec"),
    ("P-384, PKCS#8", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", ""),
    ("Ed25519, PKCS#8", "-algorithm ED25519", ""),
];

#[test]
fn a_key_in_every_form_is_sealed_as_pkcs8_and_is_still_that_key() {
    let Some([verify, sops, _]) = peers([Peer::GoVerify, Peer::Sops, Peer::Openssl]) else { return };
    for (form, key, convert) in FORMS {
        let folder = tempfile::tempdir().expect("a folder");
        let mut made = openssl(folder.path(), "ca", &Wanted { key, ..Wanted::default() });
        if !convert.is_empty() {
            let converted = folder.path().join("converted.key");
            run(Command::new("openssl")
                .args(convert.split(' '))
                .arg("-in")
                .arg(&made.key)
                .arg("-out")
                .arg(&converted));
            // As `openssl ecparam -genkey` writes it: the curve in a block of its own before the key.
            if *form == "P-256, SEC1" {
                let parameters = run(Command::new("openssl").args(["ecparam", "-name", "prime256v1"])).stdout;
                let key = fs::read(&converted).expect("a key");
                fs::write(&converted, [parameters, key].concat()).expect("a file");
            }
            made.key = converted;
        }
        let project = adopted("single", &[made.argument("root")]);
        holds(&project, &verify, "root", &made);
        let deployment = Deployment::of(project, &sops, &verify);
        let opened =
            deployment.open("ca/root.yaml", &deployment.project.identity_file()).expect("an admin's file");
        let sealed = &opened["root"];
        assert!(sealed.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{form}");
        let public =
            run(Command::new("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(&made.certificate));
        assert_eq!(public_half(sealed), public.stdout, "{form}");
    }
}

/// The public half of a key in PEM, by openssl, which gets the key by a pipe.
fn public_half(key: &str) -> Vec<u8> {
    piped(Command::new("openssl").args(["pkey", "-pubout"]), key.as_bytes())
}

fn piped(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

#[test]
fn names_in_every_encoding_that_people_have_are_repeated_to_the_byte() {
    let Some([verify, _]) = peers([Peer::GoVerify, Peer::Openssl]) else { return };
    let names: &[&[&str]] = &[
        &["C=DE", "ST=Berlin", "L=Berlin", "O=Büro für Cluster", "OU=Infra", "CN=Müller CA"],
        &["DC=magi", "CN=CA"],
        &["CN=CA", "emailAddress=ca@magi.example"],
        &["CN=CA", "serialNumber=42", "title=keeper"],
        &["O=no common name"],
    ];
    for subject in names {
        let folder = tempfile::tempdir().expect("a folder");
        let made = openssl(folder.path(), "ca", &Wanted { subject, ..Wanted::default() });
        holds(&adopted("single", &[made.argument("root")]), &verify, "root", &made);
    }
}

#[test]
fn authorities_that_say_less_of_themselves_are_adopted_too() {
    let Some([verify, _]) = peers([Peer::GoVerify, Peer::Openssl]) else { return };
    let basic = "basicConstraints=critical,CA:TRUE,pathlen:0";
    let without_identifier = [basic, "keyUsage=keyCertSign", "subjectKeyIdentifier=none"];
    let without_usage = ["basicConstraints=CA:TRUE", "subjectKeyIdentifier=hash", "nsComment=none"];
    let with_purposes =
        [basic, "keyUsage=critical,keyCertSign", "extendedKeyUsage=serverAuth,clientAuth,codeSigning"];
    for extensions in [&without_identifier, &without_usage, &with_purposes] {
        let folder = tempfile::tempdir().expect("a folder");
        let made = openssl(folder.path(), "ca", &Wanted { extensions, ..Wanted::default() });
        let project = adopted("single", &[made.argument("root")]);
        holds(&project, &verify, "root", &made);
    }
}

#[test]
fn a_sealed_key_is_opened_where_it_lies_and_one_from_a_pipe_is_never_on_a_disk() {
    let Some([_, sops, _]) = peers([Peer::Age, Peer::Sops, Peer::Openssl]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut made = openssl(folder.path(), "ca", &Wanted::default());
    let clear = fs::read(&made.key).expect("a key");
    let identity = folder.path().join("identity");
    run(Command::new("age-keygen").arg("-o").arg(&identity));
    let recipient =
        String::from_utf8(run(Command::new("age-keygen").arg("-y").arg(&identity)).stdout).expect("text");
    let age = |armor: &[&str]| piped(Command::new("age").args(["-r", recipient.trim()]).args(armor), &clear);
    let sealed_by_sops_as = |form: &str, content: &[u8]| {
        let mut command = Command::new(sops.path("sops"));
        command.args(["encrypt", "--age", recipient.trim(), "--input-type", form, "--output-type", form]);
        piped(command.arg("--filename-override=ca").arg("/dev/stdin"), content)
    };
    let sealed_by_sops = |text: &serde_json::Value| sealed_by_sops_as("yaml", text.to_string().as_bytes());
    let text = String::from_utf8(clear.clone()).expect("text");
    let sealed = [
        ("age", age(&[])),
        ("armored age", age(&["-a"])),
        ("sops, one entry", sealed_by_sops(&serde_json::json!({ "whatever": text }))),
        ("sops, JSON", sealed_by_sops_as("json", serde_json::json!({ "key": text }).to_string().as_bytes())),
        ("sops, binary", sealed_by_sops_as("binary", &clear)),
        ("sops, by name", sealed_by_sops(&serde_json::json!({ "etcd": "another", "root": text }))),
    ];
    made.key = folder.path().join("sealed");
    for (form, bytes) in sealed {
        fs::write(&made.key, bytes).expect("a file");
        let project = project("single");
        let line = ["gen", "certs", "--new-identity", "--adopt", &made.argument("root")];
        // Nobody without the identity.
        project.pki(line).expect(2);
        let mut command = project.command(line);
        let output = command.env("SOPS_AGE_KEY_FILE", &identity).output().expect("pki starts");
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        let known = facts(&project.path("certs/ca/root.crt"));
        assert_eq!(known, facts(&made.certificate), "{form}");
    }
    made.key = PathBuf::from("-");
    let project = project("single");
    piped(
        &mut project.command(["gen", "certs", "--new-identity", "--adopt", &made.argument("root")]),
        &clear,
    );
    assert_eq!(facts(&project.path("certs/ca/root.crt")), facts(&made.certificate));
}

#[test]
fn an_adopted_authority_is_renewed_with_its_key_and_its_name_and_old_leaves_still_hold() {
    let Some([verify, _]) = peers([Peer::GoVerify, Peer::Openssl]) else { return };
    for maker in MAKERS {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(made) = maker.authority(folder.path(), "root") else { continue };
        let project = adopted("single", &[made.argument("root")]);
        let before = facts(&project.path("certs/ca/root.crt")).remove(0);
        let old_leaf = folder.path().join("old.crt");
        fs::copy(project.path("certs/cp1/apiserver.crt"), &old_leaf).expect("a copy");
        // An authority of one's own settings is renewed as of the day on which it has twenty days left.
        let late = (before.not_after - time::Duration::days(20))
            .format(&time::format_description::well_known::Rfc3339)
            .expect("a time");
        project.pki(["gen", "certs", "--at", &late]).expect(0);
        let after = facts(&project.path("certs/ca/root.crt")).remove(0);
        assert!(after.not_after > before.not_after, "{}", maker.name);
        let told = |facts: &CertFacts| {
            let mut told = facts.clone();
            // What a renewal changes.
            (told.der, told.serial) = (Vec::new(), String::new());
            (told.not_before, told.not_after) = (before.not_before, before.not_after);
            // easy-rsa does not mark them; a renewal does.
            told.constraints_critical = true;
            // kubeadm gives its authorities a name of a server, which nobody asks for.
            told.sans = Vec::new();
            told.authority_key_id = None;
            told
        };
        assert_eq!(told(&after), told(&before), "{}", maker.name);
        let second = project.pki(["gen", "certs", "--at", &late]).expect(0);
        assert!(second.stderr.contains("nothing to do"), "{}: {}", maker.name, second.stderr);
        // The renewed authority and all that it signed again, as everybody sees it; strictly, whoever made it.
        assert_eq!(strictures(&after), Vec::<&str>::new(), "{}", maker.name);
        let renewed = Made { certificate: project.path("certs/ca/root.crt"), ..made.clone() };
        holds_at(&project, &verify, "root", &renewed, Some(before.not_after - time::Duration::days(19)));
        // A leaf of before, in a chain with the authority as it is now.
        let moved = project.path("certs/ca/root.crt");
        assert!(facts(&old_leaf)[0].is_signed_by(&after), "{}", maker.name);
        let verdict = Command::new("openssl")
            .args(["verify", "-no_check_time", "-purpose", "sslserver", "-no-CApath", "-CAfile"])
            .args([&moved, &old_leaf])
            .output()
            .expect("openssl starts");
        assert!(verdict.status.success(), "{}: {}", maker.name, String::from_utf8_lossy(&verdict.stderr));
    }
}

#[test]
fn an_authority_whose_end_is_near_is_renewed_as_it_is_adopted() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = openssl(folder.path(), "ca", &Wanted { days: 10, ..Wanted::default() });
    let project = adopted("single", &[made.argument("root")]);
    let (old, new) =
        (facts(&made.certificate).remove(0), facts(&project.path("certs/ca/root.crt")).remove(0));
    assert_eq!((&new.raw_subject, &new.public_key), (&old.raw_subject, &old.public_key));
    assert!(new.not_after > old.not_after);
    let again = project.pki(["gen", "certs"]).expect(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
}

#[test]
fn an_adopted_authority_that_is_lost_is_made_again_after_its_bundle_or_not_at_all() {
    let Some(_) = find(Peer::Openssl) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = openssl(folder.path(), "ca", &Wanted::default());
    let project = adopted("single", &[made.argument("root")]);
    let before = facts(&project.path("certs/ca/root.crt")).remove(0);
    // Its bundle has its name: with the sealed key it is made again after its likeness.
    fs::remove_file(project.path("certs/ca/root.crt")).expect("it is there");
    project.pki(["gen", "certs"]).expect(0);
    let again = facts(&project.path("certs/ca/root.crt")).remove(0);
    assert_eq!((&again.raw_subject, &again.public_key), (&before.raw_subject, &before.public_key));
    assert_eq!(again.subject_key_id, before.subject_key_id);
    // Without it nobody knows the name.
    for file in ["certs/ca/root.crt", "certs/ca/root.bundle.crt"] {
        fs::remove_file(project.path(file)).expect("it is there");
    }
    let said = project.pki(["gen", "certs"]).expect(2).stderr;
    assert!(said.contains("ca/root.crt") && said.contains("its name is not known any more"), "{said}");
}

#[test]
fn etcd_runs_below_an_adopted_rsa_authority() {
    let wanted = [Peer::Namespaces, Peer::Sops, Peer::GoVerify, Peer::Etcd36, Peer::Openssl];
    let Some([_, sops, verify, etcd, _]) = peers(wanted) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let key = "-algorithm RSA -pkeyopt rsa_keygen_bits:4096";
    let made = openssl(folder.path(), "ca", &Wanted { key, extensions: AUTHORITY, ..Wanted::default() });
    let deployment = Deployment::of(adopted("single", &[made.argument("root")]), &sops, &verify);
    let network = Network::new(&[("cp1", "10.13.13.11")]);
    let files = deployment.machine("cp1");
    // Waits until the member has answered its health check over TLS.
    let members = start_cluster(
        &etcd,
        CaMode::Single,
        "magi",
        &[(network.host("cp1"), &files)],
        &deployment.folder("run"),
    );
    assert_eq!(members.len(), 1);
}

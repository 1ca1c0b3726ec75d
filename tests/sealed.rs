//! Who opens what: real sops, age, rage and sops-nix on the files that `pki gen` seals.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod deployed;
mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cluster::peer::{self, Peer};
use cluster::{run, seal};
use deployed::{Deployment, MODES, inventory, peers, write_private};
use project::{Project, changed};
use quorate_pki::cluster::CaMode;
use quorate_pki::manifest::SealedRecord;
use rayon::prelude::*;

/// Two admins, and one who alone has the root.
const PEOPLE: [&str; 3] = ["anna", "berta", "rooter"];
const MACHINES: [&str; 4] = ["cp1", "cp2", "cp3", "w1"];

/// A cluster with [`PEOPLE`], sealed in one form.
struct Sealed {
    deployment: Deployment,
    /// The identity file of each person.
    people: BTreeMap<&'static str, PathBuf>,
    recipients: BTreeMap<&'static str, String>,
}

impl Sealed {
    /// `None` when a peer is missing.
    fn new(mode: CaMode, format: &str) -> Option<Self> {
        let [_, _, sops, verify] = peers([Peer::Age, Peer::Python, Peer::Sops, Peer::GoVerify])?;
        let project = Project::new("");
        let mut people = BTreeMap::new();
        let mut recipients = BTreeMap::new();
        for person in PEOPLE {
            // Anna is at this keyboard: hers is where sops looks.
            let anna = person == "anna";
            let path = if anna { project.identity_file() } else { project.path(format!("home/{person}")) };
            write_private(&path, &run(&mut Command::new("age-keygen")).stdout);
            recipients.insert(person, public_half(&path));
            people.insert(person, path);
        }
        let settings = format!(
            "ca = \"{mode}\"; admins = [ \"{}\" \"{}\" ]; rootAdmins = [ \"{}\" ];",
            recipients["anna"], recipients["berta"], recipients["rooter"]
        );
        project.write("machines.nix", inventory(3, &settings));
        project.pki(["gen", "--format", format]).expect(0);
        let deployment = Deployment::of(project, &sops, &verify);
        Some(Self { deployment, people, recipients })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.deployment.certs().join(file)
    }

    /// The sealed files with this ending.
    fn files(&self, ending: &str) -> Vec<SealedRecord> {
        let sealed = self.deployment.manifest().sealed.into_iter();
        let sealed: Vec<_> = sealed.filter(|record| record.file.ends_with(ending)).collect();
        assert!(!sealed.is_empty(), "no sealed file ends with `{ending}`");
        sealed
    }

    /// A machine's recipient in SOPS files, converted from its public host key by Python.
    fn machine_recipient(&self, machine: &str) -> String {
        seal::host_recipient(&self.path(&format!("{machine}/host.pub")))
    }

    /// Everybody's identity as sops takes it.
    fn age_identities(&self) -> Vec<(&'static str, &Path)> {
        let machine = |name: &'static str| (name, self.deployment.identities()[name].age.as_path());
        self.people.iter().map(|(name, path)| (*name, path.as_path())).chain(MACHINES.map(machine)).collect()
    }
}

/// Who opens `file`, by what the file is for: nothing is taken from the manifest here.
fn readers(file: &str) -> BTreeSet<&'static str> {
    if file == "ca/root.yaml" {
        return BTreeSet::from(["rooter"]);
    }
    let keys = !file.ends_with("/host.yaml");
    let machine = MACHINES.into_iter().find(|name| keys && file.starts_with(&format!("{name}/")));
    machine.into_iter().chain(["anna", "berta"]).collect()
}

fn public_half(identity: &Path) -> String {
    let output = run(Command::new("age-keygen").arg("-y").arg(identity)).stdout;
    String::from_utf8(output).expect("UTF-8").trim_end().to_owned()
}

/// What somebody found in a file: `None` when it stayed shut.
type Attempt = (String, &'static str, Option<BTreeSet<String>>);

/// Whoever should opens a file and finds the names that the manifest records, nobody else opens it.
fn judge(files: &[SealedRecord], attempts: &[Attempt]) {
    assert_eq!(attempts.len(), files.len() * (PEOPLE.len() + MACHINES.len()), "a pair was not tried");
    for (file, who, found) in attempts {
        let record = files.iter().find(|record| record.file == *file).expect("a record");
        let expected = readers(file).contains(who).then(|| record.keys.iter().cloned().collect());
        assert_eq!(*found, expected, "`{who}` and {file}");
    }
}

#[test]
fn sops_opens_each_file_for_its_readers_and_for_nobody_else_in_every_ca_mode() {
    for mode in MODES {
        let Some(sealed) = Sealed::new(mode, "sops") else { return };
        let files = sealed.files(".yaml");
        let pairs: Vec<_> =
            files.iter().flat_map(|f| sealed.age_identities().into_iter().map(move |i| (f, i))).collect();
        let open = |(record, (who, identity)): &(&SealedRecord, (&'static str, &Path))| -> Attempt {
            let opened = sealed.deployment.open(&record.file, identity);
            (record.file.clone(), *who, opened.map(|entries| entries.into_keys().collect()))
        };
        let attempts: Vec<Attempt> = pairs.par_iter().map(open).collect();
        judge(&files, &attempts);
        assert_eq!(files.iter().any(|f| f.file == "ca/root.yaml"), mode != CaMode::Separate);
        // What the manifest says of the readers is so, and by the public halves.
        for record in &files {
            let expected: BTreeSet<String> = readers(&record.file)
                .into_iter()
                .map(|who| {
                    sealed.recipients.get(who).cloned().unwrap_or_else(|| sealed.machine_recipient(who))
                })
                .collect();
            assert_eq!(
                record.recipients.iter().cloned().collect::<BTreeSet<_>>(),
                expected,
                "{}",
                record.file
            );
        }
    }
}

#[test]
fn age_opens_each_key_with_the_host_key_of_its_machine_and_with_no_other() {
    let Some(sealed) = Sealed::new(CaMode::Shared, "age") else { return };
    let files = sealed.files(".age");
    let machine = |name: &'static str| (name, sealed.deployment.identities()[name].host_key.as_path());
    let people = sealed.people.iter().map(|(name, path)| (*name, path.as_path()));
    let identities: Vec<_> = people.chain(MACHINES.map(machine)).collect();
    let pairs: Vec<_> = files.iter().flat_map(|f| identities.iter().map(move |i| (f, *i))).collect();
    let open = |(record, (who, identity)): &(&SealedRecord, (&'static str, &Path))| -> Attempt {
        let opened = seal::age(&sealed.path(&record.file), identity);
        let keys = opened.map(|text| {
            let [name] = &record.keys[..] else { panic!("{:?} in one age file", record.keys) };
            assert!(
                name == "encryption-config" || text.starts_with(b"-----BEGIN PRIVATE KEY-----\n"),
                "{name}"
            );
            BTreeSet::from([name.clone()])
        });
        (record.file.clone(), *who, keys)
    };
    let attempts: Vec<Attempt> = pairs.par_iter().map(open).collect();
    judge(&files, &attempts);
    // What stays SOPS beside them is the admins': no machine opens any of it.
    for record in sealed.files(".yaml") {
        for (machine, identity) in sealed.deployment.identities() {
            assert_eq!(
                sealed.deployment.open(&record.file, &identity.age),
                None,
                "{machine} and {}",
                record.file
            );
        }
    }
}

#[test]
fn rage_opens_each_key_with_the_host_key_of_its_machine_and_an_admins_identity_and_with_no_other() {
    let Some(rage) = peer::find(Peer::Rage) else { return };
    let Some(sealed) = Sealed::new(CaMode::Shared, "age") else { return };
    let files: Vec<_> =
        sealed.files(".age").into_iter().filter(|file| file.file.starts_with("cp1/")).collect();
    assert!(!files.is_empty(), "no key of a master");
    let host_key = |machine: &str| sealed.deployment.identities()[machine].host_key.as_path();
    let identities =
        [("anna", sealed.people["anna"].as_path()), ("cp1", host_key("cp1")), ("cp2", host_key("cp2"))];
    for file in &files {
        for (who, identity) in identities {
            let mut command = Command::new(rage.path("rage"));
            command.arg("--decrypt").arg("--identity").arg(identity).arg(sealed.path(&file.file));
            let output = command.output().expect("rage starts");
            let found = output.status.success().then_some(output.stdout);
            // What age makes of it is held against the manifest above.
            let expected = seal::age(&sealed.path(&file.file), identity);
            assert_eq!(expected.is_some(), who != "cp2", "age, `{who}` and {}", file.file);
            assert_eq!(found, expected, "`{who}` and {}", file.file);
        }
    }
}

#[test]
fn sops_nix_lays_down_a_machines_keys_with_its_host_key_and_nobody_elses() {
    let Some([nix, _]) = peers([Peer::SopsNix, Peer::Namespaces]) else { return };
    let Some(sealed) = Sealed::new(CaMode::Shared, "sops") else { return };
    for (machine, identity) in sealed.deployment.identities() {
        let own =
            sealed.deployment.open(&format!("{machine}/keys.yaml"), &identity.age).expect("its own file");
        for (name, value) in &own {
            let laid =
                seal::sops_nix(&nix, &sealed.path(&format!("{machine}/keys.yaml")), name, &identity.host_key);
            assert_eq!(laid.as_deref(), Some(value.as_bytes()), "`{name}` of {machine}");
        }
        for record in sealed.files(".yaml").iter().filter(|r| !r.file.starts_with(&format!("{machine}/keys")))
        {
            let laid = seal::sops_nix(&nix, &sealed.path(&record.file), &record.keys[0], &identity.host_key);
            assert_eq!(laid, None, "{machine} and {}", record.file);
        }
    }
}

/// The public half of a private key in PEM, as openssl writes it.
fn openssl_public(key: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["pkey", "-pubout"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("openssl starts");
    process.stdin.take().expect("a pipe").write_all(key.as_bytes()).expect("openssl reads");
    let output = process.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl takes it for no key");
    String::from_utf8(output.stdout).expect("PEM")
}

#[test]
fn no_machine_holds_the_key_of_an_authority_in_either_form() {
    if peer::find(Peer::Openssl).is_none() {
        return;
    }
    for mode in MODES {
        let Some(sealed) = Sealed::new(mode, "sops") else { return };
        let authorities: BTreeSet<String> = mode
            .authorities()
            .iter()
            .map(|authority| {
                let who = if authority.name() == "root" { "rooter" } else { "anna" };
                let file = format!("ca/{authority}.yaml");
                let entries = sealed.deployment.open(&file, &sealed.people[who]).expect("an admin's file");
                openssl_public(&entries[authority.name()])
            })
            .collect();
        assert_eq!(authorities.len(), mode.authorities().len(), "two authorities share a key");
        let mut held: Vec<(String, String)> = Vec::new();
        for (machine, identity) in sealed.deployment.identities() {
            let own =
                sealed.deployment.open(&format!("{machine}/keys.yaml"), &identity.age).expect("its own file");
            held.extend(own.into_iter().map(|(name, text)| (format!("{machine}/{name}"), text)));
        }
        sealed.deployment.project.pki(["gen", "--format", "age"]).expect(0);
        let in_age = sealed.files(".age").into_iter().map(|record| {
            let machine = record.file.split('/').next().expect("a folder");
            let opened =
                seal::age(&sealed.path(&record.file), &sealed.deployment.identities()[machine].host_key);
            (record.file.clone(), String::from_utf8(opened.expect("its own file")).expect("text"))
        });
        let in_age: Vec<_> = in_age.collect();
        assert_eq!(in_age.len(), held.len(), "the forms differ in what they hold");
        held.extend(in_age);
        let keys: Vec<_> = held.iter().filter(|(_, text)| text.contains("PRIVATE KEY")).collect();
        assert_eq!(
            held.len() - keys.len(),
            2 * 3,
            "what is no key is each master's encryption-config, in both forms"
        );
        let publics: Vec<_> = keys.par_iter().map(|(name, key)| (name, openssl_public(key))).collect();
        for (name, public) in publics {
            assert!(!authorities.contains(&public), "{name} is an authority's key in mode {mode}");
        }
    }
}

#[test]
fn sops_updatekeys_finds_every_file_up_to_date_with_our_rules() {
    let Some(sealed) = Sealed::new(CaMode::Shared, "sops") else { return };
    let before = sealed.deployment.project.tree("certs");
    let update = |file: &str| {
        let output = run(sealed.deployment.sops(&["updatekeys", "--yes"]).arg(sealed.path(file)));
        String::from_utf8(output.stderr).expect("UTF-8").contains("already up to date")
    };
    // Nobody but the root's own admin can do this with the root; sops compares before it opens.
    for record in sealed.files(".yaml") {
        assert!(update(&record.file), "{}", record.file);
    }
    assert_eq!(changed(&before, &sealed.deployment.project.tree("certs")), [""; 0]);

    // Were one reader missing in the rules, sops would say so.
    let rules = sealed.deployment.project.read(".sops.yaml");
    sealed
        .deployment
        .project
        .write(".sops.yaml", rules.replace(&sealed.recipients["berta"], &sealed.recipients["rooter"]));
    assert!(!update("cp1/keys.yaml"));
    assert_eq!(changed(&before, &sealed.deployment.project.tree("certs")), ["cp1/keys.yaml"]);
}

#[test]
fn what_sops_sets_and_edits_in_a_machines_file_is_read_and_kept_by_gen() {
    let Some(sealed) = Sealed::new(CaMode::Shared, "sops") else { return };
    let (deployment, project) = (&sealed.deployment, &sealed.deployment.project);
    let identity = &deployment.identities()["cp1"];
    let entries = || deployment.open("cp1/keys.yaml", &identity.age).expect("its own file");
    let line = |name: &str| {
        let text = project.read("certs/cp1/keys.yaml");
        text.lines().find(|line| line.starts_with(&format!("{name}: "))).expect("an entry").to_owned()
    };

    let (before, own) = (line("etcd-server"), entries());
    let value = serde_json::to_string(&own["etcd-peer"]).expect("text");
    run(deployment.sops(&["set"]).arg(sealed.path("cp1/keys.yaml")).args(["[\"etcd-server\"]", &value]));
    let value = serde_json::to_string(&own["etcd-server"]).expect("text");
    run(deployment.sops(&["set"]).arg(sealed.path("cp1/keys.yaml")).args(["[\"etcd-server\"]", &value]));
    assert_ne!(line("etcd-server"), before, "sops has not written");
    // Nobody without an identity can say whether it was changed for good: `gen` compares each key and records it.
    let check = project.pki(["check"]).expect(1);
    assert!(check.stdout.contains("cp1/keys.yaml  it was changed since it was recorded"), "{}", check.stdout);
    let written = project.read("certs/cp1/keys.yaml");
    project.pki(["gen"]).expect(0);
    assert_eq!(project.read("certs/cp1/keys.yaml"), written, "what sops wrote stays as it is");
    for verb in [&["check"][..], &["gen", "--dry-run"]] {
        project.pki(verb).expect(0);
    }

    // A note of the user's own is nobody's business: named, never touched without `--prune`.
    let mut edit = deployment.sops(&["edit"]);
    run(edit.env("EDITOR", "sed -i '$a note: mine'").arg(sealed.path("cp1/keys.yaml")));
    let check = project.pki(["check"]).expect(1);
    assert!(check.stdout.contains("cp1/keys.yaml: note"), "{}", check.stdout);
    project.write("machines.nix", project.read("machines.nix").replace("10.13.13.11", "10.13.13.41"));
    project.pki(["gen"]).expect(0);
    let note = BTreeMap::from([("note".to_owned(), "mine".to_owned())]);
    assert_eq!(entries(), own.clone().into_iter().chain(note).collect::<BTreeMap<_, _>>());
    project.pki(["gen", "--prune"]).expect(0);
    assert_eq!(entries(), own);

    // Our own codec has read what sops wrote: the other form holds it.
    project.pki(["gen", "--format", "age"]).expect(0);
    for (name, value) in &own {
        let opened = seal::age(&sealed.path(&format!("cp1/{name}.age")), &identity.host_key);
        assert_eq!(opened.as_deref(), Some(value.as_bytes()), "{name}");
    }
}

/// The recipients that sops gives a new file at this path by our rules; `None` when no rule takes it.
fn recipients_by_rule(deployment: &Deployment, path: &str) -> Option<BTreeSet<String>> {
    #[derive(serde::Deserialize)]
    struct File {
        sops: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        age: Vec<Recipient>,
    }
    #[derive(serde::Deserialize)]
    struct Recipient {
        recipient: String,
    }
    deployment.project.write("plain.json", "{\"a\": \"secret\"}");
    let mut command = deployment.sops(&["encrypt", "--input-type", "json", "--output-type", "json"]);
    let output = command.args(["--filename-override", path, "plain.json"]).output().expect("sops starts");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("no matching creation rules found"), "{path}: {said}");
        return None;
    }
    let file: File = serde_json::from_slice(&output.stdout).expect("a SOPS file");
    Some(file.sops.age.into_iter().map(|recipient| recipient.recipient).collect())
}

#[test]
fn sops_seals_a_new_file_to_the_readers_of_its_folder() {
    let Some(sealed) = Sealed::new(CaMode::Shared, "sops") else { return };
    let admins = || [&sealed.recipients["anna"], &sealed.recipients["berta"]].map(Clone::clone);
    let and = |machines: &[&str]| -> Option<BTreeSet<String>> {
        Some(machines.iter().map(|machine| sealed.machine_recipient(machine)).chain(admins()).collect())
    };
    let mut expected = vec![
        ("secrets/x.yaml", and(&[])),
        ("secrets/elsewhere/deep/x.env", and(&[])),
        ("secrets/admins/x.yaml", and(&[])),
        ("secrets/masters/x.yaml", and(&["cp1", "cp2", "cp3"])),
        ("secrets/masters/deep/x.json", and(&["cp1", "cp2", "cp3"])),
        ("secrets/all/x.yaml", and(&MACHINES)),
        ("secrets/cp2/x.ini", and(&["cp2"])),
        ("secrets/w1/x.yaml", and(&["w1"])),
        // Looks like a tier and is none.
        ("secrets/masters.yaml", and(&[])),
        ("secrets/cp/x.yaml", and(&[])),
        ("secrets/README.md", None),
        ("elsewhere/secrets/masters/x.yaml", None),
        ("notes.yaml", None),
    ];
    for machine in ["cp1", "cp3"] {
        expected.push((
            if machine == "cp1" { "secrets/cp1/x.bin" } else { "secrets/cp3/x.yml" },
            and(&[machine]),
        ));
    }
    for (path, readers) in expected {
        assert_eq!(recipients_by_rule(&sealed.deployment, path), readers, "{path}");
    }
    // And our own files, should somebody make one anew with sops.
    for record in sealed.files(".yaml") {
        let by_rule = recipients_by_rule(&sealed.deployment, &format!("certs/{}", record.file));
        assert_eq!(by_rule, Some(record.recipients.into_iter().collect()), "{}", record.file);
    }
}

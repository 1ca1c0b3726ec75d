//! Sealed files that are damaged, exchanged or of somebody else.

use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{SealedFile, Store};

use crate::case::{Case, run};
use crate::project::{Project, machines};

const FILE: &str = "certs/cp1/keys.yaml";

/// A sealed file with its text changed, met by a run that reads all of them.
fn damaged(what: &str, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Case {
    run(what, &["gen"], move |project| {
        let text = project.read(FILE);
        let changed = change(&text);
        assert_ne!(text, changed);
        project.write(FILE, changed);
    })
}

/// The first line of a value, `etcd-peer: ENC[...]`.
fn line_of<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines().find(|line| line.trim_start().starts_with(&format!("{key}:"))).unwrap()
}

/// What is seen without any key.
pub(crate) fn read() -> Vec<Case> {
    let field = |what: &str, key: &'static str, new: &'static str| {
        damaged(what, move |text| text.replace(line_of(text, key), &format!("    {key}: {new}")))
    };
    let value = |what: &str, new: fn(&str) -> String| {
        damaged(what, move |text| {
            let line = line_of(text, "etcd-peer");
            text.replacen(line, &new(line), 1)
        })
    };
    vec![
        damaged("an empty file", |_| String::new()),
        damaged("keys in clear", |_| "etcd-peer: hunter2\n".to_owned()),
        damaged("a list", |_| "- hunter2\n".to_owned()),
        damaged("no YAML", |_| "a: [hunter2\nb".to_owned()),
        damaged("JSON", |_| "{ \"a\": \"hunter2\" }".to_owned()),
        damaged("half of it", |text| text[..text.len() / 2].to_owned()),
        damaged("all but its end", |text| text[..text.find("    lastmodified").unwrap()].to_owned()),
        damaged("without its recipients", |text| {
            let (start, end) = (text.find("    age:").unwrap(), text.find("    lastmodified").unwrap());
            text[..start].to_owned() + &text[end..]
        }),
        damaged("a recipient cut off", |text| text.replacen("-----END AGE ENCRYPTED FILE-----", "", 1)),
        damaged("recipients as a text", |text| {
            let (start, end) = (text.find("    age:").unwrap(), text.find("    lastmodified").unwrap());
            text[..start].to_owned() + "    age: nobody\n" + &text[end..]
        }),
        damaged("recipients without a shape", |text| {
            let (start, end) = (text.find("    age:").unwrap(), text.find("    lastmodified").unwrap());
            text[..start].to_owned() + "    age:\n        - nobody\n" + &text[end..]
        }),
        damaged("a list for a recipient", |text| {
            let line = line_of(text, "recipient");
            text.replacen(line, "          recipient: []", 1)
        }),
        field("a time in words", "lastmodified", "\"yesterday\""),
        field("a time that is a number", "lastmodified", "2026"),
        field("a version that is none", "version", "latest"),
        field("a version in brackets", "version", "[ 3 ]"),
        field("a checksum that is none", "mac", "none"),
        field("a bad rule", "unencrypted_suffix", "_clear\n    encrypted_regex: ("),
        field("two rules", "unencrypted_suffix", "_clear\n    encrypted_suffix: _secret"),
        field("a rule on comments", "unencrypted_suffix", "_clear\n    encrypted_comment_regex: x"),
        field("key groups", "unencrypted_suffix", "_clear\n    key_groups:\n        - age: x"),
        value("a value in clear", |_| "etcd-peer: hunter2".to_owned()),
        value("a value without its end", |line| line[..60].to_owned()),
        value("a value without its data", |line| line.replacen("data:", "datum:", 1)),
        value("a value without its iv", |line| line.replacen("iv:", "vi:", 1)),
        value("a value without its tag", |line| line.replacen("tag:", "gat:", 1)),
        value("a value without its type", |line| line.replacen("type:", "typ:", 1)),
        value("a value of an unknown type", |line| line.replacen("type:str", "type:key", 1)),
        value("data that is no base64", |line| line.replacen("data:", "data:*", 1)),
        value("an iv that is no base64", |line| line.replacen("iv:", "iv:*", 1)),
        value("a short iv", |line| part(line, "iv:", "AAAA")),
        value("a tag that is no base64", |line| line.replacen("tag:", "tag:*", 1)),
        value("a short tag", |line| part(line, "tag:", "AAAA")),
        value("a key twice", |line| format!("{line}\n{line}")),
        value("a number for a key", |line| line.replacen("etcd-peer", "1", 1)),
        value("a merge that is not finished", |line| {
            format!("<<<<<<< HEAD\n{line}\n=======\n{line}\n>>>>>>> other")
        }),
        value("an alias", |line| format!("{line}\nx: &x \"\"\ny: *x")),
        value("a tag of YAML", |line| format!("{line}\nx: !!int \"5\"")),
        value("a number of 80 bits", |line| format!("{line}\nx: 0xFFFFFFFFFFFFFFFFFFFF")),
        run("bytes that are no text", &["gen"], |project| project.write(FILE, b"a: \xff\n")),
        run("a file of age that is none", &["gen"], |project| {
            project.pki(["gen", "--format", "age"]).expect(0);
            project.write("certs/cp1/etcd-peer.age", "hello");
        }),
        run("keys of an authority where a machine's belong", &["gen"], |project| {
            std::fs::copy(project.path("certs/ca/kubernetes.yaml"), project.path("certs/w1/keys.yaml"))
                .unwrap();
        }),
    ]
}

/// A part of `ENC[...]` with another content.
fn part(line: &str, name: &str, content: &str) -> String {
    let start = line.find(name).unwrap() + name.len();
    let end = start + line[start..].find([',', ']']).unwrap();
    format!("{}{content}{}", &line[..start], &line[end..])
}

/// What is seen once the file is opened: a fifth machine has to be signed for, and sealed to.
pub(crate) fn open() -> Vec<Case> {
    let words = &["gen"];
    let joins = |project: &Project| project.write("machines.nix", machines(5, ""));
    vec![
        run("a value exchanged between two files", words, move |project| {
            let (text, other) =
                (project.read("certs/ca/etcd.yaml"), project.read("certs/ca/kubernetes.yaml"));
            let other = line_of(&other, "kubernetes").replacen("kubernetes", "etcd", 1);
            project.write("certs/ca/etcd.yaml", text.replace(line_of(&text, "etcd"), &other));
            joins(project);
        }),
        run("a changed time", words, move |project| {
            let text = project.read("certs/ca/etcd.yaml");
            project.write("certs/ca/etcd.yaml", text.replace("lastmodified: \"2026", "lastmodified: \"2025"));
            joins(project);
        }),
        run("a data key that was changed", words, move |project| {
            let text = project.read("certs/ca/etcd.yaml");
            let begin = text.lines().position(|line| line.contains("BEGIN AGE")).unwrap();
            let line = text.lines().nth(begin + 4).unwrap();
            project.write("certs/ca/etcd.yaml", text.replace(line, &line.to_lowercase()));
            joins(project);
        }),
        run("a key exchanged by somebody who can seal", words, |project| {
            reseal(project, FILE, "scheduler", |name| name == "controller-manager");
        }),
        run("a key of an authority exchanged by somebody who can seal", words, move |project| {
            let other = quorate_pki::key::PrivateKey::generate(quorate_pki::cluster::KeyType::P256).unwrap();
            replace(project, "certs/ca/etcd.yaml", "etcd", text_of(&other.expose_pem()).as_bytes());
            joins(project);
        }),
        run("bytes for a key, sealed by somebody who can", &["kubeconfig"], |project| {
            replace(project, "certs/users/admin.yaml", "admin", b"\xff\xfe");
        }),
        run("what is no key, sealed by somebody who can", words, move |project| {
            replace(project, "certs/ca/etcd.yaml", "etcd", b"hunter2");
            joins(project);
        }),
        run("another kind of key, sealed by somebody who can", words, move |project| {
            let pem =
                ["-----BEGIN RSA PRIV", "ATE KEY-----\nMAA=\n-----END RSA PRIV", "ATE KEY-----\n"].concat();
            replace(project, "certs/ca/etcd.yaml", "etcd", pem.as_bytes());
            joins(project);
        }),
        run("half a key, sealed by somebody who can", words, move |project| {
            let pem = ["-----BEGIN PRIV", "ATE KEY-----\nMAA=\n-----END PRIV", "ATE KEY-----\n"].concat();
            replace(project, "certs/ca/etcd.yaml", "etcd", pem.as_bytes());
            joins(project);
        }),
        run("keys of another machine", words, |project| {
            std::fs::copy(project.path("certs/cp2/keys.yaml"), project.path(FILE)).unwrap();
        }),
        run("values that are nested", words, |project| {
            let text = project.read(FILE);
            let line = line_of(&text, "etcd-peer").to_owned();
            project.write(FILE, text.replace(&line, &format!("{line}\nnested:\n    a: \"\"")));
        }),
        run("a file that is sealed by PGP too", words, |project| {
            let text = project.read(FILE);
            let pgp = "    pgp:\n        - fp: ABCD\n          created_at: \"2020-01-01T00:00:00Z\"\n          enc: x\n    unencrypted_suffix";
            project.write(FILE, text.replace("    unencrypted_suffix", pgp));
        }),
        run("a file with a field of a later sops", words, |project| {
            let text = project.read(FILE);
            project.write(FILE, text.replace("    version", "    zzz: 1\n    version"));
        }),
        run("a file of age that is cut off", words, |project| {
            project.pki(["gen", "--format", "age"]).expect(0);
            let text = project.read("certs/cp1/etcd-peer.age");
            project.write("certs/cp1/etcd-peer.age", &text[..text.len() / 2]);
            settings_of_two(project);
        }),
    ]
}

fn text_of(secret: &secrecy::SecretString) -> String {
    use secrecy::ExposeSecret as _;
    secret.expose_secret().to_owned()
}

/// The machine's addresses change, so that everything of it is made and sealed again.
fn settings_of_two(project: &Project) {
    let other = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    let text = format!(
        "  cluster = {{ name = \"magi\"; nodeCidr = \"10.13.13.0/24\"; admins = [ \"{other}\" ]; }};\n"
    );
    project.write("machines.nix", machines(3, &text));
}

fn identities(project: &Project) -> Vec<Identity> {
    Identity::parse_all(&project.read("home/.config/sops/age/keys.txt").into()).unwrap()
}

/// The file with the value of `from` under every name that `to` takes.
fn reseal(project: &Project, file: &str, from: &str, to: fn(&str) -> bool) {
    let sealed = SealedFile::parse(&project.read(file), Store::Yaml).unwrap();
    let readers: Vec<_> = sealed.recipients().map(|recipient| recipient.parse().unwrap()).collect();
    let opened = sealed.open(&identities(project)).unwrap();
    let other = opened.get(from).unwrap();
    let mut entries = opened.entries().unwrap();
    entries.iter_mut().filter(|(name, _)| to(name)).for_each(|(_, secret)| *secret = other);
    project.write(file, opened.reseal(&entries, &readers, "2026-11-21T00:00:00Z").unwrap());
}

/// The file with another text under a name.
fn replace(project: &Project, file: &str, name: &str, text: &[u8]) {
    let sealed = SealedFile::parse(&project.read(file), Store::Yaml).unwrap();
    let readers: Vec<_> = sealed.recipients().map(|recipient| recipient.parse().unwrap()).collect();
    let opened = sealed.open(&identities(project)).unwrap();
    let secret = Secret::from_bytes(text.to_vec());
    project.write(file, opened.reseal(&[(name, &secret)], &readers, "2026-11-21T00:00:00Z").unwrap());
}

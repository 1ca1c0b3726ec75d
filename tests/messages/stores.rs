//! Sealed files of every store: what cannot be read, what cannot be written in another, what a damaged one says.

use std::fs::File;

use quorate_secrets::sops::MAX_BYTES;

use crate::case::{Case, own_recipient, repository, rules_for, secrets, secrets_done, secrets_with};
use crate::project::Project;

/// `secrets encrypt` of a text as a file of this name.
fn encrypt(what: &str, name: &str, text: &str) -> Case {
    secrets_with(what, &["encrypt", "--filename", &format!("secrets/{name}"), "-"], &[], text, |_| {})
}

/// `secrets decrypt` of a text, sealed under the first name, to a store.
fn convert(what: &str, name: &str, store: &str, text: &'static str) -> Case {
    let name = format!("secrets/{name}");
    secrets(what, &["decrypt", "--output-type", store, &name.clone()], move |project| {
        project.write(&name, text);
        secrets_done(project, &["encrypt", "-i", &name]);
    })
}

/// `secrets get` of a path of the sealed `secrets/db.yaml`.
fn get(what: &str, path: &str) -> Case {
    secrets(what, &["get", "db", path], |_| {})
}

/// `secrets view` of a sealed file, after its text was changed.
fn damaged(what: &str, name: &str, text: &'static str, change: fn(&str) -> String) -> Case {
    let name = format!("secrets/{name}");
    secrets(what, &["view", &name.clone()], move |project| {
        project.write(&name, text);
        secrets_done(project, &["encrypt", "-i", &name]);
        let sealed = project.read(&name);
        let changed = change(&sealed);
        assert_ne!(sealed, changed);
        project.write(&name, changed);
    })
}

/// A file of somebody's that is read to be sealed.
pub(crate) fn plaintext() -> Vec<Case> {
    let laughs: String = ('b'..='j').fold("a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, name| {
        let before = char::from(u8::try_from(name).unwrap() - 1);
        let list = vec![format!("*{before}"); 9].join(", ");
        format!("{text}{name}: &{name} [{list}]\n")
    });
    let deep = "[".repeat(300) + &"]".repeat(300);
    vec![
        encrypt("YAML that ends amid a list", "new.yaml", "a: 1\nb: [\n"),
        encrypt("a list", "new.yaml", "- a\n"),
        encrypt("nothing", "new.yaml", "# nothing\n"),
        encrypt("a key twice", "new.yaml", "a: hunter2\na: 2\n"),
        encrypt("a number for a key", "new.yaml", "1: a\n"),
        encrypt(
            "a merge that was not finished",
            "new.yaml",
            "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n",
        ),
        encrypt("another version of YAML", "new.yaml", "%YAML 1.2\n---\na: b\n"),
        encrypt("a map in itself", "new.yaml", "a: &a\n  b: *a\n"),
        encrypt("aliases that grow", "new.yaml", &laughs),
        encrypt("an integer of thirty digits", "new.yaml", "a: 123456789012345678901234567890\n"),
        encrypt("what is no base64", "new.yaml", "a: !!binary '%%%'\n"),
        encrypt("a tag that does not fit", "new.yaml", "a: !!int hunter2\n"),
        encrypt("lists that are nested too deep", "new.json", &format!("{{\"a\": {deep}}}")),
        encrypt("a number that JSON programs would round", "new.json", "{\"a\": 100000000000000000001}"),
        encrypt("JSON that is cut off", "new.json", "{\"a\": \"hunter2"),
        encrypt("a line without a `=`", "new.env", "A=1\nhunter2\n"),
        encrypt("a key of the format's own", "new.env", "sops_version=1\n"),
        encrypt("a `;` that may end a value", "new.ini", "[a]\nb = hunter2;y\n"),
        encrypt("a `#` that may end a value", "new.ini", "[a]\nb = hunter2#y\n"),
        encrypt("a comment above nothing", "new.ini", "[a]\nb = 1\n; the end\n"),
        encrypt("a section of the format's own", "new.ini", "[sops]\nb = 1\n"),
        secrets("bytes that are no text", &["encrypt", "secrets/new.yaml"], |project| {
            project.write("secrets/new.yaml", b"a: \xff\n");
        }),
        secrets("a file that is too large", &["encrypt", "secrets/new.yaml"], |project| {
            let file = File::create(project.path("secrets/new.yaml")).unwrap();
            file.set_len(MAX_BYTES as u64 + 1).unwrap();
        }),
        secrets("a file that is sealed already", &["encrypt", "-i", "secrets/db.yaml"], |_| {}),
        secrets("a file that is not there", &["encrypt", "secrets/new.yaml"], |_| {}),
        secrets_with("stdin without a name", &["encrypt", "-"], &[], "a: 1\n", |_| {}),
        secrets("a type that is none", &["encrypt", "--input-type", "toml", "new"], |_| {}),
        secrets("a file where one stands", &["encrypt", "a.yaml", "-o", "secrets/db.yaml"], |project| {
            project.write("a.yaml", "a: 1\n");
        }),
        secrets("a rule on comments that finds a ciphertext", &["encrypt", "secrets/new.yaml"], |project| {
            let rules = rules_for(&own_recipient(project)) + "    unencrypted_comment_regex: ENC\n";
            project.write(".sops.yaml", rules);
            project.write("secrets/new.yaml", "# a comment\na: 1\n");
        }),
    ]
}

/// What one store holds and another does not.
pub(crate) fn conversions() -> Vec<Case> {
    vec![
        convert("null in dotenv", "x.yaml", "dotenv", "a: null\n"),
        convert("a map in dotenv", "x.yaml", "dotenv", "a: {b: c}\n"),
        convert("a list in dotenv", "x.yaml", "dotenv", "a: [b]\n"),
        convert("a key with a `=` in dotenv", "x.yaml", "dotenv", "a=b: hunter2\n"),
        convert("null in INI", "x.yaml", "ini", "a: {b: null}\n"),
        convert("a map in a map in INI", "x.yaml", "ini", "a: {b: {c: hunter2}}\n"),
        convert("a list in a map in INI", "x.yaml", "ini", "a: {b: [hunter2]}\n"),
        convert("null instead of a section", "x.yaml", "ini", "a: null\n"),
        convert("a value instead of a section", "x.yaml", "ini", "a: hunter2\n"),
        convert("a list instead of a section", "x.yaml", "ini", "a: [b]\n"),
        convert("a key that INI numbers itself", "x.yaml", "ini", "a: {'#1': b}\n"),
        convert("infinity in JSON", "x.yaml", "json", "a: .inf\n"),
        convert("two documents in JSON", "x.yaml", "json", "a: 1\n---\nb: 2\n"),
        convert("a map as a binary file", "x.yaml", "binary", "a: 1\n"),
        secrets_with("a key of the format's own", &["set", "secrets/x.env", "sops_x"], &[], "v", |project| {
            project.write("secrets/x.env", "A=1\n");
            secrets_done(project, &["encrypt", "-i", "secrets/x.env"]);
        }),
        secrets_with(
            "a section of the format's own",
            &["set", "secrets/x.ini", "sops.x"],
            &[],
            "v",
            |project| {
                project.write("secrets/x.ini", "[a]\nb = 1\n");
                secrets_done(project, &["encrypt", "-i", "secrets/x.ini"]);
            },
        ),
    ]
}

/// Two groups of keys, both strangers'.
fn two_groups(project: &Project) {
    let others = [repository(), repository()].map(|_| stranger());
    let [one, other] = others;
    project.write(
        ".sops.yaml",
        format!("creation_rules:\n  - key_groups:\n      - age: [{one}]\n      - age: [{other}]\n"),
    );
    project.write("secrets/x.yaml", "a: 1\n");
    secrets_done(project, &["encrypt", "-i", "secrets/x.yaml"]);
}

fn stranger() -> String {
    quorate_secrets::identity::Identity::generate().1.to_string()
}

/// What is seen of a sealed file.
pub(crate) fn sealed() -> Vec<Case> {
    vec![
        secrets("a file that is not sealed", &["view", "plain.yaml"], |project| {
            project.write("plain.yaml", "a: 1\n");
        }),
        secrets("a file that is not there", &["view", "nowhere"], |_| {}),
        secrets("the same, by `decrypt`", &["decrypt", "secrets/nowhere.yaml"], |_| {}),
        secrets("a file of others", &["view", "db"], |project| {
            project.write("home/.config/sops/age/keys.txt", "");
            let (secret, _) = quorate_secrets::identity::Identity::generate();
            project.write("home/.config/sops/age/keys.txt", secret.expose_bytes());
        }),
        secrets("a file whose key is split among others", &["decrypt", "secrets/x.yaml"], two_groups),
        secrets("a checksum that does not fit", &["decrypt", "secrets/db.yaml"], |project| {
            let text = project.read("secrets/db.yaml");
            project.write("secrets/db.yaml", text.replace("lastmodified: \"2026", "lastmodified: \"2025"));
        }),
        secrets("more groups than there are", &["view", "secrets/x.yaml"], |project| {
            two_groups(project);
            let text = project.read("secrets/x.yaml");
            project.write("secrets/x.yaml", text.replace("shamir_threshold: 2", "shamir_threshold: 5"));
        }),
        damaged("neither yes nor no", "x.yaml", "a: 1\n", |text| {
            text.replace("    unencrypted_suffix", "    mac_only_encrypted: perhaps\n    unencrypted_suffix")
        }),
        damaged("a section of one's own in a later document", "x.yaml", "a: 1\n---\nb: null\n", |text| {
            let (first, _) = text.split_once("\n---\n").unwrap();
            format!("{first}\n---\nb: null\nsops: mine\n")
        }),
        damaged("a path without end", "x.yaml", "a: 1\n", |text| {
            format!("? {}\n: \"\"\n{text}", "k".repeat(20_000))
        }),
        damaged("a place in a list that is no number", "x.env", "A=1\n", |text| {
            text.replace("sops_age__list_0__map_enc", "sops_age__list_x__map_enc")
        }),
        damaged("a text and a list", "x.env", "A=1\n", |text| format!("sops_age=x\n{text}")),
        damaged("a list and a text", "x.env", "A=1\n", |text| format!("{text}sops_age=x\n")),
        damaged("a list with gaps", "x.env", "A=1\n", |text| {
            text.replace("sops_age__list_0__", "sops_age__list_1__")
        }),
        get("a key that is not there", "user"),
        get("a key below a list", "list.user"),
        get("an element behind the last", "list[7]"),
        get("a bracket that is not closed", "list[0"),
        get("a bracket that closes nothing", "list]"),
        get("a quote that is not closed", "[\"list"),
        get("a quote and no bracket behind it", "[\"list\"x"),
        get("a word in brackets", "list[x]"),
        get("what follows a bracket", "list[0]x"),
        get("two dots", "a..b"),
        get("no path at all", ""),
        secrets_with("the section of the format", &["set", "db", "sops.x"], &[], "v", |_| {}),
        secrets_with("a value that is no JSON", &["set", "db", "port", "--json"], &[], "hunter2", |_| {}),
        secrets("a value on the command line", &["set", "db", "port", "hunter2"], |_| {}),
        secrets("a value for stdin", &["set", "-", "password"], |_| {}),
        secrets("a value of nothing", &["set", "db", "password"], |_| {}),
        secrets_with("a value that it has", &["set", "db", "password"], &[], "hunter2\n", |_| {}),
        secrets("a value that is not there", &["unset", "db", "user"], |_| {}),
    ]
}

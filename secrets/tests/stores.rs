//! JSON, dotenv, INI and binary files: what sops makes of a text, we make of it. Each expected text is what sops 3.13.3
//! printed for the file that it had encrypted itself, except where a test says that ours differs, and why.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests that read their vectors"
)]

#[path = "stores/layout.rs"]
mod layout;

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Opened, Plaintext, Policy, SealedFile, SopsError, Store};

const TIME: &str = "2026-11-21T03:02:57Z";
const LATER: &str = "2026-11-21T04:00:00Z";

const JSON: &[(&str, &str)] = &[
    ("{}", "{}\n"),
    ("{\"a\":1}\n", "{\n\t\"a\": 1\n}\n"),
    (
        "{\"a\":1.50,\"b\":1e21,\"c\":1e20,\"d\":123456789012345680000,\"e\":1e-7}",
        "{\n\t\"a\": 1.5,\n\t\"b\": 1e+21,\n\t\"c\": 100000000000000000000,\n\t\"d\": 123456789012345680000,\n\t\"e\": 1e-7\n}\n",
    ),
    (
        "{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
        "{\n\t\"a\": 9223372036854775807,\n\t\"b\": -9223372036854775808\n}\n",
    ),
    (
        "{\"a\":\"\\u0000\\u001f\\b\\f\\n\\r\\t\\u007f\\u2028\\u2029<>&\\\"\\\\\\/\"}",
        "{\n\t\"a\": \"\\u0000\\u001f\\b\\f\\n\\r\\t\u{7f}\\u2028\\u2029\\u003c\\u003e\\u0026\\\"\\\\/\"\n}\n",
    ),
    ("{\"a\":\"\\ud83d\\ude00\"}", "{\n\t\"a\": \"😀\"\n}\n"),
    (
        "{\"a\":null,\"b\":true,\"c\":false,\"d\":[],\"e\":{},\"f\":[[],{}],\"g\":\"\"}",
        "{\n\t\"a\": null,\n\t\"b\": true,\n\t\"c\": false,\n\t\"d\": [],\n\t\"e\": {},\n\t\"f\": [\n\t\t[],\n\t\t{}\n\t],\n\t\"g\": \"\"\n}\n",
    ),
    ("{\"<k>\":1}", "{\n\t\"\\u003ck\\u003e\": 1\n}\n"),
    ("{\"\":1}", "{\n\t\"\": 1\n}\n"),
    (
        "{ \"a\" : [ 1 , { \"b\" : \"x\" } ] }",
        "{\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": \"x\"\n\t\t}\n\t]\n}\n",
    ),
    (
        "{\"a\":0.000001,\"b\":0.0000015,\"c\":1.7976931348623157e308,\"d\":5e-324}",
        "{\n\t\"a\": 0.000001,\n\t\"b\": 0.0000015,\n\t\"c\": 1.7976931348623157e+308,\n\t\"d\": 5e-324\n}\n",
    ),
];

const DOTENV: &[(&str, &str)] = &[
    ("A=1\n", "A=1\n"),
    ("A=1", "A=1\n"),
    ("A = 1 \n", "A = 1 \n"),
    ("A=x\\ny\n", "A=x\\ny\n"),
    ("A=\"q\"\n", "A=\"q\"\n"),
    ("#c\nA=1\n", "#c\nA=1\n"),
    ("# c\n\n\nA=1\n\nB=2\n", "# c\nA=1\nB=2\n"),
    ("=1\n", "=1\n"),
    ("=\n", "=\n"),
    ("A=1\nA=2\n", "A=1\nA=2\n"),
    ("export A=1\n", "export A=1\n"),
    ("A=1\r\n", "A=1\r\n"),
    (" #c=1\n", " #c=1\n"),
    ("A=b=c\n", "A=b=c\n"),
    ("A=x#y\n", "A=x#y\n"),
    ("sops=1\n", "sops=1\n"),
    ("", ""),
    ("\n", ""),
    ("#\nA=1\n", "#\nA=1\n"),
    ("A=\n", "A=\n"),
];

const INI: &[(&str, &str)] = &[
    ("a=1\n", "a = 1\n"),
    ("a = 1\n[s]\nb : 2\n", "a = 1\n\n[s]\nb = 2\n"),
    ("; c\na=1\n", "; c\na = 1\n"),
    ("[s]\n; k\na=1\n# m\nlonger=2\n", "[s]\n; k\na      = 1\n; m\nlonger = 2\n"),
    ("; above\n[s] # inline\na=1\n", "; above\n# inline\n[s]\na = 1\n"),
    ("[s]\na=1 ; note\n", "[s]\n; note\na = 1\n"),
    ("[s]\na=`x ; y`\n", "[s]\na = `x ; y`\n"),
    ("[s]\na=\"x\"\n", "[s]\na = x\n"),
    ("[s]\na='x'\n", "[s]\na = x\n"),
    ("[s]\na=\"x\n", "[s]\na = \"x\n"),
    ("[s]\na=\" x \"\n", "[s]\na = \" x \"\n"),
    ("[s]\na=x\\\n", "[s]\na = x\n"),
    ("[s]\na=x\\\n  y\nb=1\n", "[s]\na = xy\nb = 1\n"),
    ("[s]\na=x\\\n\nb=1\n", "[s]\na = x\nb = 1\n"),
    ("[s]\na=\"\"\"x\ny\"\"\"\nb=1\n", "[s]\na = \"\"\"x\ny\"\"\"\nb = 1\n"),
    ("[s]\na=\"\"\"x\"\"\"\n", "[s]\na = x\n"),
    ("[s]\na=`x\ny` \\\n\nz`\nb=1\n", "[s]\na = \"\"\"x\ny` \\\n\nz\"\"\"\nb = 1\n"),
    ("[s]\na=`x\ny`\n", "[s]\na = \"\"\"x\ny\"\"\"\n"),
    ("[s]\n`k=v`=1\n", "[s]\n`k=v` = 1\n"),
    ("[s]\n\"k:v\"=1\n", "[s]\n`k:v` = 1\n"),
    ("[s]\n\"\"\"k`v\"\"\"=1\n", "[s]\n\"\"\"k`v\"\"\" = 1\n"),
    ("[s]\na=\n", "[s]\na = \n"),
    ("[s]\na=1\n[s]\na=2\n", "[s]\na = 1\n\n[s]\na = 2\n"),
    ("[DEFAULT]\na=1\n", "[DEFAULT]\na = 1\n"),
    ("a=1\n[DEFAULT]\nb=2\n", "a = 1\n\n[DEFAULT]\nb = 2\n"),
    ("[a]]\nx=1\n", "[a]]\nx = 1\n"),
    ("", ""),
    ("\n\n", ""),
    ("[s]\na=1", "[s]\na = 1\n"),
    ("[s]\r\na=1\r\n", "[s]\na = 1\n"),
    ("[s]\n# a\n; b\nb=2\n", "[s]\n; a\n; b\nb = 2\n"),
    ("[s]\n;; x\nb=2\n", "[s]\n; x\nb = 2\n"),
    ("[a] ; see [b]\nx=1\n", "[a] ; see [b]\nx = 1\n"),
    ("[s]\na=x\\ny\n", "[s]\na = x\\ny\n"),
    ("[s]\na=C:\\\n", "[s]\na = C:\n"),
    ("[s]\na=\u{a0}x\n", "[s]\na = x\n"),
    ("[s]\nä=ö\nzz=1\n", "[s]\nä = ö\nzz = 1\n"),
    ("[s.t]\na=1\n", "[s.t]\na = 1\n"),
    ("[s]\na=%(b)s\nb=2\n", "[s]\na = %(b)s\nb = 2\n"),
    ("[s]\na=\"x\"y\"\n", "[s]\na = \"x\"y\"\n"),
    ("[s]\na = \"\"\n", "[s]\na = \n"),
    ("[s]\na=1\n\n\n\nb=2\n\n[t]\n\nc=3\n", "[s]\na = 1\nb = 2\n\n[t]\nc = 3\n"),
    ("  [s]\n  a=1\n", "[s]\na = 1\n"),
    ("[default]\na=1\n", "[default]\na = 1\n"),
    ("[s]\na=''\n", "[s]\na = \n"),
];

fn folder() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sops")
}

fn identities() -> Vec<Identity> {
    Identity::parse_all(&Secret::from(fs::read_to_string(folder().join("keys/k.txt")).unwrap())).unwrap()
}

fn recipients() -> Vec<Recipient> {
    identities().iter().filter_map(|identity| identity.recipient().cloned()).collect()
}

fn parse(store: Store, text: &str) -> Result<Plaintext, SopsError> {
    Plaintext::parse(&Secret::from(text), store)
}

fn text(secret: &Secret) -> String {
    secret.expose_text().unwrap().to_owned()
}

fn written(store: Store, input: &str) -> Result<String, SopsError> {
    Ok(text(&parse(store, input)?.write(store, None)?))
}

fn sealed(plaintext: &Plaintext) -> String {
    let readers = KeyGroups::one(&recipients());
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: None };
    plaintext.seal(&policy, TIME).unwrap()
}

fn open(store: Store, sealed: &str) -> Opened {
    SealedFile::parse(sealed, store).unwrap().open(&identities()).unwrap()
}

fn vector(name: &str) -> String {
    fs::read_to_string(folder().join("other").join(name)).unwrap()
}

/// The lines of one text that are not in the other, `-` for the old, `+` for the new, each cut where its value begins.
fn changed(old: &str, new: &str) -> Vec<String> {
    let name = |sign: &str, line: &str| {
        format!("{sign}{}", line.split_inclusive(['=', ':']).next().unwrap_or_default().trim())
    };
    let gone = old.lines().filter(|line| !new.lines().any(|other| other == *line));
    let come = new.lines().filter(|line| !old.lines().any(|other| other == *line));
    gone.map(|line| name("-", line)).chain(come.map(|line| name("+", line))).collect()
}

#[test]
fn each_store_prints_what_sops_prints() {
    for (store, cases) in [(Store::Json, JSON), (Store::Dotenv, DOTENV), (Store::Ini, INI)] {
        for (input, expected) in cases {
            assert_eq!(written(store, input).as_deref(), Ok(*expected), "{input:?}");
        }
    }
}

#[test]
fn each_store_opens_to_what_it_sealed() {
    for (store, cases) in [(Store::Json, JSON), (Store::Dotenv, DOTENV), (Store::Ini, INI)] {
        for (input, expected) in cases {
            let opened = open(store, &sealed(&parse(store, input).unwrap()));
            assert_eq!(text(&opened.plaintext().write(store, None).unwrap()), *expected, "{input:?}");
        }
    }
}

#[test]
fn what_sops_sealed_opens_to_what_it_was() {
    for (name, store, expected) in [
        (
            "j.enc.json",
            Store::Json,
            "{\n\t\"a\": {\n\t\t\"b\": [\n\t\t\t1,\n\t\t\t2,\n\t\t\t\"x\",\n\t\t\ttrue,\n\t\t\tnull,\n\t\t\t9007199254740993,\n\t\t\t1000,\n\t\t\t\"\"\n\t\t]\n\t},\n\t\"s\": \"é\\u003c\\u003e\\u0026\"\n}\n",
        ),
        ("d.enc.env", Store::Dotenv, "#c1\nA=1\nB=two\\nlines\nC=\"q\"\nEMPTY=\n"),
        ("i.enc.ini", Store::Ini, "; c0\n[sec]\n; c1\na = 1\nb = x y\n\n[other]\nc = \n"),
        ("f.enc.bin", Store::Binary, "bin\u{0}ary\n"),
    ] {
        let opened = open(store, &vector(name));
        assert_eq!(text(&opened.plaintext().write(store, None).unwrap()), expected, "{name}");
    }
}

#[test]
fn an_edit_changes_the_line_of_its_value_and_the_metadata_alone() {
    for (name, store, path, line) in [
        ("j.enc.json", Store::Json, "s", "\"s\":"),
        ("d.enc.env", Store::Dotenv, "B", "B="),
        ("i.enc.ini", Store::Ini, "sec.b", "b ="),
        ("f.enc.bin", Store::Binary, "data", "\"data\":"),
    ] {
        let old = vector(name);
        let opened = open(store, &old);
        let mut plaintext = opened.plaintext();
        plaintext.set_text(&path.parse().unwrap(), &Secret::from("another")).unwrap();
        let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
        let field = |name: &str| match store {
            Store::Json | Store::Binary => format!("\"{name}\":"),
            Store::Dotenv => format!("sops_{name}="),
            _ => format!("{name:26} ="),
        };
        let lines = [line.to_owned(), field("lastmodified"), field("mac")];
        let expected: Vec<String> = ["-", "+"]
            .iter()
            .flat_map(|sign| lines.iter().map(move |line| format!("{sign}{line}")))
            .collect();
        assert_eq!(changed(&old, &new), expected, "{name}");
        assert_eq!(old.lines().count(), new.lines().count(), "{name}");
        let again = open(store, &new).plaintext();
        assert_eq!(text(&again.get(&path.parse().unwrap()).unwrap()), "another", "{name}");
    }
}

#[test]
fn what_a_store_cannot_say_without_loss_is_refused() {
    let syntax = |store, line, column| SopsError::Syntax { store, line, column };
    let twice = |key: &str, line| SopsError::DuplicateKey { key: key.to_owned(), line };
    let cases: Vec<(Store, &str, SopsError)> = vec![
        // sops prints 9223372036854776000.
        (Store::Json, "{\"a\":9223372036854775808}", SopsError::LosesDigits { line: 1 }),
        (Store::Json, "{\n\"a\":1e400}", SopsError::LosesDigits { line: 2 }),
        // sops puts another letter in its place.
        (Store::Json, "{\"a\":\"\\ud800\"}", syntax("JSON", 1, 13)),
        // sops keeps both, and whoever reads the file takes another one.
        (Store::Json, "{\"a\":1,\n\"a\":2}", twice("a", 2)),
        // sops drops what stands behind the map, and takes one that is cut off for an empty one.
        (Store::Json, "{\"a\":1} x", syntax("JSON", 1, 9)),
        (Store::Json, "{\"a\":1}{\"b\":2}", syntax("JSON", 1, 8)),
        (Store::Json, "{\"a\":", syntax("JSON", 1, 6)),
        (Store::Json, "[1]", SopsError::NotMap),
        (Store::Json, "1", SopsError::NotMap),
        (Store::Json, "{\"a\":1,}", syntax("JSON", 1, 8)),
        (Store::Json, "{\"a\":[1,]}", syntax("JSON", 1, 9)),
        (Store::Json, "{a:1}", syntax("JSON", 1, 2)),
        (Store::Json, "{\"a\":01}", syntax("JSON", 1, 7)),
        (Store::Json, "{\"a\":\"\t\"}", syntax("JSON", 1, 7)),
        (Store::Json, "{\"a\":tru}", syntax("JSON", 1, 6)),
        (Store::Json, "", SopsError::NoDocument),
        (Store::Json, "{\"sops\":1}", SopsError::AlreadySealed),
        (Store::Json, "\u{feff}{}", syntax("JSON", 1, 1)),
        (Store::Json, "{\n<<<<<<< ours\n", SopsError::MergeConflict { line: 2 }),
        (Store::Dotenv, "A=1\nhunter2\n", syntax("dotenv", 2, 1)),
        (Store::Dotenv, "sops_a=1\n", SopsError::AlreadySealed),
        (Store::Dotenv, "A=1\n<<<<<<< ours\n", SopsError::MergeConflict { line: 2 }),
        // sops cuts such values off.
        (Store::Ini, "[s]\na=x;y\n", SopsError::UnclearComment { line: 2 }),
        (Store::Ini, "[s]\na=\"x ; y\"\n", SopsError::UnclearComment { line: 2 }),
        // sops drops all of these.
        (Store::Ini, "[s]\na=1\na=2\n", twice("a", 3)),
        (Store::Ini, "[s]\na=1\n; end\n", SopsError::LostComment { line: 3 }),
        (Store::Ini, "[a] junk\nx=1\n", syntax("ini", 1, 4)),
        (Store::Ini, "[s]\na=`x` junk\n", syntax("ini", 2, 6)),
        (Store::Ini, "[s]\n\"a\" junk = x\n", syntax("ini", 2, 4)),
        (Store::Ini, "[s]\na\n", syntax("ini", 2, 1)),
        (Store::Ini, "[s]\n=1\n", syntax("ini", 2, 1)),
        (Store::Ini, "[a\nx=1\n", syntax("ini", 1, 1)),
        (Store::Ini, "[]\nx=1\n", syntax("ini", 1, 1)),
        (Store::Ini, "[s]\na=\"\"\"x\ny\n", syntax("ini", 2, 1)),
        (Store::Ini, "[sops]\na=1\n", SopsError::AlreadySealed),
    ];
    for (store, input, expected) in cases {
        let error = parse(store, input).unwrap_err();
        assert_eq!(error, expected, "{input:?}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn what_cannot_be_written_in_a_store_is_refused_by_its_key() {
    let why = |store: Store, json: &str| match parse(Store::Json, json).unwrap().write(store, None) {
        Err(SopsError::CannotHold { key, why, .. }) => (key, why),
        other => panic!("{json}: {other:?}"),
    };
    let differs = "it would be read back as something else";
    for (json, key, reason) in [
        ("{\"a\":[1]}", "a", "it is a list"),
        ("{\"a\":{}}", "a", "it is a map"),
        // sops writes `<nil>`.
        ("{\"a\":null}", "a", "it is null"),
        // sops writes a line that means something else.
        ("{\"a\":\"C:\\\\new\"}", "a", differs),
        ("{\"a=b\":\"c\"}", "a=b", differs),
        ("{\"#a\":\"c\"}", "#a", differs),
        ("{\"a\\nb\":\"c\"}", "a\\nb", differs),
    ] {
        assert_eq!(why(Store::Dotenv, json), (key.to_owned(), reason), "{json}");
    }
    for (json, key, reason) in [
        ("{\"a\":1}", "a", "it is a value, and not in a section"),
        ("{\"a\":[1]}", "a", "it is a list, and not in a section"),
        ("{\"a\":null}", "a", "it is null, and not in a section"),
        ("{\"s\":{\"a\":null}}", "s.a", "it is null"),
        ("{\"s\":{\"a\":[1]}}", "s.a", "it is a list"),
        ("{\"s\":{\"a\":{}}}", "s.a", "it is a map in a section"),
        ("{\"s\":{\"a\":\"1\",\"#1\":\"x\"}}", "s.#1", differs),
        ("{\"s\":{\" a\":\"x\"}}", "s. a", differs),
        ("{\"s\":{\"a\":\"`\\\"\\\"\\\"\\nx\"}}", "s.a", differs),
        ("{\"s\":{\"a\\nb\":\"x\"}}", "s.a\\nb", differs),
        ("{\"s\\nb=1\":{\"a\":\"x\"}}", "s\\nb=1", differs),
    ] {
        assert_eq!(why(Store::Ini, json), (key.to_owned(), reason), "{json}");
    }
}

#[test]
fn ini_values_that_sops_writes_so_that_they_change_are_quoted() {
    for (value, expected) in [
        ("\"x\"", "`\"x\"`"),
        ("'x'", "`'x'`"),
        ("C:\\", "`C:\\`"),
        (" a\"b ", "` a\"b `"),
        ("\"\"\"a", "`\"\"\"a`"),
        ("#\\", "`#\\`"),
        ("a`\n", "\"\"\"a`\n\"\"\""),
    ] {
        let mut plaintext = parse(Store::Ini, "[s]\na=1\n").unwrap();
        plaintext.set_text(&"s.a".parse().unwrap(), &Secret::from(value)).unwrap();
        let written = text(&plaintext.write(Store::Ini, None).unwrap());
        assert_eq!(written, format!("[s]\na = {expected}\n"));
        let back = parse(Store::Ini, &written).unwrap();
        assert_eq!(text(&back.get(&"s.a".parse().unwrap()).unwrap()), value);
    }
}

#[test]
fn typed_values_are_text_as_sops_prints_them() {
    let json = "{\"a\":1.0,\"b\":1.5e300,\"c\":1e20,\"d\":1e21,\"e\":1e-7,\"f\":true,\"g\":5,\"h\":-0.0,\"i\":123456.0,\
        \"j\":1234567.0,\"k\":0.0001}";
    let plaintext = parse(Store::Json, json).unwrap();
    let env = text(&plaintext.write(Store::Dotenv, None).unwrap());
    let expected = "a=1.0\nb=1.5E+300\nc=1E+20\nd=1E+21\ne=1E-07\nf=true\ng=5\nh=-0.0\ni=123456\nj=1.234567E+06\nk=0.0001\n";
    assert_eq!(env, expected.replace("i=123456\n", "i=123456.0\n"));
    for (path, expected) in [
        ("a", "1"),
        ("b", "1.5e+300"),
        ("c", "100000000000000000000"),
        ("e", "1e-7"),
        ("f", "true"),
        ("g", "5"),
    ] {
        assert_eq!(text(&plaintext.get(&path.parse().unwrap()).unwrap()), expected, "{path}");
    }
    let yaml = "t: 2024-01-02T03:04:05.5Z\nu: 2024-01-02\n";
    let plaintext = parse(Store::Yaml, yaml).unwrap();
    let env = text(&plaintext.write(Store::Dotenv, None).unwrap());
    assert_eq!(env, "t=2024-01-02T03:04:05Z\nu=2024-01-02T00:00:00Z\n");
    let json = text(&plaintext.write(Store::Json, Some(2)).unwrap());
    assert_eq!(json, "{\n  \"t\": \"2024-01-02T03:04:05.5Z\",\n  \"u\": \"2024-01-02T00:00:00Z\"\n}\n");
    let flat = parse(Store::Yaml, "x: .inf\n").unwrap();
    assert_eq!(text(&flat.write(Store::Dotenv, None).unwrap()), "x=+Inf\n");
    assert!(matches!(
        flat.write(Store::Json, None),
        Err(SopsError::CannotHold { key, why: "it is no finite number", .. }) if key == "x"
    ));
}

#[test]
fn no_indentation_means_lines_without_any() {
    let plaintext = parse(Store::Json, "{\"a\":[1,{}],\"b\":[]}").unwrap();
    let written = |indent| text(&plaintext.write(Store::Json, indent).unwrap());
    assert_eq!(written(Some(0)), "{\n\"a\": [\n1,\n{}\n],\n\"b\": []\n}\n");
    assert_eq!(written(Some(1)), "{\n \"a\": [\n  1,\n  {}\n ],\n \"b\": []\n}\n");
}

/// sops before 3.13 wrote empty lists, null and another order.
#[test]
fn metadata_of_older_releases_is_read_and_kept() {
    let old = vector("j.enc.json").replace(
        "\"sops\": {\n",
        "\"sops\": {\n\t\t\"kms\": null,\n\t\t\"gcp_kms\": [],\n\t\t\"pgp\": null,\n\t\t\"hc_vault\": [],\n",
    );
    let old = old.replace("\t\t\"unencrypted_suffix\": \"_unencrypted\",\n", "");
    let opened = open(Store::Json, &old);
    let mut plaintext = opened.plaintext();
    plaintext.set_text(&"s".parse().unwrap(), &Secret::from("new")).unwrap();
    let new = opened.edited(&plaintext, LATER).unwrap().unwrap();
    let kept = old.lines().zip(new.lines()).filter(|(old, new)| old == new).count();
    assert_eq!((old.lines().count(), kept), (new.lines().count(), old.lines().count() - 3), "{new}");
}

#[test]
fn two_sections_of_metadata_are_refused() {
    let old = vector("i.enc.ini") + "\n[sops]\na = 1\n";
    let error = SealedFile::parse(&old, Store::Ini).unwrap_err();
    assert!(matches!(error, SopsError::DuplicateKey { key, .. } if key == "sops"));
}

#[test]
fn a_key_named_sops_is_a_dotenv_key_like_any_other() {
    let opened = open(Store::Dotenv, &sealed(&parse(Store::Dotenv, "sops=1\nA=2\n").unwrap()));
    assert_eq!(text(&opened.plaintext().write(Store::Dotenv, None).unwrap()), "sops=1\nA=2\n");
}

#[test]
fn any_bytes_are_a_binary_file() {
    for bytes in [vec![], vec![0, 255, 10, 13], b"{\"sops\": 1}".to_vec(), vec![7; 100_000]] {
        let plaintext = Plaintext::parse(&Secret::from(bytes.clone()), Store::Binary).unwrap();
        let file = sealed(&plaintext);
        assert!(!file.contains("unencrypted_suffix"));
        let back = open(Store::Binary, &file).plaintext().write(Store::Binary, None).unwrap();
        assert_eq!(back.expose_bytes(), bytes);
    }
    for (file, store) in [("j.enc.json", Store::Json), ("d.enc.env", Store::Dotenv)] {
        let opened = open(store, &vector(file));
        assert_eq!(opened.plaintext().write(Store::Binary, None).unwrap_err(), SopsError::NotBinary);
    }
}

#[test]
fn nesting_without_end_is_refused() {
    for depth in [201, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            assert_eq!(parse(Store::Json, &text).unwrap_err(), SopsError::TooDeep { line: 1 });
        }
    }
    let deepest = format!("{{\"a\":{}1{}}}", "[".repeat(199), "]".repeat(199));
    assert!(parse(Store::Json, &deepest).is_ok());
}

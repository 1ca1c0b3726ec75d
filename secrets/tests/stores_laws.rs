//! Laws of the stores: what is written reads back, what is sealed opens, whatever the text is nothing panics, and time
//! and memory grow with the text and no faster.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests that measure time")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Plaintext, Policy, SealedFile, Store};

const TIME: &str = "2026-11-21T03:02:57Z";
const LATER: &str = "2026-11-21T04:00:00Z";
const TEXT_STORES: [Store; 3] = [Store::Json, Store::Dotenv, Store::Ini];

/// A JSON value, as a test makes it.
#[derive(Debug, Clone)]
enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// Letters that some store has a meaning for, and any other.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        4 => prop::sample::select(" \t\n\r=:#;`\"'\\[]{},-_%()\u{0}\u{1b}\u{7f}\u{85}\u{a0}\u{2028}<>&nae1.".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    vec(letter, 0..8).prop_map(String::from_iter)
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Int),
        any::<f64>().prop_filter("JSON has no others", |float| float.is_finite()).prop_map(Json::Float),
        text().prop_map(Json::Text),
        text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Json::List), map(inner, 0).prop_map(Json::Map)]
    })
}

fn map(value: impl Strategy<Value = Json>, least: usize) -> impl Strategy<Value = Vec<(String, Json)>> {
    vec((text(), value), least..6).prop_map(|mut pairs| {
        pairs.sort_by(|left, right| left.0.cmp(&right.0));
        pairs.dedup_by(|left, right| left.0 == right.0);
        pairs.retain(|(key, _)| key != "sops");
        pairs.reverse();
        pairs
    })
}

/// As JSON, with blanks as `gap` says.
fn print(value: &Json, gap: &str) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Int(value) => value.to_string(),
        Json::Float(value) => format!("{value:e}"),
        Json::Text(text) => quoted(text),
        Json::List(values) => {
            let values: Vec<_> = values.iter().map(|value| print(value, gap)).collect();
            format!("[{gap}{}{gap}]", values.join(&format!("{gap},{gap}")))
        }
        Json::Map(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, value)| format!("{}{gap}:{gap}{}", quoted(key), print(value, gap)))
                .collect();
            format!("{{{gap}{}{gap}}}", pairs.join(&format!("{gap},{gap}")))
        }
    }
}

/// Every letter escaped.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    text.encode_utf16().for_each(|unit| write!(out, "\\u{unit:04X}").unwrap());
    out + "\""
}

fn parse(store: Store, text: &str) -> Plaintext {
    Plaintext::parse(&Secret::from(text), store).unwrap()
}

fn written(plaintext: &Plaintext, store: Store) -> String {
    plaintext.write(store, None).unwrap().expose_text().unwrap().to_owned()
}

fn keys() -> (Vec<Identity>, Vec<Recipient>) {
    let (secret, recipient) = Identity::generate();
    (Identity::parse_all(&secret).unwrap(), vec![recipient])
}

/// Seals, opens, changes something, opens again: always the same contents.
fn goes_round(plaintext: &Plaintext, gap: &str) {
    let (identities, recipients) = keys();
    let readers = KeyGroups::one(&recipients);
    let policy = Policy { readers: &readers, selector: None, mac_only_encrypted: false, indent: Some(3) };
    let store = plaintext.store();
    let expected = written(plaintext, store);
    let sealed = plaintext.seal(&policy, TIME).unwrap();
    let sealed = if store == Store::Json { sealed.replace('\n', gap) } else { sealed };
    let opened = SealedFile::parse(&sealed, store).unwrap().open(&identities).unwrap();
    assert_eq!(written(&opened.plaintext(), store), expected);
    assert!(opened.edited(&opened.plaintext(), LATER).unwrap().is_none());

    let mut other = opened.plaintext();
    let place = if store == Store::Ini { "a section.k" } else { "the end" };
    other.set_text(&place.parse().unwrap(), &Secret::from("x")).unwrap();
    let edited = opened.edited(&other, LATER).unwrap().unwrap();
    let opened = SealedFile::parse(&edited, store).unwrap().open(&identities).unwrap();
    assert_eq!(written(&opened.plaintext(), store), written(&other, store));
    other.unset(&place.split('.').next().unwrap().parse().unwrap()).unwrap();
    let edited = opened.edited(&other, TIME).unwrap().unwrap();
    let opened = SealedFile::parse(&edited, store).unwrap().open(&identities).unwrap();
    assert_eq!(written(&opened.plaintext(), store), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn json_reads_back_in_every_layout(pairs in map(json(), 0), gap in prop::sample::select(vec!["", " ", "\n", "\r\n\t"])) {
        let input = parse(Store::Json, &print(&Json::Map(pairs), gap));
        let once = written(&input, Store::Json);
        prop_assert_eq!(&written(&parse(Store::Json, &once), Store::Json), &once);
        goes_round(&input, gap);
    }

    #[test]
    fn dotenv_reads_back_or_is_refused(pairs in map(text().prop_map(Json::Text), 0)) {
        let input = parse(Store::Json, &print(&Json::Map(pairs), ""));
        if let Ok(text) = input.write(Store::Dotenv, None) {
            let text = text.expose_text().unwrap();
            let back = parse(Store::Dotenv, text);
            // JSON says which is which, dotenv cannot.
            prop_assert_eq!(written(&back, Store::Json), written(&input, Store::Json));
            goes_round(&back, "\n");
        }
    }

    #[test]
    fn ini_reads_back_or_is_refused(
        sections in vec((text(), map(text().prop_map(Json::Text), 0)), 0..3),
    ) {
        let default = ("DEFAULT".to_owned(), Json::Map(Vec::new()));
        let mut pairs = vec![default];
        for (name, keys) in sections {
            if name != "sops" && pairs.iter().all(|(known, _)| *known != name) {
                pairs.push((name, Json::Map(keys)));
            }
        }
        let input = parse(Store::Json, &print(&Json::Map(pairs), ""));
        if let Ok(text) = input.write(Store::Ini, None) {
            let text = text.expose_text().unwrap();
            let back = parse(Store::Ini, text);
            prop_assert_eq!(written(&back, Store::Json), written(&input, Store::Json));
            goes_round(&back, "\n");
        }
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_written_to_read_the_same(lines in vec(text(), 0..8)) {
        let text = lines.join("\n");
        for store in TEXT_STORES {
            drop(SealedFile::parse(&text, store));
            if let Ok(plaintext) = Plaintext::parse(&Secret::from(text.as_str()), store)
                && let Ok(once) = plaintext.write(store, None)
            {
                let again = Plaintext::parse(&once, store).unwrap().write(store, None).unwrap();
                prop_assert_eq!(again.expose_text().unwrap(), once.expose_text().unwrap());
            }
        }
    }
}

/// How long it takes to read a text as every store, sealed and in the open.
fn time_of(text: &str) -> Duration {
    let start = Instant::now();
    for store in TEXT_STORES {
        drop(SealedFile::parse(text, store));
        if let Ok(plaintext) = Plaintext::parse(&Secret::from(text), store) {
            for other in TEXT_STORES {
                drop(plaintext.write(other, None));
            }
        }
    }
    start.elapsed()
}

/// Texts of which a reader may make too much. Where the time grows with the length alone the longest takes a second in a
/// debug build, where it grows with its square a minute and more.
#[test]
fn time_grows_with_the_length_of_the_text_and_no_faster() {
    let size = 500_000;
    let fill = |part: &str| part.repeat(size / part.len());
    let texts = [
        ("a long line", format!("a={}", fill("x"))),
        ("a long JSON string", format!("{{\"a\":\"{}\"}}", fill("x"))),
        ("escapes", format!("{{\"a\":\"{}\"}}", fill("\\u0000"))),
        ("an open string", format!("{{\"a\":\"{}", fill("\\\""))),
        ("many strings that do not end", format!("[{}", fill("\"a\\"))),
        ("brackets", fill("[")),
        ("braces", fill("{\"a\":")),
        ("blanks", fill(" \n")),
        ("lists", format!("{{\"a\":[{}1]}}", fill("[],"))),
        ("keys", (0..size / 10).fold("{".to_owned(), |out, key| out + &format!("\"{key}\":1,")) + "\"a\":1}"),
        ("lines", (0..size / 10).fold(String::new(), |out, key| out + &format!("k{key} = x\n"))),
        ("sections", (0..size / 10).fold(String::new(), |out, key| out + &format!("[s{key}]\n"))),
        ("one section", fill("[s]\na=1\n")),
        ("comments", fill("# c\n")),
        (
            "inline comments",
            (0..size / 10).fold(String::new(), |out, key| out + &format!("k{key} = x ; y\n")),
        ),
        ("continued lines", format!("a = {}", fill("x\\\n"))),
        ("an open quote", format!("a = \"\"\"{}", fill("x\n"))),
        ("many open quotes", fill("`")),
        ("fields", (0..size / 20).fold(String::new(), |out, key| out + &format!("sops_f{key}=x\n"))),
        (
            "list fields",
            (0..size / 20).fold(String::new(), |out, key| out + &format!("sops_a__list_{key}=x\n")),
        ),
        ("deep fields", format!("sops_a{}=x\n", fill("__map_a"))),
        (
            "many deep fields",
            (0..2000)
                .fold(String::new(), |out, key| out + &format!("sops_a{}{key}=x\n", "__map_a".repeat(60))),
        ),
    ];
    for (name, text) in texts {
        let took = time_of(&text);
        assert!(took < Duration::from_secs(15), "{name}: {took:?}");
    }
}

#[test]
fn a_line_of_many_megabytes_is_read_and_written() {
    // A debug build takes its time.
    let line = "x".repeat(if cfg!(debug_assertions) { 5_000_000 } else { 50_000_000 });
    for (store, text) in [
        (Store::Json, format!("{{\n\t\"a\": \"{line}\"\n}}\n")),
        (Store::Dotenv, format!("a={line}\n")),
        (Store::Ini, format!("[s]\na = {line}\n")),
    ] {
        assert!(written(&parse(store, &text), store) == text);
    }
}

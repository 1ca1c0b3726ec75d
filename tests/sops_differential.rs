//! Our files and those of real sops, side by side: the same text sealed by both, opened by the other, edited by one and
//! then the other. Every disagreement is a fault of ours, but for those that stand here by name: where sops loses
//! something and says nothing.
//!
//! `QUORATE_DIFFERENTIAL_CASES` is how many texts are made for each store (200), `QUORATE_DIFFERENTIAL_SEED` where they
//! begin, `QUORATE_DIFFERENTIAL_SHOWN` how many disagreements are shown; each names the seed of its text.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod differential;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use differential::case::{Case, End, Seal, Sides, TIME, Tally, setting, shown, text_of};
use differential::random::Random;
use differential::texts::{self, Tree};
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Plaintext, SealedFile, SopsError, Store};
use serde_json::json;

const CASES: usize = 200;

/// Many texts of a store, each made from a seed of its own.
fn compare(store: Store) {
    let Some(mut sides) = Sides::start() else { return };
    let count = setting("QUORATE_DIFFERENTIAL_CASES").unwrap_or(CASES);
    let first = setting("QUORATE_DIFFERENTIAL_SEED").unwrap_or(1);
    let mut tally = Tally::default();
    for seed in (first..).take(count) {
        let mut random = Random::new(u64::try_from(seed).expect("a number"));
        let seal = Seal::random(&mut random, &sides.recipients);
        let tree = Tree::random(&mut random, store);
        let edited = tree.changed(&mut random, store).print(&mut random, store);
        let text = if store == Store::Yaml && random.once_in(4) {
            let second = Tree::random(&mut random, store);
            texts::documents(&[tree, second], &mut random)
        } else {
            tree.print(&mut random, store)
        };
        let (text, edited) = (text.into_bytes(), edited.into_bytes());
        let note = format!("seed {seed}, {}, {}", store.name(), seal.request);
        let case = Case { store, sides: &mut sides, seal, text: text.clone(), edited };
        tally.add(
            case.run(),
            &format!(
                "{note}
{}",
                shown(&text)
            ),
        );
    }
    assert!(tally.agreed > count / 3 || !tally.faults.is_empty(), "{} of {count} agreed", tally.agreed);
    tally.finish(&format!("{} from seed {first}", store.name()));
}

#[test]
fn yaml_files_are_those_of_sops() {
    compare(Store::Yaml);
}

#[test]
fn json_files_are_those_of_sops() {
    compare(Store::Json);
}

#[test]
fn dotenv_files_are_those_of_sops() {
    compare(Store::Dotenv);
}

#[test]
fn ini_files_are_those_of_sops() {
    compare(Store::Ini);
}

#[test]
fn binary_files_are_those_of_sops() {
    compare(Store::Binary);
}

/// A file that is sealed already, with another value in it.
fn compare_sealed(sides: &mut Sides, store: Store, sealed: &[u8]) -> Result<Option<&'static str>, End> {
    let seal = Seal::plain(&sides.recipients);
    let mut case = Case { store, sides, seal, text: Vec::new(), edited: Vec::new() };
    let expected = case.sops_opens("its own file", sealed)?;
    let mut plaintext = case.we_open("its own file", sealed)?.plaintext();
    let name = case.we_print(&plaintext, &expected)?;
    case.text.clone_from(&expected.text);
    let place = match store {
        Store::Binary => "data",
        Store::Ini => "added.x",
        Store::Yaml | Store::Json | Store::Dotenv => "added",
    };
    plaintext.set_text(&place.parse().expect("a path"), &Secret::from("x")).expect("a place");
    case.edited = text_of(&plaintext, store).map_err(|error| End::Fault(error.to_string()))?;
    case.in_turns(sealed)?;
    Ok(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn every_vector_is_opened_and_edited_by_both() {
    let Some(mut sides) = Sides::start() else { return };
    let mut tally = Tally::default();
    for folder in ["yaml", "features", "other"] {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("secrets/tests/vectors/sops");
        for path in files(&vectors.join(folder)) {
            let store = Store::of_path(path.to_str().expect("a name"));
            let bytes = fs::read(&path).expect("a vector");
            let is_sealed = path.to_str().is_some_and(|path| path.contains(".enc."));
            let outcome = if is_sealed {
                compare_sealed(&mut sides, store, &bytes)
            } else {
                let seal = Seal::plain(&sides.recipients);
                Case { store, sides: &mut sides, seal, text: bytes.clone(), edited: bytes }.run()
            };
            tally.add(outcome, &path.display().to_string());
        }
    }
    assert!(tally.agreed > 30 || !tally.faults.is_empty());
    tally.finish("vectors");
}

/// The folder of sops' own sources.
fn sources() -> Option<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/sops-diff");
    let mut list = Command::new("go");
    list.args(["list", "-m", "-f", "{{.Dir}}", "github.com/getsops/sops/v3"]).current_dir(module);
    let output = list.output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim_end()))
}

/// The key that sops' own files are sealed to, as GnuPG keeps it. It is public, and in every copy of sops.
fn gpg_home(sources: &Path) -> tempfile::TempDir {
    let armored = fs::read_to_string(sources.join("pgp/sops_functional_tests_key.asc")).expect("a key");
    let (_, body) = armored.split_once("\n\n").expect("headers");
    let lines = body.lines().take_while(|line| !line.starts_with(['=', '-']));
    let key = BASE64_STANDARD.decode(lines.collect::<String>()).expect("base64");
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("secring.gpg"), &key).expect("written");
    home
}

#[test]
fn the_files_of_sops_itself_are_read_sealed_and_edited() {
    let Some(sources) = sources() else { return };
    let home = gpg_home(&sources);
    let Some(mut sides) = Sides::start_with(home.path()) else { return };
    let mut tally = Tally::default();
    let examples =
        ["example.yaml", "example.json", "example.ini", "example.txt"].map(|name| sources.join(name));
    let secret = sources.join("examples/all_in_one/config/secret.enc.json");
    let paths = examples.into_iter().chain([secret]).chain(files(&sources.join("functional-tests/res")));
    for path in paths {
        let store = Store::of_path(path.to_str().expect("a name"));
        let bytes = fs::read(&path).expect("a file of sops");
        let text = match SealedFile::parse(&String::from_utf8_lossy(&bytes), store) {
            Ok(sealed) => {
                assert!(sealed.foreign().any(|key| key.starts_with("pgp ")), "{}", path.display());
                match sides.sops.decrypt(store, &bytes) {
                    Ok(answer) => answer.text,
                    // Sealed to other keys as well, none of which is there.
                    Err(error) => panic!("{}: {error}", path.display()),
                }
            }
            Err(SopsError::MetadataMissing { field }) if field == "mac" => {
                assert!(path.ends_with("no_mac.yaml"), "{}", path.display());
                continue;
            }
            Err(SopsError::NotSealed) => bytes,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let seal = Seal::plain(&sides.recipients);
        let case = Case { store, sides: &mut sides, seal, text: text.clone(), edited: text };
        tally.add(case.run(), &path.display().to_string());
    }
    assert!(tally.agreed > 8 || !tally.faults.is_empty());
    tally.finish("sops' own files");
}

#[test]
fn keys_of_other_services_stay_as_they_are() {
    let Some(mut sides) = Sides::start() else { return };
    for (store, text, place) in [
        (Store::Yaml, "a: x\nb:\n    - 1\n", "a"),
        (Store::Json, "{\"a\": \"x\", \"b\": [1]}", "a"),
        (Store::Dotenv, "a=x\nb=1\n", "a"),
        (Store::Ini, "[s]\na = x\nb = 1\n", "s.a"),
        (Store::Binary, "x", "data"),
    ] {
        let mut seal = Seal::plain(&sides.recipients);
        seal.request["foreign"] = json!(true);
        let sealed = sides.sops.encrypt(store, text.as_bytes(), &seal.request).expect("sops seals");
        let old = sealed.as_text();
        let foreign: Vec<_> =
            SealedFile::parse(old, store).expect("read").foreign().map(str::to_owned).collect();
        assert_eq!(foreign.len(), 5, "{foreign:?}");
        let opened = sides.open(store, &sealed.text).expect("opened");

        let mut plaintext = opened.plaintext();
        plaintext.set_text(&place.parse().expect("a path"), &Secret::from("y")).expect("a place");
        let edited = opened.edited(&plaintext, TIME).expect("edited").expect("another");
        let gone = old.lines().filter(|line| !edited.lines().any(|other| other == *line));
        assert_eq!(gone.count(), 3, "the value, the time and the checksum: {edited}");

        let more = KeyGroups::one(&sides.recipients[..2]);
        let shared = opened.for_readers(&more, TIME).expect("shared").expect("another");
        let gone: Vec<_> = old
            .lines()
            .filter(|line| {
                !shared.lines().any(|other| other.trim_end_matches(',') == line.trim_end_matches(','))
            })
            .collect();
        assert!(gone.is_empty(), "{}: {gone:?}\n{shared}", store.name());

        for text in [edited, shared] {
            let again = sides.sops.decrypt(store, text.as_bytes()).expect("sops opens it");
            let new = sides.sops.edit(store, text.as_bytes(), &again.text).expect("sops edits it");
            let read = SealedFile::parse(new.as_text(), store).expect("read");
            assert_eq!(read.foreign().collect::<Vec<_>>(), foreign);
        }
        let fewer = KeyGroups::one(&sides.recipients[1..2]);
        let lost = opened.for_readers(&fewer, TIME).expect_err("their copies would be of the old key");
        assert!(matches!(lost, SopsError::CannotKeep { .. }), "{lost}");
    }
}

/// What sops seals without a word and without all of it: the text, what we say, what of the text sops has no more.
const LOST: &[(Store, &str, &str, &str)] = &[
    (Store::Json, "{\"a\": 9223372036854775809}", "would lose digits", "9223372036854775809"),
    (Store::Json, "{\"a\": \"\\ud800\"}", "it is not JSON: line 1, column 14", "ud800"),
    (Store::Json, "{\"a\": 1} {\"b\": 2}", "it is not JSON: line 1, column 10", "b"),
    (Store::Json, "{\"a\": 1, \"b\":", "it is not JSON: line 1, column 14", "b"),
    (Store::Ini, "[s]\na = x#secret\n", "would cut the value off", "a = x#secret"),
    (Store::Ini, "[s]\na = \"x ; y\"\n", "would cut the value off", "x ; y"),
    (Store::Ini, "[s]\na = first\na = last\n", "`a` is there twice, again in line 3", "first"),
    (Store::Ini, "[s]\na = 1\n; the end\n", "the comment in line 3 stands above nothing", "the end"),
    (Store::Ini, "[s] junk\na = 1\n", "it is not ini: line 1, column 4", "junk"),
    (Store::Ini, "[s]\n`a` junk = 1\n", "it is not ini: line 2, column 4", "junk"),
    (Store::Ini, "[s]\na = `1` junk\n", "it is not ini: line 2, column 8", "junk"),
    (Store::Ini, "[s]\n- = one\n", "cannot write `s.#1` in the `ini` store", "one"),
];

#[test]
fn what_sops_loses_in_silence_is_refused_by_name() {
    let Some(mut sides) = Sides::start() else { return };
    let seal = Seal::plain(&sides.recipients);
    for (store, text, expected, lost) in LOST {
        let ours = Plaintext::parse(&Secret::from(*text), *store).and_then(|plaintext| seal.seal(&plaintext));
        let error = ours.expect_err(text).to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
        let theirs = sides.sops.encrypt(*store, text.as_bytes(), &seal.request).expect(text);
        let left = sides.sops.decrypt(*store, &theirs.text).map(|answer| shown(&answer.text));
        assert!(!left.is_ok_and(|left| left.contains(lost)), "{text:?}: sops keeps it");
    }
}

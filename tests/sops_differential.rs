//! Our files and those of real sops, side by side: the same text sealed by both, opened by the other, edited by one and
//! then the other. Every disagreement is a fault of ours, but for those that stand here by name: where sops loses
//! something and says nothing.
//!
//! `QUORATE_DIFFERENTIAL_CASES` is how many texts are made for each store (200), `QUORATE_DIFFERENTIAL_SEED` where they
//! begin; a failure names the seed of its text.
#![expect(clippy::expect_used, reason = "a fault ends the test with its text")]

mod cluster;
mod differential;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use differential::random::Random;
use differential::sops::{Answer, Sops};
use differential::texts::{self, SELECTORS, Tree};
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Opened, Plaintext, Policy, SealedFile, Selector, SopsError, Store};
use serde_json::{Value, json};

const TIME: &str = "2026-11-21T03:02:57Z";
const CASES: usize = 200;

/// The keys that the vectors are sealed to.
const KEYS: [&str; 2] = [
    include_str!("../secrets/tests/vectors/sops/keys/k.txt"),
    include_str!("../secrets/tests/vectors/sops/keys/k2.txt"),
];

/// Both programs, with the same identities.
struct Sides {
    sops: Sops,
    identities: Vec<Identity>,
    recipients: Vec<Recipient>,
}

impl Sides {
    /// `None` when sops is missing.
    fn start() -> Option<Self> {
        Self::start_with(Path::new("/nonexistent"))
    }

    fn start_with(gpg: &Path) -> Option<Self> {
        let parse = |text: &&str| Identity::parse_all(&Secret::from(*text)).expect("the keys of the vectors");
        let mut identities: Vec<_> = KEYS.iter().flat_map(|text| parse(text)).collect();
        let (third, _) = Identity::generate();
        let third_text = third.expose_text().expect("text").to_owned();
        identities.extend(Identity::parse_all(&third).expect("a key of ours"));
        let lines = KEYS.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("AGE-"));
        let lines: Vec<_> = lines.map(str::to_owned).chain([third_text.trim().to_owned()]).collect();
        let recipients = identities.iter().filter_map(|identity| identity.recipient().cloned()).collect();
        Some(Self { sops: Sops::start(&lines.join("\n"), gpg)?, identities, recipients })
    }

    fn open(&self, store: Store, sealed: &[u8]) -> Result<Opened, SopsError> {
        SealedFile::parse(&String::from_utf8_lossy(sealed), store)?.open(&self.identities)
    }
}

/// How a text is sealed, by both.
struct Seal {
    readers: KeyGroups,
    selector: Option<Selector>,
    mac_only: bool,
    /// The same for sops.
    request: Value,
}

impl Seal {
    fn random(random: &mut Random, recipients: &[Recipient]) -> Self {
        let names: Vec<_> = recipients.iter().map(ToString::to_string).collect();
        let selector = *random.pick(SELECTORS);
        let mac_only = random.once_in(4);
        let (readers, groups, threshold) = if random.once_in(4) {
            let groups: Vec<_> = recipients.iter().map(|one| vec![one.clone()]).collect();
            let readers = KeyGroups::new(&groups, Some(2)).expect("two of three");
            (readers, names.into_iter().map(|name| vec![name]).collect::<Vec<_>>(), 2)
        } else {
            let count = 1 + random.below(2);
            (KeyGroups::one(&recipients[..count]), vec![names[..count].to_vec()], 0)
        };
        let request = json!({
            "groups": groups, "threshold": threshold, "mac_only": mac_only,
            "selector": selector.map(|(field, text)| vec![field, text]),
        });
        let selector = selector
            .map(|(field, text)| Selector::from_field(field, text).expect("a rule").expect("one of the six"));
        Self { readers, selector, mac_only, request }
    }

    fn plain(recipients: &[Recipient]) -> Self {
        let readers = KeyGroups::one(&recipients[..1]);
        let request = json!({ "groups": [[recipients[0].to_string()]] });
        Self { readers, selector: None, mac_only: false, request }
    }

    fn seal(&self, plaintext: &Plaintext) -> Result<String, SopsError> {
        let policy = Policy {
            readers: &self.readers,
            selector: self.selector.as_ref(),
            mac_only_encrypted: self.mac_only,
            indent: None,
        };
        plaintext.seal(&policy, TIME)
    }
}

/// What was found in many texts.
#[derive(Default)]
struct Tally {
    agreed: usize,
    /// Refused by both.
    refused: usize,
    /// By name: refused by us, or written in another way, since sops loses something.
    named: BTreeMap<String, usize>,
    faults: Vec<String>,
}

impl Tally {
    fn finish(self, what: &str) {
        let Self { agreed, refused, named, mut faults } = self;
        faults.sort_by_key(String::len);
        // Not eprintln: the test runner would keep it to itself, as the test passes.
        writeln!(std::io::stderr(), "{what}: {agreed} agreed, {refused} refused by both, named: {named:?}")
            .expect("stderr takes a line");
        let shown: Vec<_> = faults
            .iter()
            .take(
                setting("QUORATE_DIFFERENTIAL_SHOWN").map_or(8, |count| usize::try_from(count).expect("few")),
            )
            .map(String::as_str)
            .collect();
        assert!(faults.is_empty(), "{} disagreements, such as\n\n{}", faults.len(), shown.join("\n\n"));
    }
}

/// Why one text ended before its end.
enum End {
    RefusedByBoth,
    Named(&'static str),
    Fault(String),
}

/// Where we refuse what sops takes, since it loses something of it in silence.
fn name(error: &SopsError) -> Option<&'static str> {
    match error {
        SopsError::LosesDigits { .. } => Some("a number loses digits"),
        SopsError::DuplicateKey { .. } => Some("a key is there twice"),
        SopsError::UnclearComment { .. } => Some("a comment cuts a value off"),
        SopsError::LostComment { .. } => Some("a comment is lost"),
        SopsError::CannotHold { .. } => Some("a store cannot hold a value"),
        _ => None,
    }
}

/// The values with one kind of numbers: sops prints a float without a fraction as an integer.
fn numbers(values: &[String]) -> Vec<String> {
    values.iter().map(|value| value.replacen(" float64 ", " int ", 1)).collect()
}

fn text_of(plaintext: &Plaintext, store: Store) -> Result<Vec<u8>, SopsError> {
    Ok(plaintext.write(store, None)?.expose_bytes().to_vec())
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One text, and another that it is edited to.
struct Case<'c> {
    store: Store,
    sides: &'c mut Sides,
    seal: Seal,
    text: Vec<u8>,
    edited: Vec<u8>,
}

impl Case<'_> {
    fn run(mut self) -> Result<Option<&'static str>, End> {
        let store = self.store;
        let ours = Plaintext::parse(&Secret::from(self.text.clone()), store).and_then(|plaintext| {
            let sealed = self.seal.seal(&plaintext)?;
            Ok((plaintext, sealed))
        });
        let theirs = self.sides.sops.encrypt(store, &self.text, &self.seal.request);
        let ((plaintext, ours), theirs) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(_), Err(_)) => return Err(End::RefusedByBoth),
            (Err(error), Ok(_)) => {
                let fault = || End::Fault(format!("refused by us alone: {error}"));
                return Err(name(&error).map_or_else(fault, End::Named));
            }
            (Ok((_, sealed)), Err(error)) => {
                return Err(End::Fault(format!("refused by sops alone: {error}; ours:\n{sealed}")));
            }
        };
        let from_theirs = match self.sides.sops.decrypt(store, &theirs.text) {
            Ok(answer) => answer,
            Err(error) => return self.without_sops(&error, &ours),
        };
        let from_ours = self.sops_opens("our file", ours.as_bytes())?;
        if from_ours != from_theirs {
            return self.apart(&from_ours, &from_theirs);
        }
        let name = self.we_print(&plaintext, &from_theirs)?;
        for (what, sealed) in [("its file", theirs.text.as_slice()), ("our own file", ours.as_bytes())] {
            let opened = self.we_open(what, sealed)?;
            self.we_print(&opened.plaintext(), &from_theirs)?;
        }
        for sealed in [theirs.text.as_slice(), ours.as_bytes()] {
            self.in_turns(sealed)?;
        }
        Ok(name)
    }

    /// sops cannot open what it sealed, or not print it: our file it opens to what it read.
    fn without_sops(&mut self, error: &str, ours: &str) -> Result<Option<&'static str>, End> {
        let store = self.store;
        let opened = self.sides.sops.decrypt(store, ours.as_bytes());
        match (opened, self.sides.sops.read(store, &self.text)) {
            (Err(ours), _) if ours == error && error.starts_with("panic: ") => Err(End::Named("sops panics")),
            (Ok(opened), Ok(read)) if numbers(&opened.values) == numbers(&read.values) => {
                Err(End::Named("sops cannot open its own file"))
            }
            (opened, read) => Err(End::Fault(format!(
                "sops cannot open its own file: {error}\nours: {:#?}\nread: {:#?}\n{ours}",
                opened.map(|opened| opened.values),
                read.map(|read| read.values)
            ))),
        }
    }

    /// We edit, sops edits, we edit: each time both open the file to the same.
    fn in_turns(&mut self, sealed: &[u8]) -> Result<(), End> {
        let store = self.store;
        let Ok(other) = Plaintext::parse(&Secret::from(self.edited.clone()), store) else { return Ok(()) };
        let opened = self.we_open("what is edited", sealed)?;
        let first = match opened.edited(&other, TIME) {
            Ok(text) => text.unwrap_or_else(|| shown(sealed)),
            Err(error) if name(&error).is_some() => return Ok(()),
            Err(error) => return Err(End::Fault(format!("our edit failed: {error}"))),
        };
        let found = self.sops_opens("our edit", first.as_bytes())?;
        self.we_print(&other, &found)?;
        let text = self.text.clone();
        let second = self.sides.sops.edit(store, first.as_bytes(), &text);
        let second =
            second.map_err(|error| End::Fault(format!("sops' edit of ours failed: {error}\n{first}")))?;
        let found = self.sops_opens("its edit of ours", &second.text)?;
        let opened = self.we_open("its edit of ours", &second.text)?;
        self.we_print(&opened.plaintext(), &found)?;
        match opened.edited(&other, TIME) {
            Ok(Some(third)) => {
                let found = self.sops_opens("our edit of its edit", third.as_bytes())?;
                self.we_print(&other, &found)?;
            }
            Ok(None) => {}
            Err(error) => return Err(End::Fault(format!("our edit of its edit failed: {error}"))),
        }
        Ok(())
    }

    fn sops_opens(&mut self, what: &str, sealed: &[u8]) -> Result<Answer, End> {
        let answer = self.sides.sops.decrypt(self.store, sealed);
        answer.map_err(|error| End::Fault(format!("sops cannot open {what}: {error}\n{}", shown(sealed))))
    }

    fn we_open(&self, what: &str, sealed: &[u8]) -> Result<Opened, End> {
        let opened = self.sides.open(self.store, sealed);
        opened.map_err(|error| End::Fault(format!("we cannot open {what}: {error}\n{}", shown(sealed))))
    }

    /// sops finds in its own file something else than in ours: then ours is what it read.
    fn apart(&mut self, ours: &Answer, theirs: &Answer) -> Result<Option<&'static str>, End> {
        let read = self.sides.sops.read(self.store, &self.text);
        if read.is_ok_and(|read| {
            numbers(&read.values) == numbers(&ours.values) && numbers(&read.values) != numbers(&theirs.values)
        }) {
            return Err(End::Named("sops opens its own file to something else"));
        }
        let (ours, theirs) = if ours.values == theirs.values {
            (shown(&ours.text), shown(&theirs.text))
        } else {
            (format!("{:#?}", ours.values), format!("{:#?}", theirs.values))
        };
        Err(End::Fault(format!("our file and its own, as sops opens them, differ:\n{ours}\nand\n{theirs}")))
    }

    /// Our text is sops' text, or sops' text does not say what the file holds and ours does.
    fn we_print(&mut self, plaintext: &Plaintext, expected: &Answer) -> Result<Option<&'static str>, End> {
        let ours = match text_of(plaintext, self.store) {
            Ok(ours) => ours,
            Err(error) => {
                let lost = self.sops_loses(expected);
                return match name(&error) {
                    Some(name) if lost => Err(End::Named(name)),
                    _ => Err(End::Fault(format!("we cannot print it: {error}\n{}", shown(&expected.text)))),
                };
            }
        };
        if ours == expected.text {
            return Ok(None);
        }
        if self.store == Store::Yaml {
            let [ours, theirs] =
                [&ours, &expected.text].map(|text| self.sides.sops.read_comments_above(self.store, text));
            if ours.is_ok() && ours == theirs {
                return Ok(Some("a comment behind a value stays there"));
            }
        }
        let read = self.sides.sops.read(self.store, &ours);
        let is_right = read.is_ok_and(|read| numbers(&read.values) == numbers(&expected.values));
        if is_right && self.sops_loses(expected) {
            return Ok(Some("sops prints what reads back as something else"));
        }
        Err(End::Fault(format!("our text:\n{}\nsops' text:\n{}", shown(&ours), expected.as_text())))
    }

    /// Whether the text that sops prints for a file is not what the file holds.
    fn sops_loses(&mut self, expected: &Answer) -> bool {
        let read = self.sides.sops.read(self.store, &expected.text);
        !read.is_ok_and(|read| numbers(&read.values) == numbers(&expected.values))
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Many texts of a store, each made from a seed of its own.
fn compare(store: Store) {
    let Some(mut sides) = Sides::start() else { return };
    let count =
        setting("QUORATE_DIFFERENTIAL_CASES").map_or(CASES, |count| usize::try_from(count).expect("few"));
    let first = setting("QUORATE_DIFFERENTIAL_SEED").unwrap_or(1);
    let mut tally = Tally::default();
    for seed in (first..).take(count) {
        let mut random = Random::new(seed);
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
        match case.run() {
            Ok(name) => {
                tally.agreed += 1;
                if let Some(name) = name {
                    *tally.named.entry(name.to_owned()).or_default() += 1;
                }
            }
            Err(End::RefusedByBoth) => tally.refused += 1,
            Err(End::Named(name)) => *tally.named.entry(name.to_owned()).or_default() += 1,
            Err(End::Fault(fault)) => tally.faults.push(format!("{note}\n{}\n{fault}", shown(&text))),
        }
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
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
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
            let sealed = fs::read(&path).expect("a vector");
            match compare_sealed(&mut sides, store, &sealed) {
                Ok(None) => tally.agreed += 1,
                Ok(Some(name)) | Err(End::Named(name)) => {
                    *tally.named.entry(name.to_owned()).or_default() += 1;
                }
                Err(End::RefusedByBoth) => tally.refused += 1,
                Err(End::Fault(fault)) => tally.faults.push(format!("{}: {fault}", path.display())),
            }
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
        match case.run() {
            Ok(None) => tally.agreed += 1,
            Ok(Some(name)) | Err(End::Named(name)) => *tally.named.entry(name.to_owned()).or_default() += 1,
            Err(End::RefusedByBoth) => tally.refused += 1,
            Err(End::Fault(fault)) => tally.faults.push(format!("{}: {fault}", path.display())),
        }
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

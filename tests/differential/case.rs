//! One text through both programs, and what they agreed on.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Opened, Plaintext, Policy, SealedFile, Selector, SopsError, Store};
use serde_json::{Value, json};

use super::random::Random;
use super::sops::{Answer, Sops};
use super::texts::SELECTORS;

/// Where it stands in what sops sealed, sops takes it for one of another map and shows its ciphertext, or has it no more.
const LOST: &str = "sops loses a comment of its own file";

pub(crate) const TIME: &str = "2026-11-21T03:02:57Z";

/// The keys that the vectors are sealed to.
const KEYS: [&str; 2] = [
    include_str!("../../secrets/tests/vectors/sops/keys/k.txt"),
    include_str!("../../secrets/tests/vectors/sops/keys/k2.txt"),
];

/// Both programs, with the same identities.
pub(crate) struct Sides {
    pub(crate) sops: Sops,
    pub(crate) identities: Vec<Identity>,
    pub(crate) recipients: Vec<Recipient>,
}

impl Sides {
    /// `None` when sops is missing.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(Path::new("/nonexistent"))
    }

    pub(crate) fn start_with(gpg: &Path) -> Option<Self> {
        let parse = |text: &&str| Identity::parse_all(&Secret::from(*text)).expect("the keys of the vectors");
        let mut identities: Vec<_> = KEYS.iter().flat_map(parse).collect();
        let (third, _) = Identity::generate();
        let third_text = third.expose_text().expect("text").to_owned();
        identities.extend(Identity::parse_all(&third).expect("a key of ours"));
        let lines = KEYS.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("AGE-"));
        let lines: Vec<_> = lines.map(str::to_owned).chain([third_text.trim().to_owned()]).collect();
        let recipients = identities.iter().filter_map(|identity| identity.recipient().cloned()).collect();
        Some(Self { sops: Sops::start(&lines.join("\n"), gpg)?, identities, recipients })
    }

    pub(crate) fn open(&self, store: Store, sealed: &[u8]) -> Result<Opened, SopsError> {
        SealedFile::parse(&String::from_utf8_lossy(sealed), store)?.open(&self.identities)
    }
}

/// How a text is sealed, by both.
pub(crate) struct Seal {
    pub(crate) readers: KeyGroups,
    pub(crate) selector: Option<Selector>,
    pub(crate) mac_only: bool,
    /// The same for sops.
    pub(crate) request: Value,
}

impl Seal {
    pub(crate) fn random(random: &mut Random, recipients: &[Recipient]) -> Self {
        let names: Vec<_> = recipients.iter().map(ToString::to_string).collect();
        let selector = random.pick(SELECTORS);
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

    pub(crate) fn plain(recipients: &[Recipient]) -> Self {
        let readers = KeyGroups::one(&recipients[..1]);
        let request = json!({ "groups": [[recipients[0].to_string()]] });
        Self { readers, selector: None, mac_only: false, request }
    }

    pub(crate) fn seal(&self, plaintext: &Plaintext) -> Result<String, SopsError> {
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
pub(crate) struct Tally {
    pub(crate) agreed: usize,
    /// Refused by both.
    pub(crate) refused: usize,
    /// By name: refused by us, or written in another way, since sops loses something.
    pub(crate) named: BTreeMap<String, usize>,
    pub(crate) faults: Vec<String>,
}

impl Tally {
    /// Adds how one text went; `note` is what a fault is found again by.
    pub(crate) fn add(&mut self, outcome: Result<Option<&'static str>, End>, note: &str) {
        match outcome {
            Ok(None) => self.agreed += 1,
            Ok(Some(name)) | Err(End::Named(name)) => *self.named.entry(name.to_owned()).or_default() += 1,
            Err(End::RefusedByBoth) => self.refused += 1,
            Err(End::Fault(fault)) => self.faults.push(format!("{note}\n{fault}")),
        }
    }

    pub(crate) fn finish(self, what: &str) {
        let Self { agreed, refused, named, mut faults } = self;
        faults.sort_by_key(String::len);
        // Not eprintln: the test runner would keep it to itself, as the test passes.
        writeln!(std::io::stderr(), "{what}: {agreed} agreed, {refused} refused by both, named: {named:?}")
            .expect("stderr takes a line");
        let most = setting("QUORATE_DIFFERENTIAL_SHOWN").unwrap_or(8);
        let shown: Vec<_> = faults.iter().take(most).map(String::as_str).collect();
        assert!(faults.is_empty(), "{} disagreements, such as\n\n{}", faults.len(), shown.join("\n\n"));
    }
}

/// Why one text ended before its end.
pub(crate) enum End {
    RefusedByBoth,
    Named(&'static str),
    Fault(String),
}

/// Where we refuse what sops takes, since it loses something of it in silence.
pub(crate) fn name(error: &SopsError) -> Option<&'static str> {
    match error {
        SopsError::LosesDigits { .. } => Some("a number loses digits"),
        SopsError::DuplicateKey { .. } => Some("a key is there twice"),
        SopsError::UnclearComment { .. } => Some("a comment cuts a value off"),
        SopsError::LostComment { .. } => Some("a comment is lost"),
        SopsError::CannotHold { .. } => Some("a store cannot hold a value"),
        _ => None,
    }
}

/// Whether two texts have the same lines, comments taken out, and the first all the comments of the second.
fn has_comments_of(ours: &str, theirs: &str) -> bool {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let values = |text: &str| {
        // Between two comments sops may leave a line empty.
        let lines = text.lines().filter(|line| !is_comment(line) && !line.trim().is_empty());
        lines.map(|line| line.split(" #").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let comments = |text: &str| {
        let comments = text.lines().filter_map(|line| Some(line.get(line.find('#')?..)?.trim().to_owned()));
        comments.collect::<Vec<_>>()
    };
    let mut kept = comments(ours);
    let mut has = |one: &String| {
        let found = kept.iter().position(|other| other == one);
        found.map(|found| kept.remove(found)).is_some()
    };
    values(ours) == values(theirs) && comments(theirs).iter().all(&mut has)
}

/// The values with one kind of numbers: sops prints a float without a fraction as an integer.
fn numbers(values: &[String]) -> Vec<String> {
    values.iter().map(|value| value.replacen(" float64 ", " int ", 1)).collect()
}

pub(crate) fn text_of(plaintext: &Plaintext, store: Store) -> Result<Vec<u8>, SopsError> {
    Ok(plaintext.write(store, None)?.expose_bytes().to_vec())
}

pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One text, and another that it is edited to.
pub(crate) struct Case<'c> {
    pub(crate) store: Store,
    pub(crate) sides: &'c mut Sides,
    pub(crate) seal: Seal,
    pub(crate) text: Vec<u8>,
    pub(crate) edited: Vec<u8>,
}

impl Case<'_> {
    pub(crate) fn run(mut self) -> Result<Option<&'static str>, End> {
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
    pub(crate) fn in_turns(&mut self, sealed: &[u8]) -> Result<(), End> {
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

    pub(crate) fn sops_opens(&mut self, what: &str, sealed: &[u8]) -> Result<Answer, End> {
        let answer = self.sides.sops.decrypt(self.store, sealed);
        answer.map_err(|error| End::Fault(format!("sops cannot open {what}: {error}\n{}", shown(sealed))))
    }

    pub(crate) fn we_open(&self, what: &str, sealed: &[u8]) -> Result<Opened, End> {
        let opened = self.sides.open(self.store, sealed);
        opened.map_err(|error| End::Fault(format!("we cannot open {what}: {error}\n{}", shown(sealed))))
    }

    /// sops finds in its own file something else than in ours: then ours is what it read.
    fn apart(&mut self, ours: &Answer, theirs: &Answer) -> Result<Option<&'static str>, End> {
        let read = self.sides.sops.read(self.store, &self.text);
        if read.as_ref().is_ok_and(|read| {
            numbers(&read.values) == numbers(&ours.values) && numbers(&read.values) != numbers(&theirs.values)
        }) {
            return Err(End::Named("sops opens its own file to something else"));
        }
        if ours.values == theirs.values {
            if read
                .as_ref()
                .is_ok_and(|read| read.comments == ours.comments && ours.comments != theirs.comments)
            {
                return Err(End::Named("sops has a comment of its own file elsewhere"));
            }
            if read.is_ok_and(|read| read.remarks() == ours.remarks() && ours.remarks() != theirs.remarks()) {
                return Err(End::Named(LOST));
            }
            if has_comments_of(ours.as_text(), theirs.as_text()) {
                return Err(End::Named("a comment behind what is empty stays there"));
            }
        }
        let (ours, theirs) = if ours.values == theirs.values {
            (shown(&ours.text), shown(&theirs.text))
        } else {
            (format!("{:#?}", ours.values), format!("{:#?}", theirs.values))
        };
        Err(End::Fault(format!("our file and its own, as sops opens them, differ:\n{ours}\nand\n{theirs}")))
    }

    /// Our text is sops' text, or sops' text does not say what the file holds and ours does.
    pub(crate) fn we_print(
        &mut self,
        plaintext: &Plaintext,
        expected: &Answer,
    ) -> Result<Option<&'static str>, End> {
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
        let is_same = read.as_ref().is_ok_and(|read| numbers(&read.values) == numbers(&expected.values));
        if is_same && self.sops_loses(expected) {
            return Ok(Some("sops prints what reads back as something else"));
        }
        if is_same && read.is_ok_and(|read| read.comments == expected.comments) && self.sops_moves(expected) {
            return Ok(Some("sops prints a comment elsewhere than it has it"));
        }
        if is_same && expected.is_closed() && self.sops_closes(&ours) {
            return Err(End::Named(LOST));
        }
        Err(End::Fault(format!("our text:\n{}\nsops' text:\n{}", shown(&ours), expected.as_text())))
    }

    /// Whether the text that sops prints for a file has a comment in another place than the file.
    fn sops_moves(&mut self, expected: &Answer) -> bool {
        let read = self.sides.sops.read(self.store, &expected.text);
        !read.is_ok_and(|read| read.comments == expected.comments)
    }

    /// Whether sops shows a comment of this text as a ciphertext when it has sealed and opened it.
    fn sops_closes(&mut self, text: &[u8]) -> bool {
        let sealed = self.sides.sops.encrypt(self.store, text, &self.seal.request);
        let opened = sealed.and_then(|sealed| self.sides.sops.decrypt(self.store, &sealed.text));
        opened.is_ok_and(|opened| opened.is_closed())
    }

    /// Whether the text that sops prints for a file is not what the file holds.
    fn sops_loses(&mut self, expected: &Answer) -> bool {
        let read = self.sides.sops.read(self.store, &expected.text);
        !read.is_ok_and(|read| numbers(&read.values) == numbers(&expected.values))
    }
}

/// A number from the environment.
pub(crate) fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

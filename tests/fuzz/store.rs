//! What holds for every store: whatever is read in it is written so that it reads back, in the open and sealed, and an
//! edit changes what it says and nothing else.

use quorate_secrets::identity::Identity;
use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{KeyGroups, Path, Plaintext, Policy, SealedFile, Selector, Store};

// A throwaway key, see secrets/tests/vectors/sops/PROVENANCE.md.
const KEY: &str = include_str!("../../secrets/tests/vectors/sops/keys/k.txt");
const NOW: &str = "2026-01-02T03:04:05Z";

thread_local! {
    static IDENTITIES: Vec<Identity> = Identity::parse_all(&Secret::from(KEY)).expect("a fixture key");
}

/// Takes the input as plaintext of the store, and as a sealed file of it.
pub(crate) fn holds(store: Store, input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        IDENTITIES.with(|identities| sealed(store, text, identities));
    }
    let Ok(plaintext) = Plaintext::parse(&Secret::from_bytes(input.to_vec()), store) else { return };
    // What the store can read and not write is an error with a reason, such as a key with a line break in it.
    let Ok(written) = plaintext.write(store, None) else { return };
    let again = read(store, &written);
    assert_eq!(values(&plaintext), values(&again), "{}", shown(&written));
    // A comment of INI that begins with its own mark loses it, as in sops. One of YAML that would end the text below a
    // nested block has no place of its own in the open: sops, and we, find it outside of that block, and there it stays.
    let second = again.write(store, None).expect("written once");
    let third = || read(store, &second).write(store, None).expect("written twice");
    let settles = second.same_as(&written) || (store == Store::Yaml && third().same_as(&second));
    assert!(settles || store == Store::Ini, "{} and {}", shown(&written), shown(&second));
    IDENTITIES.with(|identities| round(store, &plaintext, &written, identities));
}

fn read(store: Store, text: &Secret) -> Plaintext {
    Plaintext::parse(text, store).unwrap_or_else(|error| panic!("{error}: {}", shown(text)))
}

/// Sealed, opened, changed, opened.
fn round(store: Store, plaintext: &Plaintext, written: &Secret, identities: &[Identity]) {
    let me = identities[0].recipient().expect("an age key").clone();
    let readers = KeyGroups::one(&[me]);
    // Everything encrypted: nothing of the input may be found in it by a name of its own.
    let all = Selector::from_field("encrypted_regex", "^").expect("an expression");
    let policy =
        Policy { readers: &readers, selector: all.as_ref(), mac_only_encrypted: false, indent: None };
    let Ok(sealed) = plaintext.seal(&policy, NOW) else { return };
    let opened = open(store, &sealed, identities);
    let back = opened.plaintext().write(store, None).expect("written once");
    // An encrypted comment of a list has no place behind a value: it stands above, from then on for ever.
    assert_eq!(values(plaintext), values(&opened.plaintext()), "{} and {}", shown(written), shown(&back));
    let sealed = opened.plaintext().seal(&policy, NOW).expect("sealed once");
    let opened = open(store, &sealed, identities);
    let again = opened.plaintext().write(store, None).expect("written once");
    assert!(
        again.same_as(&back) || store == Store::Ini,
        "{} and {} of {sealed}",
        shown(&back),
        shown(&again)
    );
    assert_eq!(opened.edited(&opened.plaintext(), NOW), Ok(None));
    let mut changed = opened.plaintext();
    let path: Path = "fuzz-new".parse().expect("a path");
    if store != Store::Ini && changed.set_text(&path, &Secret::from("a new one")).is_ok() {
        let Ok(Some(edited)) = opened.edited(&changed, NOW) else { return };
        let expected = changed.write(store, None).expect("one key more");
        let found = open(store, &edited, identities).plaintext().write(store, None).expect("written once");
        assert!(found.same_as(&expected), "{} and {}", shown(&expected), shown(&found));
    }
}

fn open(store: Store, text: &str, identities: &[Identity]) -> quorate_secrets::sops::Opened {
    let file = SealedFile::parse(text, store).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    file.open(identities).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// A file that others sealed, or damaged.
fn sealed(store: Store, text: &str, identities: &[Identity]) {
    let opened = SealedFile::parse(text, store).and_then(|file| file.open_unverified(identities));
    match opened {
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
        Ok(opened) => {
            assert_eq!(opened.edited(&opened.plaintext(), NOW), Ok(None));
            let mut changed = opened.plaintext();
            let path: Path = "fuzz-new".parse().expect("a path");
            if store != Store::Ini && changed.set_text(&path, &Secret::from("a new one")).is_ok() {
                if let Ok(Some(edited)) = opened.edited(&changed, NOW) {
                    open(store, &edited, identities);
                }
            }
        }
    }
}

/// Every value of the first document; none where JSON cannot hold one.
fn values(plaintext: &Plaintext) -> Option<String> {
    let json = plaintext.get_json(&Path::default()).ok()?;
    Some(String::from_utf8_lossy(json.expose_bytes()).into_owned())
}

fn shown(text: &Secret) -> String {
    format!("{:?}", String::from_utf8_lossy(text.expose_bytes()))
}

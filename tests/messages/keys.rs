//! Identities and recipients that need a passphrase or a plugin.

use std::fs;

use quorate::error::Error;
use quorate_secrets::age_file::AgeError;
use quorate_secrets::identity::{IdentityError, UseError};
use quorate_secrets::sops::SopsError;

use crate::case::{Case, case, generated, script, secrets, secrets_with, told, value};

const KEYS: &str = "home/.config/sops/age/keys.txt";

/// Eight zero bytes, in the form of an identity of `age-plugin-token` and of a recipient.
const IDENTITY: &str = "AGE-PLUGIN-TOKEN-1QQQQQQQQQQQQQK4J263";
const RECIPIENT: &str = "age1token1qqqqqqqqqqqqqyteddn";
/// The same of 32 bytes, for `age-plugin-pq`.
const POST_QUANTUM: &str = "AGE-SECRET-KEY-PQ-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQAE0WQE";

/// A sealed file, looked at with this as the only identity.
fn with(what: &str, text: impl AsRef<[u8]>) -> Case {
    let text = text.as_ref().to_owned();
    secrets(what, &["view", "db"], move |project| project.write(KEYS, &text))
}

/// What is wrong with an identity, told as `pki` and `secrets` tell it.
fn identity(what: &str, error: fn() -> IdentityError) -> Case {
    value(what, move || {
        let error = error();
        let place = "/etc/ssh/ssh_host_ed25519_key".to_owned();
        Error::Identity { place, cause: error.to_string(), hint: error.hint().to_owned() }
    })
}

/// Why an identity could not be used when it was needed.
fn in_use(what: &str, error: fn(String) -> UseError) -> Case {
    value(what, move || {
        let error = error("~/.config/sops/age/keys.txt".to_owned());
        Error::Identity { place: error.place().to_owned(), cause: error.to_string(), hint: error.hint() }
    })
}

/// Why an age file could not be sealed or opened.
fn age(what: &str, error: fn() -> AgeError) -> Case {
    value(what, move || {
        let error = error();
        Error::Sealed { file: "cp1/etcd-peer.age".to_owned(), cause: error.to_string(), hint: error.hint() }
    })
}

fn vector(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("secrets/tests/vectors/ssh");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// What asks a person, where there is none.
pub(crate) fn passphrases() -> Vec<Case> {
    let sealed = |inner: &[u8]| {
        let (_, recipient) = quorate_secrets::identity::Identity::generate();
        let text = quorate_secrets::secret::Secret::from_bytes(inner.to_vec());
        let encoding = quorate_secrets::age_file::Encoding::Armored;
        quorate_secrets::age_file::encrypt(&text, &[recipient], encoding).unwrap()
    };
    vec![
        with("identities that are sealed to somebody", sealed(b"AGE-SECRET-KEY-1")),
        with("an SSH key in the old form, with a passphrase", vector("id_rsa_pass.pem")),
        identity("identities within identities", || IdentityError::Nested),
        identity("identities that were cut off", || IdentityError::DamagedFile),
        identity("a passphrase that takes hours", || IdentityError::Inside(AgeError::Work)),
        identity("a host key with a passphrase", || IdentityError::EncryptedHostKey),
        in_use("nobody to ask for a passphrase", |place| UseError::Nobody { place }),
        in_use("three wrong passphrases", |place| UseError::Passphrase { place }),
        age("a wrong passphrase", || AgeError::WrongPassphrase),
        age("a passphrase that takes hours", || AgeError::Work),
    ]
}

/// Programs called `age-plugin-...`.
pub(crate) fn plugins() -> Vec<Case> {
    let seal = |what: &str, text: Option<&'static str>| {
        secrets_with(what, &["encrypt", "--filename", "secrets/a.yaml", "-"], &[], "a: 1\n", move |project| {
            project.write(".sops.yaml", format!("creation_rules: [{{age: {RECIPIENT}}}]\n"));
            text.inspect(|text| script(project, "age-plugin-token", text));
        })
    };
    vec![
        seal("a plugin that is not here, to seal", None),
        seal("a plugin that ends at once, to seal", Some("exit 1")),
        with("a plugin that is not here", IDENTITY),
        with("the plugin for post-quantum keys, not here", POST_QUANTUM),
        secrets("a plugin that ends at once", &["view", "db"], |project| {
            project.write(KEYS, IDENTITY);
            script(project, "age-plugin-token", "exit 1");
        }),
        in_use("a plugin that finds something else", |place| UseError::Plugin {
            place,
            name: "token".to_owned(),
            said: "what it found is no file key".to_owned(),
        }),
        age("a plugin that is not here", || AgeError::NoPlugin { name: "yubikey".to_owned() }),
        age("a plugin that refuses", || AgeError::Plugin {
            name: "yubikey".to_owned(),
            said: "no YubiKey is plugged in".to_owned(),
        }),
        age("a post-quantum recipient beside another one", || AgeError::Mixed),
        case("an identity of a plugin alone, and nobody named to seal to", || {
            let project = generated();
            fs::remove_dir_all(project.path("certs")).unwrap();
            project.write(KEYS, IDENTITY);
            let (line, out, err) = told(&project, &["gen"], &[]);
            format!("{line}\n{out}{err}")
        }),
    ]
}

/// The rest of what sealing in groups can refuse.
pub(crate) fn groups() -> Vec<Case> {
    let errors = [
        SopsError::Threshold { threshold: 3, groups: 2 },
        SopsError::CannotKeep { what: "its key groups".to_owned() },
        SopsError::CannotKeep { what: "a group without age keys".to_owned() },
    ];
    let told = |error: SopsError| {
        value("a file with groups of keys", move || Error::Secrets {
            path: "secrets/db.yaml".into(),
            error: Box::new(error.clone()),
            looked: Vec::new(),
        })
    };
    errors.into_iter().map(told).collect()
}

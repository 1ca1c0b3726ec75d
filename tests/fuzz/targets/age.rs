//! Who reads, and the plainest of sealed files: identities, recipients, host keys, age files; and the scanner for keys
//! that lie in the open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_secrets::age_file::{Encoding, decrypt, encrypt};
use quorate_secrets::identity::Identity;
use quorate_secrets::recipient::Recipient;
use quorate_secrets::scan::{Scanner, scan};
use quorate_secrets::secret::Secret;

// Throwaway keys, see secrets/tests/vectors/sops/PROVENANCE.md.
const KEYS: [&str; 2] = [
    include_str!("../../../secrets/tests/vectors/sops/keys/k.txt"),
    include_str!("../../../secrets/tests/vectors/sops/keys/sshk"),
];

thread_local! {
    static IDENTITIES: Vec<Identity> = KEYS
        .iter()
        .flat_map(|text| Identity::parse_all(&Secret::from(*text)).expect("a fixture key"))
        .collect();
}

fuzz_target!(|input: &[u8]| {
    IDENTITIES.with(|identities| match decrypt(input, identities) {
        Ok(secret) => assert!(secret.expose_bytes().len() < input.len(), "a seal takes room"),
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    });
    let secret = Secret::from_bytes(input.to_vec());
    match Identity::parse_all(&secret) {
        Ok(found) => {
            assert!(!found.is_empty());
            found.iter().for_each(opens_what_it_receives);
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
    if let Ok(identity) = Identity::from_ssh_host_key(&secret) {
        opens_what_it_receives(&identity);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        recipients(text);
    }
    in_pieces(input);
});

/// Both halves of an identity that was read belong together.
fn opens_what_it_receives(identity: &Identity) {
    // The others ask a person, a command or a plugin, and nobody is here.
    let Some(recipient) = identity.recipient().filter(|_| identity.is_ready()) else { return };
    let recipient = std::slice::from_ref(recipient);
    let file = encrypt(&Secret::from("x"), recipient, Encoding::Binary).expect("sealed to its own half");
    let opened = decrypt(&file, std::slice::from_ref(identity)).expect("opened by the other half");
    assert!(opened.same_as(&Secret::from("x")));
}

/// A recipient that is read is written and read again to the same.
fn recipients(text: &str) {
    for recipient in [text.parse::<Recipient>(), Recipient::from_ssh_host_key(text)].into_iter().flatten() {
        let again: Recipient = recipient.to_string().parse().expect("our own text is read");
        assert_eq!(again, recipient);
        assert_eq!(recipient.key().parse::<Recipient>().as_ref(), Ok(&recipient));
        if recipient.plugin().is_none() {
            assert!(encrypt(&Secret::from("x"), &[recipient], Encoding::Armored).is_ok());
        }
    }
}

/// However a file arrives, what is found in it stands at the same places.
fn in_pieces(input: &[u8]) {
    let whole = scan(input);
    for found in &whole {
        let before = input.get(..found.offset).expect("within the file");
        assert_eq!(found.line, before.split(|byte| *byte == b'\n').count());
    }
    let mut scanner = Scanner::new();
    input.chunks(input.len() / 3 + 1).for_each(|piece| scanner.feed(piece));
    assert_eq!(scanner.finish(), whole);
}

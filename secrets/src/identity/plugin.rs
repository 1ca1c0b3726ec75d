//! Identities that a program of their own uses: `age-plugin-<name>`, found on PATH, started when nothing else opens a
//! file. The protocol is age's.

use std::sync::{Mutex, PoisonError};

use age::plugin::{self, IdentityPluginV1};
use age::secrecy::SecretString;
use age::{Callbacks, DecryptError, Identity as _};
use age_core::format::{FileKey, Stanza};
use bech32::{Bech32, Hrp};
use zeroize::Zeroizing;

use super::{Origin, Person, Question, UseError};

/// The plugin of post-quantum keys, which comes with age itself.
pub(crate) const POST_QUANTUM: &str = "pq";

/// A plugin's identity.
pub(super) struct Plugin {
    key: plugin::Identity,
    place: String,
    person: Person,
    failure: Mutex<Option<UseError>>,
}

impl Plugin {
    /// `AGE-PLUGIN-<NAME>-1...`; `None` when that does not decode.
    pub(super) fn parse(text: &str, origin: Origin<'_>) -> Option<Self> {
        let key = text.parse().ok()?;
        let (place, person) = (origin.place.to_owned(), origin.person.clone());
        Some(Self { key, place, person, failure: Mutex::new(None) })
    }

    /// `AGE-SECRET-KEY-PQ-1...` as its plugin takes it: the same bytes under another name, as `age-plugin-pq -identity`
    /// prints them.
    pub(super) fn of_post_quantum(text: &str, origin: Origin<'_>) -> Option<Self> {
        let (_, bytes) = bech32::decode(text).ok()?;
        let bytes = Zeroizing::new(bytes);
        let text = bech32::encode_upper::<Bech32>(Hrp::parse("age-plugin-pq-").ok()?, &bytes).ok()?;
        Self::parse(&Zeroizing::new(text), origin)
    }

    pub(super) fn name(&self) -> &str {
        self.key.plugin()
    }

    /// Starts the program and lets it look at the stanzas.
    pub(super) fn unwrap(&self, stanzas: &[Stanza]) -> Option<FileKey> {
        let _turn = self.person.turn();
        let name = self.name();
        let person = self.person.clone();
        let unwrapped = match IdentityPluginV1::new(name, std::slice::from_ref(&self.key), person) {
            Ok(plugin) => plugin.unwrap_stanzas(stanzas)?,
            Err(_) => Err(DecryptError::PluginResolve(plugin::ResolveError::MissingPlugin {
                binary_name: name.to_owned(),
            })),
        };
        unwrapped.map_err(|error| self.failed(&error)).ok()
    }

    fn failed(&self, error: &DecryptError) {
        let (place, name) = (self.place.clone(), self.name().to_owned());
        let failure = match error {
            DecryptError::PluginResolve(_) => UseError::NoPlugin { place, name },
            DecryptError::Plugin(errors) => UseError::Plugin { place, name, said: said(errors) },
            DecryptError::Io(_) => {
                UseError::Plugin { place, name, said: "it ended without an answer".to_owned() }
            }
            _ => UseError::Plugin { place, name, said: "what it found is no file key".to_owned() },
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    pub(super) fn failure(&self) -> Option<UseError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a plugin says went wrong, on one line, without age's words around it and the marks that its translations set.
pub(crate) fn said(errors: &[impl ToString]) -> String {
    let own = |text: &str| match text.split_once(": ") {
        Some((head, own)) if head.starts_with('\'') => own.to_owned(),
        _ => text.to_owned(),
    };
    let visible = |text: &str| -> String {
        let letters = text.chars().filter(|letter| !('\u{2066}'..='\u{2069}').contains(letter));
        letters.map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    };
    let all: Vec<_> = errors.iter().map(|error| own(visible(&error.to_string()).trim())).collect();
    all.join("; ")
}

/// The remedy where a plugin refused.
pub(crate) fn refused_plugin(name: &str) -> String {
    format!(
        "see that `age-plugin-{name}` has what it needs, its device or its settings, and that `age` itself can use it"
    )
}

impl Callbacks for Person {
    fn display_message(&self, message: &str) {
        let _ = self.ask(Question::Say(message));
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let no = no.unwrap_or("no");
        let answer = self.ask(Question::Line(&format!("{message} (y: {yes}, n: {no})")))?;
        let answer = answer.expose_text().ok()?.trim().to_lowercase();
        Some(answer.starts_with('y') || answer == yes.to_lowercase())
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.ask(Question::Line(description))?.expose_text().ok().map(str::to_owned)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        self.ask(Question::Passphrase(description))?.expose_text().ok().map(SecretString::from)
    }
}

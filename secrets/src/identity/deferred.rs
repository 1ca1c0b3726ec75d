//! Identities that cost something to get at: a passphrase, or a command that asks a password manager. They are got
//! when nothing else opens a file, and once a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age_core::format::Stanza;

use super::{Identity, UseError};

/// Identities that are there once they were asked for.
pub(super) struct Deferred {
    /// Which files it is worth asking for.
    worth: Worth,
    get: Box<Get>,
    got: Mutex<Vec<Got>>,
}

type Get = dyn Fn(Option<&str>) -> Result<Vec<Identity>, UseError> + Send + Sync;

/// Which files an identity may open, so far as that is known before it is there.
pub(super) enum Worth {
    /// Any. What is got is the same for all.
    AnyFile,
    /// Any, and what is got depends on the recipient.
    EachRecipient,
    /// Those with a stanza that begins with these two words: an SSH key's kind and the tag of its public half.
    Stanza([String; 2]),
}

struct Got {
    recipient: Option<String>,
    outcome: Result<Arc<Vec<Identity>>, UseError>,
}

impl Deferred {
    pub(super) fn new(
        worth: Worth,
        get: impl Fn(Option<&str>) -> Result<Vec<Identity>, UseError> + Send + Sync + 'static,
    ) -> Self {
        Self { worth, get: Box::new(get), got: Mutex::new(Vec::new()) }
    }

    /// What was got so far.
    pub(super) fn ready(&self) -> Vec<Arc<Vec<Identity>>> {
        self.got().iter().filter_map(|got| got.outcome.as_ref().ok().cloned()).collect()
    }

    /// Gets what may open a file with these stanzas; nothing where that was done or tried before.
    pub(super) fn get(&self, stanzas: &[Stanza], recipient: Option<&str>) -> Option<Arc<Vec<Identity>>> {
        let recipient = match &self.worth {
            Worth::AnyFile => None,
            Worth::EachRecipient => recipient,
            Worth::Stanza([kind, tag]) => {
                let ours = |stanza: &Stanza| stanza.tag == *kind && stanza.args.first() == Some(tag);
                if !stanzas.iter().any(ours) {
                    return None;
                }
                None
            }
        };
        // Held until the answer is here: other threads need the same one.
        let mut got = self.got();
        if let Some(known) = got.iter().find(|got| got.recipient.as_deref() == recipient) {
            return known.outcome.as_ref().ok().cloned();
        }
        let outcome = (self.get)(recipient).map(Arc::new);
        got.push(Got { recipient: recipient.map(str::to_owned), outcome: outcome.clone() });
        outcome.ok()
    }

    /// Why it gave nothing, when it was asked and did not.
    pub(super) fn failure(&self) -> Option<UseError> {
        self.got().iter().find_map(|got| got.outcome.as_ref().err().cloned())
    }

    fn got(&self) -> MutexGuard<'_, Vec<Got>> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

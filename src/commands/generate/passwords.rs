//! The share that the passwords of BGP and VRRP have in a run.

use time::OffsetDateTime;

use super::{Job, whole_seconds};
use crate::error::Error;
use crate::identities::Places;
use crate::passwords::Write;
use crate::report;
use crate::words;

impl Job<'_> {
    /// All of their files in memory: what stands there already is opened for it.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] and its like.
    pub(crate) fn make_passwords(&mut self, now: OffsetDateTime) -> Result<Vec<Write>, Error> {
        let Self { passwords, identities, places, .. } = self;
        let made =
            passwords.make(|| identities.get_or_insert_with(|| Places::load(places)), &whole_seconds(now));
        made.map_err(|error| match error {
            Error::NoIdentity { files, recipients, looked } => {
                Error::NoIdentity { files, recipients: self.named(&recipients), looked }
            }
            error => error,
        })
    }

    /// What the table does not say: what nothing asks for, where else a new one belongs, who knows an old one.
    pub(super) fn say_passwords(&self) {
        for (name, file) in self.passwords.unused() {
            report::note(&format!("nothing asks for `{name}` in {file}: `pki gen --prune` takes it out"));
        }
        for change in self.passwords.changes() {
            if change.made().any(|name| name == "bgp-password") {
                report::note("the router needs `bgp-password` too: `pki router` says where it belongs");
            }
            if !change.left.is_empty() {
                let names: Vec<String> = change.names.iter().map(|name| (*name).to_owned()).collect();
                report::warning(&format!(
                    "{} could read `{}`, and still knows {}",
                    words::plain(&self.named(&change.left), 3),
                    change.file,
                    words::list(&names, 20),
                ));
            }
        }
    }
}

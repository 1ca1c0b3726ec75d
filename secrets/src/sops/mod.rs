//! The SOPS format: a file whose keys can be read and whose values are sealed one by one.
//!
//! A random data key encrypts every value in its place; the data key itself is sealed to each recipient by age; a
//! checksum over all values stands under the same key. Files are interchangeable with sops and sops-nix.
//!
//! * [`SealedFile`]: a file as it is, without any key: names, recipients, time.
//! * [`SealedFile::open`]: the values, for one who has an identity; always with the checksum verified.
//!   [`SealedFile::decrypt`]: the same for one who only reads.
//! * [`seal()`]: a new file. [`Opened::reseal`]: the same file with other values, where what did not change keeps its
//!   ciphertext. [`Opened::rekey`]: nothing of the old one, for when a recipient left.
//!
//! What a rewrite would lose (keys of other services, several documents, nested values beside the flat ones that it
//! is given) is refused by name.

mod binary;
mod buffer;
mod cipher;
mod dotenv;
mod error;
mod file;
mod flat;
mod flatten;
mod groups;
mod ini;
mod json;
mod mac;
mod metadata;
mod open;
mod outline;
mod path;
mod plaintext;
mod readers;
mod reuse;
mod scope;
mod seal;
mod selector;
mod shamir;
mod standing;
mod store;
mod time;
mod tree;
mod value;
mod yaml;

pub use error::SopsError;
pub use file::{Drift, SealedFile};
pub use flat::seal;
pub use groups::KeyGroups;
pub use metadata::VERSION;
pub use open::Opened;
pub use outline::Strings;
pub use path::{Path, PathError, Step};
pub use plaintext::Plaintext;
pub use seal::Policy;
pub use selector::Selector;
pub use store::{Indent, MAX_BYTES, Store};
pub(crate) use yaml::quoted;

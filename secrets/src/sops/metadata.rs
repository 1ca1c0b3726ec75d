//! The `sops` section of a file: whom it is sealed to, when it was written, its checksum, its rules.

use super::cipher::Sealed;
use super::error::SopsError;
use super::selector::Selector;
use super::time;
use super::tree::{Branch, Element, Node, Scalar, pairs};

/// The release of sops whose format we write; sops refuses a file without one.
pub const VERSION: &str = "3.13.2";

/// Kinds of keys that are not age, one list each. Source: sops, stores/stores.go, `Metadata`.
const FOREIGN: [&str; 6] = ["azure_kv", "gcp_kms", "hc_vault", "hckms", "kms", "pgp"];

/// Rules that look at comments.
const COMMENT_RULES: [&str; 2] = ["encrypted_comment_regex", "unencrypted_comment_regex"];

/// The end of an armored age file.
const ARMOR_END: &str = "-----END AGE ENCRYPTED FILE-----";

/// The section, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub(crate) age: Vec<Stanza>,
    /// RFC 3339 as it stands in the file.
    pub(crate) lastmodified: String,
    /// The ciphertext of the checksum.
    pub(crate) mac: String,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) selector: Selector,
    pub(crate) version: String,
    /// Services besides age that the data key is sealed with, such as `pgp`.
    pub(crate) foreign: Vec<&'static str>,
    /// Fields that this crate does not know and so cannot write back.
    pub(crate) unknown: Vec<String>,
}

/// The data key, sealed to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// As the file has it: it may be of a kind that this crate cannot parse.
    pub(crate) recipient: String,
    /// An armored age file of the 32 bytes, with its last line feed.
    pub(crate) enc: String,
}

impl Metadata {
    pub(crate) fn parse(branch: &Branch<Scalar>) -> Result<Self, SopsError> {
        let mut fields = Fields::default();
        for (name, node) in pairs(branch) {
            fields.take(name, node)?;
        }
        fields.finish()
    }

    /// What the checksum is bound to: the time as Go prints it again.
    pub(crate) fn mac_aad(&self) -> Result<String, SopsError> {
        time::normalize(&self.lastmodified).ok_or_else(|| damaged("lastmodified", "is no time in RFC 3339"))
    }
}

/// The fields as they come.
#[derive(Default)]
struct Fields {
    age: Vec<Stanza>,
    lastmodified: Option<String>,
    mac: Option<String>,
    version: Option<String>,
    mac_only_encrypted: bool,
    selector: Option<Selector>,
    foreign: Vec<&'static str>,
    unknown: Vec<String>,
}

impl Fields {
    fn take(&mut self, name: &str, node: &Node<Scalar>) -> Result<(), SopsError> {
        match name {
            "age" => self.age = stanzas(node)?,
            "lastmodified" => self.lastmodified = Some(string(name, node)?.to_owned()),
            "mac" => self.mac = Some(string(name, node)?.to_owned()),
            "version" => self.version = Some(weak(name, node)?.to_owned()),
            "mac_only_encrypted" => self.mac_only_encrypted = weak(name, node)? == "true",
            "shamir_threshold" if weak(name, node)? == "0" => {}
            _ if COMMENT_RULES.contains(&name) => {
                if !weak(name, node)?.is_empty() {
                    return Err(SopsError::Unsupported { what: format!("`{name}`") });
                }
            }
            "key_groups" => {
                if !is_empty(node) {
                    return Err(SopsError::Unsupported {
                        what: "`key_groups` (a key split among several)".to_owned(),
                    });
                }
            }
            _ => self.take_other(name, node)?,
        }
        Ok(())
    }

    fn take_other(&mut self, name: &str, node: &Node<Scalar>) -> Result<(), SopsError> {
        if let Some(service) = FOREIGN.into_iter().find(|service| *service == name) {
            if !is_empty(node) {
                self.foreign.push(service);
            }
            return Ok(());
        }
        let text = if let Node::Leaf(scalar) = node { scalar.weak_text() } else { "" };
        match Selector::from_field(name, text)? {
            Some(_) if text.is_empty() => {}
            Some(_) if self.selector.is_some() => {
                return Err(damaged(name, "is a second rule beside another; one is allowed"));
            }
            Some(selector) => self.selector = Some(selector),
            // sops would drop it, and so lose what its writer meant.
            None => self.unknown.push(name.to_owned()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Metadata, SopsError> {
        let missing = |field: &str| SopsError::MetadataMissing { field: field.to_owned() };
        let metadata = Metadata {
            lastmodified: self.lastmodified.ok_or_else(|| missing("lastmodified"))?,
            mac: self.mac.filter(|mac| !mac.is_empty()).ok_or_else(|| missing("mac"))?,
            version: self.version.filter(|version| !version.is_empty()).ok_or_else(|| missing("version"))?,
            age: self.age,
            mac_only_encrypted: self.mac_only_encrypted,
            selector: self.selector.unwrap_or_default(),
            foreign: self.foreign,
            unknown: self.unknown,
        };
        if metadata.age.is_empty() && metadata.foreign.is_empty() {
            return Err(missing("age"));
        }
        if !metadata.version.starts_with(|first: char| first.is_ascii_digit() || first == 'v') {
            return Err(damaged("version", "is no version"));
        }
        Sealed::parse(&metadata.mac).map_err(|why| damaged("mac", &format!("is damaged: {why}")))?;
        metadata.mac_aad()?;
        Ok(metadata)
    }
}

/// The list `age: [{enc, recipient}]`.
fn stanzas(node: &Node<Scalar>) -> Result<Vec<Stanza>, SopsError> {
    let list = match node {
        Node::List(list) => list,
        Node::Leaf(Scalar::Null) => return Ok(Vec::new()),
        other => return Err(damaged("age", &format!("is {}, expected a list", other.shape()))),
    };
    let entries = list.iter().filter_map(|element| match element {
        Element::Node(node) => Some(node),
        Element::Comment(_) => None,
    });
    entries.enumerate().map(|(index, entry)| stanza(index, entry)).collect()
}

fn stanza(index: usize, entry: &Node<Scalar>) -> Result<Stanza, SopsError> {
    let Node::Map(entry) = entry else {
        return Err(damaged(&format!("age[{index}]"), &format!("is {}, expected a map", entry.shape())));
    };
    let field = |name: &str| {
        let path = format!("age[{index}].{name}");
        match pairs(entry).find(|(key, _)| *key == name) {
            Some((_, node)) => string(&path, node).map(str::to_owned),
            None => Err(SopsError::MetadataMissing { field: path }),
        }
    };
    let stanza = Stanza { recipient: field("recipient")?, enc: field("enc")? };
    if !stanza.enc.trim_end().ends_with(ARMOR_END) {
        return Err(damaged(
            &format!("age[{index}].enc"),
            "is cut off: the last line of the age file is missing",
        ));
    }
    Ok(stanza)
}

fn string<'a>(field: &str, node: &'a Node<Scalar>) -> Result<&'a str, SopsError> {
    match node {
        Node::Leaf(Scalar::Str(text)) => Ok(text),
        Node::Leaf(_) => Err(damaged(field, "is not a string")),
        other => Err(damaged(field, &format!("is {}, expected a string", other.shape()))),
    }
}

/// sops takes `"true"` for `true` and `3` for `"3"`: some stores have strings alone.
fn weak<'a>(field: &str, node: &'a Node<Scalar>) -> Result<&'a str, SopsError> {
    match node {
        Node::Leaf(scalar) => Ok(scalar.weak_text()),
        other => Err(damaged(field, &format!("is {}, expected a value", other.shape()))),
    }
}

fn is_empty(node: &Node<Scalar>) -> bool {
    match node {
        Node::Leaf(scalar) => scalar.weak_text().is_empty(),
        Node::Map(items) => items.is_empty(),
        Node::List(elements) => elements.is_empty(),
    }
}

fn damaged(field: &str, why: &str) -> SopsError {
    SopsError::MetadataDamaged { field: field.to_owned(), why: why.to_owned() }
}

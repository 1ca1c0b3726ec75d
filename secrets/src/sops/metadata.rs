//! The `sops` section of a file: whom it is sealed to, when it was written, its checksum, its rules.
//!
//! The section is kept as it was read, and only the fields that change are replaced in it: keys of other services,
//! fields of other versions and the order of all stay. Source of the fields: sops 3.13, stores/stores.go, `metadata`.

use super::cipher::Sealed;
use super::error::SopsError;
use super::selector::Selector;
use super::time;
use super::tree::{Branch, Element, Item, Node, duplicate, find, nodes, pairs};
use super::value::{Kind, Plain, parse_bool};
use crate::recipient::Recipient;
use crate::secret::Secret;

/// The release of sops whose format we write; sops refuses a file without one.
pub const VERSION: &str = "3.13.2";

/// Kinds of keys that are not age, one list each, with the field that names a key.
const FOREIGN: [(&str, &str); 6] = [
    ("azure_kv", "name"),
    ("gcp_kms", "resource_id"),
    ("hc_vault", "key_name"),
    ("hckms", "key_id"),
    ("kms", "arn"),
    ("pgp", "fp"),
];

/// Fields that are neither keys nor one of the six rules.
const OTHER: [&str; 7] =
    ["age", "key_groups", "lastmodified", "mac", "mac_only_encrypted", "shamir_threshold", "version"];

/// The end of an armored age file.
const ARMOR_END: &str = "-----END AGE ENCRYPTED FILE-----";

/// The section, parsed.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// One group is the usual case: each of its keys opens the file. Of several, `threshold` are needed.
    pub(crate) groups: Vec<Group>,
    /// How many groups it takes; as many as there are where the file says nothing.
    pub(crate) threshold: usize,
    /// RFC 3339 as it stands in the file.
    pub(crate) lastmodified: String,
    /// The ciphertext of the checksum.
    pub(crate) mac: String,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) selector: Selector,
    /// Fields that nobody knows: sops would drop them.
    pub(crate) unknown: Vec<String>,
    /// The section as it stands in the file.
    section: Branch<Plain>,
}

/// Keys of which any one opens the file, or a part of its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) age: Vec<Stanza>,
    /// Keys of other services by name, such as `pgp FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4`.
    pub(crate) foreign: Vec<String>,
}

/// The data key, or a part of it, sealed to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// As the file has it: it may be of a kind that this crate cannot parse.
    pub(crate) recipient: String,
    /// An armored age file, with its last line feed.
    pub(crate) enc: String,
}

impl Metadata {
    /// A new section, its fields in the order that sops gives them: by name.
    pub(crate) fn new(selector: Option<&Selector>, mac_only_encrypted: bool) -> Self {
        let mut metadata = Self {
            groups: Vec::new(),
            threshold: 0,
            lastmodified: String::new(),
            mac: String::new(),
            mac_only_encrypted,
            selector: selector.cloned().unwrap_or_default(),
            unknown: Vec::new(),
            section: Vec::new(),
        };
        if let Some((field, text)) = selector.map(Selector::field) {
            metadata.set(field, Node::text(text));
        }
        if mac_only_encrypted {
            let value = Plain { kind: Kind::Bool, bytes: Secret::from("True") };
            metadata.set("mac_only_encrypted", Node::Leaf(value));
        }
        metadata.set("version", Node::text(VERSION));
        metadata
    }

    /// Reads the section.
    pub(crate) fn parse(section: Branch<Plain>) -> Result<Self, SopsError> {
        let mut groups = vec![Group::parse(&section, "")?];
        if groups.iter().all(Group::is_empty) {
            groups = key_groups(&section)?;
        }
        if groups.iter().all(Group::is_empty) {
            return Err(SopsError::MetadataMissing { field: "age".to_owned() });
        }
        let required = |field: &str| match find(&section, field) {
            Some(node) => match string(field, node)? {
                "" => Err(SopsError::MetadataMissing { field: field.to_owned() }),
                text => Ok(text.to_owned()),
            },
            None => Err(SopsError::MetadataMissing { field: field.to_owned() }),
        };
        let weak = |field: &str| find(&section, field).map_or(Ok(""), |node| weak(field, node));
        let version = find(&section, "version").map_or(Ok(""), |node| self::weak("version", node))?;
        check_version(version)?;
        let metadata = Self {
            threshold: threshold(weak("shamir_threshold")?, groups.len())?,
            lastmodified: required("lastmodified")?,
            mac: required("mac")?,
            mac_only_encrypted: match weak("mac_only_encrypted")? {
                "" => false,
                text => parse_bool(text)
                    .ok_or_else(|| damaged("mac_only_encrypted", "is neither true nor false"))?,
            },
            selector: selector(&section)?.unwrap_or_default(),
            unknown: pairs(&section)
                .map(|(name, _)| name)
                .filter(|name| !is_known(name))
                .map(str::to_owned)
                .collect(),
            groups,
            section,
        };
        Sealed::parse(&metadata.mac).map_err(|why| damaged("mac", &format!("is damaged: {why}")))?;
        metadata.mac_aad()?;
        Ok(metadata)
    }

    /// What the checksum is bound to: the time as Go prints it again.
    pub(crate) fn mac_aad(&self) -> Result<String, SopsError> {
        time::normalize(&self.lastmodified).ok_or_else(|| damaged("lastmodified", "is no time in RFC 3339"))
    }

    /// The keys of other services, of all groups.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| &group.foreign).map(String::as_str)
    }

    /// The section with the parsed fields in it, as it is to be written.
    pub(crate) fn section(&self) -> Branch<Plain> {
        duplicate(&self.section)
    }

    /// A second copy, to be changed.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            groups: self.groups.clone(),
            threshold: self.threshold,
            lastmodified: self.lastmodified.clone(),
            mac: self.mac.clone(),
            mac_only_encrypted: self.mac_only_encrypted,
            selector: self.selector.clone(),
            unknown: self.unknown.clone(),
            section: duplicate(&self.section),
        }
    }

    /// Puts a new checksum and its time in.
    pub(crate) fn set_mac(&mut self, mac: String, lastmodified: &str) {
        self.set("mac", Node::text(&mac));
        self.set("lastmodified", Node::text(lastmodified));
        self.mac = mac;
        lastmodified.clone_into(&mut self.lastmodified);
    }

    /// Puts other age recipients in. The keys of other services stay where they are so long as the groups are as many
    /// as they were.
    pub(crate) fn set_groups(&mut self, groups: Vec<Vec<Stanza>>, threshold: usize) {
        let is_one = groups.len() == 1;
        let listed = match find(&self.section, "key_groups") {
            Some(Node::List(list)) => nodes(list).count(),
            _ => 0,
        };
        match groups.as_slice() {
            // One group may stand in a list as well, with keys of other services in it.
            [only] if listed != 1 => {
                self.section.retain(|item| !matches!(item, Item::Pair(key, _) if key == "key_groups" || key == "shamir_threshold"));
                self.set("age", stanza_list(only));
            }
            several => {
                let old = find(&self.section, "key_groups").and_then(|node| match node {
                    Node::List(list) => Some(nodes(list).collect::<Vec<_>>()),
                    _ => None,
                });
                let group = |(index, age): (usize, &Vec<Stanza>)| {
                    let mut group = match old.as_ref().and_then(|old| old.get(index)) {
                        Some(Node::Map(group)) => duplicate(group),
                        // sops does not leave these two out where they are empty.
                        _ => vec![Item::Pair("hc_vault".to_owned(), Node::List(Vec::new()))],
                    };
                    put(&mut group, "age", stanza_list(age));
                    Element::Node(Node::Map(group))
                };
                let list = several.iter().enumerate().map(group).collect();
                self.section.retain(|item| !matches!(item, Item::Pair(key, _) if key == "age"));
                self.set("key_groups", Node::List(list));
                if is_one {
                    self.set_read(groups, threshold);
                    return;
                }
                let value = Plain { kind: Kind::Int, bytes: Secret::from_text(threshold.to_string()) };
                self.set("shamir_threshold", Node::Leaf(value));
            }
        }
        self.set_read(groups, threshold);
    }

    /// What was read of the groups, after a change.
    fn set_read(&mut self, groups: Vec<Vec<Stanza>>, threshold: usize) {
        let is_one = groups.len() == 1;
        let mut foreign = std::mem::take(&mut self.groups).into_iter().map(|group| group.foreign);
        self.groups = groups
            .into_iter()
            .map(|age| Group { age, foreign: foreign.next().unwrap_or_default() })
            .collect();
        self.threshold = if is_one { 1 } else { threshold };
    }

    fn set(&mut self, field: &str, node: Node<Plain>) {
        put(&mut self.section, field, node);
    }
}

/// Replaces a field where it stands, or puts it where its name belongs.
fn put(section: &mut Branch<Plain>, field: &str, node: Node<Plain>) {
    for item in section.iter_mut() {
        if let Item::Pair(key, value) = item
            && key == field
        {
            *value = node;
            return;
        }
    }
    let behind = |item: &Item<Plain>| matches!(item, Item::Pair(key, _) if key.as_str() > field);
    let at = section.iter().position(behind).unwrap_or(section.len());
    section.insert(at, Item::Pair(field.to_owned(), node));
}

fn stanza_list(stanzas: &[Stanza]) -> Node<Plain> {
    let stanza = |stanza: &Stanza| {
        Element::Node(Node::Map(vec![
            Item::Pair("enc".to_owned(), Node::text(&stanza.enc)),
            Item::Pair("recipient".to_owned(), Node::text(&stanza.recipient)),
        ]))
    };
    Node::List(stanzas.iter().map(stanza).collect())
}

impl Group {
    /// Its age recipients; none for one that this crate cannot parse.
    pub(crate) fn recipients(&self) -> Vec<Option<Recipient>> {
        self.age.iter().map(|stanza| stanza.recipient.parse().ok()).collect()
    }

    fn is_empty(&self) -> bool {
        self.age.is_empty() && self.foreign.is_empty()
    }

    /// `place` stands before the names in messages.
    fn parse(branch: &Branch<Plain>, place: &str) -> Result<Self, SopsError> {
        let mut group = Self::default();
        if let Some(node) = find(branch, "age") {
            let entries = maps(&format!("{place}age"), node)?;
            group.age = entries
                .iter()
                .enumerate()
                .map(|(index, entry)| stanza(&format!("{place}age[{index}]"), entry))
                .collect::<Result<_, _>>()?;
        }
        for (service, id) in FOREIGN {
            let Some(node) = find(branch, service) else { continue };
            for entry in maps(&format!("{place}{service}"), node)? {
                let id = find(entry, id).and_then(Node::as_str).unwrap_or_default();
                group.foreign.push(format!("{service} {id}").trim_end().to_owned());
            }
        }
        // Keys of services that came after this crate have that form too.
        for (name, node) in pairs(branch).filter(|(name, _)| !is_known(name)) {
            if let Node::List(list) = node {
                let keys = nodes(list).filter(|node| matches!(node, Node::Map(_)));
                group.foreign.extend(keys.map(|_| name.to_owned()));
            }
        }
        Ok(group)
    }
}

fn key_groups(section: &Branch<Plain>) -> Result<Vec<Group>, SopsError> {
    let Some(node) = find(section, "key_groups") else { return Ok(Vec::new()) };
    let groups = maps("key_groups", node)?;
    groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let group = Group::parse(group, &format!("key_groups[{index}]."))?;
            if group.is_empty() {
                return Err(damaged(&format!("key_groups[{index}]"), "has no key"));
            }
            Ok(group)
        })
        .collect()
}

/// A list of maps; nothing at all is an empty one.
fn maps<'t>(field: &str, node: &'t Node<Plain>) -> Result<Vec<&'t Branch<Plain>>, SopsError> {
    let list = match node {
        Node::List(list) => list,
        Node::Null => return Ok(Vec::new()),
        other => return Err(damaged(field, &format!("is {}, expected a list", other.shape()))),
    };
    nodes(list)
        .enumerate()
        .map(|(index, node)| match node {
            Node::Map(branch) => Ok(branch),
            other => {
                Err(damaged(&format!("{field}[{index}]"), &format!("is {}, expected a map", other.shape())))
            }
        })
        .collect()
}

fn stanza(place: &str, entry: &Branch<Plain>) -> Result<Stanza, SopsError> {
    let field = |name: &str| {
        let path = format!("{place}.{name}");
        match find(entry, name) {
            Some(node) => string(&path, node).map(str::to_owned),
            None => Err(SopsError::MetadataMissing { field: path }),
        }
    };
    let stanza = Stanza { recipient: field("recipient")?, enc: field("enc")? };
    if !stanza.enc.trim_end().ends_with(ARMOR_END) {
        return Err(damaged(&format!("{place}.enc"), "is cut off: the last line of the age file is missing"));
    }
    Ok(stanza)
}

/// The one rule of the six that the section has.
fn selector(section: &Branch<Plain>) -> Result<Option<Selector>, SopsError> {
    let mut found = None;
    for (name, node) in pairs(section) {
        let text = node.weak_text().unwrap_or_default();
        // Known ones only are compiled; an empty one is none.
        if text.is_empty() {
            continue;
        }
        if let Some(selector) = Selector::from_field(name, text)? {
            if found.is_some() {
                return Err(damaged(name, "is a second rule beside another; one is allowed"));
            }
            found = Some(selector);
        }
    }
    Ok(found)
}

fn is_known(name: &str) -> bool {
    OTHER.contains(&name) || FOREIGN.iter().any(|(service, _)| *service == name) || Selector::is_field(name)
}

/// How many groups it takes to open a file.
fn threshold(text: &str, groups: usize) -> Result<usize, SopsError> {
    match text {
        "" | "0" => Ok(groups),
        number => match number.parse() {
            Ok(threshold) if (1..=groups).contains(&threshold) || groups == 1 => Ok(threshold),
            Ok(threshold) => Err(damaged(
                "shamir_threshold",
                &format!("is {threshold}, and there are {groups} key groups"),
            )),
            Err(_) => Err(damaged("shamir_threshold", "is no number")),
        },
    }
}

/// As sops: anything with digits first, and a `v` before them if need be.
fn check_version(version: &str) -> Result<(), SopsError> {
    let digits = version.strip_prefix('v').unwrap_or(version);
    if version.is_empty() {
        return Err(SopsError::MetadataMissing { field: "version".to_owned() });
    }
    if digits.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(());
    }
    Err(damaged("version", "is no version"))
}

fn string<'a>(field: &str, node: &'a Node<Plain>) -> Result<&'a str, SopsError> {
    match node {
        Node::Leaf(_) => node.as_str().ok_or_else(|| damaged(field, "is not a string")),
        other => Err(damaged(field, &format!("is {}, expected a string", other.shape()))),
    }
}

/// sops takes `"true"` for `true` and `3` for `"3"`: some stores have strings alone.
fn weak<'a>(field: &str, node: &'a Node<Plain>) -> Result<&'a str, SopsError> {
    node.weak_text().ok_or_else(|| damaged(field, &format!("is {}, expected a value", node.shape())))
}

fn damaged(field: &str, why: &str) -> SopsError {
    SopsError::MetadataDamaged { field: field.to_owned(), why: why.to_owned() }
}

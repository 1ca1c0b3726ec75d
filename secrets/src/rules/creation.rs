//! Creation rules as sops reads them, whoever wrote them: to whom a new file is sealed, and how. What sops passes over
//! in silence and what then does not do what it says is an error here.
//!
//! Source: sops 3.13 `config/config.go`.

mod fault;
mod fields;

use std::collections::HashSet;
use std::sync::OnceLock;

use rayon::prelude::*;

pub use fault::RuleFault;

use super::lookup::Lookup;
use super::read::{Filter, Value, document};
use super::{RulesError, go};
use crate::recipient::Recipient;
use crate::sops::Selector;
use fields::Fields;

/// The fields that say which values are encrypted. A rule has one of them at most.
pub const SELECTORS: [&str; 6] = Selector::FIELDS;

/// The fields of keys other than age: to those only sops seals.
const FOREIGN: [&str; 6] = ["pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault_transit_uri"];

/// The fields of a rule beside those.
const RULE: [&str; 12] = [
    "path_regex",
    "age",
    "pgp",
    "kms",
    "gcp_kms",
    "hckms",
    "azure_keyvault",
    "hc_vault_transit_uri",
    "aws_profile",
    "key_groups",
    "shamir_threshold",
    "mac_only_encrypted",
];

const GROUP: [&str; 8] = ["merge", "age", "pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault"];

const TOP: [&str; 3] = ["creation_rules", "destination_rules", "stores"];

/// `.sops.yaml`, read once for any number of files.
#[derive(Debug)]
pub struct CreationRules {
    rules: Vec<Raw>,
    lookup: Lookup,
    /// How files are indented.
    pub indents: Indents,
}

/// How deep a level of a file is indented, by `stores` of `.sops.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indents {
    /// Blanks, 2 to 9.
    pub yaml: usize,
    /// Blanks; none for a tab.
    pub json: Option<usize>,
    /// The same for binary files, which are JSON when they are sealed.
    pub json_binary: Option<usize>,
}

impl Default for Indents {
    fn default() -> Self {
        // Source: sops 3.13 `stores/yaml/store.go`, IndentDefault, and `config.NewStoresConfig`.
        Self { yaml: 4, json: None, json_binary: None }
    }
}

/// What a rule says of the files that fall under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Of the rule, counted from 1.
    pub number: usize,
    /// Its expression; none matches every file.
    pub path_regex: Option<String>,
    /// To whom: one group, or several of which [`threshold`](Self::threshold) are needed to open a file.
    pub groups: Vec<Group>,
    /// How many groups are needed; none for all of them.
    pub threshold: Option<usize>,
    /// Which values are encrypted: one of [`SELECTORS`] and its text. None is sops' default, all but those whose names
    /// end in `_unencrypted`.
    pub selector: Option<(&'static str, String)>,
    /// Whether the checksum covers the encrypted values alone.
    pub mac_only_encrypted: bool,
}

/// Keys of which any one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Each once, in the order of the rule.
    pub age: Vec<Recipient>,
    /// Keys of services and of PGP, in the order of sops.
    pub foreign: Vec<Foreign>,
}

/// A key that only sops itself seals to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Foreign {
    /// The field that it stands in: `pgp`, `kms`, `key_groups[1].hc_vault`.
    pub field: String,
    /// What sops calls it in a file: a fingerprint, an ARN, a resource, an address.
    pub text: String,
}

impl Creation {
    /// Refuses a rule whose files only sops can seal, by the field that says so.
    ///
    /// # Errors
    /// [`RuleFault::Foreign`] in [`RulesError::Rule`].
    pub fn refuse_foreign(&self) -> Result<(), RulesError> {
        match self.groups.iter().flat_map(|group| &group.foreign).next() {
            None => Ok(()),
            Some(key) => Err(RulesError::Rule {
                number: self.number,
                fault: RuleFault::Foreign { field: key.field.clone() },
            }),
        }
    }
}

/// One rule, its recipients still texts: of a large file few are ever asked for.
#[derive(Debug)]
struct Raw {
    filter: Filter,
    groups: Vec<RawGroup>,
    has_groups: bool,
    threshold: Option<usize>,
    selector: Option<(&'static str, String)>,
    mac_only_encrypted: bool,
    creation: OnceLock<Result<Creation, RulesError>>,
}

#[derive(Debug, Default)]
struct RawGroup {
    /// The field and the text.
    age: Vec<(String, String)>,
    foreign: Vec<Foreign>,
}

/// The rule that a file falls under, for one file. Of many, [`CreationRules::parse`] reads the text once.
///
/// # Errors
/// As [`CreationRules::parse`] and [`CreationRules::for_path`].
pub fn creation_rule(text: &str, path: &str) -> Result<Creation, RulesError> {
    CreationRules::parse(text)?.for_path(path).cloned()
}

impl CreationRules {
    /// Reads the whole file.
    ///
    /// # Errors
    /// What is no YAML, has unknown or doubled fields or values of the wrong type, wherever it stands.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let value = document(text)?;
        if value.is_null() {
            return Ok(Self {
                rules: Vec::new(),
                lookup: Lookup::new(std::iter::empty()),
                indents: Indents::default(),
            });
        }
        let setting = |fault| RulesError::Setting { fault };
        let mut top = Fields::new(value, "").map_err(|_| setting(not_a_map(".sops.yaml".to_owned())))?;
        let rules = match top.take("creation_rules") {
            None => Vec::new(),
            Some(Value::Sequence(rules)) => rules,
            Some(_) => {
                let field = "creation_rules".to_owned();
                return Err(setting(RuleFault::Type { field, expected: "a list of rules" }));
            }
        };
        top.take("destination_rules");
        let indents = match top.take("stores") {
            None => Indents::default(),
            Some(stores) => Fields::new(stores, "stores.").and_then(Indents::read).map_err(setting)?,
        };
        // What else stands at the top may be there for its anchors.
        if let Some((field, likely)) = top.slip(&TOP) {
            return Err(setting(RuleFault::UnknownField { field, likely: Some(likely) }));
        }
        // Collected one by one: the first that is wrong is the one that is named.
        let read: Vec<_> =
            rules.into_par_iter().enumerate().map(|(at, rule)| Raw::read(at + 1, rule)).collect();
        let rules: Vec<Raw> = read.into_iter().collect::<Result<_, _>>()?;
        let lookup = Lookup::new(rules.iter().map(|rule| &rule.filter));
        Ok(Self { rules, lookup, indents })
    }

    /// The first rule that matches `path`: below the folder of `.sops.yaml`, with `/` between names; absolute for a file
    /// elsewhere.
    ///
    /// # Errors
    /// [`RulesError::NoRule`], and [`RulesError::Rule`] where the rule cannot be followed: a recipient that is none,
    /// nobody at all, an expression that does not compile, a threshold that cannot be met.
    pub fn for_path(&self, path: &str) -> Result<&Creation, RulesError> {
        let filter = |place: usize| self.rules.get(place).map(|rule| &rule.filter);
        let place = self.lookup.first(path, self.rules.len(), filter);
        let rule = place.and_then(|place| self.rules.get(place));
        let rule = rule.ok_or_else(|| RulesError::NoRule { path: path.to_owned() })?;
        let number = rule.filter.number;
        let creation =
            rule.creation.get_or_init(|| rule.creation().map_err(|fault| RulesError::Rule { number, fault }));
        creation.as_ref().map_err(Clone::clone)
    }

    /// Whether there is any rule. Without one sops behaves as if there were no file.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Indents {
    fn read(mut stores: Fields) -> Result<Self, RuleFault> {
        let mut indent = |store: &str, bounds, expected| -> Result<Option<i64>, RuleFault> {
            let Some(settings) = stores.take(store) else { return Ok(None) };
            let mut settings = Fields::new(settings, &format!("stores.{store}."))?;
            let indent = settings.number("indent", bounds, expected)?;
            settings.end(&["indent"])?;
            Ok(indent)
        };
        // go-yaml takes two blanks for what is not between 2 and 9; the default of 4 has the number 0.
        let yaml = indent("yaml", 0..=9, "a number from 2 to 9")?.unwrap_or(0);
        let json = indent("json", -1..=16, "a number from -1 to 16")?;
        let json_binary = indent("json_binary", -1..=16, "a number from -1 to 16")?;
        for store in ["dotenv", "ini"] {
            indent(store, 0..=0, "0")?;
        }
        stores.end(&["yaml", "json", "json_binary", "dotenv", "ini"])?;
        let blanks = |indent: Option<i64>| indent.and_then(|indent| usize::try_from(indent).ok());
        let yaml = match usize::try_from(yaml).unwrap_or_default() {
            0 => Self::default().yaml,
            few => few.max(2),
        };
        Ok(Self { yaml, json: blanks(json), json_binary: blanks(json_binary) })
    }
}

impl Raw {
    fn read(number: usize, rule: Value) -> Result<Self, RulesError> {
        let wrong = |fault| RulesError::Rule { number, fault };
        let mut fields =
            Fields::new(rule, "").map_err(|_| wrong(not_a_map(format!("creation_rules[{number}]"))))?;
        let path_regex = fields.text("path_regex").map_err(wrong)?;
        let filter = Filter::new(number, path_regex)?;
        Self::read_settings(filter, fields).map_err(wrong)
    }

    fn read_settings(filter: Filter, mut fields: Fields) -> Result<Self, RuleFault> {
        let mut selectors = Vec::new();
        for field in SELECTORS {
            if let Some(text) = fields.text(field)? {
                selectors.push((field, text));
            }
        }
        if selectors.len() > 1 {
            return Err(RuleFault::Selectors {
                fields: selectors.into_iter().map(|(field, _)| field).collect(),
            });
        }
        let expected = "a whole number from 0 to 255";
        let threshold = fields.number("shamir_threshold", 0..=i64::from(u8::MAX), expected)?;
        let threshold =
            threshold.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
        let mac_only_encrypted = fields.boolean("mac_only_encrypted")?;
        fields.text("aws_profile")?;
        let flat = RawGroup::read_flat(&mut fields)?;
        let groups = fields.maps("key_groups")?;
        let has_groups = !groups.is_empty();
        if let (true, Some(field)) = (has_groups, flat.field()) {
            return Err(RuleFault::BesideGroups { field });
        }
        let groups = if has_groups {
            groups.into_iter().map(RawGroup::read).collect::<Result<_, _>>()?
        } else {
            vec![flat]
        };
        fields.end(&[RULE.as_slice(), &SELECTORS].concat())?;
        Ok(Self {
            filter,
            groups,
            has_groups,
            threshold,
            selector: selectors.pop(),
            mac_only_encrypted,
            creation: OnceLock::new(),
        })
    }

    fn creation(&self) -> Result<Creation, RuleFault> {
        let groups: Vec<Group> = self.groups.iter().map(RawGroup::parse).collect::<Result<_, _>>()?;
        let empty = groups.iter().position(|group| group.age.is_empty() && group.foreign.is_empty());
        if let Some(at) = empty {
            return Err(RuleFault::Nobody { group: self.has_groups.then_some(at + 1) });
        }
        if let Some((field, regex)) = self.selector.as_ref().filter(|(field, _)| field.ends_with("_regex"))
            && go::compile(regex).is_none()
        {
            return Err(RuleFault::Regex { field, regex: regex.clone() });
        }
        let meets = |threshold: usize| match groups.len() {
            // One group is no secret sharing.
            1 => threshold == 1,
            several => (2..=several).contains(&threshold),
        };
        if let Some(found) = self.threshold.filter(|threshold| !meets(*threshold)) {
            return Err(RuleFault::Threshold { found, groups: groups.len() });
        }
        Ok(Creation {
            number: self.filter.number,
            path_regex: self.filter.path_regex.clone(),
            groups,
            threshold: self.threshold,
            selector: self.selector.clone(),
            mac_only_encrypted: self.mac_only_encrypted,
        })
    }
}

impl RawGroup {
    /// The keys of a rule without groups.
    fn read_flat(fields: &mut Fields) -> Result<Self, RuleFault> {
        let age = fields.texts("age")?.into_iter().map(|text| ("age".to_owned(), text)).collect();
        let mut group = Self { age, foreign: Vec::new() };
        for field in FOREIGN {
            group.take_foreign(field, fields.texts(field)?);
        }
        Ok(group)
    }

    /// One of `key_groups`. Its keys follow those of the groups that it merges, as in sops.
    fn read(mut fields: Fields) -> Result<Self, RuleFault> {
        let mut group = Self::default();
        for merged in fields.maps("merge")? {
            let merged = Self::read(merged)?;
            group.age.extend(merged.age);
            group.foreign.extend(merged.foreign);
        }
        let field = fields.named("age");
        group.age.extend(fields.list("age")?.into_iter().map(|text| (field.clone(), text)));
        for field in ["pgp", "hc_vault"] {
            group.take_foreign(&fields.named(field), fields.list(field)?);
        }
        for (field, parts) in [
            ("kms", &["arn", "role", "context", "aws_profile"][..]),
            ("gcp_kms", &["resource_id"]),
            ("hckms", &["key_id"]),
            ("azure_keyvault", &["vaultUrl", "key", "version"]),
        ] {
            for mut key in fields.maps(field)? {
                let name = key.named("").trim_end_matches('.').to_owned();
                key.take("context");
                let texts: Vec<Option<String>> =
                    parts.iter().map(|part| key.text(part)).collect::<Result<_, _>>()?;
                key.end(parts)?;
                group.foreign.push(Foreign { field: name, text: called(field, &texts) });
            }
        }
        fields.end(&GROUP)?;
        Ok(group)
    }

    fn take_foreign(&mut self, field: &str, texts: Vec<String>) {
        self.foreign.extend(texts.into_iter().map(|text| Foreign { field: field.to_owned(), text }));
    }

    /// The first field of a rule without groups that names anybody.
    fn field(&self) -> Option<&'static str> {
        let foreign =
            self.foreign.first().and_then(|key| FOREIGN.into_iter().find(|field| *field == key.field));
        if self.age.is_empty() { foreign } else { Some("age") }
    }

    fn parse(&self) -> Result<Group, RuleFault> {
        let mut seen = HashSet::new();
        let mut age = Vec::new();
        for (field, text) in &self.age {
            let recipient: Recipient =
                text.parse().map_err(|cause| RuleFault::Recipient { field: field.clone(), cause })?;
            if seen.insert(recipient.key().to_owned()) {
                age.push(recipient);
            }
        }
        let mut seen = HashSet::new();
        let foreign = self.foreign.iter().filter(|key| seen.insert(*key)).cloned().collect();
        Ok(Group { age, foreign })
    }
}

fn not_a_map(field: String) -> RuleFault {
    RuleFault::Type { field, expected: fields::MAP }
}

/// What sops calls a key in a file, from the parts of its map.
fn called(field: &str, parts: &[Option<String>]) -> String {
    let part = |at: usize| parts.get(at).cloned().flatten().unwrap_or_default();
    match field {
        "kms" if !part(1).is_empty() => format!("{}+{}", part(0), part(1)),
        "azure_keyvault" => format!("{}/keys/{}/{}", part(0), part(1), part(2)),
        _ => part(0),
    }
}

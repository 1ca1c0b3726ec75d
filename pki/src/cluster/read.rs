//! Typed reading of an attribute set: what is absent, what is there, what is there and wrong.
//!
//! A value that cannot be used leaves a fault and reads as absent, so that reading goes on and every fault of a
//! file is found at once.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::rules::{Rule, rule};
use crate::fault::Fault;
use crate::inventory::{Attr, Data, Node, Origin};
use crate::typo::nearest;

/// A value and the place it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: Option<Origin>,
}

impl<T> Placed<T> {
    /// Another value at the same place.
    pub(super) fn with<U>(&self, value: U) -> Placed<U> {
        Placed { value, at: self.at }
    }
}

/// An attribute was there and could not be used, which is said already: whoever would miss it need not say more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

/// An attribute set that is being read.
pub(super) struct Section<'n, 'f> {
    /// How messages call it: `cp1`, `kubeMaster.bgp`.
    path: String,
    node: &'n Node,
    /// Where its name was written.
    pub(super) at: Option<Origin>,
    pub(super) faults: &'f mut Vec<Fault>,
}

/// Where an attribute stands: its value where that is known, else its name.
pub(super) fn place(attr: &Attr) -> Option<Origin> {
    attr.value.origin.or(attr.origin)
}

/// Where the name of an attribute stands, else its value.
pub(super) fn name_place(attr: &Attr) -> Option<Origin> {
    attr.origin.or(attr.value.origin)
}

impl<'n, 'f> Section<'n, 'f> {
    /// The attribute as a set; a fault and `None` when it is anything else.
    pub(super) fn open(attr: &'n Attr, faults: &'f mut Vec<Fault>) -> Option<Self> {
        let at = name_place(attr);
        Self::over(tame(&attr.name), &attr.value, at, faults)
    }

    /// The set at `node`, called `path`; a fault and `None` when it is anything else.
    pub(super) fn over(
        path: String,
        node: &'n Node,
        at: Option<Origin>,
        faults: &'f mut Vec<Fault>,
    ) -> Option<Self> {
        if matches!(node.data, Data::Attrs(_)) {
            return Some(Self { path, node, at, faults });
        }
        faults.push(wrong_type(&path, node, node.origin.or(at), "an attribute set"));
        None
    }

    /// The set under `name`, when there is one.
    pub(super) fn child(&mut self, name: &str) -> Option<Section<'n, '_>> {
        let found = self.value(name)?;
        let at = self.node.attr(name).and_then(name_place).or(self.at);
        Section::over(self.path_to(name), found.value, at, self.faults)
    }

    /// `cp1.etcd` for the attribute `etcd` of `cp1`.
    pub(super) fn path_to(&self, name: &str) -> String {
        format!("{}.{}", self.path, tame(name))
    }

    /// The attribute, unless it is absent or null.
    pub(super) fn value(&self, name: &str) -> Option<Placed<&'n Node>> {
        let attr = self.node.attr(name)?;
        match attr.value.data {
            Data::Null => None,
            _ => Some(Placed { value: &attr.value, at: place(attr).or(self.at) }),
        }
    }

    /// Whether there is an attribute of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A fault at the attribute `name`.
    pub(super) fn refuse(&mut self, rule: &'static Rule, at: Option<Origin>, message: String, hint: &str) {
        self.faults.push(rule.fault(at, message).hint(hint));
    }

    fn wrong_type(&mut self, name: &str, found: &Placed<&Node>, expected: &str) {
        self.faults.push(wrong_type(&self.path_to(name), found.value, found.at, expected));
    }

    /// A string.
    pub(super) fn text(&mut self, name: &str) -> Option<Placed<&'n str>> {
        let found = self.value(name)?;
        if let Data::Str(text) = &found.value.data {
            return Some(found.with(text.as_str()));
        }
        self.wrong_type(name, &found, "a string");
        None
    }

    /// A string that `accept` takes; empty reads as absent.
    ///
    /// # Errors
    ///
    /// [`Refused`] for anything else, after a fault that says what was `expected`.
    pub(super) fn text_where(
        &mut self,
        name: &str,
        accept: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Result<Option<Placed<&'n str>>, Refused> {
        if !self.has(name) {
            return Ok(None);
        }
        let found = self.text(name).ok_or(Refused)?;
        if found.value.is_empty() {
            return Ok(None);
        }
        if accept(found.value) {
            return Ok(Some(found));
        }
        let message = format!("`{}` is {}, expected {expected}", self.path_to(name), quoted(found.value));
        self.faults.push(const { rule("bad-value") }.fault(found.at, message));
        Err(Refused)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> Option<Placed<bool>> {
        let found = self.value(name)?;
        if let Data::Bool(flag) = found.value.data {
            return Some(found.with(flag));
        }
        self.wrong_type(name, &found, "true or false");
        None
    }

    /// `enable` of the service `name`: its value, and a warning where it is probably misspelt.
    pub(super) fn service(&mut self, name: &str) -> Option<Placed<bool>> {
        let mut service = self.child(name)?;
        service.suggest(&["enable"]);
        service.flag("enable")
    }

    /// An integer within `range`; `unit` as a suffix for the message: `""` or `" days"`.
    pub(super) fn number<T>(&mut self, name: &str, range: RangeInclusive<T>, unit: &str) -> Option<Placed<T>>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let found = self.value(name)?;
        let Data::Int(number) = found.value.data else {
            self.wrong_type(name, &found, "an integer");
            return None;
        };
        if let Some(value) = T::try_from(number).ok().filter(|value| range.contains(value)) {
            return Some(found.with(value));
        }
        let (first, last) = (range.start(), range.end());
        let message = format!("`{}` is {number}, expected {first} to {last}{unit}", self.path_to(name));
        self.faults.push(const { rule("out-of-range") }.fault(found.at, message));
        None
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<Placed<T>> {
        let found = self.text(name)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == found.value) {
            return Some(found.with(*meaning));
        }
        let known = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let message = format!("`{}` is {}, expected one of {known}", self.path_to(name), quoted(found.value));
        let fault = const { rule("not-one-of") }.fault(found.at, message);
        let meant = nearest(found.value, words.iter().map(|(word, _)| *word));
        self.faults.push(match meant {
            Some(word) => fault.hint(format!("did you mean `{word}`?")),
            None => fault,
        });
        None
    }

    /// The items of a list.
    pub(super) fn items(&mut self, name: &str) -> Option<Vec<Placed<&'n Node>>> {
        let found = self.value(name)?;
        if let Data::List(items) = &found.value.data {
            return Some(
                items.iter().map(|item| Placed { value: item, at: item.origin.or(found.at) }).collect(),
            );
        }
        self.wrong_type(name, &found, "a list");
        None
    }

    /// A list of strings; absent is empty.
    pub(super) fn texts(&mut self, name: &str) -> Vec<Placed<&'n str>> {
        let items = self.items(name).unwrap_or_default();
        self.strings(name, items)
    }

    /// A string, or a list of them; absent is empty.
    fn one_or_many(&mut self, name: &str) -> Vec<Placed<&'n str>> {
        match self.value(name) {
            Some(found) if matches!(found.value.data, Data::List(_)) => self.texts(name),
            Some(found) if matches!(found.value.data, Data::Str(_)) => self.strings(name, vec![found]),
            Some(found) => {
                self.wrong_type(name, &found, "a string or a list of strings");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn strings(&mut self, name: &str, items: Vec<Placed<&'n Node>>) -> Vec<Placed<&'n str>> {
        let mut texts = Vec::new();
        for item in items {
            match &item.value.data {
                Data::Str(text) => texts.push(item.with(text.as_str())),
                _ => self.wrong_type(name, &item, "a list of strings"),
            }
        }
        texts
    }

    /// The addresses under `name`, one or many; a placeholder is `None`.
    pub(super) fn addresses(&mut self, name: &str) -> Vec<Placed<Option<IpAddr>>> {
        let texts = self.one_or_many(name);
        texts.iter().filter_map(|text| self.address(name, text)).collect()
    }

    /// The one address under `name`; a placeholder is `Some` of `None`.
    pub(super) fn one_address(&mut self, name: &str) -> Option<Placed<Option<IpAddr>>> {
        let text = self.text(name)?;
        self.address(name, &text)
    }

    fn address(&mut self, name: &str, text: &Placed<&str>) -> Option<Placed<Option<IpAddr>>> {
        if text.value.is_empty() {
            return Some(text.with(None));
        }
        let why = match text.value.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => return Some(text.with(None)),
            Ok(address) => match unusable(address) {
                None => return Some(text.with(Some(address))),
                Some(why) => why,
            },
            Err(_) if text.value.contains('/') => "expected an address without a prefix length",
            Err(_) => "expected an IPv4 or IPv6 address",
        };
        let message = format!("`{}` is {}, {why}", self.path_to(name), quoted(text.value));
        let fault = const { rule("bad-address") }.fault(text.at, message);
        let address = text.value.split('/').next().filter(|address| address.parse::<IpAddr>().is_ok());
        self.faults.push(match (text.value.parse::<IpAddr>(), address) {
            (Ok(_), _) => fault,
            (Err(_), Some(address)) => fault.hint(format!("write \"{address}\"")),
            (Err(_), None) => fault.hint("names are not looked up: write the address itself"),
        });
        None
    }

    /// The address ranges under `name`, one or many.
    pub(super) fn ranges(&mut self, name: &str) -> Vec<Placed<IpNet>> {
        let texts = self.one_or_many(name);
        texts.iter().filter_map(|text| self.range(name, text)).collect()
    }

    fn range(&mut self, name: &str, text: &Placed<&str>) -> Option<Placed<IpNet>> {
        let path = self.path_to(name);
        let Ok(range) = text.value.parse::<IpNet>() else {
            let message =
                format!("`{path}` is {}, expected a range such as \"10.96.0.0/16\"", quoted(text.value));
            self.faults.push(const { rule("bad-range") }.fault(text.at, message));
            return None;
        };
        if range.trunc() != range {
            let message =
                format!("`{path}` is \"{range}\", an address inside a range, expected the range itself");
            let fault = const { rule("bad-range") }.fault(text.at, message);
            self.faults.push(fault.hint(format!("write \"{}\"", range.trunc())));
            return None;
        }
        Some(text.with(range))
    }

    /// An error for each attribute that is not `known`.
    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        let absent = self.absent(known);
        for (index, attr) in self.strangers(known).into_iter().enumerate() {
            let message = format!("`{}` is not an attribute of `{}`", self.path_to(&attr.name), self.path);
            let fault = const { rule("unknown-attribute") }.fault(name_place(attr).or(self.at), message);
            let meant = (index < SUGGESTED).then(|| nearest(&attr.name, absent.iter().copied())).flatten();
            self.faults.push(match meant {
                Some(name) => fault.hint(format!("did you mean `{name}`?")),
                None => fault.hint(format!("it may have {}", listed(known))),
            });
        }
    }

    /// A warning for each attribute that is not `known` and looks like one that is, and is not there.
    pub(super) fn suggest(&mut self, known: &[&str]) {
        let absent = self.absent(known);
        for attr in self.strangers(known).into_iter().take(SUGGESTED) {
            if let Some(meant) = nearest(&attr.name, absent.iter().copied()) {
                let message = format!("`{}` means nothing and is ignored", self.path_to(&attr.name));
                let fault = const { rule("likely-typo") }.fault(name_place(attr).or(self.at), message);
                self.faults.push(fault.hint(format!("did you mean `{meant}`?")));
            }
        }
    }

    /// The known names that are not there: what a stranger may have meant.
    fn absent<'k>(&self, known: &[&'k str]) -> Vec<&'k str> {
        known.iter().copied().filter(|name| !self.has(name)).collect()
    }

    fn strangers(&self, known: &[&str]) -> Vec<&'n Attr> {
        match &self.node.data {
            Data::Attrs(attrs) => attrs.iter().filter(|attr| !known.contains(&attr.name.as_str())).collect(),
            _ => Vec::new(),
        }
    }
}

/// How many strange names of one set are compared with the known ones: who has more does not mean those.
const SUGGESTED: usize = 200;

/// The fault of a value that is of another type. Shows no value: it could be a password in the wrong place.
pub(super) fn wrong_type(path: &str, found: &Node, at: Option<Origin>, expected: &str) -> Fault {
    let message = format!("`{path}` is {}, expected {expected}", found.kind());
    let fault = const { rule("wrong-type") }.fault(at, message);
    match (&found.data, expected) {
        (
            Data::Int(_) | Data::Float(_),
            "a string" | "a string or a list of strings" | "a list of strings",
        ) => fault.hint("write it in quotes"),
        (Data::Str(_), "an integer") => fault.hint("write it without quotes"),
        (Data::Str(_), "true or false") => fault.hint("write `true` or `false`, without quotes"),
        (Data::Bool(_), "an attribute set") => fault.hint(format!("write `{path}.enable = true`")),
        _ => fault,
    }
}

/// Why no machine can have this address.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() {
        Some("a loopback address, expected one that other machines reach")
    } else if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("a multicast or broadcast address, expected that of one machine")
    } else if link_local {
        Some("a link-local address, expected one that survives a restart and can be routed")
    } else if address.to_canonical() != address {
        Some("an IPv4 address written as IPv6, expected plain IPv4")
    } else {
        None
    }
}

/// A found text between quotes for a message: escaped, cut where it is long, never a private key.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    if is_secret(text) {
        return "a private key".into();
    }
    format!("\"{}\"", cut(text, SHOWN))
}

/// A name for a message: as it is, unless it is endless or would break the line.
pub(super) fn tame(name: &str) -> String {
    const SHOWN: usize = 64;
    cut(name, SHOWN)
}

/// At most `shown` letters, what is not printable escaped.
fn cut(text: &str, shown: usize) -> String {
    let cut: String = text.chars().take(shown).collect();
    let ellipsis = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", cut.escape_debug())
}

/// Whether the text is one that must not be in an inventory at all.
pub(super) fn is_secret(text: &str) -> bool {
    text.contains("PRIVATE KEY") || text.to_ascii_uppercase().contains("AGE-SECRET-KEY-")
}

/// `` `a`, `b` and `c` ``
pub(super) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let ticked: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match ticked.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// `` `a`, `b` and `c` ``, or the first few and how many more.
pub(super) fn some<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    match names.len().checked_sub(SHOWN) {
        None | Some(0 | 1) => listed(names),
        Some(more) => {
            let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
            format!("{} and {more} more", shown.join(", "))
        }
    }
}

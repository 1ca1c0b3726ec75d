//! Emitted settings against a list of NixOS' options: whether each exists, and whether its value is of its type as the
//! list describes it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// Settings that are not in the list and why that is right: by how they begin.
const ELSEWHERE: &[(&str, &str)] = &[
    ("sops", "sops-nix', judged by its own module"),
    ("age", "agenix'"),
    ("nixpkgs.hostPlatform", "of a namespace that the list does not have"),
];

/// The options, as a tree of the parts of their names. `<name>`, `*` and `_` stand for any name, or for any item.
#[derive(Default)]
pub(crate) struct Options {
    /// What a value must be, in words.
    kind: Option<String>,
    below: BTreeMap<String, Self>,
}

impl Options {
    /// Reads the list: each option's name, and an object with its `type`.
    pub(crate) fn read(text: &str) -> Self {
        let list: BTreeMap<String, BTreeMap<String, Json>> =
            serde_json::from_str(text).expect("a list of options");
        let mut options = Self::default();
        for (name, about) in list {
            let at =
                name.split('.').fold(&mut options, |at, part| at.below.entry(part.to_owned()).or_default());
            at.kind = about.get("type").and_then(Json::as_str).map(str::to_owned);
        }
        options
    }

    fn named(&self, part: &str) -> Option<&Self> {
        self.below.get(part).or_else(|| self.any())
    }

    fn any(&self) -> Option<&Self> {
        ["<name>", "*", "_"].iter().find_map(|any| self.below.get(*any))
    }

    /// What is wrong with settings, option by option.
    pub(crate) fn faults(&self, settings: &Json) -> Vec<String> {
        let mut faults = Vec::new();
        self.walk("", settings, &mut faults);
        faults
    }

    fn walk(&self, path: &str, value: &Json, faults: &mut Vec<String>) {
        if ELSEWHERE.iter().any(|(begin, _)| path == *begin) {
            return;
        }
        if let Some(kind) = &self.kind
            && (self.below.is_empty() || value.is_null())
        {
            if let Err(why) = fits(value, kind) {
                faults.push(format!("{path} is {value}, expected {kind}{why}"));
            }
            return;
        }
        match value {
            Json::Object(settings) if tag(value).is_none() => {
                for (name, value) in settings {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    match self.named(name) {
                        Some(below) => below.walk(&path, value, faults),
                        None if ELSEWHERE.iter().any(|(begin, _)| path == *begin) => {}
                        // nixpkgs.hostPlatform: its set is not in the list either.
                        None if ELSEWHERE.iter().any(|(begin, _)| begin.starts_with(&format!("{path}."))) => {
                            Self::default().walk(&path, value, faults);
                        }
                        None => faults.extend(self.free(value).map_err(|why| format!("{path}{why}")).err()),
                    }
                }
            }
            Json::Array(items) if self.kind.as_ref().is_some_and(|kind| kind.contains("list of")) => {
                if let Some(below) = self.any() {
                    for item in items {
                        below.walk(path, item, faults);
                    }
                }
            }
            _ => faults
                .push(format!("{path} is {value}, expected {}", self.kind.as_deref().unwrap_or("a set"))),
        }
    }
}

impl Options {
    /// Whether a name that is not in the list may be set here to a value: some sets take any name.
    fn free(&self, value: &Json) -> Result<(), String> {
        let items = self.kind.as_deref().and_then(|kind| kind.strip_prefix("attribute set of "));
        match items.filter(|items| *items != "(submodule)") {
            None => Err(" is no option".to_owned()),
            Some(items) => fits(value, items).map_err(|why| format!(" is {value}, expected {items}{why}")),
        }
    }
}

/// What is no plain value: `path`, `package` or `override`, as alone.nix writes it.
fn tag(value: &Json) -> Option<&str> {
    let only = value.as_object().filter(|set| set.len() == 1)?.keys().next()?;
    only.strip_prefix('⟪')?.strip_suffix('⟫')
}

/// Whether a value is what a description says. The error says more, if there is more to say.
fn fits(value: &Json, kind: &str) -> Result<(), String> {
    let kind = kind.trim();
    let is = |holds: bool| if holds { Ok(()) } else { Err(String::new()) };
    let text = value.is_string();
    if let Some(inner) = kind.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        && balanced(inner)
    {
        return fits(value, inner);
    }
    if let Some(rest) = kind.strip_prefix("null or ") {
        return if value.is_null() { Ok(()) } else { fits(value, rest) };
    }
    if let Some(rest) = kind.strip_prefix("list of ") {
        let items = value.as_array().ok_or_else(String::new)?;
        return items.iter().try_for_each(|item| fits(item, rest).map_err(|_| format!(": {item}")));
    }
    if let Some(rest) = kind.strip_prefix("attribute set of ") {
        let set = value.as_object().filter(|_| tag(value).is_none()).ok_or_else(String::new)?;
        return set.iter().try_for_each(|(name, item)| fits(item, rest).map_err(|_| format!(": {name}")));
    }
    if let Some(rest) = kind.strip_prefix("one of ") {
        let wanted = value.as_str().map(|text| format!("“{text}”")).ok_or_else(String::new)?;
        return is(rest.contains(&wanted));
    }
    if let Some((first, rest)) = either(kind) {
        return fits(value, first).or_else(|_| fits(value, rest));
    }
    if let Some(rest) = kind.strip_prefix("integer between ") {
        let mut bounds = rest.split_whitespace().filter_map(|word| word.parse::<i64>().ok());
        let bounds = bounds.next().zip(bounds.next()).expect("two bounds");
        return is(value.as_i64().is_some_and(|number| (bounds.0..=bounds.1).contains(&number)));
    }
    if kind.starts_with("strings concatenated with ") {
        return is(text);
    }
    if kind.starts_with("string matching the pattern ") && kind.ends_with("|timer|scope|slice)") {
        let units =
            ["service", "socket", "device", "mount", "swap", "target", "path", "timer", "scope", "slice"];
        return is(value
            .as_str()
            .and_then(|text| text.rsplit_once('.'))
            .is_some_and(|(_, end)| units.contains(&end)));
    }
    match kind {
        "string matching the pattern ^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$" => {
            let name = |text: &str| {
                text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            };
            is(value
                .as_str()
                .is_some_and(|text| name(text) && !text.starts_with('-') && !text.ends_with('-')))
        }
        "boolean" => is(value.is_boolean()),
        "string" => is(text),
        "(optionally newline-terminated) single-line string" => {
            is(value.as_str().is_some_and(|text| !text.trim_end_matches('\n').contains('\n')))
        }
        "signed integer" => is(value.is_i64()),
        "16 bit unsigned integer; between 0 and 65535 (both inclusive)" => {
            is(value.as_u64().is_some_and(|number| number <= u16::MAX.into()))
        }
        // A package is the path of its folder.
        "path" => is(tag(value).is_some() || value.as_str().is_some_and(|text| text.starts_with('/'))),
        "package" => is(tag(value) == Some("package")),
        "attribute set" | "submodule" => is(value.is_object() && tag(value).is_none()),
        "sysctl option value" => {
            is(value.is_boolean() || value.is_string() || value.is_i64() || value.is_null())
        }
        "systemd option" => is(!value.is_null() && !value.is_object() || tag(value).is_some()),
        "TOML value" | "JSON value" | "unspecified value" | "anything" | "raw value" => Ok(()),
        _ => Err(format!(" (which this test does not know: `{kind}`)")),
    }
}

/// Both sides of the first `or` that stands outside of parentheses and quotes.
fn either(kind: &str) -> Option<(&str, &str)> {
    let outside = |at: usize| {
        balanced(&kind[..at]) && kind[..at].matches('“').count() == kind[..at].matches('”').count()
    };
    let at = kind.match_indices(" or ").map(|(at, _)| at).find(|at| outside(*at))?;
    Some((&kind[..at], &kind[at + " or ".len()..]))
}

/// Whether every parenthesis that opens closes, in order.
fn balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    text.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    }) && depth == 0
}

#[test]
fn each_description_of_a_type_takes_what_it_says() {
    let path = serde_json::json!({ "⟪path⟫": "/x" });
    let rows = [
        ("null or path", serde_json::json!(null), true),
        ("null or path", path.clone(), true),
        ("null or path", serde_json::json!("relative"), false),
        ("list of string", serde_json::json!(["a", 1]), false),
        ("attribute set of string", serde_json::json!({ "a": "b" }), true),
        ("attribute set of string", path, false),
        ("null or one of “a”, “b”", serde_json::json!("c"), false),
        ("one of “a”, “b”", serde_json::json!("b"), true),
        ("string or list of string", serde_json::json!(["a"]), true),
        (
            "attribute set of (null or string or path or package)",
            serde_json::json!({ "a": null, "b": "c" }),
            true,
        ),
        ("attribute set of (null or string or path or package)", serde_json::json!({ "a": 1 }), false),
        ("integer between 1 and 255 (both inclusive)", serde_json::json!(256), false),
        ("boolean", serde_json::json!("true"), false),
        ("attribute set of (sysctl option value)", serde_json::json!({ "net.x": 1 }), true),
        ("no type that is known", serde_json::json!("x"), false),
    ];
    for (kind, value, expected) in rows {
        assert_eq!(fits(&value, kind).is_ok(), expected, "{kind}: {value}");
    }
}

//! The dotenv store: `KEY=value` lines and comments. Source: sops, stores/dotenv/store.go.
//!
//! It knows no quotes and no `export`: what stands before the first `=` is the key, what stands behind it the value,
//! blanks and all; only `\n` means a line break. What a line cannot say is refused when it is written.

use std::collections::{HashMap, VecDeque};

use super::buffer::Buffer;
use super::error::SopsError;
use super::flatten::{flatten, unflatten};
use super::store::{Parts, only};
use super::tree::{Branch, Comment, Item, Node};
use super::value::{Kind, Plain};
use crate::secret::Secret;

/// What every key of the metadata begins with.
const PREFIX: &str = "sops_";
const STORE: &str = "dotenv";

/// Reads a file in the open.
pub(crate) fn read(text: &str) -> Result<Branch<Plain>, SopsError> {
    let lines = text.split('\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(index, line)| read_line(line, index + 1)).collect()
}

fn read_line(line: &str, number: usize) -> Result<Item<Plain>, SopsError> {
    if let Some(comment) = line.strip_prefix('#') {
        return Ok(Item::Comment(Comment::new(comment, false)));
    }
    // The line itself is no part of the message: it may be a secret.
    let (key, value) =
        line.split_once('=').ok_or(SopsError::Syntax { store: STORE, line: number, column: 1 })?;
    Ok(Item::Pair(key.to_owned(), Node::Leaf(Plain::text(replaced(value, "\\n", "\n").into_secret()))))
}

/// Reads a sealed file.
pub(crate) fn read_sealed(text: &str) -> Result<Parts, SopsError> {
    let is_section = |item: &Item<Plain>| matches!(item, Item::Pair(key, _) if key.starts_with(PREFIX));
    let (section, document): (Vec<_>, Vec<_>) = read(text)?.into_iter().partition(is_section);
    let flat = section.iter().filter_map(|item| match item {
        Item::Pair(key, node) => Some((key.strip_prefix(PREFIX)?, node.as_str()?)),
        Item::Comment(_) => None,
    });
    let fields = unflatten(flat)?;
    Ok(Parts { documents: vec![document], section: (!section.is_empty()).then_some(fields) })
}

/// Writes a file in the open.
pub(crate) fn write(document: &Branch<Plain>) -> Result<Secret, SopsError> {
    let mut out = Buffer::with_capacity(4096);
    for item in document {
        out.push_str(line(item)?.as_str());
        out.push('\n');
    }
    Ok(out.into_secret())
}

/// Writes a sealed file.
pub(crate) fn write_sealed(parts: &Parts) -> Result<String, SopsError> {
    let lines = content_lines(parts)?.into_iter().chain(section_lines(parts)?);
    Ok(lines.fold(String::new(), |out, line| out + &line + "\n"))
}

/// Writes a sealed file in the place of `old`: empty lines stay above the line that they stand above, and the fields of
/// the metadata in their order.
pub(crate) fn rewrite_sealed(old: &str, parts: &Parts) -> Result<String, SopsError> {
    let mut section = section_lines(parts)?;
    let places: HashMap<&str, usize> =
        old.split('\n').enumerate().map(|(index, line)| (name(line), index)).collect();
    // A field that is new stands behind the one that it follows by its name.
    let mut place = 0;
    section.sort_by_cached_key(|line| {
        place = places.get(name(line)).copied().unwrap_or(place);
        place
    });
    let mut blanks: HashMap<&str, VecDeque<usize>> = HashMap::new();
    let mut count = 0;
    for line in old.split('\n') {
        if line.is_empty() {
            count += 1;
        } else {
            blanks.entry(name(line)).or_default().push_back(count);
            count = 0;
        }
    }
    let mut out = String::with_capacity(old.len());
    for line in content_lines(parts)?.iter().chain(&section) {
        let above = blanks.get_mut(name(line)).and_then(VecDeque::pop_front).unwrap_or(0);
        out.extend(std::iter::repeat_n('\n', above));
        out.push_str(line);
        out.push('\n');
    }
    Ok(out)
}

/// What tells a line from others: its key, or all of a comment.
fn name(line: &str) -> &str {
    if line.starts_with('#') { line } else { line.split_once('=').map_or(line, |(key, _)| key) }
}

fn content_lines(parts: &Parts) -> Result<Vec<String>, SopsError> {
    let document = only(&parts.documents, STORE)?;
    let is_reserved = |item: &Item<Plain>| match item {
        Item::Pair(key, _) if key.starts_with(PREFIX) => Some(key.clone()),
        _ => None,
    };
    if let Some(key) = document.iter().find_map(is_reserved) {
        return Err(cannot_hold(&key, "keys that begin with `sops_` are the format's own"));
    }
    document.iter().map(|item| line(item).map(Buffer::into_public)).collect()
}

fn section_lines(parts: &Parts) -> Result<Vec<String>, SopsError> {
    let fields = parts.section.iter().flat_map(flatten);
    let item = |(key, text): (String, String)| Item::Pair(format!("{PREFIX}{key}"), Node::text(&text));
    fields.map(|field| line(&item(field)).map(Buffer::into_public)).collect()
}

/// A line without its end, which reads back as what it was made of.
fn line(item: &Item<Plain>) -> Result<Buffer, SopsError> {
    let (key, line, value) = match item {
        Item::Comment(comment) => {
            let mut line = Buffer::with_capacity(comment.text.bytes.expose_bytes().len() + 1);
            line.push('#');
            line.push_str(comment.as_str());
            ("#", line, None)
        }
        Item::Pair(key, Node::Leaf(plain)) => {
            let value = value_text(plain);
            let text = value.expose_text().map_err(|_| cannot_hold(key, "it is not UTF-8"))?;
            let text = replaced(text, "\n", "\\n");
            let mut line = Buffer::with_capacity(key.len() + text.as_str().len() + 1);
            line.push_str(key);
            line.push('=');
            line.push_str(text.as_str());
            (key.as_str(), line, Some(value))
        }
        Item::Pair(key, Node::Null) => return Err(cannot_hold(key, "it is null")),
        Item::Pair(key, Node::Map(_)) => return Err(cannot_hold(key, "it is a map")),
        Item::Pair(key, Node::List(_)) => return Err(cannot_hold(key, "it is a list")),
    };
    let back = read(line.as_str());
    let is_same = match (back.as_deref(), &value) {
        (Ok([Item::Pair(name, Node::Leaf(plain))]), Some(value)) => name == key && plain.bytes.same_as(value),
        (Ok([Item::Comment(_)]), None) => true,
        _ => false,
    };
    if is_same { Ok(line) } else { Err(cannot_hold(key, "it would be read back as something else")) }
}

fn cannot_hold(key: &str, why: &'static str) -> SopsError {
    SopsError::CannotHold { store: STORE, key: key.escape_debug().to_string(), why }
}

/// Every `from` as `to`, in memory that wipes itself.
fn replaced(text: &str, from: &str, to: &str) -> Buffer {
    let mut out = Buffer::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(from) {
        out.push_str(before);
        out.push_str(to);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// A value of any type as text without quotes: what stands in a line, and what a program finds in its environment.
/// Source: sops, stores/stores.go, `ValToString`.
pub(crate) fn value_text(plain: &Plain) -> Secret {
    let text = plain.bytes.expose_text().unwrap_or_default();
    match plain.kind {
        Kind::Str | Kind::Bytes | Kind::Comment | Kind::Int => plain.bytes.duplicate(),
        Kind::Bool => Secret::from_text(text.to_ascii_lowercase()),
        Kind::Time => Secret::from_text(whole_seconds(text)),
        Kind::Float => match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Secret::from_text(float_text(float)),
            _ => plain.bytes.duplicate(),
        },
    }
}

/// A time without the fraction of its second.
fn whole_seconds(time: &str) -> String {
    match time.split_once('.') {
        None => time.to_owned(),
        Some((before, fraction)) => {
            before.to_owned() + fraction.trim_start_matches(|digit: char| digit.is_ascii_digit())
        }
    }
}

/// Go's `strconv.FormatFloat(value, 'G', -1, 64)`, or one digit behind the point where that would look like an integer.
fn float_text(value: f64) -> String {
    let text = format!("{value:E}");
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}E{sign}{:02}", exponent.unsigned_abs())
}

//! Strings and JSON. Lengths and positions count bytes, as in Nix.

use std::rc::Rc;

use super::super::error::{Eval, Fail};
use super::super::eval::{Machine, expected};
use super::super::value::{ThunkId, Value};
use super::{Builtin, entry};

/// Functions on strings.
pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "baseNameOf", arity: 1, run: base_name_of },
    Builtin { name: "concatStringsSep", arity: 2, run: concat_strings_sep },
    Builtin { name: "dirOf", arity: 1, run: dir_of },
    Builtin { name: "fromJSON", arity: 1, run: from_json },
    Builtin { name: "replaceStrings", arity: 3, run: replace_strings },
    Builtin { name: "stringLength", arity: 1, run: string_length },
    Builtin { name: "substring", arity: 3, run: substring },
    Builtin { name: "toJSON", arity: 1, run: to_json },
    Builtin { name: "toString", arity: 1, run: to_string },
];

/// What `lib` needs beyond them.
pub(super) static SPLIT_STRING: Builtin = Builtin { name: "splitString", arity: 2, run: split_string };

fn split_string(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let separator = machine.string_argument(arguments, 0)?;
    let text = machine.string_argument(arguments, 1)?;
    if separator.is_empty() {
        return Err(Fail::unknown("`splitString` at an empty string"));
    }
    machine.heap.read(text.len())?;
    let mut parts = Vec::new();
    for part in text.split(&*separator) {
        let part = machine.heap.string(part)?;
        parts.push(machine.heap.done(part)?);
    }
    machine.heap.list(parts)
}

fn to_string(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let value = machine.argument(arguments, 0)?;
    let text = machine.text_of(&value)?;
    machine.heap.string(text)
}

/// The last step of a path; one slash at its end does not count.
fn base_name_of(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let value = machine.argument(arguments, 0)?;
    let text = path_text(machine, &value)?;
    let text = text.strip_suffix('/').unwrap_or(&text);
    let start = text.rfind('/').map_or(0, |slash| slash + 1);
    machine.heap.string(&text[start..])
}

/// Everything before the last step; of a path a path, of a string a string.
fn dir_of(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let value = machine.argument(arguments, 0)?;
    let text = path_text(machine, &value)?;
    let folder = match text.rfind('/') {
        None => ".",
        Some(0) => "/",
        Some(slash) => &text[..slash],
    };
    machine.heap.take(folder.len())?;
    Ok(if matches!(value, Value::Path(_)) { Value::Path(folder.into()) } else { Value::Str(folder.into()) })
}

fn path_text(machine: &mut Machine, value: &Value) -> Eval<Rc<str>> {
    match value {
        Value::Path(path) => Ok(path.clone()),
        other => {
            let text = machine.coerce(other)?;
            machine.heap.read(text.len())?;
            Ok(text)
        }
    }
}

fn concat_strings_sep(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let separator = machine.string_argument(arguments, 0)?;
    let mut out = String::new();
    for (index, item) in machine.list_argument(arguments, 1)?.iter().enumerate() {
        let item = machine.force(*item)?;
        let piece = machine.coerce(&item)?;
        machine.heap.take(separator.len() + piece.len())?;
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(&piece);
    }
    machine.heap.string(out)
}

fn string_length(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let value = machine.argument(arguments, 0)?;
    let length = machine.coerce(&value)?.len();
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn substring(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let start = machine.int_argument(arguments, 0)?;
    let length = machine.int_argument(arguments, 1)?;
    let value = machine.argument(arguments, 2)?;
    let text = machine.coerce(&value)?;
    let start = usize::try_from(start).map_err(|_| Fail::wrong("`substring` begins before the string"))?;
    // A negative length means the rest.
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let start = start.min(text.len());
    let end = start.saturating_add(length).min(text.len());
    match text.get(start..end) {
        Some(part) => machine.heap.string(part),
        None => Err(Fail::unknown("a `substring` that cuts a character of several bytes")),
    }
}

/// The texts of a list of strings.
fn texts(machine: &mut Machine, arguments: &[ThunkId], index: usize) -> Eval<Vec<Rc<str>>> {
    let list = machine.list_argument(arguments, index)?;
    let mut out = Vec::with_capacity(list.len());
    for item in list.iter() {
        let item = machine.force(*item)?;
        out.push(super::string(&item)?);
    }
    Ok(out)
}

/// At each place the first pattern that fits is replaced; an empty pattern fits everywhere, the end included.
fn replace_strings(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let from = texts(machine, arguments, 0)?;
    let to = machine.list_argument(arguments, 1)?;
    if from.len() != to.len() {
        let (from, to) = (from.len(), to.len());
        return Err(Fail::wrong(format!(
            "`replaceStrings` has {from} to replace and {to} replacements, expected as many"
        )));
    }
    let text = machine.string_argument(arguments, 2)?;
    let mut out = String::new();
    let mut rest: &str = &text;
    let cost = 1 + from.len() / 4 + from.iter().map(|pattern| pattern.len()).sum::<usize>() / 64;
    loop {
        machine.heap.work(cost)?;
        let fits = from.iter().position(|pattern| rest.starts_with(&**pattern));
        let mut skip = fits.map_or(0, |index| from[index].len());
        if let Some(index) = fits {
            // Replacements are evaluated only where they are used.
            let replacement = machine.force(to[index])?;
            let replacement = super::string(&replacement)?;
            machine.heap.take(replacement.len())?;
            out.push_str(&replacement);
        }
        let Some(char) = rest.chars().next() else { break };
        if skip == 0 {
            skip = char.len_utf8();
            machine.heap.take(skip)?;
            out.push(char);
        }
        rest = &rest[skip..];
        if rest.is_empty() && !from.iter().any(|pattern| pattern.is_empty()) {
            break;
        }
    }
    machine.heap.string(out)
}

fn to_json(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let mut out = String::new();
    machine.write_json(arguments[0], &mut out)?;
    machine.heap.string(out)
}

fn from_json(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let text = machine.string_argument(arguments, 0)?;
    machine.heap.take(8 * text.len())?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Fail::wrong(format!("`fromJSON` is given what is not JSON: {error}")))?;
    json_value(machine, &json)
}

/// serde_json reads no deeper than 128 levels, so this does not recurse further.
fn json_value(machine: &mut Machine, json: &serde_json::Value) -> Eval<Value> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => machine.heap.string(text.as_str())?,
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) if !number.is_u64() => Value::Float(value),
            _ => return Err(expected("a number of 64 bits", &Value::Float(f64::INFINITY))),
        },
        Json::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                let value = json_value(machine, item)?;
                list.push(machine.heap.done(value)?);
            }
            machine.heap.list(list)?
        }
        Json::Object(members) => {
            let mut entries = Vec::with_capacity(members.len());
            for (name, member) in members {
                machine.heap.name(name)?;
                let value = json_value(machine, member)?;
                entries.push(entry(name.as_str(), machine.heap.done(value)?));
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            machine.heap.attrs(entries, None)?
        }
    })
}

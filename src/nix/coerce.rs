//! Values as strings: what `"${x}"` takes, what `toString` takes, and how JSON writes them.

use std::fmt::Write as _;
use std::rc::Rc;

use super::error::{Eval, Fail};
use super::eval::Machine;
use super::operators::closed;
use super::value::{Attrs, ThunkId, Value};

impl Machine {
    /// As interpolation and `+` do it: strings, and sets that say how.
    pub(super) fn coerce(&mut self, value: &Value) -> Eval<Rc<str>> {
        match value {
            Value::Str(text) => Ok(text.clone()),
            Value::Path(_) => Err(Fail::unknown("a path in a string (it would be copied to the Nix store)")
                .hint("write `toString ./path`, or the path in quotes")),
            Value::Attrs(attrs) => match self.set_as_string(attrs)? {
                Some(inner) => self.nested(|machine| machine.coerce(&inner)),
                None => Err(not_a_string(value)),
            },
            Value::Int(_) | Value::Float(_) => {
                Err(not_a_string(value).hint("write `toString` before it, in parentheses if need be"))
            }
            other => Err(not_a_string(other)),
        }
    }

    /// As `toString` does it.
    pub(super) fn text_of(&mut self, value: &Value) -> Eval<Rc<str>> {
        self.heap.work(1)?;
        Ok(match value {
            Value::Str(text) | Value::Path(text) => text.clone(),
            Value::Null | Value::Bool(false) => "".into(),
            Value::Bool(true) => "1".into(),
            Value::Int(value) => value.to_string().into(),
            Value::Float(value) => c_float(*value)?.into(),
            Value::List(items) => {
                let mut text = String::new();
                for (index, item) in items.iter().enumerate() {
                    let item = self.force(*item)?;
                    let piece = self.nested(|machine| machine.text_of(&item))?;
                    self.heap.take(piece.len() + 1)?;
                    text.push_str(&piece);
                    let empty = matches!(&item, Value::List(items) if items.is_empty());
                    if index + 1 < items.len() && !empty {
                        text.push(' ');
                    }
                }
                text.into()
            }
            Value::Attrs(attrs) => match self.set_as_string(attrs)? {
                Some(inner) => self.nested(|machine| machine.text_of(&inner))?,
                None => return Err(not_a_string(value)),
            },
            Value::Lambda(..) | Value::Builtin(..) => return Err(not_a_string(value)),
        })
    }

    /// What a set stands for where a string is wanted: `__toString` before `outPath`.
    pub(super) fn set_as_string(&mut self, attrs: &Rc<Attrs>) -> Eval<Option<Value>> {
        if let Some(entry) = attrs.get("__toString") {
            let function = self.force(entry.value)?;
            let itself = self.heap.done(Value::Attrs(attrs.clone()))?;
            return self.call(&function, itself).map(Some);
        }
        attrs.get("outPath").map(|entry| self.force(entry.value)).transpose()
    }

    /// `builtins.toJSON`: compact, names sorted.
    pub(super) fn write_json(&mut self, id: ThunkId, out: &mut String) -> Eval<()> {
        let before = out.len();
        let value = self.force(id)?;
        match &value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) => drop(write!(out, "{value}")),
            Value::Float(value) => out.push_str(&json_float(*value)),
            Value::Str(text) => {
                // Escapes may double it, and take their time.
                self.heap.take(2 * text.len())?;
                out.push_str(&quoted(text)?);
            }
            Value::Path(_) => {
                return Err(Fail::unknown("a path in JSON (it would be copied to the Nix store)"));
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.push(if index == 0 { '[' } else { ',' });
                    self.nested(|machine| machine.write_json(*item, out))?;
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Value::Attrs(attrs) => self.write_json_set(attrs, out)?,
            Value::Lambda(..) | Value::Builtin(..) => {
                return Err(Fail::wrong("cannot write a function as JSON"));
            }
        }
        // A share of the text is counted at each level: generous, and never too little.
        self.heap.take(out.len() - before)
    }

    fn write_json_set(&mut self, attrs: &Rc<Attrs>, out: &mut String) -> Eval<()> {
        closed(attrs)?;
        if let Some(inner) = self.set_as_string(attrs)? {
            let inner = self.heap.done(inner)?;
            return self.nested(|machine| machine.write_json(inner, out));
        }
        for (index, entry) in attrs.entries.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            out.push_str(&quoted(&entry.name)?);
            out.push(':');
            self.nested(|machine| machine.write_json(entry.value, out))?;
        }
        out.push_str(if attrs.entries.is_empty() { "{}" } else { "}" });
        Ok(())
    }
}

fn not_a_string(value: &Value) -> Fail {
    Fail::wrong(format!("expected a string, found {}", value.kind()))
}

fn quoted(text: &str) -> Eval<String> {
    serde_json::to_string(text)
        .map_err(|error| Fail::wrong(format!("a string that JSON cannot hold: {error}")))
}

/// A double as C's `%f` writes it.
fn c_float(value: f64) -> Eval<String> {
    if value.is_finite() {
        return Ok(format!("{value:.6}"));
    }
    Err(Fail::unknown("the text of an infinite number"))
}

/// A double as Nix's JSON library writes it: the shortest digits that read back the same, plain between 1e-5 and
/// 1e15, with a `.0` behind whole numbers.
pub(super) fn json_float(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let sign = if value.is_sign_negative() { "-" } else { "" };
    // Digits before the point.
    let point = exponent.parse::<i32>().unwrap_or_default() + 1;
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    if value == 0.0 {
        format!("{sign}0.0")
    } else if length <= point && point <= 15 {
        format!("{sign}{digits}{}.0", zeros(point - length))
    } else if 0 < point && point <= 15 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
        format!("{sign}{whole}.{fraction}")
    } else if -4 < point && point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else {
        let (first, fraction) = digits.split_at(1);
        let dot = if fraction.is_empty() { "" } else { "." };
        let exponent = point - 1;
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{sign}{first}{dot}{fraction}e{exponent_sign}{:02}", exponent.abs())
    }
}

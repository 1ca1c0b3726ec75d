//! What a plain scalar means: the rules of go-yaml v3, which sops reads with.
//!
//! They are YAML 1.2's with remnants of 1.1: `017` is fifteen, `1_000` a thousand, a date is a time; but `yes` and
//! `on` are strings.

use super::super::time;
use super::super::tree::Node;
use super::super::value::{Kind, Plain, bool_text, float_text};
use crate::secret::Secret;

/// An integer that sops refuses: no 64 bits with a sign hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BigInteger;

/// Resolves the text of a plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Result<Node<Plain>, BigInteger> {
    let typed = |kind, hashed: String| Ok(Node::Leaf(Plain { kind, bytes: Secret::from_text(hashed) }));
    let float = |number: f64| typed(Kind::Float, float_text(number));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Node::Null),
        "true" | "True" | "TRUE" => return typed(Kind::Bool, bool_text(true).to_owned()),
        "false" | "False" | "FALSE" => return typed(Kind::Bool, bool_text(false).to_owned()),
        ".nan" | ".NaN" | ".NAN" => return float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Ok(Node::text(text));
    }
    if let Some(time) = time::from_yaml(text) {
        return typed(Kind::Time, time);
    }
    let digits: String = text.chars().filter(|letter| *letter != '_').collect();
    match integer(&digits) {
        Some(Ok(number)) => return typed(Kind::Int, number.to_string()),
        Some(Err(())) if is_hex_or_small(&digits) => return Err(BigInteger),
        Some(Err(())) | None => {}
    }
    match digits.parse::<f64>() {
        Ok(number) if is_float(&digits) => float(number),
        _ => Ok(Node::text(text)),
    }
}

/// `strconv.ParseInt(text, 0, 64)`: a sign, a prefix, digits. None where it is no integer, an error where it is one
/// that does not fit.
fn integer(text: &str) -> Option<Result<i64, ()>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = match i128::from_str_radix(digits, radix) {
        Ok(number) if negative => -number,
        Ok(number) => number,
        Err(_) => return Some(Err(())),
    };
    Some(i64::try_from(magnitude).map_err(|_| ()))
}

/// go-yaml makes a float of a decimal integer beyond unsigned 64 bits, and an unsigned one of what lies between; sops
/// refuses the latter.
fn is_hex_or_small(text: &str) -> bool {
    text.parse::<f64>().map_or(true, |number| (0.0..=18_446_744_073_709_551_615.0).contains(&number))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits =
        all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    mantissa_fits && exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_as_in_go_yaml() {
        let typed = |kind, text: &str| Ok((kind, text.to_owned()));
        let int = |text| typed(Some(Kind::Int), text);
        let float = |text| typed(Some(Kind::Float), text);
        let string = |text| typed(None, text);
        for (text, expected) in [
            ("0x1F", int("31")),
            ("017", int("15")),
            ("0o17", int("15")),
            ("0b11", int("3")),
            ("1_000", int("1000")),
            ("-5", int("-5")),
            ("08", float("8")),
            ("1e-07", float("0.0000001")),
            (".5", float("0.5")),
            ("5.", float("5")),
            ("-.inf", float("-Inf")),
            (".", string(".")),
            ("-", string("-")),
            ("1e", string("1e")),
            ("0x", string("0x")),
            ("yes", string("yes")),
            ("on", string("on")),
            ("1.2.3", string("1.2.3")),
            ("3.13.2", string("3.13.2")),
            ("TRUE", typed(Some(Kind::Bool), "True")),
            ("~", string("")),
            ("9223372036854775807", int("9223372036854775807")),
            ("9223372036854775808", Err(BigInteger)),
            ("0xFFFFFFFFFFFFFFFF", Err(BigInteger)),
            ("2024-01-02", typed(Some(Kind::Time), "2024-01-02T00:00:00Z")),
            ("2024-01", string("2024-01")),
            ("2024-01-02x", string("2024-01-02x")),
        ] {
            let found = resolve(text).map(|node| match &node {
                Node::Leaf(plain) if plain.kind != Kind::Str => {
                    (Some(plain.kind), plain.bytes.expose_text().unwrap().to_owned())
                }
                other => (None, other.weak_text().unwrap().to_owned()),
            });
            assert_eq!(found, expected, "{text}");
        }
        let huge = resolve("18446744073709551616000").unwrap();
        assert!(matches!(huge, Node::Leaf(Plain { kind: Kind::Float, .. })));
    }
}

//! What a scalar means: the rules of go-yaml v3, which sops reads with.
//!
//! They are YAML 1.2's with remnants of 1.1: `017` is fifteen, `1_000` a thousand, a date is a time; but `yes` and
//! `on` are strings. Only a plain scalar is looked at, or one with a tag.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use granit_parser::{ScalarStyle, Tag};
use zeroize::Zeroizing;

use super::super::time;
use super::super::tree::Node;
use super::super::value::{Kind, Plain, bool_text, float_text};
use super::number::{self, Number};
use crate::secret::Secret;

/// Why a scalar cannot be read, as `line 3 has ..` goes on, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: &'static str,
    pub(super) remedy: &'static str,
}

/// What `!!` stands for. Source: YAML 1.2.2, section 6.8.2.
const CORE: &str = "tag:yaml.org,2002:";

const TOO_BIG: Refused = Refused {
    what: "an integer that 64 bits do not hold",
    remedy: "put it in quotes: every program that reads it keeps all its digits then",
};

const BAD_BASE64: Refused = Refused {
    what: "`!!binary` before what is no base64",
    remedy: "encode the bytes as base64, or take the tag away",
};

const BAD_TAG: Refused =
    Refused { what: "a tag that does not fit its value", remedy: "take the tag away, or correct the value" };

/// The meaning of a scalar as it stands in the text.
pub(super) fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node<Plain>, Refused> {
    let core = tag.and_then(|tag| tag.suffix_in_namespace(CORE));
    match (tag, core) {
        (Some(_), Some(kind)) => tagged(text, &kind),
        (None, _) if style == ScalarStyle::Plain => resolve(text),
        // `!` alone: the scalar speaks for itself.
        (Some(tag), None) if tag.parts() == ("", "!") => meaning(text, style, None),
        // In quotes, or of some program's own type, whose name sops drops.
        _ => Ok(Node::text(text)),
    }
}

/// A scalar that says what it is.
fn tagged(text: &str, kind: &str) -> Result<Node<Plain>, Refused> {
    if kind == "binary" {
        return binary(text).map(|bytes| Node::Leaf(Plain::text(bytes)));
    }
    let wanted = match kind {
        "null" => None,
        "bool" => Some(Kind::Bool),
        "int" => Some(Kind::Int),
        "float" => Some(Kind::Float),
        "timestamp" => Some(Kind::Time),
        _ => return Ok(Node::text(text)),
    };
    match (wanted, resolve(text)?) {
        (None, Node::Null) => Ok(Node::Null),
        (Some(kind), Node::Leaf(plain)) if plain.kind == kind => Ok(Node::Leaf(plain)),
        // The digits that are hashed for an integer are those of the float as well, where a float has them.
        (Some(Kind::Float), Node::Leaf(plain)) if plain.kind == Kind::Int => {
            let number = plain.bytes.expose_text().ok().and_then(|digits| digits.parse::<f64>().ok());
            let number = number.ok_or(BAD_TAG)?;
            Ok(typed(Kind::Float, float_text(number)))
        }
        _ => Err(BAD_TAG),
    }
}

/// The bytes of a `!!binary` value; line breaks in it do not count.
fn binary(text: &str) -> Result<Secret, Refused> {
    let digits: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect());
    BASE64_STANDARD.decode(digits.as_bytes()).map(Secret::from_bytes).map_err(|_| BAD_BASE64)
}

fn typed(kind: Kind, hashed: String) -> Node<Plain> {
    Node::Leaf(Plain { kind, bytes: Secret::from_text(hashed) })
}

/// Resolves the text of a plain scalar without a tag. Source: go-yaml v3, `resolve.go`.
pub(super) fn resolve(text: &str) -> Result<Node<Plain>, Refused> {
    let float = |number: f64| Ok(typed(Kind::Float, float_text(number)));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Node::Null),
        "true" | "True" | "TRUE" => return Ok(typed(Kind::Bool, bool_text(true).to_owned())),
        "false" | "False" | "FALSE" => return Ok(typed(Kind::Bool, bool_text(false).to_owned())),
        ".nan" | ".NaN" | ".NAN" => return float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Ok(Node::text(text));
    }
    if let Some(time) = time::from_yaml(text) {
        return Ok(typed(Kind::Time, time));
    }
    match number::parse(text) {
        Some(Number::Int(number)) => Ok(typed(Kind::Int, number.to_string())),
        Some(Number::Float(number)) => float(number),
        Some(Number::TooBig) => Err(TOO_BIG),
        None => Ok(Node::text(text)),
    }
}

/// Whether a plain scalar of this text can be nothing but a string, by its first letter: nearly every key and value is
/// told by it.
pub(super) fn begins_as_string(text: &str) -> bool {
    text.starts_with(|first: char| !first.is_ascii_digit() && !"+-.~nNtTfF".contains(first))
}

/// Whether a plain scalar of this text is a string.
pub(super) fn is_string(text: &str) -> bool {
    begins_as_string(text) || matches!(resolve(text), Ok(Node::Leaf(Plain { kind: Kind::Str, .. })))
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
            ("0X1f", int("31")),
            ("-0x10", int("-16")),
            ("017", int("15")),
            ("0o17", int("15")),
            ("0b11", int("3")),
            ("0b-1", int("-1")),
            ("0o-7", int("-7")),
            ("1_000", int("1000")),
            ("+5", int("5")),
            ("08", float("8")),
            ("1e-07", float("0.0000001")),
            (".5", float("0.5")),
            ("5.", float("5")),
            ("1_000.5", float("1000.5")),
            ("-.inf", float("-Inf")),
            (".5_0", float("0.5")),
            (".5__0", string(".5__0")),
            ("._5", string("._5")),
            ("1e400", string("1e400")),
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
            ("-9223372036854775808", int("-9223372036854775808")),
            ("9223372036854775808", Err(TOO_BIG)),
            ("-9223372036854775809", Err(TOO_BIG)),
            ("99999999999999999999", Err(TOO_BIG)),
            ("0777777777777777777777777", Err(TOO_BIG)),
            ("0xFFFFFFFFFFFFFFFF", Err(TOO_BIG)),
            // A key of a wallet, such as people write it.
            ("0x4c0883a69102937d6231471b5dbb6204fe", string("0x4c0883a69102937d6231471b5dbb6204fe")),
            ("2024-01-02", typed(Some(Kind::Time), "2024-01-02T00:00:00Z")),
            ("2024-01", string("2024-01")),
            ("2024-01-02x", string("2024-01-02x")),
        ] {
            assert_eq!(resolve(text).map(|node| shown(&node)), expected, "{text}");
        }
    }

    #[test]
    fn what_begins_as_a_string_is_one() {
        for first in (0..=0xff_u8).map(char::from) {
            for rest in ["", "1", "ull", "rue", "alse", ".5", "inf", "024-01-02"] {
                let text = format!("{first}{rest}");
                let is_string = matches!(resolve(&text), Ok(Node::Leaf(Plain { kind: Kind::Str, .. })));
                assert!(is_string || !begins_as_string(&text), "{text}");
            }
        }
    }

    #[test]
    fn a_tag_says_what_a_scalar_is_whatever_its_quotes() {
        let typed = |kind, text: &str| Ok((kind, text.to_owned()));
        for (tag, text, expected) in [
            ("str", "5", typed(None, "5")),
            ("int", "5", typed(Some(Kind::Int), "5")),
            ("int", "x", Err(BAD_TAG)),
            ("int", "1.5", Err(BAD_TAG)),
            ("float", "3", typed(Some(Kind::Float), "3")),
            ("bool", "true", typed(Some(Kind::Bool), "True")),
            ("bool", "yes", Err(BAD_TAG)),
            ("null", "", typed(None, "")),
            ("null", "x", Err(BAD_TAG)),
            ("timestamp", "2024-01-02", typed(Some(Kind::Time), "2024-01-02T00:00:00Z")),
            ("binary", "aGVs\nbG8=", typed(None, "hello")),
            ("binary", "%", Err(BAD_BASE64)),
            ("merge", "<<", typed(None, "<<")),
            ("set", "5", typed(None, "5")),
        ] {
            let tag = Tag::new(CORE, tag);
            let found = meaning(text, ScalarStyle::DoubleQuoted, Some(&tag)).map(|node| shown(&node));
            assert_eq!(found, expected, "{} {text}", tag.suffix());
        }
        let own = meaning("5", ScalarStyle::Plain, Some(&Tag::new("!", "port"))).map(|node| shown(&node));
        assert_eq!(own, typed(None, "5"));
        let bytes = meaning("//79", ScalarStyle::Plain, Some(&Tag::new(CORE, "binary"))).unwrap();
        assert!(matches!(bytes, Node::Leaf(plain) if plain.bytes.expose_bytes() == [0xff, 0xfe, 0xfd]));
    }

    fn shown(node: &Node<Plain>) -> (Option<Kind>, String) {
        match node {
            Node::Leaf(plain) if plain.kind != Kind::Str => {
                (Some(plain.kind), plain.bytes.expose_text().unwrap().to_owned())
            }
            other => (None, other.weak_text().unwrap().to_owned()),
        }
    }
}

//! Numbers as text: what of JSON's one kind is an integer, and how Go prints a float.

use super::super::value::{Kind, Plain, float_text};
use crate::secret::Secret;

/// Floats below this are printed with an exponent. Source: Go, encoding/json/encode.go, `floatEncoder`.
const SMALL: f64 = 1e-6;
/// Floats from this on are printed with an exponent. Source: as for [`SMALL`].
const LARGE: f64 = 1e21;

/// A number whose digits nothing here can hold: an integer beyond 64 bits that no float equals, a float beyond all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LosesDigits;

/// Reads a number that has JSON's form. Without a point or an exponent it is an integer if it can be one; sops makes a
/// float of what is larger, and that is the same number only where it prints as it was read.
pub(super) fn parse(text: &str) -> Result<Plain, LosesDigits> {
    let plain = |kind, hashed: String| Plain { kind, bytes: Secret::from_text(hashed) };
    // Zero has a sign as a float alone.
    let is_integer = !text.contains(['.', 'e', 'E']) && text != "-0";
    if is_integer && let Ok(integer) = text.parse::<i64>() {
        return Ok(plain(Kind::Int, integer.to_string()));
    }
    let float: f64 = text.parse().map_err(|_| LosesDigits)?;
    if !float.is_finite() || (is_integer && float_json(float) != text) {
        return Err(LosesDigits);
    }
    Ok(plain(Kind::Float, float_text(float)))
}

/// A finite float as Go's `encoding/json` prints it: the shortest digits that give it back. Of `-0` Go reads an integer
/// again, which has no sign, and sops then finds its own checksum wrong; so that one gets a point.
pub(super) fn float_json(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 && value.is_sign_negative() {
        return "-0.0".to_owned();
    }
    if size == 0.0 || (SMALL..LARGE).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    if text.contains("e-") { text } else { text.replace('e', "e+") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_that_loses_digits_is_refused_and_one_that_does_not_is_a_float() {
        let read = |text: &str| {
            let plain = parse(text)?;
            Ok((plain.kind, plain.bytes.expose_text().unwrap().to_owned()))
        };
        for (text, expected) in [
            ("0", Ok((Kind::Int, "0"))),
            ("-0", Ok((Kind::Float, "-0"))),
            ("9007199254740993", Ok((Kind::Int, "9007199254740993"))),
            ("-9223372036854775808", Ok((Kind::Int, "-9223372036854775808"))),
            ("9223372036854775808", Err(LosesDigits)),
            ("100000000000000000000", Ok((Kind::Float, "100000000000000000000"))),
            ("100000000000000000001", Err(LosesDigits)),
            ("1000000000000000000000", Err(LosesDigits)),
            ("1e21", Ok((Kind::Float, "1000000000000000000000"))),
            ("1.50", Ok((Kind::Float, "1.5"))),
            ("1e2", Ok((Kind::Float, "100"))),
            ("-0.0", Ok((Kind::Float, "-0"))),
            ("1e400", Err(LosesDigits)),
        ] {
            assert_eq!(read(text), expected.map(|(kind, hashed)| (kind, hashed.to_owned())), "{text}");
        }
    }

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (value, expected) in [
            (1.0, "1"),
            (-0.0, "-0.0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (-1.25e-10, "-1.25e-10"),
        ] {
            assert_eq!(float_json(value), expected);
        }
    }
}

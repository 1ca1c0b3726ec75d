//! Numbers as Go reads and prints them.

use zeroize::Zeroizing;

/// What a plain scalar that looks like a number is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
    /// An integer that 64 bits with a sign do not hold: sops refuses it, or makes a float of it and loses digits.
    TooBig,
}

/// Reads a number; none where the text is a string. `text` begins with a digit, a sign or a dot.
///
/// Source: go-yaml v3, `resolve.go`, `resolve`: underscores between digits, all the prefixes of Go, octal with and
/// without an `o`.
pub(super) fn parse(text: &str) -> Option<Number> {
    if text.starts_with('.') && !underscores_separate(text) {
        return None;
    }
    let digits = Zeroizing::new(text.replace('_', ""));
    let (negative, magnitude) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (digits.starts_with('-'), rest),
        None => (false, digits.as_str()),
    };
    // More than 64 bits: go-yaml makes a float of it where it looks like one, and hexadecimal digits stay a string.
    let too_big = || float(&digits).map(|_| Number::TooBig);
    match integer(magnitude) {
        Digits::None => signed_inside(&digits).map(Number::Int).or_else(|| float(&digits)),
        Digits::Many => too_big(),
        Digits::Fit(magnitude) => {
            let value = i128::from(magnitude);
            match i64::try_from(if negative { -value } else { value }) {
                Ok(number) => Some(Number::Int(number)),
                // Unsigned for Go, and then for sops an error.
                Err(_) if !digits.starts_with(['-', '+']) => Some(Number::TooBig),
                Err(_) => too_big(),
            }
        }
    }
}

/// Where a dot comes first, Go's own rule on underscores holds: a digit on either side.
fn underscores_separate(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    (0..bytes.len()).all(|at| {
        bytes.get(at) != Some(&b'_')
            || (is_digit(bytes.get(at.wrapping_sub(1))) && is_digit(bytes.get(at + 1)))
    })
}

/// What an integer without a sign is.
enum Digits {
    None,
    Fit(u64),
    /// More than 64 bits.
    Many,
}

/// Digits behind one of Go's prefixes, or none.
fn integer(text: &str) -> Digits {
    let prefix = |letters: [&str; 2]| letters.iter().find_map(|letter| text.strip_prefix(letter));
    let (radix, digits) = if let Some(rest) = prefix(["0x", "0X"]) {
        (16, rest)
    } else if let Some(rest) = prefix(["0b", "0B"]) {
        (2, rest)
    } else if let Some(rest) = prefix(["0o", "0O"]) {
        (8, rest)
    } else {
        match text.strip_prefix('0') {
            Some(rest) if !rest.is_empty() => (8, rest),
            _ => (10, text),
        }
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Digits::None;
    }
    u64::from_str_radix(digits, radix).map_or(Digits::Many, Digits::Fit)
}

/// A sign behind the prefix: `0b-1` is -1 to go-yaml.
fn signed_inside(digits: &str) -> Option<i64> {
    let (radix, rest) = match digits.strip_prefix("0b") {
        Some(rest) => (2, rest),
        None => (8, digits.strip_prefix("0o")?),
    };
    let signed = rest.starts_with(['-', '+']);
    signed.then(|| i64::from_str_radix(rest, radix).ok()).flatten()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and what 64 bits hold.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits =
        all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_fits = exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits));
    if !(mantissa_fits && exponent_fits) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Number::Float)
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 64)` of the digits that are hashed, with YAML's names for what is no
/// number.
pub(super) fn float_text(hashed: &str) -> String {
    match hashed {
        "NaN" => return ".nan".to_owned(),
        "+Inf" => return ".inf".to_owned(),
        "-Inf" => return "-.inf".to_owned(),
        // Not as Go: `-0` is an integer when it is read, and has no sign.
        "-0" => return "-0.0".to_owned(),
        _ => {}
    }
    let Ok(value) = hashed.parse::<f64>() else { return hashed.to_owned() };
    let scientific = Zeroizing::new(format!("{value:e}"));
    let exponent = scientific.split_once('e').and_then(|(mantissa, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        Some((mantissa, exponent))
    });
    match exponent {
        Some((mantissa, exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (hashed, expected) in [
            ("1.5", "1.5"),
            ("100000", "100000"),
            ("1000000", "1e+06"),
            ("123456789.5", "1.234567895e+08"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("-0", "-0.0"),
            ("0", "0"),
            ("+Inf", ".inf"),
            ("-Inf", "-.inf"),
            ("NaN", ".nan"),
        ] {
            assert_eq!(float_text(hashed), expected, "{hashed}");
        }
        assert_eq!(float_text(&format!("1{}", "0".repeat(300))), "1e+300");
    }
}

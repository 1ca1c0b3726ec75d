//! One value as text: plain where that reads back, else in quotes or in lines of its own, as go-yaml v3 chooses.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::super::value::{Kind, Plain};
use super::{number, scalar};
use crate::secret::Secret;

/// How many letters of base64 a line has. Source: go-yaml v3, `resolve.go`, `encodeBase64`.
const BASE64_LINE: usize = 70;

/// Text in the making. It holds secrets: what it outgrows is wiped.
#[derive(Default)]
pub(super) struct Out(Zeroizing<String>);

impl Out {
    pub(super) fn push_str(&mut self, text: &str) {
        if self.0.capacity() - self.0.len() < text.len() {
            let mut larger = String::with_capacity((self.0.len() + text.len()) * 2);
            larger.push_str(&self.0);
            self.0.zeroize();
            *self.0 = larger;
        }
        self.0.push_str(text);
    }

    pub(super) fn spaces(&mut self, count: usize) {
        const BLANK: &str = "                                                                ";
        let mut left = count;
        while left > 0 {
            let some = left.min(BLANK.len());
            self.push_str(BLANK.get(..some).unwrap_or(BLANK));
            left -= some;
        }
    }

    pub(super) fn into_secret(self) -> Secret {
        Secret::from_zeroizing(&self.0)
    }

    /// For ciphertexts, which anybody may see.
    pub(super) fn into_text(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// A value in one line.
pub(super) fn line(plain: &Plain) -> Zeroizing<String> {
    let Ok(text) = plain.bytes.expose_text() else {
        let digits = Zeroizing::new(BASE64_STANDARD.encode(plain.bytes.expose_bytes()));
        return Zeroizing::new(["!!binary ", &digits].concat());
    };
    Zeroizing::new(match plain.kind {
        Kind::Bool => text.to_ascii_lowercase(),
        Kind::Float => number::float_text(text),
        Kind::Int | Kind::Time => text.to_owned(),
        Kind::Str | Kind::Bytes | Kind::Comment => quoted(text).into_owned(),
    })
}

/// A value in one line between brackets, where more letters have a meaning.
pub(super) fn flow_line(plain: &Plain) -> Zeroizing<String> {
    match plain.kind {
        Kind::Str | Kind::Bytes | Kind::Comment => match plain.bytes.expose_text() {
            Ok(text) => Zeroizing::new(flow_quoted(text)),
            Err(_) => line(plain),
        },
        _ => line(plain),
    }
}

/// A string between brackets.
pub(super) fn flow_quoted(text: &str) -> String {
    let is_safe =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '/' | '+' | '=');
    if text.chars().all(is_safe) && !is_other_type(text) && is_plain(text) {
        text.to_owned()
    } else {
        double_quoted(text)
    }
}

/// A value in lines of its own: the head behind `|` and the lines without indentation.
pub(super) struct Literal<'p> {
    /// A tag with its blank; empty for text.
    pub(super) tag: &'static str,
    /// Whether the first line begins with a blank, so that the head must say where lines begin.
    pub(super) hint: bool,
    /// `-`, `+` or nothing.
    pub(super) chomp: &'static str,
    pub(super) body: Cow<'p, str>,
}

impl Drop for Literal<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(body) = &mut self.body {
            body.zeroize();
        }
    }
}

/// The literal form of a value that has one. Source: go-yaml v3, `encode.go`, `stringv`, and `emitterc.go`,
/// `yaml_emitter_analyze_scalar`; what its own reader would not give back stands in quotes here.
pub(super) fn literal(plain: &Plain) -> Option<Literal<'_>> {
    if !matches!(plain.kind, Kind::Str | Kind::Bytes) {
        return None;
    }
    match plain.bytes.expose_text() {
        Ok(text) => literal_text(text),
        Err(_) => literal_base64(plain.bytes.expose_bytes()),
    }
}

/// The same for a key.
pub(super) fn literal_text(text: &str) -> Option<Literal<'_>> {
    let fits = text.contains('\n')
        && !text.ends_with(' ')
        && !text.contains(" \n")
        && !text.trim_start_matches('\n').starts_with('\t')
        && !text.chars().any(|letter| needs_escape(letter) && !matches!(letter, '\n' | '\t'));
    fits.then(|| Literal {
        tag: "",
        hint: text.starts_with([' ', '\n']),
        chomp: match text.strip_suffix('\n') {
            None => "-",
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => "+",
            Some(_) => "",
        },
        body: text.into(),
    })
}

fn literal_base64(bytes: &[u8]) -> Option<Literal<'static>> {
    let digits = Zeroizing::new(BASE64_STANDARD.encode(bytes));
    if digits.len() < BASE64_LINE {
        return None;
    }
    let mut body = String::with_capacity(digits.len() + digits.len() / BASE64_LINE + 1);
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (one, after) = rest.split_at_checked(BASE64_LINE).unwrap_or((rest, ""));
        body.push_str(one);
        body.push('\n');
        rest = after;
    }
    Some(Literal { tag: "!!binary ", hint: false, chomp: "", body: body.into() })
}

/// A string in the style that go-yaml chooses: plain where that reads back, else single, else double quotes.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if has_escapes(text) || is_other_type(text) {
        return double_quoted(text).into();
    }
    if is_plain(text) {
        return text.into();
    }
    // Room for all of it: what is outgrown is not wiped.
    let mut out = String::with_capacity(text.len() + text.matches('\'').count() + 2);
    out.push('\'');
    for (index, part) in text.split('\'').enumerate() {
        if index > 0 {
            out.push_str("''");
        }
        out.push_str(part);
    }
    out.push('\'');
    out.into()
}

/// Whether the plain text would read back as something else than a string. go-yaml also quotes the booleans of
/// YAML 1.1 and its base-60 numbers, for older readers. The merge key is no string, and sops writes it as one.
fn is_other_type(text: &str) -> bool {
    const OLD_BOOLEANS: [&str; 16] =
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];
    let is_old_boolean = text.len() <= 3 && OLD_BOOLEANS.contains(&text);
    !scalar::is_string(text) || is_old_boolean || text == "<<" || is_base_60(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = digits.split(':');
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let first = parts
        .next()
        .is_some_and(|first| first.starts_with(|digit: char| digit.is_ascii_digit()) && is_number(first));
    let mut count = 0;
    let rest = parts.all(|part| {
        count += 1;
        matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    first && rest && count > 0 && is_number(fraction)
}

/// Whether a text without control characters can stand without quotes.
fn is_plain(text: &str) -> bool {
    let starts_badly = text.starts_with(|first: char| "#,[]{}&*!|>'\"%@` ".contains(first))
        || text.starts_with("---")
        || text.starts_with("...")
        || ["-", "?", ":"]
            .iter()
            .any(|mark| text.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
    let has_mark = text.as_bytes().windows(2).any(|pair| matches!(pair, b": " | b" #"));
    !starts_badly && !text.ends_with([' ', ':']) && !has_mark
}

fn has_escapes(text: &str) -> bool {
    let is_usual = |byte: u8| matches!(byte, b' '..=b'~');
    !text.bytes().all(is_usual) && text.chars().any(needs_escape)
}

/// What go-yaml takes for unprintable: controls, the byte order mark, and all beyond 16 bits. Source: go-yaml v3,
/// `yamlprivateh.go`, `is_printable`; line and paragraph separators are breaks to it.
pub(super) fn needs_escape(letter: char) -> bool {
    !matches!(letter, ' '..='~' | '\u{a0}'..='\u{fffd}')
        || matches!(letter, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

fn double_quoted(text: &str) -> String {
    // Room for all of it: what is outgrown is not wiped. No escape is longer than ten letters.
    let escaped = text.chars().filter(|letter| needs_escape(*letter) || matches!(letter, '"' | '\\')).count();
    let mut out = String::with_capacity(text.len() + escaped * 10 + 2);
    out.push('"');
    for letter in text.chars() {
        if let Some((_, short)) = SHORT_ESCAPES.iter().find(|(escaped, _)| *escaped == letter) {
            out.push('\\');
            out.push(*short);
        } else if needs_escape(letter) {
            let code = u32::from(letter);
            // Writing to a String does not fail.
            let _ = match code {
                0..=0xff => write!(out, "\\x{code:02X}"),
                0x100..=0xffff => write!(out, "\\u{code:04X}"),
                _ => write!(out, "\\U{code:08X}"),
            };
        } else {
            out.push(letter);
        }
    }
    out.push('"');
    out
}

/// Characters with an escape of one letter. Source: YAML 1.2.2, section 5.7.
const SHORT_ESCAPES: [(char, char); 14] = [
    ('"', '"'),
    ('\\', '\\'),
    ('\0', '0'),
    ('\u{7}', 'a'),
    ('\u{8}', 'b'),
    ('\t', 't'),
    ('\n', 'n'),
    ('\u{b}', 'v'),
    ('\u{c}', 'f'),
    ('\r', 'r'),
    ('\u{1b}', 'e'),
    ('\u{85}', 'N'),
    ('\u{2028}', 'L'),
    ('\u{2029}', 'P'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_only_where_go_yaml_quotes_them() {
        for (text, expected) in [
            ("etcd-server", "etcd-server"),
            ("ssh-ed25519 AAAA root@vm", "ssh-ed25519 AAAA root@vm"),
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("3.13", "\"3.13\""),
            ("3.13.2", "3.13.2"),
            ("12:30", "\"12:30\""),
            ("1:2.5", "\"1:2.5\""),
            ("1:75", "1:75"),
            ("192:80", "192:80"),
            ("a: b", "'a: b'"),
            ("it's: b", "'it''s: b'"),
            ("#a", "'#a'"),
            ("-", "'-'"),
            ("-a", "-a"),
            ("? a", "'? a'"),
            ("?a", "?a"),
            ("a\tb", "\"a\\tb\""),
            ("a\rb", "\"a\\rb\""),
            ("é\u{1}", "\"é\\x01\""),
            ("2024-01-02", "\"2024-01-02\""),
            ("😀\u{1b}", "\"\\U0001F600\\e\""),
            ("back\\slash", "back\\slash"),
            ("<<", "\"<<\""),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}

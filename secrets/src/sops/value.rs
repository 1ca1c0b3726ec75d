//! Values and their types, the way SOPS writes them down before it encrypts or hashes them.

use crate::secret::Secret;

/// The type of a value; the last field of a ciphertext names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Str,
    Int,
    Float,
    Bool,
    Time,
    Bytes,
    Comment,
}

impl Kind {
    /// Every type with its name in `type:`. Source: sops, aes/cipher.go, `Encrypt` and `Decrypt`.
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Str, "str"),
        (Self::Int, "int"),
        (Self::Float, "float"),
        (Self::Bool, "bool"),
        (Self::Time, "time"),
        (Self::Bytes, "bytes"),
        (Self::Comment, "comment"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("str", |(_, name)| name)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// A value in the open: its type, and the bytes that are encrypted and hashed for it.
///
/// Those bytes are the same for both uses: a string raw, an integer in decimal, a float with as many digits as it
/// needs and never an exponent, `True` or `False`, a time in RFC 3339.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) kind: Kind,
    pub(crate) bytes: Secret,
}

impl Plain {
    pub(crate) fn text(bytes: Secret) -> Self {
        Self { kind: Kind::Str, bytes }
    }

    /// The text of a string; none of any other type.
    pub(crate) fn as_text(&self) -> Option<&str> {
        (self.kind == Kind::Str).then(|| self.bytes.expose_text().ok()).flatten()
    }

    /// A second copy, asked for by name.
    pub(crate) fn duplicate(&self) -> Self {
        Self { kind: self.kind, bytes: self.bytes.duplicate() }
    }

    /// Whether both are the same value of the same type.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.kind == other.kind && self.bytes.same_as(&other.bytes)
    }

    /// What was decrypted under `type:kind`, in the one form that is hashed; none where it is no such value.
    pub(crate) fn from_decrypted(kind: Kind, bytes: Secret) -> Option<Self> {
        let normal = match kind {
            Kind::Str | Kind::Bytes | Kind::Comment | Kind::Time => return Some(Self { kind, bytes }),
            Kind::Int => bytes.expose_text().ok()?.parse::<i64>().ok()?.to_string(),
            Kind::Float => float_text(parse_float(bytes.expose_text().ok()?)?),
            Kind::Bool => bool_text(parse_bool(bytes.expose_text().ok()?)?).to_owned(),
        };
        Some(Self { kind, bytes: Secret::from_text(normal) })
    }
}

/// Go's `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest digits that give the value back, no exponent.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn parse_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

pub(crate) fn bool_text(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// Go's `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_never_have_an_exponent() {
        assert_eq!(float_text(1e-7), "0.0000001");
        assert_eq!(float_text(1000.0), "1000");
        assert_eq!(float_text(-0.0), "-0");
        assert_eq!(float_text(1e300).len(), 301);
        assert_eq!(float_text(f64::NEG_INFINITY), "-Inf");
    }

    #[test]
    fn decrypted_values_are_hashed_in_one_form_whatever_their_spelling() {
        let hashed = |kind, text: &str| {
            Plain::from_decrypted(kind, Secret::from(text))
                .map(|plain| plain.bytes.expose_text().unwrap().to_owned())
        };
        assert_eq!(hashed(Kind::Bool, "t").as_deref(), Some("True"));
        assert_eq!(hashed(Kind::Int, "+007").as_deref(), Some("7"));
        assert_eq!(hashed(Kind::Float, "1.50").as_deref(), Some("1.5"));
        assert_eq!(hashed(Kind::Int, "x"), None);
        assert_eq!(hashed(Kind::Bool, "yes"), None);
    }

    #[test]
    fn debug_of_a_plain_value_shows_its_type_alone() {
        assert_eq!(format!("{:?}", Plain::text("hunter2".into())), "Plain { kind: Str, bytes: Secret(..) }");
    }
}

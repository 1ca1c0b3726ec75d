//! The one kind of time in a file's metadata: RFC 3339, checked and brought into the form that Go prints.

/// `2026-11-21T03:02:57Z` as Go's `time.Parse` and `Format(RFC3339)` give it back: without fractions, `Z` for UTC.
/// None where the text is no such time.
pub(crate) fn normalize(text: &str) -> Option<String> {
    let (date_time, rest) = text.split_at_checked("2026-11-21T03:02:57".len())?;
    if !is_date_time(date_time.as_bytes()) {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    let zone = match zone {
        "Z" | "+00:00" | "-00:00" => "Z",
        _ if is_offset(zone.as_bytes()) => zone,
        _ => return None,
    };
    Some(format!("{date_time}{zone}"))
}

/// Whether `text` is a time as sops writes it: UTC, seconds, `Z`.
pub(crate) fn is_canonical(text: &str) -> bool {
    text.ends_with('Z') && normalize(text).as_deref() == Some(text)
}

fn is_date_time(text: &[u8]) -> bool {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits
            .iter()
            .try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    let within = |from, to, low, high| number(from, to).is_some_and(|value| (low..=high).contains(&value));
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    signs.iter().all(|(at, sign)| text.get(*at) == Some(sign))
        && within(0, 4, 0, 9999)
        && within(5, 7, 1, 12)
        && within(8, 10, 1, 31)
        && within(11, 13, 0, 23)
        && within(14, 16, 0, 59)
        && within(17, 19, 0, 59)
}

fn is_offset(zone: &[u8]) -> bool {
    matches!(zone, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_go_prints_them() {
        for (text, expected) in [
            ("2026-11-21T03:02:57Z", Some("2026-11-21T03:02:57Z")),
            ("2026-11-21T03:02:57+00:00", Some("2026-11-21T03:02:57Z")),
            ("2026-11-21T03:02:57.25Z", Some("2026-11-21T03:02:57Z")),
            ("2026-11-21T03:02:57+02:00", Some("2026-11-21T03:02:57+02:00")),
            ("2026-11-21T03:02:57", None),
            ("2026-11-21 03:02:57Z", None),
            ("2026-13-21T03:02:57Z", None),
            ("2026-11-21T03:02:57.Z", None),
            ("2026-11-21T03:02:5", None),
            ("é026-11-21T03:02:57Z", None),
        ] {
            assert_eq!(normalize(text).as_deref(), expected, "{text}");
        }
        assert!(is_canonical("2026-11-21T03:02:57Z") && !is_canonical("2026-11-21T03:02:57+00:00"));
    }
}

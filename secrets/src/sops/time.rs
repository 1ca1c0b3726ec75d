//! Times: the one of the metadata, RFC 3339, and those that stand in YAML in clear. Both are brought into the form
//! that Go prints, for that is what the checksum covers.

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
    Some(format!("{date_time}{}", zone_text(zone)?))
}

/// Whether `text` is a time as sops writes it: UTC, seconds, `Z`.
pub(crate) fn is_canonical(text: &str) -> bool {
    text.ends_with('Z') && normalize(text).as_deref() == Some(text)
}

/// A plain YAML scalar that go-yaml takes for a time, as `time.Time.MarshalText` prints it; none for other text.
///
/// Source: go-yaml v3, `resolve.go`, `allowedTimestampFormats`: `2006-1-2`; the same with a blank and `15:4:5` and a
/// fraction; the same with `T` or `t` and a zone.
pub(crate) fn from_yaml(text: &str) -> Option<String> {
    let (date, clock) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, Some((text.as_bytes().get(at)?, text.get(at + 1..)?))),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4)?;
    let date = format!("{year}-{}-{}", two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let (clock, zone) = match clock {
        None => ("00:00:00".to_owned(), "Z".to_owned()),
        Some((b' ', clock)) => (clock_text(clock.trim_start_matches(' '))?, "Z".to_owned()),
        Some((_, clock)) => {
            let at = clock.find(['Z', '+', '-'])?;
            (clock_text(clock.get(..at)?)?, zone_text(clock.get(at..)?)?)
        }
    };
    let seconds = clock.get(..8)?;
    is_date_time(format!("{date}T{seconds}").as_bytes()).then(|| format!("{date}T{clock}{zone}"))
}

/// `3:4:5.50` to `03:04:05.5`. Go takes a comma for the point.
fn clock_text(clock: &str) -> Option<String> {
    let (clock, fraction) = match clock.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let mut parts = clock.splitn(3, ':');
    let mut next = || parts.next().and_then(two_digits);
    let mut text = format!("{}:{}:{}", next()?, next()?, next()?);
    if let Some(fraction) = fraction {
        if fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // Nanoseconds; what is finer is cut.
        let shown = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
        if !shown.is_empty() {
            text.push('.');
            text.push_str(shown);
        }
    }
    Some(text)
}

/// `+01:60` to `+02:00`, and no offset to `Z`. Go reads up to 24 hours and 60 minutes, and prints less than 24 hours.
fn zone_text(zone: &str) -> Option<String> {
    if zone == "Z" {
        return Some("Z".to_owned());
    }
    let [sign, ..] = zone.as_bytes() else { return None };
    if !is_offset(zone.as_bytes()) {
        return None;
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    match total {
        0 => Some("Z".to_owned()),
        1..1440 if minutes <= 60 => Some(format!("{}{:02}:{:02}", char::from(*sign), total / 60, total % 60)),
        _ => None,
    }
}

/// One or two digits, as two.
fn two_digits(digits: &str) -> Option<String> {
    let fits = (1..=2).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    fits.then(|| format!("{digits:0>2}"))
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
        && within(8, 10, 1, days(number(0, 4).unwrap_or(0), number(5, 7).unwrap_or(1)))
        && within(11, 13, 0, 23)
        && within(14, 16, 0, 59)
        && within(17, 19, 0, 59)
}

/// How many days a month has.
fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_offset(zone: &[u8]) -> bool {
    matches!(zone, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_times_are_what_go_yaml_takes_for_times() {
        for (text, expected) in [
            ("2024-01-02", Some("2024-01-02T00:00:00Z")),
            ("2024-1-2", Some("2024-01-02T00:00:00Z")),
            ("2024-1-2 3:4:5.50", Some("2024-01-02T03:04:05.5Z")),
            ("2024-01-02T03:04:05.000Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02t03:04:05+02:00", Some("2024-01-02T03:04:05+02:00")),
            ("2024-01-02T03:04:05", None),
            ("2024-01-02 03:04:05Z", None),
            ("2024-01", None),
            ("2024-13-02", None),
            ("2024-02-29", Some("2024-02-29T00:00:00Z")),
            ("2023-02-29", None),
            ("1900-02-29", None),
            ("2024-04-31", None),
            ("2024-01-02 3:4:5,5", Some("2024-01-02T03:04:05.5Z")),
            ("2024-01-02  03:04:05", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05+02:60", Some("2024-01-02T03:04:05+03:00")),
            ("2024-01-02T03:04:05-00:30", Some("2024-01-02T03:04:05-00:30")),
            ("2024-01-02T03:04:05+24:00", None),
            ("2024-01-02T24:00:00Z", None),
            ("2024-01-02x", None),
            ("20240-01-02", None),
            ("2024-01-02T", None),
        ] {
            assert_eq!(from_yaml(text).as_deref(), expected, "{text}");
        }
    }

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

//! Texts with places to fill in: `@name@`.

/// Fills every place. A line that is nothing but one place becomes the lines of its value, and goes when that is empty.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    for line in template.lines() {
        let whole = line.strip_prefix('@').and_then(|rest| rest.strip_suffix('@'));
        if let Some((_, value)) = values.iter().find(|(name, _)| whole == Some(name)) {
            for line in value.lines() {
                filled.push_str(line);
                filled.push('\n');
            }
            continue;
        }
        let mut rest = line;
        // A value is not looked at again: what a person typed may look like a place.
        while let Some((before, value, after)) = first_place(rest, values) {
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        filled.push('\n');
    }
    filled
}

/// The first place of a line: what stands before it, its value, what follows.
fn first_place<'t>(line: &'t str, values: &[(&'t str, &'t str)]) -> Option<(&'t str, &'t str, &'t str)> {
    let places = values.iter().filter_map(|(name, value)| {
        let mark = format!("@{name}@");
        line.find(&mark).map(|at| (at, at + mark.len(), *value))
    });
    let (at, end, value) = places.min_by_key(|(at, ..)| *at)?;
    Some((line.get(..at)?, value, line.get(end..)?))
}

/// A text as Nix reads it between quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for letter in text.chars() {
        match letter {
            '"' | '\\' | '$' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_takes_its_value_and_a_line_of_its_own_takes_or_loses_lines() {
        let values = [("a", "1"), ("b", "x\ny"), ("c", ""), ("d", "@a@")];
        assert_eq!(fill("@a@ and @a@;\n@b@\n@c@\nend\n", &values), "1 and 1;\nx\ny\nend\n");
        assert_eq!(fill("  @d@ @unknown@\n", &values), "  @a@ @unknown@\n");
    }

    #[test]
    fn what_nix_would_read_as_its_own_is_escaped() {
        assert_eq!(quoted(r#"a"${b}\"#), r#"a\"\${b}\\"#);
        assert_eq!(quoted("a\nb"), "a\\nb");
    }
}

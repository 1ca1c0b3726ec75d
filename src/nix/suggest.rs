//! "Did you mean": the known name nearest to one that is not known.

/// The name nearest to `name` among `known`, when it is near enough to be a slip of the fingers.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let tolerance = (name.chars().count() / 3).min(3);
    known
        .take(MAX_CANDIDATES)
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= 4 * tolerance)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint is not worth more work than this.
const MAX_CANDIDATES: usize = 2_000;
/// Longer names are compared by their beginning.
const MAX_LENGTH: usize = 64;

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(MAX_LENGTH).collect();
    let b: Vec<char> = b.chars().take(MAX_LENGTH).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let known = ["kubernetes", "etcd", "optionals"];
        assert_eq!(nearest("kubernets", known.into_iter()), Some("kubernetes"));
        assert_eq!(nearest("optinoals", known.into_iter()), Some("optionals"));
        assert_eq!(nearest("router", known.into_iter()), None);
        assert_eq!(nearest("x", known.into_iter()), None);
    }
}

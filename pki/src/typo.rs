//! What a misspelt name was probably meant to be.

/// The closest of `known` to `word`, when it is close enough to be a slip of the finger: the same letters in another
/// case, or one edit in a short name, two in one of more than five letters.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A name of this length is nobody's slip, and the distance costs the product of both lengths; a hint is not worth
    // more than so many of those.
    const LONGEST: usize = 64;
    const MOST: usize = 2_000;
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    known
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= if candidate.len().max(word.len()) > 5 { 2 } else { 1 })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != other);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["ip", "localIp", "kubernetes", "etcd", "disk", "interface", "node", "enable", "hostKey"];
        for (word, meant) in [
            ("enabled", Some("enable")),
            ("kubernets", Some("kubernetes")),
            ("localip", Some("localIp")),
            ("ectd", Some("etcd")),
            ("ips", Some("ip")),
            ("interfcae", Some("interface")),
            ("role", None),
            ("zfs", None),
            ("nvidia", None),
            ("longhornIP", None),
            ("longhornInterface", None),
            ("hass", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn an_endless_name_is_no_slip() {
        assert_eq!(nearest(&"e".repeat(1 << 20), ["enable"]), None);
    }
}

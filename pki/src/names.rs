//! Names that DNS, Kubernetes and certificates take.

/// Longest common name of a certificate. Source: RFC 5280 appendix A.1, `ub-common-name`.
const COMMON_NAME: usize = 64;

/// Longest machine name: the common name of its kubelet is `system:node:<name>`.
pub const MACHINE_NAME: usize = COMMON_NAME - "system:node:".len();

/// Longest cluster name: it shares common names with up to 24 letters that say what the authority is for.
pub const CLUSTER_NAME: usize = COMMON_NAME - 24;

/// Whether `text` is a label: 1 to 63 of `a-z`, `0-9` and inner `-`. Source: RFC 1123 section 2.1, in lower case as
/// Kubernetes wants it.
pub fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether `text` is one or more labels joined by dots, 253 letters at most.
pub fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// The label that `text` was probably meant to be: lower case, `-` for what no label has. `None` when nothing is left.
pub fn to_label(text: &str) -> Option<String> {
    let mapped: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let trimmed = mapped.trim_matches('-');
    is_label(trimmed).then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_lower_case_letters_digits_and_inner_hyphens() {
        for good in ["cp1", "a", "1", "a-b", &"a".repeat(63)] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "Cp1", "a_b", "a.b", "ä", "a b", &"a".repeat(64)] {
            assert!(!is_label(bad), "{bad}");
        }
    }

    #[test]
    fn domains_are_labels_joined_by_dots() {
        assert!(is_domain("cluster.local") && is_domain("kubernetes"));
        assert!(!is_domain("") && !is_domain("a..b") && !is_domain(".a") && !is_domain("a."));
        assert!(!is_domain(&["a"; 128].join(".")));
    }

    #[test]
    fn a_bad_name_becomes_the_label_it_meant() {
        assert_eq!(to_label("CP_1").as_deref(), Some("cp-1"));
        assert_eq!(to_label("cp1.lan").as_deref(), Some("cp1-lan"));
        assert_eq!(to_label("__"), None);
    }
}

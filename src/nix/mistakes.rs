//! What people write that is no Nix, called by its name: an empty file, JSON, YAML, an address without quotes.

use std::net::IpAddr;

use ipnet::IpNet;
use rnix::{SyntaxKind, tokenize};

/// A file that is no Nix as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotNix {
    pub(super) message: &'static str,
    pub(super) hint: &'static str,
}

/// What to begin with.
const BEGIN: &str =
    "begin with `{ cp1 = { ip = \"10.0.0.1\"; kubernetes.enable = true; etcd.enable = true; }; }`";

/// A file without a single token.
pub(super) fn nothing(text: &str) -> Option<NotNix> {
    if tokenize(text).any(|(kind, _)| !kind.is_trivia()) {
        return None;
    }
    let message = if text.trim().is_empty() {
        "the file is empty, expected a set of machines"
    } else {
        "the file has nothing but comments, expected a set of machines"
    };
    Some(NotNix { message, hint: BEGIN })
}

/// What a file is that Nix does not take. Only asked when it does not: `a: b` is a function in Nix.
pub(super) fn other_language(text: &str) -> Option<NotNix> {
    if text.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Some(NotNix {
            message: "the file is JSON, expected Nix by its name",
            hint: "give it a name that ends in `.json`",
        });
    }
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let is_yaml =
        !text.contains([';', '=']) && lines.next().is_some_and(|line| line == "---" || is_pair(line));
    is_yaml.then_some(NotNix {
        message: "the file is YAML, expected Nix",
        hint: "write `name = value;` for `name: value`, and braces around what is indented; or turn it into JSON, in a \
               file whose name ends in `.json`",
    })
}

/// `name:` or `name: value`.
fn is_pair(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, value)| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.\"'".contains(c);
        !name.is_empty() && name.chars().all(is_name) && (value.is_empty() || value.starts_with(' '))
    })
}

/// Whether an expression's own text is an address or a range: a number, a call, a path or a URI to Nix.
pub(super) fn is_address(text: &str) -> bool {
    text.len() < 64 && (text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok())
}

/// A bracket that nothing closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed {
    pub(super) at: usize,
    pub(super) open: &'static str,
    pub(super) close: &'static str,
}

/// The tokens of a file but blanks and comments, each where it stands: read once, however many faults there are.
pub(super) struct Tokens<'t> {
    text: &'t str,
    all: Vec<(usize, usize, SyntaxKind)>,
    /// The innermost bracket or string that is open at the end of the file.
    pub(super) unclosed: Option<Unclosed>,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut at = 0;
        let mut all = Vec::new();
        for (kind, token) in tokenize(text) {
            if !kind.is_trivia() {
                all.push((at, at + token.len(), kind));
            }
            at += token.len();
        }
        let unclosed = unclosed(text, &all);
        Self { text, all, unclosed }
    }

    /// The first token of a stretch that begins at `start`.
    pub(super) fn first(&self, start: usize) -> &'t str {
        let index = self.all.partition_point(|(_, end, _)| *end <= start);
        let token = self.all.get(index).map(|(from, to, _)| *from..*to);
        token.and_then(|token| self.text.get(token)).unwrap_or_default()
    }

    /// Where the token before `at` ends, and whether it is a `;`.
    pub(super) fn end_before(&self, at: usize) -> (usize, bool) {
        let index = self.all.partition_point(|(_, end, _)| *end <= at);
        let before = index.checked_sub(1).and_then(|index| self.all.get(index));
        before.map_or((0, false), |(_, end, kind)| (*end, *kind == SyntaxKind::TOKEN_SEMICOLON))
    }

    /// Where the attribute path begins that ends right before the `=` at `at`: with what stands before it, that was
    /// taken for a value and its argument.
    pub(super) fn path_before(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default().trim_end();
        before.rfind(char::is_whitespace).map_or(0, |blank| blank + 1)
    }
}

/// The innermost bracket or string that is open at the end of these tokens.
fn unclosed(text: &str, tokens: &[(usize, usize, SyntaxKind)]) -> Option<Unclosed> {
    let mut open: Vec<Unclosed> = Vec::new();
    for (at, end, kind) in tokens {
        let token = text.get(*at..*end).unwrap_or_default();
        // One of another kind closes nothing: what it stands in was never closed.
        let closes = open.last().is_some_and(|unclosed| unclosed.close == token);
        let mut push = |open_text, close| open.push(Unclosed { at: *at, open: open_text, close });
        match kind {
            SyntaxKind::TOKEN_L_BRACE => push("{", "}"),
            SyntaxKind::TOKEN_L_BRACK => push("[", "]"),
            SyntaxKind::TOKEN_L_PAREN => push("(", ")"),
            SyntaxKind::TOKEN_INTERPOL_START => push("${", "}"),
            SyntaxKind::TOKEN_STRING_START if token == "''" => push("''", "''"),
            SyntaxKind::TOKEN_STRING_START => push("\"", "\""),
            SyntaxKind::TOKEN_R_BRACE
            | SyntaxKind::TOKEN_R_BRACK
            | SyntaxKind::TOKEN_R_PAREN
            | SyntaxKind::TOKEN_INTERPOL_END
            | SyntaxKind::TOKEN_STRING_END
                if closes =>
            {
                open.pop();
            }
            _ => {}
        }
    }
    // A bracket that has a stranger in it is the one that lacks its end, and not those around it.
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_nix_is_called_by_its_name() {
        assert!(nothing(" \n# x\n/* y */").unwrap().message.contains("comments"));
        assert!(nothing("").unwrap().message.contains("empty"));
        assert_eq!(nothing("{ }"), None);
        for (text, word) in [
            ("{ \"a\": 1 }", Some("JSON")),
            ("---\na: 1", Some("YAML")),
            ("# x\ncp1:\n  ip: 10.0.0.1", Some("YAML")),
            ("{ a = 1 }", None),
            ("pkgs: { a = 1 }", None),
            ("lib:\n{ a = 1; b }", None),
        ] {
            let found = other_language(text).map(|found| found.message);
            assert_eq!(found.is_some(), word.is_some(), "{text}: {found:?}");
            assert!(found.unwrap_or_default().contains(word.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn the_innermost_bracket_that_is_open_is_found() {
        for (text, found) in [
            ("{ a = [ 1 ]; ", Some((0, "}"))),
            ("{ a = [ 1; }", Some((6, "]"))),
            ("{ a = \"x; }", Some((6, "\""))),
            ("{ a = \"${b\"; }", Some((10, "\""))),
            ("{ a = ''x''; }", None),
        ] {
            assert_eq!(
                Tokens::new(text).unclosed.map(|unclosed| (unclosed.at, unclosed.close)),
                found,
                "{text}"
            );
        }
    }

    #[test]
    fn addresses_and_ranges_are_told_from_what_nix_takes_them_for() {
        for text in ["10.0.1.2", "fd00::1", "10.0.0.0/24", "fd00::/64"] {
            assert!(is_address(text), "{text}");
        }
        for text in ["10.0", "./a", "https://example.org", "f 1"] {
            assert!(!is_address(text), "{text}");
        }
    }
}

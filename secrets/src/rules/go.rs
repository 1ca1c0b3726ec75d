//! Go's regular expressions, as sops compiles them, in the words of the regex crate. Both are RE2; they differ in what
//! letters `\w`, `\d`, `\s` and `\b` mean, which are those of ASCII in Go, and in some forms that only one of them has.

use std::borrow::Cow;

use regex::Regex;
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSet, ClassSetItem, Flag, Flags, FlagsItemKind,
    Span,
};

/// Compiles an expression of Go. `None` where it does not compile, or would mean another thing there.
pub(crate) fn compile(text: &str) -> Option<Regex> {
    Regex::new(&translate(text)?).ok()
}

/// The expression in the words of the regex crate. `None` where it has a form that Go does not have, or reads otherwise.
pub(super) fn translate(text: &str) -> Option<Cow<'_, str>> {
    match without_quotations(text) {
        Cow::Borrowed(text) => in_our_words(text),
        Cow::Owned(text) => in_our_words(&text).map(|words| Cow::Owned(words.into_owned())),
    }
}

/// `\Q..\E`, which the regex crate does not have, letter by letter. Without its end it reaches to that of the expression;
/// within brackets Go does not have it either. Source: Go 1.26, `regexp/syntax/parse.go`, `parse`.
fn without_quotations(text: &str) -> Cow<'_, str> {
    if !text.contains(r"\Q") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix(r"\Q") {
            let (quoted, behind) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            regex_syntax::escape_into(quoted, &mut plain);
            rest = behind;
            continue;
        }
        let length = match letter {
            '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            '[' => brackets(rest),
            other => other.len_utf8(),
        };
        let (piece, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        plain.push_str(piece);
        rest = behind;
    }
    Cow::Owned(plain)
}

/// How long what stands in brackets is, both of them counted. A bracket that comes first is a letter.
fn brackets(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = if bytes.get(1) == Some(&b'^') { 2 } else { 1 };
    let first = at;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'\\' => 2,
            b']' if at > first => return at + 1,
            // A class by its name.
            b'[' if bytes.get(at + 1) == Some(&b':') => {
                text.get(at + 2..).and_then(|rest| rest.find(":]")).map_or(1, |end| end + 4)
            }
            _ => 1,
        };
    }
    text.len()
}

/// An expression without quotations.
fn in_our_words(text: &str) -> Option<Cow<'_, str>> {
    let perl = |letters: &[u8]| matches!(letters, [b'\\', letter] if b"dDsSwWbB".contains(letter));
    let means_the_same = !text.contains(['[', '?']) && !text.as_bytes().windows(2).any(perl);
    if means_the_same {
        return Some(Cow::Borrowed(text));
    }
    let ast = Parser::new().parse(text).ok()?;
    let spans = ast::visit(&ast, Translator { found: Vec::new() }).ok()?;
    let mut translated = String::with_capacity(text.len() * 2);
    let mut end = 0;
    for (span, words) in spans {
        translated.push_str(text.get(end..span.start.offset)?);
        translated.push_str(words);
        end = span.end.offset;
    }
    translated.push_str(text.get(end..)?);
    Some(Cow::Owned(translated))
}

/// What must be written otherwise, in the order of the text.
struct Translator {
    found: Vec<(Span, &'static str)>,
}

/// A form that only one of the two has.
struct Foreign;

impl Translator {
    fn class(&mut self, class: &ClassPerl) {
        let words = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.found.push((class.span, words));
    }
}

impl ast::Visitor for Translator {
    type Output = Vec<(Span, &'static str)>;
    type Err = Foreign;

    fn finish(self) -> Result<Self::Output, Foreign> {
        Ok(self.found)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Foreign> {
        match ast {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => self.found.push((assertion.span, r"(?-u:\b)")),
                AssertionKind::NotWordBoundary => self.found.push((assertion.span, r"(?-u:\B)")),
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => {}
                _ => return Err(Foreign),
            },
            Ast::ClassBracketed(class) if matches!(class.kind, ClassSet::BinaryOp(_)) => return Err(Foreign),
            Ast::Flags(flags) => known(&flags.flags)?,
            Ast::Group(group) => group.flags().map_or(Ok(()), known)?,
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Foreign> {
        match item {
            ClassSetItem::Perl(class) => self.class(class),
            // In Go a bracket within brackets is a letter.
            ClassSetItem::Bracketed(_) => return Err(Foreign),
            _ => {}
        }
        Ok(())
    }
}

/// Go has four flags.
fn known(flags: &Flags) -> Result<(), Foreign> {
    let has = |flag| {
        matches!(flag, Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed)
    };
    let all = flags.items.iter().all(|item| match item.kind {
        FlagsItemKind::Negation => true,
        FlagsItemKind::Flag(flag) => has(flag),
    });
    if all { Ok(()) } else { Err(Foreign) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_ascii_as_in_go() {
        for (expression, text, matches) in [
            (r"^\w+$", "abc_1", true),
            (r"^\w+$", "ä", false),
            (r"^\W+$", "ä", true),
            (r"^[\w-]+$", "a-ä", false),
            (r"^[^\w]+$", "ä-", true),
            (r"^[\W]$", "ä", true),
            (r"^\d+$", "١", false),
            (r"^\D$", "١", true),
            (r"a\sb", "a\u{a0}b", false),
            (r"a\sb", "a\tb", true),
            (r"a\sb", "a\u{b}b", false),
            (r"\bb", "äb", true),
            (r"\Bb", "äb", false),
            (r"\Bb", "ab", true),
            (r"(?i)^\w$", "Z", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^secrets/[^/]+\.(yaml|json)$", "secrets/ä.yaml", true),
            (r"\\d", r"\d", true),
            (r"\\w", "a", false),
            (r"^\Qa.b\E+$", "a.bb", true),
            (r"^\Qa.b\E+$", "axb", false),
            (r"\.(\Qa|[b\E|c)$", "x.a|[b", true),
            (r"\Qa\d(", r"xa\d(", true),
            (r"\\Qa", r"\Qa", true),
            (r"^[^]\\Q]\Q[\E[[:alpha:]]\Q]\E$", "x[a]", true),
            (r"^x\Q\E*$", "xxx", true),
            (r"^\w\Qä\E$", "aä", true),
            (r"^\w\Qä\E$", "ää", false),
        ] {
            assert_eq!(compile(expression).unwrap().is_match(text), matches, "{expression} on {text}");
        }
    }

    #[test]
    fn what_means_another_thing_in_go_is_refused() {
        for expression in [
            "[a&&b]",
            "[a[b]]",
            "(?x)a",
            "(?-u)a",
            "(?u:a)",
            r"\b{start}a?",
            "[a--b]",
            "(",
            "a{2",
            r"[\Qa\E]",
            r"a\E",
        ] {
            assert!(compile(expression).is_none() || expression == "a{2", "{expression}");
        }
    }
}

//! What rnix says about a file that is not Nix, in words.

use quorate_pki::fault::Fault;
use rnix::{ParseError, SyntaxKind, TextRange};

use super::error::ErrorKind;
use super::lower::MOST_FAULTS;
use super::sources::Span;

/// One fault for each of rnix's errors.
pub(super) fn faults(errors: &[ParseError], text: &str, file: Option<usize>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for error in errors {
        if faults.len() == MOST_FAULTS {
            break;
        }
        let (message, start, end) = describe(error, text);
        let at = Span::new(file, start, end).origin();
        // rnix repeats itself where it lost its way.
        if !faults.iter().any(|fault| fault.at == at) {
            faults.push(ErrorKind::Syntax.fault(message, None, at));
        }
    }
    faults
}

fn describe(error: &ParseError, text: &str) -> (String, usize, usize) {
    let end_of_file = text.trim_end().len();
    match error {
        ParseError::Unexpected(range) | ParseError::UnexpectedExtra(range) => {
            let found = excerpt(text, *range);
            (format!("{found} is not expected here"), range.start().into(), range.end().into())
        }
        ParseError::UnexpectedWanted(_, range, wanted) => {
            let found = excerpt(text, *range);
            let wanted = list(wanted);
            (format!("{found} is not expected here, {wanted} is"), range.start().into(), range.end().into())
        }
        ParseError::UnexpectedDoubleBind(range) => {
            ("a pattern has two names".to_owned(), range.start().into(), range.end().into())
        }
        ParseError::DuplicatedArgs(range, name) => {
            (format!("the parameter `{name}` is there twice"), range.start().into(), range.end().into())
        }
        ParseError::UnexpectedEOFWanted(wanted) => {
            (format!("the file ends where {} is expected", list(wanted)), end_of_file, end_of_file)
        }
        ParseError::RecursionLimitExceeded => ("the nesting is too deep".to_owned(), 0, 0),
        // `UnexpectedEOF`, and what later versions may add.
        _ => (
            "the file ends too early: is a bracket or a string not closed?".to_owned(),
            end_of_file,
            end_of_file,
        ),
    }
}

/// What stands in a range, shortened to one line.
fn excerpt(text: &str, range: TextRange) -> String {
    let found = text.get(usize::from(range.start())..usize::from(range.end())).unwrap_or_default().trim();
    let line = found.lines().next().unwrap_or_default();
    let short: String = line.chars().take(40).collect();
    if short.is_empty() {
        return "this".to_owned();
    }
    if short.len() < found.len() { format!("`{short}...`") } else { format!("`{short}`") }
}

fn list(kinds: &[SyntaxKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| word(*kind)).collect();
    match words.split_last() {
        None => "something else".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}

fn word(kind: SyntaxKind) -> &'static str {
    match kind {
        SyntaxKind::TOKEN_SEMICOLON => "`;`",
        SyntaxKind::TOKEN_ASSIGN => "`=`",
        SyntaxKind::TOKEN_COLON => "`:`",
        SyntaxKind::TOKEN_COMMA => "`,`",
        SyntaxKind::TOKEN_L_BRACE => "`{`",
        SyntaxKind::TOKEN_R_BRACE | SyntaxKind::TOKEN_INTERPOL_END => "`}`",
        SyntaxKind::TOKEN_L_BRACK => "`[`",
        SyntaxKind::TOKEN_R_BRACK => "`]`",
        SyntaxKind::TOKEN_L_PAREN => "`(`",
        SyntaxKind::TOKEN_R_PAREN => "`)`",
        SyntaxKind::TOKEN_AT => "`@`",
        SyntaxKind::TOKEN_ELLIPSIS => "`...`",
        SyntaxKind::TOKEN_IN => "`in`",
        SyntaxKind::TOKEN_THEN => "`then`",
        SyntaxKind::TOKEN_ELSE => "`else`",
        SyntaxKind::TOKEN_OR => "`or`",
        SyntaxKind::TOKEN_REC => "`rec`",
        SyntaxKind::TOKEN_STRING_START => "a string",
        SyntaxKind::TOKEN_STRING_CONTENT => "text",
        SyntaxKind::TOKEN_STRING_END => "the end of the string",
        SyntaxKind::TOKEN_INTERPOL_START => "`${`",
        SyntaxKind::TOKEN_IDENT | SyntaxKind::TOKEN_CUR_POS => "a name",
        _ => "something else",
    }
}

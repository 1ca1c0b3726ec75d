//! What rnix says about a file that is not Nix, in words and at the place that has to be mended.

use quorate_pki::fault::Fault;
use rnix::{ParseError, SyntaxKind};

use super::error::ErrorKind;
use super::lower::MOST_FAULTS;
use super::mistakes::Tokens;
use super::sources::Span;

/// One fault for each of rnix's errors that is not the echo of another.
pub(super) fn faults(errors: &[ParseError], text: &str, file: Option<usize>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    if errors.is_empty() {
        return faults;
    }
    let tokens = Tokens::new(text);
    for error in errors {
        if faults.len() == MOST_FAULTS {
            break;
        }
        let at_end = matches!(error, ParseError::UnexpectedEOF | ParseError::UnexpectedEOFWanted(_));
        if at_end && !faults.is_empty() && tokens.unclosed.is_none() {
            // Every bracket is closed: rnix lost its way at the fault before.
            continue;
        }
        let Some(told) = describe(error, text, &tokens) else { continue };
        let at = Span::new(file, told.start, told.end).origin();
        // rnix repeats itself where it lost its way.
        if !faults.iter().any(|fault| fault.at == at) {
            faults.push(ErrorKind::Syntax.fault(told.message, told.hint.map(str::to_owned), at));
        }
    }
    faults
}

/// One fault, and the stretch it is about.
struct Told {
    message: String,
    hint: Option<&'static str>,
    start: usize,
    end: usize,
}

/// `None` for an echo.
fn describe(error: &ParseError, text: &str, tokens: &Tokens<'_>) -> Option<Told> {
    let told = |message: String, start: usize, end: usize| Some(Told { message, hint: None, start, end });
    match error {
        ParseError::UnexpectedExtra(range) => {
            let start = range.start().into();
            let found = tokens.first(start);
            told(
                format!("{} is not expected here, the end of the file is", quoted(found)),
                start,
                start + found.len(),
            )
        }
        ParseError::Unexpected(range) => {
            let start = range.start().into();
            let found = tokens.first(start);
            told(format!("{} is not expected here", quoted(found)), start, start + found.len())
        }
        ParseError::UnexpectedWanted(_, range, wanted) => unexpected(tokens, range.start().into(), wanted),
        ParseError::UnexpectedDoubleBind(range) => {
            told("a pattern has two names, expected one".to_owned(), range.start().into(), range.end().into())
        }
        ParseError::DuplicatedArgs(range, name) => told(
            format!("the parameter `{name}` is there twice, expected each name once"),
            range.start().into(),
            range.end().into(),
        ),
        ParseError::RecursionLimitExceeded => told("the nesting is too deep".to_owned(), 0, 0),
        // `UnexpectedEOF` and its like, and what later versions may add.
        other => Some(too_early(other, text, tokens)),
    }
}

/// The file ends inside of something.
fn too_early(error: &ParseError, text: &str, tokens: &Tokens<'_>) -> Told {
    if let Some(open) = tokens.unclosed {
        let message =
            format!("`{}` is never closed, expected `{}` before the file ends", open.open, open.close);
        let in_string = ["''", "\""].contains(&open.close);
        let hint = in_string
            .then_some("the one that is missing may be lines above: look for where strings and names swap");
        return Told { message, hint, start: open.at, end: open.at + open.open.len() };
    }
    let end = text.trim_end().len();
    let wanted = match error {
        ParseError::UnexpectedEOFWanted(wanted) => list(wanted),
        _ => "a value".to_owned(),
    };
    Told { message: format!("the file ends too early, expected {wanted}"), hint: None, start: end, end }
}

/// Something stands where something else is wanted.
fn unexpected(tokens: &Tokens<'_>, start: usize, wanted: &[SyntaxKind]) -> Option<Told> {
    let found = tokens.first(start);
    if let Some(open) = tokens.unclosed.filter(|open| open.at < start)
        && (["''", "\""].contains(&open.close) || ["}", "]", ")", ";"].contains(&found))
    {
        // The echo of what is never closed, which is said at the end of the file.
        return None;
    }
    if found.len() > 1 && found.ends_with('/') {
        let message = format!("the path `{found}` ends with a slash");
        return Some(Told { message, hint: Some("leave the slash out"), start, end: start + found.len() });
    }
    if wanted == [SyntaxKind::TOKEN_SEMICOLON] && found != "," {
        // What is missing is missing behind what stands before, and that may be lines above.
        let behind = if found == "=" { tokens.path_before(start) } else { start };
        let (at, is_there) = tokens.end_before(behind);
        return (!is_there).then(|| Told {
            message: "`;` is missing behind this value".to_owned(),
            hint: Some("every attribute ends with a `;`, the last one too"),
            start: at,
            end: at,
        });
    }
    let hint = match (found, wanted) {
        (",", [SyntaxKind::TOKEN_SEMICOLON]) => Some("attributes end with a `;`"),
        (",", _) => Some("the elements of a list have blanks between them, and nothing else"),
        (":", [SyntaxKind::TOKEN_ASSIGN]) => Some("write `name = value;`"),
        ("{", _) => Some("is the `in` of a `let` missing, or a name before it?"),
        _ => None,
    };
    let message = format!("{} is not expected here, {} is", quoted(found), list(wanted));
    Some(Told { message, hint, start, end: start + found.len() })
}

/// A token between backticks, shortened to one line.
fn quoted(found: &str) -> String {
    let line = found.lines().next().unwrap_or_default();
    let short: String = line.chars().take(40).collect();
    if short.is_empty() {
        return "this".to_owned();
    }
    if short.len() < found.len() { format!("`{short}...`") } else { format!("`{short}`") }
}

/// Every beginning of an expression together is a value.
fn list(kinds: &[SyntaxKind]) -> String {
    if kinds.contains(&SyntaxKind::TOKEN_L_BRACE) && kinds.contains(&SyntaxKind::TOKEN_L_PAREN) {
        return "a value".to_owned();
    }
    let mut words: Vec<&str> = Vec::new();
    for word in kinds.iter().filter(|kind| **kind != SyntaxKind::TOKEN_OR).map(|kind| word(*kind)) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
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
        SyntaxKind::TOKEN_INTERPOL_START => "`${`",
        SyntaxKind::TOKEN_IDENT | SyntaxKind::TOKEN_CUR_POS => "a name",
        _ => "something else",
    }
}

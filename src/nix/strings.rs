//! String literals: escapes, interpolation, and the indentation that `''` strings lose.

use std::rc::Rc;

use rnix::NodeOrToken;
use rnix::SyntaxKind::{NODE_INTERPOL, TOKEN_STRING_CONTENT, TOKEN_STRING_START};
use rnix::ast;
use rowan::ast::AstNode as _;

use super::expr::{Expr, Kind, Part};
use super::lower::Lowering;

/// A piece of an indented string, as Nix's lexer cuts it: the cuts decide what counts as indentation.
enum Piece {
    /// Text whose spaces at the start of a line may be indentation.
    Plain(String),
    /// An escape or a lone `$` or `'`: ends the indentation of its line.
    Exact(String),
    Interpolation(Rc<Expr>),
}

impl Lowering<'_> {
    /// `"..."` or `''...''`
    pub(super) fn string(&mut self, string: &ast::Str) -> Kind {
        let mut indented = false;
        let mut first = true;
        let mut pieces = Vec::new();
        for child in string.syntax().children_with_tokens() {
            match child {
                NodeOrToken::Token(token) if token.kind() == TOKEN_STRING_START => {
                    indented = token.text() == "''";
                }
                NodeOrToken::Token(token) if token.kind() == TOKEN_STRING_CONTENT && indented => {
                    let text = if first { without_first_line(token.text()) } else { token.text() };
                    cut(text, &mut pieces);
                    first = false;
                }
                NodeOrToken::Token(token) if token.kind() == TOKEN_STRING_CONTENT => {
                    pieces.push(Piece::Exact(unescape(token.text())));
                }
                NodeOrToken::Node(node) if node.kind() == NODE_INTERPOL => {
                    let expr =
                        ast::Interpol::cast(node.clone()).and_then(|interpolation| interpolation.expr());
                    pieces.push(Piece::Interpolation(self.expr_or_hole(expr, &node)));
                    first = false;
                }
                _ => {}
            }
        }
        if indented {
            strip_indentation(&mut pieces);
        }
        assemble(pieces)
    }
}

/// Joins neighbouring texts; a string without interpolation is a literal.
fn assemble(pieces: Vec<Piece>) -> Kind {
    let mut parts = Vec::new();
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Plain(piece) | Piece::Exact(piece) => text.push_str(&piece),
            Piece::Interpolation(expr) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text).into()));
                }
                parts.push(Part::Interpolation(expr));
            }
        }
    }
    if parts.is_empty() {
        return Kind::Str(text.into());
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
    Kind::Interpolated(parts)
}

/// The escapes of `"..."`. A carriage return, alone or before a newline, is a newline.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.extend(chars.next().map(escaped)),
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            char => out.push(char),
        }
    }
    out
}

fn escaped(char: char) -> char {
    match char {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        char => char,
    }
}

/// The opening `''` swallows the rest of its line when that is blank.
fn without_first_line(text: &str) -> &str {
    text.trim_start_matches(' ').strip_prefix('\n').unwrap_or(text)
}

/// Cuts the text of an indented string the way Nix's lexer does.
fn cut(text: &str, pieces: &mut Vec<Piece>) {
    let mut rest = text;
    let mut plain = String::new();
    while let Some(char) = rest.chars().next() {
        let exact = if let Some(after) = rest.strip_prefix("''$") {
            rest = after;
            "$".to_owned()
        } else if let Some(after) = rest.strip_prefix("'''") {
            rest = after;
            "''".to_owned()
        } else if let Some(after) = rest.strip_prefix("''\\") {
            let mut chars = after.chars();
            let char = chars.next().map(escaped);
            rest = chars.as_str();
            char.map(String::from).unwrap_or_default()
        } else {
            // `$` and `'` belong to the plain text only together with the character behind them.
            let pair = rest.chars().nth(1).filter(|next| match char {
                '$' => !matches!(next, '{' | '\''),
                '\'' => !matches!(next, '$' | '\''),
                _ => false,
            });
            let length = char.len_utf8() + pair.map_or(0, char::len_utf8);
            let (piece, after) = rest.split_at(length);
            rest = after;
            if pair.is_some() || !matches!(char, '$' | '\'') {
                plain.push_str(piece);
                continue;
            }
            piece.to_owned()
        };
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Exact(exact));
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
}

/// Removes the indentation that all lines share; blank lines and the last line, if only spaces, do not count.
fn strip_indentation(pieces: &mut [Piece]) {
    let indent = common_indent(pieces);
    let last = pieces.len().saturating_sub(1);
    let mut line_start = true;
    let mut dropped = 0;
    for (index, piece) in pieces.iter_mut().enumerate() {
        // Escapes are stripped like any text, though they were not counted as indentation.
        let (Piece::Plain(text) | Piece::Exact(text)) = piece else {
            line_start = false;
            dropped = 0;
            continue;
        };
        let mut out = String::with_capacity(text.len());
        for char in text.chars() {
            if line_start && char == ' ' {
                if dropped >= indent {
                    out.push(' ');
                }
                dropped += 1;
                continue;
            }
            line_start = char == '\n';
            dropped = 0;
            out.push(char);
        }
        if index == last
            && let Some(newline) = out.rfind('\n')
            && out[newline..].trim_start_matches('\n').bytes().all(|byte| byte == b' ')
        {
            out.truncate(newline + 1);
        }
        *text = out;
    }
}

fn common_indent(pieces: &[Piece]) -> usize {
    let mut least = usize::MAX;
    let mut current = 0;
    let mut line_start = true;
    for piece in pieces {
        let Piece::Plain(text) = piece else {
            if line_start {
                least = least.min(current);
            }
            line_start = false;
            continue;
        };
        for char in text.chars() {
            match char {
                '\n' => {
                    line_start = true;
                    current = 0;
                }
                ' ' if line_start => current += 1,
                _ if line_start => {
                    line_start = false;
                    least = least.min(current);
                }
                _ => {}
            }
        }
    }
    least
}

//! A list of strings that stands in a file as it is read: found by its path, and changed in place. Whatever is not the
//! element stays byte for byte, comments and blanks included.

use std::fmt::Write as _;
use std::ops::Range;

use rnix::SyntaxKind::{TOKEN_COMMENT, TOKEN_WHITESPACE};
use rnix::ast::{self, AstToken as _, HasEntry as _, InterpolPart};
use rnix::{NodeOrToken, SyntaxNode};
use rowan::ast::AstNode as _;

use super::scan;

/// Why a list cannot be changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLiteral {
    /// Nothing of that name stands in the file.
    Absent,
    /// It is something else than a list of plain strings: a name, a function's result, an import.
    Computed {
        /// The byte where it begins.
        at: usize,
    },
    /// It stands there more than once.
    Several {
        /// The byte where the second begins.
        at: usize,
    },
    /// The file is not one that Nix reads.
    Unreadable,
}

/// A list of strings.
#[derive(Debug)]
pub struct LiteralList<'t> {
    text: &'t str,
    /// What stands between the brackets, in order and without a gap.
    pieces: Vec<Piece>,
    /// Behind the `[`.
    open: usize,
    /// Before the `]`.
    close: usize,
}

#[derive(Debug)]
struct Piece {
    kind: Kind,
    range: Range<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Blank,
    /// `# ...`: what follows in its line is lost.
    LineComment,
    BlockComment,
    Element(String),
}

impl<'t> LiteralList<'t> {
    /// Finds the list at a path of names, such as `cluster.admins`, whether it is written `cluster.admins = [ ];` or
    /// `cluster = { admins = [ ]; };`, in a file that is a set or a function to one.
    ///
    /// # Errors
    /// [`NotLiteral`].
    pub fn find(text: &'t str, path: &[&str]) -> Result<Self, NotLiteral> {
        scan::check(text).map_err(|_| NotLiteral::Unreadable)?;
        let parsed = rnix::Root::parse(text);
        if !parsed.errors().is_empty() {
            return Err(NotLiteral::Unreadable);
        }
        let mut found = Vec::new();
        if let Some(root) = parsed.tree().expr() {
            values(&root, path, &mut found);
        }
        let start = |expr: &ast::Expr| usize::from(expr.syntax().text_range().start());
        match found.as_slice() {
            [] => Err(NotLiteral::Absent),
            [ast::Expr::List(list)] => {
                Self::of(text, list).ok_or_else(|| NotLiteral::Computed { at: start(&found[0]) })
            }
            [other] => Err(NotLiteral::Computed { at: start(other) }),
            [_, second, ..] => Err(NotLiteral::Several { at: start(second) }),
        }
    }

    /// `None` where an element is no plain string.
    fn of(text: &'t str, list: &ast::List) -> Option<Self> {
        let open = list.l_brack_token()?.text_range().end().into();
        let close = list.r_brack_token()?.text_range().start().into();
        let mut pieces = Vec::new();
        for child in list.syntax().children_with_tokens() {
            let range = Range::from(child.text_range());
            let kind = match &child {
                NodeOrToken::Node(node) => Kind::Element(plain_string(node)?),
                NodeOrToken::Token(token) if token.kind() == TOKEN_WHITESPACE => Kind::Blank,
                NodeOrToken::Token(token) if token.kind() == TOKEN_COMMENT => {
                    let is_line = token.text().starts_with('#');
                    if is_line { Kind::LineComment } else { Kind::BlockComment }
                }
                // The brackets.
                NodeOrToken::Token(_) => continue,
            };
            pieces.push(Piece { kind, range });
        }
        // To rnix the first half of a line's end is the last letter of its comment.
        for place in 1..pieces.len() {
            let [comment, blank] = &mut pieces[place - 1..=place] else { continue };
            let end = comment.range.end;
            if comment.kind == Kind::LineComment && text.get(..end).is_some_and(|text| text.ends_with('\r')) {
                (comment.range.end, blank.range.start) = (end - 1, end - 1);
            }
        }
        Some(Self { text, pieces, open, close })
    }

    /// What it holds.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match &piece.kind {
            Kind::Element(value) => Some(value.as_str()),
            _ => None,
        })
    }

    /// The file with one more element behind the others: on a line of its own where the list has lines, indented as the
    /// one before it.
    pub fn with(&self, value: &str) -> String {
        let last = self.pieces.iter().rposition(|piece| matches!(piece.kind, Kind::Element(_)));
        let words = self.pieces.iter().rposition(|piece| piece.kind != Kind::Blank);
        let inner = self.between(self.open, self.close);
        let (at, before) = if inner.contains('\n') {
            let at = match last.or(words) {
                Some(place) => self.end_of_line(place).unwrap_or_else(|at| at),
                None => self.open + inner.find(['\r', '\n']).unwrap_or(0),
            };
            let rest = self.between(at, self.close);
            let near = if rest.contains('\n') { rest } else { inner };
            let returns = near.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r'));
            let eol = if returns { "\r\n" } else { "\n" };
            (at, format!("{eol}{}", self.indent(last)))
        } else {
            let at =
                words.and_then(|place| self.pieces.get(place)).map_or(self.open, |piece| piece.range.end);
            (at, if inner.is_empty() { String::new() } else { " ".to_owned() })
        };
        let mut new = self.between(0, at).to_owned();
        let _ = write!(new, "{before}\"{}\"", escape(value));
        new.push_str(self.between(at, self.text.len()));
        new
    }

    /// The file without the elements that `gone` names. One that has a line for itself takes the line with it, and the
    /// comment behind it in the same line.
    pub fn without(&self, gone: impl Fn(&str) -> bool) -> String {
        let mut new = String::with_capacity(self.text.len());
        let mut kept = 0;
        for (place, piece) in self.pieces.iter().enumerate() {
            if matches!(&piece.kind, Kind::Element(value) if gone(value)) {
                let cut = self.cut(place, &piece.range, &gone);
                new.push_str(self.between(kept, cut.start));
                kept = kept.max(cut.end);
            }
        }
        new.push_str(self.between(kept, self.text.len()));
        new
    }

    /// The stretch that goes with an element.
    fn cut(&self, place: usize, own: &Range<usize>, gone: &impl Fn(&str) -> bool) -> Range<usize> {
        let before = place.checked_sub(1).and_then(|place| self.pieces.get(place));
        let blank = before.filter(|piece| piece.kind == Kind::Blank).map(|piece| piece.range.clone());
        let line = blank.clone().filter(|blank| self.between(blank.start, blank.end).contains('\n'));
        let after = self.pieces.get(place + 1);
        let gap = after.filter(|piece| piece.kind == Kind::Blank && !self.has_break(piece));
        let next = if gap.is_some() { self.pieces.get(place + 2) } else { after };
        match (line, blank) {
            (Some(line), _) if self.end_of_line(place).is_ok() => {
                let line_break = self.line_break(&line);
                line_break..self.end_of_line(place).unwrap_or(own.end)
            }
            // The first of several in a line, or right behind the bracket.
            (Some(_), _) | (None, None) if next.is_some_and(|next| matches!(next.kind, Kind::Element(_))) => {
                own.start..gap.map_or(own.end, |gap| gap.range.end)
            }
            // The end of a comment's line must stay.
            (Some(_), _) if self.follows_line_comment(place, gone) => own.clone(),
            (_, Some(blank)) => blank.start..own.end,
            (_, None) => own.clone(),
        }
    }

    /// Where the last line break of a blank begins.
    fn line_break(&self, blank: &Range<usize>) -> usize {
        let text = self.between(blank.start, blank.end);
        let at = text.rfind('\n').unwrap_or(0);
        let with_return = text.get(..at).is_some_and(|before| before.ends_with('\r'));
        blank.start + at - usize::from(with_return)
    }

    /// Where the line ends that a piece stands in: before its line break, behind the comments and blanks of the line. An
    /// error where something else follows: the end of what was passed then.
    fn end_of_line(&self, place: usize) -> Result<usize, usize> {
        let mut end = self.pieces.get(place).map_or(self.open, |piece| piece.range.end);
        for piece in self.pieces.iter().skip(place + 1) {
            let text = self.between(piece.range.start, piece.range.end);
            match piece.kind {
                Kind::Blank => {
                    if let Some(at) = text.find(['\r', '\n']) {
                        return Ok(piece.range.start + at);
                    }
                }
                Kind::LineComment => end = piece.range.end,
                Kind::BlockComment if !text.contains('\n') => end = piece.range.end,
                Kind::BlockComment | Kind::Element(_) => return Err(end),
            }
        }
        Err(end)
    }

    /// How far a new line is indented.
    fn indent(&self, last: Option<usize>) -> String {
        let line_of = |at: usize| {
            let start = self.between(0, at).rfind('\n').map_or(0, |at| at + 1);
            let line = self.between(start, at);
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            (start, line.get(..blanks).unwrap_or_default().to_owned())
        };
        let first_in_line = |piece: &&Piece| {
            let (start, blanks) = line_of(piece.range.start);
            piece.kind != Kind::Blank && start > self.open && start + blanks.len() == piece.range.start
        };
        let sibling = match last.and_then(|last| self.pieces.get(last)) {
            Some(last) => Some(last).filter(|last| line_of(last.range.start).0 >= self.open),
            None => self.pieces.iter().rev().find(first_in_line),
        };
        match sibling {
            Some(sibling) => line_of(sibling.range.start).1,
            None => line_of(self.open).1 + "  ",
        }
    }

    fn has_break(&self, piece: &Piece) -> bool {
        self.between(piece.range.start, piece.range.end).contains('\n')
    }

    /// Whether a line comment is the last thing before an element, once others have gone.
    fn follows_line_comment(&self, place: usize, gone: &impl Fn(&str) -> bool) -> bool {
        let stays = |piece: &&Piece| match &piece.kind {
            Kind::Blank => false,
            Kind::LineComment | Kind::BlockComment => true,
            Kind::Element(value) => !gone(value),
        };
        let before = self.pieces.iter().take(place).rev().find(stays);
        before.is_some_and(|piece| piece.kind == Kind::LineComment)
    }

    /// Both lie between characters: they are ends of tokens.
    fn between(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// The values that a path of names has below an expression.
fn values(expr: &ast::Expr, path: &[&str], found: &mut Vec<ast::Expr>) {
    if path.is_empty() {
        found.push(expr.clone());
        return;
    }
    let inner = match expr {
        ast::Expr::AttrSet(set) => {
            for entry in set.attrpath_values() {
                let names = entry.attrpath().map(|path| path.attrs().map(name).collect::<Vec<_>>());
                let names = names.unwrap_or_default();
                let shared = names.iter().zip(path).all(|(name, wanted)| name.as_deref() == Some(*wanted));
                if let (true, Some(rest), Some(value)) = (shared, path.get(names.len()..), entry.value()) {
                    values(&value, rest, found);
                }
            }
            return;
        }
        ast::Expr::Lambda(lambda) => lambda.body(),
        ast::Expr::LetIn(let_in) => let_in.body(),
        ast::Expr::Paren(paren) => paren.expr(),
        ast::Expr::With(with) => with.body(),
        ast::Expr::Assert(assert) => assert.body(),
        other => {
            found.push(other.clone());
            return;
        }
    };
    if let Some(inner) = inner {
        values(&inner, path, found);
    }
}

/// A name that is written out.
fn name(attr: ast::Attr) -> Option<String> {
    match attr {
        ast::Attr::Ident(ident) => Some(ident.to_string()),
        ast::Attr::Str(string) => plain_string(string.syntax()),
        ast::Attr::Dynamic(_) => None,
    }
}

/// The value of `"..."` without interpolation.
fn plain_string(node: &SyntaxNode) -> Option<String> {
    let string = ast::Str::cast(node.clone())?;
    if node.first_token().is_none_or(|token| token.text() != "\"") {
        return None;
    }
    let mut value = String::new();
    for part in string.parts() {
        match part {
            InterpolPart::Literal(text) => value.push_str(&super::strings::unescape(text.syntax().text())),
            InterpolPart::Interpolation(_) => return None,
        }
    }
    Some(value)
}

/// A value as it stands between quotes.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${")
}

#[cfg(test)]
mod tests;

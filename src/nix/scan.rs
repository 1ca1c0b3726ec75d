//! What a file may look like before a recursive parser sees it.
//!
//! rnix and rowan recurse over a file's structure, in parsing and again in dropping the tree: a few megabytes of
//! `[` overflow any stack. This pass is linear, takes constant memory beside a stack of at most 256 entries, and
//! counts in the parser's favour: what it cannot match it takes for deeper than it is.

use rnix::SyntaxKind;

/// Largest file.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Brackets, strings, `let`, `if`, `with`, `assert`, functions and signs inside each other.
const MAX_NESTING: usize = 256;
/// Operators, applications and attribute steps in one expression.
const MAX_CHAIN: usize = 1_000;
/// Nesting and chains together: the height of the syntax tree.
const MAX_HEIGHT: usize = 2_000;
/// Steps that rnix's tokenizer may spend on looking ahead: at every token it looks for the end of the word.
const MAX_LOOKAHEAD: usize = 32 << 20;

/// A file that is refused.
#[derive(Debug)]
pub(super) struct Excess {
    pub(super) message: String,
    pub(super) hint: &'static str,
    /// The byte where the limit was passed.
    pub(super) at: usize,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    File,
    Paren,
    List,
    Brace,
    Interpolation,
    Let,
    /// `with` or `assert`, up to the semicolon.
    With,
    If,
}

/// One level of nesting and the expression under way in it.
#[derive(Debug)]
struct Level {
    open: Open,
    /// Functions, signs and the like that the expression is inside of.
    prefixes: usize,
    /// Its operators so far.
    chain: usize,
    /// The highest bracket in it.
    inner: usize,
    /// The highest expression before it on this level.
    height: usize,
    /// In the names of an `inherit`, which apply nothing.
    names: bool,
}

/// What the last token leaves to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A beginning: anything may follow.
    Start,
    /// A value: an operator or an argument may follow.
    Operand,
    /// An operator: a value must follow, and a bracket that closes here closes nothing.
    Operator,
    /// `let`, which may be followed by the brace of its old form.
    Let,
    /// A dot: a name follows, even `or`.
    Dot,
}

struct Scanner {
    levels: Vec<Level>,
    /// Of all levels together.
    prefixes: usize,
    last: Last,
}

/// Whether the parser may have this text.
pub(super) fn check(text: &str) -> Result<(), Excess> {
    if text.len() > MAX_BYTES {
        return Err(Excess {
            message: "the file is larger than 1 MiB, the limit for an inventory".to_owned(),
            hint: "split it, or is this another file than you meant?",
            at: 0,
        });
    }
    check_words(text)?;
    let mut scanner = Scanner { levels: vec![Level::new(Open::File)], prefixes: 0, last: Last::Start };
    let mut at = 0;
    for (kind, token) in rnix::tokenize(text) {
        if !kind.is_trivia() {
            scanner.token(kind).map_err(|message| Excess {
                message,
                hint: "an inventory is data written by people: is this generated, or damaged?",
                at,
            })?;
        }
        at += token.len();
    }
    Ok(())
}

/// Refuses what would make the tokenizer's looking ahead quadratic: long words of many operators.
fn check_words(text: &str) -> Result<(), Excess> {
    let (mut start, mut operators, mut total) = (0, 0, 0_usize);
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        match byte {
            b'.' | b'+' | b'-' | b'/' | b'<' => operators += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {}
            _ => {
                total = total.saturating_add((at - start).saturating_mul(operators));
                if total > MAX_LOOKAHEAD {
                    return Err(Excess {
                        message: "one word of the file is too long, with too many operators in it".to_owned(),
                        hint: "break it up with spaces; a large blob belongs into a file of its own",
                        at: start,
                    });
                }
                start = at + 1;
                operators = 0;
            }
        }
    }
    Ok(())
}

impl Level {
    fn new(open: Open) -> Self {
        Self { open, prefixes: 0, chain: 0, inner: 0, height: 0, names: false }
    }

    /// The height of the expression under way.
    fn current(&self) -> usize {
        self.prefixes + self.chain + self.inner
    }
}

impl Scanner {
    fn token(&mut self, kind: SyntaxKind) -> Result<(), String> {
        match kind {
            SyntaxKind::TOKEN_L_PAREN => self.open(Open::Paren),
            SyntaxKind::TOKEN_L_BRACK => self.open(Open::List),
            SyntaxKind::TOKEN_L_BRACE => self.open_brace(),
            SyntaxKind::TOKEN_INTERPOL_START => self.push(Open::Interpolation),
            SyntaxKind::TOKEN_R_PAREN => self.close(Open::Paren),
            SyntaxKind::TOKEN_R_BRACK => self.close(Open::List),
            SyntaxKind::TOKEN_R_BRACE => self.close(Open::Brace),
            SyntaxKind::TOKEN_INTERPOL_END => self.close(Open::Interpolation),
            SyntaxKind::TOKEN_LET => {
                self.push(Open::Let);
                self.last = Last::Let;
            }
            SyntaxKind::TOKEN_IN => self.turn(Open::Let),
            SyntaxKind::TOKEN_IF => self.push(Open::If),
            SyntaxKind::TOKEN_ELSE => self.turn(Open::If),
            SyntaxKind::TOKEN_WITH | SyntaxKind::TOKEN_ASSERT => self.push(Open::With),
            SyntaxKind::TOKEN_SEMICOLON if self.top().open == Open::With => self.turn(Open::With),
            SyntaxKind::TOKEN_SEMICOLON | SyntaxKind::TOKEN_COMMA | SyntaxKind::TOKEN_THEN => self.separate(),
            SyntaxKind::TOKEN_INHERIT => self.top().names = true,
            SyntaxKind::TOKEN_COLON | SyntaxKind::TOKEN_INVERT => self.prefix(),
            SyntaxKind::TOKEN_SUB if self.last != Last::Operand => self.prefix(),
            SyntaxKind::TOKEN_OR if self.last != Last::Operand => self.last = Last::Operand,
            SyntaxKind::TOKEN_DOT => {
                self.operator();
                self.last = Last::Dot;
            }
            SyntaxKind::TOKEN_IDENT
            | SyntaxKind::TOKEN_INTEGER
            | SyntaxKind::TOKEN_FLOAT
            | SyntaxKind::TOKEN_URI
            | SyntaxKind::TOKEN_PATH_ABS
            | SyntaxKind::TOKEN_PATH_REL
            | SyntaxKind::TOKEN_PATH_HOME
            | SyntaxKind::TOKEN_PATH_SEARCH
            | SyntaxKind::TOKEN_CUR_POS
            | SyntaxKind::TOKEN_REC
            | SyntaxKind::TOKEN_STRING_START => {
                self.operand();
                self.last = if kind == SyntaxKind::TOKEN_REC { Last::Operator } else { Last::Operand };
            }
            SyntaxKind::TOKEN_STRING_CONTENT | SyntaxKind::TOKEN_STRING_END | SyntaxKind::TOKEN_ELLIPSIS => {
                self.last = Last::Operand;
            }
            SyntaxKind::TOKEN_ERROR => {}
            // The binary operators, `=`, `?`, `@` and `or`.
            _ => self.operator(),
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), String> {
        let nesting = self.levels.len() - 1 + self.prefixes;
        let level = self.top();
        let (chain, height) = (level.chain, level.current().max(level.height));
        if nesting > MAX_NESTING {
            return Err(format!("the nesting is deeper than {MAX_NESTING}, the limit for an inventory"));
        }
        if chain > MAX_CHAIN {
            return Err(format!("a chain of more than {MAX_CHAIN} operators, the limit for an inventory"));
        }
        if height > MAX_HEIGHT {
            return Err(format!(
                "chains inside chains, more than {MAX_HEIGHT} deep, the limit for an inventory"
            ));
        }
        Ok(())
    }

    /// There is always one: the file's own level matches no closing token.
    fn top(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::new(Open::File));
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn push(&mut self, open: Open) {
        self.levels.push(Level::new(open));
        self.last = if open == Open::Interpolation { Last::Start } else { Last::Operator };
    }

    /// A value begins; beside another it is an argument, except in a list or behind `inherit`.
    fn operand(&mut self) {
        let last = self.last;
        let level = self.top();
        if last == Last::Operand && level.open != Open::List && !level.names {
            level.chain += 1;
        }
    }

    fn open(&mut self, open: Open) {
        self.operand();
        self.push(open);
        self.last = Last::Start;
    }

    fn open_brace(&mut self) {
        // `let { ... }` has no `in`.
        if self.last == Last::Let {
            self.levels.pop();
        }
        self.open(Open::Brace);
    }

    fn close(&mut self, open: Open) {
        if self.top().open == open && matches!(self.last, Last::Start | Last::Operand) {
            self.pop();
            self.last = Last::Operand;
        }
    }

    /// Ends a level; what follows `in`, `else` and the semicolon of a `with` is nested once more.
    fn turn(&mut self, open: Open) {
        if self.top().open == open {
            self.pop();
            self.prefix();
        }
        self.last = Last::Operator;
    }

    fn pop(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.prefixes -= level.prefixes;
            let height = level.height.max(level.current()) + 1;
            let parent = self.top();
            parent.inner = parent.inner.max(height);
        }
    }

    /// The expression ends, its level does not.
    fn separate(&mut self) {
        let level = self.top();
        level.height = level.height.max(level.current());
        let ended = std::mem::take(&mut level.prefixes);
        (level.chain, level.inner, level.names) = (0, 0, false);
        self.prefixes -= ended;
        self.last = Last::Start;
    }

    fn prefix(&mut self) {
        self.top().prefixes += 1;
        self.prefixes += 1;
        self.last = Last::Operator;
    }

    fn operator(&mut self) {
        self.top().chain += 1;
        self.last = Last::Operator;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        check(text).err().map(|excess| excess.message)
    }

    #[test]
    fn each_kind_of_nesting_ends_at_256() {
        for (open, body, close) in [
            ("[", "", "]"),
            ("(", "1", ")"),
            ("{ a = ", "1", "; }"),
            ("\"${", "\"\"", "}\""),
            ("let a = ", "1", "; in a"),
            ("let a = 1; in ", "a", ""),
            ("if ", "a", " then b else c"),
            ("if a then b else ", "c", ""),
            ("with a; ", "b", ""),
            ("assert a; ", "b", ""),
            ("x: ", "x", ""),
            ("- ", "1", ""),
            ("! ", "a", ""),
            ("{ a }: ", "a", ""),
        ] {
            let nest = |depth: usize| format!("{}{body}{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(refused(&nest(256)), None, "{open}");
            assert!(refused(&nest(257)).is_some_and(|message| message.contains("256")), "{open}");
        }
    }

    #[test]
    fn each_kind_of_chain_ends_at_a_thousand() {
        for link in [" ++ a", " + a", " // a", ".a", " a", " -> a", " or a", " ? a", " && a"] {
            let chain = |length: usize| format!("a{}", link.repeat(length));
            assert_eq!(refused(&chain(1_000)), None, "{link}");
            assert!(refused(&chain(1_001)).is_some_and(|message| message.contains("1000")), "{link}");
        }
    }

    #[test]
    fn long_lists_sets_and_inherits_are_no_chains() {
        assert_eq!(refused(&format!("[ {} ]", "a ".repeat(10_000))), None);
        assert_eq!(refused(&format!("{{ {} }}", "a = - 1 + 2; ".repeat(10_000))), None);
        assert_eq!(refused(&format!("{{ inherit {}; }}", "a ".repeat(10_000))), None);
        assert_eq!(refused(&format!("[ {} ]", "(x: x) ".repeat(10_000))), None);
        assert_eq!(
            refused(&format!("{{ {} }}", "a = with b; let c = 1; in if c then d else e; ".repeat(10_000))),
            None
        );
    }

    #[test]
    fn chains_inside_chains_are_added_up() {
        let chain = " + a".repeat(900);
        assert!(
            refused(&format!("((a{chain}){chain}){chain}")).is_some_and(|message| message.contains("2000"))
        );
    }

    #[test]
    fn brackets_that_the_parser_swallows_do_not_count_as_closed() {
        for text in ["[a.b or]", "[x: ]", "(if)", "(-)", "[rec]{"] {
            assert!(refused(&text.repeat(1_000)).is_some(), "{text}");
        }
    }
}

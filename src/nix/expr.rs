//! The program as it is evaluated: every name resolved to a slot, nested paths merged into sets.

use std::rc::Rc;

use super::sources::Span;

/// A name of an attribute or a variable.
pub(super) type Name = Rc<str>;

/// An expression and where it is written.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What an expression is.
#[derive(Debug)]
pub(super) enum Kind {
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    /// Absolute, `.` and `..` resolved.
    Path(Rc<str>),
    Interpolated(Vec<Part>),
    /// A variable: slot `slot` of the environment `up` levels out.
    Local {
        up: usize,
        slot: usize,
    },
    /// A variable that only a `with` can provide, `depth` scopes inside the outermost.
    FromWith {
        name: Name,
        depth: usize,
        withs: Rc<Withs>,
    },
    List(Vec<Rc<Expr>>),
    Set(SetExpr),
    Let(SetExpr, Rc<Expr>),
    With(Rc<Expr>, Rc<Expr>),
    Assert(Rc<Expr>, Rc<Expr>),
    If(Rc<Expr>, Rc<Expr>, Rc<Expr>),
    Lambda(Rc<Lambda>),
    Apply(Rc<Expr>, Rc<Expr>),
    Select(Rc<Expr>, Vec<Key>, Option<Rc<Expr>>),
    Has(Rc<Expr>, Vec<Key>),
    Not(Rc<Expr>),
    Negate(Rc<Expr>),
    Binary(Operator, Rc<Expr>, Rc<Expr>),
    /// What the built-in evaluator does not know, named; an error only when its value is asked for.
    Unknown(String),
}

/// The `with`s around an expression, nearest first. Shared by all that stands inside, or else a file of nested `with`s
/// would take their number for each of its variables.
#[derive(Debug)]
pub(super) struct Withs {
    /// How many scopes are around this one.
    pub(super) at: usize,
    pub(super) outer: Option<Rc<Self>>,
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Concat,
    Update,
    Add,
    Sub,
    Mul,
    Div,
    And,
    Or,
    Implication,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// A piece of a string.
#[derive(Debug)]
pub(super) enum Part {
    Text(Rc<str>),
    Interpolation(Rc<Expr>),
}

/// One step of an attribute path.
#[derive(Debug)]
pub(super) enum Key {
    Static(Name, Span),
    Dynamic(Rc<Expr>),
}

impl Key {
    /// Where it is written.
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Static(_, span) => *span,
            Self::Dynamic(expr) => expr.span,
        }
    }
}

/// A set, or the bindings of a `let`.
#[derive(Debug, Default)]
pub(super) struct SetExpr {
    /// The bindings see each other: `rec` and `let`. Their environment then has one slot for each of `bindings`.
    pub(super) recursive: bool,
    /// Sorted by name, unique.
    pub(super) bindings: Vec<Binding>,
    /// `${name} = value`
    pub(super) dynamic: Vec<(Rc<Expr>, Rc<Expr>)>,
    /// The sets of `inherit (set) ...`
    pub(super) inherited_sets: Vec<Rc<Expr>>,
}

/// One name of a set and what it is bound to.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: Name,
    pub(super) span: Span,
    pub(super) value: Bound,
}

/// What a name is bound to.
#[derive(Debug)]
pub(super) enum Bound {
    /// `a = x`: evaluated inside the set when that is recursive.
    Plain(Rc<Expr>),
    /// `inherit a`: evaluated outside of it.
    Outer(Rc<Expr>),
    /// `inherit (x) a`: index into `inherited_sets`.
    From(usize),
}

/// A function.
#[derive(Debug)]
pub(super) struct Lambda {
    pub(super) param: Param,
    pub(super) body: Rc<Expr>,
}

/// The parameter of a function.
#[derive(Debug)]
pub(super) enum Param {
    /// `x:`: an environment of one slot.
    Single,
    /// `{ a, b ? 1, ... }@all:`
    Pattern(Pattern),
}

/// A set pattern. The environment has a slot for each name of `slots`.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Every name that the pattern binds, sorted; one that is no formal is `@all`.
    pub(super) slots: Vec<Name>,
    /// The attributes it takes.
    pub(super) formals: Vec<Formal>,
    /// Further attributes are allowed.
    pub(super) open: bool,
}

/// One attribute that a pattern takes.
#[derive(Debug)]
pub(super) struct Formal {
    pub(super) name: Name,
    pub(super) slot: usize,
    pub(super) default: Option<Rc<Expr>>,
    pub(super) span: Span,
}

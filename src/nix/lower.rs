//! From rnix's tree to [`Expr`]: names resolved, literals read, and what Nix itself refuses at parse time refused
//! here with every place it occurs.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use quorate_pki::fault::Fault;
use rnix::SyntaxNode;
use rnix::ast::{self, HasEntry as _};
use rowan::ast::AstNode;

use super::error::ErrorKind;
use super::expr::{Expr, Formal, Key, Kind, Lambda, Name, Operator, Param, Pattern, Withs};
use super::sources::Span;
use super::value::{MAX_NAME, too_long};
use super::{mistakes, paths};

/// A file being lowered.
pub(super) struct Lowering<'a> {
    /// Its number; `None` for our own library, whose places mean nothing to a user.
    pub(super) file: Option<usize>,
    /// The folder that its relative paths start from, absolute.
    pub(super) folder: &'a Path,
    /// The scopes around the expression, outermost first.
    pub(super) scopes: Vec<Scope>,
    /// The `with`s around the expression.
    pub(super) withs: Option<Rc<Withs>>,
    /// What is wrong so far, up to [`MOST_FAULTS`].
    pub(super) faults: Vec<Fault>,
}

/// What is said of a part that is not there. rnix finds all of them first, and `syntax` says it better.
pub(super) const HOLE: &str = "something is missing here";

/// Faults of a file that are kept. No more than a screen or two are ever shown.
pub(crate) const MOST_FAULTS: usize = 300;

/// Faults of a file that come with a suggestion: each is measured against every name there is.
const SUGGESTIONS: usize = 20;

/// One scope around an expression.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    /// Variables, sorted by name.
    Names(Vec<Name>),
    /// A `with`: which names it has is known only when it is evaluated.
    With,
}

impl Lowering<'_> {
    /// The expression of a whole file.
    pub(super) fn root(&mut self, root: &ast::Root) -> Rc<Expr> {
        self.expr_or_hole(root.expr(), root.syntax())
    }

    pub(super) fn span(&self, node: &SyntaxNode) -> Span {
        let range = node.text_range();
        Span::new(self.file, range.start().into(), range.end().into())
    }

    /// Notes a fault and goes on.
    pub(super) fn fault(&mut self, message: impl Into<String>, span: Span) -> &mut Fault {
        // The newest takes the last place: callers go on to say more about it.
        self.faults.truncate(MOST_FAULTS - 1);
        let index = self.faults.len();
        self.faults.push(ErrorKind::Syntax.fault(message.into(), None, span.origin()));
        &mut self.faults[index]
    }

    /// What stands in for something that is not there; the fault makes sure that it is never evaluated.
    pub(super) fn hole(&mut self, message: impl Into<String>, span: Span) -> Rc<Expr> {
        self.fault(message, span);
        Rc::new(Expr { kind: Kind::Unknown("a syntax error".to_owned()), span })
    }

    /// rnix lets some holes pass, `( )` among them.
    pub(super) fn expr_or_hole(&mut self, expr: Option<ast::Expr>, around: &SyntaxNode) -> Rc<Expr> {
        match expr {
            Some(expr) => self.expr(&expr),
            None => self.hole(HOLE, self.span(around)),
        }
    }

    /// One expression.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Rc<Expr> {
        let node = expr.syntax();
        let span = self.span(node);
        if let Some(hole) = self.address(expr, span) {
            return hole;
        }
        let kind = match expr {
            ast::Expr::Paren(paren) => {
                if paren.r_paren_token().is_none() {
                    self.fault(HOLE, span);
                }
                return self.expr_or_hole(paren.expr(), node);
            }
            ast::Expr::Root(root) => return self.expr_or_hole(root.expr(), node),
            ast::Expr::Ident(ident) => return self.variable(&ident.to_string(), span),
            ast::Expr::Literal(literal) => self.literal(literal, span),
            ast::Expr::Str(string) => self.string(string),
            ast::Expr::PathAbs(_) | ast::Expr::PathRel(_) => self.path(node, span),
            ast::Expr::PathHome(_) => Kind::Unknown("a path below the home folder".to_owned()),
            ast::Expr::PathSearch(path) => Kind::Unknown(format!("the search path `{path}`")),
            ast::Expr::List(list) => {
                if list.r_brack_token().is_none() {
                    self.fault(HOLE, span);
                }
                Kind::List(list.items().map(|item| self.expr(&item)).collect())
            }
            ast::Expr::AttrSet(set) => self.attr_set(set, span),
            ast::Expr::LetIn(let_in) => self.let_in(let_in),
            ast::Expr::With(with) => {
                let namespace = self.expr_or_hole(with.namespace(), node);
                let inner = Withs { at: self.scopes.len(), outer: self.withs.clone() };
                let outer = self.withs.replace(Rc::new(inner));
                let body = self.inside(Scope::With, |lowering| lowering.expr_or_hole(with.body(), node));
                self.withs = outer;
                Kind::With(namespace, body)
            }
            ast::Expr::Assert(assert) => Kind::Assert(
                self.expr_or_hole(assert.condition(), node),
                self.expr_or_hole(assert.body(), node),
            ),
            ast::Expr::IfElse(if_else) => Kind::If(
                self.expr_or_hole(if_else.condition(), node),
                self.expr_or_hole(if_else.body(), node),
                self.expr_or_hole(if_else.else_body(), node),
            ),
            ast::Expr::Lambda(lambda) => self.lambda(lambda, span),
            ast::Expr::Apply(apply) => self.apply(apply, span),
            ast::Expr::Select(select) => self.select(select),
            ast::Expr::HasAttr(has) => {
                Kind::Has(self.expr_or_hole(has.expr(), node), self.keys(has.attrpath().as_ref(), span))
            }
            ast::Expr::UnaryOp(unary) => {
                let operand = self.expr_or_hole(unary.expr(), node);
                match unary.operator() {
                    Some(ast::UnaryOpKind::Invert) => Kind::Not(operand),
                    Some(ast::UnaryOpKind::Negate) => Kind::Negate(operand),
                    None => return self.hole(HOLE, span),
                }
            }
            ast::Expr::BinOp(binary) => self.binary(binary, span),
            ast::Expr::LegacyLet(_) => Kind::Unknown("the old form `let { body = ...; }`".to_owned()),
            ast::Expr::CurPos(_) => Kind::Unknown("`__curPos`".to_owned()),
            ast::Expr::Error(_) => return self.hole(HOLE, span),
        };
        Rc::new(Expr { kind, span })
    }

    /// Lowers with one more scope around.
    pub(super) fn inside<T>(&mut self, scope: Scope, lower: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(scope);
        let lowered = lower(self);
        self.scopes.pop();
        lowered
    }

    /// The use of a variable: the nearest scope that has the name, or else whichever `with` turns out to.
    pub(super) fn variable(&mut self, name: &str, span: Span) -> Rc<Expr> {
        for (up, scope) in self.scopes.iter().rev().enumerate() {
            if let Scope::Names(names) = scope
                && let Ok(slot) = names.binary_search_by(|known| (**known).cmp(name))
            {
                return Rc::new(Expr { kind: Kind::Local { up, slot }, span });
            }
        }
        let kind = if name == "or" {
            Kind::Unknown("`or` as a name".to_owned())
        } else if name.starts_with("__") || super::builtins::UNKNOWN_GLOBALS.contains(&name) {
            Kind::Unknown(format!("`{name}`"))
        } else if let Some(withs) = &self.withs {
            Kind::FromWith { name: name.into(), depth: self.scopes.len(), withs: withs.clone() }
        } else {
            return self.undefined(name, span);
        };
        Rc::new(Expr { kind, span })
    }

    fn undefined(&mut self, name: &str, span: Span) -> Rc<Expr> {
        let known = self.scopes.iter().rev().filter_map(|scope| match scope {
            Scope::Names(names) => Some(names.iter().map(|name| &**name)),
            Scope::With => None,
        });
        let near = (self.faults.len() < SUGGESTIONS)
            .then(|| quorate_pki::typo::nearest(name, known.flatten()))
            .flatten();
        let hint = near.map_or_else(
            || format!("define it in a `let`, or write \"{name}\" if a string is meant"),
            |near| format!("did you mean `{near}`?"),
        );
        let hole = self.hole(format!("undefined variable `{name}`"), span);
        if let Some(fault) = self.faults.last_mut() {
            fault.hint = Some(hint);
        }
        hole
    }

    /// `10.0.1.2` is a call of a number to Nix, `fd00::1` a URI, `10.0.0.0/24` a path: nobody means those.
    fn address(&mut self, expr: &ast::Expr, span: Span) -> Option<Rc<Expr>> {
        let kinds = matches!(expr, ast::Expr::Apply(_) | ast::Expr::Literal(_) | ast::Expr::PathRel(_));
        let text = kinds.then(|| expr.syntax().text()).filter(|text| u32::from(text.len()) < 64)?.to_string();
        if !mistakes::is_address(&text) {
            return None;
        }
        let hole = self.hole(format!("the address `{text}` has no quotes around it"), span);
        if let Some(fault) = self.faults.last_mut() {
            fault.hint = Some(format!("write \"{text}\""));
        }
        Some(hole)
    }

    fn literal(&mut self, literal: &ast::Literal, span: Span) -> Kind {
        let text = literal.to_string();
        match literal.kind() {
            ast::LiteralKind::Integer(_) => text.parse().map_or_else(
                |_| {
                    self.fault(format!("the integer `{text}` does not fit 64 bits"), span);
                    Kind::Int(0)
                },
                Kind::Int,
            ),
            // Nix reads `0.` as an integer and a dot.
            ast::LiteralKind::Float(_) if text.starts_with("0.") && !digit_follows(&text) => {
                Kind::Unknown(format!("the number `{text}`"))
            }
            ast::LiteralKind::Float(_) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Kind::Float(value),
                _ => {
                    self.fault(format!("`{text}` is not a number that a double can hold"), span);
                    Kind::Float(0.0)
                }
            },
            // Nix gave these up, but still reads them.
            ast::LiteralKind::Uri(_) => Kind::Unknown(format!("a URI without quotes (`{text}`)")),
        }
    }

    fn path(&mut self, node: &SyntaxNode, span: Span) -> Kind {
        if node.first_child().is_some() {
            return Kind::Unknown("a path with `${...}` in it".to_owned());
        }
        let text = node.text().to_string();
        if text.ends_with('/') {
            self.fault(format!("the path `{text}` ends with a slash"), span);
        }
        Kind::Path(paths::normal(self.folder, &text).into())
    }

    fn apply(&mut self, apply: &ast::Apply, span: Span) -> Kind {
        let node = apply.syntax();
        // `f or` is rnix's reading of an `or` that follows no attribute path.
        if let Some(ast::Expr::Ident(ident)) = apply.argument()
            && ident.to_string() == "or"
        {
            return Kind::Unknown("`or` without an attribute path before it".to_owned());
        }
        if let Some(ast::Expr::Lambda(_)) = apply.argument() {
            self.fault("a function as an argument needs parentheses around it", span);
        }
        Kind::Apply(self.expr_or_hole(apply.lambda(), node), self.expr_or_hole(apply.argument(), node))
    }

    fn select(&mut self, select: &ast::Select) -> Kind {
        let node = select.syntax();
        let of = self.expr_or_hole(select.expr(), node);
        let keys = self.keys(select.attrpath().as_ref(), of.span);
        let default = select.or_token().map(|_| self.expr_or_hole(select.default_expr(), node));
        Kind::Select(of, keys, default)
    }

    /// The steps of an attribute path.
    pub(super) fn keys(&mut self, path: Option<&ast::Attrpath>, span: Span) -> Vec<Key> {
        let keys: Vec<Key> =
            path.into_iter().flat_map(ast::Attrpath::attrs).map(|attr| self.key(&attr)).collect();
        if keys.is_empty() {
            self.fault(HOLE, span);
        }
        keys
    }

    /// One step: `"a"` and `${"a"}` are as good as `a`.
    pub(super) fn key(&mut self, attr: &ast::Attr) -> Key {
        let span = self.span(attr.syntax());
        let expr = match attr {
            ast::Attr::Ident(ident) => {
                let name = ident.to_string();
                self.check_name(&name, span);
                return Key::Static(name.as_str().into(), span);
            }
            ast::Attr::Str(string) => {
                let kind = self.string(string);
                Rc::new(Expr { kind, span })
            }
            ast::Attr::Dynamic(dynamic) => self.expr_or_hole(dynamic.expr(), dynamic.syntax()),
        };
        match &expr.kind {
            Kind::Str(name) => {
                self.check_name(name, span);
                Key::Static(name.clone(), span)
            }
            _ => Key::Dynamic(expr),
        }
    }

    fn check_name(&mut self, name: &str, span: Span) {
        if name.len() > MAX_NAME {
            self.fault(too_long(name), span);
        }
    }

    fn binary(&mut self, binary: &ast::BinOp, span: Span) -> Kind {
        use ast::BinOpKind as B;
        let node = binary.syntax();
        let left = self.expr_or_hole(binary.lhs(), node);
        let right = self.expr_or_hole(binary.rhs(), node);
        let operator = match binary.operator() {
            Some(B::Concat) => Operator::Concat,
            Some(B::Update) => Operator::Update,
            Some(B::Add) => Operator::Add,
            Some(B::Sub) => Operator::Sub,
            Some(B::Mul) => Operator::Mul,
            Some(B::Div) => Operator::Div,
            Some(B::And) => Operator::And,
            Some(B::Or) => Operator::Or,
            Some(B::Implication) => Operator::Implication,
            Some(B::Equal) => Operator::Equal,
            Some(B::NotEqual) => Operator::NotEqual,
            Some(B::Less) => Operator::Less,
            Some(B::LessOrEq) => Operator::LessOrEqual,
            Some(B::More) => Operator::More,
            Some(B::MoreOrEq) => Operator::MoreOrEqual,
            Some(B::PipeLeft | B::PipeRight) => return Kind::Unknown("a pipe operator".to_owned()),
            None => {
                self.fault(HOLE, span);
                Operator::Equal
            }
        };
        Kind::Binary(operator, left, right)
    }

    fn let_in(&mut self, let_in: &ast::LetIn) -> Kind {
        let node = let_in.syntax();
        let raw = self.raw_set(let_in.entries(), true);
        if let Some((key, ..)) = raw.dynamic.first() {
            self.fault("a `let` cannot bind a computed name", key.span);
        }
        let scope = raw.scope();
        let set = self.lower_set(raw);
        let body = self.inside(scope, |lowering| lowering.expr_or_hole(let_in.body(), node));
        Kind::Let(set, body)
    }

    fn lambda(&mut self, lambda: &ast::Lambda, span: Span) -> Kind {
        let node = lambda.syntax();
        let param = lambda.param();
        let (param, names) = match &param {
            Some(ast::Param::IdentParam(ident)) => {
                let name: Name = ident.to_string().trim().into();
                (Param::Single, vec![name])
            }
            Some(ast::Param::Pattern(pattern)) => {
                let pattern = self.pattern(pattern);
                let names = pattern.slots.clone();
                (Param::Pattern(pattern), names)
            }
            None => {
                self.fault(HOLE, span);
                (Param::Single, vec!["".into()])
            }
        };
        let body = self.inside(Scope::Names(names), |lowering| lowering.expr_or_hole(lambda.body(), node));
        Kind::Lambda(Rc::new(Lambda { param, body }))
    }

    fn pattern(&mut self, pattern: &ast::Pattern) -> Pattern {
        let whole = pattern.pat_bind().and_then(|bind| bind.ident());
        let entries: Vec<(ast::PatEntry, ast::Ident)> =
            pattern.pat_entries().filter_map(|entry| entry.ident().map(|ident| (entry, ident))).collect();
        let mut names: BTreeSet<Name> = BTreeSet::new();
        for ident in entries.iter().map(|(_, ident)| ident).chain(whole.as_ref()) {
            let name = ident.to_string();
            if !names.insert(name.as_str().into()) {
                let span = self.span(ident.syntax());
                self.fault(format!("the parameter `{name}` is there twice, expected each name once"), span);
            }
        }
        let slots: Vec<Name> = names.into_iter().collect();
        let slot = |ident: &ast::Ident| {
            let name = ident.to_string();
            slots.binary_search_by(|known| (**known).cmp(name.as_str())).unwrap_or_default()
        };
        // Every default sees every name: one scope around them all.
        self.scopes.push(Scope::Names(slots.clone()));
        let mut formals = Vec::with_capacity(entries.len());
        for (entry, ident) in &entries {
            let node = entry.syntax();
            let default = entry.question_token().map(|_| {
                // The entry's own name is its first expression, the default its second.
                let default = node.children().filter_map(ast::Expr::cast).nth(1);
                self.expr_or_hole(default, node)
            });
            let span = self.span(ident.syntax());
            formals.push(Formal {
                name: ident.to_string().as_str().into(),
                slot: slot(ident),
                default,
                span,
            });
        }
        self.scopes.pop();
        Pattern { formals, open: pattern.ellipsis_token().is_some(), slots }
    }
}

/// Whether a digit follows the point of a number that begins with `0.`
fn digit_follows(text: &str) -> bool {
    text.as_bytes().get(2).is_some_and(u8::is_ascii_digit)
}

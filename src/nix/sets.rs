//! The bindings of sets and `let`s: nested paths merged as Nix merges them, duplicates refused.

use std::collections::BTreeMap;
use std::rc::Rc;

use rnix::ast::{self, HasEntry as _};
use rowan::ast::AstNode as _;

use super::expr::{Binding, Bound, Expr, Key, Kind, Name, SetExpr};
use super::lower::{HOLE, Lowering, Scope};
use super::sources::Span;

/// A set as it was written, before names are resolved: merging must come first, because the names that a
/// recursive set defines may come from several places.
#[derive(Default)]
pub(super) struct RawSet {
    recursive: bool,
    bindings: BTreeMap<Name, (Span, RawValue)>,
    pub(super) dynamic: Vec<(RawKey, RawValue)>,
    inherited_sets: Vec<ast::InheritFrom>,
}

/// What a name is bound to, before names are resolved.
pub(super) enum RawValue {
    Expr(Option<ast::Expr>, Span),
    Set(RawSet, Span),
    /// `inherit a`
    Outer,
    /// `inherit (x) a`
    From(usize),
}

/// A computed name.
pub(super) struct RawKey {
    attr: ast::Attr,
    pub(super) span: Span,
}

impl RawSet {
    /// The scope that the set opens when it is recursive.
    pub(super) fn scope(&self) -> Scope {
        Scope::Names(self.bindings.keys().cloned().collect())
    }
}

impl Lowering<'_> {
    /// `{ ... }` or `rec { ... }`
    pub(super) fn attr_set(&mut self, set: &ast::AttrSet, span: Span) -> Kind {
        if set.r_curly_token().is_none() {
            self.fault(HOLE, span);
        }
        let raw = self.raw_set(set.entries(), set.rec_token().is_some());
        Kind::Set(self.lower_set(raw))
    }

    /// Gathers the entries of a set.
    pub(super) fn raw_set(&mut self, entries: impl Iterator<Item = ast::Entry>, recursive: bool) -> RawSet {
        let mut set = RawSet { recursive, ..RawSet::default() };
        for entry in entries {
            match entry {
                ast::Entry::Inherit(inherit) => self.inherit(&mut set, &inherit),
                ast::Entry::AttrpathValue(binding) => self.bind(&mut set, &binding),
            }
        }
        set
    }

    fn inherit(&mut self, set: &mut RawSet, inherit: &ast::Inherit) {
        let from = inherit.from().map(|from| {
            set.inherited_sets.push(from);
            set.inherited_sets.len() - 1
        });
        for attr in inherit.attrs() {
            match self.key(&attr) {
                Key::Static(name, span) => {
                    let value = from.map_or(RawValue::Outer, RawValue::From);
                    self.define(set, name, span, value);
                }
                Key::Dynamic(expr) => {
                    self.fault("`inherit` cannot take a computed name", expr.span);
                }
            }
        }
    }

    fn bind(&mut self, set: &mut RawSet, binding: &ast::AttrpathValue) {
        let span = self.span(binding.syntax());
        let path: Vec<ast::Attr> = binding.attrpath().iter().flat_map(ast::Attrpath::attrs).collect();
        let value = match binding.value().map(without_parentheses) {
            // Only a set written in place merges with other bindings.
            Some(ast::Expr::AttrSet(inner)) => {
                let inner_span = self.span(inner.syntax());
                RawValue::Set(self.raw_set(inner.entries(), inner.rec_token().is_some()), inner_span)
            }
            value => RawValue::Expr(value, span),
        };
        match path.split_last() {
            Some((last, before)) => self.bind_path(set, before, last, value),
            None => drop(self.hole(HOLE, span)),
        }
    }

    /// Walks down the path, making sets on the way.
    fn bind_path(&mut self, mut set: &mut RawSet, before: &[ast::Attr], last: &ast::Attr, value: RawValue) {
        for attr in before {
            let span = self.span(attr.syntax());
            let inner = match self.name_of(attr) {
                None => {
                    let key = RawKey { attr: attr.clone(), span };
                    set.dynamic.push((key, RawValue::Set(RawSet::default(), span)));
                    set.dynamic.last_mut().map(|(_, value)| value)
                }
                Some(name) => {
                    let fresh = || (span, RawValue::Set(RawSet::default(), span));
                    let (at, value) = set.bindings.entry(name.clone()).or_insert_with(fresh);
                    if !matches!(value, RawValue::Set(..)) {
                        let at = *at;
                        return self.duplicate(&name, at, span);
                    }
                    Some(value)
                }
            };
            match inner {
                Some(RawValue::Set(inner, _)) => set = inner,
                _ => return,
            }
        }
        let span = self.span(last.syntax());
        match self.name_of(last) {
            Some(name) => self.define(set, name, span, value),
            None => set.dynamic.push((RawKey { attr: last.clone(), span }, value)),
        }
    }

    /// The name that an attribute path has at this step, unless it is computed. Names are resolved later, so a
    /// computed one must not be lowered here.
    fn name_of(&mut self, attr: &ast::Attr) -> Option<Name> {
        let computed = match attr {
            ast::Attr::Ident(_) => false,
            ast::Attr::Str(string) => string.syntax().first_child().is_some(),
            ast::Attr::Dynamic(dynamic) => match dynamic.expr().map(without_parentheses) {
                Some(ast::Expr::Str(string)) => string.syntax().first_child().is_some(),
                _ => true,
            },
        };
        match (computed, (!computed).then(|| self.key(attr))) {
            (false, Some(Key::Static(name, _))) => Some(name),
            _ => None,
        }
    }

    /// Binds a name, or merges two sets that were both written in place.
    fn define(&mut self, set: &mut RawSet, name: Name, span: Span, value: RawValue) {
        let Some((at, known)) = set.bindings.get_mut(&name) else {
            set.bindings.insert(name, (span, value));
            return;
        };
        let at = *at;
        let (RawValue::Set(known, _), RawValue::Set(new, _)) = (known, value) else {
            return self.duplicate(&name, at, span);
        };
        let shift = known.inherited_sets.len();
        known.inherited_sets.extend(new.inherited_sets);
        known.dynamic.extend(new.dynamic);
        for (name, (span, value)) in new.bindings {
            let value = match value {
                RawValue::From(index) => RawValue::From(index + shift),
                value => value,
            };
            self.define(known, name, span, value);
        }
    }

    fn duplicate(&mut self, name: &str, first: Span, second: Span) {
        let fault = self.fault(format!("attribute `{name}` is defined twice"), second);
        fault.hint = Some("remove one of them, or put both into one set".to_owned());
        fault.related.extend(first.origin().map(|at| (at, "first defined here".to_owned())));
    }

    /// Resolves the names of a set.
    pub(super) fn lower_set(&mut self, raw: RawSet) -> SetExpr {
        let outer: Vec<(Name, Span)> = raw
            .bindings
            .iter()
            .filter(|(_, (_, value))| matches!(value, RawValue::Outer))
            .map(|(name, (span, _))| (name.clone(), *span))
            .collect();
        // `inherit a` means the `a` outside of the set, whether or not the set is recursive.
        let mut inherited: BTreeMap<Name, Rc<Expr>> =
            outer.into_iter().map(|(name, span)| (name.clone(), self.variable(&name, span))).collect();
        if raw.recursive {
            let scope = raw.scope();
            self.inside(scope, |lowering| lowering.lower_bindings(raw, &mut inherited))
        } else {
            self.lower_bindings(raw, &mut inherited)
        }
    }

    fn lower_bindings(&mut self, raw: RawSet, inherited: &mut BTreeMap<Name, Rc<Expr>>) -> SetExpr {
        let mut bindings = Vec::with_capacity(raw.bindings.len());
        for (name, (span, value)) in raw.bindings {
            if raw.recursive && &*name == "__overrides" {
                self.fault("`__overrides` in a `rec` set is not supported", span);
            }
            let value = match (value, inherited.remove(&name)) {
                (RawValue::From(index), _) => Bound::From(index),
                (RawValue::Outer, Some(variable)) => Bound::Outer(variable),
                (value, _) => Bound::Plain(self.raw_value(value, span)),
            };
            bindings.push(Binding { name, span, value });
        }
        let mut dynamic = Vec::with_capacity(raw.dynamic.len());
        for (RawKey { attr, span }, value) in raw.dynamic {
            let key = match self.key(&attr) {
                Key::Dynamic(expr) => expr,
                Key::Static(name, span) => Rc::new(Expr { kind: Kind::Str(name), span }),
            };
            dynamic.push((key, self.raw_value(value, span)));
        }
        let mut inherited_sets = Vec::with_capacity(raw.inherited_sets.len());
        for from in &raw.inherited_sets {
            inherited_sets.push(self.expr_or_hole(from.expr(), from.syntax()));
        }
        SetExpr { recursive: raw.recursive, bindings, dynamic, inherited_sets }
    }

    fn raw_value(&mut self, value: RawValue, span: Span) -> Rc<Expr> {
        match value {
            RawValue::Expr(Some(expr), _) => self.expr(&expr),
            RawValue::Expr(None, span) => self.hole(HOLE, span),
            RawValue::Set(set, span) => {
                let kind = Kind::Set(self.lower_set(set));
                Rc::new(Expr { kind, span })
            }
            RawValue::Outer | RawValue::From(_) => self.hole(HOLE, span),
        }
    }
}

/// Nix' parser forgets parentheses, so that sets in parentheses merge too.
fn without_parentheses(mut expr: ast::Expr) -> ast::Expr {
    while let ast::Expr::Paren(paren) = &expr {
        match paren.expr() {
            Some(inner) if paren.r_paren_token().is_some() => expr = inner,
            _ => break,
        }
    }
    expr
}

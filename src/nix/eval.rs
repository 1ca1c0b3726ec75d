//! The evaluator: expressions to values, thunks forced at most once.

use std::rc::Rc;

use super::error::{Eval, Fail};
use super::expr::{Bound, Expr, Key, Kind, Part, SetExpr, Withs};
use super::import::Files;
use super::sources::Span;
use super::value::{Attrs, Entry, EnvId, Heap, Open, Thunk, ThunkId, Value};

/// Evaluations inside evaluations. The thread's stack is made for it (`super::STACK_BYTES`).
const MAX_DEPTH: usize = 10_000;

/// An evaluation under way.
pub(super) struct Machine {
    pub(super) heap: Heap,
    pub(super) files: Files,
    depth: usize,
    /// The scope of `true`, `map`, `builtins` and their like, around every file.
    pub(super) globals: EnvId,
    /// `lib`, once it has been asked for.
    pub(super) library: Option<ThunkId>,
}

impl Machine {
    /// A machine that has read nothing yet.
    pub(super) fn new(files: Files) -> Eval<Self> {
        let mut heap = Heap::new();
        let globals = super::builtins::globals(&mut heap)?;
        Ok(Self { heap, files, depth: 0, globals, library: None })
    }

    /// Counts a level of recursion around `step`.
    pub(super) fn nested<T>(&mut self, step: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Fail::limit(format!("the evaluation goes deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// The value of a thunk.
    pub(super) fn force(&mut self, id: ThunkId) -> Eval<Value> {
        if let Thunk::Done(value) = self.heap.get(id) {
            return Ok(value.clone());
        }
        let thunk = self.heap.get(id).clone();
        self.heap.set(id, Thunk::Running);
        let result = self.nested(|machine| match &thunk {
            Thunk::Done(value) => Ok(value.clone()),
            Thunk::Delayed(expr, env) => machine.eval(expr, *env),
            Thunk::Apply(function, argument) => {
                let function = machine.force(*function)?;
                machine.call(&function, *argument)
            }
            Thunk::Select(set, name) => machine.inherited(*set, name),
            Thunk::Constant(builtin) => (builtin.run)(machine, &[]),
            Thunk::NotGiven(name) => Err(not_given(name)),
            Thunk::Running => Err(Fail::wrong("infinite recursion: this value needs itself")
                .hint("break the cycle: a `rec` set or a `let` refers to itself here")),
        });
        // After an error the thunk is as it was: `tryEval` may go on, and ask again.
        let done = match &result {
            Ok(value) => Thunk::Done(value.clone()),
            Err(_) => thunk,
        };
        self.heap.set(id, done);
        result.map_err(|fail| fail.at(self.heap.span(id)))
    }

    /// The value of an expression.
    pub(super) fn eval(&mut self, expr: &Rc<Expr>, env: EnvId) -> Eval<Value> {
        self.heap.work(1).and_then(|()| self.nested(|machine| machine.eval_kind(expr, env))).map_err(|fail| {
            // Inside our own library the caller's place says more.
            fail.at(expr.span)
        })
    }

    fn eval_kind(&mut self, expr: &Expr, env: EnvId) -> Eval<Value> {
        match &expr.kind {
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Float(value) => Ok(Value::Float(*value)),
            Kind::Str(text) => Ok(Value::Str(text.clone())),
            Kind::Path(path) => Ok(Value::Path(path.clone())),
            Kind::Local { up, slot } => {
                let id = self.local(env, *up, *slot)?;
                self.force(id)
            }
            Kind::FromWith { name, depth, withs } => self.provided_by_with(name, *depth, withs, env),
            Kind::Interpolated(parts) => self.interpolate(parts, env),
            Kind::List(items) => self.list(items, env),
            Kind::Set(set) => self.set(set, env),
            Kind::Let(set, body) => {
                let inner = self.recursive_env(set, env)?.0;
                self.eval(body, inner)
            }
            Kind::With(namespace, body) => {
                let namespace = self.delay(namespace, env)?;
                let inner = self.heap.env(Some(env), vec![namespace])?;
                self.eval(body, inner)
            }
            Kind::Assert(condition, body) => self.assert(condition, body, env),
            Kind::If(condition, yes, no) => {
                let branch = if self.condition(condition, env)? { yes } else { no };
                self.eval(branch, env)
            }
            Kind::Lambda(lambda) => Ok(Value::Lambda(lambda.clone(), env)),
            Kind::Apply(function, argument) => {
                let function = self.eval(function, env)?;
                let argument = self.delay(argument, env)?;
                self.call(&function, argument)
            }
            Kind::Select(of, keys, default) => self.select(of, keys, default.as_ref(), env),
            Kind::Has(of, keys) => self.has(of, keys, env),
            Kind::Not(operand) => Ok(Value::Bool(!self.condition(operand, env)?)),
            Kind::Negate(operand) => {
                let operand = self.eval(operand, env)?;
                super::numbers::subtract(&Value::Int(0), &operand)
            }
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right, env),
            Kind::Unknown(what) => Err(Fail::unknown(what)),
        }
    }

    /// A thunk for an expression; what is a value or has a thunk already gets no second one.
    pub(super) fn delay(&mut self, expr: &Rc<Expr>, env: EnvId) -> Eval<ThunkId> {
        let done = match &expr.kind {
            Kind::Local { up, slot } => return self.local(env, *up, *slot),
            Kind::Int(value) => Value::Int(*value),
            Kind::Float(value) => Value::Float(*value),
            Kind::Str(text) => Value::Str(text.clone()),
            Kind::Path(path) => Value::Path(path.clone()),
            Kind::Lambda(lambda) => Value::Lambda(lambda.clone(), env),
            _ => return self.heap.thunk(Thunk::Delayed(expr.clone(), env), expr.span),
        };
        self.heap.thunk(Thunk::Done(done), expr.span)
    }

    fn local(&self, env: EnvId, up: usize, slot: usize) -> Eval<ThunkId> {
        // `lower` has counted the scopes as they are made here.
        self.heap.variable(env, up, slot).ok_or_else(|| Fail::wrong("a variable without a value"))
    }

    /// A variable that only a `with` can have.
    fn provided_by_with(&mut self, name: &str, depth: usize, withs: &Withs, env: EnvId) -> Eval<Value> {
        let mut open = false;
        for with in std::iter::successors(Some(withs), |with| with.outer.as_deref()) {
            self.heap.work(1)?;
            let namespace = self.local(env, depth - 1 - with.at, 0)?;
            let attrs = self.force_set(namespace, "the set of a `with`")?;
            if let Some(entry) = attrs.get(name) {
                return self.force(entry.value);
            }
            open |= matches!(attrs.open, Some(Open::Lib | Open::Builtins));
        }
        if open {
            return Err(Fail::unknown(&format!(
                "`{name}`, which a `with` may take from `lib` or `builtins`,"
            )));
        }
        Err(Fail::wrong(format!("undefined variable `{name}`")).hint("no `with` around it has this name"))
    }

    fn list(&mut self, items: &[Rc<Expr>], env: EnvId) -> Eval<Value> {
        let mut thunks = Vec::with_capacity(items.len());
        for item in items {
            thunks.push(self.delay(item, env)?);
        }
        self.heap.list(thunks)
    }

    fn assert(&mut self, condition: &Rc<Expr>, body: &Rc<Expr>, env: EnvId) -> Eval<Value> {
        if self.condition(condition, env)? {
            return self.eval(body, env);
        }
        let mut fail = Fail::wrong("assertion failed: this is false").at(condition.span);
        fail.catchable = true;
        Err(fail)
    }

    /// A value that decides something.
    pub(super) fn condition(&mut self, expr: &Rc<Expr>, env: EnvId) -> Eval<bool> {
        match self.eval(expr, env)? {
            Value::Bool(value) => Ok(value),
            other => Err(expected("a boolean", &other).at(expr.span)),
        }
    }

    fn interpolate(&mut self, parts: &[Part], env: EnvId) -> Eval<Value> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(piece) => {
                    self.heap.take(piece.len())?;
                    text.push_str(piece);
                }
                Part::Interpolation(expr) => {
                    let value = self.eval(expr, env)?;
                    let piece = self.coerce(&value).map_err(|fail| fail.at(expr.span))?;
                    self.heap.take(piece.len())?;
                    text.push_str(&piece);
                }
            }
        }
        self.heap.string(text)
    }

    /// The scope of a recursive set, and its entries.
    fn recursive_env(&mut self, set: &SetExpr, env: EnvId) -> Eval<(EnvId, Vec<Entry>)> {
        let inner = self.heap.env(Some(env), Vec::new())?;
        let entries = self.bindings(set, inner, env)?;
        self.heap.fill(inner, entries.iter().map(|entry| entry.value).collect())?;
        // `delay` short-cuts a variable to its thunk, but these slots were empty when it would have looked.
        Ok((inner, entries))
    }

    /// Thunks for the bindings of a set: `inner` is where its values are evaluated, `outer` where `inherit a` looks.
    fn bindings(&mut self, set: &SetExpr, inner: EnvId, outer: EnvId) -> Eval<Vec<Entry>> {
        let mut from = Vec::with_capacity(set.inherited_sets.len());
        for expr in &set.inherited_sets {
            from.push(self.delay_fresh(expr, inner)?);
        }
        let mut entries = Vec::with_capacity(set.bindings.len());
        for binding in &set.bindings {
            let value = match &binding.value {
                Bound::Plain(expr) if set.recursive => self.delay_fresh(expr, inner)?,
                Bound::Plain(expr) => self.delay(expr, inner)?,
                Bound::Outer(expr) => self.delay(expr, outer)?,
                Bound::From(index) => {
                    let Some(set) = from.get(*index) else { continue };
                    self.heap.thunk(Thunk::Select(*set, binding.name.clone()), binding.span)?
                }
            };
            entries.push(Entry { name: binding.name.clone(), span: binding.span, value });
        }
        Ok(entries)
    }

    /// As `delay`, for a scope whose slots are not filled yet: a variable may be one of them.
    pub(super) fn delay_fresh(&mut self, expr: &Rc<Expr>, env: EnvId) -> Eval<ThunkId> {
        if matches!(expr.kind, Kind::Local { .. }) {
            return self.heap.thunk(Thunk::Delayed(expr.clone(), env), expr.span);
        }
        self.delay(expr, env)
    }

    fn set(&mut self, set: &SetExpr, env: EnvId) -> Eval<Value> {
        let (inner, mut entries) =
            if set.recursive { self.recursive_env(set, env)? } else { (env, self.bindings(set, env, env)?) };
        for (key, value) in &set.dynamic {
            let name = match self.eval(key, inner)? {
                Value::Null => continue,
                Value::Str(name) => name,
                other => return Err(expected("a string as an attribute name", &other).at(key.span)),
            };
            self.heap.name(&name).map_err(|fail| fail.at(key.span))?;
            match entries.binary_search_by(|entry| (*entry.name).cmp(&name)) {
                Ok(_) => {
                    let message = format!("attribute `{name}` is defined twice");
                    return Err(Fail::wrong(message).at(key.span));
                }
                Err(at) => {
                    self.heap.work(entries.len() / 64)?;
                    let value = self.delay(value, inner)?;
                    entries.insert(at, Entry { name, span: key.span, value });
                }
            }
        }
        self.heap.attrs(entries, None)
    }

    /// The name that one step of an attribute path stands for.
    fn key(&mut self, key: &Key, env: EnvId) -> Eval<Rc<str>> {
        match key {
            Key::Static(name, _) => Ok(name.clone()),
            Key::Dynamic(expr) => match self.eval(expr, env)? {
                Value::Str(name) => {
                    self.heap.name(&name).map_err(|fail| fail.at(expr.span))?;
                    Ok(name)
                }
                other => Err(expected("a string as an attribute name", &other).at(expr.span)),
            },
        }
    }

    fn select(&mut self, of: &Rc<Expr>, keys: &[Key], default: Option<&Rc<Expr>>, env: EnvId) -> Eval<Value> {
        let mut value = self.eval(of, env)?;
        for key in keys {
            let name = self.key(key, env)?;
            let found = match &value {
                Value::Attrs(attrs) => match attrs.get(&name) {
                    Some(entry) => Ok(entry.value),
                    // With a default at hand nobody asks what was meant.
                    None if default.is_some() => Err(unknown(attrs, &name)),
                    None => Err(Some(missing(attrs, &name))),
                },
                _ if default.is_some() => Err(None),
                other => Err(Some(expected(&format!("a set with the attribute `{name}`"), other))),
            };
            let found = match (found, default) {
                (Ok(found), _) => found,
                (Err(None), Some(default)) => return self.eval(default, env),
                (Err(fail), _) => {
                    let fail = fail.unwrap_or_else(|| Fail::wrong(format!("attribute `{name}` missing")));
                    return Err(fail.at(key.span()));
                }
            };
            value = self.force(found)?;
        }
        Ok(value)
    }

    fn has(&mut self, of: &Rc<Expr>, keys: &[Key], env: EnvId) -> Eval<Value> {
        let mut value = self.eval(of, env)?;
        for (index, key) in keys.iter().enumerate() {
            let name = self.key(key, env)?;
            let Value::Attrs(attrs) = &value else { return Ok(Value::Bool(false)) };
            let Some(entry) = attrs.get(&name) else {
                return match unknown(attrs, &name) {
                    Some(fail) => Err(fail.at(key.span())),
                    None => Ok(Value::Bool(false)),
                };
            };
            if index + 1 < keys.len() {
                let entry = entry.value;
                value = self.force(entry)?;
            }
        }
        Ok(Value::Bool(true))
    }

    fn inherited(&mut self, set: ThunkId, name: &str) -> Eval<Value> {
        let attrs = self.force_set(set, "the set of an `inherit`")?;
        let entry = attrs.get(name).ok_or_else(|| missing(&attrs, name))?.value;
        self.force(entry)
    }

    /// A thunk that must be a set; `what` is its role, for the message.
    pub(super) fn force_set(&mut self, id: ThunkId, what: &str) -> Eval<Rc<Attrs>> {
        match self.force(id)? {
            Value::Attrs(attrs) => Ok(attrs),
            other => Err(Fail::wrong(format!("{what} is {}, expected a set", other.kind()))),
        }
    }

    /// A computed list element or attribute: `function argument`, when it is asked for.
    pub(super) fn later(&mut self, function: ThunkId, argument: ThunkId) -> Eval<ThunkId> {
        self.heap.thunk(Thunk::Apply(function, argument), Span::NONE)
    }
}

/// A type mismatch.
pub(super) fn expected(what: &str, found: &Value) -> Fail {
    Fail::wrong(format!("expected {what}, found {}", found.kind()))
}

/// An attribute that we do not have and Nix might.
pub(super) fn unknown(attrs: &Attrs, name: &str) -> Option<Fail> {
    match attrs.open {
        Some(Open::Builtins) => Some(Fail::unknown(&format!("`builtins.{name}`"))),
        Some(Open::Lib) if is_of_modules(name) => Some(Fail::unknown(&format!("`lib.{name}`")).hint(
            "an inventory is no NixOS module: merge sets with `//`, choose with `if ... then ... else ...`",
        )),
        Some(Open::Lib) => Some(Fail::unknown(&format!("`lib.{name}`"))),
        Some(Open::Argument) | None => None,
    }
}

/// The functions of nixpkgs' module system: their results mean nothing outside of it.
/// Source: nixpkgs `lib/default.nix`, what it inherits from `modules` and `options`.
fn is_of_modules(name: &str) -> bool {
    name.starts_with("mk") || matches!(name, "evalModules" | "types" | "modules" | "options")
}

/// An attribute that is not there. Looks for what was meant, which takes time: only for an error that is shown.
pub(super) fn missing(attrs: &Attrs, name: &str) -> Fail {
    if let Some(fail) = unknown(attrs, name) {
        return fail;
    }
    if attrs.open == Some(Open::Argument) {
        return not_given(name);
    }
    let fail = Fail::wrong(format!("attribute `{name}` missing"));
    match quorate_pki::typo::nearest(name, attrs.entries.iter().map(|entry| &*entry.name)) {
        Some(near) => fail.hint(format!("did you mean `{near}`?")),
        None => fail.hint(what_there_is(attrs)),
    }
}

/// The first few names of a set.
fn what_there_is(attrs: &Attrs) -> String {
    let names: Vec<String> =
        attrs.entries.iter().map(|entry| entry.name.chars().take(64).collect()).take(6).collect();
    match (names.len(), attrs.entries.len()) {
        (0, _) => "the set is empty".to_owned(),
        (shown, all) if shown < all => {
            format!("the set has {} and others", crate::words::list(&names, shown))
        }
        (shown, _) => format!("the set has {}", crate::words::list(&names, shown)),
    }
}

/// An inventory is evaluated before any package set is chosen.
pub(super) fn not_given(name: &str) -> Fail {
    Fail::wrong(format!("`{name}` is not available: an inventory is given `lib` and nothing else"))
        .hint("write the value out, or compute it where the machines are configured")
}

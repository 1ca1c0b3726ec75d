//! Functions applied to arguments.

use std::collections::BTreeSet;

use super::error::{Eval, Fail};
use super::eval::{Machine, expected, missing, not_given};
use super::expr::{Lambda, Param, Pattern};
use super::value::{Attrs, EnvId, Open, ThunkId, Value};

impl Machine {
    /// Applies a function to an argument.
    pub(super) fn call(&mut self, function: &Value, argument: ThunkId) -> Eval<Value> {
        match function {
            Value::Lambda(lambda, env) => self.call_lambda(lambda, *env, argument),
            Value::Builtin(builtin, before) => {
                let mut arguments = before.to_vec();
                arguments.push(argument);
                if arguments.len() < builtin.arity {
                    self.heap.take(16 + arguments.len() * size_of::<ThunkId>())?;
                    return Ok(Value::Builtin(builtin, arguments.into()));
                }
                self.nested(|machine| (builtin.run)(machine, &arguments))
                    .map_err(|fail| fail.of(builtin.name))
            }
            Value::Attrs(attrs) => {
                let Some(functor) = attrs.get("__functor") else {
                    let fail = Fail::wrong("a set is called like a function, and has no `__functor`");
                    return Err(fail.hint("is an operator or a `;` missing between the two?"));
                };
                let functor = self.force(functor.value)?;
                let itself = self.heap.done(function.clone())?;
                let inner = self.nested(|machine| machine.call(&functor, itself))?;
                self.nested(|machine| machine.call(&inner, argument))
            }
            other => {
                Err(expected("a function", other).hint("is an operator or a `;` missing between the two?"))
            }
        }
    }

    /// Applies a function to several arguments, one after the other.
    pub(super) fn call_all(&mut self, function: &Value, arguments: &[ThunkId]) -> Eval<Value> {
        let mut value = function.clone();
        for argument in arguments {
            value = self.call(&value, *argument)?;
        }
        Ok(value)
    }

    fn call_lambda(&mut self, lambda: &Lambda, env: EnvId, argument: ThunkId) -> Eval<Value> {
        let inner = match &lambda.param {
            Param::Single => self.heap.env(Some(env), vec![argument])?,
            Param::Pattern(pattern) => self.bind_pattern(pattern, env, argument)?,
        };
        self.eval(&lambda.body, inner)
    }

    fn bind_pattern(&mut self, pattern: &Pattern, env: EnvId, argument: ThunkId) -> Eval<EnvId> {
        let attrs = self.force_set(argument, "the argument of a function that takes a set")?;
        let inner = self.heap.env(Some(env), Vec::new())?;
        // A slot that no formal fills is the `@all` of the pattern: the argument itself.
        let mut slots = vec![argument; pattern.slots.len()];
        let mut taken = 0;
        for formal in &pattern.formals {
            let value = match (attrs.get(&formal.name), &formal.default) {
                (Some(entry), _) => {
                    taken += 1;
                    entry.value
                }
                (None, Some(default)) => self.delay_fresh(default, inner)?,
                (None, None) if attrs.open == Some(Open::Argument) => {
                    return Err(not_given(&formal.name).at(formal.span));
                }
                (None, None) if attrs.open.is_some() => return Err(missing(&attrs, &formal.name)),
                (None, None) => {
                    let message = format!("a function is called without its argument `{}`", formal.name);
                    return Err(Fail::wrong(message));
                }
            };
            if let Some(slot) = slots.get_mut(formal.slot) {
                *slot = value;
            }
        }
        if !pattern.open && taken < attrs.entries.len() {
            return Err(unexpected(pattern, &attrs));
        }
        self.heap.fill(inner, slots)?;
        Ok(inner)
    }
}

fn unexpected(pattern: &Pattern, attrs: &Attrs) -> Fail {
    let takes: BTreeSet<&str> = pattern.formals.iter().map(|formal| &*formal.name).collect();
    let extra =
        attrs.entries.iter().map(|entry| &*entry.name).find(|name| !takes.contains(name)).unwrap_or_default();
    let fail =
        Fail::wrong(format!("a function is called with the argument `{extra}`, which it does not take"));
    match quorate_pki::typo::nearest(extra, pattern.formals.iter().map(|formal| &*formal.name)) {
        Some(near) => fail.hint(format!("did you mean `{near}`?")),
        None => fail,
    }
}

//! Types, evaluation order, errors, numbers, files.

use super::super::error::{Eval, Fail};
use super::super::eval::{Machine, expected};
use super::super::numbers;
use super::super::value::{ThunkId, Value};
use super::{Builtin, entry};

/// Functions on values of any type and on numbers.
pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "abort", arity: 1, run: abort },
    Builtin { name: "add", arity: 2, run: add },
    Builtin { name: "bitAnd", arity: 2, run: |m, a| bits(m, a, |a, b| a & b) },
    Builtin { name: "bitOr", arity: 2, run: |m, a| bits(m, a, |a, b| a | b) },
    Builtin { name: "bitXor", arity: 2, run: |m, a| bits(m, a, |a, b| a ^ b) },
    Builtin { name: "ceil", arity: 1, run: |m, a| round(m, a, f64::ceil) },
    Builtin { name: "deepSeq", arity: 2, run: deep_seq },
    Builtin { name: "div", arity: 2, run: |m, a| calculate(m, a, numbers::divide) },
    Builtin { name: "floor", arity: 1, run: |m, a| round(m, a, f64::floor) },
    Builtin { name: "import", arity: 1, run: import },
    Builtin { name: "isAttrs", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Attrs(_))) },
    Builtin { name: "isBool", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Bool(_))) },
    Builtin { name: "isFloat", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Float(_))) },
    Builtin {
        name: "isFunction",
        arity: 1,
        run: |m, a| is(m, a, |v| matches!(v, Value::Lambda(..) | Value::Builtin(..))),
    },
    Builtin { name: "isInt", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Int(_))) },
    Builtin { name: "isList", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::List(_))) },
    Builtin { name: "isNull", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Null)) },
    Builtin { name: "isPath", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Path(_))) },
    Builtin { name: "isString", arity: 1, run: |m, a| is(m, a, |v| matches!(v, Value::Str(_))) },
    Builtin { name: "lessThan", arity: 2, run: less_than },
    Builtin { name: "mul", arity: 2, run: |m, a| calculate(m, a, numbers::multiply) },
    Builtin { name: "seq", arity: 2, run: seq },
    Builtin { name: "sub", arity: 2, run: |m, a| calculate(m, a, numbers::subtract) },
    Builtin { name: "throw", arity: 1, run: throw },
    Builtin { name: "trace", arity: 2, run: seq },
    Builtin { name: "tryEval", arity: 1, run: try_eval },
    Builtin { name: "typeOf", arity: 1, run: type_of },
];

fn is(machine: &mut Machine, arguments: &[ThunkId], test: fn(&Value) -> bool) -> Eval<Value> {
    Ok(Value::Bool(test(&machine.argument(arguments, 0)?)))
}

fn type_of(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let name = match machine.argument(arguments, 0)? {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "string",
        Value::Path(_) => "path",
        Value::List(_) => "list",
        Value::Attrs(_) => "set",
        Value::Lambda(..) | Value::Builtin(..) => "lambda",
    };
    machine.heap.string(name)
}

fn seq(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    machine.argument(arguments, 0)?;
    machine.argument(arguments, 1)
}

/// What has been visited is not visited again: a set may contain itself.
fn deep_seq(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let mut seen = std::collections::HashSet::new();
    let mut waiting = vec![arguments[0]];
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        machine.heap.take(2 * size_of::<ThunkId>())?;
        match machine.force(id)? {
            Value::List(items) => waiting.extend(items.iter().rev()),
            Value::Attrs(attrs) => {
                super::closed(&attrs)?;
                waiting.extend(attrs.entries.iter().rev().map(|entry| entry.value));
            }
            _ => {}
        }
    }
    machine.argument(arguments, 1)
}

fn message(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<String> {
    let value = machine.argument(arguments, 0)?;
    let text = machine.coerce(&value)?;
    if text.trim().is_empty() {
        return Ok("the file throws an error without a message".to_owned());
    }
    Ok(text.chars().take(2_000).collect())
}

fn throw(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let mut fail = Fail::wrong(message(machine, arguments)?);
    fail.catchable = true;
    Err(fail)
}

fn abort(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    Err(Fail::wrong(message(machine, arguments)?))
}

fn try_eval(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let (success, value) = match machine.argument(arguments, 0) {
        Ok(_) => (true, arguments[0]),
        Err(fail) if fail.catchable => (false, machine.heap.done(Value::Bool(false))?),
        Err(fail) => return Err(fail),
    };
    let success = machine.heap.done(Value::Bool(success))?;
    machine.heap.attrs(vec![entry("success", success), entry("value", value)], None)
}

fn less_than(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let a = machine.argument(arguments, 0)?;
    let b = machine.argument(arguments, 1)?;
    machine.less(&a, &b).map(Value::Bool)
}

fn add(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    calculate(machine, arguments, numbers::add)
}

fn calculate(
    machine: &mut Machine,
    arguments: &[ThunkId],
    operation: fn(&Value, &Value) -> Eval<Value>,
) -> Eval<Value> {
    let a = machine.argument(arguments, 0)?;
    let b = machine.argument(arguments, 1)?;
    operation(&a, &b)
}

fn bits(machine: &mut Machine, arguments: &[ThunkId], operation: fn(i64, i64) -> i64) -> Eval<Value> {
    let a = machine.int_argument(arguments, 0)?;
    let b = machine.int_argument(arguments, 1)?;
    Ok(Value::Int(operation(a, b)))
}

/// `ceil` and `floor`: an integer stays what it is.
fn round(machine: &mut Machine, arguments: &[ThunkId], towards: fn(f64) -> f64) -> Eval<Value> {
    let value = match machine.argument(arguments, 0)? {
        Value::Int(value) => return Ok(Value::Int(value)),
        Value::Float(value) => towards(value),
        other => return Err(expected("a number", &other)),
    };
    // Exactly the doubles that have an integer of 64 bits.
    let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if range.contains(&value) {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and in range")]
        return Ok(Value::Int(value as i64));
    }
    // Versions of Nix differ between an error and the nearest integer.
    Err(Fail::unknown("`ceil` or `floor` of a number beyond 64 bits"))
}

fn import(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    match machine.argument(arguments, 0)? {
        Value::Path(path) | Value::Str(path) => machine.import(&path),
        Value::Attrs(_) => Err(Fail::unknown("`import` of a set")),
        other => Err(expected("a path", &other)),
    }
}

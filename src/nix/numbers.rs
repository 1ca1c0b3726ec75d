//! Arithmetic: 64-bit integers that never wrap, doubles, and both mixed.

use std::cmp::Ordering;

use super::error::{Eval, Fail};
use super::eval::expected;
use super::value::Value;

/// Two operands after the usual promotion.
enum Pair {
    Ints(i64, i64),
    Floats(f64, f64),
}

fn pair(a: &Value, b: &Value) -> Eval<Pair> {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        return Ok(Pair::Ints(*a, *b));
    }
    Ok(Pair::Floats(float(a)?, float(b)?))
}

fn float(value: &Value) -> Eval<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "Nix promotes integers to doubles so")]
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        other => Err(expected("a number", other)),
    }
}

fn arithmetic(
    a: &Value,
    b: &Value,
    symbol: char,
    ints: fn(i64, i64) -> Option<i64>,
    floats: fn(f64, f64) -> f64,
) -> Eval<Value> {
    match pair(a, b)? {
        Pair::Ints(a, b) => ints(a, b)
            .map(Value::Int)
            .ok_or_else(|| Fail::wrong(format!("{a} {symbol} {b} does not fit a 64-bit integer"))),
        Pair::Floats(a, b) => Ok(Value::Float(floats(a, b))),
    }
}

/// `a + b`, both numbers.
pub(super) fn add(a: &Value, b: &Value) -> Eval<Value> {
    arithmetic(a, b, '+', i64::checked_add, |a, b| a + b)
}

/// `a - b`
pub(super) fn subtract(a: &Value, b: &Value) -> Eval<Value> {
    arithmetic(a, b, '-', i64::checked_sub, |a, b| a - b)
}

/// `a * b`
pub(super) fn multiply(a: &Value, b: &Value) -> Eval<Value> {
    arithmetic(a, b, '*', i64::checked_mul, |a, b| a * b)
}

/// `a / b`, towards zero for integers.
pub(super) fn divide(a: &Value, b: &Value) -> Eval<Value> {
    if float(b)? == 0.0 {
        return Err(Fail::wrong("division by zero"));
    }
    arithmetic(a, b, '/', i64::checked_div, |a, b| a / b)
}

/// The order of two numbers; `None` beside a NaN.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match pair(a, b).ok()? {
        Pair::Ints(a, b) => Some(a.cmp(&b)),
        Pair::Floats(a, b) => a.partial_cmp(&b),
    }
}

//! Binary operators, equality and order.

use std::cmp::Ordering;
use std::rc::Rc;

use super::error::{Eval, Fail};
use super::eval::{Machine, expected};
use super::expr::{Expr, Operator};
use super::numbers;
use super::paths;
use super::value::{Attrs, Entry, EnvId, ThunkId, Value};

impl Machine {
    /// `left operator right`; the logical ones look at the right side only when they must.
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: &Rc<Expr>,
        right: &Rc<Expr>,
        env: EnvId,
    ) -> Eval<Value> {
        let decides = match operator {
            Operator::And => Some(false),
            Operator::Or => Some(true),
            Operator::Implication => {
                let holds = !self.condition(left, env)? || self.condition(right, env)?;
                return Ok(Value::Bool(holds));
            }
            _ => None,
        };
        if let Some(decides) = decides {
            let value = self.condition(left, env)?;
            return Ok(Value::Bool(if value == decides { decides } else { self.condition(right, env)? }));
        }
        let a = self.eval(left, env)?;
        let b = self.eval(right, env)?;
        match operator {
            Operator::Concat => self.concat(&a, &b),
            Operator::Update => self.update(&a, &b),
            Operator::Add => self.add(&a, &b),
            Operator::Sub => numbers::subtract(&a, &b),
            Operator::Mul => numbers::multiply(&a, &b),
            Operator::Div => numbers::divide(&a, &b),
            Operator::Equal => self.equal(&a, &b).map(Value::Bool),
            Operator::NotEqual => Ok(Value::Bool(!self.equal(&a, &b)?)),
            Operator::Less => self.less(&a, &b).map(Value::Bool),
            Operator::More => self.less(&b, &a).map(Value::Bool),
            Operator::LessOrEqual => Ok(Value::Bool(!self.less(&b, &a)?)),
            Operator::MoreOrEqual => Ok(Value::Bool(!self.less(&a, &b)?)),
            Operator::And | Operator::Or | Operator::Implication => Ok(Value::Null),
        }
    }

    fn concat(&mut self, a: &Value, b: &Value) -> Eval<Value> {
        match (a, b) {
            (Value::List(a), Value::List(b)) if a.is_empty() => Ok(Value::List(b.clone())),
            (Value::List(a), Value::List(b)) if b.is_empty() => Ok(Value::List(a.clone())),
            (Value::List(a), Value::List(b)) => {
                self.heap.take((a.len() + b.len()) * size_of::<ThunkId>())?;
                self.heap.list([&a[..], &b[..]].concat())
            }
            (Value::List(_), other) | (other, _) => Err(expected("a list beside `++`", other)),
        }
    }

    fn update(&mut self, a: &Value, b: &Value) -> Eval<Value> {
        match (a, b) {
            (Value::Attrs(a), Value::Attrs(b)) => {
                if a.entries.is_empty() && a.open.is_none() {
                    return Ok(Value::Attrs(b.clone()));
                }
                if b.entries.is_empty() && b.open.is_none() {
                    return Ok(Value::Attrs(a.clone()));
                }
                self.heap.take((a.entries.len() + b.entries.len()) * size_of::<Entry>())?;
                self.heap.attrs(merged(a, b), a.open.or(b.open))
            }
            (Value::Attrs(_), other) | (other, _) => Err(expected("a set beside `//`", other)),
        }
    }

    /// `+`: what stands left decides between numbers, paths and strings.
    pub(super) fn add(&mut self, a: &Value, b: &Value) -> Eval<Value> {
        match (a, b) {
            (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => numbers::add(a, b),
            (Value::Path(path), Value::Str(tail) | Value::Path(tail)) => {
                self.heap.take(path.len() + tail.len())?;
                Ok(Value::Path(paths::absolute(&format!("{path}{tail}")).into()))
            }
            (Value::Str(_) | Value::Attrs(_), _) => {
                let head = self.coerce(a)?;
                let tail = self.coerce(b)?;
                self.heap.take(head.len() + tail.len())?;
                self.heap.string([&*head, &*tail].concat())
            }
            _ => Err(Fail::wrong(format!("cannot add {} to {}", b.kind(), a.kind()))),
        }
    }

    /// `==`. Functions are never equal, but one and the same element of two lists is.
    pub(super) fn equal(&mut self, a: &Value, b: &Value) -> Eval<bool> {
        self.heap.work(1)?;
        #[expect(clippy::float_cmp, clippy::cast_precision_loss, reason = "this is what Nix's == says")]
        Ok(match (a, b) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
            (Value::Str(a), Value::Str(b)) | (Value::Path(a), Value::Path(b)) => {
                self.heap.read(a.len().min(b.len()))?;
                a == b
            }
            (Value::List(a), Value::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b.iter()) {
                    if !self.equal_thunks(*a, *b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Attrs(a), Value::Attrs(b)) => self.equal_sets(a, b)?,
            _ => false,
        })
    }

    /// Two derivations are equal when their output paths are; the rest of them is not looked at.
    fn equal_sets(&mut self, a: &Attrs, b: &Attrs) -> Eval<bool> {
        if self.is_derivation(a)?
            && self.is_derivation(b)?
            && let (Some(a), Some(b)) = (a.get("outPath"), b.get("outPath"))
        {
            return self.equal_thunks(a.value, b.value);
        }
        closed(a)?;
        closed(b)?;
        if a.entries.len() != b.entries.len() {
            return Ok(false);
        }
        for (a, b) in a.entries.iter().zip(&b.entries) {
            if a.name != b.name || !self.equal_thunks(a.value, b.value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_derivation(&mut self, attrs: &Attrs) -> Eval<bool> {
        let Some(entry) = attrs.get("type") else { return Ok(false) };
        Ok(matches!(self.force(entry.value)?, Value::Str(word) if &*word == "derivation"))
    }

    pub(super) fn equal_thunks(&mut self, a: ThunkId, b: ThunkId) -> Eval<bool> {
        let left = self.force(a)?;
        let right = self.force(b)?;
        if a == b {
            return Ok(true);
        }
        self.nested(|machine| machine.equal(&left, &right))
    }

    /// `<`: numbers, strings and paths by their bytes, lists by their first difference.
    pub(super) fn less(&mut self, a: &Value, b: &Value) -> Eval<bool> {
        self.heap.work(1)?;
        match (a, b) {
            (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
                Ok(numbers::compare(a, b) == Some(Ordering::Less))
            }
            (Value::Str(a), Value::Str(b)) | (Value::Path(a), Value::Path(b)) => {
                self.heap.read(a.len().min(b.len()))?;
                Ok(a < b)
            }
            (Value::List(a), Value::List(b)) => {
                for (index, a) in a.iter().enumerate() {
                    let Some(b) = b.get(index) else { return Ok(false) };
                    if !self.equal_thunks(*a, *b)? {
                        let a = self.force(*a)?;
                        let b = self.force(*b)?;
                        return self.nested(|machine| machine.less(&a, &b));
                    }
                }
                Ok(a.len() < b.len())
            }
            _ => Err(Fail::wrong(format!("cannot compare {} with {}", a.kind(), b.kind()))),
        }
    }
}

/// The entries of `a // b`.
pub(super) fn merged(a: &Attrs, b: &Attrs) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(a.entries.len() + b.entries.len());
    let mut left = a.entries.iter().peekable();
    let mut right = b.entries.iter().peekable();
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.name.cmp(&b.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return entries,
        };
        if order != Ordering::Greater {
            let entry = left.next();
            entries.extend(entry.filter(|_| order == Ordering::Less).cloned());
        }
        if order != Ordering::Less {
            entries.extend(right.next().cloned());
        }
    }
}

/// Of `lib` and `builtins` we have a part: asking for all of their attributes has no answer.
pub(super) fn closed(attrs: &Attrs) -> Eval<()> {
    match attrs.open {
        None | Some(super::value::Open::Argument) => Ok(()),
        Some(super::value::Open::Lib) => Err(Fail::unknown("the whole of `lib`")),
        Some(super::value::Open::Builtins) => Err(Fail::unknown("the whole of `builtins`")),
    }
}

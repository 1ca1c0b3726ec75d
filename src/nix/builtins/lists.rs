//! Lists.

use std::cmp::Ordering;

use super::super::error::{Eval, Fail};
use super::super::eval::{Machine, expected};
use super::super::value::{ThunkId, Value};
use super::{Builtin, entry};

/// Functions on lists.
pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "all", arity: 2, run: all },
    Builtin { name: "any", arity: 2, run: any },
    Builtin { name: "concatLists", arity: 1, run: concat_lists },
    Builtin { name: "concatMap", arity: 2, run: concat_map },
    Builtin { name: "elem", arity: 2, run: elem },
    Builtin { name: "elemAt", arity: 2, run: elem_at },
    Builtin { name: "filter", arity: 2, run: filter },
    Builtin { name: "foldl'", arity: 3, run: foldl },
    Builtin { name: "genList", arity: 2, run: gen_list },
    Builtin { name: "groupBy", arity: 2, run: group_by },
    Builtin { name: "head", arity: 1, run: head },
    Builtin { name: "length", arity: 1, run: length },
    Builtin { name: "map", arity: 2, run: map },
    Builtin { name: "partition", arity: 2, run: partition },
    Builtin { name: "sort", arity: 2, run: sort },
    Builtin { name: "tail", arity: 1, run: tail },
];

fn all(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let function = machine.function_argument(arguments, 0)?;
    for item in machine.list_argument(arguments, 1)?.iter() {
        if !machine.predicate(&function, *item)? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn any(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let function = machine.function_argument(arguments, 0)?;
    for item in machine.list_argument(arguments, 1)?.iter() {
        if machine.predicate(&function, *item)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// Appends one list to another under construction.
fn append(machine: &mut Machine, out: &mut Vec<ThunkId>, value: &Value) -> Eval<()> {
    let Value::List(items) = value else { return Err(expected("a list", value)) };
    machine.heap.take(items.len() * size_of::<ThunkId>())?;
    out.extend_from_slice(items);
    Ok(())
}

fn concat_lists(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let mut out = Vec::new();
    for list in machine.list_argument(arguments, 0)?.iter() {
        let list = machine.force(*list)?;
        append(machine, &mut out, &list)?;
    }
    machine.heap.list(out)
}

fn concat_map(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let function = machine.function_argument(arguments, 0)?;
    let mut out = Vec::new();
    for item in machine.list_argument(arguments, 1)?.iter() {
        let list = machine.call(&function, *item)?;
        append(machine, &mut out, &list)?;
    }
    machine.heap.list(out)
}

fn elem(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    for item in machine.list_argument(arguments, 1)?.iter() {
        if machine.equal_thunks(arguments[0], *item)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn elem_at(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let list = machine.list_argument(arguments, 0)?;
    let index = machine.int_argument(arguments, 1)?;
    let item = usize::try_from(index).ok().and_then(|index| list.get(index));
    let length = list.len();
    match item {
        Some(item) => machine.force(*item),
        None => {
            Err(Fail::wrong(format!("element {index} of a list of {length} is asked for, the first is 0")))
        }
    }
}

fn filter(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let list = machine.list_argument(arguments, 1)?;
    if list.is_empty() {
        return machine.heap.list(Vec::new());
    }
    let function = machine.function_argument(arguments, 0)?;
    let mut out = Vec::new();
    for item in list.iter() {
        if machine.predicate(&function, *item)? {
            out.push(*item);
        }
    }
    machine.heap.list(out)
}

fn foldl(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let function = machine.function_argument(arguments, 0)?;
    let list = machine.list_argument(arguments, 2)?;
    let Some((first, rest)) = list.split_first() else { return machine.force(arguments[1]) };
    let mut value = machine.call_all(&function, &[arguments[1], *first])?;
    for item in rest {
        let so_far = machine.heap.done(value)?;
        value = machine.call_all(&function, &[so_far, *item])?;
    }
    Ok(value)
}

fn gen_list(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let length = machine.int_argument(arguments, 1)?;
    if length < 0 {
        return Err(Fail::wrong(format!("a list of {length} elements is asked for, expected 0 or more")));
    }
    let mut out = Vec::new();
    for index in 0..length {
        let index = machine.heap.done(Value::Int(index))?;
        out.push(machine.later(arguments[0], index)?);
    }
    machine.heap.list(out)
}

fn group_by(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let function = machine.function_argument(arguments, 0)?;
    let mut groups = std::collections::BTreeMap::<_, Vec<ThunkId>>::new();
    for item in machine.list_argument(arguments, 1)?.iter() {
        let name = machine.call(&function, *item)?;
        let name = super::string(&name)?;
        machine.heap.name(&name)?;
        groups.entry(name).or_default().push(*item);
    }
    let mut entries = Vec::with_capacity(groups.len());
    for (name, items) in groups {
        let list = machine.heap.list(items)?;
        entries.push(entry(name, machine.heap.done(list)?));
    }
    machine.heap.attrs(entries, None)
}

fn head(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    match machine.list_argument(arguments, 0)?.first() {
        Some(first) => machine.force(*first),
        None => Err(Fail::wrong("`head` of an empty list")),
    }
}

fn length(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let length = machine.list_argument(arguments, 0)?.len();
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn map(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let list = machine.list_argument(arguments, 1)?;
    if !list.is_empty() {
        machine.function_argument(arguments, 0)?;
    }
    let mut out = Vec::with_capacity(list.len());
    for item in list.iter() {
        out.push(machine.later(arguments[0], *item)?);
    }
    machine.heap.list(out)
}

fn partition(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let function = machine.function_argument(arguments, 0)?;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for item in machine.list_argument(arguments, 1)?.iter() {
        let side = if machine.predicate(&function, *item)? { &mut right } else { &mut wrong };
        side.push(*item);
    }
    let right = machine.heap.list(right)?;
    let right = machine.heap.done(right)?;
    let wrong = machine.heap.list(wrong)?;
    let wrong = machine.heap.done(wrong)?;
    machine.heap.attrs(vec![entry("right", right), entry("wrong", wrong)], None)
}

/// A stable merge sort of our own: the comparison is the user's, may fail, and need not be an order.
fn sort(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let list = machine.list_argument(arguments, 1)?;
    let function = machine.function_argument(arguments, 0)?;
    let mut items = list.to_vec();
    let mut width = 1;
    while width < items.len() {
        let mut next = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(machine, &function, left, right, &mut next)?;
        }
        items = next;
        width *= 2;
    }
    machine.heap.list(items)
}

fn merge(
    machine: &mut Machine,
    function: &Value,
    mut left: &[ThunkId],
    mut right: &[ThunkId],
    out: &mut Vec<ThunkId>,
) -> Eval<()> {
    while let (Some((a, after_a)), Some((b, after_b))) = (left.split_first(), right.split_first()) {
        let order = match machine.call_all(function, &[*b, *a])? {
            Value::Bool(true) => Ordering::Greater,
            Value::Bool(false) => Ordering::Less,
            other => return Err(expected("a boolean from the comparison", &other)),
        };
        if order == Ordering::Greater {
            out.push(*b);
            right = after_b;
        } else {
            out.push(*a);
            left = after_a;
        }
    }
    out.extend_from_slice(left);
    out.extend_from_slice(right);
    Ok(())
}

fn tail(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    match machine.list_argument(arguments, 0)?.split_first() {
        Some((_, rest)) => machine.heap.list(rest.to_vec()),
        None => Err(Fail::wrong("`tail` of an empty list")),
    }
}

//! Attribute sets.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::error::Eval;
use super::super::eval::{Machine, expected, missing, unknown};
use super::super::expr::{Name, Param};
use super::super::sources::Span;
use super::super::value::{Attrs, Entry, Thunk, ThunkId, Value};
use super::{Builtin, entry};

/// Functions on sets.
pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "attrNames", arity: 1, run: attr_names },
    Builtin { name: "attrValues", arity: 1, run: attr_values },
    Builtin { name: "catAttrs", arity: 2, run: cat_attrs },
    Builtin { name: "functionArgs", arity: 1, run: function_args },
    Builtin { name: "getAttr", arity: 2, run: get_attr },
    Builtin { name: "hasAttr", arity: 2, run: has_attr },
    Builtin { name: "intersectAttrs", arity: 2, run: intersect_attrs },
    Builtin { name: "listToAttrs", arity: 1, run: list_to_attrs },
    Builtin { name: "mapAttrs", arity: 2, run: map_attrs },
    Builtin { name: "removeAttrs", arity: 2, run: remove_attrs },
    Builtin { name: "zipAttrsWith", arity: 2, run: zip_attrs_with },
];

fn attr_names(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let attrs = machine.set_argument(arguments, 0)?;
    let mut names = Vec::with_capacity(attrs.entries.len());
    for entry in &attrs.entries {
        names.push(machine.heap.thunk(Thunk::Done(Value::Str(entry.name.clone())), entry.span)?);
    }
    machine.heap.list(names)
}

fn attr_values(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let attrs = machine.set_argument(arguments, 0)?;
    machine.heap.list(attrs.entries.iter().map(|entry| entry.value).collect())
}

fn cat_attrs(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let name = machine.string_argument(arguments, 0)?;
    machine.heap.name(&name)?;
    let mut out = Vec::new();
    for item in machine.list_argument(arguments, 1)?.iter() {
        machine.heap.read(name.len())?;
        let attrs = machine.force_set(*item, "an element given to `catAttrs`")?;
        out.extend(attrs.get(&name).map(|entry| entry.value));
    }
    machine.heap.list(out)
}

fn function_args(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let lambda = match machine.argument(arguments, 0)? {
        Value::Lambda(lambda, _) => lambda,
        Value::Builtin(..) => return machine.heap.attrs(Vec::new(), None),
        other => return Err(expected("a function", &other)),
    };
    let Param::Pattern(pattern) = &lambda.param else { return machine.heap.attrs(Vec::new(), None) };
    let mut entries = Vec::with_capacity(pattern.formals.len());
    for formal in &pattern.formals {
        let value = machine.heap.done(Value::Bool(formal.default.is_some()))?;
        entries.push(Entry { name: formal.name.clone(), span: formal.span, value });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    machine.heap.attrs(entries, None)
}

fn get_attr(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let name = machine.string_argument(arguments, 0)?;
    machine.heap.name(&name)?;
    let attrs = machine.open_set_argument(arguments, 1)?;
    let value = attrs.get(&name).ok_or_else(|| missing(&attrs, &name))?.value;
    machine.force(value)
}

fn has_attr(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let name = machine.string_argument(arguments, 0)?;
    machine.heap.name(&name)?;
    let attrs = machine.open_set_argument(arguments, 1)?;
    if attrs.get(&name).is_some() {
        return Ok(Value::Bool(true));
    }
    match unknown(&attrs, &name) {
        Some(fail) => Err(fail),
        None => Ok(Value::Bool(false)),
    }
}

fn intersect_attrs(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let names = machine.set_argument(arguments, 0)?;
    let values = machine.set_argument(arguments, 1)?;
    machine.heap.work(names.entries.len() + values.entries.len())?;
    keep(machine, &values, |name| names.get(name).is_some())
}

fn keep(machine: &mut Machine, attrs: &Attrs, wanted: impl Fn(&str) -> bool) -> Eval<Value> {
    machine.heap.work(attrs.entries.len())?;
    let entries = attrs.entries.iter().filter(|entry| wanted(&entry.name)).cloned().collect();
    machine.heap.attrs(entries, attrs.open)
}

/// Of several elements with one name the first counts.
fn list_to_attrs(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let mut entries: BTreeMap<Name, Entry> = BTreeMap::new();
    for item in machine.list_argument(arguments, 0)?.iter() {
        let attrs = machine.force_set(*item, "an element given to `listToAttrs`")?;
        let name = attrs.get("name").ok_or_else(|| missing(&attrs, "name"))?.clone();
        let text = machine.force(name.value)?;
        let text = super::string(&text)?;
        machine.heap.name(&text)?;
        let value = attrs.get("value").ok_or_else(|| missing(&attrs, "value"))?.value;
        let span = machine.heap.span(name.value);
        entries.entry(text.clone()).or_insert(Entry { name: text, span, value });
    }
    machine.heap.attrs(entries.into_values().collect(), None)
}

fn map_attrs(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let attrs = machine.set_argument(arguments, 1)?;
    let mut entries = Vec::with_capacity(attrs.entries.len());
    for old in &attrs.entries {
        let name = machine.heap.done(Value::Str(old.name.clone()))?;
        let partial = machine.later(arguments[0], name)?;
        let value = machine.later(partial, old.value)?;
        entries.push(Entry { value, ..old.clone() });
    }
    machine.heap.attrs(entries, None)
}

fn remove_attrs(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let attrs = machine.set_argument(arguments, 0)?;
    let mut names = std::collections::BTreeSet::<Rc<str>>::new();
    for name in machine.list_argument(arguments, 1)?.iter() {
        let name = machine.force(*name)?;
        let name = super::string(&name)?;
        machine.heap.name(&name)?;
        names.insert(name);
    }
    keep(machine, &attrs, |name| !names.contains(name))
}

fn zip_attrs_with(machine: &mut Machine, arguments: &[ThunkId]) -> Eval<Value> {
    let mut all: BTreeMap<Name, (Span, Vec<ThunkId>)> = BTreeMap::new();
    for item in machine.list_argument(arguments, 1)?.iter() {
        let attrs = machine.force_set(*item, "an element given to `zipAttrsWith`")?;
        super::closed(&attrs)?;
        machine.heap.take(attrs.entries.len() * size_of::<Entry>())?;
        for entry in &attrs.entries {
            all.entry(entry.name.clone()).or_insert((entry.span, Vec::new())).1.push(entry.value);
        }
    }
    let mut entries = Vec::with_capacity(all.len());
    for (name, (span, values)) in all {
        let values = machine.heap.list(values)?;
        let values = machine.heap.done(values)?;
        let given = machine.heap.done(Value::Str(name.clone()))?;
        let partial = machine.later(arguments[0], given)?;
        let value = machine.later(partial, values)?;
        entries.push(Entry { span, ..entry(name, value) });
    }
    machine.heap.attrs(entries, None)
}

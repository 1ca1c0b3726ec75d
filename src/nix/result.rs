//! The final value: applied if it is a function, forced to its leaves, handed over as data.

use std::rc::Rc;

use quorate_pki::inventory::{Attr, Data, Node};

use super::error::{Eval, Fail};
use super::eval::Machine;
use super::expr::{Name, Param};
use super::operators::closed;
use super::sources::Span;
use super::value::{Attrs, Open, ThunkId, Value};

/// How deep data may nest. Whoever walks it afterwards may recurse.
const MAX_NESTING: usize = 128;

impl Machine {
    /// The inventory that thunk `id` is.
    pub(super) fn inventory(&mut self, id: ThunkId) -> Eval<Node> {
        let span = self.heap.span(id);
        let mut value = self.force(id)?;
        if let Value::Lambda(lambda, _) = &value {
            let pattern = match &lambda.param {
                Param::Pattern(pattern) => Some(pattern),
                Param::Single => None,
            };
            let body = lambda.body.span;
            let argument = self.inventory_argument(pattern)?;
            value = self.call(&value, argument)?;
            return self.node(&value, body, &mut Vec::new());
        }
        self.node(&value, span, &mut Vec::new())
    }

    /// Data of a value; `path` holds the names that lead to it, for messages.
    fn node(&mut self, value: &Value, span: Span, path: &mut Vec<Name>) -> Eval<Node> {
        self.heap.take(size_of::<Attr>())?;
        if path.len() > MAX_NESTING {
            let place = shown(path);
            let message = format!("the result is nested deeper than {MAX_NESTING} levels, at `{place}...`");
            return Err(Fail::limit(message).at(span));
        }
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Int(value) => Data::Int(*value),
            Value::Float(value) => Data::Float(*value),
            Value::Str(text) | Value::Path(text) => {
                self.heap.take(text.len())?;
                Data::Str(text.to_string())
            }
            Value::List(items) => {
                let mut nodes = Vec::with_capacity(items.len().min(1024));
                for (index, item) in items.iter().enumerate() {
                    nodes.push(self.child(*item, format!("[{index}]").into(), path)?);
                }
                Data::List(nodes)
            }
            Value::Attrs(attrs) => return self.set_node(attrs, span, path),
            Value::Lambda(..) | Value::Builtin(..) => {
                let message = if path.is_empty() {
                    "the inventory is a function of more than one argument, expected a set".to_owned()
                } else {
                    format!("`{}` is a function, expected data", shown(path))
                };
                let hint = if path.is_empty() {
                    "write it as `{ lib, ... }: { ... }`, or as the set alone"
                } else {
                    "give it its arguments; an element of a list is called in parentheses, `[ (f x) ]`"
                };
                return Err(Fail::wrong(message).hint(hint).at(span));
            }
        };
        Ok(Node { data, origin: span.origin() })
    }

    fn child(&mut self, id: ThunkId, name: Name, path: &mut Vec<Name>) -> Eval<Node> {
        path.push(name);
        let value = self.force(id)?;
        let span = self.heap.span(id);
        let node = self.nested(|machine| machine.node(&value, span, path));
        path.pop();
        node
    }

    fn set_node(&mut self, attrs: &Rc<Attrs>, span: Span, path: &mut Vec<Name>) -> Eval<Node> {
        if attrs.open == Some(Open::Argument) {
            return Err(Fail::wrong("the inventory's own argument is part of the result").at(span));
        }
        closed(attrs).map_err(|fail| fail.at(span))?;
        if let Some(inner) = self.set_as_string(attrs)? {
            return self.nested(|machine| machine.node(&inner, span, path));
        }
        let mut out = Vec::with_capacity(attrs.entries.len());
        for entry in &attrs.entries {
            self.heap.take(entry.name.len())?;
            let value = self.child(entry.value, entry.name.clone(), path)?;
            out.push(Attr { name: entry.name.to_string(), origin: entry.span.origin(), value });
        }
        Ok(Node { data: Data::Attrs(out), origin: span.origin() })
    }
}

/// `cp1.etcd.peers[2]`
fn shown(path: &[Name]) -> String {
    let mut out = String::new();
    for name in path.iter().take(16) {
        if !out.is_empty() && !name.starts_with('[') {
            out.push('.');
        }
        out.extend(name.chars().take(64));
    }
    out
}

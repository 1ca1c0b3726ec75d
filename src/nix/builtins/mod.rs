//! The functions of Nix that inventories use. What is not here is refused by name.

mod attrs;
mod lists;
mod logic;
mod strings;

use std::rc::Rc;

use super::error::{Eval, Fail};
use super::eval::{Machine, expected};
use super::expr::Name;
use super::operators::closed;
use super::sources::Span;
use super::value::{Attrs, Entry, EnvId, Heap, Open, Thunk, ThunkId, Value};

/// A function of ours.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// How many arguments it waits for; a constant waits for none.
    pub(super) arity: usize,
    /// Called with exactly `arity` arguments.
    pub(super) run: fn(&mut Machine, &[ThunkId]) -> Eval<Value>,
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every function, by theme.
const TABLES: [&[Builtin]; 4] = [attrs::TABLE, lists::TABLE, logic::TABLE, strings::TABLE];

/// The set `builtins` itself.
static BUILTINS: Builtin =
    Builtin { name: "builtins", arity: 0, run: |machine, _| builtins(&mut machine.heap) };

/// The builtins that Nix also has without `builtins.` before them.
/// Source: Nix reference manual, "Built-ins".
const PLAIN: [&str; 9] =
    ["abort", "baseNameOf", "dirOf", "import", "isNull", "map", "removeAttrs", "throw", "toString"];

/// Names without a prefix that Nix has and we do not.
pub(super) const UNKNOWN_GLOBALS: [&str; 11] = [
    "break",
    "derivation",
    "derivationStrict",
    "fetchGit",
    "fetchMercurial",
    "fetchTarball",
    "fetchTree",
    "fromTOML",
    "placeholder",
    "scopedImport",
    "__overrides",
];

/// `builtins` is incomplete: what it lacks is refused by name, even in `builtins ? name`, since the answer depends
/// on the version of Nix.
fn builtins(heap: &mut Heap) -> Eval<Value> {
    let mut entries = Vec::new();
    for builtin in TABLES.into_iter().flatten() {
        let value = heap.thunk(thunk_of(builtin), Span::NONE)?;
        entries.push(Entry { name: builtin.name.into(), span: Span::NONE, value });
    }
    for (name, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
        let value = heap.done(value)?;
        entries.push(Entry { name: name.into(), span: Span::NONE, value });
    }
    let value = heap.thunk(Thunk::Constant(&BUILTINS), Span::NONE)?;
    entries.push(Entry { name: "builtins".into(), span: Span::NONE, value });
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    heap.attrs(entries, Some(Open::Builtins))
}

/// The names that every file sees, sorted, with their thunks.
fn globals_table() -> Vec<(Name, Thunk)> {
    let mut table: Vec<(Name, Thunk)> = vec![
        ("true".into(), Thunk::Done(Value::Bool(true))),
        ("false".into(), Thunk::Done(Value::Bool(false))),
        ("null".into(), Thunk::Done(Value::Null)),
        ("builtins".into(), Thunk::Constant(&BUILTINS)),
    ];
    for builtin in TABLES.into_iter().flatten() {
        if PLAIN.contains(&builtin.name) {
            table.push((builtin.name.into(), thunk_of(builtin)));
        } else {
            table.push((format!("__{}", builtin.name).into(), thunk_of(builtin)));
        }
    }
    table.sort_by(|(a, _), (b, _)| a.cmp(b));
    table
}

fn thunk_of(builtin: &'static Builtin) -> Thunk {
    if builtin.arity == 0 {
        return Thunk::Constant(builtin);
    }
    Thunk::Done(Value::Builtin(builtin, Rc::new([])))
}

/// The scope around every file.
pub(super) fn globals(heap: &mut Heap) -> Eval<EnvId> {
    let mut slots = Vec::new();
    for (_, thunk) in globals_table() {
        slots.push(heap.thunk(thunk, Span::NONE)?);
    }
    heap.env(None, slots)
}

/// The names of that scope, sorted, one for each slot.
pub(super) fn global_names() -> Vec<Name> {
    globals_table().into_iter().map(|(name, _)| name).collect()
}

/// What `lib.nix` is given.
pub(super) fn library_argument(heap: &mut Heap) -> Eval<ThunkId> {
    let value = heap.thunk(thunk_of(&strings::SPLIT_STRING), Span::NONE)?;
    let attrs = heap.attrs(vec![entry(strings::SPLIT_STRING.name, value)], None)?;
    heap.done(attrs)
}

/// Arguments by type.
impl Machine {
    fn argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<Value> {
        let id = arguments.get(index).ok_or_else(|| Fail::wrong("a function lacks an argument"))?;
        self.force(*id)
    }

    fn list_argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<Rc<[ThunkId]>> {
        match self.argument(arguments, index)? {
            Value::List(items) => Ok(items),
            other => Err(expected("a list", &other)),
        }
    }

    /// A set, all of whose attributes are known.
    fn set_argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<Rc<Attrs>> {
        let attrs = self.open_set_argument(arguments, index)?;
        closed(&attrs)?;
        Ok(attrs)
    }

    /// A set, `lib` and `builtins` included.
    fn open_set_argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<Rc<Attrs>> {
        match self.argument(arguments, index)? {
            Value::Attrs(attrs) => Ok(attrs),
            other => Err(expected("a set", &other)),
        }
    }

    fn string_argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<Rc<str>> {
        let value = self.argument(arguments, index)?;
        string(&value)
    }

    fn int_argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<i64> {
        match self.argument(arguments, index)? {
            Value::Int(value) => Ok(value),
            other => Err(expected("an integer", &other)),
        }
    }

    /// A function, or a set that acts as one.
    fn function_argument(&mut self, arguments: &[ThunkId], index: usize) -> Eval<Value> {
        match self.argument(arguments, index)? {
            function @ (Value::Lambda(..) | Value::Builtin(..)) => Ok(function),
            Value::Attrs(attrs) if attrs.get("__functor").is_some() => Ok(Value::Attrs(attrs)),
            other => Err(expected("a function", &other)),
        }
    }

    /// Calls a function that must answer yes or no.
    fn predicate(&mut self, function: &Value, argument: ThunkId) -> Eval<bool> {
        match self.call(function, argument)? {
            Value::Bool(value) => Ok(value),
            other => Err(expected("a boolean from the function", &other)),
        }
    }
}

/// A string, and nothing that could become one.
fn string(value: &Value) -> Eval<Rc<str>> {
    match value {
        Value::Str(text) => Ok(text.clone()),
        other => Err(expected("a string", other)),
    }
}

/// An attribute that no file says.
fn entry(name: impl Into<Name>, value: ThunkId) -> Entry {
    Entry { name: name.into(), span: Span::NONE, value }
}

/// `lib`, read when it is first asked for.
pub(super) fn library_thunk() -> Thunk {
    static LIBRARY: Builtin = Builtin { name: "lib", arity: 0, run: |machine, _| machine.library_value() };
    Thunk::Constant(&LIBRARY)
}

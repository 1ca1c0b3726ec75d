//! Values, and the heap they live in.
//!
//! Thunks and environments are numbered slots of two growing tables, freed together when the evaluation ends:
//! cycles cost nothing, dropping never recurses, and the memory is counted where it is taken.

use std::rc::Rc;

use super::builtins::Builtin;
use super::error::{Eval, Fail};
use super::expr::{Expr, Lambda, Name};
use super::sources::Span;

/// A value in weak head normal form: the parts of lists and sets may still be unevaluated.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    /// Absolute.
    Path(Rc<str>),
    List(Rc<[ThunkId]>),
    Attrs(Rc<Attrs>),
    Lambda(Rc<Lambda>, EnvId),
    /// A function of ours and the arguments it has so far.
    Builtin(&'static Builtin, Rc<[ThunkId]>),
}

/// An attribute set.
#[derive(Debug, Default)]
pub(super) struct Attrs {
    /// Sorted by name, unique.
    pub(super) entries: Vec<Entry>,
    /// Nix would have more attributes here than we do.
    pub(super) open: Option<Open>,
}

/// A set of which we have a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Builtins,
    Lib,
    /// The argument of the inventory. `nix` is given no more than we have.
    Argument,
}

/// One attribute.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) span: Span,
    pub(super) value: ThunkId,
}

/// Number of a thunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ThunkId(u32);

/// Number of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnvId(u32);

/// A value, or how to get at it.
#[derive(Debug, Clone)]
pub(super) enum Thunk {
    Done(Value),
    Delayed(Rc<Expr>, EnvId),
    /// A function applied to one argument.
    Apply(ThunkId, ThunkId),
    /// An attribute of a set, by name.
    Select(ThunkId, Name),
    /// A function of ours that takes no argument: the value is made when first asked for.
    Constant(&'static Builtin),
    /// An argument that the inventory asks for and nobody has: an error only when it is used.
    NotGiven(Name),
    /// Under evaluation: whoever asks now asks for ever.
    Running,
}

/// The variables of one scope.
#[derive(Debug)]
struct Env {
    parent: Option<EnvId>,
    slots: Box<[ThunkId]>,
}

/// What an inventory may allocate, in bytes. The count leaves out slack of the allocator and of growing tables, so
/// that the process stays well below 200 MB.
const MAX_BYTES: usize = 64 << 20;
/// Expressions evaluated and elements visited. Some hundred thousand are a large inventory.
const MAX_STEPS: usize = 3_000_000;

/// Bytes of the name of an attribute or a variable. A set compares its names whenever one is looked up.
pub(super) const MAX_NAME: usize = 4 << 10;

/// What is wrong with a name of more than [`MAX_NAME`].
pub(super) fn too_long(name: &str) -> String {
    format!("a name of {} bytes, the limit for an inventory is {MAX_NAME}", name.len())
}

/// Every thunk and environment of an evaluation, and what it may still take.
#[derive(Debug)]
pub(super) struct Heap {
    thunks: Vec<Thunk>,
    spans: Vec<Span>,
    envs: Vec<Env>,
    bytes: usize,
    steps: usize,
}

impl Heap {
    pub(super) fn new() -> Self {
        Self { thunks: Vec::new(), spans: Vec::new(), envs: Vec::new(), bytes: MAX_BYTES, steps: MAX_STEPS }
    }

    /// Counts `count` steps of work.
    pub(super) fn work(&mut self, count: usize) -> Eval<()> {
        self.steps = self.steps.checked_sub(count.max(1)).ok_or_else(|| {
            Fail::limit(format!(
                "the evaluation takes more than {MAX_STEPS} steps, the limit for an inventory"
            ))
        })?;
        Ok(())
    }

    /// Counts `bytes` of memory about to be taken, and the work of filling it.
    pub(super) fn take(&mut self, bytes: usize) -> Eval<()> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            let mebibytes = MAX_BYTES >> 20;
            Fail::limit(format!("the evaluation takes more than {mebibytes} MiB, the limit for an inventory"))
        })?;
        self.work(bytes / 64)
    }

    /// Counts the work of reading or comparing `bytes` of text.
    pub(super) fn read(&mut self, bytes: usize) -> Eval<()> {
        self.work(bytes / 64)
    }

    /// A computed name of an attribute: counted, since a set compares it with many others.
    pub(super) fn name(&mut self, name: &str) -> Eval<()> {
        if name.len() > MAX_NAME {
            return Err(Fail::limit(too_long(name)));
        }
        self.read(name.len())
    }

    pub(super) fn thunk(&mut self, thunk: Thunk, span: Span) -> Eval<ThunkId> {
        self.take(size_of::<Thunk>() + size_of::<Span>())?;
        let id = number(self.thunks.len())?;
        self.thunks.push(thunk);
        self.spans.push(span);
        Ok(ThunkId(id))
    }

    /// A thunk that is evaluated already.
    pub(super) fn done(&mut self, value: Value) -> Eval<ThunkId> {
        self.thunk(Thunk::Done(value), Span::NONE)
    }

    pub(super) fn get(&self, id: ThunkId) -> &Thunk {
        // A thunk's number is only ever given out by `thunk`, and thunks are never taken away.
        &self.thunks[index(id.0)]
    }

    pub(super) fn set(&mut self, id: ThunkId, thunk: Thunk) {
        self.thunks[index(id.0)] = thunk;
    }

    /// The expression that a thunk is or was.
    pub(super) fn span(&self, id: ThunkId) -> Span {
        self.spans[index(id.0)]
    }

    /// A scope inside `parent`.
    pub(super) fn env(&mut self, parent: Option<EnvId>, slots: Vec<ThunkId>) -> Eval<EnvId> {
        self.take(size_of::<Env>() + slots.len() * size_of::<ThunkId>())?;
        let id = number(self.envs.len())?;
        self.envs.push(Env { parent, slots: slots.into() });
        Ok(EnvId(id))
    }

    /// Fills the scope that was made empty so that its own thunks could refer to it.
    pub(super) fn fill(&mut self, env: EnvId, slots: Vec<ThunkId>) -> Eval<()> {
        self.take(slots.len() * size_of::<ThunkId>())?;
        self.envs[index(env.0)].slots = slots.into();
        Ok(())
    }

    /// Slot `slot` of the scope `up` levels outside `env`.
    pub(super) fn variable(&self, env: EnvId, up: usize, slot: usize) -> Option<ThunkId> {
        let mut at = &self.envs[index(env.0)];
        for _ in 0..up {
            at = &self.envs[index(at.parent?.0)];
        }
        at.slots.get(slot).copied()
    }

    /// A list value.
    pub(super) fn list(&mut self, items: Vec<ThunkId>) -> Eval<Value> {
        self.take(16 + items.len() * size_of::<ThunkId>())?;
        Ok(Value::List(items.into()))
    }

    /// A string value.
    pub(super) fn string(&mut self, text: impl AsRef<str> + Into<Rc<str>>) -> Eval<Value> {
        self.take(16 + text.as_ref().len())?;
        Ok(Value::Str(text.into()))
    }

    /// A set value, of entries that are sorted and unique.
    pub(super) fn attrs(&mut self, entries: Vec<Entry>, open: Option<Open>) -> Eval<Value> {
        self.take(48 + entries.len() * size_of::<Entry>())?;
        Ok(Value::Attrs(Rc::new(Attrs { entries, open })))
    }
}

/// `MAX_BYTES` ends an evaluation long before its slots outgrow 32 bits.
fn number(length: usize) -> Eval<u32> {
    u32::try_from(length).map_err(|_| Fail::limit("the evaluation makes more than four billion values"))
}

fn index(number: u32) -> usize {
    number as usize
}

impl Attrs {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        self.entries.get(found)
    }
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a floating-point number",
            Self::Str(_) => "a string",
            Self::Path(_) => "a path",
            Self::List(_) => "a list",
            Self::Attrs(_) => "a set",
            Self::Lambda(..) | Self::Builtin(..) => "a function",
        }
    }
}

//! `lib`: the functions of nixpkgs' library that inventories use, written in Nix in `lib.nix`, read only when an
//! inventory asks for them.

use std::path::Path;

use super::error::{Eval, Fail};
use super::eval::Machine;
use super::expr::Pattern;
use super::sources::Span;
use super::value::{Entry, Open, Thunk, ThunkId, Value};
use super::{builtins, import};

const LIBRARY: &str = include_str!("lib.nix");

/// The files of nixpkgs' `lib` whose functions also stand in a set of that name. All are incomplete here.
const PARTS: [&str; 4] = ["attrsets", "lists", "strings", "trivial"];

impl Machine {
    /// `lib` as a value.
    pub(super) fn library_value(&mut self) -> Eval<Value> {
        let id = match self.library {
            Some(id) => id,
            None => self.load_library()?,
        };
        self.force(id)
    }

    fn load_library(&mut self) -> Eval<ThunkId> {
        let expr = import::parse(LIBRARY, None, Path::new("/"), builtins::global_names())?;
        let function = self.heap.thunk(Thunk::Delayed(expr, self.globals), Span::NONE)?;
        let argument = builtins::library_argument(&mut self.heap)?;
        let parts = self.later(function, argument)?;
        let parts = self.force_set(parts, "the library")?;
        let all = parts.get("all").ok_or_else(|| Fail::wrong("the library is incomplete"))?.value;
        let mut entries = self.force_set(all, "the library")?.entries.clone();
        for name in PARTS {
            let Some(entry) = parts.get(name) else { continue };
            let Value::Attrs(functions) = self.force(entry.value)? else { continue };
            let value = self.heap.attrs(functions.entries.clone(), Some(Open::Lib))?;
            let value = self.heap.done(value)?;
            let part = Entry { name: name.into(), span: Span::NONE, value };
            if let Err(at) = entries.binary_search_by(|entry| (*entry.name).cmp(name)) {
                entries.insert(at, part);
            }
        }
        let value = self.heap.attrs(entries, Some(Open::Lib))?;
        let id = self.heap.done(value)?;
        self.library = Some(id);
        Ok(id)
    }

    /// What an inventory that is a function is given: `lib`, and `pkgs` with nothing but `lib` in it. Whatever else
    /// its pattern asks for is an error when it is used, and none when it is not.
    pub(super) fn inventory_argument(&mut self, pattern: Option<&Pattern>) -> Eval<ThunkId> {
        let lib = self.heap.thunk(builtins::library_thunk(), Span::NONE)?;
        let entry = |name: &str, value| Entry { name: name.into(), span: Span::NONE, value };
        let pkgs = self.heap.attrs(vec![entry("lib", lib)], Some(Open::Argument))?;
        let pkgs = self.heap.done(pkgs)?;
        let mut entries = vec![entry("lib", lib), entry("pkgs", pkgs)];
        if let Some(pattern) = pattern {
            let formals = &pattern.formals;
            entries.retain(|entry| pattern.open || formals.iter().any(|formal| formal.name == entry.name));
            for formal in formals.iter().filter(|formal| formal.default.is_none()) {
                if let Err(at) = entries.binary_search_by(|entry| entry.name.cmp(&formal.name)) {
                    let value = self.heap.thunk(Thunk::NotGiven(formal.name.clone()), Span::NONE)?;
                    entries.insert(at, entry(&formal.name, value));
                }
            }
        }
        let argument = self.heap.attrs(entries, Some(Open::Argument))?;
        self.heap.done(argument)
    }
}

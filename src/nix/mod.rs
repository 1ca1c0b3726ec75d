//! Reading `machines.nix`: a lazy evaluator for the part of Nix that inventories use, and the `nix` program for
//! whatever else they contain.
//!
//! A file is scanned (`scan`) before rnix parses it, lowered to a tree of its own (`lower`, `sets`, `strings`),
//! evaluated on demand (`eval`, `operators`, `builtins`, `lib.nix`), and forced to data (`result`). What the
//! built-in evaluator does not know it refuses by name and place; it never guesses. It reads no file but the
//! inventory and what that imports from its own folder, and no environment.

mod apply;
mod builtins;
mod coerce;
mod error;
mod eval;
mod expr;
mod import;
mod library;
mod list;
mod lower;
mod mistakes;
mod nix_program;
mod numbers;
mod operators;
mod paths;
mod result;
mod scan;
mod sets;
mod sources;
mod strings;
mod syntax;
mod value;

use std::path::{Path, PathBuf};
use std::thread;

use quorate_pki::inventory::Node;

pub use error::{ErrorKind, EvalError};
use error::{Eval, Fail};
use eval::Machine;
use import::Files;
pub use list::{LiteralList, NotLiteral};
pub(crate) use lower::MOST_FAULTS;
pub use sources::{Source, Sources};
use value::ThunkId;

/// Who evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evaluator {
    /// The built-in one; where it meets something it does not know, the `nix` program, if there is one.
    #[default]
    Auto,
    /// The built-in one alone.
    Builtin,
    /// The `nix` program alone.
    Nix,
}

/// The stack of the evaluating thread, address space rather than memory: some 20 KiB for each level that
/// `eval::MAX_DEPTH` allows, which an unoptimised build needs.
const STACK_BYTES: usize = 384 << 20;

/// Evaluates an inventory to its last leaf. A function is given `lib`, and `pkgs` of which only `lib` exists. Paths
/// in the result arrive as absolute strings; nothing is copied to a store.
///
/// # Errors
///
/// See [`ErrorKind`]; the faults point into the sources beside them.
pub fn evaluate(path: &Path, evaluator: Evaluator) -> Result<(Node, Sources), EvalError> {
    match evaluator {
        Evaluator::Builtin => builtin(path),
        Evaluator::Nix => match find_nix() {
            Some(nix) => with_nix(&nix, path),
            None => Err(failed(
                Fail::new(ErrorKind::Program, "there is no `nix` in PATH")
                    .hint("install it, or evaluate with `--evaluator builtin`"),
                Sources::default(),
            )),
        },
        Evaluator::Auto => match (builtin(path), find_nix()) {
            (Err(error), Some(nix)) if error.kind == ErrorKind::Unknown => with_nix(&nix, path),
            (result, _) => result,
        },
    }
}

fn find_nix() -> Option<PathBuf> {
    nix_program::find(std::env::var_os("PATH").as_deref())
}

fn with_nix(nix: &Path, path: &Path) -> Result<(Node, Sources), EvalError> {
    let mut sources = Sources::default();
    match nix_program::evaluate(nix, path, &mut sources) {
        Ok(node) => Ok((node, sources)),
        Err(fail) => Err(failed(fail, sources)),
    }
}

/// Evaluates a text as if it stood in the file `path`, with the built-in evaluator.
///
/// # Errors
///
/// As [`evaluate`].
pub fn evaluate_text(path: &Path, text: &str) -> Result<(Node, Sources), EvalError> {
    on_own_thread(path, |machine| machine.take_inventory(text.to_owned()))
}

/// Evaluates without any other program.
fn builtin(path: &Path) -> Result<(Node, Sources), EvalError> {
    on_own_thread(path, Machine::load_inventory)
}

/// Evaluates what `inventory` finds for the inventory at `path`.
fn on_own_thread(
    path: &Path,
    inventory: impl FnOnce(&mut Machine) -> Eval<ThunkId> + Send,
) -> Result<(Node, Sources), EvalError> {
    let run = || -> Result<(Node, Sources), EvalError> {
        let mut machine = Machine::new(Files::new(path)).map_err(|fail| failed(fail, Sources::default()))?;
        let node = inventory(&mut machine).and_then(|thunk| machine.inventory(thunk));
        let sources = machine.files.sources;
        match node {
            Ok(node) => Ok((node, sources)),
            Err(fail) => Err(failed(fail, sources)),
        }
    };
    let outcome = thread::scope(|scope| {
        let thread = thread::Builder::new().name("nix".to_owned()).stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, run).map(thread::ScopedJoinHandle::join)
    });
    match outcome {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(failed(
            Fail::new(ErrorKind::Program, "the built-in evaluator broke down: this is a fault of quorate's")
                .hint("please report it with the file; `--evaluator nix` may take it meanwhile"),
            Sources::default(),
        )),
        Err(error) => {
            let cause = crate::error::plain(&error);
            let message = format!("cannot start a thread to evaluate `{}`: {cause}", path.display());
            let fail = Fail::new(ErrorKind::Program, message).hint("free some memory and run this again");
            Err(failed(fail, Sources::default()))
        }
    }
}

fn failed(fail: Fail, sources: Sources) -> EvalError {
    EvalError { kind: fail.kind, faults: fail.faults, sources }
}

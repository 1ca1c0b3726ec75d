//! Why an inventory could not be evaluated.

use std::fmt;

use quorate_pki::fault::{Fault, Level};
use quorate_pki::inventory::Origin;

use super::sources::{Sources, Span};

/// What sort of thing went wrong. `--evaluator auto` asks `nix` when, and only when, it is `Unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A file could not be read: it is missing, not text, or outside the inventory's folder.
    Read,
    /// A file is not Nix. Every fault that was found is listed, not only the first.
    Syntax,
    /// Nix may well know this construct or function; the built-in evaluator does not.
    Unknown,
    /// The expression is wrong: an undefined variable, a missing attribute, a type error, a `throw`.
    Evaluation,
    /// The expression asks for more time, memory or depth than an inventory may.
    Limit,
    /// The `nix` program could not be run, or said something that could not be understood.
    Program,
}

/// An inventory that could not be evaluated.
#[derive(Debug, Clone)]
pub struct EvalError {
    /// What sort of error.
    pub kind: ErrorKind,
    /// At least one; several only for syntax. `rule` names the kind: `nix-syntax`, `nix-limit`...
    pub faults: Vec<Fault>,
    /// The files that the faults point into.
    pub sources: Sources,
}

impl fmt::Display for EvalError {
    /// One line for each fault: `machines.nix:3:7: attribute ...`. A caller with room shows excerpts instead.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let Some(place) = fault.at.and_then(|at| self.sources.describe(at)) {
                write!(f, "{place}: ")?;
            }
            write!(f, "{message}", message = fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for EvalError {}

impl ErrorKind {
    /// The rule's name under which faults of this kind are reported.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Read => "nix-read",
            Self::Syntax => "nix-syntax",
            Self::Unknown => "nix-unknown",
            Self::Evaluation => "nix-evaluation",
            Self::Limit => "nix-limit",
            Self::Program => "nix-program",
        }
    }

    /// A fault of this kind.
    pub(super) fn fault(self, message: String, hint: Option<String>, at: Option<Origin>) -> Fault {
        Fault { level: Level::Error, rule: self.rule(), at, message, hint, related: Vec::new() }
    }
}

/// An error under way through the evaluator.
#[derive(Debug)]
pub(super) struct Fail {
    pub(super) kind: ErrorKind,
    pub(super) faults: Vec<Fault>,
    /// Raised by `throw` or `assert`: what `tryEval` catches.
    pub(super) catchable: bool,
}

/// Result of a step of evaluation.
pub(super) type Eval<T> = Result<T, Fail>;

impl Fail {
    /// An error of one fault, its place not known yet.
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, faults: vec![kind.fault(message.into(), None, None)], catchable: false }
    }

    /// The expression is wrong.
    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Evaluation, message)
    }

    /// The built-in evaluator does not know `what`.
    pub(super) fn unknown(what: &str) -> Self {
        Self::new(ErrorKind::Unknown, format!("{what} is not known to the built-in evaluator"))
            .hint("write the value out, or install `nix`, which is then asked instead")
    }

    /// More than an inventory may ask for.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message).hint(
            "an inventory is data: is there a recursion that never ends, or a list that doubles itself?",
        )
    }

    /// With a remedy.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(fault) = self.faults.first_mut() {
            fault.hint = Some(hint.into());
        }
        self
    }

    /// A type error of the function `name` itself, rather than of an expression that has a place.
    pub(super) fn of(mut self, name: &str) -> Self {
        if let Some(fault) = self.faults.first_mut()
            && fault.at.is_none()
            && fault.message.starts_with("expected ")
        {
            fault.message = format!("`{name}`: {}", fault.message);
        }
        self
    }

    /// With a place, unless an inner expression has set one already.
    pub(super) fn at(mut self, span: Span) -> Self {
        if let Some(fault) = self.faults.first_mut()
            && fault.at.is_none()
        {
            fault.at = span.origin();
        }
        self
    }
}

//! What an evaluator hands over: plain data, every piece of it knowing where it was written.
//!
//! Reading `machines.nix` is the shell's work, with whichever evaluator; judging what it says is ours. This
//! type stands between the two, so that a fault found here can point into the file there.

/// A stretch of one of the source files, in bytes. The shell knows which file `file` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Index into the shell's list of source files, in the order they were read; 0 is the inventory itself.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte; equals `start` when only the position is known.
    pub end: usize,
}

/// A value and the place it came from. Made by an evaluator; `origin` is `None` for what a function computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// The expression that gave it.
    pub origin: Option<Origin>,
}

/// The data subset of Nix: what `nix eval --json` can print.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// A string; paths arrive as strings too.
    Str(String),
    /// A list.
    List(Vec<Node>),
    /// An attribute set, names sorted as Nix sorts them and unique.
    Attrs(Vec<Attr>),
}

/// One name of an attribute set.
#[derive(Debug, Clone, PartialEq)]
pub struct Attr {
    /// The name.
    pub name: String,
    /// Where the name was written.
    pub origin: Option<Origin>,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The value of attribute `name`, when this is a set that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.attr(name).map(|attr| &attr.value)
    }

    /// The attribute `name`, when this is a set that has it.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        match &self.data {
            Data::Attrs(attrs) => attrs.iter().find(|attr| attr.name == name),
            _ => None,
        }
    }

    /// What the value is, for a message: `a string`, `an integer`, `a list`...
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "null",
            Data::Bool(_) => "a boolean",
            Data::Int(_) => "an integer",
            Data::Float(_) => "a floating-point number",
            Data::Str(_) => "a string",
            Data::List(_) => "a list",
            Data::Attrs(_) => "an attribute set",
        }
    }

    /// The value as JSON, as `nix eval --json` prints it.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.data {
            Data::Null => serde_json::Value::Null,
            Data::Bool(value) => (*value).into(),
            Data::Int(value) => (*value).into(),
            Data::Float(value) => (*value).into(),
            Data::Str(value) => value.as_str().into(),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Attrs(attrs) => {
                attrs.iter().map(|attr| (attr.name.clone(), attr.value.to_json())).collect()
            }
        }
    }
}

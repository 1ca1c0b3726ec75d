//! The `nix` program as the second evaluator.
//!
//! It runs restricted to the inventory's folder and `NIX_PATH`, builds nothing, and sees the file's name as a
//! string with every special character escaped.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use quorate_pki::inventory::{Attr, Data, Node, Origin};
use serde_json::Value as Json;

use super::error::{Eval, Fail};
use super::sources::{Sources, Span};
use super::{ErrorKind, import, paths};

const WRAPPER: &str = include_str!("wrapper.nix");
/// Long enough to fetch a locked nixpkgs over a slow line.
const TIMEOUT: Duration = Duration::from_mins(2);
/// What `nix` may print; its description of an inventory is some ten times the size of the data.
const MAX_OUTPUT: u64 = 64 << 20;

/// What to do about a `nix` that does not behave like one.
const OTHER_NIX: &str = "look which `nix` is the first in PATH; `--evaluator builtin` does without it";

/// Where `nix` is installed, by the given `PATH`.
pub(super) fn find(path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).map(|folder| folder.join("nix")).find(|program| program.is_file())
}

/// Evaluates `given` with `program`; files that its places name are added to `sources`.
pub(super) fn evaluate(program: &Path, given: &Path, sources: &mut Sources) -> Eval<Node> {
    let text = import::read(given, given)?;
    sources.add(given.to_owned(), text);
    let absolute = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
    let absolute = PathBuf::from(paths::absolute(&absolute.to_string_lossy()));
    let mut places = Places::new(given, &absolute, sources);
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let (success, stdout, stderr) = run(program, &absolute, folder)?;
    if !success {
        return Err(complaint(&stderr, &mut places));
    }
    let json: Json = serde_json::from_str(&stdout).map_err(|error| {
        Fail::new(ErrorKind::Program, format!("`nix eval` printed what is not JSON: {error}")).hint(OTHER_NIX)
    })?;
    node(&json, None, &mut places).ok_or_else(|| {
        Fail::new(ErrorKind::Program, "`nix eval` printed a result of another shape than expected")
            .hint(OTHER_NIX)
    })
}

fn run(program: &Path, inventory: &Path, folder: &Path) -> Eval<(bool, String, String)> {
    let fail = |what: String| {
        Fail::new(ErrorKind::Program, format!("cannot run `{}`: {what}", program.display())).hint(OTHER_NIX)
    };
    let mut command = Command::new(program);
    command.args(["eval", "--json", "--impure", "--extra-experimental-features", "nix-command fetch-tree"]);
    command.args(["--option", "restrict-eval", "true", "--option", "allow-import-from-derivation", "false"]);
    let locked = locked_nixpkgs(folder);
    // All that may be fetched is the locked nixpkgs; its hash is locked too.
    let from = serde_json::from_str::<Json>(&locked).unwrap_or_default();
    let uris = format!("https://github.com/ github: gitlab: {}", from["url"].as_str().unwrap_or_default());
    command.args(["--option", "allowed-uris", &uris]);
    command.arg("-I").arg(format!("inventory={}", folder.display()));
    // `nix eval` applies an expression to `--argstr` in some versions only.
    let file = quoted(&inventory.to_string_lossy());
    let nixpkgs = quoted(&locked);
    command.arg("--expr").arg(format!("({WRAPPER}) {{ file = {file}; nixpkgs = {nixpkgs}; }}"));
    command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| fail(crate::error::plain(&error)))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let success = wait(&mut child).map_err(fail)?;
    let text = |thread: thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ok((success, text(stdout), text(stderr)))
}

/// A string literal of Nix that means exactly `text`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' | '$' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// Reads a pipe to its end on a thread of its own, so that the program never waits for us.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error still helps a message.
            let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Result<bool, String> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if started.elapsed() < TIMEOUT => thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} seconds", TIMEOUT.as_secs()));
            }
            Err(error) => return Err(crate::error::plain(&error)),
        }
    }
}

/// The locked nixpkgs of the flake beside the inventory, as JSON; empty when there is none.
fn locked_nixpkgs(folder: &Path) -> String {
    let lock = import::read(&folder.join("flake.lock"), Path::new("flake.lock")).unwrap_or_default();
    let lock: Json = serde_json::from_str(&lock).unwrap_or_default();
    let nodes = &lock["nodes"];
    let root = lock["root"].as_str().unwrap_or("root");
    let name = nodes[root]["inputs"]["nixpkgs"].as_str().unwrap_or("nixpkgs");
    match &nodes[name]["locked"] {
        Json::Object(locked) => Json::Object(locked.clone()).to_string(),
        _ => String::new(),
    }
}

/// From `nix`'s file, line and column to ours.
struct Places<'a> {
    given: &'a Path,
    inventory: &'a Path,
    sources: &'a mut Sources,
    /// Files met so far; `None` for those outside of the inventory's folder, and unreadable ones.
    known: HashMap<String, Option<usize>>,
}

impl<'a> Places<'a> {
    fn new(given: &'a Path, inventory: &'a Path, sources: &'a mut Sources) -> Self {
        let known = HashMap::from([(inventory.to_string_lossy().into_owned(), Some(0))]);
        Self { given, inventory, sources, known }
    }

    /// `length` bytes at a line and a column, both from 1, the column in bytes.
    fn origin(&mut self, file: &str, line: usize, column: usize, length: usize) -> Option<Origin> {
        let number = if let Some(number) = self.known.get(file) {
            *number
        } else {
            let number = self.read(file);
            self.known.insert(file.to_owned(), number);
            number
        }?;
        let text = &self.sources.iter().nth(number)?.text;
        let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
        let start = before + column.checked_sub(1)?;
        let end = start.checked_add(length)?;
        let known = text.is_char_boundary(start) && text.is_char_boundary(end);
        Span::new(Some(number), start, if known { end } else { start })
            .origin()
            .filter(|_| start <= text.len())
    }

    fn read(&mut self, file: &str) -> Option<usize> {
        let below = Path::new(file).strip_prefix(self.inventory.parent()?).ok()?;
        let shown = self.given.parent()?.join(below);
        let text = import::read(Path::new(file), &shown).ok()?;
        Some(self.sources.add(shown, text))
    }
}

/// Reads the wrapper's description back; `None` when it is none.
fn node(json: &Json, origin: Option<Origin>, places: &mut Places) -> Option<Node> {
    let data = if let Some(attrs) = json.get("set") {
        let mut out = Vec::new();
        for attr in attrs.as_array()? {
            let name = attr["name"].as_str()?;
            let at = &attr["at"];
            let number = |field: &str| at[field].as_u64().and_then(|number| usize::try_from(number).ok());
            let origin = match (at["file"].as_str(), number("line"), number("column")) {
                (Some(file), Some(line), Some(column)) => places.origin(file, line, column, name.len()),
                _ => None,
            };
            // `nix` tells where a name stands, not its value: the value's place is the name's.
            out.push(Attr { name: name.to_owned(), origin, value: node(&attr["value"], origin, places)? });
        }
        Data::Attrs(out)
    } else if let Some(items) = json.get("list") {
        Data::List(items.as_array()?.iter().map(|item| node(item, None, places)).collect::<Option<_>>()?)
    } else {
        match json.get("leaf")? {
            Json::Null => Data::Null,
            Json::Bool(value) => Data::Bool(*value),
            Json::String(text) => Data::Str(text.clone()),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Data::Int(value),
                None => Data::Float(number.as_f64()?),
            },
            _ => return None,
        }
    };
    Some(Node { data, origin })
}

/// What `nix` printed, as an error of ours: its last message, and the innermost place in a file of the user's.
fn complaint(stderr: &str, places: &mut Places) -> Fail {
    let message = stderr.rfind("error: ").map_or(stderr, |start| &stderr[start + "error: ".len()..]);
    let line: String = message.lines().next().unwrap_or_default().trim().chars().take(1_000).collect();
    let kind = if line.starts_with("syntax error") { ErrorKind::Syntax } else { ErrorKind::Evaluation };
    let mut fail = if line.is_empty() {
        Fail::new(kind, "`nix eval` failed and did not say why").hint(OTHER_NIX)
    } else {
        Fail::new(kind, line)
    };
    let mut places_named = stderr.lines().rev().filter_map(|line| {
        let (file, rest) = line.trim().strip_prefix("at ")?.split_once(':')?;
        let mut numbers = rest.split(':').map_while(|number| number.parse::<usize>().ok());
        places.origin(file, numbers.next()?, numbers.next()?, 0)
    });
    if let Some(fault) = fail.faults.first_mut() {
        fault.at = places_named.next();
    }
    fail
}

//! From a file to a [`Cluster`]: evaluated, translated, parsed, every fault of it shown with its lines.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::string::FromUtf8Error;

use quorate_pki::cluster::Cluster;
use quorate_pki::fault::Fault;
use quorate_pki::inventory::Node;

use super::{dialect, excerpt, json};
use crate::cli::{EvaluatorArg, InventoryArgs};
use crate::error::Error;
use crate::nix::{self, Evaluator};
use crate::report;

/// Columns that faults may take on a terminal that does not say how wide it is, and anywhere else.
const WIDTH: usize = 100;

/// Largest inventory in JSON. The tree takes some thirty times its text (measured: 8 MiB of machines took 250 MB and
/// 1.9 s), and an inventory gets a second and 200 MB at most. Four MiB are tens of thousands of machines.
const MAX_JSON: u64 = 4 << 20;

/// One file that was read, and how messages call it.
struct Read {
    name: String,
    text: String,
}

/// Reads an inventory. Its warnings are printed; its errors are the error.
///
/// # Errors
/// [`Error::Inventory`] with every fault, [`Error::Io`] when there is no such file, [`Error::Request`] for `--vip`.
pub fn load(args: &InventoryArgs) -> Result<Cluster, Error> {
    let vip = match args.vip.as_deref().map(str::parse) {
        None => None,
        Some(Ok(vip)) => Some(vip),
        Some(Err(_)) => {
            let message = format!("`--vip {}` is no IP address", args.vip.as_deref().unwrap_or_default());
            return Err(Error::Request { message, hint: "give one such as 10.13.14.10".to_owned() });
        }
    };
    let (root, files) = evaluate(&args.file, args.evaluator)?;
    judge(root, vip, &files)
}

/// Judges a text as the inventory that it is to become, as [`load`] does a file.
///
/// # Errors
/// [`Error::Inventory`] with every fault.
pub fn load_text(path: &Path, text: &str) -> Result<Cluster, Error> {
    match nix::evaluate_text(path, text) {
        Ok((root, sources)) => judge(root, None, &all(&sources)),
        Err(error) => Err(refused(&error.faults, &all(&error.sources))),
    }
}

/// What an inventory describes. Its warnings are printed; its errors are the error.
fn judge(root: Node, vip: Option<IpAddr>, files: &[Read]) -> Result<Cluster, Error> {
    let (translated, mut faults) = dialect::translate(root, vip);
    let cluster = translated.and_then(|root| {
        let (cluster, more) = Cluster::parse(&root);
        faults.extend(more);
        cluster
    });
    match cluster {
        Some(cluster) => {
            if !faults.is_empty() {
                report::rendered(&format!("{}\n", render(&faults, files)));
            }
            Ok(cluster)
        }
        None => Err(refused(&faults, files)),
    }
}

/// The errors alone: what only warns is of no use to whoever has to mend the file first.
fn refused(faults: &[Fault], files: &[Read]) -> Error {
    let errors: Vec<_> = faults.iter().filter(|fault| fault.is_error()).cloned().collect();
    Error::Inventory { rendered: render(&errors, files), count: errors.len() }
}

fn render(faults: &[Fault], files: &[Read]) -> String {
    let source =
        |index: usize| files.get(index).map(|file| excerpt::Source { name: &file.name, text: &file.text });
    excerpt::render(faults, source, WIDTH)
}

fn evaluate(path: &Path, evaluator: EvaluatorArg) -> Result<(Node, Vec<Read>), Error> {
    let file = open(path)?;
    if path.extension().is_some_and(|ending| ending == "json") {
        return read_json(path, file);
    }
    let evaluator = match evaluator {
        EvaluatorArg::Auto => Evaluator::Auto,
        EvaluatorArg::Builtin => Evaluator::Builtin,
        EvaluatorArg::Nix => Evaluator::Nix,
    };
    match nix::evaluate(path, evaluator) {
        Ok((node, sources)) => Ok((node, all(&sources))),
        Err(error) => Err(refused(&error.faults, &all(&error.sources))),
    }
}

/// The files of an evaluation.
fn all(sources: &nix::Sources) -> Vec<Read> {
    let one =
        |source: &nix::Source| Read { name: source.path.display().to_string(), text: source.text.clone() };
    sources.iter().map(one).collect()
}

/// A regular file: a pipe might never be written to, and a device never end.
fn open(path: &Path) -> Result<File, Error> {
    if path == Path::new("-") {
        let message = "the inventory `-` would be standard input, expected a regular file".to_owned();
        return Err(Error::Request { message, hint: "write it to a file first and give that".to_owned() });
    }
    let metadata = fs::metadata(path).map_err(Error::io("read the inventory", path))?;
    let name = path.display();
    if metadata.is_dir() {
        let message = format!("the inventory `{name}` is a folder, expected a file");
        return Err(Error::Request { message, hint: "give the file in it, such as machines.nix".to_owned() });
    }
    if !metadata.is_file() {
        let message = format!("the inventory `{name}` is a pipe or a device, expected a regular file");
        return Err(Error::Request { message, hint: "write it to a file first and give that".to_owned() });
    }
    // The system's own word for a file that is not readable.
    File::open(path).map_err(Error::io("read the inventory", path))
}

fn read_json(path: &Path, file: File) -> Result<(Node, Vec<Read>), Error> {
    let mut bytes = Vec::new();
    file.take(MAX_JSON + 1).read_to_end(&mut bytes).map_err(Error::io("read the inventory", path))?;
    if bytes.len() as u64 > MAX_JSON {
        let message =
            format!("the inventory `{}` is larger than {} MiB, the limit", path.display(), MAX_JSON >> 20);
        let hint = "is this another file than you meant?".to_owned();
        return Err(Error::Request { message, hint });
    }
    let not_text = |error: FromUtf8Error| Error::Request {
        message: format!(
            "the inventory `{}` is not UTF-8 text (byte {})",
            path.display(),
            error.utf8_error().valid_up_to()
        ),
        hint: "save it as UTF-8".to_owned(),
    };
    let text = String::from_utf8(bytes).map_err(not_text)?;
    // Some editors begin UTF-8 with a byte order mark; readers of JSON may pass over it (RFC 8259, section 8.1).
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let node = json::parse(&text, 0);
    let files = vec![Read { name: path.display().to_string(), text }];
    match node {
        Ok(node) => Ok((node, files)),
        Err(error) => {
            let fault = Fault {
                level: quorate_pki::fault::Level::Error,
                rule: "json",
                at: error.at,
                message: error.to_string(),
                hint: Some(error.hint.to_owned()),
                related: Vec::new(),
            };
            Err(refused(&[fault], &files))
        }
    }
}

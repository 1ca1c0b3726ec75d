//! From a file to a [`Cluster`]: evaluated, translated, parsed, every fault of it shown with its lines.

use std::path::Path;

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
    let (translated, mut faults) = dialect::translate(root, vip);
    let cluster = translated.and_then(|root| {
        let (cluster, more) = Cluster::parse(&root);
        faults.extend(more);
        cluster
    });
    match cluster {
        Some(cluster) => {
            if !faults.is_empty() {
                report::rendered(&format!("{}\n", render(&faults, &files)));
            }
            Ok(cluster)
        }
        None => Err(refused(&faults, &files)),
    }
}

fn refused(faults: &[Fault], files: &[Read]) -> Error {
    Error::Inventory {
        rendered: render(faults, files),
        count: faults.iter().filter(|fault| fault.is_error()).count(),
    }
}

fn render(faults: &[Fault], files: &[Read]) -> String {
    let source =
        |index: usize| files.get(index).map(|file| excerpt::Source { name: &file.name, text: &file.text });
    excerpt::render(faults, source, WIDTH)
}

fn evaluate(path: &Path, evaluator: EvaluatorArg) -> Result<(Node, Vec<Read>), Error> {
    if path.extension().is_some_and(|ending| ending == "json") {
        return read_json(path);
    }
    let evaluator = match evaluator {
        EvaluatorArg::Auto => Evaluator::Auto,
        EvaluatorArg::Builtin => Evaluator::Builtin,
        EvaluatorArg::Nix => Evaluator::Nix,
    };
    // The system's own word for a file that is not there or not readable.
    std::fs::File::open(path).map_err(Error::io("read the inventory", path))?;
    let read = |sources: &nix::Sources| -> Vec<Read> {
        let one = |source: &nix::Source| Read {
            name: source.path.display().to_string(),
            text: source.text.clone(),
        };
        sources.iter().map(one).collect()
    };
    match nix::evaluate(path, evaluator) {
        Ok((node, sources)) => Ok((node, read(&sources))),
        Err(error) => Err(refused(&error.faults, &read(&error.sources))),
    }
}

fn read_json(path: &Path) -> Result<(Node, Vec<Read>), Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read the inventory", path))?;
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
                hint: Some("mend it; `jq . FILE` says the same in its words".to_owned()),
                related: Vec::new(),
            };
            Err(refused(&[fault], &files))
        }
    }
}

//! Inventories: bytes of `machines.nix`, or of a file in JSON, to a cluster and its plan or to faults that can be shown.
//!
//! `import ./other.nix` finds what stands behind a line `# other.nix` of the same input.
#![no_main]

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use quorate::inventory::{dialect, excerpt, json};
use quorate::nix::{self, Evaluator};
use quorate_pki::cluster::Cluster;
use quorate_pki::fault::Fault;
use quorate_pki::inventory::{Node, Origin};
use quorate_pki::plan::{Format, Plan};

fuzz_target!(|input: &[u8]| {
    let (result, files) = evaluate(input);
    // Maps that hash at random would show in the order of faults. Each evaluation starts a thread: some inputs do.
    if input.len().is_multiple_of(8) {
        let (again, _) = evaluate(input);
        assert_eq!(format!("{again:?}"), format!("{result:?}"), "the same bytes, another answer");
    }
    match result {
        Ok(root) => judge(&root, &files),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a word");
            show(&faults, &files);
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        read_json(text);
    }
});

/// The builtin evaluator on a folder of its own: the inventory, and the file that it may import.
fn evaluate(input: &[u8]) -> (Result<Node, Vec<Fault>>, Vec<String>) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    // `fuzz/run` makes TMPDIR and removes it; a folder of this process is enough.
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder").keep());
    let mark: &[u8] = b"\n# other.nix\n";
    let at = input.windows(mark.len()).position(|window| window == mark);
    let (inventory, other) = at.map_or((input, &b"{ }"[..]), |at| (&input[..at], &input[at + mark.len()..]));
    let path = folder.join("machines.nix");
    fs::write(&path, inventory).expect("a file is written");
    fs::write(folder.join("other.nix"), other).expect("a file is written");
    let (result, sources) = match nix::evaluate(&path, Evaluator::Builtin) {
        Ok((node, sources)) => (Ok(node), sources),
        Err(error) => {
            assert!(!error.to_string().contains("this is a fault of quorate's"), "{error}");
            (Err(error.faults), error.sources)
        }
    };
    (result, sources.iter().map(|source| source.text.clone()).collect())
}

fn read_json(text: &str) {
    let files = [text.to_owned()];
    match json::parse(text, 0) {
        Ok(root) => {
            // What was read is written and read again to the same; serde_json does not escape U+007F.
            let value = root.to_json();
            match json::parse(&value.to_string().replace('\u{7f}', "\\u007f"), 0) {
                Ok(again) => assert_eq!(again.to_json(), value),
                Err(error) => assert!(error.message.starts_with("the file is JSON, but"), "{error}"),
            }
            judge(&root, &files);
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            if let Some(at) = error.at {
                within(at, &files);
            }
        }
    }
}

/// Every dialect, with a virtual IP and without; what it becomes is planned.
fn judge(root: &Node, files: &[String]) {
    for vip in [None, Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)))] {
        let (translated, mut faults) = dialect::translate(root.clone(), vip);
        assert_eq!(translated.is_none(), faults.iter().any(Fault::is_error));
        if let Some(root) = translated {
            let (cluster, more) = Cluster::parse(&root);
            assert_eq!(cluster.is_none(), more.iter().any(Fault::is_error));
            let (_, again) = Cluster::parse(&root);
            assert_eq!(again, more);
            faults.extend(more);
            if let Some(cluster) = cluster {
                plan(&cluster);
            }
        }
        show(&faults, files);
    }
}

/// A plan has each certificate once, and no path that leaves the folder.
fn plan(cluster: &Cluster) {
    for format in [Format::Sops, Format::Age] {
        let plan = Plan::new(cluster, format);
        let mut paths = BTreeSet::new();
        let certs = plan.certs.iter().map(|cert| cert.id.file());
        for path in certs.chain(plan.sealed.iter().map(|sealed| sealed.path.clone())) {
            assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{path}");
            assert!(!path.contains(char::is_control) && !path.contains('\\'), "{path:?}");
            assert!(paths.insert(path.to_lowercase()), "{path} twice");
        }
    }
}

/// Faults are shown at every width, within it, and without a control character of the file.
fn show(faults: &[Fault], files: &[String]) {
    for fault in faults {
        assert!(!fault.message.is_empty());
        for at in fault.at.iter().chain(fault.related.iter().map(|(at, _)| at)) {
            within(*at, files);
        }
    }
    let source = |index: usize| {
        files.get(index).map(|text| excerpt::Source { name: "machines.nix", text: text.as_str() })
    };
    for width in [40, 100] {
        let shown = excerpt::render(faults, source, width);
        assert_eq!(shown.is_empty(), faults.is_empty());
        for line in shown.lines() {
            // One column a letter, but for accents that stand above the one before.
            let columns = line.chars().filter(|letter| letter.is_ascii() || letter.is_alphanumeric()).count();
            assert!(columns <= width, "wider than {width}: {line:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

/// A place is one of a text, between two letters.
fn within(at: Origin, files: &[String]) {
    let text = files.get(at.file).expect("a place in a file that was read");
    assert!(text.get(at.start..at.end).is_some(), "{at:?} of {}", text.len());
}

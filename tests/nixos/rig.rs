//! Emitted modules under a real `nix`: alone, and over the real modules of nixpkgs and sops-nix. README.md in this
//! folder says what must be at hand for which.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate::nix::{Evaluator, evaluate};
use quorate_pki::cluster::Cluster;
use serde_json::Value as Json;

use crate::cluster::peer::{Peer, Programs, find};

/// The checkout of nixpkgs to evaluate with, or a part of one.
const NIXPKGS: &str = "QUORATE_NIXPKGS";
/// The checkout of sops-nix.
const SOPS_NIX: &str = "QUORATE_SOPS_NIX";

/// A golden: an inventory, and the modules that `pki modules` makes of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) cluster: Cluster,
    pub(crate) modules: PathBuf,
}

/// Every golden, by name, and the project's own example.
pub(crate) fn cases() -> Vec<Case> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let goldens = project.join("tests/modules");
    let folders = fs::read_dir(&goldens).expect("the goldens").map(|entry| entry.expect("an entry").path());
    let name = |folder: &Path| folder.file_name().expect("a folder").to_string_lossy().into_owned();
    let folders = folders.filter(|folder| folder.is_dir());
    let mut cases: Vec<Case> = folders.map(|folder| case(name(&folder), &folder)).collect();
    cases.push(case("example".to_owned(), project));
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 8, "eight inventories at least, found {} in {}", cases.len(), goldens.display());
    cases
}

fn case(name: String, folder: &Path) -> Case {
    let inventory = evaluate(&folder.join("machines.nix"), Evaluator::Builtin);
    let (root, _) = inventory.unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()));
    let (cluster, faults) = Cluster::parse(&root);
    let cluster = cluster.unwrap_or_else(|| panic!("{}: {faults:?}", folder.display()));
    Case { name, cluster, modules: folder.join("modules") }
}

/// Modules in a folder of their own, with something in the place of every file that they name.
pub(crate) struct Staged(tempfile::TempDir);

/// The emitted files in Nix, as paths below the folder of the modules.
pub(crate) fn emitted_files(modules: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["", "shared"] {
        for entry in fs::read_dir(modules.join(folder)).expect("the modules") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "nix") {
                let name = path.strip_prefix(modules).expect("a file below");
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names
}

impl Staged {
    /// The modules of a golden as they are.
    pub(crate) fn new(case: &Case) -> Self {
        Self::changed(case, |_, text| text)
    }

    /// The modules of a golden, each file changed: given its name and its text, its new text.
    pub(crate) fn changed(case: &Case, change: impl Fn(&str, String) -> String) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("modules/shared")).expect("a folder");
        for name in emitted_files(&case.modules) {
            let text = change(&name, fs::read_to_string(case.modules.join(&name)).expect("a module"));
            for file in named_files(&text) {
                let file = root.path().join(file);
                fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                fs::write(&file, format!("in the place of {}\n", file.display())).expect("a file");
            }
            fs::write(root.path().join("modules").join(name), text).expect("a module");
        }
        Self(root)
    }

    /// A user's own module beside the emitted ones.
    pub(crate) fn user(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("user.nix");
        fs::write(&path, text).expect("a module");
        path
    }

    /// The folder of the emitted modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.0.path().join("modules")
    }
}

/// The files outside of their folder that modules name by path: certificates and what is sealed.
fn named_files(text: &str) -> impl Iterator<Item = String> + '_ {
    let path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    text.match_indices("../").filter_map(move |(at, dots)| {
        let rest = &text[at + dots.len()..];
        let end = rest.find(|c| !path(c)).unwrap_or(rest.len());
        let file = rest[..end].trim_end_matches(['.', '/']);
        (!file.is_empty() && !file.contains("..")).then(|| file.to_owned())
    })
}

/// The real `nix`.
pub(crate) struct Nix(Programs);

impl Nix {
    /// `None`, said on stderr, when it is missing; a panic in CI.
    pub(crate) fn find() -> Option<Self> {
        find(Peer::Nix).map(Self)
    }

    fn instantiate(&self) -> Command {
        let mut command = Command::new(self.0.path("nix-instantiate"));
        command.env("NO_COLOR", "1").env("NIX_REMOTE", "dummy://");
        command
    }

    /// Whether a file is Nix.
    pub(crate) fn parses(&self, file: &Path) -> Result<(), String> {
        answer(self.instantiate().arg("--parse").arg(file)).map(drop)
    }

    /// What the modules set, by machine, without any nixpkgs; everything in them is evaluated.
    pub(crate) fn alone(&self, staged: &Staged) -> Result<Json, String> {
        let mut command = self.instantiate();
        command.args(["--eval", "--strict", "--json"]).arg(expression("alone.nix"));
        answer(command.arg("--arg").arg("modules").arg(staged.modules())).map(|text| json(&text))
    }
}

/// The real modules of nixpkgs and sops-nix.
pub(crate) struct NixOs {
    nix: Nix,
    nixpkgs: PathBuf,
    sops_nix: PathBuf,
}

impl NixOs {
    /// `None`, said on stderr, when no checkout is named: no package registry has one, so that CI has none either.
    pub(crate) fn find() -> Option<Self> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let (Some(nixpkgs), Some(sops_nix)) = (folder(NIXPKGS), folder(SOPS_NIX)) else {
            crate::skipped(&format!(
                "{NIXPKGS} and {SOPS_NIX} name no checkouts, and no package registry has one"
            ));
            return None;
        };
        for (folder, file) in [(&nixpkgs, "lib/default.nix"), (&sops_nix, "modules/sops/default.nix")] {
            assert!(folder.join(file).is_file(), "{} has no {file}", folder.display());
        }
        Some(Self { nix: Nix::find()?, nixpkgs, sops_nix })
    }

    /// What every machine gets, with a user's own module on each if there is one.
    pub(crate) fn evaluate(&self, staged: &Staged, user: Option<&Path>) -> Result<Json, String> {
        let user = user.map(|user| ("user", user.to_owned()));
        self.evaluate_with(staged, user.as_slice())
    }

    /// What every machine gets, with more arguments for evaluate.nix.
    pub(crate) fn evaluate_with(&self, staged: &Staged, more: &[(&str, PathBuf)]) -> Result<Json, String> {
        let mut command = self.nix.instantiate();
        // A store of its own, since modules put files into it.
        command.env_remove("NIX_REMOTE").arg("--store").arg(staged.0.path().join("store"));
        command.args(["--eval", "--strict", "--json"]).arg(expression("evaluate.nix"));
        let modules = staged.modules();
        let arguments = [("nixpkgs", &self.nixpkgs), ("sopsNix", &self.sops_nix), ("modules", &modules)];
        for (name, path) in arguments.into_iter().chain(more.iter().map(|(name, path)| (*name, path))) {
            command.arg("--arg").arg(name).arg(path);
        }
        answer(&mut command).map(|text| json(&text))
    }
}

fn expression(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nixos").join(name)
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).expect("nix prints JSON")
}

/// What a command printed; the error is what it said instead.
fn answer(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("nix starts");
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).expect("nix prints UTF-8"));
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

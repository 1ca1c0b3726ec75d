//! Which `.sops.yaml` speaks for a file, and what it says.
//!
//! The first one from the file's folder upwards, unless one is named. sops begins at the current directory instead: for
//! files of the repository in which one stands, with one `.sops.yaml` at its top, that is the same one.

use std::collections::{BTreeSet, HashMap};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_secrets::rules::{Creation, CreationRules};

use crate::error::Error;
use crate::secrets::locked::open_regular;
use crate::secrets::target::bounded;

/// What the file must be called. Source: sops 3.13 `config/config.go`.
const NAME: &str = ".sops.yaml";
/// What people call it as well; sops takes no notice of it.
const IGNORED: &str = ".sops.yml";

/// The files of rules that were needed so far, each read once.
#[derive(Debug, Default)]
pub struct RuleFiles {
    /// The one for all files, when one was named.
    named: Option<PathBuf>,
    read: HashMap<PathBuf, Arc<RuleFile>>,
    /// Which one is for the files in a folder.
    of_folder: HashMap<PathBuf, Option<Arc<RuleFile>>>,
    ignored: BTreeSet<PathBuf>,
}

/// One `.sops.yaml`.
#[derive(Debug)]
pub struct RuleFile {
    /// Where it stands.
    pub path: PathBuf,
    /// What it says.
    pub rules: CreationRules,
    /// Its folder, without links.
    folder: PathBuf,
}

/// A file and the rules that speak for it.
#[derive(Debug, Clone)]
pub struct Governed {
    /// The rules.
    pub rules: Arc<RuleFile>,
    /// The file as the rules' expressions see it: below their folder, or absolute when it lies elsewhere. Links are
    /// resolved.
    pub path: String,
}

impl RuleFiles {
    /// `named` is the one that the command line names, else `SOPS_CONFIG`; none is to search.
    pub fn new(named: Option<PathBuf>) -> Self {
        let from_env =
            || std::env::var_os("SOPS_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { named: named.or_else(from_env), ..Self::default() }
    }

    /// The rules for a file, which need not exist. `None` where no `.sops.yaml` is to be found.
    ///
    /// # Errors
    /// [`Error::Rules`] for one that cannot be followed, [`Error::Io`] for one that cannot be read.
    pub fn governing(&mut self, file: &Path) -> Result<Option<Governed>, Error> {
        let file = without_links(file)?;
        let rules = match self.named.clone() {
            Some(named) => Some(self.read(&named)?),
            None => self.search(file.parent().unwrap_or(Path::new("/")))?,
        };
        Ok(rules.map(|rules| {
            let path = file.strip_prefix(&rules.folder).unwrap_or(&file).to_string_lossy().into_owned();
            Governed { rules, path }
        }))
    }

    /// Files called `.sops.yml` that were passed by on the way, where no `.sops.yaml` stands beside them: worth a warning.
    pub fn ignored(&self) -> impl Iterator<Item = &Path> {
        self.ignored.iter().map(PathBuf::as_path)
    }

    fn search(&mut self, folder: &Path) -> Result<Option<Arc<RuleFile>>, Error> {
        if let Some(known) = self.of_folder.get(folder) {
            return Ok(known.clone());
        }
        let here = folder.join(NAME);
        // A link to nowhere is there: rules that cannot be read are not none.
        let found = if is_there(&here)? {
            Some(self.read(&here)?)
        } else {
            let ignored = folder.join(IGNORED);
            if ignored.exists() {
                self.ignored.insert(ignored);
            }
            folder.parent().map_or(Ok(None), |above| self.search(above))?
        };
        self.of_folder.insert(folder.to_owned(), found.clone());
        Ok(found)
    }

    fn read(&mut self, path: &Path) -> Result<Arc<RuleFile>, Error> {
        if let Some(known) = self.read.get(path) {
            return Ok(Arc::clone(known));
        }
        let text = text(path)?;
        let rules = CreationRules::parse(&text).map_err(|error| wrong(path, &error))?;
        // A link in the place of the file itself is not followed: its paths are those of where it is found.
        let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
        let folder = without_links(absolute.parent().unwrap_or(Path::new("/")))?;
        let file = Arc::new(RuleFile { path: path.to_owned(), rules, folder });
        self.read.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

/// What a file of rules says. Nothing that could be waited for without end is read, and nothing without bounds.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn text(path: &Path) -> Result<String, Error> {
    // Not `read`: scripts take the exit code of a missing file for that of the file they named.
    let file = open_regular(path).map_err(Error::io("read the rules", path))?;
    let bytes = bounded(&file, path)?;
    let mut text = String::new();
    bytes.as_slice().read_to_string(&mut text).map_err(Error::io("read", path))?;
    Ok(text)
}

impl Governed {
    /// What the rule says of the file.
    ///
    /// # Errors
    /// [`Error::Rules`] where no rule is for it, or the one that is cannot be followed.
    pub fn creation(&self) -> Result<&Creation, Error> {
        self.rules.rules.for_path(&self.path).map_err(|error| wrong(&self.rules.path, &error))
    }

    /// The same for sealing, which is not possible to the keys of services.
    ///
    /// # Errors
    /// As [`creation`](Self::creation), and where the rule names such keys.
    pub fn creation_to_seal(&self) -> Result<&Creation, Error> {
        let creation = self.creation()?;
        creation.refuse_foreign().map_err(|error| wrong(&self.rules.path, &error))?;
        Ok(creation)
    }
}

fn wrong(path: &Path, error: &quorate_secrets::rules::RulesError) -> Error {
    Error::Rules { path: path.to_owned(), cause: error.to_string(), hint: error.hint().to_owned() }
}

/// Whether anything stands at a path, a link to nowhere included.
fn is_there(path: &Path) -> Result<bool, Error> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(cause) => Err(Error::io("read", path)(cause)),
    }
}

/// An absolute path without links, so far as it exists; what does not exist has none.
///
/// # Errors
/// [`Error::Io`] for an empty path, or one below a folder that is gone.
pub(crate) fn without_links(path: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    for known in absolute.ancestors() {
        if let Ok(found) = std::fs::canonicalize(known) {
            let rest = absolute.strip_prefix(known).unwrap_or(Path::new(""));
            return Ok(if rest.as_os_str().is_empty() { found } else { found.join(rest) });
        }
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const READER: &str = "age1khl8vcvpewnwn9l8s3zqhd7ge6r0jt7xlf4k3qh8qyaj9qzrhc3spz9szg";

    /// Rules that match one path each, in a folder.
    fn write(folder: &Path, file: &str, expressions: &[&str]) {
        fs::create_dir_all(folder).unwrap();
        let rules = expressions.iter().map(|regex| format!("- {{path_regex: '{regex}', age: {READER}}}\n"));
        fs::write(folder.join(file), format!("creation_rules:\n{}", rules.collect::<String>())).unwrap();
    }

    fn number(files: &mut RuleFiles, file: &Path) -> usize {
        files.governing(file).unwrap().unwrap().creation().unwrap().number
    }

    fn search() -> RuleFiles {
        RuleFiles::default()
    }

    #[test]
    fn the_nearest_file_of_rules_speaks_and_sees_paths_below_it() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        write(&top, NAME, &["^a\\.yaml$", "^deep/er/b\\.yaml$"]);
        write(&top.join("own"), NAME, &["^x$", "^y$", "^deep/c\\.yaml$"]);
        let mut files = search();
        assert_eq!(number(&mut files, &top.join("a.yaml")), 1);
        // Neither the file nor its folder is there.
        assert_eq!(number(&mut files, &top.join("deep/er/b.yaml")), 2);
        assert_eq!(number(&mut files, &top.join("own/deep/c.yaml")), 3);
        assert_eq!(files.read.len(), 2, "each is read once");
    }

    #[test]
    fn links_lead_to_the_rules_of_what_they_lead_to() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        write(&top.join("real"), NAME, &["^secrets/a\\.yaml$"]);
        write(&top.join("other"), NAME, &["^x$", "^link\\.yaml$"]);
        fs::create_dir_all(top.join("real/secrets")).unwrap();
        fs::write(top.join("real/secrets/a.yaml"), "").unwrap();
        symlink("../real/secrets/a.yaml", top.join("other/link.yaml")).unwrap();
        symlink("real", top.join("folder")).unwrap();
        let mut files = search();
        assert_eq!(number(&mut files, &top.join("other/link.yaml")), 1);
        assert_eq!(number(&mut files, &top.join("folder/secrets/a.yaml")), 1);
        assert_eq!(number(&mut files, &top.join("folder/secrets/../secrets/a.yaml")), 1);
    }

    #[test]
    fn the_one_that_is_named_speaks_for_all_and_sees_strangers_by_their_absolute_path() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        write(&top.join("here"), NAME, &["^near$"]);
        let elsewhere = format!("^{}/here/near$", top.display());
        write(&top.join("there"), "rules", &["^near$", &elsewhere]);
        let mut files = RuleFiles::new(Some(top.join("there/rules")));
        assert_eq!(number(&mut files, &top.join("here/near")), 2);
        assert_eq!(number(&mut files, &top.join("there/near")), 1);
        let mut files = RuleFiles::new(Some(top.join("nowhere")));
        assert!(files.governing(&top.join("here/near")).unwrap_err().to_string().contains("nowhere"));
    }

    #[test]
    fn a_misnamed_file_is_passed_by_and_told() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        write(&top, NAME, &["a"]);
        write(&top, IGNORED, &["a"]);
        write(&top.join("below"), IGNORED, &["x", "a"]);
        let mut files = search();
        assert_eq!(number(&mut files, &top.join("below/a")), 1);
        assert_eq!(files.ignored().collect::<Vec<_>>(), [top.join("below").join(IGNORED)]);
    }

    #[test]
    fn rules_that_cannot_be_read_are_not_none_and_not_waited_for() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        let rules = top.join(NAME);
        for target in ["nowhere", "/dev/zero"] {
            symlink(target, &rules).unwrap();
            assert!(search().governing(&top.join("a")).unwrap_err().to_string().contains(NAME), "{target}");
            fs::remove_file(&rules).unwrap();
        }
        assert!(std::process::Command::new("mkfifo").arg(&rules).status().unwrap().success());
        let refused = search().governing(&top.join("a")).unwrap_err().to_string();
        assert!(refused.contains("it is no regular file"), "{refused}");
        fs::remove_file(&rules).unwrap();
        fs::File::create(&rules).unwrap().set_len(1 << 30).unwrap();
        let refused = search().governing(&top.join("a")).unwrap_err().to_string();
        assert!(refused.contains("larger than"), "{refused}");
    }

    #[test]
    fn a_file_of_nobodys_has_no_rules_and_a_wrong_rule_names_its_file() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        assert!(search().governing(&top.join("a")).unwrap().is_none());
        write(&top, NAME, &["^only$"]);
        let governed = search().governing(&top.join("a")).unwrap().unwrap();
        assert!(governed.creation().unwrap_err().to_string().contains(NAME));
        fs::write(top.join(NAME), "creation_rules: [{age: [], pgp: FBC7}]").unwrap();
        let governed = search().governing(&top.join("a")).unwrap().unwrap();
        assert_eq!(governed.creation().unwrap().groups[0].foreign[0].text, "FBC7");
        assert!(governed.creation_to_seal().unwrap_err().to_string().contains("`pgp`"));
    }

    #[test]
    fn a_thousand_files_are_held_against_two_thousand_rules_read_once() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        let expressions: Vec<String> = (0..2000)
            .map(|rule| match rule % 2 {
                0 => format!("^secrets/m{rule}/.*\\.(yaml|yml|json|env|ini|bin|age)$"),
                _ => format!("m{rule}/.*\\.yaml$"),
            })
            .collect();
        write(&top, NAME, &expressions.iter().map(String::as_str).collect::<Vec<_>>());
        let began = std::time::Instant::now();
        let mut files = search();
        for file in 0..1000 {
            assert_eq!(number(&mut files, &top.join(format!("secrets/m{0}/a.yaml", file * 2))), file * 2 + 1);
        }
        let took = began.elapsed();
        assert!(took.as_secs() < 30, "{took:?}: each file costs all rules, or reads them anew");
    }
}

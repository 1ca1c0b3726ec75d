//! People's own secrets: what stands in `secrets/all`, `secrets/masters` and `secrets/<machine>` reaches those machines.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_pki::cluster::Cluster;
use quorate_pki::password::PASSWORDS;
use quorate_pki::plan::Format;
use quorate_secrets::sops::{MAX_BYTES, SealedFile, SopsError, Store};

use crate::error::Error;
use crate::modules::{Wired, WiredFormat, targets};
use crate::words;

/// How deep folders are gone into.
const DEEPEST: usize = 8;
/// Files named of which the same is to be said.
const MOST_NAMED: usize = 5;

/// The file of the passwords that `pki gen` makes, which modules name by themselves; other keys in it are people's own.
const OURS: &str = "masters/cluster.yaml";
/// Where our own secrets are on a machine, below the folder of all of them.
const OUR_NAMES: &str = "quorate";

/// Every value that a machine gets, and what is to be said of those that none does.
pub(super) fn read(
    secrets: &Path,
    cluster: &Cluster,
    format: Format,
) -> Result<(Vec<Wired>, Vec<String>), Error> {
    let machines: BTreeSet<&str> = targets(cluster).map(quorate_pki::cluster::Machine::name).collect();
    let mut wired = Vec::new();
    let mut other_format = Vec::new();
    let mut odd = Vec::new();
    for folder in ["all", "masters"].into_iter().chain(machines) {
        let mut files = Vec::new();
        list(&secrets.join(folder), DEEPEST, &mut files)?;
        for path in files {
            let Ok(below) = path.strip_prefix(secrets) else { continue };
            let file = below.to_string_lossy().into_owned();
            let Some(kind) = kind(&path) else { continue };
            if !file.chars().all(is_plain) {
                odd.push(file);
            } else if (kind == WiredFormat::Age) != (format == Format::Age) {
                other_format.push(file);
            } else {
                wired.extend(values(folder, &file, &path, kind)?);
            }
        }
    }
    let mut said = Vec::new();
    if !other_format.is_empty() {
        let (has, other) = match format {
            Format::Sops => ("sops-nix", "age files, which are agenix'"),
            Format::Age => ("agenix", "SOPS files, which are sops-nix'"),
        };
        said.push(format!(
            "the keys are sealed for {has}, and {} are {other}: no machine gets {}",
            words::count(other_format.len(), "file"),
            words::list(&other_format, MOST_NAMED)
        ));
    }
    if !odd.is_empty() {
        said.push(format!(
            "no machine gets {}: a name in Nix has letters, digits, `.`, `_`, `-` and `+` alone",
            words::list(&odd, MOST_NAMED)
        ));
    }
    wired.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
    distinct(&wired)?;
    Ok((wired, said))
}

/// Two values of one name cannot both be on one machine, and none can stand in the place of ours.
fn distinct(wired: &[Wired]) -> Result<(), Error> {
    let request = |message: String| {
        let hint =
            "rename one of the files, or its key: on a machine a value is called after both".to_owned();
        Err(Error::Request { message, hint })
    };
    if let Some(ours) = wired.iter().find(|wired| wired.name.split('/').next() == Some(OUR_NAMES)) {
        let (file, name) = (&ours.file, &ours.name);
        return request(format!(
            "`secrets/{file}` would be `{name}` on a machine, where quorate's own keys are"
        ));
    }
    // Every machine has `all`; only a machine's own folder and that of the masters may have a name each.
    let together = |one: &Wired, other: &Wired| {
        let alone = |folder: &str| !matches!(folder, "all" | "masters");
        one.folder == other.folder || !(alone(&one.folder) && alone(&other.folder))
    };
    for (place, one) in wired.iter().enumerate() {
        let same = wired.iter().skip(place + 1).take_while(|other| other.name == one.name);
        if let Some(other) = same.into_iter().find(|other| together(one, other)) {
            let (first, second, name) = (&one.file, &other.file, &one.name);
            return request(format!(
                "`secrets/{first}` and `secrets/{second}` would both be `{name}` on one machine"
            ));
        }
    }
    Ok(())
}

const fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '_' | '-' | '+')
}

/// The regular files below a folder, in order. No link is followed.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", folder)(error)),
    };
    let mut found = entries.collect::<io::Result<Vec<_>>>().map_err(Error::io("read", folder))?;
    found.sort_by_key(fs::DirEntry::file_name);
    for entry in found {
        let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            list(&entry.path(), depth - 1, files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// By the ending, as the rules have it.
fn kind(path: &Path) -> Option<WiredFormat> {
    Some(match path.extension()?.to_str()? {
        "yaml" | "yml" => WiredFormat::Yaml,
        "json" => WiredFormat::Json,
        "env" => WiredFormat::Dotenv,
        "ini" => WiredFormat::Ini,
        "bin" => WiredFormat::Binary,
        "age" => WiredFormat::Age,
        _ => return None,
    })
}

/// What a file gives: each string that sops-nix can name, or the file whole.
fn values(folder: &str, file: &str, path: &Path, format: WiredFormat) -> Result<Vec<Wired>, Error> {
    let within = file.strip_prefix(folder).unwrap_or(file).trim_start_matches('/');
    let stem = within.rsplit_once('.').map_or(within, |(stem, _)| stem);
    let wired = |name: String, key: Option<String>| Wired {
        folder: folder.to_owned(),
        file: file.to_owned(),
        name,
        key,
        format,
    };
    if format == WiredFormat::Age {
        if folder == "masters" && PASSWORDS.iter().any(|password| password.name == stem) {
            return Ok(Vec::new());
        }
        return Ok(vec![wired(stem.to_owned(), None)]);
    }
    let sealed = sealed(path)?;
    if !matches!(format, WiredFormat::Yaml | WiredFormat::Json) {
        return Ok(vec![wired(within.to_owned(), None)]);
    }
    let strings = sealed.strings();
    // sops-nix goes into the maps of YAML alone, and takes `/` for the way.
    let deepest = if format == WiredFormat::Yaml { usize::MAX } else { 1 };
    let nameable = |path: &&Vec<String>| {
        path.len() <= deepest
            && path.iter().all(|key| !key.is_empty() && !key.contains('/') && key.chars().all(is_plain))
    };
    let ours = |path: &&Vec<String>| {
        file == OURS
            && matches!(path.as_slice(), [key] if PASSWORDS.iter().any(|password| password.name == key))
    };
    let named: Vec<&Vec<String>> = strings.paths.iter().filter(nameable).collect();
    let whole = strings.others || named.len() < strings.paths.len();
    let mut found: Vec<Wired> = named
        .into_iter()
        .filter(|path| !ours(path))
        .map(|path| wired(format!("{stem}/{}", path.join("/")), Some(path.join("/"))))
        .collect();
    if whole {
        found.push(wired(within.to_owned(), None));
    }
    Ok(found)
}

fn sealed(path: &Path) -> Result<SealedFile, Error> {
    use std::io::Read as _;
    let bound = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    let file = fs::File::open(path).map_err(Error::io("read", path))?;
    file.take(bound).read_to_string(&mut text).map_err(Error::io("read", path))?;
    SealedFile::parse(&text, Store::of_path(&path.to_string_lossy())).map_err(|error| match error {
        // It would lie in the store of every machine, for everybody to read.
        SopsError::NotSealed => Error::Plaintext { path: path.to_owned() },
        error => Error::Secrets { path: path.to_owned(), error: Box::new(error), looked: Vec::new() },
    })
}

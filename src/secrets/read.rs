//! The verbs that only look: `view`, `get`, `decrypt`, `diff`.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use quorate_secrets::secret::Secret;
use quorate_secrets::sops::{Plaintext, SealedFile};
use serde_json::json;

use super::cli;
use super::edit::Interrupts;
use super::locked::LockedFile;
use super::target::{Target, decrypted, identities};
use crate::error::Error;
use crate::identities::VARIABLES;
use crate::report::{self, Outcome};

/// How long `decrypt -i` waits for somebody who changes the file.
const WAIT: Duration = Duration::from_secs(5);

/// `secrets view`
pub(super) fn view(args: &cli::Read) -> Result<Outcome, Error> {
    let target = Target::of(&args.file);
    let text = decrypted(&target)?.write(target.store, None).map_err(|error| target.error(error))?;
    if !report::is_for_a_person() {
        report::plaintext(&text)?;
        return Ok(Outcome::Clean);
    }
    page(&text)
}

/// Hands the text to a pager by a pipe: it never has a file, and is told to keep no history.
fn page(text: &Secret) -> Result<Outcome, Error> {
    let named = std::env::var("PAGER").ok().filter(|value| !value.trim().is_empty());
    let words = named.as_deref().and_then(shlex::split).unwrap_or_else(|| vec!["less".to_owned()]);
    let Some((program, arguments)) = words.split_first() else {
        report::plaintext(text)?;
        return Ok(Outcome::Clean);
    };
    // `^C` ends a search in the pager, and must not end the one that feeds it.
    let _theirs = Interrupts::leave().map_err(Error::io("run the pager", program))?;
    let mut command = Command::new(program);
    for name in VARIABLES {
        // It may start a shell, and needs no identity.
        command.env_remove(name);
    }
    let child =
        command.args(arguments).env("LESSSECURE", "1").env("LESSHISTFILE", "-").stdin(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        // A person without `less` still wants to see the file.
        Err(_) if named.is_none() => {
            report::plaintext(text)?;
            return Ok(Outcome::Clean);
        }
        Err(cause) => return Err(Error::io("run the pager", program)(cause)),
    };
    if let Some(mut pipe) = child.stdin.take() {
        // Who leaves before the end has seen enough.
        let _ = pipe.write_all(text.expose_bytes());
    }
    child.wait().map_err(Error::io("wait for", program))?;
    Ok(Outcome::Clean)
}

/// `secrets get`
pub(super) fn get(args: &cli::Get) -> Result<Outcome, Error> {
    let target = Target::of(&args.file);
    let failed = |error| target.error(error);
    let value = decrypted(&target)?.get(&args.path).map_err(failed)?;
    if args.json {
        let text = value
            .expose_text()
            .map_err(|error| failed(quorate_secrets::sops::SopsError::NotText { at: error.valid_up_to() }))?;
        let object = Secret::from_text(json!({ "secret": text }).to_string() + "\n");
        report::plaintext(&object)?;
        return Ok(Outcome::Clean);
    }
    report::plaintext(&value)?;
    if report::is_for_a_person() && !value.expose_bytes().ends_with(b"\n") {
        report::data("\n");
    }
    Ok(Outcome::Clean)
}

/// `secrets decrypt`
pub(super) fn decrypt(args: &cli::Decrypt) -> Result<Outcome, Error> {
    let mut target = Target::of(&args.file);
    if let (Some(name), None) = (&args.filename, args.file.input_type) {
        target.store = Target::named(name).store;
    }
    let failed = |error| target.error(error);
    if args.in_place {
        return decrypt_in_place(args, &target);
    }
    let plaintext = opened(args, &target, target.parse(target.read()?)?)?;
    let text = match &args.extract {
        Some(path) => plaintext.get(path),
        None => plaintext.write(args.output_type.unwrap_or(target.store), None),
    };
    report::plaintext(&text.map_err(failed)?)?;
    Ok(Outcome::Clean)
}

/// With or without a look at the checksum.
fn opened(args: &cli::Decrypt, target: &Target, sealed: SealedFile) -> Result<Plaintext, Error> {
    let identities = identities();
    if !args.ignore_mac {
        return target.decrypt(sealed, &identities);
    }
    sealed.decrypt_unverified(&identities.all).map_err(|error| target.refused(error, &identities))
}

fn decrypt_in_place(args: &cli::Decrypt, target: &Target) -> Result<Outcome, Error> {
    target.refuse_stdin()?;
    let absolute = std::fs::canonicalize(&target.path).map_err(Error::io("read", &target.path))?;
    if let (Some(tree), false) = (crate::git::work_tree(&absolute), args.force) {
        return Err(Error::Request {
            message: format!(
                "will not put plaintext into `{}`: it lies in the git work tree `{}`",
                target.path.display(),
                tree.display()
            ),
            hint: "use `secrets edit`, or `--force` if you mean it".to_owned(),
        });
    }
    target.may_be_changed()?;
    let file = LockedFile::open(&target.path, WAIT)?;
    let plaintext = opened(args, target, target.parse(file.bytes())?)?;
    let store = args.output_type.unwrap_or(target.store);
    let text = plaintext.write(store, None).map_err(|error| target.error(error))?;
    // Nothing half-done is left: what is staged is in the open. It takes a moment.
    let _held = Interrupts::hold().map_err(Error::io("write", &target.path))?;
    file.replace(text.expose_bytes())?;
    Ok(Outcome::Clean)
}

/// `secrets diff`: git shows the difference of what this prints. A file that is not sealed, or not to us, is printed as
/// it is: a diff that fails would hide every other file's.
pub(super) fn diff(args: &cli::Diff) -> Result<Outcome, Error> {
    let target = Target::named(&args.file);
    let bytes = target.read()?;
    let shown = (|| {
        let sealed = target.parse(bytes.as_slice())?;
        target.decrypt(sealed, &identities())?.write(target.store, None).map_err(|error| target.error(error))
    })();
    match shown {
        Ok(text) => report::plaintext(&text)?,
        Err(error) => {
            if !matches!(error, Error::Plaintext { .. }) {
                report::warning(&error.to_string());
            }
            report::plaintext(&Secret::from_bytes(bytes))?;
        }
    }
    Ok(Outcome::Clean)
}

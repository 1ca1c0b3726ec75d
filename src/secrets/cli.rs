//! The command line of `secrets`: what can be typed, and nothing of what happens then.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quorate_secrets::sops::{Path as ValuePath, Store};
use time::OffsetDateTime;

use super::later::Later;
use crate::cli::parse_time;

/// Secrets in git: files that sops and sops-nix read and write as well, sealed value by value.
#[derive(Debug, Parser)]
#[command(name = "secrets", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Date what is written as if it were this moment (RFC 3339) [default: now]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<OffsetDateTime>,
    /// The rules [default: SOPS_CONFIG, else the nearest .sops.yaml above the file]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const EXIT_CODES: &str = "\
Files are named by their path; `db` alone is secrets/db.yaml. The end of a name says how a file is laid out: .yaml, .json, \
.env, .ini, and any other is binary.

Exit codes: 0 done or clean, 1 findings, 2 error. decrypt, edit, set and encrypt give sops' own numbers where sops has one: \
51 the checksum does not fit, 100 no such file, 128 no identity opens it, 200 nothing was changed, 203 it is sealed already.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Open a file in your editor, and seal it again
    #[command(after_help = "\
Examples:
  secrets edit secrets/masters/db.yaml     a file that does not exist is made, by the rules of its path
  secrets edit db                          secrets/db.yaml

The plaintext lies in memory that is never written to a disk, and goes with the editor. The editor is SOPS_EDITOR, EDITOR, \
or the first of vim, nano, vi.")]
    Edit(Later<Edit>),
    /// Show a file in your pager
    View(Later<Read>),
    /// Print one value
    #[command(after_help = "\
Examples:
  secrets get db users[0].password         from secrets/db.yaml
  secrets get secrets/db.yaml '[\"users\"][0][\"password\"]'
  secrets get db password --json           {\"secret\": \"...\"}, for terraform's external data source")]
    Get(Later<Get>),
    /// Set one value, read from stdin or asked for
    #[command(after_help = "\
Examples:
  secrets set db password                  asks for it
  pwgen 32 1 | secrets set db password     the line feed at the end is not part of it
  echo 5432 | secrets set db port --json   a number; --json takes any JSON value

The value never stands on the command line, where other users and your shell's history would see it. An empty stdin is \
refused, since what was to write to it may have failed; --exact takes it as it is.")]
    Set(Later<Set>),
    /// Remove one value
    Unset(Later<Unset>),
    /// Seal a file
    #[command(after_help = "\
Examples:
  secrets encrypt -i secrets/db.yaml       in its place, for the readers that .sops.yaml names for its path
  secrets encrypt plain.yaml -o secrets/db.yaml
  kubectl get secret x -o yaml | secrets encrypt --filename secrets/x.yaml - > secrets/x.yaml")]
    Encrypt(Later<Encrypt>),
    /// Print a file in the open
    #[command(after_help = "\
Examples:
  secrets decrypt secrets/db.yaml
  secrets decrypt secrets/db.yaml --output-type json
  secrets decrypt --ignore-mac broken.yaml   what is left of a file after a wrong merge")]
    Decrypt(Later<Decrypt>),
    /// Seal files to those whom the rules name now
    #[command(after_help = "\
Examples:
  secrets rekey                            every sealed file below this folder
  secrets rekey secrets/masters --yes      without asking
  secrets rekey --dry-run                  who would gain and who would lose access; exit code 1 when somebody would

Files that are damaged, or that no rule covers, are named and left as they are, the others are done; exit code 1 then. \
Stopped half-way, the same command does what is left.")]
    Rekey(Later<Rekey>),
    /// Seal files anew under new data keys, for the same readers
    Rotate(Later<Files>),
    /// Print a file in the open for `git diff`, and as it is where it cannot be opened
    #[command(after_help = "\
Examples:
  git config diff.secrets.textconv 'secrets diff'
  echo 'secrets/** diff=secrets' >> .gitattributes

git is never asked to cache what it gets.")]
    Diff(Later<Diff>),
    /// Run a program with the values in its environment, or in a file that only it sees
    #[command(after_help = "\
Examples:
  secrets exec db -- ./migrate             each key of secrets/db.yaml is a variable
  secrets exec --file kube.yaml -- kubectl --kubeconfig {} get nodes")]
    Exec(Later<Exec>),
    /// Make an age identity
    Keygen(Later<Keygen>),
    /// Who can open what: list, add and remove admins, print a recovery sheet
    #[command(after_help = "\
Examples:
  secrets recipients                       every sealed file below this folder, by who can open it
  secrets recipients add age1...           machines.nix, certs/, .sops.yaml and all sealed files, as one
  secrets recipients remove age1...        the same; says what they know all the same
  secrets recipients --sheet | lpr         how to get everything back; no secret is on it

Stopped half-way, the same command does what is left.")]
    Recipients(Later<Recipients>),
    /// Find plaintext, and files that are not sealed to whom the rules name; needs no identity
    #[command(after_help = "\
Examples:
  secrets check                            what is staged in git, or all below this folder where there is no git
  secrets check --all                      the whole tree
  secrets check secrets/db.yaml --json")]
    Check(Later<Check>),
    /// Print a completion script for your shell
    Completions(Later<Completions>),
}

/// One file and how it is laid out.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The file; a bare word is looked up as secrets/NAME.yaml
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How it is laid out [default: by the end of its name]
    #[arg(long, value_name = "TYPE", value_parser = parse_store)]
    pub input_type: Option<Store>,
}

/// `secrets view`
#[derive(Debug, Args)]
pub struct Read {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
}

/// `secrets edit`
#[derive(Debug, Args)]
pub struct Edit {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Edit on memory that may be swapped to a disk
    #[arg(long)]
    pub allow_swap: bool,
}

/// `secrets get`
#[derive(Debug, Args)]
pub struct Get {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Which value: `db.users[0]`, or `["db"]["users"][0]`
    #[arg(value_name = "PATH", value_parser = parse_path)]
    pub path: ValuePath,
    /// Print {"secret": "..."}
    #[arg(long)]
    pub json: bool,
}

/// `secrets set`
#[derive(Debug, Args)]
pub struct Set {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Which value
    #[arg(value_name = "PATH", value_parser = parse_path)]
    pub path: ValuePath,
    /// Taken so that it can be refused without a word of it.
    #[arg(hide = true, value_name = "VALUE")]
    pub typed: Vec<OsString>,
    /// Read the value as JSON: a number, a list, a map
    #[arg(long, conflicts_with = "exact")]
    pub json: bool,
    /// Keep a line feed at the end of what is read, and take an empty value
    #[arg(long)]
    pub exact: bool,
    /// Make the file if there is none
    #[arg(long)]
    pub create: bool,
}

/// `secrets unset`
#[derive(Debug, Args)]
pub struct Unset {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Which value
    #[arg(value_name = "PATH", value_parser = parse_path)]
    pub path: ValuePath,
}

/// `secrets encrypt`
#[derive(Debug, Args)]
pub struct Encrypt {
    /// Which file; `-` is stdin.
    #[command(flatten)]
    pub file: FileArgs,
    /// Put the sealed file in its place
    #[arg(short, long)]
    pub in_place: bool,
    /// Write it to this file, which must not exist
    #[arg(short, long, value_name = "FILE", conflicts_with = "in_place")]
    pub output: Option<PathBuf>,
    /// The name that the rules and the layout go by [default: the output's, else the file's own]
    #[arg(long, value_name = "NAME", alias = "filename-override")]
    pub filename: Option<PathBuf>,
}

/// `secrets decrypt`
#[derive(Debug, Args)]
pub struct Decrypt {
    /// Which file; `-` is stdin.
    #[command(flatten)]
    pub file: FileArgs,
    /// Put the plaintext in its place; inside a git work tree with --force only
    #[arg(short, long)]
    pub in_place: bool,
    /// Put plaintext into a git work tree
    #[arg(long, requires = "in_place")]
    pub force: bool,
    /// Print one value alone
    #[arg(long, value_name = "PATH", value_parser = parse_path, conflicts_with = "in_place")]
    pub extract: Option<ValuePath>,
    /// Lay it out in another way
    #[arg(long, value_name = "TYPE", value_parser = parse_store)]
    pub output_type: Option<Store>,
    /// Do not look at the checksum
    #[arg(long)]
    pub ignore_mac: bool,
    /// The name that the layout of stdin goes by
    #[arg(long, value_name = "NAME", alias = "filename-override")]
    pub filename: Option<PathBuf>,
}

/// `secrets rekey`
#[derive(Debug, Args)]
pub struct Rekey {
    /// Files, and folders with all sealed files below them
    #[arg(value_name = "FILE|FOLDER", default_value = ".")]
    pub files: Vec<PathBuf>,
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Show who would gain and who would lose access
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Print the changes as JSON
    #[arg(long)]
    pub json: bool,
}

/// `secrets rotate`
#[derive(Debug, Args)]
pub struct Files {
    /// Files, and folders with all sealed files below them
    #[arg(value_name = "FILE|FOLDER", required = true)]
    pub files: Vec<PathBuf>,
}

/// `secrets diff`
#[derive(Debug, Args)]
pub struct Diff {
    /// The file, or a copy of it that git made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `secrets exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Give it as a file: `{}` in the command is its path
    #[arg(long = "file", id = "as_file")]
    pub as_file: bool,
    /// Nothing in the environment but the values
    #[arg(long, conflicts_with = "as_file")]
    pub pristine: bool,
    /// Allow memory that may be swapped to a disk for the file
    #[arg(long)]
    pub allow_swap: bool,
    /// The program and what it is given
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// `secrets keygen`
#[derive(Debug, Args)]
pub struct Keygen {
    /// Where it goes [default: where sops looks for it]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `secrets recipients`
#[derive(Debug, Args)]
pub struct Recipients {
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<RecipientsVerb>,
    /// Print a sheet of paper's worth of how to get everything back
    #[arg(long, conflicts_with = "json")]
    pub sheet: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// The verbs of `secrets recipients`.
#[derive(Debug, Subcommand)]
pub enum RecipientsVerb {
    /// Who can open what, file by file
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make somebody an admin, everywhere
    Add(Admin),
    /// Let somebody be an admin no longer, everywhere
    Remove(Admin),
}

/// `secrets recipients add`
#[derive(Debug, Args)]
pub struct Admin {
    /// age1..., or an SSH public key in quotes
    pub recipient: String,
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Where the inventory is.
    #[command(flatten)]
    pub inventory: crate::cli::InventoryArgs,
    /// The folder of the certificates
    #[arg(long, value_name = "CERTS", default_value = "certs")]
    pub certs: PathBuf,
}

/// `secrets check`
#[derive(Debug, Args)]
pub struct Check {
    /// Files [default: what is staged in git]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The whole tree
    #[arg(long, conflicts_with = "files")]
    pub all: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `secrets completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that scripts can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

fn parse_store(text: &str) -> Result<Store, String> {
    Store::from_name(text).ok_or_else(|| {
        let names = Store::ALL.map(|(_, name)| name).join(", ");
        format!("`{text}` is no type of file, expected one of {names}")
    })
}

fn parse_path(text: &str) -> Result<ValuePath, String> {
    text.parse::<ValuePath>().map_err(|error| format!("{error}; {}", error.hint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
        let _ = Cli::try_parse_from(["secrets", "exec", "db", "--", "ls", "-l"]).unwrap();
    }
}

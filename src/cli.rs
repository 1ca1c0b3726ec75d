//! The command line of `pki`: what can be typed, and nothing of what happens then.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::Ipv4Net;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::init::parse_masters;
use crate::secrets::cli::Completions;

/// Certificates for a highly available NixOS Kubernetes cluster, from one machines.nix, sealed into the repository.
#[derive(Debug, Parser)]
#[command(name = "pki", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Judge as if it were this moment (RFC 3339) [default: now]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<OffsetDateTime>,
}

const EXIT_CODES: &str = "Exit codes: 0 done or clean, 1 findings, 2 error.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lay out a repository for a cluster: machines.nix, flake.nix, hosts/, hooks, CI
    #[command(after_help = "\
A file that stands there already is yours: it is named, kept as it is, and no finding. A second run writes what is
missing and nothing else. The rules in `.sops.yaml` come with `pki gen`, when their recipients are known.

Examples:
  pki init                          here: asks on a terminal, and takes the defaults elsewhere
  pki init homelab --router 10.0.0.1 --first-ip 10.0.0.11
  pki init --mode arp --interface enp1s0 --workers 2 --ip worker1=10.0.0.40
  pki init                          later: hosts/<machine>.nix of the machines that are new in machines.nix")]
    Init(Init),
    /// Make what machines.nix asks for: authorities, certificates, keys, all private ones sealed
    #[command(after_help = "\
Examples:
  pki gen certs/                    make or update everything; run twice it writes nothing
  pki gen certs/ --dry-run          show what would be done; exit code 1 when there is something
  pki gen certs/ --new-identity     make an age identity first, where there is none
  pki gen certs/ --format age       seal the machines' keys for agenix instead of sops-nix
  pki gen certs/ --adopt root=ca.crt,ca.key
                                    start from an authority that you have, its key sealed like the others
  pki gen certs/ --prune            also remove what belonged to machines that are gone")]
    Gen(Gen),
    /// Find what expires soon or is not what machines.nix asks for; needs no identity
    #[command(after_help = "\
Examples:
  pki check certs/                  exit code 1 when something expires within cluster.renewDays, or drifted
  pki check certs/ --within 90d     look further ahead
  pki check certs/ --json           the same for programs")]
    Check(Check),
    /// Print what a certificate says
    #[command(after_help = "\
Examples:
  pki show cp1/etcd-peer            one of certs/, by its name
  pki show some/where.crt           any PEM file
  pki show cp1/apiserver --json")]
    Show(Show),
    /// Print a kubeconfig with everything in it, key included
    #[command(after_help = "\
Examples:
  pki kubeconfig admin > ~/.kube/magi
  pki kubeconfig super-admin --server https://10.13.13.2:6443    past the virtual IP, to one master")]
    Kubeconfig(Kubeconfig),
    /// Write the NixOS modules of every machine
    #[command(after_help = "\
Examples:
  pki modules modules/              write what machines.nix and certs/ ask for, and nothing that is right already
  pki modules modules/ --dry-run    show what would be written; exit code 1 when there is something
  pki modules --only cp1            print the module of one machine
  pki modules modules/ --force      also write over files that were changed by hand")]
    Modules(Modules),
    /// Print the router's side of BGP: the masters as neighbours, the virtual IP and nothing else accepted from them
    #[command(after_help = "\
Examples:
  pki router frr                    for FRRouting 8 or newer, OPNsense, UniFi
  pki router bird > magi.conf       for BIRD 2
  pki router routeros               commands for RouterOS 7.20 or newer
  pki router vyos                   commands for VyOS 1.4 or newer
  pki router frr --peer 10.13.13.1  where `kubeMaster.bgp.peers` names several routers

How far to trust it: in the tests FRR and BIRD read what is printed for them with their own parsers,
and hold sessions with three masters by it. Every command for RouterOS and VyOS is one of a table
taken from their documentation; no device has judged them. A password is never printed.")]
    Router(Router),
    /// Print a completion script for your shell
    #[command(after_help = "\
Examples:
  pki completions bash > ~/.local/share/bash-completion/completions/pki
  pki completions fish > ~/.config/fish/completions/pki.fish")]
    Completions(Completions),
}

/// Where the inventory is and how it is read.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// The inventory: machines.nix, another dialect of Nix, or JSON
    #[arg(long = "inventory", value_name = "FILE", default_value = "machines.nix")]
    pub file: PathBuf,
    /// Who evaluates Nix
    #[arg(long, value_enum, default_value = "auto")]
    pub evaluator: EvaluatorArg,
    /// The virtual IP, for inventories that have no place for one
    #[arg(long, value_name = "IP")]
    pub vip: Option<String>,
}

/// Who evaluates Nix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EvaluatorArg {
    /// The built-in evaluator, and nix for what that one does not know
    Auto,
    /// The built-in evaluator alone
    Builtin,
    /// The program nix
    Nix,
}

/// `pki init`
#[derive(Debug, Args)]
pub struct Init {
    /// The folder of the repository
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The cluster's name [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// The router: gateway of the machines, and their peer with BGP [default: 192.168.1.1]
    #[arg(long, value_name = "IP")]
    pub router: Option<Ipv4Addr>,
    /// The machines' network [default: the /24 of the router]
    #[arg(long, value_name = "CIDR")]
    pub node_cidr: Option<Ipv4Net>,
    /// How the virtual IP moves between the masters [default: bgp]
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// How many masters, an odd number [default: 3]
    #[arg(long, value_name = "N", value_parser = parse_masters)]
    pub masters: Option<u32>,
    /// How many workers [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=200))]
    pub workers: Option<u32>,
    /// The first master's address; the others follow it, the workers ten later [default: the eleventh of the network]
    #[arg(long, value_name = "IP")]
    pub first_ip: Option<Ipv4Addr>,
    /// A machine's address, such as cp1=10.0.0.11; may be given again
    #[arg(long, value_name = "NAME=IP", value_parser = parse_place)]
    pub ip: Vec<(String, Ipv4Addr)>,
    /// The virtual IP [default: the tenth of the network, with BGP of the next one]
    #[arg(long, value_name = "IP")]
    pub vip: Option<Ipv4Addr>,
    /// The network card of the machines [default: CHANGE-ME, which `deploy` refuses]
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// The disk to install on [default: a placeholder]
    #[arg(long, value_name = "PATH")]
    pub disk: Option<String>,
    /// A public key that may log in, or its file; may be given again [default: ~/.ssh/id_ed25519.pub]
    #[arg(long, value_name = "FILE|KEY")]
    pub ssh_key: Vec<String>,
    /// A recipient that may open the private keys; may be given again
    #[arg(long, value_name = "RECIPIENT")]
    pub admin: Vec<String>,
    /// The flake that quorate comes from, as flake.nix names it
    #[arg(long, value_name = "URL")]
    pub quorate: Option<String>,
}

/// How the virtual IP moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// kube-vip announces it to the router
    Bgp,
    /// kube-vip answers ARP for it
    Arp,
    /// keepalived moves it, in front of HAProxy
    Keepalived,
    /// Something of yours does
    External,
}

/// `pki gen`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that a person types")]
pub struct Gen {
    /// The folder of the certificates
    #[arg(value_name = "CERTS", default_value = "certs")]
    pub certs: PathBuf,
    /// Where the inventory is.
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Show what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what nothing plans any more
    #[arg(long)]
    pub prune: bool,
    /// Take over an authority that was made elsewhere, with its key (PEM, age or SOPS; `-` is stdin)
    #[arg(long, value_name = "NAME=CRT,KEY", value_parser = parse_adopt)]
    pub adopt: Vec<AdoptArg>,
    /// How the machines' keys are sealed [default: as they are, or sops]
    #[arg(long, value_enum)]
    pub format: Option<FormatArg>,
    /// Make an age identity when there is none and no admin is named
    #[arg(long)]
    pub new_identity: bool,
    /// Print what is done as JSON
    #[arg(long)]
    pub json: bool,
}

/// An authority that was made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptArg {
    /// Which authority it is to be.
    pub name: String,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How machines' keys are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// One SOPS file a machine, for sops-nix
    Sops,
    /// One age file a key, for agenix
    Age,
}

/// `pki check`
#[derive(Debug, Args)]
pub struct Check {
    /// The folder of the certificates
    #[arg(value_name = "CERTS", default_value = "certs")]
    pub certs: PathBuf,
    /// Where the inventory is.
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// How far to look ahead, in days [default: cluster.renewDays]
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    pub within: Option<u32>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pki show`
#[derive(Debug, Args)]
pub struct Show {
    /// A certificate's name, or a PEM file
    #[arg(value_name = "NAME|FILE")]
    pub what: String,
    /// The folder of the certificates
    #[arg(long, value_name = "CERTS", default_value = "certs")]
    pub certs: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pki kubeconfig`
#[derive(Debug, Args)]
pub struct Kubeconfig {
    /// Whose
    #[arg(default_value = "admin")]
    pub user: String,
    /// The folder of the certificates
    #[arg(long, value_name = "CERTS", default_value = "certs")]
    pub certs: PathBuf,
    /// Where the inventory is.
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Where the API answers [default: the virtual IP]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// `pki modules`
#[derive(Debug, Args)]
pub struct Modules {
    /// The folder of the modules
    #[arg(value_name = "MODULES", default_value = "modules")]
    pub folder: PathBuf,
    /// The folder of the certificates
    #[arg(long, value_name = "CERTS", default_value = "certs")]
    pub certs: PathBuf,
    /// The folder of people's own secrets
    #[arg(long, value_name = "SECRETS", default_value = "secrets")]
    pub secrets: PathBuf,
    /// Where the inventory is.
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Show what would be written and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write over files that were changed by hand, and remove them when they are of a machine that is gone
    #[arg(long)]
    pub force: bool,
    /// Print the module of one machine and write nothing
    #[arg(long, value_name = "MACHINE")]
    pub only: Option<String>,
    /// Print what is done as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pki router`
#[derive(Debug, Args)]
pub struct Router {
    /// What runs on the router
    #[arg(value_enum)]
    pub language: RouterArg,
    /// Whose side, by its address in `kubeMaster.bgp.peers`; twice for both addresses of one router [default: the only one]
    #[arg(long, value_name = "IP")]
    pub peer: Vec<IpAddr>,
    /// Where the inventory is.
    #[command(flatten)]
    pub inventory: InventoryArgs,
}

/// What runs on a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RouterArg {
    /// FRRouting
    Frr,
    /// BIRD
    Bird,
    /// MikroTik RouterOS
    #[value(name = "routeros")]
    RouterOs,
    /// VyOS
    Vyos,
}

/// Certificates count from 2000 to 2199 here: beyond, dates change their form (RFC 5280 section 4.1.2.5) and sums end.
pub(crate) fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "it is no time such as 2026-11-21T00:00:00Z".to_owned())?;
    if (2000..2200).contains(&time.year()) {
        Ok(time)
    } else {
        Err("it is no year from 2000 to 2199".to_owned())
    }
}

/// `kubernetes=ca.crt,ca.key`
fn parse_adopt(text: &str) -> Result<AdoptArg, String> {
    let parts = text.split_once('=').and_then(|(name, files)| Some((name, files.rsplit_once(',')?)));
    match parts {
        Some((name, (certificate, key)))
            if !name.is_empty() && !certificate.is_empty() && !key.is_empty() =>
        {
            Ok(AdoptArg { name: name.to_owned(), certificate: certificate.into(), key: key.into() })
        }
        _ => Err("it is not of the form NAME=CRT,KEY, such as root=ca.crt,ca.key".to_owned()),
    }
}

/// `cp1=10.0.0.11`
fn parse_place(text: &str) -> Result<(String, Ipv4Addr), String> {
    let parts = text.split_once('=').and_then(|(name, ip)| Some((name.to_owned(), ip.parse().ok()?)));
    parts.ok_or_else(|| "it is not of the form NAME=IP, such as cp1=10.0.0.11".to_owned())
}

/// `30` or `30d`.
fn parse_days(text: &str) -> Result<u32, String> {
    let digits = text.strip_suffix('d').unwrap_or(text);
    digits.parse().map_err(|_| format!("`{text}` is no number of days such as 30 or 30d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
        let _ = Cli::try_parse_from(["pki", "gen"]).unwrap();
    }

    #[test]
    fn days_are_days_with_or_without_their_letter() {
        assert_eq!(parse_days("30"), Ok(30));
        assert_eq!(parse_days("30d"), Ok(30));
        assert!(parse_days("3w").is_err());
    }
}

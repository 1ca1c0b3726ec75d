//! The command line of `deploy`: what can be typed, and nothing of what happens then.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use time::OffsetDateTime;

use crate::cli::{InventoryArgs, parse_time};

/// Install or update machines of machines.nix, one at a time: nixos-anywhere the first time, nixos-rebuild afterwards.
#[derive(Debug, Parser)]
#[command(
    name = "deploy",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  deploy cp1                        install it, or update it
  deploy all --dry-run              the commands, for every machine, masters first
  deploy --role worker              the workers alone
  deploy cp1 --at-address 10.0.0.143    install it where DHCP put its installer
  nix run .#deploy -- all           with all the programs that it needs

A machine whose ssh shows the host key that `pki gen` made for it is updated. Anything else that answers there is \
installed, which wipes its disk: you are asked for the machine's name first. A NixOS with another host key is left alone \
unless --install says otherwise. Machines that do not answer, expired or drifted certificates and missing files are \
named before anything is touched. It stops at the first machine that fails; run it again for the rest.

The host key of a new machine lies in memory while nixos-anywhere copies it, and nothing else does. After an update, \
keys arrive on the machine with sops-nix.

Not yet: nothing here asks etcd or the API server whether they are well, drains a worker, restarts etcd after a change of \
its settings, or rolls back. So update masters one by one, and look between them: \
`kubectl get --raw '/readyz?verbose'`, `etcdctl endpoint health --cluster`. A first cluster needs two steps by hand, \
printed once every member of etcd is installed and none has data: the marker that lets etcd begin, and \
modules/addons.yaml.

Exit codes: 0 done, 2 error."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that a person types")]
pub struct Cli {
    /// Machines, by their names; `all` is every one that can be deployed
    #[arg(value_name = "TARGET", required_unless_present = "role")]
    pub targets: Vec<String>,
    /// Every machine of a role; those that are members of etcd alone go with the masters
    #[arg(long, value_enum, conflicts_with = "targets")]
    pub role: Option<Role>,
    /// Print the commands that would run, and run none; machines are still asked over ssh what they are
    #[arg(long)]
    pub dry_run: bool,
    /// Install even where a NixOS with another host key is, or this very machine: its disk is wiped
    #[arg(long)]
    pub install: bool,
    /// Where the one machine that is installed answers until then, such as an address by DHCP
    #[arg(long, value_name = "IP")]
    pub at_address: Option<IpAddr>,
    /// Wipe disks without asking for the machine's name
    #[arg(long)]
    pub yes: bool,
    /// The flake whose nixosConfigurations are deployed, in the inventory's folder or above; `path:.` takes the files as
    /// they are, where git does not know them all [default: the inventory's folder]
    #[arg(long, value_name = "FLAKE")]
    pub flake: Option<String>,
    /// The folder of the certificates [default: certs beside the inventory]
    #[arg(long, value_name = "CERTS")]
    pub certs: Option<PathBuf>,
    /// Where the inventory is; modules/ and hosts/ lie beside it.
    #[command(flatten)]
    pub inventory: InventoryArgs,
    /// Where updates are built, as nixos-rebuild takes it [default: here]
    #[arg(long, value_name = "HOST")]
    pub build_host: Option<String>,
    /// How long a machine that was installed may take to answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub wait: u64,
    /// Let a host key lie where it might be swapped out
    #[arg(long)]
    pub allow_swap: bool,
    /// Print what is done as JSON
    #[arg(long)]
    pub json: bool,
    /// Judge as if it were this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<OffsetDateTime>,
}

/// What a machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Runs an API server, or is a member of etcd
    Master,
    /// Runs pods alone
    Worker,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
        assert!(Cli::try_parse_from(["deploy"]).is_err(), "nobody deploys everything by accident");
        assert!(Cli::try_parse_from(["deploy", "all", "--role", "master"]).is_err());
        let _ = Cli::try_parse_from(["deploy", "--role", "master"]).unwrap();
    }
}

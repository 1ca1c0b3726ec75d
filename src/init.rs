//! A cluster's repository, laid out: settings in, texts out. Pure: `crate::commands::init` asks, reads and writes.

mod host;
mod machines;
mod settings;
mod template;

pub use host::{Waits, host};
pub use machines::machines;
pub(crate) use settings::parse_masters;
pub use settings::{Ask, Given, Mode, NO_DISK, NO_INTERFACE, Settings};

use template::{fill, quoted};

/// The NixOS release that flake.lock pins, as `system.stateVersion` has it.
pub const RELEASE: &str = "26.05";

/// Where a repository takes quorate's flake from when nobody says otherwise.
pub const QUORATE: &str = "github:quorate/quorate";

/// The files of a cluster's repository beside machines.nix and hosts/, by their paths.
///
/// `.sops.yaml` has no rule yet: one without a recipient is an error for every program that reads it, and the first
/// recipients are known when `pki gen` has made them. It writes the rules.
pub fn files(name: &str, quorate: &str) -> Vec<(&'static str, String)> {
    let page = quorate.strip_prefix("github:").map(|path| format!("https://github.com/{path}"));
    let url = quoted(quorate);
    let page = page.unwrap_or_else(|| quorate.to_owned());
    [
        ("flake.nix", include_str!("init/files/flake.nix")),
        (".gitignore", include_str!("init/files/gitignore")),
        (".sops.yaml", include_str!("init/files/sops.yaml")),
        (".pre-commit-config.yaml", include_str!("init/files/pre-commit-config.yaml")),
        (".github/workflows/renew.yml", include_str!("init/files/renew.yml")),
        ("README.md", include_str!("init/files/README.md")),
    ]
    .map(|(path, text)| {
        let values = [("name", name), ("quorate", &url), ("quorate_page", &page)];
        (path, fill(text, &values))
    })
    .into()
}

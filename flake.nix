{
  description = "quorate: from one machines.nix to a running, highly available NixOS Kubernetes cluster";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    sops-nix = {
      url = "github:Mic92/sops-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    disko = {
      url = "github:nix-community/disko";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    nixos-anywhere = {
      url = "github:nix-community/nixos-anywhere";
      inputs = {
        nixpkgs.follows = "nixpkgs";
        nixos-stable.follows = "nixpkgs";
        disko.follows = "disko";
      };
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      sops-nix,
      disko,
      nixos-anywhere,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      quorate =
        pkgs:
        pkgs.callPackage ./nix/package.nix {
          inherit (nixos-anywhere.packages.${pkgs.stdenv.hostPlatform.system}) nixos-anywhere;
        };

      app = package: name: {
        type = "app";
        program = "${package}/bin/${name}";
        meta.description = "${name}, of quorate";
      };

      # The cluster of machines.nix at the top of this repository, which explains itself in the README.
      example = self.lib.cluster ./.;
    in
    {
      # What a user's flake.nix says: `outputs = { quorate, ... }: quorate.lib.cluster ./.`
      lib = {
        clusterWith = import ./nix/cluster.nix {
          inherit nixpkgs sops-nix disko;
          inherit (self) apps packages;
        };
        cluster = root: self.lib.clusterWith { inherit root; };
      };

      templates.default = {
        path = ./templates/default;
        description = "A cluster of three masters, as `pki init` lays it out";
        welcomeText = ''
          Look through machines.nix, then: `git init && git add --all`, since a flake of git is what git knows;
          `nix run .#pki -- gen certs/`, `nix run .#pki -- modules modules/`, `git add --all && git commit`, and for each
          machine `nix run .#deploy <machine>`.
        '';
      };

      packages = each (pkgs: {
        quorate = quorate pkgs;
        default = quorate pkgs;
      });

      overlays.default = final: _: { quorate = quorate final; };

      apps = builtins.mapAttrs (
        _: packages:
        lib.genAttrs [
          "pki"
          "secrets"
          "deploy"
        ] (app packages.quorate)
      ) self.packages;

      # There from the moment on that `pki gen certs/` was run, in a tree that has its outcome: certs/ is git-ignored
      # here, so `nix build path:.#nixosConfigurations...`.
      inherit (example) nixosConfigurations;

      checks = lib.genAttrs systems (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        example.checks.${system}
        // {
          inherit (self.packages.${system}) quorate;
          formatting =
            pkgs.runCommand "formatting"
              {
                nativeBuildInputs = [
                  pkgs.cargo
                  pkgs.nixfmt
                  pkgs.rustfmt
                ];
              }
              ''
                cd ${self}
                find *.nix hosts modules nix templates tests/flake -name '*.nix' -exec nixfmt --check {} +
                cargo fmt --all --check
                touch $out
              '';
        }
      );

      # Rust, and what builds the programs that judge us in the tests.
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cargo
            pkgs.clippy
            pkgs.go
            pkgs.nixfmt
            pkgs.rustc
            pkgs.rustfmt
          ];
        };
      });

      formatter = each (pkgs: pkgs.nixfmt-tree);
    };
}

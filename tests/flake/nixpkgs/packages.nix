# A package is a name and what it was made with: the program behind it is never built.
lib: system:
let
  make =
    name: given:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
      }
      // given
    );
  platform = {
    inherit system;
    canExecute = _: true;
  };
  packages =
    lib.genAttrs [
      "age"
      "cargo"
      "clippy"
      "etcd"
      "git"
      "go"
      "installShellFiles"
      "kubectl"
      "makeBinaryWrapper"
      "nixfmt"
      "nixfmt-tree"
      "openssh"
      "rustc"
      "rustfmt"
      "sops"
    ] (name: make name { })
    // {
      # As nixpkgs has it: the one program in it, after which it is named here, has the suffix unless somebody says not.
      nixos-rebuild-ng = make "nixos-rebuild-ng" { } // {
        override = given: make "nixos-rebuild${lib.optionalString given.withNgSuffix "-ng"}" { };
      };
      inherit lib;
      stdenv = {
        buildPlatform = platform;
        hostPlatform = platform;
      };
      rustPlatform.buildRustPackage =
        {
          pname,
          version,
          src,
          cargoLock,
          doCheck,
          nativeBuildInputs,
          postInstall,
          meta,
        }:
        make "${pname}-${version}" {
          inherit
            src
            doCheck
            nativeBuildInputs
            postInstall
            ;
          inherit (cargoLock) lockFile;
        }
        // {
          inherit meta;
        };
      runCommand =
        name: given: script:
        make name (given // { inherit script; });
      mkShell = { packages }: make "shell" { inherit packages; };
      callPackage =
        file: given:
        let
          package = import file;
        in
        package (builtins.intersectAttrs (builtins.functionArgs package) packages // given);
    };
in
packages

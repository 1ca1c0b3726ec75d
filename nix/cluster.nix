# A cluster's repository as a flake's outputs: from what `pki init`, `pki gen` and `pki modules` write there.
{
  nixpkgs,
  sops-nix,
  disko,
  # quorate's own, by system.
  apps,
  packages,
}:
{
  # The folder of machines.nix.
  root,
  # More modules for every machine, such as agenix'.
  modules ? [ ],
  # More arguments for the modules, beside `inventory`.
  specialArgs ? { },
}:
let
  inherit (nixpkgs) lib;
  has = path: builtins.pathExists (root + path);

  # { cp1 = { system = "x86_64-linux"; module = ./cp1.nix; }; ... }. The modules point into certs/: before there is one, a
  # machine has nothing to run with.
  machines =
    if has "/modules/default.nix" && has "/certs/manifest.json" then
      import (root + "/modules")
    else
      { };

  # What machines.nix says, for hosts/<machine>.nix. A function is given `lib`, and `pkgs` of which only `lib` exists.
  inventory =
    let
      given = {
        inherit lib;
        pkgs = { inherit lib; };
      };
      file = import (root + "/machines.nix");
      takes = builtins.functionArgs file;
    in
    if !(builtins.isFunction file) then
      file
    else
      file (if takes == { } then given else builtins.intersectAttrs takes given);

  nixos =
    name:
    { system, module }:
    lib.nixosSystem {
      specialArgs = {
        inherit inventory;
      }
      // specialArgs;
      modules = [
        { nixpkgs.hostPlatform = lib.mkDefault system; }
        sops-nix.nixosModules.sops
        disko.nixosModules.disko
        module
      ]
      ++ lib.optional (has "/hosts/${name}.nix") (root + "/hosts/${name}.nix")
      ++ modules;
    };

  each = make: builtins.mapAttrs (system: _: make nixpkgs.legacyPackages.${system}) apps;
  programs = pkgs: packages.${pkgs.stdenv.hostPlatform.system}.quorate;
in
{
  inherit apps;

  nixosConfigurations = builtins.mapAttrs nixos machines;

  # That every certificate is the one that machines.nix asks for. Its result is kept until a file changes: what ends soon
  # is found by `pki check` in CI, where time goes on.
  checks = each (
    pkgs:
    lib.optionalAttrs (has "/certs/manifest.json") {
      certificates = pkgs.runCommand "certificates" { nativeBuildInputs = [ (programs pkgs) ]; } ''
        cd ${root}
        pki check certs/
        touch $out
      '';
    }
  );

  devShells = each (pkgs: {
    default = pkgs.mkShell {
      packages = [
        (programs pkgs)
        pkgs.age
        pkgs.etcd
        pkgs.kubectl
        pkgs.sops
      ];
    };
  });

  formatter = each (pkgs: pkgs.nixfmt-tree);
}

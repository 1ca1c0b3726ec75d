{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
    in
    {
      lib = lib // {
        nixosSystem = import ./system.nix {
          inherit lib;
          inherit (self) legacyPackages;
          modulesPath = ./nixos/modules;
        };
      };
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] (import ./packages.nix lib);
    };
}

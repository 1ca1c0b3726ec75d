{
  inputs = {
    nixpkgs.url = "path:../nixpkgs";
    nixos-stable.url = "path:../nixpkgs";
    disko.url = "path:../disko";
  };
  outputs =
    { nixpkgs, ... }:
    {
      packages = builtins.mapAttrs (system: _: {
        nixos-anywhere = derivation {
          name = "nixos-anywhere";
          inherit system;
          builder = "/bin/sh";
        };
      }) nixpkgs.legacyPackages;
    };
}

{
  inputs.nixpkgs.url = "path:../nixpkgs";
  outputs = _: { nixosModules.disko = { }; };
}

{
  description = "The cluster homelab: NixOS and Kubernetes, from machines.nix";

  # It brings the releases of nixpkgs, sops-nix, disko and nixos-anywhere that it was tested with; for another nixpkgs:
  #   inputs.quorate.inputs.nixpkgs.follows = "nixpkgs";
  inputs.quorate.url = "github:quorate/quorate";

  # A NixOS configuration for each machine, and the programs: `nix run .#pki`, `.#secrets`, `.#deploy`.
  outputs = { quorate, ... }: quorate.lib.cluster ./.;
}

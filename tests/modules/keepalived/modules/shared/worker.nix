# What every worker has.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{ lib, ... }:
let
  default = lib.mkOverride 900;
in
{
  imports = [ ./kubernetes.nix ];

  services.kubernetes = {
    masterAddress = default "10.0.0.10";
    apiserverAddress = default "https://10.0.0.10:8443";
  };
}

# e2: member of etcd.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{ lib, ... }:
let
  default = lib.mkOverride 900;
in
{
  imports = [ ./shared/etcd.nix ];

  networking.hostName = default "e2";

  nixpkgs.hostPlatform = default "x86_64-linux";

  services.etcd = {
    name = default "e2";
    listenClientUrls = default [
      "https://10.0.0.32:2379"
      "https://127.0.0.1:2379"
    ];
    listenPeerUrls = default [ "https://10.0.0.32:2380" ];
    advertiseClientUrls = default [ "https://10.0.0.32:2379" ];
    initialAdvertisePeerUrls = default [ "https://10.0.0.32:2380" ];
  };

  environment.etc = {
    "quorate/pki/etcd-server.crt".source = default ../certs/e2/etcd-server.crt;
    "quorate/pki/etcd-peer.crt".source = default ../certs/e2/etcd-peer.crt;
    "quorate/pki/etcd-healthcheck-client.crt".source = default ../certs/e2/etcd-healthcheck-client.crt;
  };

  sops.secrets = {
    "quorate/etcd-server".sopsFile = default ../certs/e2/keys.yaml;
    "quorate/etcd-peer".sopsFile = default ../certs/e2/keys.yaml;
    "quorate/etcd-healthcheck-client".sopsFile = default ../certs/e2/keys.yaml;
  };
}

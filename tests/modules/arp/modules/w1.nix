# w1: worker.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{ lib, ... }:
let
  default = lib.mkOverride 900;
in
{
  imports = [ ./shared/worker.nix ];

  networking.hostName = default "w1";

  nixpkgs.hostPlatform = default "x86_64-linux";

  services = {
    kubernetes = {
      kubelet = {
        hostname = default "w1";
        nodeIp = default "10.0.0.21";
      };
      proxy.hostname = default "w1";
    };
    flannel = {
      iface = default "10.0.0.21";
      publicIp = default "10.0.0.21";
    };
  };

  environment.etc = {
    "quorate/pki/kubelet-client.crt".source = default ../certs/w1/kubelet-client.crt;
    "quorate/pki/kubelet-server.crt".source = default ../certs/w1/kubelet-server.crt;
    "quorate/pki/kube-proxy.crt".source = default ../certs/w1/kube-proxy.crt;
    "quorate/pki/flannel.crt".source = default ../certs/w1/flannel.crt;
  };

  sops.secrets = {
    "quorate/kubelet-client".sopsFile = default ../certs/w1/keys.yaml;
    "quorate/kubelet-server".sopsFile = default ../certs/w1/keys.yaml;
    "quorate/kube-proxy".sopsFile = default ../certs/w1/keys.yaml;
    "quorate/flannel".sopsFile = default ../certs/w1/keys.yaml;
  };
}

# cp3: master, member of etcd.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{ lib, ... }:
let
  default = lib.mkOverride 900;
in
{
  imports = [
    ./shared/etcd.nix
    ./shared/master.nix
  ];

  networking.hostName = default "cp3";

  nixpkgs.hostPlatform = default "x86_64-linux";

  services = {
    etcd = {
      name = default "cp3";
      listenClientUrls = default [
        "https://10.0.0.13:2379"
        "https://127.0.0.1:2379"
      ];
      listenPeerUrls = default [ "https://10.0.0.13:2380" ];
      advertiseClientUrls = default [ "https://10.0.0.13:2379" ];
      initialAdvertisePeerUrls = default [ "https://10.0.0.13:2380" ];
    };
    kubernetes = {
      masterAddress = default "10.0.0.13";
      apiserver.advertiseAddress = default "10.0.0.13";
      kubelet = {
        hostname = default "cp3";
        nodeIp = default "10.0.0.13";
      };
      proxy.hostname = default "cp3";
    };
    flannel = {
      iface = default "10.0.0.13";
      publicIp = default "10.0.0.13";
    };
  };

  environment.etc = {
    "quorate/pki/etcd-server.crt".source = default ../certs/cp3/etcd-server.crt;
    "quorate/pki/etcd-peer.crt".source = default ../certs/cp3/etcd-peer.crt;
    "quorate/pki/etcd-healthcheck-client.crt".source = default ../certs/cp3/etcd-healthcheck-client.crt;
    "quorate/pki/apiserver.crt".source = default ../certs/cp3/apiserver.crt;
    "quorate/pki/apiserver-kubelet-client.crt".source =
      default ../certs/cp3/apiserver-kubelet-client.crt;
    "quorate/pki/apiserver-etcd-client.crt".source = default ../certs/cp3/apiserver-etcd-client.crt;
    "quorate/pki/front-proxy-client.crt".source = default ../certs/cp3/front-proxy-client.crt;
    "quorate/pki/controller-manager.crt".source = default ../certs/cp3/controller-manager.crt;
    "quorate/pki/scheduler.crt".source = default ../certs/cp3/scheduler.crt;
    "quorate/pki/kubelet-client.crt".source = default ../certs/cp3/kubelet-client.crt;
    "quorate/pki/kubelet-server.crt".source = default ../certs/cp3/kubelet-server.crt;
    "quorate/pki/kube-proxy.crt".source = default ../certs/cp3/kube-proxy.crt;
    "quorate/pki/flannel.crt".source = default ../certs/cp3/flannel.crt;
  };

  sops.secrets = {
    "quorate/etcd-server".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/etcd-peer".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/etcd-healthcheck-client".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/apiserver".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/apiserver-kubelet-client".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/apiserver-etcd-client".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/front-proxy-client".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/controller-manager".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/scheduler".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/kubelet-client".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/kubelet-server".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/kube-proxy".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/flannel".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/service-account".sopsFile = default ../certs/cp3/keys.yaml;
    "quorate/encryption-config".sopsFile = default ../certs/cp3/keys.yaml;
  };
}

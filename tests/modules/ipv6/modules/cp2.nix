# cp2: master, member of etcd.
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

  networking.hostName = default "cp2";

  nixpkgs.hostPlatform = default "x86_64-linux";

  services = {
    etcd = {
      name = default "cp2";
      listenClientUrls = default [
        "https://[fd00:1::12]:2379"
        "https://127.0.0.1:2379"
      ];
      listenPeerUrls = default [ "https://[fd00:1::12]:2380" ];
      advertiseClientUrls = default [ "https://[fd00:1::12]:2379" ];
      initialAdvertisePeerUrls = default [ "https://[fd00:1::12]:2380" ];
    };
    kubernetes = {
      masterAddress = default "fd00:1::12";
      apiserver.advertiseAddress = default "fd00:1::12";
      kubelet = {
        hostname = default "cp2";
        nodeIp = default "fd00:1::12";
        manifests.kube-vip = default {
          apiVersion = "v1";
          kind = "Pod";
          metadata = {
            name = "kube-vip";
            namespace = "kube-system";
          };
          spec = {
            hostNetwork = true;
            priorityClassName = "system-node-critical";
            containers = [
              {
                name = "kube-vip";
                image = "ghcr.io/kube-vip/kube-vip:v1.2.3";
                imagePullPolicy = "IfNotPresent";
                args = [
                  "manager"
                  "--prometheusHTTPServer="
                ];
                env = lib.mapAttrsToList lib.nameValuePair {
                  address = "fd00:9::10";
                  port = "6443";
                  vip_subnet = "128";
                  vip_nodename = "cp2";
                  cp_enable = "true";
                  cp_namespace = "kube-system";
                  svc_enable = "false";
                  k8s_config_file = "/etc/kube-vip/kubeconfig";
                  kubernetes_addr = "https://127.0.0.1:6443";
                  vip_arp = "false";
                  vip_leaderelection = "false";
                  vip_interface = "lo";
                  bgp_enable = "true";
                  bgp_as = "64513";
                  bgp_routerid = "186.74.150.92";
                  bgp_sourceip = "fd00:1::12";
                  bgp_peers = "[fd00:1::1]:64512::false";
                  bgp_hold_time = "9";
                  bgp_keepalive_interval = "3";
                  control_plane_health_check_address = "https://127.0.0.1:6443/readyz";
                  control_plane_health_check_period_seconds = "2";
                  control_plane_health_check_timeout_seconds = "2";
                  control_plane_health_check_failure_threshold = "3";
                  control_plane_health_check_ca_path = "/etc/kube-vip/ca.crt";
                };
                securityContext.capabilities = {
                  add = [
                    "NET_ADMIN"
                    "NET_RAW"
                  ];
                  drop = [ "ALL" ];
                };
                volumeMounts = [
                  {
                    name = "files";
                    mountPath = "/etc/kube-vip";
                    readOnly = true;
                  }
                ];
              }
            ];
            volumes = [
              {
                name = "files";
                hostPath = {
                  path = "/run/quorate/kube-vip";
                  type = "Directory";
                };
              }
            ];
          };
        };
      };
      proxy.hostname = default "cp2";
    };
  };

  environment.etc = {
    "quorate/pki/etcd-server.crt".source = default ../certs/cp2/etcd-server.crt;
    "quorate/pki/etcd-peer.crt".source = default ../certs/cp2/etcd-peer.crt;
    "quorate/pki/etcd-healthcheck-client.crt".source = default ../certs/cp2/etcd-healthcheck-client.crt;
    "quorate/pki/apiserver.crt".source = default ../certs/cp2/apiserver.crt;
    "quorate/pki/apiserver-kubelet-client.crt".source =
      default ../certs/cp2/apiserver-kubelet-client.crt;
    "quorate/pki/apiserver-etcd-client.crt".source = default ../certs/cp2/apiserver-etcd-client.crt;
    "quorate/pki/front-proxy-client.crt".source = default ../certs/cp2/front-proxy-client.crt;
    "quorate/pki/controller-manager.crt".source = default ../certs/cp2/controller-manager.crt;
    "quorate/pki/scheduler.crt".source = default ../certs/cp2/scheduler.crt;
    "quorate/pki/kubelet-client.crt".source = default ../certs/cp2/kubelet-client.crt;
    "quorate/pki/kubelet-server.crt".source = default ../certs/cp2/kubelet-server.crt;
    "quorate/pki/kube-proxy.crt".source = default ../certs/cp2/kube-proxy.crt;
  };

  sops.secrets = {
    "quorate/etcd-server".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/etcd-peer".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/etcd-healthcheck-client".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/apiserver".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/apiserver-kubelet-client".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/apiserver-etcd-client".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/front-proxy-client".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/controller-manager".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/scheduler".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/kubelet-client".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/kubelet-server".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/kube-proxy".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/service-account".sopsFile = default ../certs/cp2/keys.yaml;
    "quorate/encryption-config".sopsFile = default ../certs/cp2/keys.yaml;
  };
}

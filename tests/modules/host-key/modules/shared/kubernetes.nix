# What every machine with a kubelet has.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{
  config,
  lib,
  ...
}:
let
  default = lib.mkOverride 900;
in
{
  imports = [ ./common.nix ];

  services = {
    kubernetes = {
      # Certificates come from certs/. What nixpkgs leaves out without its own is set here and in addons.yaml.
      easyCerts = default false;
      pki.enable = default false;
      addonManager.enable = default false;
      addons.dns = {
        enable = default false;
        clusterIp = default "10.96.0.10";
        clusterDomain = default "cluster.local";
      };
      clusterCidr = default "10.244.0.0/16";
      kubelet = {
        enable = default true;
        clusterDns = default [ "10.96.0.10" ];
        clusterDomain = default "cluster.local";
        clientCaFile = default "/etc/quorate/pki/trust/kubernetes.crt";
        tlsCertFile = default "/etc/quorate/pki/kubelet-server.crt";
        tlsKeyFile = default "/run/secrets/quorate/kubelet-server";
        # Without roles nixpkgs would let no pod onto any machine.
        unschedulable = default false;
        extraConfig = {
          # Where systemd answers names, pods ask whom it asks: itself would be a loop.
          resolvConf = lib.mkIf config.services.resolved.enable (default "/run/systemd/resolve/resolv.conf");
        };
        kubeconfig = {
          caFile = default "/etc/quorate/pki/trust/root.crt";
          certFile = default "/etc/quorate/pki/kubelet-client.crt";
          keyFile = default "/run/secrets/quorate/kubelet-client";
        };
      };
      proxy = {
        enable = default true;
        kubeconfig = {
          caFile = default "/etc/quorate/pki/trust/root.crt";
          certFile = default "/etc/quorate/pki/kube-proxy.crt";
          keyFile = default "/run/secrets/quorate/kube-proxy";
        };
      };
      flannel = {
        enable = default true;
        openFirewallPorts = default false;
      };
    };
    flannel.kubeconfig = default (
      config.services.kubernetes.lib.mkKubeConfig "flannel" {
        server = config.services.kubernetes.apiserverAddress;
        caFile = "/etc/quorate/pki/trust/root.crt";
        certFile = "/etc/quorate/pki/flannel.crt";
        keyFile = "/run/secrets/quorate/flannel";
      }
    );
  };

  systemd.services = {
    flannel = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/flannel.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
      ];
    };
    kubelet = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/kubelet-client.crt".source
        config.environment.etc."quorate/pki/kubelet-server.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
        config.environment.etc."quorate/pki/trust/kubernetes.crt".source
      ];
    };
    kube-proxy = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/kube-proxy.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
      ];
    };
  };

  virtualisation.containerd.settings.plugins."io.containerd.grpc.v1.cri".sandbox_image =
    default "docker.io/library/pause:latest";

  sops.secrets = {
    "quorate/kubelet-client" = {
      owner = default "root";
      mode = default "0400";
      key = default "kubelet-client";
      restartUnits = [ "kubelet.service" ];
    };
    "quorate/kubelet-server" = {
      owner = default "root";
      mode = default "0400";
      key = default "kubelet-server";
      restartUnits = [ "kubelet.service" ];
    };
    "quorate/kube-proxy" = {
      owner = default "root";
      mode = default "0400";
      key = default "kube-proxy";
      restartUnits = [ "kube-proxy.service" ];
    };
    "quorate/flannel" = {
      owner = default "root";
      mode = default "0400";
      key = default "flannel";
      restartUnits = [ "flannel.service" ];
    };
  };

  networking.firewall = {
    allowedTCPPorts = [ 10250 ];
    extraCommands = lib.mkIf (!config.networking.nftables.enable) ''
      iptables -w -A nixos-fw -p udp -s 10.0.0.11 --dport 8472 -j nixos-fw-accept
    '';
    extraInputRules = lib.mkIf config.networking.nftables.enable ''
      ip saddr { 10.0.0.11 } udp dport 8472 accept
    '';
  };
}

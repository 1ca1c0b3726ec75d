# What every machine with a kubelet has.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  default = lib.mkOverride 900;
in
{
  imports = [ ./common.nix ];

  services.kubernetes = {
    # Certificates come from certs/. What nixpkgs leaves out without its own is set here and in addons.yaml.
    easyCerts = default false;
    pki.enable = default false;
    addonManager.enable = default false;
    addons.dns = {
      enable = default false;
      clusterIp = default "fd00:96::a";
      clusterDomain = default "cluster.local";
    };
    clusterCidr = default "fd00:244::/56";
    kubelet = {
      enable = default true;
      clusterDns = default [ "fd00:96::a" ];
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
      address = default "::";
      kubeconfig = {
        caFile = default "/etc/quorate/pki/trust/root.crt";
        certFile = default "/etc/quorate/pki/kubelet-client.crt";
        keyFile = default "/run/secrets/quorate/kubelet-client";
      };
    };
    proxy = {
      enable = default true;
      bindAddress = default "::";
      kubeconfig = {
        caFile = default "/etc/quorate/pki/trust/root.crt";
        certFile = default "/etc/quorate/pki/kube-proxy.crt";
        keyFile = default "/run/secrets/quorate/kube-proxy";
      };
    };
    flannel.enable = default false;
  };

  boot.kernel.sysctl = {
    # NixOS' kubelet lets IPv4 pass alone.
    "net.ipv6.conf.all.forwarding" = default 1;
    # Who forwards would not hear of a router any more.
    "net.ipv6.conf.default.accept_ra" = default 2;
  };

  environment.etc."cni/net.d" = {
    # Whoever connects the pods writes here, and NixOS has nothing to say.
    enable = default false;
  };

  systemd.services = {
    kubelet = {
      path = [
        pkgs.containerd
        pkgs.gzip
      ];
      environment = {
        IMAGES = toString config.services.kubernetes.kubelet.seedDockerImages;
        PLUGINS = toString config.services.kubernetes.kubelet.cni.packages;
      };
      # NixOS' own empties /opt/cni/bin at each start, and with it what connects the pods.
      preStart = lib.mkForce ''
        # As NixOS starts a kubelet, but for what others put into /opt/cni/bin: that stays.
        for image in $IMAGES; do
          case $image in
          *gz) gzip --decompress --stdout "$image" ;;
          *) cat "$image" ;;
          esac | ctr --namespace k8s.io image import -
        done
        for package in $PLUGINS; do
          ln --symbolic --force "$package"/bin/* /opt/cni/bin
        done
      '';
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
  };

  networking.firewall.allowedTCPPorts = [ 10250 ];
}

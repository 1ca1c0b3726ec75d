# What every master has.
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
  imports = [ ./kubernetes.nix ];

  services.kubernetes = {
    # A master's own components never depend on the virtual IP.
    apiserverAddress = default "https://127.0.0.1:6443";
    apiserver = {
      enable = default true;
      securePort = default 6443;
      bindAddress = default "::";
      allowPrivileged = default true;
      authorizationMode = default [
        "Node"
        "RBAC"
      ];
      serviceClusterIpRange = default "10.96.0.0/16,fd00:96::/112";
      preferredAddressTypes = default "InternalIP,Hostname";
      tlsCertFile = default "/etc/quorate/pki/apiserver.crt";
      tlsKeyFile = default "/run/secrets/quorate/apiserver";
      clientCaFile = default "/etc/quorate/pki/trust/kubernetes.crt";
      kubeletClientCaFile = default "/etc/quorate/pki/trust/kubernetes.crt";
      kubeletClientCertFile = default "/etc/quorate/pki/apiserver-kubelet-client.crt";
      kubeletClientKeyFile = default "/run/secrets/quorate/apiserver-kubelet-client";
      proxyClientCertFile = default "/etc/quorate/pki/front-proxy-client.crt";
      proxyClientKeyFile = default "/run/secrets/quorate/front-proxy-client";
      serviceAccountKeyFile = default "/etc/quorate/pki/service-account.pub";
      serviceAccountSigningKeyFile = default "/run/secrets/quorate/service-account";
      etcd = {
        # All of them: an API server outlives the member beside it.
        servers = default [
          "https://10.0.0.11:2379"
          "https://10.0.0.12:2379"
          "https://10.0.0.13:2379"
        ];
        caFile = default "/etc/quorate/pki/trust/etcd.crt";
        certFile = default "/etc/quorate/pki/apiserver-etcd-client.crt";
        keyFile = default "/run/secrets/quorate/apiserver-etcd-client";
      };
      # What NixOS has no option for. A user's own are added to these.
      extraOpts = lib.concatStringsSep " " [
        "--requestheader-client-ca-file=/etc/quorate/pki/trust/front-proxy.crt"
        "--requestheader-allowed-names=front-proxy-client"
        "--requestheader-username-headers=X-Remote-User"
        "--requestheader-group-headers=X-Remote-Group"
        "--requestheader-extra-headers-prefix=X-Remote-Extra-"
        "--encryption-provider-config=/run/secrets/quorate/encryption-config"
        "--shutdown-delay-duration=10s"
      ];
    };
    controllerManager = {
      enable = default true;
      securePort = default 10257;
      rootCaFile = default "/etc/quorate/pki/trust/root.crt";
      serviceAccountKeyFile = default "/run/secrets/quorate/service-account";
      kubeconfig = {
        caFile = default "/etc/quorate/pki/trust/root.crt";
        certFile = default "/etc/quorate/pki/controller-manager.crt";
        keyFile = default "/run/secrets/quorate/controller-manager";
      };
      extraOpts = "--node-cidr-mask-size-ipv6=64";
    };
    scheduler = {
      enable = default true;
      port = default 10259;
      kubeconfig = {
        caFile = default "/etc/quorate/pki/trust/root.crt";
        certFile = default "/etc/quorate/pki/scheduler.crt";
        keyFile = default "/run/secrets/quorate/scheduler";
      };
    };
  };

  sops.secrets = {
    "quorate/apiserver" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "apiserver";
      restartUnits = [ "kube-apiserver.service" ];
    };
    "quorate/apiserver-kubelet-client" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "apiserver-kubelet-client";
      restartUnits = [ "kube-apiserver.service" ];
    };
    "quorate/apiserver-etcd-client" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "apiserver-etcd-client";
      restartUnits = [ "kube-apiserver.service" ];
    };
    "quorate/front-proxy-client" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "front-proxy-client";
      restartUnits = [ "kube-apiserver.service" ];
    };
    "quorate/controller-manager" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "controller-manager";
      restartUnits = [ "kube-controller-manager.service" ];
    };
    "quorate/scheduler" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "scheduler";
      restartUnits = [ "kube-scheduler.service" ];
    };
    "quorate/service-account" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "service-account";
      restartUnits = [
        "kube-apiserver.service"
        "kube-controller-manager.service"
      ];
    };
    "quorate/encryption-config" = {
      owner = default "kubernetes";
      mode = default "0400";
      key = default "encryption-config";
      restartUnits = [ "kube-apiserver.service" ];
    };
  };

  environment.etc."quorate/pki/service-account.pub".source = default ../../certs/service-account.pub;

  systemd.services = {
    kube-apiserver = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/apiserver.crt".source
        config.environment.etc."quorate/pki/apiserver-kubelet-client.crt".source
        config.environment.etc."quorate/pki/apiserver-etcd-client.crt".source
        config.environment.etc."quorate/pki/front-proxy-client.crt".source
        config.environment.etc."quorate/pki/trust/kubernetes.crt".source
        config.environment.etc."quorate/pki/trust/etcd.crt".source
        config.environment.etc."quorate/pki/trust/front-proxy.crt".source
        config.environment.etc."quorate/pki/service-account.pub".source
      ];
    };
    kube-controller-manager = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/controller-manager.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
      ];
    };
    kube-scheduler = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/scheduler.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
      ];
    };
    quorate-kube-vip = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [ config.environment.etc."quorate/pki/trust/root.crt".source ];
      description = "What kube-vip reads";
      wantedBy = [ "kubelet.service" ];
      before = [ "kubelet.service" ];
      path = [
        pkgs.diffutils
        pkgs.procps
      ];
      script = ''
        render() {
          cp /etc/quorate/pki/trust/root.crt "$1/ca.crt"
          cat >"$1/kubeconfig" <<'END'
        apiVersion: v1
        kind: Config
        clusters:
        - name: local
          cluster:
            server: https://127.0.0.1:6443
            certificate-authority: /etc/kube-vip/ca.crt
        contexts:
        - name: local
          context:
            cluster: local
        current-context: local
        END
        }

        # Puts what the pod reads into its folder, each file at once, and lets kube-vip start again when one of them is new: it
        # reads them when it starts. The kubelet brings it back.
        umask 077
        new=$(mktemp --directory /run/quorate/kube-vip.XXXXXX)
        trap 'rm -rf "$new"' EXIT
        render "$new"
        changed=
        for file in "$new"/*; do
          name=''${file##*/}
          if ! cmp --silent "$file" "/run/quorate/kube-vip/$name"; then
            mv "$file" "/run/quorate/kube-vip/$name"
            changed=yes
          fi
        done
        if [ -n "$changed" ]; then
          pkill --exact kube-vip || true
        fi
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        Restart = "on-failure";
        RestartSec = "10s";
        RuntimeDirectory = "quorate/kube-vip";
        RuntimeDirectoryMode = "0700";
        RuntimeDirectoryPreserve = true;
      };
    };
  };

  networking.firewall.allowedTCPPorts = [ 6443 ];
}

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
      allowPrivileged = default true;
      authorizationMode = default [
        "Node"
        "RBAC"
      ];
      serviceClusterIpRange = default "10.96.0.0/16";
      preferredAddressTypes = default "InternalIP,Hostname";
      tlsCertFile = default "/etc/quorate/pki/apiserver.crt";
      tlsKeyFile = default "/run/agenix/quorate/apiserver";
      clientCaFile = default "/etc/quorate/pki/trust/kubernetes.crt";
      kubeletClientCaFile = default "/etc/quorate/pki/trust/kubernetes.crt";
      kubeletClientCertFile = default "/etc/quorate/pki/apiserver-kubelet-client.crt";
      kubeletClientKeyFile = default "/run/agenix/quorate/apiserver-kubelet-client";
      proxyClientCertFile = default "/etc/quorate/pki/front-proxy-client.crt";
      proxyClientKeyFile = default "/run/agenix/quorate/front-proxy-client";
      serviceAccountKeyFile = default "/etc/quorate/pki/service-account.pub";
      serviceAccountSigningKeyFile = default "/run/agenix/quorate/service-account";
      etcd = {
        # All of them: an API server outlives the member beside it.
        servers = default [
          "https://10.0.0.11:2379"
          "https://10.0.0.12:2379"
          "https://10.0.0.13:2379"
        ];
        caFile = default "/etc/quorate/pki/trust/etcd.crt";
        certFile = default "/etc/quorate/pki/apiserver-etcd-client.crt";
        keyFile = default "/run/agenix/quorate/apiserver-etcd-client";
      };
      # What NixOS has no option for. A user's own are added to these.
      extraOpts = lib.concatStringsSep " " [
        "--requestheader-client-ca-file=/etc/quorate/pki/trust/front-proxy.crt"
        "--requestheader-allowed-names=front-proxy-client"
        "--requestheader-username-headers=X-Remote-User"
        "--requestheader-group-headers=X-Remote-Group"
        "--requestheader-extra-headers-prefix=X-Remote-Extra-"
        "--encryption-provider-config=/run/agenix/quorate/encryption-config"
        "--shutdown-delay-duration=10s"
      ];
    };
    controllerManager = {
      enable = default true;
      securePort = default 10257;
      rootCaFile = default "/etc/quorate/pki/trust/root.crt";
      serviceAccountKeyFile = default "/run/agenix/quorate/service-account";
      kubeconfig = {
        caFile = default "/etc/quorate/pki/trust/root.crt";
        certFile = default "/etc/quorate/pki/controller-manager.crt";
        keyFile = default "/run/agenix/quorate/controller-manager";
      };
    };
    scheduler = {
      enable = default true;
      port = default 10259;
      kubeconfig = {
        caFile = default "/etc/quorate/pki/trust/root.crt";
        certFile = default "/etc/quorate/pki/scheduler.crt";
        keyFile = default "/run/agenix/quorate/scheduler";
      };
    };
  };

  age.secrets = {
    "quorate/apiserver" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/apiserver-kubelet-client" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/apiserver-etcd-client" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/front-proxy-client" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/controller-manager" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/scheduler" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/service-account" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/encryption-config" = {
      owner = default "kubernetes";
      mode = default "0400";
    };
    "quorate/bgp-password" = {
      owner = default "root";
      mode = default "0400";
      file = default ../../secrets/masters/bgp-password.age;
    };
  };

  environment.etc."quorate/pki/service-account.pub".source = default ../../certs/service-account.pub;

  systemd.services = {
    kube-apiserver = {
      after = [ "agenix-install-secrets.service" ];
      wants = [ "agenix-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/apiserver.crt".source
        config.environment.etc."quorate/pki/apiserver-kubelet-client.crt".source
        config.environment.etc."quorate/pki/apiserver-etcd-client.crt".source
        config.environment.etc."quorate/pki/front-proxy-client.crt".source
        config.environment.etc."quorate/pki/trust/kubernetes.crt".source
        config.environment.etc."quorate/pki/trust/etcd.crt".source
        config.environment.etc."quorate/pki/trust/front-proxy.crt".source
        config.environment.etc."quorate/pki/service-account.pub".source
        config.age.secrets."quorate/apiserver".file
        config.age.secrets."quorate/apiserver-kubelet-client".file
        config.age.secrets."quorate/apiserver-etcd-client".file
        config.age.secrets."quorate/front-proxy-client".file
        config.age.secrets."quorate/service-account".file
        config.age.secrets."quorate/encryption-config".file
      ];
    };
    kube-controller-manager = {
      after = [ "agenix-install-secrets.service" ];
      wants = [ "agenix-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/controller-manager.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
        config.age.secrets."quorate/controller-manager".file
        config.age.secrets."quorate/service-account".file
      ];
    };
    kube-scheduler = {
      after = [ "agenix-install-secrets.service" ];
      wants = [ "agenix-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/scheduler.crt".source
        config.environment.etc."quorate/pki/trust/root.crt".source
        config.age.secrets."quorate/scheduler".file
      ];
    };
    quorate-kube-vip = {
      after = [ "agenix-install-secrets.service" ];
      wants = [ "agenix-install-secrets.service" ];
      restartTriggers = [
        config.environment.etc."quorate/pki/trust/root.crt".source
        config.age.secrets."quorate/bgp-password".file
      ];
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
          password=$(</run/agenix/quorate/bgp-password)
          cat >"$1/peers.json" <<END
        { "BGPConfig": { "Peers": [
        { "Address": "10.0.0.1", "AS": 64512, "Password": "$password" }
        ] } }
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

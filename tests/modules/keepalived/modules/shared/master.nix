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

  services = {
    kubernetes = {
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
      kubelet.taints.control-plane = {
        key = default "node-role.kubernetes.io/control-plane";
        value = default "";
        effect = default "NoSchedule";
      };
    };
    keepalived = {
      enable = default true;
      secretFile = default "/run/quorate/vrrp/env";
      vrrpScripts.apiserver = {
        # By the front port: who has the address must be able to pass on what comes to it.
        script = default "${pkgs.curl}/bin/curl --silent --fail --output /dev/null --max-time 2 --cacert /etc/quorate/pki/trust/root.crt https://127.0.0.1:8443/readyz";
        interval = default 2;
        timeout = default 3;
        fall = default 3;
        rise = default 2;
        user = default "nobody";
      };
    };
    haproxy = {
      enable = default true;
      config = ''
        frontend quorate-api
          mode tcp
          bind *:8443
          timeout client 4h
          default_backend quorate-api

        backend quorate-api
          mode tcp
          balance leastconn
          timeout connect 5s
          timeout server 4h
          option httpchk GET /readyz
          http-check expect status 200
          default-server inter 2s fall 3 rise 2 check check-ssl verify required verifyhost kubernetes ca-file /etc/quorate/pki/trust/root.crt on-marked-down shutdown-sessions
          server cp1 10.0.0.11:6443
          server cp2 10.0.0.12:6443
          server cp3 10.0.0.13:6443
      '';
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
    "quorate/vrrp-password" = {
      owner = default "root";
      mode = default "0400";
      key = default "vrrp-password";
      restartUnits = [ "quorate-vrrp.service" ];
      sopsFile = default ../../secrets/masters/cluster.yaml;
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
    quorate-vrrp = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      description = "The password of keepalived";
      before = [ "keepalived.service" ];
      script = ''
        umask 077
        password=$(</run/secrets/quorate/vrrp-password)
        printf 'VRRP_PASSWORD=%s\n' "$password" >/run/quorate/vrrp/env.new
        mv /run/quorate/vrrp/env.new /run/quorate/vrrp/env
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        Restart = "on-failure";
        RestartSec = "10s";
        RuntimeDirectory = "quorate/vrrp";
        RuntimeDirectoryMode = "0700";
      };
    };
    keepalived = {
      wantedBy = [ "quorate-vrrp.service" ];
      requires = [ "quorate-vrrp.service" ];
      after = [ "quorate-vrrp.service" ];
    };
    haproxy = {
      after = [ "sops-install-secrets.service" ];
      wants = [ "sops-install-secrets.service" ];
      restartTriggers = [ config.environment.etc."quorate/pki/trust/root.crt".source ];
    };
  };

  networking.firewall = {
    allowedTCPPorts = [
      6443
      8443
    ];
    extraCommands = lib.mkIf (!config.networking.nftables.enable) ''
      iptables -w -A nixos-fw -p 112 -s 10.0.0.11 -j nixos-fw-accept
      iptables -w -A nixos-fw -p 112 -s 10.0.0.12 -j nixos-fw-accept
      iptables -w -A nixos-fw -p 112 -s 10.0.0.13 -j nixos-fw-accept
    '';
    extraInputRules = lib.mkIf config.networking.nftables.enable ''
      ip saddr { 10.0.0.11, 10.0.0.12, 10.0.0.13 } meta l4proto 112 accept
    '';
  };
}

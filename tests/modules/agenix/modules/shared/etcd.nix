# What every member of etcd has.
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

  services.etcd = {
    enable = default true;
    clientCertAuth = default true;
    peerClientCertAuth = default true;
    certFile = default "/etc/quorate/pki/etcd-server.crt";
    keyFile = default "/run/agenix/quorate/etcd-server";
    trustedCaFile = default "/etc/quorate/pki/trust/etcd.crt";
    peerCertFile = default "/etc/quorate/pki/etcd-peer.crt";
    peerKeyFile = default "/run/agenix/quorate/etcd-peer";
    peerTrustedCaFile = default "/etc/quorate/pki/trust/etcd.crt";
    # Who founds or joins is decided at the start of the unit, below: here it would change with machines.nix.
    initialCluster = default [ ];
    initialClusterState = default "existing";
    extraConf = {
      AUTO_COMPACTION_MODE = default "periodic";
      AUTO_COMPACTION_RETENTION = default "8h";
      FEATURE_GATES = default "InitialCorruptCheck=true,CompactHashCheck=true";
      LISTEN_METRICS_URLS = default "http://127.0.0.1:2381";
      QUOTA_BACKEND_BYTES = default "8589934592";
      TLS_MIN_VERSION = default "TLS1.3";
      WATCH_PROGRESS_NOTIFY_INTERVAL = default "5s";
      # One name that every peer's certificate bears; never a list, which older releases take for one name.
      PEER_CERT_ALLOWED_HOSTNAME = default "etcd-peer.test";
    };
  };

  systemd.services.etcd = {
    # Only a deploy knows when a member may be away: no switch restarts etcd.
    restartIfChanged = false;
    preStart = ''
      # Decides how this member starts. A member with data goes on; one without joins, or founds, as a marker says that a
      # person or a deploy put here, once. Without either it does not start: members that found a cluster each on their own
      # would be two clusters, and a lost disk must not become a second history.
      umask 077
      data=$ETCD_DATA_DIR
      state=$STATE_DIRECTORY
      start=$RUNTIME_DIRECTORY/start.env

      # Sets members, how and token from the marker. They are lines as `etcdctl member add` prints them.
      read_marker() {
        members= how= token=
        while IFS='=' read -r key value; do
          value=''${value#\"}
          value=''${value%\"}
          case $key in
          ETCD_INITIAL_CLUSTER) members=$value ;;
          ETCD_INITIAL_CLUSTER_STATE) how=$value ;;
          ETCD_INITIAL_CLUSTER_TOKEN) token=$value ;;
          esac
        done <"$state/bootstrap"
      }

      refuse() {
        echo "$ETCD_NAME does not start: $1" >&2
        exit 1
      }

      # A log is what a member has that was part of a cluster; a join that failed leaves a folder without one.
      if ls "$data"/member/wal/*.wal >/dev/null 2>&1; then
        members="$ETCD_NAME=$ETCD_INITIAL_ADVERTISE_PEER_URLS" how=existing token=
      elif [ ! -e "$state/bootstrap" ]; then
        refuse "$data is empty and there is no marker $state/bootstrap; a deploy puts one there to found or to join a cluster"
      else
        read_marker
        case $how in
        new | existing) ;;
        *) refuse "$state/bootstrap has ETCD_INITIAL_CLUSTER_STATE=$how, expected new or existing" ;;
        esac
        [ -n "$members" ] || refuse "$state/bootstrap has no ETCD_INITIAL_CLUSTER"
        [ -n "$token" ] || refuse "$state/bootstrap has no ETCD_INITIAL_CLUSTER_TOKEN"
        if [ -e "$state/used-tokens" ] && grep --fixed-strings --line-regexp --quiet -e "$token" "$state/used-tokens"; then
          refuse "$data is empty, and the token in $state/bootstrap was used before: this member was part of a cluster once"
        fi
      fi

      {
        echo "ETCD_INITIAL_CLUSTER=$members"
        echo "ETCD_INITIAL_CLUSTER_STATE=$how"
        [ -z "$token" ] || echo "ETCD_INITIAL_CLUSTER_TOKEN=$token"
      } >"$start.new"
      mv "$start.new" "$start"
    '';
    postStart = ''
      # etcd is ready, so this member is one of a cluster. The marker that led here is worth nothing from now on: first its
      # token is written down as used, then it goes.
      state=$STATE_DIRECTORY
      if [ -e "$state/bootstrap" ]; then
        umask 077
        sed -n -e 's/"//g' -e 's/^ETCD_INITIAL_CLUSTER_TOKEN=//p' "$state/bootstrap" >>"$state/used-tokens"
        sync "$state/used-tokens"
        rm "$state/bootstrap"
      fi
    '';
    serviceConfig = {
      # Written by preStart; what it says wins.
      EnvironmentFile = [ "-/run/quorate-etcd/start.env" ];
      RuntimeDirectory = "quorate-etcd";
      RuntimeDirectoryMode = "0700";
      StateDirectory = "quorate-etcd";
      StateDirectoryMode = "0700";
      # It is ready when there is a quorum: the first member waits for the second.
      TimeoutStartSec = default "15min";
    };
    after = [ "agenix-install-secrets.service" ];
    wants = [ "agenix-install-secrets.service" ];
  };

  age.secrets = {
    "quorate/etcd-server" = {
      owner = default "etcd";
      mode = default "0400";
    };
    "quorate/etcd-peer" = {
      owner = default "etcd";
      mode = default "0400";
    };
    "quorate/etcd-healthcheck-client" = {
      owner = default "root";
      mode = default "0400";
    };
  };

  networking.firewall = {
    extraCommands = lib.mkIf (!config.networking.nftables.enable) ''
      iptables -w -A nixos-fw -p tcp -s 10.0.0.11 --dport 2379 -j nixos-fw-accept
      iptables -w -A nixos-fw -p tcp -s 10.0.0.12 --dport 2379 -j nixos-fw-accept
      iptables -w -A nixos-fw -p tcp -s 10.0.0.13 --dport 2379 -j nixos-fw-accept
      iptables -w -A nixos-fw -p tcp -s 10.0.0.11 --dport 2380 -j nixos-fw-accept
      iptables -w -A nixos-fw -p tcp -s 10.0.0.12 --dport 2380 -j nixos-fw-accept
      iptables -w -A nixos-fw -p tcp -s 10.0.0.13 --dport 2380 -j nixos-fw-accept
    '';
    extraInputRules = lib.mkIf config.networking.nftables.enable ''
      ip saddr { 10.0.0.11, 10.0.0.12, 10.0.0.13 } tcp dport 2379 accept
      ip saddr { 10.0.0.11, 10.0.0.12, 10.0.0.13 } tcp dport 2380 accept
    '';
  };
}

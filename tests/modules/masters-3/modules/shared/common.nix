# What every machine of the cluster has.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{
  lib,
  pkgs,
  ...
}:
let
  default = lib.mkOverride 900;
in
{
  networking = {
    hosts."10.0.9.10" = [ "kubernetes" ];
    firewall = {
      # What comes to the virtual IP, or by a second network, may go back another way.
      checkReversePath = default "loose";
    };
  };

  environment.etc = {
    "quorate/pki/trust/root.crt".source = default ../../certs/ca/root.bundle.crt;
    "quorate/pki/trust/kubernetes.crt".source = default ../../certs/ca/kubernetes.bundle.crt;
    "quorate/pki/trust/etcd.crt".source = default ../../certs/ca/etcd.bundle.crt;
    "quorate/pki/trust/front-proxy.crt".source = default ../../certs/ca/front-proxy.bundle.crt;
  };

  sops = {
    age.sshKeyPaths = default [ "/etc/ssh/ssh_host_ed25519_key" ];
    gnupg = {
      # Without this sops-nix looks for an RSA host key, and a first activation fails for want of it.
      sshKeyPaths = default [ ];
    };
  };

  systemd = {
    services = {
      # For node-exporter, as --collector.textfile.directory=/var/lib/quorate-metrics.
      quorate-metrics = {
        description = "Ends of certificates, for node-exporter";
        path = [
          pkgs.gawk
          pkgs.openssl
        ];
        script = ''
          # When each certificate on this machine ends, as seconds since 1970, for the textfile collector of node-exporter. A file
          # holds a certificate and its issuer, or several authorities while one follows another: the index counts them from 0.
          metric=quorate_certificate_not_after_seconds
          {
            echo "# HELP $metric When a certificate ends."
            echo "# TYPE $metric gauge"
            for file in /etc/quorate/pki/*.crt /etc/quorate/pki/trust/*.crt; do
              index=0
              awk -v show='openssl x509 -noout -enddate' '{ print | show } /-----END/ { close(show) }' "$file" | while read -r end; do
                echo "$metric{file=\"''${file#/etc/quorate/pki/}\",index=\"$index\"} $(date --date="''${end#notAfter=}" +%s)"
                index=$((index + 1))
              done
            done
          } >"$STATE_DIRECTORY/certificates.prom.new"
          mv "$STATE_DIRECTORY/certificates.prom.new" "$STATE_DIRECTORY/certificates.prom"
        '';
        serviceConfig = {
          Type = "oneshot";
          StateDirectory = "quorate-metrics";
        };
      };
    };
    timers.quorate-metrics = {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = default "hourly";
        Persistent = default true;
        RandomizedDelaySec = default "5min";
      };
    };
  };
}

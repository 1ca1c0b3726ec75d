# IPv4 and IPv6 side by side, computed rather than written out.
{ lib, ... }:
let
  machine = n: {
    ip = [ "10.0.0.${toString n}" "fd00:10::${toString n}" ];
    interface = "eth0";
    disk = "/dev/disk/by-id/nvme-${toString n}";
    kubernetes.enable = true;
  };
  master = n: lib.nameValuePair "cp${toString n}" (machine n // { etcd.enable = true; });
  worker = n: lib.nameValuePair "w${toString n}" (machine n // { master = false; });
in
lib.listToAttrs (map master [ 1 2 3 ] ++ map worker (lib.range 21 40))
// {
  kubeMaster = { ip = [ "10.0.1.1" "fd00:11::1" ]; gateway = "10.0.0.254"; };
  cluster = {
    nodeCidr = [ "10.0.0.0/24" "fd00:10::/64" ];
    serviceCidr = [ "10.96.0.0/16" "fd00:96::/112" ];
    podCidr = [ "10.244.0.0/16" "fd00:244::/48" ];
  };
}

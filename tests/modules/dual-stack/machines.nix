# Both families, and a network plugin of the user's.
{
  cp1 = { ip = [ "10.0.0.11" "fd00:1::11" ]; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = [ "10.0.0.12" "fd00:1::12" ]; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = [ "10.0.0.13" "fd00:1::13" ]; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  kubeMaster = { ip = [ "10.0.9.10" "fd00:9::10" ]; gateway = "10.0.0.1"; bgp.peers = [ { ip = "10.0.0.1"; } { ip = "fd00:1::1"; } ]; };
  cluster = { name = "test"; nodeCidr = [ "10.0.0.0/24" "fd00:1::/64" ]; serviceCidr = [ "10.96.0.0/16" "fd00:96::/112" ]; podCidr = [ "10.244.0.0/16" "fd00:244::/56" ]; cni = "none"; };
}

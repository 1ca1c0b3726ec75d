# Five masters and a worker; two routers, BFD, a password, one authority for everything, a backup.
{
  cp1 = { ip = "10.0.0.11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = "10.0.0.12"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = "10.0.0.13"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp4 = { ip = "10.0.0.14"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp5 = { ip = "10.0.0.15"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  w1 = { ip = "10.0.0.21"; interface = "enp3s0"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; master = false; };
  kubeMaster = { ip = "10.0.9.10"; gateway = "10.0.0.1"; bgp = { as = 65010; peers = [ { ip = "10.0.0.1"; as = 65001; } { ip = "10.0.0.2"; as = 65001; } ]; bfd = true; password = true; }; };
  cluster = { name = "test"; nodeCidr = "10.0.0.0/24"; ca = "single"; admins = [ "age1lzd99uklcjnc0e7d860axevet2cz99ce9pq6tzuzd05l5nr28ams36nvun" ]; backup = { dir = "/mnt/backup"; }; };
}

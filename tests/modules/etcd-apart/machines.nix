# Masters without etcd, and three machines for etcd alone.
{
  cp1 = { ip = "10.0.0.11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; };
  cp2 = { ip = "10.0.0.12"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; };
  e1 = { ip = "10.0.0.31"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; etcd.enable = true; };
  e2 = { ip = "10.0.0.32"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; etcd.enable = true; };
  e3 = { ip = "10.0.0.33"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; etcd.enable = true; };
  w1 = { ip = "10.0.0.21"; interface = "enp3s0"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; master = false; };
  kubeMaster = { ip = "10.0.9.10"; gateway = "10.0.0.1"; };
  cluster = { name = "test"; nodeCidr = "10.0.0.0/24"; ca = "separate"; };
}

# IPv6 alone.
{
  cp1 = { ip = "fd00:1::11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = "fd00:1::12"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = "fd00:1::13"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  w1 = { ip = "fd00:1::21"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; master = false; };
  kubeMaster = { ip = "fd00:9::10"; gateway = "fd00:1::1"; };
  cluster = { name = "test"; nodeCidr = "fd00:1::/64"; serviceCidr = "fd00:96::/112"; podCidr = "fd00:244::/56"; cni = "none"; };
}

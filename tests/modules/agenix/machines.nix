# Keys in age files, for agenix; a password of BGP.
{
  cp1 = { ip = "10.0.0.11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = "10.0.0.12"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = "10.0.0.13"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  kubeMaster = { ip = "10.0.9.10"; gateway = "10.0.0.1"; bgp.password = true; };
  cluster = { name = "test"; nodeCidr = "10.0.0.0/24"; };
}

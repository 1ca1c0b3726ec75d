# kube-vip by ARP: an address of the machines' own network, a worker.
{
  cp1 = { ip = "10.0.0.11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = "10.0.0.12"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = "10.0.0.13"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  w1 = { ip = "10.0.0.21"; interface = "enp3s0"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; master = false; };
  kubeMaster = { ip = "10.0.0.10"; mode = "arp"; };
  cluster = { name = "test"; nodeCidr = "10.0.0.0/24"; };
}

# IPv6 alone, the virtual IP moved by ARP's successor on one network.
{
  cp1 = { ip = "fd00:10::11"; interface = "eth0"; disk = "/dev/disk/by-id/nvme-1"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = "fd00:10::12"; interface = "eth0"; disk = "/dev/disk/by-id/nvme-2"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = "fd00:10::13"; interface = "eth0"; disk = "/dev/disk/by-id/nvme-3"; kubernetes.enable = true; etcd.enable = true; };
  kubeMaster = { ip = "fd00:10::9"; mode = "arp"; };
  cluster = { nodeCidr = "fd00:10::/64"; serviceCidr = "fd00:96::/112"; podCidr = "fd00:244::/48"; };
}

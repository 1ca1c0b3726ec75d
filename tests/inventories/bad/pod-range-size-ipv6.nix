{
  cp1 = {
    ip = "fd00:10::11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
  };
  cp2 = {
    ip = "fd00:10::12"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = "fd00:10::13"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3";
  };
  kubeMaster = { ip = "fd00:11::1"; gateway = "fd00:10::1"; };
  cluster = { nodeCidr = "fd00:10::/64"; serviceCidr = "fd00:96::/112"; podCidr = "fd01::/40"; };
}

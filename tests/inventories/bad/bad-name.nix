{
  CP_1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-CP_1";
  };
  "cp2.lan" = {
    ip = "10.0.0.12"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2.lan";
  };
  "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" = {
    ip = "10.0.0.13"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cccccccc";
  };
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; name = "Kube Master"; };
  cluster = { name = "magi!"; domain = ".local"; nodeCidr = "10.0.0.0/24"; };
}

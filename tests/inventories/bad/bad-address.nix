{
  cp1 = {
    ip = "10.0.0.300"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
  };
  cp2 = {
    ip = [ "127.0.0.1" "10.0.0.12/24" ]; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = "cp3.lan"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3"; localIp = "fe80::1";
  };
  kubeMaster = { ip = "0.0.0.0"; gateway = "224.0.0.1"; };
  cluster = { nodeCidr = "10.0.0.0/24"; };
}

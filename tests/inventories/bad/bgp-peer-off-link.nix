{
  cp1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
  };
  cp2 = {
    ip = "10.0.0.12"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = "10.0.0.13"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3";
  };
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; bgp.peers = [ { ip = "10.5.0.254"; } ]; };
  cluster = { nodeCidr = "10.0.0.0/24"; };
}

{
  cp1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
  };
  cp2 = {
    ip = "fd00:10::12"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = "10.0.0.13"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3";
  };
  kubeMaster = { ip = [ "10.0.1.1" "10.0.1.2" ]; gateway = "10.0.0.1"; bgp.peers = [ { ip = "fd00:10::1"; as = 64512; } ]; };
  cluster = { nodeCidr = [ "10.0.0.0/24" "fd00:10::/64" ]; serviceCidr = [ "10.96.0.0/16" "fd00:96::/112" ]; };
}

{
  cp1 = {
    ip = [ "10.0.0.11" "fd00:10::11" ]; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
  };
  cp2 = {
    ip = [ "10.0.0.12" "fd00:10::12" ]; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = [ "10.0.0.13" "fd00:10::13" ]; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3";
  };
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; };
  cluster = { nodeCidr = [ "10.0.0.0/24" "fd00:10::/64" ]; serviceCidr = [ "10.64.0.0/10" "fd00:96::/125" ]; podCidr = [ "10.244.0.0/16" "fd00:244::/48" ]; };
}

{
  cp1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    disk = "/dev/disk/by-id/nvme-cp1";
  };
  cp2 = {
    ip = "10.0.0.12"; kubernetes.enable = true; etcd.enable = true;
    disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = "10.0.0.13"; kubernetes.enable = true; etcd.enable = true;
    disk = "/dev/disk/by-id/nvme-cp3";
  };
  w4 = {
    ip = "10.0.0.14"; kubernetes.enable = true;
    master = false; disk = "/dev/disk/by-id/nvme-w4";
  };
  w5 = {
    ip = "10.0.0.15"; kubernetes.enable = true;
    master = false; disk = "/dev/disk/by-id/nvme-w5";
  };
  w6 = {
    ip = "10.0.0.16"; kubernetes.enable = true;
    master = false; disk = "/dev/disk/by-id/nvme-w6";
  };
  w7 = {
    ip = "10.0.0.17"; kubernetes.enable = true;
    master = false; disk = "/dev/disk/by-id/nvme-w7";
  };
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; };
  cluster = { nodeCidr = "10.0.0.0/24"; };
}

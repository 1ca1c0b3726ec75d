{
  w1 = {
    ip = "10.0.0.11"; kubernetes.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-w1"; master = false;
  };
  w2 = {
    ip = "10.0.0.12"; kubernetes.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-w2"; master = false;
  };
  w3 = {
    ip = "10.0.0.13"; kubernetes.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-w3"; master = false;
  };
  cluster = { nodeCidr = "10.0.0.0/24"; };
}

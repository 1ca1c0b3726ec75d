{
  cp1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
  };
}

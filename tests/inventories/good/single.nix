# One machine, nothing else: it is its own endpoint.
{
  cp1 = {
    ip = "10.0.0.1"; interface = "eth0"; disk = "/dev/disk/by-id/nvme-1"; kubernetes.enable = true; etcd.enable = true;
  };
}

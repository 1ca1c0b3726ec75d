# A machine that has its SSH host key already, one master, a second network for ssh.
{
  cp1 = { ip = "10.0.0.11"; localIp = "192.168.1.11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true;
          hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHU3Jnqp1QRXcEVdkDIYGPlvdbHyDUgSWmYZnRVhMVUY"; };
  kubeMaster = { ip = "10.0.9.10"; gateway = "10.0.0.1"; };
  cluster = { name = "test"; nodeCidr = "10.0.0.0/24"; };
}

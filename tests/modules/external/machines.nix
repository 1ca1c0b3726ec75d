# A virtual IP that somebody else brings, another domain and other ranges.
{
  cp1 = { ip = "10.0.0.11"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = "10.0.0.12"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  cp3 = { ip = "10.0.0.13"; interface = "ens18"; disk = "/dev/disk/by-id/nvme-0"; kubernetes.enable = true; etcd.enable = true; };
  kubeMaster = { ip = "10.0.0.10"; mode = "external"; name = "api.example.org"; };
  cluster = { name = "test"; nodeCidr = "10.0.0.0/24"; domain = "k8s.example.org"; serviceCidr = "10.200.0.0/20"; podCidr = "10.201.0.0/16"; };
}

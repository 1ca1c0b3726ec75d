{
  cp1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1";
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0NlFzPIQJdTGkZbOPL0Emn0nPMgxc2fnDDpJBdVQ1x root@image";
  };
  cp2 = {
    ip = "10.0.0.12"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0NlFzPIQJdTGkZbOPL0Emn0nPMgxc2fnDDpJBdVQ1x root@cp2";
  };
  cp3 = {
    ip = "10.0.0.13"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3";
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1aNlFzPIQJdTGkZbOPL0Emn0nPMgxc2fnDDpJBdVQ2";
  };
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; };
  cluster = {
    nodeCidr = "10.0.0.0/24";
    admins = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1aNlFzPIQJdTGkZbOPL0Emn0nPMgxc2fnDDpJBdVQ2 me@desk" ];
  };
}

{
  cp1 = {
    ip = "10.0.0.11"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp1"; hostKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7";
  };
  cp2 = {
    ip = "10.0.0.12"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp2";
  };
  cp3 = {
    ip = "10.0.0.13"; kubernetes.enable = true; etcd.enable = true;
    interface = "ens18"; disk = "/dev/disk/by-id/nvme-cp3";
  };
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; };
  cluster = { nodeCidr = "10.0.0.0/24"; admins = [ "age2xyz" "me@example.org" ]; rootAdmins = [ "ecdsa-sha2-nistp256 AAAAE2Vj" ]; sshKeys = [ "~/.ssh/id_ed25519.pub" ]; };
}

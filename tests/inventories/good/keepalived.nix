# keepalived and HAProxy, etcd on machines of its own, a backup, every setting that has a default written out.
let
  base = { interface = "ens18"; disk = "/dev/disk/by-id/nvme-1"; sshUser = "admin"; system = "aarch64-linux"; };
in
{
  cp1 = base // { ip = "10.0.0.11"; kubernetes.enable = true; };
  cp2 = base // { ip = "10.0.0.12"; kubernetes.enable = true; };
  store1 = base // { ip = "10.0.0.21"; etcd.enable = true; };
  store2 = base // { ip = "10.0.0.22"; etcd.enable = true; };
  store3 = base // { ip = "10.0.0.23"; etcd.enable = true; };
  kubeMaster = {
    ip = "10.0.0.9"; port = 8443; name = "api.example.org"; mode = "keepalived"; virtualRouterId = 77; interface = "br0";
  };
  cluster = {
    name = "home"; domain = "k8s.example.org"; nodeCidr = "10.0.0.0/24"; serviceCidr = "10.96.0.0/16";
    podCidr = "10.244.0.0/16"; cni = "none";
    admins = [
      "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0NlFzPIQJdTGkZbOPL0Emn0nPMgxc2fnDDpJBdVQ1x admin@desk"
    ];
    sshKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0NlFzPIQJdTGkZbOPL0Emn0nPMgxc2fnDDpJBdVQ1x admin@desk" ];
    rootAdmins = [ ]; backup = { dir = "/mnt/backup"; at = "*-*-* 03:00"; };
    ca = "separate"; keyType = "p384"; rootDays = 3650; caDays = 1825; certDays = 90; renewDays = 20;
  };
}

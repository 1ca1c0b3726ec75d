# The shape that people have today: a function with an unused argument, a placeholder, a machine that is switched off,
# attributes of their own, a virtual IP inside the machines' network.
pkgs: with builtins; with pkgs.lib; {
  melchior = {
    ip = "10.13.13.2"; localIp = "192.168.88.113"; interface = "ens18"; disk = "/dev/sda";
    kubernetes.enable = true; etcd.enable = true; node = true; zfs = true;
    longhornIP = "10.13.14.2"; nvidia.enable = false;
  };
  balthazar = {
    ip = "10.13.13.3"; localIp = "192.168.88.114"; interface = "ens18"; disk = "/dev/sda";
    kubernetes.enable = true; etcd.enable = true; node = true;
  };
  gaspard = {
    ip = "10.13.13.4"; localIp = "0.0.0.0";
    kubernetes.enable = true; etcd.enable = true; node = false;
  };
  kubeMaster = { ip = "10.13.13.10"; gateway = "10.13.13.1"; port = 6443; name = "kubernetes"; };
}

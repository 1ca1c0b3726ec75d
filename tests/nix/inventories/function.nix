# A function of which nothing is used, as many repositories have it.
pkgs:
with builtins;
with pkgs.lib;
{
  melchior = {
    ip = "10.13.13.2";
    localIp = "192.168.88.113";
    interface = "ens18";
    disk = "/dev/sda";
    node = true;
    kubernetes.enable = true;
    etcd.enable = true;
  };
  balthasar = {
    ip = "10.13.13.3";
    localIp = "192.168.88.114";
    interface = "ens18";
    disk = "/dev/sda";
    node = true;
    kubernetes = {
      enable = true;
    };
    etcd = {
      enable = true;
    };
  };
  gaspard = {
    ip = "10.13.13.4";
    localIp = "0.0.0.0";
    node = false;
    kubernetes.enable = false;
    etcd.enable = false;
  };
  kubeMaster = {
    ip = "10.13.13.10";
    port = 6443;
    gateway = "10.13.13.1";
    name = "kubernetes";
  };
}

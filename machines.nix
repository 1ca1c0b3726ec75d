# The whole cluster, and the only file to edit by hand: certificates, NixOS modules and deploys follow from it.
# After a change run `pki gen certs/`, which renews what the change concerns and nothing else.
#
# Every entry is a machine, save two: `kubeMaster` says where the API answers, `cluster` holds the settings.
# Attributes that are not known here are yours to keep; a likely typo of a known one is pointed out.
{
  # Three masters: each runs the API server and is a member of etcd. Three are the fewest that outlive the loss of one.
  cp1 = {
    # The cluster address: in certificates, in etcd's URLs, what the other machines dial.
    ip = "10.13.13.11";
    # Where ssh reaches it from your desk, when that is another address.
    localIp = "192.168.88.11";
    # The network card that carries `ip`, as `ip -br link` prints it.
    interface = "ens18";
    # What NixOS is installed on. A name from /dev/disk/by-id stays with its disk; /dev/sda may be another one tomorrow.
    disk = "/dev/disk/by-id/nvme-WD_Red_SN700_1000GB_21310J800011";
    kubernetes.enable = true;
    etcd.enable = true;
  };

  cp2 = {
    ip = "10.13.13.12";
    localIp = "192.168.88.12";
    interface = "ens18";
    disk = "/dev/disk/by-id/nvme-WD_Red_SN700_1000GB_21310J800012";
    kubernetes.enable = true;
    etcd.enable = true;
  };

  cp3 = {
    ip = "10.13.13.13";
    localIp = "192.168.88.13";
    interface = "ens18";
    disk = "/dev/disk/by-id/nvme-WD_Red_SN700_1000GB_21310J800013";
    kubernetes.enable = true;
    etcd.enable = true;
  };

  # Two workers: Kubernetes without an API server. Without workers the masters would take the pods.
  worker1 = {
    ip = "10.13.13.21";
    localIp = "192.168.88.21";
    interface = "enp3s0";
    disk = "/dev/disk/by-id/ata-Samsung_SSD_870_EVO_1TB_S626NF0R000021";
    kubernetes.enable = true;
    master = false;
  };

  worker2 = {
    ip = "10.13.13.22";
    localIp = "192.168.88.22";
    interface = "enp3s0";
    disk = "/dev/disk/by-id/ata-Samsung_SSD_870_EVO_1TB_S626NF0R000022";
    kubernetes.enable = true;
    master = false;
  };

  # Not NixOS, so never deployed and never given a certificate: it stands here so that nobody else takes its address.
  # `pki router` prints the configuration that belongs on it.
  router = {
    ip = "10.13.13.1";
    node = false;
  };

  # Where the API answers, whichever master is alive.
  kubeMaster = {
    # The virtual IP. With BGP it lies outside of every network of yours: machines reach it by the router, which knows
    # from each living master that it may go there.
    ip = "10.13.14.10";
    port = 6443;
    # The name in certificates and kubeconfigs; every machine resolves it to the virtual IP.
    name = "kubernetes";
    # The router, and unless `bgp.peers` says otherwise also whom the masters speak BGP with (AS 64512; theirs is 64513).
    gateway = "10.13.13.1";
    # bgp: announced to the router. arp or keepalived: moved between the masters, on one network. external: by something
    # of yours.
    mode = "bgp";
  };

  cluster = {
    name = "magi";
    domain = "cluster.local";
    # Where the machines live, and two ranges that exist inside the cluster alone. None of the three may overlap.
    nodeCidr = "10.13.13.0/24";
    serviceCidr = "10.96.0.0/16";
    podCidr = "10.244.0.0/16";
    # Who may open the private keys, as age recipients. While nobody is named here it is whoever runs `pki gen` first:
    #   admins = [ "age1..." "ssh-ed25519 AAAA..." ];
    # Who may log in to the machines once they are installed:
    #   sshKeys = [ "ssh-ed25519 AAAA... you@desk" ];
  };
}

# The whole cluster, and the only file to edit by hand: certificates, NixOS modules and deploys follow from it. After a
# change run `pki gen certs/` and `pki modules modules/`, which renew what the change concerns and nothing else.
#
# Every entry is a machine, save two: `kubeMaster` says where the API answers, `cluster` holds the settings.
# Attributes that are not known here are yours to keep; a likely typo of a known one is pointed out.
{
  # Three masters: each runs the API server and is a member of etcd. Three are the fewest that outlive the loss of one.
  cp1 = {
    # The cluster address: in certificates, in etcd's URLs, what the other machines dial. Where ssh reaches the machine
    # at another one from your desk, name that as `localIp`.
    ip = "192.168.1.11";
    # The network card that carries it, as `ip -br link` prints it on the machine.
    interface = "CHANGE-ME";
    # What NixOS is installed on, and what the installer wipes: `ls -l /dev/disk/by-id` on the machine lists the names
    # that stay with their disks.
    disk = "/dev/disk/by-id/CHANGE-ME";
    kubernetes.enable = true;
    etcd.enable = true;
  };

  cp2 = {
    ip = "192.168.1.12";
    interface = "CHANGE-ME";
    disk = "/dev/disk/by-id/CHANGE-ME";
    kubernetes.enable = true;
    etcd.enable = true;
  };

  cp3 = {
    ip = "192.168.1.13";
    interface = "CHANGE-ME";
    disk = "/dev/disk/by-id/CHANGE-ME";
    kubernetes.enable = true;
    etcd.enable = true;
  };

  # Not NixOS, so never deployed and never given a certificate: it stands here so that nobody else takes its address.
  # `pki router` prints the configuration that belongs on it.
  router = {
    ip = "192.168.1.1";
    node = false;
  };

  # Where the API answers, whichever master is alive.
  kubeMaster = {
    # The virtual IP. It lies outside of every network of yours: machines reach it by the router, which knows from each
    # living master that it may go there.
    ip = "192.168.2.10";
    port = 6443;
    # The name in certificates and kubeconfigs; every machine resolves it to the address above.
    name = "kubernetes";
    # The router, and unless `bgp.peers` says otherwise also whom the masters speak BGP with (AS 64512; theirs is 64513).
    gateway = "192.168.1.1";
    # bgp: announced to the router. arp or keepalived: moved between the masters, on one network. external: by something
    # of yours.
    mode = "bgp";
  };

  cluster = {
    name = "homelab";
    domain = "cluster.local";
    # Where the machines live, and two ranges that exist inside the cluster alone. None of the three may overlap.
    nodeCidr = "192.168.1.0/24";
    serviceCidr = "10.96.0.0/16";
    podCidr = "10.244.0.0/16";
    # Who may open the private keys, as age recipients. While nobody is named here it is whoever runs `pki gen` first.
    #   admins = [ "age1..." "ssh-ed25519 AAAA..." ];
    # Who may open the key of the root, where that is not every admin: one that is left out here, such as CI, renews
    # certificates and makes no other authority.
    #   rootAdmins = [ "age1..." ];
    # Who may log in to the machines as root. Without a key here nobody can, once they are installed.
    #   sshKeys = [ "ssh-ed25519 AAAA... you@desk" ];
  };
}

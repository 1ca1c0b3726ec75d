# The whole cluster, and the only file to edit by hand: certificates, NixOS modules and deploys follow from it. After a
# change run `pki gen certs/` and `pki modules modules/`, which renew what the change concerns and nothing else.
#
# Every entry is a machine, save two: `kubeMaster` says where the API answers, `cluster` holds the settings.
# Attributes that are not known here are yours to keep; a likely typo of a known one is pointed out.
{
@machines@
  # Not NixOS, so never deployed and never given a certificate: it stands here so that nobody else takes its address.
@router_side@
  router = {
    ip = "@router@";
    node = false;
  };

  # Where the API answers, whichever master is alive.
  kubeMaster = {
@virtual_ip_comment@
    ip = "@virtual_ip@";
@port_comment@
    port = @port@;
    # The name in certificates and kubeconfigs; every machine resolves it to the address above.
    name = "kubernetes";
@gateway_comment@
    gateway = "@router@";
    # bgp: announced to the router. arp or keepalived: moved between the masters, on one network. external: by something
    # of yours.
    mode = "@mode@";
  };

  cluster = {
    name = "@name@";
    domain = "cluster.local";
    # Where the machines live, and two ranges that exist inside the cluster alone. None of the three may overlap.
    nodeCidr = "@node_range@";
    serviceCidr = "@service_range@";
    podCidr = "@pod_range@";
    # Who may open the private keys, as age recipients. While nobody is named here it is whoever runs `pki gen` first.
@admins@
    # Who may open the key of the root, where that is not every admin: one that is left out here, such as CI, renews
    # certificates and makes no other authority.
    #   rootAdmins = [ "age1..." ];
    # Who may log in to the machines as root. Without a key here nobody can, once they are installed.
@ssh_keys@
  };
}

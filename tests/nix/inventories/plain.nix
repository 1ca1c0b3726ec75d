{
  cp1 = { ip = "10.13.13.2"; kubernetes.enable = true; etcd.enable = true; };
  cp2 = { ip = [ "10.13.13.3" "fd00::3" ]; kubernetes.enable = true; etcd.enable = true; hostKey = "ssh-ed25519 AAAA"; };
  worker = { ip = "10.13.13.9"; kubernetes.enable = true; master = false; labels = { "node.kubernetes.io/pool" = "gpu"; }; };
  router = { ip = "10.13.13.1"; node = false; notes = ''
      not NixOS
        see the ''${wiki}
    ''; };
  cluster = { name = "magi"; nodeCidr = "10.13.13.0/24"; admins = [ "age1..." ]; weight = 1.5; nothing = null; };
}

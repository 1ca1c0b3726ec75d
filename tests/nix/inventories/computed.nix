let
  subnet = "10.13.13";
  names = [ "cp1" "cp2" "cp3" "w1" "w2" ];
  isMaster = name: builtins.substring 0 2 name == "cp";
  machine = index: {
    name = builtins.elemAt names index;
    value = rec {
      hostId = index + 2;
      ip = "${subnet}.${toString hostId}";
      localIp = "192.168.88.${toString (110 + hostId)}";
      kubernetes.enable = true;
      etcd.enable = isMaster (builtins.elemAt names index);
      master = etcd.enable;
    } // (if index == 4 then { disk = "/dev/nvme0n1"; } else { disk = "/dev/sda"; });
  };
  machines = builtins.listToAttrs (builtins.genList machine (builtins.length names));
  shared = { sshUser = "root"; system = "x86_64-linux"; };
in
builtins.mapAttrs (_: value: shared // value) machines
// {
  kubeMaster = {
    ip = "${subnet}.10";
    bgp.as = 64513;
    bgp.peers = map (last: { ip = "${subnet}.${toString last}"; as = 64512; }) [ 1 254 ];
  };
  cluster = with machines; { first = cp1.ip; addresses = map (m: m.ip) (builtins.attrValues machines); };
}

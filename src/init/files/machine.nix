  @machine@ = {
    # The cluster address: in certificates, in etcd's URLs, what the other machines dial. Where ssh reaches the machine
    # at another one from your desk, name that as `localIp`.
    ip = "@ip@";
    # The network card that carries it, as `ip -br link` prints it on the machine.
    interface = "@interface@";
    # What NixOS is installed on, and what the installer wipes: `ls -l /dev/disk/by-id` on the machine lists the names
    # that stay with their disks.
    disk = "@disk@";
    kubernetes.enable = true;
@role@
  };


# What cp3 stands on: its disk, its addresses, who logs in, how it boots. `pki init` wrote it once, and it is yours
# from then on; what Kubernetes needs is in modules/cp3.nix. `inventory` is what machines.nix says.
{
  inventory,
  lib,
  modulesPath,
  ...
}:
let
  machine = inventory.cp3;
  # `ip` and `nodeCidr` are one text or a list each.
  address = lib.elemAt (lib.toList machine.ip);
  ranges = lib.toList inventory.cluster.nodeCidr;
  prefix = index: lib.toInt (lib.last (lib.splitString "/" (lib.elemAt ranges index)));
  sshKeys = inventory.cluster.sshKeys or [ ];
in
{
  imports = [
    # Firmware, and the drivers of virtual machines. What its disk needs beyond these and the usual ones belongs into
    # boot.initrd.availableKernelModules.
    (modulesPath + "/installer/scan/not-detected.nix")
    (modulesPath + "/profiles/qemu-guest.nix")
  ];

  system.stateVersion = "26.05";

  # The whole disk, wiped when the machine is installed and never again.
  disko.devices.disk.main = {
    type = "disk";
    device = machine.disk;
    content = {
      type = "gpt";
      partitions = {
        bios = {
          size = "1M";
          type = "EF02";
        };
        esp = {
          size = "1G";
          type = "EF00";
          content = {
            type = "filesystem";
            format = "vfat";
            mountpoint = "/boot";
            mountOptions = [ "umask=0077" ];
          };
        };
        # No swap: kubelet does not start beside one.
        root = {
          size = "100%";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/";
          };
        };
      };
    };
  };

  # From a BIOS and from UEFI alike; disko tells GRUB the disk.
  boot.loader.grub = {
    enable = true;
    efiSupport = true;
    efiInstallAsRemovable = true;
  };

  networking = {
    hostName = "cp3";
    useDHCP = false;
    interfaces.${machine.interface} = {
      ipv4.addresses = [
        {
          address = address 0;
          prefixLength = prefix 0;
        }
      ];
    };
    defaultGateway = {
      address = inventory.kubeMaster.gateway;
      inherit (machine) interface;
    };
    # Two resolvers that anybody may ask; your own are nearer. Pods ask them as well.
    nameservers = [
      "9.9.9.9"
      "1.1.1.1"
    ];
  };

  # Certificates need a clock that is right.
  services.timesyncd.enable = true;

  # By key alone. The host key is made before the machine is: with it the machine opens its sealed keys.
  services.openssh = {
    enable = true;
    settings = {
      PermitRootLogin = "prohibit-password";
      PasswordAuthentication = false;
    };
    hostKeys = [
      {
        type = "ed25519";
        path = "/etc/ssh/ssh_host_ed25519_key";
      }
    ];
  };
  users.users.root.openssh.authorizedKeys.keys = sshKeys;
  warnings = lib.optional (
    sshKeys == [ ]
  ) "cp3: cluster.sshKeys in machines.nix names no key, so that nobody can log in";
}

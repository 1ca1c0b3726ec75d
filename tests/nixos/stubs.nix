# The options of NixOS that the modules under test set and read, without what NixOS does with them: types as the
# documentation of NixOS gives them, and from a unit just what its scripts become.
{
  config,
  lib,
  pkgs,
  options,
  ...
}:
let
  inherit (lib) mkOption types;

  value = type: default: mkOption { inherit type default; };
  bool = value types.bool;
  str = value types.str;
  lines = value types.lines "";
  strings = value (types.listOf types.str) [ ];
  anything = value types.anything { };

  # One value of a section of a unit: all definitions lists, which are chained, or all equal.
  setting = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: definitions:
      let
        strongest = lib.modules.filterOverrides definitions;
        listed = lib.partition (definition: lib.isList definition.value) strongest;
      in
      if listed.right == [ ] then
        lib.mergeEqualOption loc strongest
      else if listed.wrong == [ ] then
        lib.concatMap (definition: definition.value) strongest
      else
        throw "${lib.showOption loc}: some definitions are lists and some are not";
  };
  section = value (types.attrsOf setting) { };
  unitNames = value (types.listOf (
    types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)"
  )) [ ];

  unit = {
    enable = bool true;
    description = value types.singleLineStr "";
    documentation = strings;
    restartTriggers = value (types.listOf types.unspecified) [ ];
    reloadTriggers = value (types.listOf setting) [ ];
    unitConfig = section;
    startLimitBurst = mkOption { type = types.int; };
    startLimitIntervalSec = mkOption { type = types.int; };
  }
  // lib.genAttrs [
    "after"
    "aliases"
    "before"
    "bindsTo"
    "conflicts"
    "onFailure"
    "onSuccess"
    "partOf"
    "requiredBy"
    "requires"
    "requisite"
    "upheldBy"
    "upholds"
    "wantedBy"
    "wants"
  ] (_: unitNames);

  scripts = {
    preStart = "ExecStartPre";
    postStart = "ExecStartPost";
    preStop = "ExecStop";
    postStop = "ExecStopPost";
    reload = "ExecReload";
  };

  service =
    { name, config, ... }:
    {
      options =
        unit
        // lib.mapAttrs (_: _: lines) scripts
        // {
          environment = value (types.attrsOf (
            types.nullOr (
              types.oneOf [
                types.str
                types.path
                types.package
              ]
            )
          )) { };
          path = value (types.listOf (types.either types.package types.str)) [ ];
          serviceConfig = section;
          script = lines;
          scriptArgs = str "";
          startAt = value (types.coercedTo types.str lib.singleton (types.listOf types.str)) [ ];
          restartIfChanged = bool true;
          reloadIfChanged = bool false;
          stopIfChanged = bool true;
        };
      config.serviceConfig = lib.mkMerge (
        [
          (lib.mkIf (config.script != "") {
            ExecStart = "${pkgs.writeShellScript "${name}-start" config.script} ${config.scriptArgs}";
          })
        ]
        ++ lib.mapAttrsToList (
          option: key:
          lib.mkIf (config.${option} != "") {
            ${key} = [ (pkgs.writeShellScript "${name}-${option}" config.${option}) ];
          }
        ) scripts
      );
    };

  units = more: value (types.attrsOf (types.submodule { options = unit // more; })) { };

  rule = types.submodule (
    { name, ... }:
    {
      options = {
        age = str "-";
        argument = str "";
        group = str "-";
        mode = str "-";
        type = str name;
        user = str "-";
      };
    }
  );

  file =
    {
      name,
      config,
      options,
      ...
    }:
    {
      options = {
        enable = bool true;
        gid = value types.int 0;
        group = str "+${toString config.gid}";
        mode = str "symlink";
        source = mkOption { type = types.path; };
        target = mkOption { type = types.str; };
        text = value (types.nullOr types.lines) null;
        uid = value types.int 0;
        user = str "+${toString config.uid}";
      };
      config = {
        source = lib.mkIf (config.text != null) (lib.mkDerivedConfig options.text (pkgs.writeText name));
        target = lib.mkDefault name;
      };
    };

  user =
    { name, ... }:
    {
      options = {
        name = str name;
        description = str "";
        uid = value (types.nullOr types.int) null;
        isSystemUser = bool false;
        isNormalUser = bool false;
        group = str "";
        extraGroups = strings;
        home = str "/var/empty";
        homeMode = str "700";
        createHome = bool false;
        shell = value types.anything null;
        openssh.authorizedKeys.keys = strings;
      };
    };

  family = {
    addresses = value (types.listOf (
      types.submodule {
        options = {
          address = mkOption { type = types.str; };
          prefixLength = mkOption { type = types.int; };
        };
      }
    )) [ ];
    routes = value (types.listOf (
      types.submodule {
        options = {
          address = mkOption { type = types.str; };
          prefixLength = mkOption { type = types.int; };
          type = value (types.nullOr types.str) null;
          via = value (types.nullOr types.str) null;
          options = value (types.attrsOf types.str) { };
        };
      }
    )) [ ];
  };

  # agenix, whose own module wants a whole nixpkgs.
  ageSecret =
    { name, config, ... }:
    {
      options = {
        name = str name;
        file = mkOption { type = types.path; };
        path = str "/run/agenix/${config.name}";
        mode = str "0400";
        owner = str "0";
        group = str "0";
        symlink = bool true;
      };
    };
in
{
  options = {
    assertions = value (types.listOf types.unspecified) [ ];
    warnings = strings;
    meta = anything;
    ids = {
      uids = anything;
      gids = anything;
    };

    age.secrets = value (types.attrsOf (types.submodule ageSecret)) { };
    age.identityPaths = strings;

    boot = {
      blacklistedKernelModules = strings;
      extraModprobeConfig = lines;
      initrd.availableKernelModules = strings;
      initrd.kernelModules = strings;
      kernel.sysctl = value (types.attrsOf types.anything) { };
      kernelModules = strings;
      kernelPackages = value types.raw {
        kernel = {
          version = "6.12";
          features.netfilterRPFilter = true;
        };
      };
      zfs.enabled = bool false;
      zfs.package = value types.package pkgs.coreutils;
      loader.grub = anything;
      tmp.cleanOnBoot = bool false;
    };

    disko.devices = anything;

    environment = {
      etc = value (types.attrsOf (types.submodule file)) { };
      shellAliases = value (types.attrsOf types.str) { };
      systemPackages = value (types.listOf types.package) [ ];
      variables = value (types.attrsOf types.str) { };
    };

    fileSystems = value (types.attrsOf types.anything) { };
    hardware.enableRedistributableFirmware = bool false;
    nixpkgs.hostPlatform = value types.raw null;
    swapDevices = value (types.listOf types.anything) [ ];
    time.timeZone = value (types.nullOr types.str) null;

    networking = {
      defaultGateway = value types.anything null;
      dhcpcd.denyInterfaces = strings;
      domain = value (types.nullOr types.str) null;
      enableIPv6 = bool true;
      extraHosts = lines;
      fqdn = str "${config.networking.hostName}.${toString config.networking.domain}";
      fqdnOrHostName = str (
        if config.networking.domain == null then config.networking.hostName else config.networking.fqdn
      );
      hostName = str "nixos";
      hosts = value (types.attrsOf (types.listOf types.str)) { };
      interfaces = value (types.attrsOf (
        types.submodule {
          options = {
            ipv4 = family;
            ipv6 = family;
            useDHCP = value (types.nullOr types.bool) null;
          };
        }
      )) { };
      localCommands = lines;
      nameservers = strings;
      useDHCP = bool true;
      useNetworkd = bool false;
    };

    services = {
      cfssl.dataDir = str "/var/lib/cfssl";
      firewalld.enable = bool false;
      openssh.enable = bool true;
      openssh.hostKeys = value (types.listOf (types.attrsOf types.anything)) [
        {
          type = "rsa";
          bits = 4096;
          path = "/etc/ssh/ssh_host_rsa_key";
        }
        {
          type = "ed25519";
          path = "/etc/ssh/ssh_host_ed25519_key";
        }
      ];
      openssh.settings = anything;
      resolved.enable = bool false;
      timesyncd.enable = bool true;
      prometheus.exporters.node = {
        enable = bool false;
        enabledCollectors = strings;
        extraFlags = strings;
      };
    };

    system = {
      activationScripts = value (types.attrsOf types.anything) { };
      build = value (types.lazyAttrsOf types.unspecified) { };
      stateVersion = str "26.05";
    };

    systemd = {
      services = value (types.attrsOf (types.submodule service)) { };
      timers = units { timerConfig = section; };
      targets = units { };
      slices = units { sliceConfig = section; };
      sockets = units {
        listenStreams = strings;
        socketConfig = section;
      };
      paths = units { pathConfig = section; };
      tmpfiles.rules = strings;
      tmpfiles.settings = value (types.attrsOf (types.attrsOf (types.attrsOf rule))) { };
      network = anything;
    };

    users = {
      users = value (types.attrsOf (types.submodule user)) { };
      groups = value (types.attrsOf (
        types.submodule {
          options = {
            gid = value (types.nullOr types.int) null;
            members = strings;
          };
        }
      )) { };
      mutableUsers = bool true;
    };
  };

  config = {
    _module.args.pkgs = (import ./pkgs.nix).withLib lib;
    ids.uids.kubernetes = 158;
    ids.gids.kubernetes = 158;
    users.users.root = {
      uid = 0;
      group = "root";
    };
    users.groups.root.gid = 0;
    environment.etc.hosts.text = "";
  }
  // {
    sops.package = pkgs.sops-install-secrets;
    sops.validationPackage = pkgs.sops-install-secrets;
  };
}

# Emitted modules over the real modules of nixpkgs and sops-nix: what a machine would get, as data.
{
  # A checkout of nixpkgs, or the part of one that README.md names.
  nixpkgs,
  # A checkout of sops-nix.
  sopsNix,
  # The emitted modules: default.nix and what it names.
  modules,
  # A user's own module, for every machine.
  user ? null,
  # The folder of the machines' own files, and the inventory that they read.
  hosts ? null,
  inventory ? null,
}:
let
  lib = import (nixpkgs + "/lib");
  nixos = nixpkgs + "/nixos/modules";
  real = map (name: nixos + name) [
    "/services/cluster/kubernetes/addon-manager.nix"
    "/services/cluster/kubernetes/addons/dns.nix"
    "/services/cluster/kubernetes/apiserver.nix"
    "/services/cluster/kubernetes/controller-manager.nix"
    "/services/cluster/kubernetes/default.nix"
    "/services/cluster/kubernetes/flannel.nix"
    "/services/cluster/kubernetes/kubelet.nix"
    "/services/cluster/kubernetes/pki.nix"
    "/services/cluster/kubernetes/proxy.nix"
    "/services/cluster/kubernetes/scheduler.nix"
    "/services/databases/etcd.nix"
    "/services/networking/firewall.nix"
    "/services/networking/firewall-iptables.nix"
    "/services/networking/firewall-nftables.nix"
    "/services/networking/flannel.nix"
    "/services/networking/haproxy.nix"
    "/services/networking/keepalived/default.nix"
    "/services/networking/nftables.nix"
    "/virtualisation/containerd.nix"
  ];

  # Whatever has a value, without what JSON has no word for.
  plain =
    value:
    if builtins.isPath value then
      toString value
    else if builtins.isFunction value then
      "a function"
    else if lib.isDerivation value then
      "${value}"
    else if lib.isAttrs value then
      lib.mapAttrs (_: plain) value
    else if lib.isList value then
      map plain value
    else
      value;

  # What a module sets, leaf by leaf, with the priority of each.
  settings =
    path: priority: value:
    if lib.isDerivation value || !lib.isAttrs value then
      [ { inherit path priority value; } ]
    else if value ? _type then
      if value._type == "override" then
        settings path value.priority value.content
      else if value._type == "if" then
        lib.optionals value.condition (settings path priority value.content)
      else if value._type == "merge" then
        lib.concatMap (settings path priority) value.contents
      else if value._type == "order" then
        settings path priority value.content
      else
        [ { inherit path priority value; } ]
    else if value == { } then
      [ ]
    else
      lib.concatLists (lib.mapAttrsToList (name: settings (path ++ [ name ]) priority) value);

  # The modules of a file and all that it imports, applied.
  applied =
    args: file:
    let
      imported = import file;
      body = if lib.isFunction imported then imported args else imported;
    in
    [ body ] ++ lib.concatMap (applied args) (lib.filter lib.isPath (body.imports or [ ]));
  configOf =
    body:
    body.config or (removeAttrs body [
      "imports"
      "_file"
      "key"
    ]);

  machine =
    name: entry:
    let
      evaluated = lib.evalModules {
        class = "nixos";
        specialArgs = {
          inventory = import inventory;
          modulesPath = toString nixos;
        };
        modules =
          real
          ++ [
            ./stubs.nix
            (sopsNix + "/modules/sops")
            entry.module
          ]
          ++ lib.optional (hosts != null) (hosts + "/${name}.nix")
          ++ lib.optional (user != null) user;
      };
      inherit (evaluated) config options;
      inherit (evaluated._module.args) pkgs;

      # A setting of ours that is not what the machine has: another definition was stronger, or was merged into it.
      astray =
        let
          ours = lib.concatMap (body: settings [ ] lib.modules.defaultOverridePriority (configOf body)) (
            applied {
              inherit
                config
                options
                lib
                pkgs
                ;
            } entry.module
          );
          # Submodules add what was not said: each thing that was said must be there.
          covers =
            final: ours:
            if lib.isDerivation ours || lib.isPath ours then
              "${toString final}" == "${toString ours}"
            else if lib.isAttrs ours && lib.isAttrs final then
              lib.all (name: final ? ${name} && covers final.${name} ours.${name}) (lib.attrNames ours)
            else if lib.isList ours && lib.isList final then
              lib.length final == lib.length ours
              && lib.all (pair: covers pair.fst pair.snd) (lib.zipLists final ours)
            else
              final == ours;
          within =
            setting: final:
            if setting.priority < 900 && lib.isList setting.value then
              lib.all (item: lib.any (found: covers found item) final) setting.value
            else if setting.priority < 900 && lib.isString setting.value && lib.isString final then
              lib.hasInfix setting.value final
            else
              covers final setting.value;
          final = setting: lib.attrByPath setting.path "nothing" config;
        in
        map (setting: {
          option = lib.showOption setting.path;
          inherit (setting) priority;
          ours = plain setting.value;
          has = plain (final setting);
        }) (lib.filter (setting: !(within setting (final setting))) ours);

      unit = name: service: {
        inherit (service)
          enable
          after
          before
          wants
          requires
          wantedBy
          partOf
          bindsTo
          restartIfChanged
          reloadIfChanged
          stopIfChanged
          ;
        environment = plain service.environment;
        restartTriggers = plain service.restartTriggers;
        serviceConfig = plain service.serviceConfig;
        unitConfig = plain service.unitConfig;
        path = map (package: "${package}") service.path;
        startAt = service.startAt;
      };
    in
    {
      assertions = map (failed: failed.message) (lib.filter (one: !one.assertion) config.assertions);
      inherit (config) warnings;
      inherit astray;
      services = lib.mapAttrs unit config.systemd.services;
      timers = lib.mapAttrs (_: timer: {
        inherit (timer) wantedBy;
        timerConfig = plain timer.timerConfig;
      }) config.systemd.timers;
      tmpfiles = {
        inherit (config.systemd.tmpfiles) rules;
        settings = plain config.systemd.tmpfiles.settings;
      };
      etc = lib.mapAttrs (_: file: {
        inherit (file) mode user group;
        source = plain file.source;
        text = file.text;
      }) (lib.filterAttrs (_: file: file.enable) config.environment.etc);
      secrets = lib.mapAttrs (_: secret: {
        inherit (secret)
          path
          owner
          group
          mode
          key
          format
          restartUnits
          reloadUnits
          ;
        sopsFile = toString secret.sopsFile;
      }) config.sops.secrets;
      templates = lib.mapAttrs (_: template: {
        inherit (template)
          path
          owner
          mode
          content
          restartUnits
          ;
      }) config.sops.templates;
      sops = {
        inherit (config.sops.age) sshKeyPaths;
        gnupg = config.sops.gnupg.sshKeyPaths;
      };
      agenixIdentities = config.age.identityPaths;
      agenix = lib.mapAttrs (_: secret: plain secret) config.age.secrets;
      firewall = {
        inherit (config.networking.firewall)
          enable
          allowedTCPPorts
          allowedUDPPorts
          extraCommands
          extraStopCommands
          extraInputRules
          interfaces
          trustedInterfaces
          checkReversePath
          ;
        nftables = config.networking.nftables.enable;
      };
      inherit (config.networking) hosts hostName;
      interfaces = plain config.networking.interfaces;
      users = lib.mapAttrs (_: account: { inherit (account) uid group; }) config.users.users;
      kubernetes = {
        inherit (config.services.kubernetes)
          easyCerts
          caFile
          roles
          ;
        pki = config.services.kubernetes.pki.enable;
        addonManager = config.services.kubernetes.addonManager.enable;
        dns = config.services.kubernetes.addons.dns.enable;
        kubelet = {
          inherit (config.services.kubernetes.kubelet)
            enable
            unschedulable
            taints
            manifests
            extraConfig
            ;
          seedDockerImages = map (image: "${image}") config.services.kubernetes.kubelet.seedDockerImages;
        };
      };
      etcd = {
        inherit (config.services.etcd)
          enable
          name
          listenClientUrls
          listenPeerUrls
          advertiseClientUrls
          initialAdvertisePeerUrls
          initialCluster
          initialClusterState
          openFirewall
          extraConf
          ;
      };
      etcdServers = config.services.kubernetes.apiserver.etcd.servers;
      containerd = plain config.virtualisation.containerd.settings;
      inherit (config.boot.kernel) sysctl;
      kernelModules = config.boot.kernelModules;
      packages = map (package: "${package}") config.environment.systemPackages;
    };
in
lib.mapAttrs machine (import modules)

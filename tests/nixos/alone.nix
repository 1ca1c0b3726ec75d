# Emitted modules without nixpkgs: what each file sets, everything in it evaluated, as data. A path is
# { "⟪path⟫" = ...; }, a package { "⟪package⟫" = its name; }, a value that is not plain { "⟪override⟫" = ...; }.
{
  # The emitted modules: default.nix and what it names.
  modules,
}:
let
  lib = import ./lib.nix;
  inherit ((import ./pkgs.nix)) pkgs;

  isPackage = value: builtins.isAttrs value && value.type or null == "derivation";

  # What a condition that does not hold leaves: nothing. It is taken out last, since conditions read the settings.
  absent = {
    _type = "absent";
  };
  isPresent = value: !(builtins.isAttrs value) || value._type or null != "absent";

  # What a set is once every condition, priority and order in it is settled.
  settled =
    value:
    if isPackage value || !builtins.isAttrs value then
      value
    else
      {
        override = settled value.content;
        order = settled value.content;
        "if" = if value.condition then settled value.content else absent;
        merge = merged (builtins.filter isPresent (map settled value.contents));
      }
      .${value._type or ""} or (builtins.mapAttrs (_: settled) value);

  merged = builtins.zipAttrsWith (
    _: values:
    if builtins.all (value: builtins.isAttrs value && !isPackage value) values then
      merged values
    else if builtins.all builtins.isList values then
      builtins.concatLists values
    else
      builtins.head values
  );

  tagged =
    value:
    if builtins.isPath value then
      { "⟪path⟫" = toString value; }
    else if isPackage value then
      { "⟪package⟫" = value.name; }
    else if builtins.isAttrs value then
      builtins.mapAttrs (_: tagged) (
        removeAttrs value (builtins.filter (name: !isPresent value.${name}) (builtins.attrNames value))
      )
    else if builtins.isList value then
      map tagged value
    else
      value;

  files =
    args: file:
    let
      imported = import file;
      body = if builtins.isFunction imported then imported args else imported;
    in
    [
      {
        file = baseNameOf file;
        settings = body.config or (removeAttrs body [ "imports" ]);
      }
    ]
    ++ builtins.concatMap (files args) (body.imports or [ ]);

  machine =
    entry:
    let
      args = {
        inherit lib pkgs;
        options = { };
        # What the modules read back of themselves, and what they read of others.
        config = merged (
          map (one: settled one.settings) all
          ++ [
            {
              networking.nftables.enable = false;
              networking.firewall.enable = true;
              services.etcd.package = pkgs.etcd;
              services.resolved.enable = false;
              services.kubernetes.lib.mkKubeConfig = name: login: pkgs.writeText name (builtins.toJSON login);
              services.kubernetes.package = pkgs.kubernetes;
              services.kubernetes.kubelet.seedDockerImages = [ ];
              services.kubernetes.kubelet.cni.packages = [ ];
              services.keepalived.package = pkgs.keepalived;
            }
          ]
        );
      };
      all = files args entry.module;
    in
    {
      inherit (entry) system;
      files = map (one: {
        inherit (one) file;
        settings = tagged (settled one.settings);
      }) all;
    };
in
builtins.mapAttrs (_: machine) (import modules)

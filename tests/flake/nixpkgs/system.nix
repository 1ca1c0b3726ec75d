# Modules, merged: sets by their names, lists one behind the other, and anything else must be said once or alike.
{
  lib,
  legacyPackages,
  modulesPath,
}:
{
  modules,
  specialArgs ? { },
}:
let
  arguments = {
    inherit config lib modulesPath;
    pkgs = legacyPackages.${config.nixpkgs.hostPlatform};
  }
  // specialArgs;

  open =
    module:
    let
      content = if builtins.isAttrs module || builtins.isFunction module then module else import module;
      said = if builtins.isFunction content then content arguments else content;
    in
    builtins.concatMap open (said.imports or [ ]) ++ [ (removeAttrs said [ "imports" ]) ];

  merge =
    values:
    let
      first = builtins.head values;
    in
    if builtins.length values == 1 then
      first
    else if builtins.all builtins.isAttrs values then
      builtins.zipAttrsWith (_: merge) values
    else if builtins.all builtins.isList values then
      builtins.concatLists values
    else if builtins.all (value: value == first) values then
      first
    else
      throw "one option, two values";

  config = merge (builtins.concatMap open modules) // {
    system.build.toplevel = derivation {
      name = "nixos-system-${config.networking.hostName}";
      system = config.nixpkgs.hostPlatform;
      builder = "/bin/sh";
    };
  };
in
{
  inherit config;
}

# Evaluates an inventory and describes the result as JSON: every attribute with its place. `file` and `nixpkgs` are
# strings; `nixpkgs` is the JSON of the flake's locked nixpkgs, or empty.
{ file, nixpkgs }:
let
  locked = builtins.fromJSON nixpkgs;
  source =
    if locked.type == "github" then
      builtins.fetchTarball {
        url = "https://github.com/${locked.owner}/${locked.repo}/archive/${locked.rev}.tar.gz";
        sha256 = locked.narHash;
      }
    else if locked.type == "tarball" then
      builtins.fetchTarball {
        inherit (locked) url;
        sha256 = locked.narHash;
      }
    else
      builtins.fetchTree locked;
  lib = if nixpkgs == "" then import <nixpkgs/lib> else import (source + "/lib");

  given = {
    inherit lib;
    pkgs = { inherit lib; };
  };
  inventory = import file;
  takes = builtins.functionArgs inventory;
  result =
    if !(builtins.isFunction inventory) then
      inventory
    else if takes == { } then
      inventory given
    else
      inventory (missing // builtins.intersectAttrs takes given);
  # Asked for, without a default, and not to be had: an error when it is used, and none when it is not.
  missing = builtins.mapAttrs (
    name: _: throw "`${name}` is not available: an inventory is given `lib` and nothing else"
  ) (removeAttrs takes (builtins.filter (name: takes.${name}) (builtins.attrNames takes)));

  describe = path: value:
    if builtins.isAttrs value then
      if value ? __toString then
        describe path (value.__toString value)
      else if value ? outPath then
        describe path value.outPath
      else
        {
          set = map (name: {
            inherit name;
            at = builtins.unsafeGetAttrPos name value;
            value = describe "${path}.${name}" value.${name};
          }) (builtins.attrNames value);
        }
    else if builtins.isList value then
      { list = builtins.genList (n: describe "${path}[${toString n}]" (builtins.elemAt value n)) (builtins.length value); }
    else if builtins.isFunction value then
      throw "`${path}` is a function, expected data"
    else
      { leaf = if builtins.isPath value then toString value else value; };
in
describe "result" result

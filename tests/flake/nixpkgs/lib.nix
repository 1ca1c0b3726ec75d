rec {
  genAttrs =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );
  optional = condition: value: if condition then [ value ] else [ ];
  optionalAttrs = condition: value: if condition then value else { };
  optionalString = condition: value: if condition then value else "";
  toList = value: if builtins.isList value then value else [ value ];
  inherit (builtins) elemAt;
  last = list: builtins.elemAt list (builtins.length list - 1);
  splitString = mark: text: builtins.filter builtins.isString (builtins.split mark text);
  toInt = builtins.fromJSON;
  importTOML = path: builtins.fromTOML (builtins.readFile path);
  makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
  fileset = {
    unions = files: files;
    # That every file is there.
    toSource =
      { root, fileset }:
      assert builtins.all builtins.pathExists fileset;
      root;
  };
  licenses = {
    mit = "MIT";
    asl20 = "Apache-2.0";
  };
  mkDefault = value: value;
  mkForce = value: value;
  mkOverride = _: value: value;
  mkIf = condition: value: if condition then value else { };
}

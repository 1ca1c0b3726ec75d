# What emitted modules use of nixpkgs' library, in as few words as they need: where no nixpkgs is, they still have to
# be Nix that evaluates.
rec {
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;

  optional = condition: item: if condition then [ item ] else [ ];
  optionals = condition: items: if condition then items else [ ];
  optionalString = condition: text: if condition then text else "";
  optionalAttrs = condition: set: if condition then set else { };
  concatStringsSep = builtins.concatStringsSep;
  concatMapStringsSep =
    separator: text: items:
    builtins.concatStringsSep separator (map text items);
  escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
  getExe = package: "${package}/bin/${package.meta.mainProgram}";
  getExe' = package: name: "${package}/bin/${name}";
  nameValuePair = name: value: { inherit name value; };
  mapAttrsToList = of: set: map (name: of name set.${name}) (builtins.attrNames set);
  genAttrs =
    names: value:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = value name;
      }) names
    );
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    elem
    filter
    hasAttr
    head
    length
    mapAttrs
    toJSON
    ;
}

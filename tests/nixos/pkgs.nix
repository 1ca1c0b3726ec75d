# Packages that nobody builds: what is written with them keeps its text inside its own path, between ⟪ and ⟫, so that
# whoever reads an option finds the whole text where a machine would find a file.
let
  store =
    name: text:
    "/nix/store/${
      builtins.substring 0 32 (
        builtins.hashString "sha256" "${name}${builtins.unsafeDiscardStringContext text}"
      )
    }-${name}";

  derivation' =
    name: outPath: more:
    {
      type = "derivation";
      inherit name outPath;
      pname = name;
      version = "0";
      outputName = "out";
      drvPath = "${outPath}.drv";
      meta = {
        mainProgram = name;
        maintainers = [ ];
      };
      passthru = { };
      override = _: derivation' name outPath more;
    }
    // more;

  package = name: derivation' name (store name "") { };

  written = name: text: derivation' name "${store name text}⟪${text}⟫" { inherit text; };

  json = lib: {
    type =
      let
        value =
          lib.types.nullOr (
            with lib.types;
            oneOf [
              bool
              int
              float
              str
              path
              (attrsOf value)
              (listOf value)
            ]
          )
          // {
            description = "JSON value";
          };
      in
      value;
    generate = name: value: written name (builtins.toJSON value);
  };

  names = [
    "age"
    "bash"
    "cacert"
    "cni-plugin-flannel"
    "cni-plugins"
    "conntrack-tools"
    "containerd"
    "coredns"
    "coreutils"
    "curl"
    "diffutils"
    "envsubst"
    "etcd"
    "ethtool"
    "findutils"
    "flannel"
    "gawk"
    "gettext"
    "gitMinimal"
    "gnugrep"
    "gnupg"
    "gnused"
    "gzip"
    "haproxy"
    "iproute2"
    "iptables"
    "jq"
    "keepalived"
    "kubectl"
    "nftables"
    "nixos-firewall-tool"
    "openssh"
    "openssl"
    "procps"
    "python3"
    "runc"
    "socat"
    "sops-install-secrets"
    "thin-provisioning-tools"
    "util-linux"
    "util-linuxMinimal"
    "vim"
    "zstd"
  ];

  pkgs =
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = package name;
      }) names
    )
    // {
      kubernetes = package "kubernetes" // {
        pause = package "pause";
      };
      etcd = package "etcd" // {
        etcdctl = package "etcd";
        etcdutl = package "etcd";
      };
      runtimeShell = "${package "bash"}/bin/bash";
      system = "x86_64-linux";
      stdenv = {
        hostPlatform = {
          system = "x86_64-linux";
          isLinux = true;
          isx86_64 = true;
          isAarch64 = false;
        };
        buildPlatform = pkgs.stdenv.hostPlatform;
      };
      inherit (pkgs.stdenv) hostPlatform;

      writeText = written;
      writeTextDir = path: text: written (builtins.replaceStrings [ "/" ] [ "-" ] path) text;
      writeTextFile = args: written args.name args.text;
      writeScript = written;
      writeShellScript = name: text: written name "#!${pkgs.runtimeShell}\n${text}";
      writeScriptBin = written;
      writeShellScriptBin = name: text: written name "#!${pkgs.runtimeShell}\n${text}";
      writeShellApplication = args: written args.name "#!${pkgs.runtimeShell}\n${args.text}";
      runCommand =
        name: _: text:
        written name text;
      runCommandLocal = pkgs.runCommand;
      buildEnv =
        args: written args.name (builtins.concatStringsSep "\n" (map (path: "${path}") args.paths));
      symlinkJoin = pkgs.buildEnv;
      linkFarm = name: _: package name;
      dockerTools = {
        buildImage =
          args:
          package "docker-image-${args.name}.tar.gz"
          // {
            imageName = args.name;
            imageTag = args.tag or "latest";
          };
        pullImage =
          args:
          package "docker-image-${builtins.replaceStrings [ "/" ] [ "-" ] args.imageName}.tar"
          // {
            inherit (args) imageName;
            imageTag = args.finalImageTag or "latest";
          };
      };
    };
in
{
  inherit pkgs;
  # The part that real modules want and that needs nixpkgs' library.
  withLib =
    lib:
    let
      all = pkgs // {
        inherit lib;
        formats = {
          json = _: json lib;
          toml = _: json lib;
          yaml = _: json lib;
        };
        callPackage =
          file: args:
          let
            function = if builtins.isFunction file then file else import file;
          in
          function (builtins.intersectAttrs (builtins.functionArgs function) all // args);
      };
    in
    all;
}

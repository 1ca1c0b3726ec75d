# The three programs, with all that `deploy` runs.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  makeBinaryWrapper,
  etcd,
  git,
  kubectl,
  nixos-anywhere,
  nixos-rebuild-ng,
  openssh,
}:
rustPlatform.buildRustPackage {
  pname = "quorate";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  # What a build reads, and no more: a word in the README builds nothing anew.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../benches
      ../pki
      ../secrets
      ../src
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;

  # They put every answer before etcd, sops, nix and a dozen more, some of them as root: tests/peers/install brings
  # those, and `.ci/run` runs the tests.
  doCheck = false;

  nativeBuildInputs = [
    installShellFiles
    makeBinaryWrapper
  ];
  postInstall = ''
    wrapProgram $out/bin/deploy --prefix PATH : ${
      lib.makeBinPath [
        etcd
        git
        kubectl
        nixos-anywhere
        # It is called `nixos-rebuild-ng` otherwise, and `deploy` calls nobody of that name.
        (nixos-rebuild-ng.override { withNgSuffix = false; })
        openssh
      ]
    }
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    for program in pki secrets; do
      installShellCompletion --cmd $program \
        --bash <($out/bin/$program completions bash) \
        --zsh <($out/bin/$program completions zsh) \
        --fish <($out/bin/$program completions fish)
    done
  '';

  meta = {
    description = "From one machines.nix to a running, highly available NixOS Kubernetes cluster";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "pki";
  };
}

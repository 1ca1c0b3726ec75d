# The machines of the cluster, each with its platform and its module.
# Written by `pki modules` from machines.nix: change that, and run it again. What is yours goes into
# a module of your own, where a plain value is stronger than one that is marked `default` here.
{
  cp1 = {
    system = "x86_64-linux";
    module = ./cp1.nix;
  };

  cp2 = {
    system = "x86_64-linux";
    module = ./cp2.nix;
  };

  e1 = {
    system = "x86_64-linux";
    module = ./e1.nix;
  };

  e2 = {
    system = "x86_64-linux";
    module = ./e2.nix;
  };

  e3 = {
    system = "x86_64-linux";
    module = ./e3.nix;
  };

  w1 = {
    system = "x86_64-linux";
    module = ./w1.nix;
  };
}

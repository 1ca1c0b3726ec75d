# What NICO's operator generates: a module, without a vip, one machine not there yet.
{ config, pkgs, ... }:
{
  cluster = {
    name = "alpha";
    controlPlane = [
      { name = "m1"; ip = "10.0.0.11"; }
      { name = "m2"; ip = "10.0.0.12"; }
      { name = "m3"; ip = "10.0.0.13"; }
    ];
    workers = [ { name = "w1"; ip = "unknown"; } ];
  };
}

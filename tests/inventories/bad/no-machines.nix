{
  kubeMaster = { ip = "10.0.1.1"; gateway = "10.0.0.1"; };
  cluster = { nodeCidr = "10.0.0.0/24"; };
}

# As NixOS starts a kubelet, but for what others put into /opt/cni/bin: that stays.
for image in $IMAGES; do
  case $image in
  *gz) gzip --decompress --stdout "$image" ;;
  *) cat "$image" ;;
  esac | ctr --namespace k8s.io image import -
done
for package in $PLUGINS; do
  ln --symbolic --force "$package"/bin/* /opt/cni/bin
done

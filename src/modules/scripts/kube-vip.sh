# Puts what the pod reads into its folder, each file at once, and lets kube-vip start again when one of them is new: it
# reads them when it starts. The kubelet brings it back.
umask 077
new=$(mktemp --directory /run/quorate/kube-vip.XXXXXX)
trap 'rm -rf "$new"' EXIT
render "$new"
changed=
for file in "$new"/*; do
  name=${file##*/}
  if ! cmp --silent "$file" "/run/quorate/kube-vip/$name"; then
    mv "$file" "/run/quorate/kube-vip/$name"
    changed=yes
  fi
done
if [ -n "$changed" ]; then
  pkill --exact kube-vip || true
fi

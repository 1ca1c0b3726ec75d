# etcd is ready, so this member is one of a cluster. The marker that led here is worth nothing from now on: first its
# token is written down as used, then it goes.
state=$STATE_DIRECTORY
if [ -e "$state/bootstrap" ]; then
  umask 077
  sed -n -e 's/"//g' -e 's/^ETCD_INITIAL_CLUSTER_TOKEN=//p' "$state/bootstrap" >>"$state/used-tokens"
  sync "$state/used-tokens"
  rm "$state/bootstrap"
fi

# Decides how this member starts. A member with data goes on; one without joins, or founds, as a marker says that a
# person or a deploy put here, once. Without either it does not start: members that found a cluster each on their own
# would be two clusters, and a lost disk must not become a second history.
umask 077
data=$ETCD_DATA_DIR
state=$STATE_DIRECTORY
start=$RUNTIME_DIRECTORY/start.env

# Sets members, how and token from the marker. They are lines as `etcdctl member add` prints them.
read_marker() {
  members= how= token=
  while IFS='=' read -r key value; do
    value=${value#\"}
    value=${value%\"}
    case $key in
    ETCD_INITIAL_CLUSTER) members=$value ;;
    ETCD_INITIAL_CLUSTER_STATE) how=$value ;;
    ETCD_INITIAL_CLUSTER_TOKEN) token=$value ;;
    esac
  done <"$state/bootstrap"
}

refuse() {
  echo "$ETCD_NAME does not start: $1" >&2
  exit 1
}

# A log is what a member has that was part of a cluster; a join that failed leaves a folder without one.
if ls "$data"/member/wal/*.wal >/dev/null 2>&1; then
  members="$ETCD_NAME=$ETCD_INITIAL_ADVERTISE_PEER_URLS" how=existing token=
elif [ ! -e "$state/bootstrap" ]; then
  refuse "$data is empty and there is no marker $state/bootstrap; a deploy puts one there to found or to join a cluster"
else
  read_marker
  case $how in
  new | existing) ;;
  *) refuse "$state/bootstrap has ETCD_INITIAL_CLUSTER_STATE=$how, expected new or existing" ;;
  esac
  [ -n "$members" ] || refuse "$state/bootstrap has no ETCD_INITIAL_CLUSTER"
  [ -n "$token" ] || refuse "$state/bootstrap has no ETCD_INITIAL_CLUSTER_TOKEN"
  if [ -e "$state/used-tokens" ] && grep --fixed-strings --line-regexp --quiet -e "$token" "$state/used-tokens"; then
    refuse "$data is empty, and the token in $state/bootstrap was used before: this member was part of a cluster once"
  fi
fi

{
  echo "ETCD_INITIAL_CLUSTER=$members"
  echo "ETCD_INITIAL_CLUSTER_STATE=$how"
  [ -z "$token" ] || echo "ETCD_INITIAL_CLUSTER_TOKEN=$token"
} >"$start.new"
mv "$start.new" "$start"

# One snapshot, sealed to the admins before it reaches the folder. Between the two it is beside etcd's own data, which
# says the same, and then it is gone.
umask 077
work=$CACHE_DIRECTORY
trap 'rm -f "$work/snapshot.db" "$work/snapshot.db.part"' EXIT
name=$CLUSTER-$HOSTNAME-$(date --utc +%Y-%m-%dT%H%M%SZ).db.age
etcdctl --endpoints=https://127.0.0.1:2379 snapshot save "$work/snapshot.db"
age --encrypt --recipients-file=/etc/quorate/backup-recipients --output="$FOLDER/.$name.part" "$work/snapshot.db"
sync "$FOLDER/.$name.part"
mv "$FOLDER/.$name.part" "$FOLDER/$name"

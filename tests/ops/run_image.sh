#!/bin/sh
# Runs a command in a mounted image as its container would be run: uid 10001, no capabilities, a read-only root, /tmp and
# /dev/shm in memory, and volumes FROM:TO or FROM:TO:ro. In namespaces of its own:
#   unshare --mount --pid --fork --kill-child tests/ops/run_image.sh ROOT VOLUME... -- --chdir=DIR NAME=VALUE... COMMAND...
set -eu
root=$1
shift
mount --bind "$root" "$root"
cd "$root"
while [ "$1" != -- ]; do
  from=${1%%:*}
  to=${1#*:}
  mkdir -p ".${to%:ro}"
  mount --bind "$from" ".${to%:ro}"
  [ "$to" = "${to%:ro}" ] || mount -o remount,bind,ro ".${to%:ro}"
  shift
done
shift
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t proc proc proc
mount -o remount,bind,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set -all \
  --inh-caps -all /usr/bin/env -i "$@"

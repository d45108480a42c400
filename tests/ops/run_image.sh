#!/bin/sh
# Runs a command in a mounted image as the service's container would be run: uid 10001, no capabilities, a read-only
# root, /tmp in memory, the models read-only. In namespaces of its own:
#   unshare --mount --pid --fork --kill-child tests/ops/run_image.sh ROOT MODELS NAME=VALUE... COMMAND...
set -eu
root=$1
models=$2
shift 2
mount --bind "$root" "$root"
cd "$root"
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --bind "$models" models
mount -o remount,bind,ro models
mount -t proc proc proc
mount -o remount,bind,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set -all \
  --inh-caps -all /usr/bin/env -i "$@"

#!/usr/bin/env bash
# Builds an image of the Dockerfile with buildah, with no daemon and no image registry: the base is made here out of
# Debian packages. As root: tests/ops/build_image.sh SCRATCH [--target service --build-arg DEVICE=cpu ...]
# SCRATCH keeps the base and the image store (1 GB and more); the last line is the image's size in bytes.
set -euo pipefail

scratch=$(realpath -m "$1")
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$scratch"
export BUILDAH_ISOLATION=chroot

# Layers as differences where the kernel can mount them here, else each as a whole copy, which takes much longer.
driver() {
  local trial="$scratch/trial"
  mkdir -p "$trial"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$trial/lower,upperdir=$trial/upper,workdir=$trial/work" "$trial/merged" 2>"$trial/log"; then
    umount "$trial/merged"
    echo overlay
  else
    echo vfs
  fi
}
driver >"$scratch/driver"

echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$scratch/policy.json"
storage=(--root "$scratch/store" --runroot "$scratch/run" --storage-driver "$(cat "$scratch/driver")")
base=localhost/python:3.11-bookworm
image=localhost/recognition:test

make_root_filesystem() {
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv bookworm "$1" >"$scratch/debootstrap.log"
  ln -s python3 "$1/usr/bin/python"
  rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/{doc,man,locale,info}/*
}

if ! buildah "${storage[@]}" inspect --type image "$base" >"$scratch/inspect.log" 2>&1; then
  rm -rf "$scratch/base"
  mkdir "$scratch/base"
  make_root_filesystem "$scratch/base/root"
  tar -C "$scratch/base/root" -cf "$scratch/base/root.tar" .
  rm -rf "$scratch/base/root"
  printf 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n' >"$scratch/base/Dockerfile"
  buildah "${storage[@]}" bud --signature-policy "$scratch/policy.json" --tag "$base" "$scratch/base"
  rm "$scratch/base/root.tar"
fi

buildah "${storage[@]}" bud --pull-never --format docker --signature-policy "$scratch/policy.json" \
  --volume /etc/ssl/certs:/etc/ssl/certs:ro --build-arg PYTHON="$base" --tag "$image" "$@" "$root"
buildah "${storage[@]}" inspect --type image --format '{{.FromImageID}}' "$image"

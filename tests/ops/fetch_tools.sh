#!/usr/bin/env bash
# Fetches the programs that the checks of tests/ops run, and unpacks them without installing anything:
#   tests/ops/fetch_tools.sh DIRECTORY        they are in DIRECTORY/bin then
# On Debian as root, from its release SUITE (forky unless set), whose builds run on Debian 12 and later; a collector of traces
# comes as a Python package. What cannot be had is named, and its tests are skipped; that is no failure.
set -euo pipefail

suite=${SUITE:-forky}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/bin"
place=$(realpath "$1")

missing() {
  echo "tests/ops: $1 cannot be had here, and its tests will be skipped" >&2
}

# apt beside the system's own, so that no package of another release can be installed by accident.
use_suite() {
  local mirror
  mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
    awk -v release="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$2 == release {print $1; exit}')
  mkdir -p "$place"/apt/{lists,archives}/partial
  : >"$place/apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$place/apt/sources.list"
  cat >"$place/apt/apt.conf" <<END
Dir::Etc::SourceList "$place/apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$place/apt/lists";
Dir::State::status "$place/apt/status";
Dir::Cache "$place/apt";
Dir::Cache::Archives "$place/apt/archives";
Acquire::Languages "none";
Acquire::PDiffs "false";
APT::Sandbox::User "root";
END
  export APT_CONFIG="$place/apt/apt.conf"
  apt-get update -qq
}

unpack() {
  (cd "$place/apt/archives" && apt-get download -qq "$1" && dpkg -x "$1"_*.deb "$place/$1" && rm "$1"_*.deb) &&
    cp -L "$place/$1/usr/bin/$1" "$place/bin/$1" &&
    rm -r "${place:?}/$1"
}

fetch_collector() {
  python3 -m pip install --no-cache-dir --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --target "$place/rotel" --requirement "$here/rotel.lock" &&
    install "$place/rotel/rotel/rotel-agent" "$place/bin/rotel-agent" &&
    rm -r "$place/rotel"
}

if command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ "$(id -u)" = 0 ] && use_suite >"$place/log" 2>&1; then
  for package in kubectl docker-compose promtool prometheus; do
    [ -x "$place/bin/$package" ] || unpack "$package" >>"$place/log" 2>&1 || missing "$package"
  done
else
  missing 'what Debian brings (kubectl, docker-compose, promtool, prometheus)'
fi
[ -x "$place/bin/rotel-agent" ] || fetch_collector >>"$place/log" 2>&1 || missing 'a collector of traces'
